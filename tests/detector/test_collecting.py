"""What is seen of rows while they are collected."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from oneclass.detector.collecting import ALIKE, _Seen, foreign_note
from oneclass.images import Header


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("other", [None, 0, 3, 6])
def test_rows_differ_wherever_the_other_one_stands(other: int | None, dtype: type) -> None:
    rows = np.tile(np.random.default_rng(0).random(50), (7, 1)).astype(dtype)
    if other is not None:
        rows[other, 20] = 2
    seen = _Seen()
    for row in rows:
        seen.add(row)
    assert seen.differ == (other is not None)


@pytest.mark.parametrize("factor", [0.5, 3])
def test_rounding_is_no_difference(factor: float) -> None:
    row = np.linspace(-1, 0.5, 50)
    seen = _Seen()
    seen.add(row)
    seen.add(row + factor * ALIKE * (np.arange(50) == 30))
    assert seen.differ == (factor > 1)


def test_of_rows_so_large_as_those_of_a_photograph_few_copies_are_made() -> None:
    rows = np.zeros((2, 1 << 25), np.float16)
    rows[1, -1] = 1
    seen = _Seen()
    tracemalloc.start()
    try:
        for row in rows:
            seen.add(row)
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seen.differ
    assert most < 2.5 * rows[0].nbytes
    assert kept < rows[0].nbytes / 100


@pytest.mark.parametrize(
    ("usual", "others", "told"),
    [
        (24, [(640, 640, "JPEG")], "1 image is of another size or format than the other 24: does"),
        (24, [(64, 64, "JPEG")], "1 image is of another size or format than the other 24: does"),
        (40, [(64, 60, "PNG"), (60, 64, "PNG")], "2 images are of another size or format"),
        (35, 5 * [(64, 60, "PNG")], "5 images are of another size or format than the other 35: do"),
        (9, [(640, 640, "JPEG")], "1 image is"),
        (8, [(640, 640, "JPEG")], "1 image is"),
        (2, [(640, 640, "JPEG")], None),
        (8, [(640, 640, "JPEG"), (9, 9, "PNG")], None),
        (30, [], None),
        (0, [(side, 64, "PNG") for side in range(60, 90)], None),  # all differ, as they do
    ],
)
def test_a_few_images_of_another_kind_are_no_secret(
    usual: int, others: list[tuple[int, int, str]], told: str | None
) -> None:
    kinds = [(64, 64, "PNG")] * usual + others
    notes = foreign_note([Header(w, h, "uint8", 1, 1, kind) for h, w, kind in kinds])
    if told is None:
        assert notes == ()
    else:
        assert len(notes) == 1
        assert told in notes[0]
