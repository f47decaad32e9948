"""Counts in sentences."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from oneclass.system import names
from oneclass.system.names import count, near_path, percent, percent_up, plural, some_of, unbroken


@pytest.mark.parametrize(("n", "told"), [(0, "0 images"), (1, "1 image"), (2, "2 images")])
def test_only_one_is_singular(n: int, told: str) -> None:
    assert count(n, "image") == told
    assert plural(n, "image") == told.split()[1]


@pytest.mark.parametrize(
    ("n", "total", "told"),
    [(1, 1, "the image"), (1, 8, "1 of the 8 images"), (8, 8, "all 8 images"), (0, 1, "0 of the")],
)
def test_nobody_hears_of_one_of_the_one_image(n: int, total: int, told: str) -> None:
    assert some_of(n, total, "image").startswith(told)


def test_words_with_plurals_of_their_own() -> None:
    assert [count(n, "anomaly is", "anomalies are") for n in (1, 3)] == [
        "1 anomaly is",
        "3 anomalies are",
    ]


def test_a_number_keeps_its_percent_sign() -> None:
    assert unbroken("of 5 % (1 in 20), 0.25 %.") == "of 5\xa0% (1 in 20), 0.25\xa0%."
    assert unbroken("50% of %, a % b") == "50% of %, a % b"


def test_a_rate_in_percent() -> None:
    assert [percent(x) for x in (0.05, 1 / 175, 0.125, 1)] == ["5 %", "0.571 %", "12.5 %", "100 %"]
    assert {percent(x) for x in (0, 1e-18, -1e-18)} == {"0 %"}


def test_no_other_place_writes_a_share_in_its_own_way() -> None:
    own = re.compile(r"\{100 [*/][^}]*:\.[1-9][fg]\} ?%")
    source = Path(names.__file__).parents[1]
    assert [str(path) for path in source.rglob("*.py") if own.search(path.read_text())] == []


def test_a_path_that_is_nearly_there(tmp_path: Path) -> None:
    (tmp_path / "parts/good").mkdir(parents=True)
    (tmp_path / "m.oneclass").touch()
    for wrong, right in {
        "parts/goood": "parts/good",
        "prats/good": "parts/good",
        "m.oneclas": "m.oneclass",
        "parts/zzz": "",
        "prats/bad": "",
        "m.oneclass/good": "",
        "nothing": "",
        "m.oneclass": "",  # is there: it would be advice to try the same again
    }.items():
        told = str(tmp_path / right) if right else ""
        assert near_path(tmp_path / wrong) == told, wrong


def test_a_lowest_rate_is_told_so_that_it_can_be_asked_for() -> None:
    for n in range(2, 5000):
        told = float(percent_up(1 / n).removesuffix(" %")) / 100
        assert 1 / n <= told * (1 + 1e-12)
        assert told <= 1 / n * 1.01
