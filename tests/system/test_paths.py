"""Many paths in little memory are the same paths."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneclass.detector.predictions import Prediction, Scored
from oneclass.images import folders, inside
from oneclass.images.folders import expand
from oneclass.system import paths
from oneclass.system.names import natural_key
from oneclass.system.paths import Names, Paths, Texts

FILE_NAMES = st.binary(min_size=1, max_size=12).map(os.fsdecode).filter(lambda n: "/" not in n)


@given(st.lists(FILE_NAMES, max_size=30), st.sampled_from([1, 10, 2**32 - 1]))
def test_names_come_back(names: list[str], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paths, "MOST_IN_32_BITS", most)
        kept = Names(names)
    assert list(kept) == names
    assert kept[1:4] == names[1:4]
    assert [kept[-i] for i in range(1, len(names) + 1)] == names[::-1]
    with pytest.raises(IndexError):
        kept[len(names)]


@given(st.lists(st.tuples(st.sampled_from(["a", "a/b", ".", "/x"]), FILE_NAMES), max_size=30))
def test_paths_come_back(files: list[tuple[str, str]]) -> None:
    kept = Paths()
    for folder, name in files:
        kept.append(folder, name)
    expected = [Path(folder, name) for folder, name in files]
    assert list(kept) == expected == kept[:]
    assert list(Texts(kept)) == [str(path) for path in expected] == Texts(kept)[:]
    assert [kept[-i] for i in range(1, len(files) + 1)] == expected[::-1]
    assert list(kept.kept(range(0, len(files), 2))) == expected[::2]


@given(st.lists(FILE_NAMES, unique=True, max_size=60), st.integers(1, 7))
def test_merged_runs_are_sorted(names: list[str], run: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inside, "_RUN", run)
        assert list(inside.in_order(iter(names))) == sorted(names, key=natural_key)


@pytest.mark.linux
def test_a_file_met_twice_counts_once_in_the_first_place(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("1.png", "2.png"):
        (tmp_path / "a" / name).touch()
    (tmp_path / "a" / "10.png").symlink_to("1.png")
    (tmp_path / "b").symlink_to("a")
    one, two = tmp_path / "a/1.png", tmp_path / "a/2.png"
    assert list(expand(tmp_path).paths) == [one, two]
    assert list(expand([two, tmp_path, one]).paths) == [two, one]
    assert list(expand(tmp_path / "a").paths) == [one, two]
    assert list(expand(f"{tmp_path}/*/[12].png").paths) == [one, two]


def test_files_whose_hashes_are_equal_are_still_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("1.png", "2.png", "3.png"):
        (tmp_path / name).touch()
    monkeypatch.setattr(folders, "hash", lambda text: 7, raising=False)
    given_twice = [tmp_path / "2.png", tmp_path]
    assert [path.name for path in expand(given_twice).paths] == ["2.png", "1.png", "3.png"]


def test_predictions_come_back() -> None:
    names = [f"{i}.png" for i in range(10)]
    scored = Scored(names)
    expected = [Prediction(names[i], i / 3, 1 / (i + 1), i % 2 == 0) for i in (1, 4, 9)]
    for index, prediction in zip((1, 4, 9), expected, strict=True):
        scored.add(index, prediction)
    assert list(scored) == expected == scored[:]
    assert scored[-1] == expected[-1]
    assert isinstance(scored[0].is_anomaly, bool)


@pytest.mark.linux
def test_a_hundred_thousand_files_take_few_megabytes(tmp_path: Path) -> None:
    program = """
import re, sys
from pathlib import Path
from oneclass.images import folders

class Entry:
    def __init__(self, number):
        self.name = f"image_{number * 7919 % 100_000:06}.png"
    def is_dir(self):
        return False
    is_symlink = is_dir

class Scan:
    def __init__(self, folder):
        pass
    def __enter__(self):
        return map(Entry, range(100_000))
    def __exit__(self, *problem):
        pass

def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])

folders.os.scandir = Scan
before = peak()
found = folders.expand(sys.argv[1]).paths
assert len(found) == 100_000 and found[99_999].name == "image_099999.png"
print(peak() - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 12_000  # kB; a list of Path objects takes five times as much
