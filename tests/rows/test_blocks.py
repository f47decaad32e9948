"""Row blocks: the same rows, in the same blocks, wherever they come from."""

import numpy as np
import pytest

from oneclass.errors import InputError
from oneclass.rows import ArrayRows, FileRows, RechunkedRows, RowBlocks, as_rows
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


def test_what_kind_of_source_stands_for_what(numbers, tmp_path):
    np.save(tmp_path / "rows.npy", numbers)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    assert isinstance(as_rows(numbers), ArrayRows)
    assert isinstance(as_rows(mapped), FileRows)
    assert isinstance(as_rows(Source([numbers])), RechunkedRows)
    ready = as_rows(mapped)
    assert as_rows(ready) is ready


def test_parts_of_a_mapped_array_are_read_from_the_right_place(numbers, tmp_path):
    np.save(tmp_path / "rows.npy", numbers)
    mapped = np.load(tmp_path / "rows.npy", mmap_mode="r")
    part = as_rows(mapped[4:11])
    assert isinstance(part, FileRows)
    np.testing.assert_array_equal(np.concatenate(read(part)), numbers[4:11])
    strided = as_rows(mapped[::2])
    assert isinstance(strided, ArrayRows)
    np.testing.assert_array_equal(np.concatenate(read(strided)), numbers[::2])


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
    for source in (as_rows(kept), FileRows(tmp_path / "rows", (20, 3), stored)):
        assert source.dtype == np.dtype(working)
        blocks = read(source)
        assert blocks[0].dtype == np.dtype(working)
        np.testing.assert_array_equal(np.concatenate(blocks), numbers % 2)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (3,), (2, 2, 2), ()])
def test_shapes_that_are_no_rows(shape):
    with pytest.raises(InputError, match="X: shape"):
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
