"""Images that the model learnt from are told apart from new ones: their verdicts prove nothing."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from commands import oneclass
from conftest import stripes, write_images
from oneclass import Detector, load
from oneclass.detector.model import fingerprints
from oneclass.detector.predictions import Prediction, told_learnt

SMALL = ("--layer", "block_4", "--grid", "2", "--size", "64")
LEARNT = stripes(30, seed=1)
NEW = stripes(25, seed=2)


@pytest.mark.parametrize("rows", ["image", "patches", "both"])
def test_each_prediction_says_whether_its_image_was_learnt(rows: str, tmp_path: Path) -> None:
    Detector(rows=rows, size=(64, 64)).fit(LEARNT).save(tmp_path / "m.oneclass")
    detector = load(tmp_path / "m.oneclass")
    mixed = [LEARNT[3], NEW[0], LEARNT[4]]
    found = detector.score(mixed)
    assert [p.learnt for p in found] == [True, False, True]
    assert found.learnt is not None
    assert found.learnt.startswith("2 of these 3 images are ones that the model learnt from")
    explained = [one.prediction.learnt for one in detector.explain(mixed)]
    assert explained == [True, False, True]
    assert detector.score(NEW).learnt is None


def test_rows_from_a_cache_know_it_too(tmp_path: Path) -> None:
    detector = Detector(size=(64, 64), cache=tmp_path / "rows").fit(LEARNT)
    for _ in range(2):
        assert [p.learnt for p in detector.score([LEARNT[0], NEW[0]])] == [True, False]


def test_drift_asks_the_new_images_alone() -> None:
    """Those that were learnt look too normal, and are told of in a sentence of their own."""
    detector = Detector(size=(64, 64)).fit(LEARNT)
    assert detector.score(LEARNT).drift is None
    mixed = detector.score([*LEARNT, *NEW])
    assert mixed.drift == detector.score(NEW).drift


def test_a_model_of_before_knows_nothing_of_it(tmp_path: Path) -> None:
    model = replace(Detector(size=(64, 64)).fit(LEARNT).model, learnt=None)
    assert "learnt" not in model.arrays()
    assert not model.knows(bytes(32))


def test_fingerprints_are_found_again_and_in_order() -> None:
    digests = [bytes([n]) * 32 for n in (200, 3, 127, 0)]
    found = fingerprints(digests)
    assert found.dtype == np.int64
    assert list(found) == sorted(int.from_bytes(d[:8], "little", signed=True) for d in digests)


def test_the_sentence_counts() -> None:
    assert told_learnt([], 9) is None
    names = [f"good/{i}.png" for i in range(9)]
    # Where it is all of them, no name is needed to find them.
    all_nine = "all 9 images are ones that the model learnt from as normal: their"
    assert str(told_learnt(names, 9)).startswith(all_nine)
    one = str(told_learnt(names[:1], 9))
    assert one.startswith("1 of these 9 images is one that the model learnt from as normal (good/")
    assert "its verdict proves nothing, neither that it is good" in str(told_learnt(names[:1], 1))
    would = "its score is lower than it would be if the image were new, and its verdict"
    assert would in one
    would = "their scores are lower than they would be if the images were new, and their verdicts"
    assert would in str(told_learnt(names[:2], 9))


def test_the_sentence_names_the_first_and_how_many_more() -> None:
    names = [f"good/{i}.png" for i in range(5)]
    assert "as normal (good/0.png, good/1.png): their" in str(told_learnt(names[:2], 9))
    assert "(good/0.png, good/1.png, good/2.png and 2 more): their" in str(told_learnt(names, 9))
    assert "(a\\x1b[2Jb.png): its" in str(told_learnt(["a\x1b[2Jb.png"], 9))


def test_drift_says_that_images_it_learnt_from_are_left_out() -> None:
    detector = Detector(layer="block_4", grid=2, size=(64, 64)).fit(LEARNT)
    odd = [Prediction(f"{i}.png", 1.0, 1 / 31, True) for i in range(20)]
    same = [Prediction(f"good/{i}.png", 0.0, 0.5, False, learnt=True) for i in range(80)]
    assert str(detector.drift(odd)).startswith("20 of 20 images are called anomalies.")
    assert str(detector.drift([*odd, *same])).startswith(
        "20 of 20 images that the model did not learn from are called anomalies."
    )


def test_the_command_line_and_the_page_say_so(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra report")
    write_images(tmp_path / "good", LEARNT)
    write_images(tmp_path / "new", NEW)
    assert oneclass("fit", "good", "-o", "m.oneclass", *SMALL, cwd=tmp_path).returncode == 0
    done = oneclass("score", "m.oneclass", "good", "new", "-o", "run", cwd=tmp_path)
    told = "30 of these 55 images are ones that the model learnt from as normal"
    first = " (good/000.png, good/001.png, good/002.png and 27 more)"
    assert f"note: {told}{first}: their scores are lower" in done.stderr
    assert json.loads((tmp_path / "run/run.json").read_text())["learnt"] == 30
    lines = (tmp_path / "run/predictions.jsonl").read_text().splitlines()
    assert sum(json.loads(line).get("learnt", False) for line in lines) == 30
    with (tmp_path / "run/predictions.csv").open(encoding="utf-8", newline="") as file:
        told_of = {row["path"]: row["learnt"] for row in csv.DictReader(file)}
    assert [told_of[path] for path in ("good/000.png", "new/000.png")] == ["true", ""]
    assert list(told_of.values()).count("true") == 30
    printed = oneclass("score", "m.oneclass", "good", "--json", cwd=tmp_path)
    assert all(json.loads(line)["learnt"] for line in printed.stdout.splitlines())
    assert "learnt from" not in oneclass("score", "m.oneclass", "new", cwd=tmp_path).stderr

    assert oneclass("report", "m.oneclass", "run", cwd=tmp_path).returncode == 0
    page = (tmp_path / "run/report.html").read_text()
    assert f'<p class="banner">{told}' in page
    oneclass("score", "m.oneclass", "good", "-o", "same", "--false-alarms", "6%", cwd=tmp_path)
    oneclass("report", "m.oneclass", "same", cwd=tmp_path)
    page = (tmp_path / "same/report.html").read_text()
    assert "All 30 images look normal to a model that learnt from them" in page
