"""No command contacts anybody, or writes anywhere but where it was told to."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from conftest import stripes, write_images

pytestmark = pytest.mark.linux
QUICK = ("--size", "16x16", "--grey", "--epochs", "1", "--device", "cpu")
SMALL = ("--layer", "block_4", "--grid", "2", "--size", "64")
TELLTALE = {"CI", "TF_BUILD", "JENKINS_URL", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY"}
"""Variables that silence packages by themselves; the command must not need them."""
OPENS_TO_WRITE = ("O_WRONLY", "O_RDWR", "O_CREAT", "mkdir", "rename", "linkat", "creat(")


def can_trace() -> bool:
    words = ["strace", "-f", "-o", os.devnull, "true"]
    return shutil.which("strace") is not None and (
        subprocess.run(words, capture_output=True, check=False).returncode == 0
    )


traced = pytest.mark.skipif(not can_trace(), reason="strace is missing or not allowed")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("home", "tmp", "work/sub"):
        (tmp_path / name).mkdir(parents=True)
    write_images(tmp_path / "work/normal", stripes(40, seed=1))
    write_images(tmp_path / "work/new", stripes(3, seed=2))
    write_images(tmp_path / "work/sub/up", stripes(10, seed=3, side=16))
    write_images(tmp_path / "work/sub/down", stripes(10, seed=4, side=16, upright=False))
    return tmp_path


def environment(place: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in TELLTALE}
    kept = {name: value for name, value in kept.items() if not name.startswith(("PYTEST", "ORT_"))}
    for name in ("MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "TORCHINDUCTOR_CACHE_DIR"):
        kept.pop(name, None)
    tests = str(Path(__file__).parents[1])
    path = os.pathsep.join(filter(None, (os.environ.get("PYTHONPATH"), tests)))
    return kept | {
        "HOME": str(place / "home"),
        "TMPDIR": str(place / "tmp"),
        "PYTHONPATH": path,
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def run(place: Path, *words: str, before: tuple[str, ...] = ()) -> str:
    done = subprocess.run(
        [*before, sys.executable, "-m", "oneclass", *words],
        cwd=place / "work",
        env=environment(place),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def traces(place: Path, *words: str) -> list[str]:
    """The system calls of a command that concern the network, or make something on the disk."""
    log = place / "trace"
    run(place, *words, before=("strace", "-f", "-e", "trace=network,%file", "-o", str(log)))
    return list(_whole(log.read_text(encoding="utf-8", errors="replace").splitlines()))


def _whole(lines: list[str]) -> Iterator[str]:
    """A call that another thread's came amid is told in two lines."""
    begun: dict[str, str] = {}
    for line in lines:
        thread, _, rest = line.partition(" ")
        if line.endswith("<unfinished ...>"):
            begun[thread] = line.removesuffix("<unfinished ...>")
        elif resumed := re.match(r" *<\.\.\. \w+ resumed>", rest):
            yield begun.pop(thread, thread) + rest[resumed.end() :]
        else:
            yield line
    yield from begun.values()


def nobody_called(lines: list[str]) -> None:
    assert lines
    assert not [line for line in lines if re.search(r"\b(socket|connect|sendto|bind)\(", line)]


def all_inside(lines: list[str], place: Path) -> None:
    """What is opened for writing lies in the working folder, or in the one for temporary files."""
    made = [line for line in lines if any(word in line for word in OPENS_TO_WRITE)]
    made = [line for line in made if re.search(r"= (\d+|0)$", line)]  # not refused
    assert made
    for line in made:
        path = re.search(r'"([^"]*)"', line)
        assert path, line
        absolute = os.path.join(place / "work", path[1])  # noqa: PTH118 -- as the system does
        fine = (str(place / "work"), str(place / "tmp"), "/dev/null")
        assert os.path.normpath(absolute).startswith(fine), line


COMMANDS = {
    "fit": [("fit", "normal", "-o", "m.oneclass", *SMALL)],
    "score": [
        ("fit", "normal", "-o", "m.oneclass", *SMALL),
        ("score", "m.oneclass", "new", "-o", "run", "--heatmaps", "heat"),
    ],
    "report": [
        ("fit", "normal", "-o", "m.oneclass", *SMALL),
        ("score", "m.oneclass", "new", "-o", "run"),
        ("report", "m.oneclass", "run"),
    ],
    "update": [
        ("fit", "normal", "-o", "m.oneclass", *SMALL),
        ("update", "m.oneclass", "new"),
    ],
    "check": [("check", "normal")],
    "info": [("info",)],
    "openvino": [("fit", "normal", "-o", "m.oneclass", "--runtime", "openvino", *SMALL)],
    "train": [
        ("train", "sub", "-o", "net.onnx", "--network", "tiny:make", *QUICK),
    ],
}
NEEDS = {"report": "matplotlib", "openvino": "openvino", "train": "torch"}


@traced
@pytest.mark.parametrize("command", COMMANDS)
def test_no_socket_is_opened_and_nothing_is_written_elsewhere(place: Path, command: str) -> None:
    if command in NEEDS and find_spec(NEEDS[command]) is None:
        pytest.skip(f"{NEEDS[command]} is not installed")
    *before, last = COMMANDS[command]
    for words in before:
        run(place, *words)
    lines = traces(place, *last)
    nobody_called(lines)
    if command not in ("check", "info"):
        all_inside(lines, place)
    assert not list((place / "home").iterdir())
    assert not list((place / "tmp").iterdir())


def test_nothing_is_left_in_the_home_or_among_temporary_files(place: Path) -> None:
    for words in COMMANDS["score"]:
        run(place, *words)
    assert not list((place / "home").rglob("*"))
    assert not list((place / "tmp").rglob("*"))


def test_a_home_that_cannot_be_written_to_is_no_news(place: Path) -> None:
    (place / "home").rmdir()
    for words in COMMANDS["report"] if find_spec("matplotlib") else COMMANDS["score"]:
        said = run(place, *words)
        assert "warn" not in said.lower()
        assert "\x1b" not in said


def test_the_users_own_word_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    from oneclass.system import offline

    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    offline.onnxruntime()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "0"
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY")
    offline.onnxruntime()
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
