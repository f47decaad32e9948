"""The other systems' branches, taken here: their modules are put in place, or taken away."""

from __future__ import annotations

import errno
import io
import mmap
import ntpath
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path, PureWindowsPath
from types import ModuleType, SimpleNamespace
from typing import IO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import stripes, write_images
from oneclass import Detector, load
from oneclass.errors import DownloadError, InputError
from oneclass.results.heatmaps import _safe
from oneclass.rows.blocks import FileRows
from oneclass.system import downloads
from oneclass.system.files import whole_file
from oneclass.system.host import portable

SYSTEMS = ("linux", "darwin", "win32")
CONTENT = np.random.default_rng(0).bytes(100_000)


class Locking(ModuleType):
    """Windows's `msvcrt`, as far as it is used: a byte belongs to the descriptor that took it."""

    LK_NBLCK = 2

    def __init__(self) -> None:
        super().__init__("msvcrt")
        self.taken: dict[tuple[int, int], int] = {}

    def locking(self, descriptor: int, mode: int, n_bytes: int) -> None:
        assert (mode, n_bytes) == (self.LK_NBLCK, 1)
        place = os.lseek(descriptor, 0, os.SEEK_CUR)
        assert place == portable.LOCKED_BYTE
        holder = self.taken.setdefault((os.fstat(descriptor).st_ino, place), descriptor)
        if holder != descriptor:
            raise OSError(errno.EACCES, "Permission denied")


def pretend(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    """Let `portable`, and nothing else, believe that it runs on that system."""
    monkeypatch.setattr(portable, "sys", SimpleNamespace(platform=system))
    absent = {"win32": ["fcntl"], "darwin": ["msvcrt"], "linux": ["msvcrt"]}[system]
    for name in absent:
        monkeypatch.setitem(sys.modules, name, None)
    if system == "win32":
        monkeypatch.setitem(sys.modules, "msvcrt", Locking())
        monkeypatch.delattr(os, "preadv", raising=False)


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    pretend(monkeypatch, request.param)
    return request.param


def test_no_other_module_asks_for_the_system() -> None:
    source = Path(portable.__file__).parents[2]
    words = (
        "sys.platform",
        "os.name",
        "import fcntl",
        "import msvcrt",
        "/proc/self/",
    )
    for path in source.rglob("*.py"):
        if path.name != "portable.py":
            text = path.read_text(encoding="utf-8")
            assert not [word for word in words if word in text], path


def test_an_open_file_is_one_processs_alone(system: str, tmp_path: Path) -> None:
    part = tmp_path / "f.part"
    with part.open("ab") as first, part.open("ab") as second:
        first.write(b"some")
        assert portable.lock(first)
        assert not portable.lock(second)
        first.write(b" more")
    assert part.read_bytes() == b"some more"


def test_a_download_is_alone_and_whole(system: str, tmp_path: Path) -> None:
    import hashlib

    there, file = tmp_path / "there", tmp_path / "f"
    there.write_bytes(CONTENT)
    md5 = hashlib.md5(CONTENT).hexdigest()
    with downloads._alone(tmp_path / "f.part"), pytest.raises(DownloadError, match="another proc"):
        downloads.download(there.as_uri(), file, md5)
    downloads.download(there.as_uri(), file, md5)
    assert file.read_bytes() == CONTENT
    with pytest.raises(DownloadError, match="thrown away"):
        downloads.download(there.as_uri(), tmp_path / "g", "0" * 32)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f", "there"]


@pytest.mark.linux
def test_a_file_is_closed_before_windows_renames_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pretend(monkeypatch, "win32")
    closed = []
    real = portable.replace

    def look(source: Path, target: Path) -> None:
        names = [os.path.realpath(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd")]  # noqa: PTH208
        closed.append(str(source) not in names)
        real(source, target)

    monkeypatch.setattr(portable, "replace", look)
    (tmp_path / "there").write_bytes(b"abc")
    downloads.download(
        (tmp_path / "there").as_uri(), tmp_path / "f", "900150983cd24fb0d6963f7d28e17f72"
    )
    with whole_file(tmp_path / "g") as file:
        file.write(b"x")
    assert closed == [True, True]


@pytest.mark.parametrize("refusals", [0, 3])
def test_windows_tries_again_while_a_scanner_has_the_file_open(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, refusals: int
) -> None:
    pretend(monkeypatch, "win32")
    left = [PermissionError(errno.EACCES, "Access is denied")] * refusals
    real = Path.replace

    def refuse(source: Path, target: Path) -> Path:
        if left:
            raise left.pop()
        return real(source, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with whole_file(tmp_path / "f") as file:
        file.write(b"new")
    assert (tmp_path / "f").read_bytes() == b"new"


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_file_that_stays_locked_is_told_and_nothing_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: str
) -> None:
    pretend(monkeypatch, system)
    monkeypatch.setattr(portable, "PATIENCE", 0.05)
    (tmp_path / "f").write_bytes(b"old")

    def refuse(source: Path, target: Path) -> Path:
        raise PermissionError(errno.EACCES, "Access is denied")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(InputError, match="Access is denied"), whole_file(tmp_path / "f") as file:
        file.write(b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("f", b"old")]


def test_many_threads_read_one_file(system: str, tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(500, 40))
    rows.tofile(tmp_path / "rows")
    source = FileRows(tmp_path / "rows", rows.shape, rows.dtype)
    wrong = []

    def read(seed: int) -> None:
        for _ in range(20):
            some = np.random.default_rng(seed).integers(0, 500, 30)
            wrong.extend([seed] * (not np.array_equal(source.take(some), rows[some])))

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_bytes_of_an_open_file_outlive_it(system: str, tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(CONTENT)
    with file.open("rb", buffering=0) as opened:
        one, first = portable.kept_open(opened, 10, 1_000)
        two, second = portable.kept_open(opened, 50_000, 50_000)
    file.unlink()
    with one, two:
        for part, start, expected in (
            (one, first, CONTENT[10:1_010]),
            (two, second, CONTENT[50_000:]),
        ):
            view = memoryview(bytearray(len(expected)))
            assert portable.read_at(part, view, start, threading.Lock()) == len(expected)
            assert bytes(view) == expected


def test_update_replaces_the_rows_that_it_reads(system: str, tmp_path: Path) -> None:
    model = tmp_path / "m.oneclass"
    Detector(backbone="greyscale", n_halfspaces=1).fit(stripes(20, seed=1)).save(model, rows=True)
    detector = load(model)
    detector.update(stripes(5, seed=2))
    detector.save(model, rows=True)
    again = load(model)
    odd = stripes(3, seed=3)
    assert [p.score for p in again.score(odd)] == [p.score for p in detector.score(odd)]


def test_pages_are_given_back_or_kept(system: str) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(CONTENT)
        file.flush()
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapping:
            portable.give_back(mapping, 5_000, 10_000)
            assert mapping[5_000:15_000] == CONTENT[5_000:15_000]


def test_caches_lie_where_the_system_wants_them(
    system: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "Local"))
    expected = {"linux": ".cache", "darwin": "Library/Caches", "win32": "Local"}
    assert portable.user_caches() == tmp_path / expected[system]
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "told"))
    assert portable.user_caches() == tmp_path / "told"


def test_the_processor_has_a_name(system: str) -> None:
    assert portable.cpu_name()


def test_only_linux_tells_when_a_process_began(system: str) -> None:
    assert (portable.process_age() is not None) == (system == "linux" and sys.platform == "linux")


def test_a_command_is_shown_as_the_systems_shell_takes_it(system: str) -> None:
    shown = portable.as_typed(["fit", "my parts", "-o", "a.oneclass"])
    quote = '"' if system == "win32" else "'"
    assert shown == f"fit {quote}my parts{quote} -o a.oneclass"


def test_a_pipe_that_broke_is_told_from_other_errors(system: str) -> None:
    assert portable.is_broken_pipe(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    assert portable.is_broken_pipe(OSError(errno.EINVAL, "Invalid")) == (system == "win32")
    assert not portable.is_broken_pipe(OSError(errno.ENOSPC, "No space left"))


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8"), max_size=20))
def test_redirected_output_takes_any_name(name: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        pretend(patch, "win32")
        raw = io.BytesIO()
        stream = io.TextIOWrapper(raw, encoding="cp1252", newline="")
        portable.use_unicode(stream)
        stream.write(name + "\udcff")
        stream.flush()
        assert raw.getvalue().decode() == name + "\\udcff"


def test_a_console_in_cp1252_shows_what_it_lacks_spelt_out() -> None:
    class Console(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    for system in SYSTEMS:
        with pytest.MonkeyPatch.context() as patch:
            pretend(patch, system)
            raw = io.BytesIO()
            stream = Console(raw, encoding="cp1252", newline="")
            portable.use_unicode(stream)
            stream.write("Prüfling Деталь")
            stream.flush()
            told = "Prüfling \\u0414\\u0435\\u0442\\u0430\\u043b\\u044c"
            assert raw.getvalue().decode("cp1252") == told


def test_the_command_line_runs_under_cp1252(tmp_path: Path) -> None:
    (tmp_path / "Деталь.txt").write_text("none\n", encoding="utf-8")
    write_images(tmp_path / "Детали", stripes(3, seed=1))
    told = subprocess.run(
        [sys.executable, "-m", "oneclass", "check", str(tmp_path / "Детали"), "missing Ж.png"],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"},
        check=False,
    )
    assert told.returncode in (0, 2, 3)
    assert b"Traceback" not in told.stderr
    assert b"\\u0416.png" in told.stdout + told.stderr


WINDOWS_NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=80)


@settings(deadline=None)
@given(WINDOWS_NAMES)
def test_a_name_without_fault_is_one_for_windows(name: str) -> None:
    if portable.windows_fault(name) or set(name) & set("/\\"):
        return
    assert not PureWindowsPath(name).is_reserved()
    assert PureWindowsPath("C:/x", name).name == name
    assert ntpath.basename(name) == name
    assert name == name.rstrip(". ")


@pytest.mark.parametrize("name", ["con", "NUL.png", "Com1.tar.gz", "lpt9", "a?", "a\n", "a.", "b "])
def test_names_that_windows_does_not_have(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert portable.windows_fault(name)
    portable.check_name(tmp_path / name)
    pretend(monkeypatch, "win32")
    with pytest.raises(InputError, match="Windows"), whole_file(tmp_path / name):
        pass
    assert not list(tmp_path.iterdir())


@settings(deadline=None)
@given(st.lists(WINDOWS_NAMES, min_size=2, max_size=5))
def test_files_of_heatmaps_are_named_for_every_system(names: list[str]) -> None:
    made = [f"{number:06}_{_safe(name)}.png" for number, name in enumerate(names)]
    assert not [name for name in made if portable.windows_fault(name)]
    assert len({name.casefold() for name in made}) == len(made)
    assert max(map(len, made)) < 100


def test_a_long_path_gets_its_own_advice(system: str) -> None:
    told = portable.advice_on(Path("a" * 300))
    assert ("long paths" in told) == (system == "win32")
    assert portable.advice_on(Path("a")) == ""


def test_closed_files_are_closed_once_more(system: str, tmp_path: Path) -> None:
    file: IO[bytes]
    with (tmp_path / "f").open("wb") as file:
        portable.release(file)
        assert file.closed == (system == "win32")


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_program_that_ctrl_c_does_not_reach(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, system)
    monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 512, raising=False)
    expected = {"creationflags": 512} if system == "win32" else {"start_new_session": True}
    assert portable.own_group() == expected


@pytest.mark.parametrize("system", SYSTEMS)
def test_plain_memory_that_is_not_there_is_a_memory_error(
    system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    with pytest.raises(MemoryError, match=f"no memory for {1 << 60} bytes"):
        portable.plain_memory(1 << 60)
