"""Row blocks: the same rows, in the same blocks, wherever they come from."""

import mmap
from pathlib import Path

import numpy as np
import pytest

from oneclass.errors import InputError
from oneclass.rows import (
    ArrayRows,
    FileRows,
    MappedRows,
    RechunkedRows,
    RowBlocks,
    as_rows,
    map_blocks,
)
from oneclass.rows import blocks as rows_module


class Source:
    def __init__(self, blocks, n_rows=None, dtype=np.float32):
        self._blocks = blocks
        self.n_rows = sum(map(len, blocks)) if n_rows is None else n_rows
        self.n_columns = 3
        self.dtype = np.dtype(dtype)

    def blocks(self):
        yield from self._blocks


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(rows_module, "BLOCK_BYTES", 7 * 3 * 4)


@pytest.fixture
def numbers():
    return np.arange(60, dtype=np.float32).reshape(20, 3)


def read(rows):
    return [block.copy() for block in rows.blocks()]


def test_every_source_yields_the_same_blocks_again_and_again(numbers, tmp_path):
    numbers.tofile(tmp_path / "rows")
    sources = [
        as_rows(numbers),
        as_rows(numbers[:, ::-1][:, ::-1]),
        as_rows(np.asfortranarray(numbers)),
        as_rows(np.memmap(tmp_path / "rows", np.float32, "r", shape=(20, 3))),
        as_rows(Source([numbers[:1], numbers[1:1], numbers[1:16], numbers[16:]])),
        FileRows(tmp_path / "rows", (20, 3), np.float32),
    ]
    for source in sources:
        assert isinstance(source, RowBlocks)
        assert (source.n_rows, source.n_columns, source.dtype) == (20, 3, np.float32)
        for _ in range(2):
            blocks = read(source)
            assert [len(block) for block in blocks] == [7, 7, 6]
            np.testing.assert_array_equal(np.concatenate(blocks), numbers)


@pytest.mark.parametrize("shape", [(20, 3), (9, 2, 3), (1, 3)])
def test_a_function_sees_every_row_at_its_place(shape, tmp_path):
    numbers = np.random.default_rng(0).random(shape).astype(np.float32)
    numbers.tofile(tmp_path / "rows")
    for source in (ArrayRows(numbers), FileRows(tmp_path / "rows", shape, np.float32)):
        seen = list(map_blocks(lambda start, block: (start, block.copy()), source))
        assert len(seen) == -(-len(numbers) // (7 * 3 // numbers[0].size))
        for start, block in seen:
            np.testing.assert_array_equal(block, numbers[start : start + len(block)])
        assert sum(len(block) for _, block in seen) == len(numbers)


def test_what_kind_of_source_stands_for_what(numbers, tmp_path):
    np.save(tmp_path / "rows.npy", numbers)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    assert isinstance(as_rows(numbers), ArrayRows)
    assert isinstance(as_rows(mapped), MappedRows)
    assert isinstance(as_rows(Source([numbers])), RechunkedRows)
    ready = as_rows(mapped)
    assert as_rows(ready) is ready


def test_parts_of_a_mapped_array_are_read_from_the_right_place(numbers, tmp_path):
    np.save(tmp_path / "rows.npy", numbers)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    part = as_rows(mapped[4:11])
    assert isinstance(part, MappedRows)
    np.testing.assert_array_equal(np.concatenate(read(part)), numbers[4:11])
    strided = as_rows(mapped[::2])
    assert isinstance(strided, ArrayRows)
    np.testing.assert_array_equal(np.concatenate(read(strided)), numbers[::2])


@pytest.mark.parametrize("when", ["before", "between", "during"])
@pytest.mark.parametrize("what", ["replaced", "renamed", "unlinked"])
def test_a_map_is_read_as_it_was_mapped_whatever_has_its_name(when, what, numbers, tmp_path):
    path, other = tmp_path / "rows.npy", tmp_path / "other.npy"
    np.save(path, numbers)
    np.save(other, numbers + 100)
    mapped = np.load(path, mmap_mode="r")[2:]

    def disturb():
        if what == "replaced":
            other.replace(path)
        elif what == "renamed":
            path.rename(tmp_path / "elsewhere.npy")
            np.save(path, -numbers)
        else:
            path.unlink()

    if when == "before":
        disturb()
    rows = as_rows(mapped)
    if when == "between":
        disturb()
    blocks = rows.blocks()
    found = [next(blocks).copy()]
    if when == "during":
        disturb()
    found += [block.copy() for block in blocks]
    np.testing.assert_array_equal(np.concatenate(found), numbers[2:])
    np.testing.assert_array_equal(np.concatenate(read(rows)), numbers[2:])


@pytest.mark.linux
def test_reading_a_map_keeps_no_more_than_a_block_in_memory(tmp_path, monkeypatch):
    status = Path("/proc/self/status")
    if not status.exists() or not hasattr(mmap, "MADV_DONTNEED"):
        pytest.skip("there is nothing here to measure it with")
    monkeypatch.setattr(rows_module, "BLOCK_BYTES", 1 << 20)
    np.save(tmp_path / "rows.npy", np.ones((16_000, 512), np.float32))

    def mapped_kb():
        return int(status.read_text().split("RssFile:")[1].split()[0])

    rows = as_rows(np.load(tmp_path / "rows.npy", mmap_mode="r"))
    before, most, total = mapped_kb(), 0, 0.0
    for block in rows.blocks():
        total += float(block.sum())
        most = max(most, mapped_kb())
    assert total == 16_000 * 512
    assert most - before < 6 << 10  # of 32 MB


def test_a_file_cut_short_while_it_is_mapped(numbers, tmp_path):
    path = tmp_path / "rows"
    numbers.tofile(path)
    rows = as_rows(np.memmap(path, np.float32, "r", shape=(20, 3)))
    with path.open("r+b") as file:
        file.truncate(100)
    with pytest.raises(InputError, match="holds 100 bytes, but the rows mapped from it end at 240"):
        read(rows)


def test_changes_made_only_in_memory_are_seen(numbers, tmp_path):
    np.save(tmp_path / "rows.npy", numbers)
    private = np.load(tmp_path / "rows.npy", mmap_mode="c")
    private[0] = -1
    computed = np.load(tmp_path / "rows.npy", mmap_mode="r") * 2
    np.testing.assert_array_equal(read(as_rows(private))[0][0], [-1, -1, -1])
    np.testing.assert_array_equal(np.concatenate(read(as_rows(computed))), 2 * numbers)


@pytest.mark.parametrize(
    ("stored", "working"),
    [
        ("<f2", "f4"),
        ("f4", "f4"),
        ("f8", "f8"),
        ("u1", "f8"),
        ("i8", "f8"),
        (">f4", "f4"),
        ("?", "f8"),
    ],
)
def test_dtypes_of_stored_and_of_working_numbers(stored, working, numbers, tmp_path):
    kept = (numbers % 2).astype(stored)
    kept.tofile(tmp_path / "rows")
    mapped = np.memmap(tmp_path / "rows", stored, "r", shape=(20, 3))
    for source in (as_rows(kept), as_rows(mapped), FileRows(tmp_path / "rows", (20, 3), stored)):
        assert source.dtype == np.dtype(working)
        blocks = read(source)
        assert blocks[0].dtype == np.dtype(working)
        np.testing.assert_array_equal(np.concatenate(blocks), numbers % 2)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3,), (2, 2, 2), ()])
def test_shapes_that_are_no_rows(shape):
    with pytest.raises(InputError, match=r"X: (shape|one value)"):
        as_rows(np.zeros(shape))


@pytest.mark.parametrize("dtype", [complex, str, object])
def test_dtypes_that_are_no_real_numbers(dtype):
    with pytest.raises(InputError, match="X: dtype"):
        as_rows(np.zeros((2, 2)).astype(dtype))


def test_a_source_without_rows():
    with pytest.raises(InputError, match="at least one row"):
        as_rows(Source([]))


def test_a_source_that_is_used_up_after_one_reading(numbers):
    class Once(Source):
        def blocks(self):
            yield from self._blocks
            self._blocks = []

    rows = as_rows(Once([numbers]))
    read(rows)
    with pytest.raises(InputError, match="yielded 0 rows, but n_rows is 20"):
        read(rows)


def test_a_block_of_another_width(numbers):
    with pytest.raises(InputError, match=r"block 1 has shape \(2, 4\)"):
        read(as_rows(Source([numbers, np.zeros((2, 4))])))


def test_a_file_that_is_too_short(numbers, tmp_path):
    path = tmp_path / "rows"
    numbers.tofile(path)
    with pytest.raises(InputError, match=r"holds 240 bytes, but 21 x 3"):
        FileRows(path, (21, 3), np.float32)
    rows = FileRows(path, (20, 3), np.float32)
    numbers[:10].tofile(path)
    with pytest.raises(InputError, match="ended while the rows from 7 on were read"):
        read(rows)
