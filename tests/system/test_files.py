"""Files appear whole or not at all, whatever fails at whatever moment."""

from __future__ import annotations

import errno
import os
import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from operator import methodcaller
from pathlib import Path
from typing import BinaryIO

import pytest

from oneclass.errors import InputError, StorageError
from oneclass.system.files import check_writable, flush_files, whole_file, write_together
from oneclass.system.host import portable


def write(path: Path, content: bytes = b"new") -> None:
    with whole_file(path) as file:
        file.write(content)


def test_the_file_appears_and_nothing_else(tmp_path: Path) -> None:
    write(tmp_path / "a")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a": b"new"}


@pytest.mark.linux
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_are_those_of_any_new_file(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write(tmp_path / "a")
        (tmp_path / "plain").write_bytes(b"")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.linux
def test_files_of_other_threads_keep_their_permissions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The umask belongs to the process: who sets it for a moment sets it for every thread."""
    real, made = os.umask, []

    def switching(mask: int) -> int:
        """As if another thread had its turn right after the change."""
        before = real(mask)
        with ThreadPoolExecutor(1) as pool:
            pool.submit((tmp_path / str(len(made))).write_bytes, b"").result()
        made.append(tmp_path / str(len(made)))
        return before

    (tmp_path / "plain").write_bytes(b"")
    monkeypatch.setattr(os, "umask", switching)
    write(tmp_path / "a")
    for path in (*made, tmp_path / "a"):
        assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("call", ["fsync", "replace", "open"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_at_any_step_leaves_a_whole_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    real = getattr(os, call)

    def failing(*args: object, **kwargs: object) -> object:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, call, failing)
        with pytest.raises(StorageError, match=r"cannot write .*free some space"):
            write(path)
    assert getattr(os, call) is real
    assert path.read_bytes() in (b"old", b"new")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("step", range(4))
@pytest.mark.parametrize("call", ["write", "fsync"])
def test_of_files_that_belong_together_none_is_new_where_one_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, step: int
) -> None:
    paths = [tmp_path / name for name in "abcd"]
    for path in paths:
        path.write_bytes(b"old")
    real, n_flushed = os.fsync, iter(range(9))

    def fsync(handle: int) -> None:
        if call == "fsync" and next(n_flushed) == step:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(handle)

    def writer(place: int, file: BinaryIO) -> None:
        assert all(path.read_bytes() == b"old" for path in paths)
        file.write(b"new")
        if call == "write" and place == step:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(StorageError, match=f"cannot write {re.escape(str(paths[step]))}: "):
        write_together({path: partial(writer, i) for i, path in enumerate(paths)})
    assert all(path.read_bytes() == b"old" for path in paths)
    assert sorted(p.name for p in tmp_path.iterdir()) == list("abcd")


def test_files_that_belong_together_take_their_places_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placed, real = [], portable.replace

    def replace(source: Path, target: Path) -> None:
        placed.append(target.name)
        real(source, target)

    monkeypatch.setattr(portable, "replace", replace)
    write_together({tmp_path / name: methodcaller("write", name.encode()) for name in "abc"})
    assert placed == ["a", "b", "c"]
    assert all((tmp_path / name).read_text() == name for name in "abc")


def test_an_error_of_the_writer_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def fail_midway() -> None:
        with whole_file(path) as file:
            file.write(b"half")
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        fail_midway()
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "no/such/folder/a", tmp_path / "file" / "a", tmp_path):
        with pytest.raises(InputError, match="cannot write"):
            check_writable(path)
    for path in (tmp_path / "no/such/folder/a", tmp_path / "file" / "a"):
        with pytest.raises(InputError, match="cannot write"):
            write(path)
    check_writable(tmp_path / "fine")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_files_written_without_waiting_are_whole_and_flushed_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    paths = [tmp_path / str(i) for i in range(3)]
    for path in paths:
        with whole_file(path, flush=False) as file:
            file.write(b"whole")
    assert flushed == []
    assert [path.read_bytes() for path in paths] == [b"whole"] * 3
    flush_files([*paths, tmp_path / "gone"])
    assert len(flushed) == 3
    with pytest.raises(ZeroDivisionError), whole_file(paths[0], flush=False) as file:
        file.write(b"half" * (1 // 0))
    assert paths[0].read_bytes() == b"whole"
    assert sorted(tmp_path.iterdir()) == paths
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="folder"):
        flush_files([tmp_path / "folder"])


@pytest.mark.linux
@pytest.mark.parametrize("mode", [0o664, 0o600, 0o640])
def test_what_is_written_over_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    """A group that shares a model goes on sharing it; what was private stays so."""
    file = tmp_path / "m"
    file.write_bytes(b"old")
    file.chmod(mode)
    with whole_file(file) as opened:
        opened.write(b"new")
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"new", mode)
