"""Addresses: paths by their names, errors as of a disk, whole files, and patience."""

from __future__ import annotations

import errno
import io
import os
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import oneclass
from oneclass.errors import InputError, MissingDependencyError
from oneclass.system import places, stores
from oneclass.system.files import check_writable, whole_file
from oneclass.system.places import Remote, held, is_address, place, reading_as_needed

fsspec = pytest.importorskip("fsspec")
memory = pytest.importorskip("fsspec.implementations.memory")


@pytest.fixture
def folder() -> Remote:
    made = place(f"memory://{uuid4().hex}")
    assert isinstance(made, Remote)
    return made


def put(where: Path, content: bytes) -> Path:
    with whole_file(where) as file:
        file.write(content)
    return where


class Moody(memory.MemoryFileSystem):  # type: ignore[misc]
    """A store that fails as it is told to."""

    protocol = "moody"
    cachable = False
    store: dict[str, Any] = {}  # noqa: RUF012 -- of the class, as the memory's is
    pseudo_dirs = [""]  # noqa: RUF012
    failures: list[Exception] = []  # noqa: RUF012
    asked: list[tuple[str, Any]] = []  # noqa: RUF012

    def cat_file(self, path: str, start: Any = None, end: Any = None, **more: Any) -> bytes:
        self.asked.append((path, end))
        if self.failures:
            raise self.failures.pop(0)
        content: bytes = super().cat_file(path, start, end, **more)
        return content

    def put_file(self, *given: Any, **more: Any) -> None:
        if self.failures:
            raise self.failures.pop(0)
        super().put_file(*given, **more)


@pytest.fixture
def moody(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Moody]]:
    fsspec.register_implementation("moody", Moody, clobber=True)
    monkeypatch.setattr(stores, "PAUSES", (0.0, 0.0, 0.0))
    monkeypatch.setattr(places, "WHOLE", frozenset({"moody"}))
    Moody.store.clear()
    Moody.failures, Moody.asked = [], []
    return Moody


def test_an_address_is_a_path_by_its_names() -> None:
    one = place("s3://bucket/a//b/001.PNG")
    assert isinstance(one, Remote)
    assert str(one) == "s3://bucket/a//b/001.PNG", "to the letter"
    assert (one.name, one.suffix, one.scheme) == ("001.PNG", ".PNG", "s3")
    assert str(one.with_name("x.rows")) == "s3://bucket/a/b/x.rows"
    assert str(place("gs://bucket/a/b").parent / "c.csv") == "gs://bucket/a/c.csv"
    assert isinstance(one.parent, Remote)
    again = pickle.loads(pickle.dumps(one))
    assert (type(again), str(again)) == (Remote, str(one))


@pytest.mark.parametrize("text", ["a/b.png", "C:/a", "./s3:/x", "ab://", "C://a", "x y://z"])
def test_only_a_scheme_and_two_slashes_make_an_address(text: str) -> None:
    assert is_address(text) == (text == "ab://")
    if text != "ab://":
        assert place(text) == Path(text)
        assert not isinstance(place(text), Remote)


def test_file_addresses_are_paths(tmp_path: Path) -> None:
    file = tmp_path / "a b%.txt"
    file.write_bytes(b"x")
    assert place(file.as_uri()) == file
    assert not isinstance(place(file.as_uri()), Remote)
    with pytest.raises(InputError, match="three slashes"):
        place("file://elsewhere/a")


@pytest.mark.parametrize("wrong", [None, 5, b"parts.oneclass", ["parts.oneclass"]])
def test_what_is_no_path_is_refused_by_its_name(wrong: object) -> None:
    with pytest.raises(InputError, match=r"is no path: expected the path of a file, or an address"):
        place(wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="is no path"):
        oneclass.load(wrong)  # type: ignore[arg-type]


def test_whatever_names_a_file_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (entry,) = os.scandir(tmp_path)
    assert place(entry) == tmp_path / "a"  # type: ignore[arg-type]


def test_files_are_written_whole_and_read_back(folder: Remote) -> None:
    file = put(folder / "a.bin", b"12345")
    assert (file.exists(), file.is_file(), file.is_dir()) == (True, True, False)
    assert (folder.is_dir(), (folder / "none").exists()) == (True, False)
    assert file.stat().st_size == 5
    assert file.read_bytes() == b"12345"
    with file.open("rb") as opened:
        assert os.fstat(opened.fileno()).st_size == 5
    assert file.read_text(encoding="ascii") == "12345"
    put(folder / "inner/b.bin", b"")
    assert sorted(folder.entries()) == [("a.bin", False), ("inner", True)]
    with pytest.raises(ZeroDivisionError), whole_file(file) as out:
        out.write(b"other" * (1 // 0))
    assert file.read_bytes() == b"12345", "the old one is left as it was"
    file.unlink()
    file.unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError) as caught:
        file.read_bytes()
    assert caught.value.errno == errno.ENOENT


def test_whether_it_can_be_written_is_found_out_before(folder: Remote) -> None:
    check_writable(folder / "model")
    assert not folder.exists() or not list(folder.entries())
    for address in ("https://example.org/model", "ftp://example.org/model"):
        with pytest.raises(InputError, match="are written to s3://"):
            check_writable(place(address))


def test_another_try_helps_where_the_network_fails(moody: type[Moody]) -> None:
    file = put(place("moody://d/a"), b"1")
    moody.failures = [OSError("reset"), TimeoutError(), RuntimeError("503 Slow Down")]
    assert file.read_bytes() == b"1"
    assert len(moody.asked) == 4
    moody.failures = [ConnectionResetError("reset by peer")] * 4
    with pytest.raises(OSError, match="reset by peer in 4 tries"):
        file.read_bytes()


@pytest.mark.parametrize(
    "refusal", [PermissionError("Forbidden"), type("E", (Exception,), {"status": 401})()]
)
def test_what_is_refused_is_not_asked_for_again(moody: type[Moody], refusal: Exception) -> None:
    file = put(place("moody://d/a"), b"1")
    moody.failures = [refusal]
    with pytest.raises(PermissionError, match="access is refused"):
        file.read_bytes()
    assert len(moody.asked) == 1


def test_what_could_not_be_sent_is_not_lost(
    moody: type[Moody], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    moody.failures = [OSError("down")] * 4
    with pytest.raises(InputError, match=r"down in 4 tries; .* is kept in .*model.oneclass"):
        put(place("moody://d/model.oneclass"), b"hours of work")
    (kept,) = tmp_path.rglob("model.oneclass")
    assert kept.read_bytes() == b"hours of work"


def test_inside_of_held_a_file_is_fetched_once_by_this_thread(moody: type[Moody]) -> None:
    file = put(place("moody://d/a"), b"1")
    with held(file):
        assert (file.read_bytes(), reading_as_needed(file).read()) == (b"1", b"1")  # type: ignore[arg-type]
        assert len(moody.asked) == 1
        other = threading.Thread(target=file.read_bytes)
        other.start()
        other.join()
        assert len(moody.asked) == 2
    file.read_bytes()
    assert len(moody.asked) == 3
    moody.failures = [PermissionError("no")]
    with held(file):
        for _ in range(2):
            with pytest.raises(PermissionError):
                file.read_bytes()
    assert len(moody.asked) == 4


def test_the_beginning_is_fetched_first(
    moody: type[Moody], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "BEGINNING", 100)
    content = bytes(range(256)) * 4
    file = put(place("moody://d/a"), content)
    assert isinstance(file, Remote)
    opened = io.BufferedReader(reading_as_needed(file).detach(), 10)  # type: ignore[attr-defined]
    assert opened.read(8) == content[:8]
    opened.seek(50)
    assert opened.read(20) == content[50:70]
    assert [end for _, end in moody.asked] == [100]
    opened.seek(-3, io.SEEK_END)
    assert opened.read() == content[-3:]
    opened.seek(95)
    assert opened.read(20) == content[95:115]
    assert [end for _, end in moody.asked] == [100, None]
    for short in (b"", b"x" * 99):
        put(file, short)
        assert reading_as_needed(file).read() == short


def test_packages_that_are_missing_and_kinds_that_nobody_knows() -> None:
    with pytest.raises(InputError, match=r"nonesuch://a: expected an address of a kind"):
        place("nonesuch://a").exists()
    if not _installed("gcsfs"):
        with pytest.raises(MissingDependencyError, match=r"gs://b/a: gs:// needs .*gcs"):
            place("gs://b/a").exists()


def _installed(name: str) -> bool:
    try:
        __import__(name)
    except ImportError:
        return False
    return True
