"""What a page says of its run: the rates asked for, a newer run, pictures that are gone."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from commands import oneclass
from conftest import stripes, write_images
from oneclass import Detector, InputError, load
from oneclass.results.runs import COLUMNS, LEARNT, read_run
from oneclass.system.names import told_apart
from pages import Page, page_of, record, recorded, scored


class TestThreeVerdicts:
    def images(self) -> np.ndarray:
        return np.concatenate([stripes(40, seed=5), stripes(3, seed=3, upright=False)])

    def test_they_follow_from_the_p_value_and_two_rates(self, model: Path) -> None:
        before = load(model).score(self.images())
        after = load(model, false_alarms=0.03, unclear=0.4).score(self.images())
        assert [p.score for p in before] == [p.score for p in after]
        assert [p.p_value for p in before] == [p.p_value for p in after]
        expected = [
            "anomaly" if p.p_value <= 0.03 else "unclear" if p.p_value <= 0.4 else "fine"
            for p in before
        ]
        assert [p.verdict for p in after] == expected
        assert set(expected) == {"anomaly", "unclear", "fine"}
        assert not any(p.is_anomaly and p.is_unclear for p in after)

    def test_nobody_who_did_not_ask_sees_them(self, model: Path, tmp_path: Path) -> None:
        detector = load(model)
        assert "unclear" not in detector.card
        assert {p.verdict for p in detector.score(self.images())} <= {"anomaly", "fine"}
        write_images(tmp_path / "new", self.images())
        done = oneclass("score", model, "new", "-o", "run", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "unclear" not in done.stderr
        lines = (tmp_path / "run/predictions.csv").read_text().splitlines()
        assert lines[0] == ",".join((*COLUMNS, LEARNT))
        first = json.loads((tmp_path / "run/predictions.jsonl").read_text().splitlines()[0])
        assert tuple(first) == COLUMNS
        record = json.loads((tmp_path / "run/run.json").read_text())
        assert "unclear" not in {**record, **record["card"]}

    @pytest.mark.parametrize("unclear", [0.05, 0.01])
    def test_the_unclear_rate_is_the_higher_one(self, model: Path, unclear: float) -> None:
        with pytest.raises(InputError, match=r"unclear is .* expected a higher one"):
            load(model, unclear=unclear)

    def test_a_saved_model_keeps_its_two_rates(self, model: Path, tmp_path: Path) -> None:
        load(model, unclear=0.3).save(tmp_path / "m.oneclass")
        detector = load(tmp_path / "m.oneclass", false_alarms=0.1)
        assert (detector.model.false_alarms, detector.model.unclear) == (0.1, 0.3)
        assert "one in 10 (10 %)" in detector.card["calibration"]["promise"]
        assert "(30 %) is called an anomaly or unclear" in detector.card["calibration"]["promise"]

    def test_the_command_its_files_and_the_page(self, model: Path, tmp_path: Path) -> None:
        write_images(tmp_path / "new", self.images())
        words = ("--false-alarms", "3%", "--unclear", "40%")
        done = oneclass("score", model, "new", "-o", "run", *words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "note: at 3 % the threshold is the score of the oddest of 40" in done.stderr
        run = read_run(tmp_path / "run")
        n = sum(p.is_unclear for p in run.predictions)
        odd = sum(p.is_anomaly for p in run.predictions)
        assert n
        assert odd >= 3
        assert f"{odd} anomalies and {n} unclear among 43 images" in done.stderr
        with (tmp_path / "run/predictions.csv").open() as file:
            rows = list(csv.DictReader(file))
        assert [row["verdict"] for row in rows] == [p.verdict for p in run.predictions]
        assert (run.record["unclear"], run.record["card"]["unclear"]) == (n, 0.4)
        printed = oneclass("score", model, "new", *words, cwd=tmp_path).stdout.splitlines()
        assert printed == (tmp_path / "run/predictions.csv").read_text().splitlines()
        text = " ".join(page_of(model, tmp_path / "run").texts)
        assert f"{odd} of 43 images are anomalies, {n} are unclear" in text
        assert "3 % of normal images may be called anomalies" in " ".join(text.split())


def test_the_page_says_the_rate_that_was_asked_for(model: Path, tmp_path: Path) -> None:
    """Not that of the fit."""
    write_images(tmp_path / "new", stripes(30, seed=2))
    done = oneclass("score", model, "new", "-o", "run", "--false-alarms", "20%", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "oddest" not in done.stderr
    text = " ".join(" ".join(page_of(model, tmp_path / "run").texts).split())
    assert "20 % of normal images may be called anomalies" in text
    assert "about 6 would be called anomalies all the same" in text
    assert "one in 5 (20 %)" in text


def test_a_page_that_is_older_than_its_run_says_so(model: Path, tmp_path: Path) -> None:
    run = scored(model, tmp_path, stripes(3, seed=2))

    def banner() -> dict[str, str | None]:
        (found,) = [a for _, a in page_of_disk(run).tags if a.get("id") == "older"]
        return found

    page_of(model, run)
    assert "hidden" in banner()
    record(load(model), tmp_path, sorted((tmp_path / "new").iterdir()))
    assert "hidden" not in banner()
    record(load(model), tmp_path, sorted((tmp_path / "new").iterdir()))
    assert "hidden" not in banner()
    page_of(model, run)
    assert "hidden" in banner()


def page_of_disk(run: Path) -> Page:
    return Page((run / "report.html").read_text(encoding="utf-8"))


def test_a_page_of_somebody_else_stays_as_it_is(model: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/report.html").write_text("<p>mine</p>")
    scored(model, tmp_path, stripes(2, seed=2))
    assert (tmp_path / "run/report.html").read_text() == "<p>mine</p>"


def test_a_page_without_pictures_is_an_error(model: Path, tmp_path: Path) -> None:
    run = scored(model, tmp_path, stripes(3, seed=2))
    shutil.rmtree(tmp_path / "new")
    with pytest.raises(InputError, match=r"none of the 3 images can be shown; .*missing"):
        page_of(model, run)
    assert not (run / "report.html").exists()
    page = page_of(model, run, pictures=False)
    assert "The pictures were left out" in " ".join(page.texts)
    assert page.tiles == []


def test_some_that_are_gone_are_told_at_the_top(model: Path, tmp_path: Path) -> None:
    run = scored(model, tmp_path, stripes(3, seed=2))
    (tmp_path / "new/000.png").unlink()
    page = page_of(model, run)
    assert "1 of 3 pictures is not shown" in " ".join(page.texts)


def at_addresses(model: Path, folder: Path, n: int) -> Path:
    """A run of four images of which the first lie at addresses."""
    detector = load(model)
    found = list(detector.score(write_images(folder / "new", stripes(4, seed=2))))
    there = [replace(p, path=f"s3://plant/{i}.png") for i, p in enumerate(found[:n])]
    return recorded(detector, folder, [*there, *found[n:]])


@pytest.mark.parametrize(("n", "told"), [(1, "1 of 4 pictures is"), (2, "2 of 4 pictures are")])
def test_pictures_at_addresses_are_not_called_gone(
    model: Path, tmp_path: Path, n: int, told: str
) -> None:
    run = at_addresses(model, tmp_path, n)
    done = oneclass("report", model, run)
    assert done.returncode == 0, done.stderr
    text = " ".join(page_of_disk(run).texts)
    for said in (text, done.stderr):
        assert f"{told} not shown: {'it lies at an' if n == 1 else 'they lie at'} address" in said
        assert "to a folder and score there." in said
        assert "gone" not in said
    assert text.count("not shown: it lies at an address") == n + (n == 1)
    assert ": missing" not in text
    (tmp_path / "new/003.png").unlink()
    text = " ".join(page_of(model, run).texts)
    assert f"{told} not shown: " in text
    assert "1 of 4 pictures is not shown: gone" in text
    assert text.count("not shown: missing") == 1


def test_a_page_of_addresses_alone_is_an_error_that_says_so(model: Path, tmp_path: Path) -> None:
    run = at_addresses(model, tmp_path, 4)
    with pytest.raises(
        InputError, match=r"they lie at addresses \(s3://plant/\d\.png, \.\.\.\)"
    ) as told:
        page_of(model, run)
    assert "Copy them to a folder and score there. --without-pictures" in str(told.value)
    assert "missing" not in str(told.value)
    assert "from the folder in which you scored" not in str(told.value)
    done = oneclass("report", model, run, "--without-pictures")
    assert done.returncode == 0, done.stderr
    assert "The pictures were left out" in " ".join(page_of_disk(run).texts)


def test_none_shown_tells_those_gone_from_those_at_addresses(model: Path, tmp_path: Path) -> None:
    run = at_addresses(model, tmp_path, 1)
    shutil.rmtree(tmp_path / "new")
    with pytest.raises(
        InputError, match=r"the first, .*new.*: missing\. .*1 of them lies at"
    ) as told:
        page_of(model, run)
    assert "score again. But 1 of them lies at an address (s3://plant/0.png)" in str(told.value)


@pytest.mark.parametrize(
    ("unscored", "told"),
    [(967, "967 images were"), (1, "1 image was"), (None, "some images were")],
)
def test_an_interrupted_run_is_told_by_page_and_command(
    model: Path, tmp_path: Path, unscored: int | None, told: str
) -> None:
    run = scored(model, tmp_path, stripes(3, seed=2))
    record = json.loads((run / "run.json").read_text())
    left = {} if unscored is None else {"unscored": unscored}
    (run / "run.json").write_text(json.dumps({**record, "complete": False, **left}))
    done = oneclass("report", model, run)
    assert done.returncode == 0, done.stderr
    assert f"note: Scoring was interrupted: {told} not scored.\n" in done.stderr
    assert f"Scoring was interrupted: {told} not scored." in (run / "report.html").read_text()


def test_the_images_are_found_from_any_folder(model: Path, tmp_path: Path) -> None:
    write_images(tmp_path / "new", stripes(3, seed=2))
    done = oneclass("score", model, "new", "-o", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (tmp_path / "elsewhere").mkdir()
    done = oneclass("report", model, "../run", cwd=tmp_path / "elsewhere")
    assert done.returncode == 0, done.stderr
    assert "not shown" not in done.stderr
    done = oneclass("score", model, "new", "-o", "run", cwd=tmp_path)
    assert "report.html is of an earlier run" in done.stderr


@pytest.mark.parametrize(
    ("paths", "shown"),
    [
        (["a/1", "a/2"], ["1", "2"]),
        (["a/1", "b/1", "b/2"], ["a/1", "b/1", "2"]),
        (["x/a/1", "y/a/1", "y/b/1"], ["x/a/1", "y/a/1", "b/1"]),
        (["1", "a/1"], ["1", "a/1"]),
        (["a/1", "a/1"], ["1", "1"]),
        ([], []),
    ],
)
def test_names_are_as_short_as_they_may_be(paths: list[str], shown: list[str]) -> None:
    assert told_apart(paths) == shown


def test_any_names_are_told_apart() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        paths = {"/".join(random.choice(["a", "b", ""], random.integers(1, 5))) for _ in range(12)}
        shown = told_apart(sorted(paths))
        assert len(set(shown)) == len(paths)
        assert all(path.endswith(name) for path, name in zip(sorted(paths), shown, strict=True))


def test_large_pictures_are_kept_for_enlarging(tmp_path: Path) -> None:
    """And so few images as these travel at 560 pixels."""
    import base64
    import io
    import re

    from PIL import Image

    coarse = np.random.default_rng(0).integers(0, 256, (12, 30, 40), np.uint8)
    images = np.stack([np.asarray(Image.fromarray(i).resize((800, 600))) for i in coarse])
    detector = Detector(backbone="greyscale", size=(6, 6), n_halfspaces=2).fit(images)
    detector.save(tmp_path / "m.oneclass")
    run = record(detector, tmp_path, write_images(tmp_path / "new", images))
    page_of(tmp_path / "m.oneclass", run)
    found = re.findall(r"data:image/webp;base64,([^\"]+)", (run / "report.html").read_text())
    sizes = [Image.open(io.BytesIO(base64.b64decode(one))).size for one in found]
    assert sizes.count((560, 420)) == 12
