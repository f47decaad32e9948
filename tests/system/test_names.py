"""Counts in sentences."""

from __future__ import annotations

import pytest

from oneclass.system.names import count, plural, unbroken


@pytest.mark.parametrize(("n", "told"), [(0, "0 images"), (1, "1 image"), (2, "2 images")])
def test_only_one_is_singular(n: int, told: str) -> None:
    assert count(n, "image") == told
    assert plural(n, "image") == told.split()[1]


def test_words_with_plurals_of_their_own() -> None:
    assert [count(n, "anomaly is", "anomalies are") for n in (1, 3)] == [
        "1 anomaly is",
        "3 anomalies are",
    ]


def test_a_number_keeps_its_percent_sign() -> None:
    assert unbroken("of 5 % (1 in 20), 0.25 %.") == "of 5\xa0% (1 in 20), 0.25\xa0%."
    assert unbroken("50% of %, a % b") == "50% of %, a % b"
