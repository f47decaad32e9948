"""Sources of rows: in memory, in a file, or some of one, they give the same numbers."""

from __future__ import annotations

import os
import pickle
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oneclass.errors import InputError
from oneclass.rows import ArrayRows, FileRows, RowSource, as_rows, blocks


def in_a_file(folder: Path, rows: np.ndarray, offset: int) -> FileRows:
    (folder / "rows").write_bytes(b"x" * offset + rows.tobytes())
    return FileRows(folder / "rows", rows.shape, rows.dtype, offset)


def read(source: RowSource) -> list[np.ndarray]:
    return [block.copy() for block in source.blocks()]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["<f2", "<f4", "<f8", ">f4"]),
    st.integers(0, 100),
    st.booleans(),
)
def test_an_array_and_a_file_are_the_same(
    tmp_path_factory: pytest.TempPathFactory, seed: int, dtype: str, offset: int, patches: bool
) -> None:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, [60, 5, 4][: 2 + patches]).tolist())
    rows = rng.standard_normal(shape).astype(dtype)
    mask = rng.random(len(rows)) < rng.random()
    mask[rng.integers(len(rows))] = True
    indices = rng.integers(0, len(rows), rng.integers(0, 30))
    stored = in_a_file(tmp_path_factory.mktemp("rows"), rows, offset)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(blocks, "BLOCK_BYTES", int(rng.integers(1, 200)))
        for source in (ArrayRows(rows), stored):
            assert isinstance(source, RowSource)
            some = source.chosen(mask)
            for part, expected in ((source, rows), (some, rows[mask])):
                chosen = indices % len(expected)
                assert (part.shape, part.stored) == (expected.shape, rows.dtype)
                np.testing.assert_array_equal(part.take(chosen), expected[chosen])
                assert part.take(chosen).dtype == rows.dtype
                for _ in range(2):
                    found = read(part)
                    np.testing.assert_array_equal(np.concatenate(found), expected)
                    assert {block.dtype for block in found} == {part.dtype}
                    lengths = [len(block) for block in read(ArrayRows(expected))]
                    assert [len(block) for block in found] == lengths
                if patches:
                    at = rng.integers(0, shape[1], len(chosen))
                    np.testing.assert_array_equal(part.take(chosen, at), expected[chosen, at])
                else:
                    assert as_rows(part) is part
            again = rng.random(some.n_rows) < 0.5
            again[0] = True
            np.testing.assert_array_equal(
                some.chosen(again).take(range(again.sum())), rows[mask][again]
            )


def test_another_file_under_the_same_name_is_not_read(tmp_path: Path) -> None:
    rows = np.arange(12, dtype=np.float32).reshape(4, 3)
    source = in_a_file(tmp_path, rows, 0)
    (tmp_path / "new").write_bytes(bytes(48))
    (tmp_path / "new").replace(tmp_path / "rows")
    np.testing.assert_array_equal(np.concatenate(read(source)), rows)
    (tmp_path / "rows").unlink()
    np.testing.assert_array_equal(source.chosen(rows[:, 0] > 3).take([1]), rows[3:])


def test_a_file_that_shrinks_is_named(tmp_path: Path) -> None:
    source = in_a_file(tmp_path, np.zeros((9, 2), np.float32), 0)
    os.truncate(tmp_path / "rows", 40)
    with pytest.raises(InputError, match=r"rows ended while the rows from 7 on were read"):
        source.take([1, 7])


@pytest.mark.parametrize("positional", [True, False])
def test_many_threads_read_one_file(
    tmp_path: Path, positional: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the system can't read from a given place in one step."""
    if not positional:
        monkeypatch.delattr(os, "preadv")
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 64)
    rows = np.random.default_rng(0).standard_normal((500, 4)).astype(np.float32)
    source, wrong = in_a_file(tmp_path, rows, 3), []

    def check(number: int) -> None:
        order = np.random.default_rng(number).permutation(500)
        if not (
            np.array_equal(np.concatenate(read(source)), rows)
            and np.array_equal(source.take(order), rows[order])
        ):
            wrong.append(number)

    threads = [threading.Thread(target=check, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_pickle_brings_the_rows_along(tmp_path: Path) -> None:
    rows = np.arange(24, dtype=np.float16).reshape(4, 3, 2)
    content = pickle.dumps(in_a_file(tmp_path, rows, 7))
    (tmp_path / "rows").unlink()
    again = pickle.loads(content)
    np.testing.assert_array_equal(again.take(range(4)), rows)


def test_patches_are_no_rows_for_the_solver() -> None:
    with pytest.raises(InputError, match=r"shape \(4, 3, 2\); expected two dimensions"):
        as_rows(ArrayRows(np.zeros((4, 3, 2))))
