"""Rows that do not fit into memory give the model that they would give in it."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import stripes, write_images
from oneclass import Detector, StorageError, load
from oneclass.rows import ArrayRows, FileRows, scratch
from oneclass.rows.scratch import ScratchRows

SETTINGS: dict[str, Any] = {"layer": "block_2", "grid": 2, "size": (32, 32)}


@pytest.fixture
def tiny_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any rows go to a file, and in small pieces."""
    monkeypatch.setattr(scratch, "IN_MEMORY_BYTES", 100)
    monkeypatch.setattr(scratch, "PIECE_BYTES", 1000)


def open_below(folder: Path) -> list[str]:
    """The files below a folder that are open, unlinked ones too."""
    gc.collect()
    targets = [
        str(path.readlink()) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()
    ]
    return [target for target in targets if target.startswith(str(folder))]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from(["float16", "float32"]))
def test_rows_come_back_in_any_order(seed: int, patches: bool, dtype: str) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 60))
    shape = (int(rng.integers(1, 9)), *([int(rng.integers(1, 5))] if patches else []))
    rows = rng.standard_normal((n, *shape)).astype(dtype)
    order = rng.permutation(n).tolist()
    found = []
    for limit in (1 << 30, 0):
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(scratch, "IN_MEMORY_BYTES", limit)
            patched.setattr(scratch, "PIECE_BYTES", int(rng.integers(1, 500)))
            collected = ScratchRows(n + 3, shape, rows.dtype)  # fewer come than were announced
            for row in rows:
                collected.add(row)
            found.append(collected.ordered(order))
    for given_back in found:
        assert (given_back.shape, given_back.stored) == (rows.shape, rows.dtype)
        np.testing.assert_array_equal(given_back.take(range(n)), rows[order])
    assert [type(given_back) for given_back in found] == [ArrayRows, FileRows]


@pytest.mark.linux
@pytest.mark.usefixtures("tiny_memory")
def test_a_file_is_read_as_one_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    collected = ScratchRows(50, (7,), np.dtype(np.float32))
    rows = np.random.default_rng(0).standard_normal((50, 7)).astype(np.float32)
    for row in rows:
        collected.add(row)
    found = collected.ordered(range(50))
    assert len(open_below(tmp_path)) == 1
    np.testing.assert_array_equal(np.concatenate([b.copy() for b in found.blocks()]), rows)
    assert list(tmp_path.iterdir()) == []
    del found, collected
    assert open_below(tmp_path) == []


@pytest.mark.usefixtures("tiny_memory")
@pytest.mark.parametrize("n", [40, 2100], ids=["cross", "split"])
def test_the_model_is_the_same(n: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = stripes(n, seed=3, side=16)
    in_file = Detector(**SETTINGS).fit(images)
    assert isinstance(in_file._require_fit().with_rows().training.rows, FileRows)
    digest = in_file.save(tmp_path / "a.oneclass", rows=True)
    monkeypatch.undo()
    in_memory = Detector(**SETTINGS).fit(images)
    assert isinstance(in_memory._require_fit().with_rows().training.rows, ArrayRows)
    assert in_memory.save(tmp_path / "b.oneclass", rows=True) == digest
    first, second = (tmp_path / f"{name}.oneclass.rows" for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    again = load(tmp_path / "a.oneclass")
    assert again.update(stripes(3, seed=9, side=16)).added == 3


@pytest.mark.usefixtures("tiny_memory")
def test_a_model_of_patches_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings_ = {"rows": "patches", "layer": "block_2", "size": (32, 32), "n_halfspaces": 4}
    images = stripes(12, seed=4, side=32)
    digest = Detector(**settings_).fit(images).save(tmp_path / "a.oneclass")
    monkeypatch.undo()
    assert Detector(**settings_).fit(images).save(tmp_path / "b.oneclass") == digest


def test_a_disk_without_room_is_found_out_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scratch, "IN_MEMORY_BYTES", 0)
    with pytest.raises(
        StorageError,
        match=r"GiB, .* are free\. .*TMPDIR.*fewer images.*--size.*without tiles.*block_8@4",
    ):
        ScratchRows(10**9, (10**6,), np.dtype(np.float32))


@pytest.mark.linux
@pytest.mark.parametrize("write", range(1, 9))
def test_a_disk_that_fills_up_at_any_write_is_named_and_left_clean(
    tmp_path: Path, write: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty rows are written eight times: a limit on the file's size stands for a full disk."""
    program = f"""
import resource, signal, tempfile
import numpy as np
from oneclass.rows import scratch
from oneclass.errors import StorageError
scratch.IN_MEMORY_BYTES, scratch.PIECE_BYTES = 0, 10 * 4000
tempfile.tempdir = {str(tmp_path)!r}
collected = scratch.ScratchRows(40, (1000,), np.dtype(np.float32))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    for i in range(40):
        if i == 5 * {write} - 5:
            resource.setrlimit(resource.RLIMIT_FSIZE, (i * 4000, i * 4000))
        collected.add(np.full(1000, i, np.float32))
    collected.ordered(range(40))
except StorageError as error:
    print("told", error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "told the rows of the images do not fit" in done.stdout
    assert "TMPDIR" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_command_line_fits_rows_that_memory_does_not_hold(tmp_path: Path) -> None:
    """With an address space that the program fits into and the rows do not."""
    write_images(tmp_path / "good", stripes(60, seed=7, side=32))
    words = ["fit", str(tmp_path / "good"), "--layer", "block_2", "--size", "64", "--halfspaces"]
    program = """
import sys
from oneclass.rows import scratch
from oneclass.cli import cli
from oneclass.cli.talk.console import run
scratch.IN_MEMORY_BYTES = int(sys.argv.pop(1))
sys.exit(run(cli))
"""
    digests = []
    for name, limit in (("a", 0), ("b", 1 << 30)):
        model = tmp_path / f"{name}.oneclass"
        command = [sys.executable, "-c", program, str(limit), *words, "3", "-o", str(model)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        digests.append(model.read_bytes()[-32:])
    assert digests[0] == digests[1]


@pytest.mark.skipif(sys.platform != "linux", reason="tells what Linux was asked for")
def test_rows_in_memory_are_of_this_process_and_ask_for_no_huge_pages() -> None:
    kept = ScratchRows(64, (1 << 16,), np.dtype(np.float32))  # 16 MiB
    for k in range(64):
        kept.add(np.full(1 << 16, k, np.float32))
    rows = kept._array
    assert rows is not None
    flags = vm_flags(rows.ctypes.data)
    assert "wr" in flags
    assert not {"hg", "sh"} & set(flags)


def vm_flags(address: int) -> list[str]:
    """What the system knows of the memory at an address (proc(5), `VmFlags` of smaps)."""
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if re.fullmatch(r"[0-9a-f]+-[0-9a-f]+", words[0]):
            first, last = (int(end, 16) for end in words[0].split("-"))
            inside = first <= address < last
        elif inside and words[0] == "VmFlags:":
            return words[1:]
    return []
