"""What the tutorials and the pages for newcomers tell people to type works."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

from commands import oneclass
from conftest import stripes, write_images
from oneclass import Detector
from oneclass.cli import cli

ROOT = Path(__file__).parents[1]
TYPED = ("docs/guide.md", "docs/operator.md", "docs/researcher.md", "docs/training.md")
CODE = (
    "docs/researcher.md",
    *(f"docs/coming_from/{name}.md" for name in ("anomalib", "patchcore", "scikit_learn")),
)
MARKED = re.compile(r"<!-- run -->\n```(python|sh)\n(.*?)```", re.DOTALL)
NOT_RUN = {"serve", "paper", "train"}
"""Commands that stay, or take minutes: their lines are only parsed here."""
FOLDERS = {
    "good_parts": 40, "normal": 40, "images": 40, "data/parts/train/good": 40, "kept_back": 8,
    "incoming": 6, "new_parts": 6, "wrongly_called": 3, "data/parts/test/good": 4,
}  # fmt: skip
ODD = {"bad_parts": 4, "odd_images": 4, "data/parts/test/scratch": 4}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all images that the pages speak of."""
    for seed, (name, n) in enumerate((*FOLDERS.items(), *ODD.items())):
        write_images(tmp_path / name, stripes(n, seed, upright=name in FOLDERS))
    shutil.copy(tmp_path / "bad_parts/000.png", tmp_path / "odd.png")
    shutil.copy(tmp_path / "new_parts/000.png", tmp_path / "part.png")
    shutil.copy(tmp_path / "good_parts/000.png", tmp_path / "it.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commands_of(page: str) -> list[list[str]]:
    """The commands in the indented lines of a page, and in backticks behind a list's dash."""
    text = (ROOT / page).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = re.findall(r"^ {4}oneclass (.*)$", text, re.MULTILINE)
    lines += re.findall(r"^  `oneclass (.*?)`", text, re.MULTILINE)
    return [shlex.split(line.split("||")[0], comments=True) for line in lines]


@pytest.mark.parametrize("page", TYPED)
@pytest.mark.usefixtures("place")
def test_what_is_typed_is_understood(page: str) -> None:
    found = commands_of(page)
    assert found
    for name, *words in found:
        cli.commands[name].make_context(name, words)


@pytest.mark.usefixtures("place")
def test_the_guide_can_be_walked(capsys: pytest.CaptureFixture[str]) -> None:
    walked = [words for words in commands_of("docs/guide.md") if words[0] not in NOT_RUN]
    assert {words[0] for words in walked} >= {"check", "fit", "score", "report", "update"}
    for words in walked:
        done = oneclass(*words)
        assert done.returncode in ({0, 10} if "--fail-on-anomaly" in words else {0}), (
            words,
            done.stderr,
        )


@pytest.mark.parametrize("page", CODE)
def test_our_code_runs(page: str, place: Path) -> None:
    random = np.random.default_rng(0)
    rows = abs(random.normal(size=(500, 40))) + 0.2
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    names = {"X": rows[:400], "Y": rows[400:], "images": stripes(260, seed=3)}
    blocks = MARKED.findall((ROOT / page).read_text(encoding="utf-8"))
    assert blocks
    for language, block in blocks:
        if language == "python":
            exec(compile(block, page, "exec"), names)
        else:
            for line in block.strip().splitlines():
                program, *words = shlex.split(line)
                assert program == "oneclass"
                done = oneclass(*words)
                assert done.returncode == 0, done.stderr
    if page.endswith("patchcore.md"):
        assert "Against the labels" in (place / "run/report.html").read_text(encoding="utf-8")


def test_what_is_told_of_regions_in_python_prints_some(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Detector(false_alarms=0.1).fit(place / "good_parts").save(place / "parts.oneclass")
    page = (ROOT / "docs/heatmaps.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"gives the same as `Region`s:\n\n```python\n(.*?)```", page, re.DOTALL)
    exec(compile(block, "docs/heatmaps.md", "exec"), {})
    verdict, *regions = capsys.readouterr().out.splitlines()
    assert verdict.startswith("True ")
    assert regions
