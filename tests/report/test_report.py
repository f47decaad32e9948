"""The report: one page, nothing from outside, and nothing that a file name can do to it."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
from PIL import Image

from commands import oneclass
from conftest import stripes, write_images
from oneclass import Detector, InputError, MissingDependencyError, Prediction, load
from oneclass.conformal.drift import drift
from oneclass.conformal.guarantee import HELD_OUT
from oneclass.detector.predictions import digits
from oneclass.errors import ImageError
from oneclass.images import tables
from oneclass.report import labels, plots
from oneclass.report.agreement import Agreement
from oneclass.report.head import Head
from oneclass.report.labels import Truth
from oneclass.report.modelcard import fit_command
from oneclass.results.runs import Run
from oneclass.system.names import percent
from pages import page_of, record, recorded, scored

HOSTILE = (
    "<script>alert(1)</script>.png",
    "\"' onerror=alert(1) x='.png",
    "</title><h1>.png",
    "$style ${script}.png",
    "a\nb\t\x1b[31m.png",
    "‮gnp.exe.png",
    "=HYPERLINK(1).png",
    "x" * 240 + ".png",
)


def test_the_page_shows_every_image_from_the_oddest_on(model: Path, tmp_path: Path) -> None:
    images = np.concatenate([stripes(6, seed=2), stripes(3, seed=3, upright=False)])
    page = page_of(model, scored(model, tmp_path, images))
    predictions = load(model).score(tmp_path / "new")
    ranked = sorted(predictions, key=lambda p: -p.score)
    assert [tile["data-name"] for tile in page.tiles] == [p.path for p in ranked]
    assert [tile["data-verdict"] == "anomaly" for tile in page.tiles] == [
        p.is_anomaly for p in ranked
    ]
    assert len(page.pictures) == 9
    n_heat = sum(a.get("class") == "heat" for tag, a in page.tags if tag == "img")
    assert n_heat == 9
    text = " ".join(page.texts)
    n_odd = sum(p.is_anomaly for p in predictions)
    assert f"{n_odd} of 9 images are anomalies" in text
    card = load(model).card
    assert card["calibration"]["guarantee"] in text
    assert f"held-out images {HELD_OUT}; so many support no rate below" in text
    n = card["calibration"]["n_held_out"]
    assert f"no rate below {percent(1 / (n + 1))} (1 in {n + 1})" in text
    assert "scored by half-spaces" not in text
    assert card["fit"]["images_sha256"] in text
    assert f"lies beyond the threshold, {digits(load(model).score_threshold)}." in text
    assert "this odd or odder" in text
    assert "An anomaly is what oneclass calls odd where it is used in a browser" in text
    for name in ("nu", "Half-spaces", "Certificate"):  # is said in words, too
        assert re.search(rf"{name} \S.*, [a-z]", text), name
    assert sum(tag == "svg" for tag, _ in page.tags) == 2


@pytest.mark.parametrize(
    ("n_odd", "n_said", "headline"),
    [
        (4, 0, "4 of 9 images are anomalies"),
        (4, 3, "4 of 9 images were called anomalies; people reviewed 3 of these"),
        (4, 4, "4 of 9 images were called anomalies; people reviewed all of them"),
        (1, 1, "1 of 9 images was called an anomaly; people reviewed it"),
    ],
)
def test_a_verdict_that_people_reviewed_is_no_fact_of_the_headline(
    tmp_path: Path, model: Path, n_odd: int, n_said: int, headline: str
) -> None:
    """What was reviewed may be a false alarm."""
    found = [Prediction(f"{i}.png", 0.1, 0.01 if i < n_odd else 0.5, i < n_odd) for i in range(9)]
    run = recorded(load(model), tmp_path, found)
    said = {f"{i}.png": "false alarm" for i in range(n_said)} | {"8.png": "really odd"}
    page = page_of(model, run, reviews=said, pictures=False)
    assert headline in page.texts


@pytest.mark.parametrize(
    ("n_normal", "n_false", "n_odd", "asked"),
    [
        (0, 0, 0, True),
        (30, 0, 40, False),
        (30, 1, 40, False),
        (30, 9, 40, True),
        (1, 0, 0, True),  # of those called anomalies nobody knows anything
        (30, 0, 20, True),
        (30, 0, 21, False),
        (0, 0, 40, False),
    ],
)
def test_what_labels_answer_is_not_asked(
    n_normal: int, n_false: int, n_odd: int, asked: bool
) -> None:
    """Whether most of those called anomalies are normal; but not where the promise is broken."""
    odd = [Prediction(f"odd/{i}.png", 1.0, 0.01, True) for i in range(40)]
    normal = [Prediction(f"good/{i}.png", 0.0, 0.5, i < n_false) for i in range(n_normal)]
    question = drift(np.array([p.p_value for p in odd]), 0.05, 99)
    assert question is not None
    truth = Truth({p.path: False for p in normal} | {p.path: True for p in odd[:n_odd]})
    found = (*odd, *normal)
    run = Run({"drift": question}, found, ())
    head = Head(run, {"false_alarms": 0.05}, Agreement(found, truth), [], {})
    assert (question in head.warnings()) == asked


def test_images_of_fewer_pictures_are_told_apart(tmp_path: Path) -> None:
    images = stripes(30, seed=1)
    detector = Detector(backbone="greyscale").fit(np.concatenate([images, images[:2]]))
    detector.save(tmp_path / "m.oneclass")
    odd = np.random.default_rng(0).integers(0, 256, (1, 24, 24), dtype=np.uint8)
    page = page_of(tmp_path / "m.oneclass", scored(tmp_path / "m.oneclass", tmp_path, odd))
    told = " ".join(page.texts)
    learnt = "32 normal images of about 30 different pictures"
    assert f"Judged by what {learnt} taught." in told
    assert f"{learnt}, SHA-256" in told
    assert "odder than all 30 good images that it was compared with" in told
    assert (
        "It is compared with 30 of the model's 32 normal (good) images, each judged by what was "
        "learnt from others. The other 2 only taught it, or are copies."
    ) in told


def test_the_page_loads_nothing(model: Path, tmp_path: Path) -> None:
    run = scored(model, tmp_path, stripes(3, seed=2))
    page = page_of(model, run)
    text = (run / "report.html").read_text(encoding="utf-8")
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    for tag, attributes in page.tags:
        assert tag not in {"link", "iframe", "object", "embed", "base", "form"}
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in {"src", "href"}:
                assert (value or "").startswith(("data:image/webp;base64,", "#")), (tag, value)
    (policy,) = [
        a["content"] for t, a in page.tags if a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert (policy or "").startswith("default-src 'none'; img-src data:;")


def test_the_policy_lets_the_page_s_own_script_run(model: Path, tmp_path: Path) -> None:
    import base64
    import hashlib

    run = scored(model, tmp_path, stripes(2, seed=2))
    page_of(model, run)
    text = (run / "report.html").read_text(encoding="utf-8")
    (script,) = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text


def test_hostile_names_stay_text(model: Path, tmp_path: Path) -> None:
    detector = load(model)
    (tmp_path / "new").mkdir()
    names = [*HOSTILE, os.fsdecode(b"\xff\xfe.png")]
    names = [name.replace("/", "_") for name in names]
    for name in names:
        Image.fromarray(stripes(1, seed=2)[0]).save(tmp_path / "new" / name)
    bad = tuple(ImageError(tmp_path / name, "missing", f"<b>{name}") for name in names)
    run = record(detector, tmp_path, sorted((tmp_path / "new").iterdir()), bad)
    page = page_of(model, run)
    assert len(page.tiles) == len(names)
    assert len(page.pictures) == len(names)
    assert sum(tag == "script" for tag, _ in page.tags) == 1
    assert {tag for tag, _ in page.tags} >= {"table", "bdi"}
    assert not any(tag in {"b"} and a for tag, a in page.tags)
    text = (run / "report.html").read_bytes().decode("utf-8")
    assert "\x1b" not in text
    assert "‮" not in text
    assert "alert(1)</script>" not in text
    with (run / "errors.csv").open(encoding="utf-8", newline="") as file:
        assert not any(row["path"].startswith(("=", "+", "-", "@")) for row in csv.DictReader(file))


def test_one_image(model: Path, tmp_path: Path) -> None:
    page = page_of(model, scored(model, tmp_path, stripes(1, seed=2)))
    text = " ".join(page.texts)
    assert "The image looks normal" in text or "The image is an anomaly" in text
    assert len(page.tiles) == 1


def test_only_errors(model: Path, tmp_path: Path) -> None:
    errors = (ImageError("a.png", "truncated", "it ends early"),)
    page = page_of(model, record(load(model), tmp_path, [], errors))
    text = " ".join(page.texts)
    assert "No image could be scored" in text
    assert "it ends early" in text
    assert page.tiles == []


def test_two_thousand_images_show_the_ends_and_list_all(model: Path, tmp_path: Path) -> None:
    (path,) = write_images(tmp_path / "new", stripes(1, seed=2))
    (one,) = load(model).score(path)
    many = [replace(one, score=one.score + 1e-3 * (i - 1999)) for i in range(2000)]
    run = recorded(load(model), tmp_path, many)
    page = page_of(model, run)
    ranks = [int(tile["data-rank"] or 0) for tile in page.tiles]
    assert ranks == [*range(1, 401), *range(1901, 2001)]
    assert len(page.pictures) == 1  # the others do not have the score that was recorded
    assert sum(tag == "tr" for tag, _ in page.tags) == 2001
    assert (run / "report.html").stat().st_size < 2e6


def test_five_hundred_noisy_colour_images_stay_below_five_megabytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (500, 220, 300, 3), np.uint8)
    detector = Detector(backbone="greyscale", size=(6, 6), n_halfspaces=2).fit(noise[:40])
    detector.save(tmp_path / "m.oneclass")
    paths = write_images(tmp_path / "new", noise)
    run = record(detector, tmp_path, paths)
    page = page_of(tmp_path / "m.oneclass", run)
    assert len(page.pictures) == 500
    assert 1e6 < (run / "report.html").stat().st_size < 5e6


def test_the_same_run_gives_the_same_page(model: Path, tmp_path: Path) -> None:
    run = scored(model, tmp_path, stripes(4, seed=2))
    page_of(model, run)
    before = (run / "report.html").read_bytes()
    page_of(model, run)
    assert (run / "report.html").read_bytes() == before


def test_images_that_are_gone_or_changed_are_not_shown(model: Path, tmp_path: Path) -> None:
    run = scored(model, tmp_path, stripes(4, seed=2))
    (tmp_path / "new/000.png").unlink()
    (tmp_path / "new/001.png").write_bytes(b"")
    write_images(tmp_path / "other", stripes(1, seed=77))
    (tmp_path / "other/000.png").replace(tmp_path / "new/002.png")
    page = page_of(model, run)
    assert len(page.tiles) == 4
    assert len(page.pictures) == 1
    text = " ".join(page.texts)
    assert "changed since it was scored" in text
    assert "not shown: missing" in text


def test_a_model_without_maps_has_a_page_without_heatmaps(tmp_path: Path) -> None:
    detector = Detector(layer="pool", size=(64, 64)).fit(stripes(20, seed=1))
    detector.save(tmp_path / "m.oneclass")
    run = record(detector, tmp_path, write_images(tmp_path / "new", stripes(3, seed=2)))
    page = page_of(tmp_path / "m.oneclass", run)
    assert not any(a.get("class") == "heat" for _, a in page.tags)
    assert "there are no heatmaps" in " ".join(page.texts)
    assert len(page.pictures) == 3


def test_the_model_that_scored_is_named_with_the_command_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found as it was named, from another folder, and as the last version kept beside it."""
    there = tmp_path / "there"
    images = write_images(there / "new", stripes(2, seed=2))
    first = Detector(backbone="greyscale", size=(8, 8)).fit(stripes(20, seed=1))
    other = Detector(backbone="greyscale", size=(9, 9)).fit(stripes(20, seed=1))
    first.save(there / "first.oneclass")
    other.save(there / "other.oneclass")
    monkeypatch.chdir(there)
    run = record(first, there, images)
    told = json.loads((run / "run.json").read_text())
    told |= {"folder": str(there), "command": ["score", "--json", "first.oneclass", "new"]}
    (run / "run.json").write_text(json.dumps(told))
    said = r"was scored with {} and not with .*other.oneclass. Try: oneclass report {} "
    for place, name in ((there, "first.oneclass"), (tmp_path, f"{there}/first.oneclass")):
        monkeypatch.chdir(place)
        with pytest.raises(InputError, match=said.format(re.escape(name), re.escape(name))):
            page_of(there / "other.oneclass", run)
    (there / "first.oneclass").rename(there / "first.oneclass.previous")
    other.save(there / "first.oneclass")
    with pytest.raises(InputError, match=r"Try: oneclass report .*first.oneclass.previous "):
        page_of(there / "other.oneclass", run)
    (there / "first.oneclass.previous").unlink()
    with pytest.raises(InputError, match=r"by: oneclass score --json first.oneclass new\. That m"):
        page_of(there / "other.oneclass", run)
    assert not (run / "report.html").exists()


@pytest.mark.parametrize("damage", ["gone", "no json", "short", "extra field"])
def test_what_is_no_run_is_refused(model: Path, tmp_path: Path, damage: str) -> None:
    run = scored(model, tmp_path, stripes(3, seed=2))
    lines = (run / "predictions.jsonl").read_text().splitlines()
    if damage == "gone":
        (run / "run.json").unlink()
    elif damage == "no json":
        (run / "run.json").write_text("{")
    elif damage == "short":
        (run / "predictions.jsonl").write_text(lines[0] + "\n")
    else:
        lines[0] = json.dumps({**json.loads(lines[0]), "more": 1})
        (run / "predictions.jsonl").write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="holds no complete scoring run"):
        page_of(model, run)


def test_files_of_two_runs_do_not_pass_for_one(model: Path, tmp_path: Path) -> None:
    """As where two runs write to one folder at the same time."""
    run = scored(model, tmp_path, stripes(4, seed=2))
    first = (run / "predictions.jsonl").read_text()
    (run / "predictions.jsonl").write_text(first.replace("0.", "1.", 1))
    with pytest.raises(InputError, match=r"predictions.jsonl was changed, or is of another run"):
        page_of(model, run)


class TestLabels:
    def predictions(self, folder: Path) -> list[Prediction]:
        return [
            Prediction(str(folder / "good" / "a.png"), -1.0, 0.5, False),
            Prediction(str(folder / "bad" / "b.png"), 1.0, 0.01, True),
            Prediction(str(folder / "other" / "c.png"), 0.5, 0.2, False),
        ]

    def test_folders(self, tmp_path: Path) -> None:
        found = self.predictions(tmp_path)
        truth = labels.from_folders(found, [str(tmp_path / "good"), str(tmp_path / "other")])
        assert list(truth.values()) == [False, True, False]
        with pytest.raises(InputError, match=r"none of the 3 scored images lies there"):
            labels.from_folders(found, [str(tmp_path / "go")])
        with pytest.raises(InputError, match=r"/gut: none of the 3 scored images lies there"):
            labels.from_folders(found, [str(tmp_path / "good"), str(tmp_path / "gut")])

    def test_folders_as_seen_from_where_the_images_were_scored(self, tmp_path: Path) -> None:
        """The page may be made from another folder than the one in which they were scored."""
        found = [Prediction(f"{name}.png", 0.0, 0.5, False) for name in ("a/good/1", "b/bad/2")]
        here = Path.cwd()
        for given in ("a/good", "./a", str(tmp_path / "a"), os.path.relpath(tmp_path / "a", here)):
            assert list(labels.from_folders(found, [given], tmp_path).values()) == [False, True]

    @pytest.mark.parametrize(
        ("given", "normal"),
        [("good", "134"), ("a/good", "1"), ("x/good", "34"), ("good/new", "4"), ("go", ""),
         ("/good", ""), (".", "1234"), ("3.png", "")],
    )  # fmt: skip
    def test_a_folder_s_name_is_enough(self, given: str, normal: str) -> None:
        paths = ("a/good/1.png", "a/bad/2.png", "x/good/3.png", "x/good/new/4.png")
        found = [Prediction(path, 0.0, 0.5, False) for path in paths]
        if normal:
            truth = labels.from_folders(found, [given])
            assert "".join(Path(p).stem for p, odd in truth.items() if not odd) == normal
        else:
            with pytest.raises(InputError, match=r"lie in a/good, a/bad, x/good and 1 more\."):
                labels.from_folders(found, [given])

    def test_a_table_as_seen_from_where_the_images_were_scored(self, tmp_path: Path) -> None:
        (tmp_path / "tables").mkdir()
        (tmp_path / "tables/truth.csv").write_text("path,label\n../new/1.png,ok\nnew/2.png,ng\n")
        found = [Prediction(f"new/{i}.png", 0.0, 0.5, False) for i in (1, 2)]
        for table in (Path("tables/truth.csv"), tmp_path / "tables/truth.csv"):
            assert list(labels.from_csv(found, table, tmp_path).values()) == [False, True]

    def test_a_table(self, tmp_path: Path) -> None:
        table = tmp_path / "labels.csv"
        absolute = tmp_path / "bad/b.png"
        table.write_text(f"path,label\ngood/a.png,OK\n{absolute},defect\nelsewhere.png,1\n")
        truth = labels.from_csv(self.predictions(tmp_path), table)
        assert [Path(path).name for path in truth] == ["a.png", "b.png"]
        assert list(truth.values()) == [False, True]

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "found no rows"),
            (
                "file,labels of it\na,ok\n",
                r"\(file, labels of it\), file names the images, and none",
            ),
            ("datei,label\na,ok\n", r"\(datei, label\), label says what the images are, and none"),
            ("datei,urteil\na,ok\n", r"found datei, urteil\. Expected a header with path \(or fi"),
            ("good/a.png,ok\nbad/b.png,ng\n", r"first line \(good/a.png, ok\) names an image, and"),
            ("path,label\na,perhaps\n", "line 2: 'perhaps' is no label"),
            ("path,label\nnowhere.png,ok\n", "names none of the 3 scored images"),
            ("path,label\nnow\0here.png,ok\n", "names none of the 3 scored images"),
            ("PK\3\4\x14\0\6\0", "a workbook or an archive, and no text; save its sheet as CSV"),
            ('[{"path": "good/a.png", "label": "ok"}]', "it looks like JSON; save it as a table"),
            ('{"path": "good/a.png", "label": "ok"}\n', "it looks like JSON; save it as a table"),
            ("a," * 999, r"found (a, ){33}a\. Expected a header with path"),
        ],
    )
    def test_bad_tables(self, tmp_path: Path, text: str, message: str) -> None:
        (tmp_path / "labels.csv").write_text(text)
        with pytest.raises(InputError, match=message):
            labels.from_csv(self.predictions(tmp_path), tmp_path / "labels.csv")

    @pytest.mark.parametrize(
        "header",
        ["file,label", "filename,class", "Image,Labels", "name;is_anomaly", "id,file_path,truth",
         "img,image_path,ground_truth", "name,file,defect"],
    )  # fmt: skip
    def test_columns_by_other_names(self, tmp_path: Path, header: str) -> None:
        mark = ";" if ";" in header else ","
        n = header.count(mark) - 1
        rows = [
            ["x"] * n + [name, said] for name, said in (("good/a.png", "0"), ("bad/b.png", "1"))
        ]
        table = "\n".join([header, *(mark.join(row) for row in rows)])
        (tmp_path / "labels.csv").write_text(table)
        truth = labels.from_csv(self.predictions(tmp_path), tmp_path / "labels.csv")
        assert list(truth.values()) == [False, True]

    def test_the_docs_name_all_columns(self) -> None:
        page = (Path(__file__).parents[2] / "docs/report.md").read_text(encoding="utf-8")
        told = " ".join(page.split("## Labels")[1].split("| in the table |")[0].split())
        assert all(f"`{name}`" in told for name in (*tables.PATHS, *labels.COLUMNS))

    def test_a_name_alone_will_do_where_one_image_has_it(self, tmp_path: Path) -> None:
        (tmp_path / "labels.csv").write_text("filename,class\na.png,ok\nb.png,ng\nx.png,ok\n")
        twice = [Prediction(str(tmp_path / d / "b.png"), 0.0, 0.5, False) for d in ("x", "y")]
        found = [self.predictions(tmp_path)[0], *twice]
        truth = labels.from_csv(found, tmp_path / "labels.csv")
        assert dict(truth) == {found[0].path: False}
        assert truth.unmatched == ("b.png", "x.png")
        (tmp_path / "a.png").touch()  # the one that is meant, and was not scored
        with pytest.raises(InputError, match=r"names none of the 3 .*; the table names a\.png"):
            labels.from_csv(found, tmp_path / "labels.csv")

    @pytest.mark.parametrize("elsewhere", [False, True])
    def test_a_name_that_several_images_have_is_told_with_what_to_write(
        self, tmp_path: Path, elsewhere: bool
    ) -> None:
        paths = [f"parts/{d}/{n}.png" for d in "ab" for n in (1, 2)]
        found = [Prediction(path, 0.0, 0.5, False) for path in paths]
        place = tmp_path / "tables" if elsewhere else tmp_path
        place.mkdir(exist_ok=True)
        table = place / "labels.csv"
        table.write_text("path,label\n1.png,ok\n2.png,ng\n")
        told = "2 scored images are called 1.png: parts/a/1.png, parts/b/1.png. Write each into"
        with pytest.raises(InputError, match=told):
            labels.from_csv(found, table, tmp_path)
        table.write_text("path,label\nparts/a/1.png,ok\nparts/b/1.png,ng\n2.png,ng\n")
        truth = labels.from_csv(found, table, tmp_path)
        assert dict(truth) == {"parts/a/1.png": False, "parts/b/1.png": True}
        assert labels.told_unmatched(truth).startswith("1: 2.png. 2 scored images are called 2.png")

    def test_paths_as_windows_writes_them(self, tmp_path: Path) -> None:
        rows = f"good\\a.png,ok\n{tmp_path}\\bad\\b.png,ng\n"
        (tmp_path / "labels.csv").write_text(f"path,label\n{rows}.\\other\\c.png,ok\n")
        found = self.predictions(tmp_path)
        truth = labels.from_csv(found, tmp_path / "labels.csv")
        assert (list(truth.values()), truth.unmatched) == ([False, True, False], ())
        literal = Prediction(str(tmp_path / "good\\a.png"), 0.0, 0.5, False)
        truth = labels.from_csv([*found, literal], tmp_path / "labels.csv")
        assert literal.path in truth
        assert found[0].path not in truth
        assert list(labels.from_folders(found, [f"{tmp_path.name}\\good"]).values()) == [
            False,
            True,
            True,
        ]

    @pytest.mark.parametrize(
        "word",
        ["okay", "Good Part", "no defect", "no_defect", "No-Defects", "defect free", "defect-free",
         "clean", "in Ordnung", "Gut", "Gutteil", "i.O.", "I.O", "conforme", "Bon", "bueno",
         "sin defectos", "sans défaut", "not defective"],
    )  # fmt: skip
    def test_words_for_normal(self, tmp_path: Path, word: str) -> None:
        (tmp_path / "labels.csv").write_text(f"path,label\ngood/a.png,{word}\n")
        truth = labels.from_csv(self.predictions(tmp_path), tmp_path / "labels.csv")
        assert list(truth.values()) == [False]

    @pytest.mark.parametrize(
        ("word", "meant"),
        [("gd", "good"), ("godo", "good"), ("goood", "good"), ("okya", "okay"), ("oky", "okay"),
         ("clen", "clean"), ("no defcet", "no defect"), ("nomal", "normal")],
    )  # fmt: skip
    def test_words_near_those_are_asked_about(self, tmp_path: Path, word: str, meant: str) -> None:
        (tmp_path / "labels.csv").write_text(f"path,label\ngood/a.png,{word}\n")
        with pytest.raises(InputError, match=f"line 2: '{word}' is no label. Did you mean {meant}"):
            labels.from_csv(self.predictions(tmp_path), tmp_path / "labels.csv")

    @pytest.mark.parametrize(
        "word",
        ["cut", "line", "hole", "crack", "bent", "fold", "poke", "glue strip", "contamination",
         "damaged", "missing cable", "gray stroke", "oil", "bent wire", "cr", "color", "print",
         "thread side", "broken large", "defecto", "fehler", "clear tape", "faulty imprint"],
    )  # fmt: skip
    def test_names_of_defects_stay_names(self, tmp_path: Path, word: str) -> None:
        (tmp_path / "labels.csv").write_text(f"path,label\ngood/a.png,{word}\n")
        truth = labels.from_csv(self.predictions(tmp_path), tmp_path / "labels.csv")
        assert list(truth.kinds.values()) == [word]

    @pytest.mark.parametrize("word", ["not ok", "No Good", "nicht in Ordnung", "non conforme"])
    def test_what_denies_a_word_for_normal_is_an_anomaly(self, tmp_path: Path, word: str) -> None:
        (tmp_path / "labels.csv").write_text(f"path,label\ngood/a.png,{word}\n")
        truth = labels.from_csv(self.predictions(tmp_path), tmp_path / "labels.csv")
        assert (list(truth.values()), truth.kinds) == ([True], {})

    @pytest.mark.parametrize(
        ("column", "told"),
        [("label", "true as anomaly, no as normal"), ("class", "true as anomaly, no as normal"),
         ("truth", "true as anomaly, no as normal"), ("anomaly", ""), ("is_anomaly", "")],
    )  # fmt: skip
    def test_how_answers_were_read_is_known(self, tmp_path: Path, column: str, told: str) -> None:
        text = f"path,{column}\ngood/a.png,True\nbad/b.png,No\n"
        (tmp_path / "labels.csv").write_text(text)
        truth = labels.from_csv(self.predictions(tmp_path), tmp_path / "labels.csv")
        assert list(truth.values()) == [True, False]
        assert labels.told_answers(truth) == told

    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    @pytest.mark.parametrize("text", [
        "Path;Label\ngood/a.png;OK\nbad/b.png;ng\n",
        "path\tlabel\ngood/a.png\tOK\nbad/b.png\tng\n",
        'sep=;\r\n"path";"label"\r\n"good/a.png";"OK"\r\n"bad/b.png";"ng"\r\n\r\n',
        "id, path, label\n1, good/a.png, OK\n2, bad/b.png, ng\n",
    ])  # fmt: skip
    def test_tables_of_spreadsheets(self, tmp_path: Path, text: str, encoding: str) -> None:
        (tmp_path / "labels.csv").write_bytes(text.encode(encoding))
        truth = labels.from_csv(self.predictions(tmp_path), tmp_path / "labels.csv")
        assert list(truth.values()) == [False, True]

    def test_a_table_in_another_encoding_is_refused_in_a_sentence(self, tmp_path: Path) -> None:
        (tmp_path / "labels.csv").write_bytes("path,label\nstraße.png,ok\n".encode("latin-1"))
        with pytest.raises(InputError, match=r"line 2 is not UTF-8; save it as UTF-8"):
            labels.from_csv(self.predictions(tmp_path), tmp_path / "labels.csv")

    @pytest.mark.parametrize(("on_disk", "in_table"), [("NFC", "NFD"), ("NFD", "NFC")])
    def test_a_letter_may_be_spelt_in_two_ways(
        self, tmp_path: Path, on_disk: str, in_table: str
    ) -> None:
        """macOS takes an umlaut apart; a table made elsewhere does not."""
        paths = [tmp_path / normalize(on_disk, f"prüf/stück{i}.png") for i in range(4)]
        found = [Prediction(str(path), 0.0, 0.5, False) for path in paths]
        rows = [normalize(in_table, f"prüf/stück{i}.png,{i % 2}") for i in range(4)]
        (tmp_path / "labels.csv").write_text("path,label\n" + "\n".join(rows))
        truth = labels.from_csv(found, tmp_path / "labels.csv")
        assert list(truth.values()) == [False, True, False, True]
        assert truth.unmatched == ()

    def test_a_folder_and_a_kind_may_be_spelt_in_two_ways(self, tmp_path: Path) -> None:
        paths = [normalize("NFD", f"prüf/{name}/a.png") for name in ("größe", "gut")]
        found = [Prediction(str(tmp_path / path), 0.0, 0.5, False) for path in paths]
        for given in ("prüf/größe", str(tmp_path / "prüf/größe")):
            truth = labels.from_folders(found, [normalize("NFC", given)], tmp_path)
            assert list(truth.values()) == [False, True]
        words = [normalize(form, "Löcher") for form in ("NFC", "NFD")]
        rows = [f"{path},{word}" for path, word in zip(paths, words, strict=True)]
        (tmp_path / "labels.csv").write_text("path,label\n" + "\n".join(rows))
        kinds = labels.from_csv(found, tmp_path / "labels.csv").kinds
        assert set(kinds.values()) == {normalize("NFC", "löcher")}

    def test_two_files_that_differ_in_spelling_alone_stay_two(self, tmp_path: Path) -> None:
        both = [normalize(form, "ü.png") for form in ("NFC", "NFD")]
        found = [Prediction(str(tmp_path / name), 0.0, 0.5, False) for name in both]
        (tmp_path / "labels.csv").write_text(f"path,label\n{both[0]},ok\n{both[1]},bad\n")
        truth = labels.from_csv(found, tmp_path / "labels.csv")
        assert list(truth.values()) == [False, True]

    def test_a_name_that_is_no_utf8_is_found_as_the_predictions_spell_it(
        self, tmp_path: Path
    ) -> None:
        name = os.fsdecode(b"\xff.png")
        (tmp_path / "labels.csv").write_text("path,label\n\\udcff.png,ok\n")
        found = [Prediction(str(tmp_path / name), 0.0, 0.5, False)]
        assert list(labels.from_csv(found, tmp_path / "labels.csv").values()) == [False]

    @pytest.mark.parametrize(
        "rows", ["good/a.png,ok\ngood/a.png,bad", "good/a.png,1\n./good/../good/a.png,0",
                 "no.png,ok\nno.png,ng\ngood/a.png,ok"],
    )  # fmt: skip
    def test_a_table_that_contradicts_itself_is_refused(self, tmp_path: Path, rows: str) -> None:
        (tmp_path / "labels.csv").write_text(f"path,label\n{rows}\n")
        with pytest.raises(InputError, match=r"in line 2 and .* in line 3. Keep one"):
            labels.from_csv(self.predictions(tmp_path), tmp_path / "labels.csv")

    def test_the_same_label_twice_is_no_contradiction(self, tmp_path: Path) -> None:
        (tmp_path / "labels.csv").write_text("path,label\ngood/a.png,ok\ngood/a.png,GOOD\n")
        truth = labels.from_csv(self.predictions(tmp_path), tmp_path / "labels.csv")
        assert list(truth.values()) == [False]

    def test_what_did_not_match_is_counted_and_named(self, model: Path, tmp_path: Path) -> None:
        run = scored(model, tmp_path, stripes(4, seed=2))
        rows = "".join(f"new/{name}.png,ok\n" for name in ("000", "nix", "niy", "niz", "nil"))
        (tmp_path / "labels.csv").write_text("path,label\n" + rows)
        done = oneclass("report", model, run, "--labels", tmp_path / "labels.csv", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "labels of no scored image: 4: new/nix.png, new/niy.png, new/niz.png and 1 more" in (
            done.stderr
        )
        assert "3 of the 4 images have no label" in done.stderr
        page = (run / "report.html").read_text()
        assert "3 of 4" in page
        assert "new/nix.png" in page

    def test_what_they_say_is_on_the_page(self, model: Path, tmp_path: Path) -> None:
        images = np.concatenate([stripes(6, seed=2), stripes(4, seed=3, upright=False)])
        run = scored(model, tmp_path, images)
        truth = {str(p): int(p.stem) > 5 for p in sorted((tmp_path / "new").iterdir())}
        page = page_of(model, run, labels=lambda _: labels.Truth(truth))
        text = " ".join(page.texts)
        assert "6 normal, 4 anomalies" in text
        assert "1.000 (95 % interval 0.4" in text
        assert " to 1.000)" in text  # as wide as so few images have it
        assert "4 of 4, 100 %" in text
        assert "4 of 4, 100\xa0%" in (run / "report.html").read_text()  # no line ends there
        assert sum(tag == "svg" for tag, _ in page.tags) == 3
        only = {path: True for path, odd in truth.items() if odd}
        one_sided = page_of(model, run, labels=lambda _: labels.Truth(only))
        assert "0 normal, 4 anomalies" in " ".join(one_sided.texts)


def test_without_matplotlib_the_error_says_what_to_install(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = scored(model, tmp_path, stripes(2, seed=2))
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    monkeypatch.setattr(Detector, "explain_each", None)  # before any image is looked at
    with pytest.raises(
        MissingDependencyError, match=r"pip install .(oneclass\[report\]|matplotlib)"
    ):
        page_of(model, run)


@pytest.mark.parametrize("n", [5, 40])
def test_the_histogram_tells_of_verdicts_not_of_the_truth(n: int) -> None:
    anomalous = np.arange(n) >= n - 2
    svg = plots.score_histogram(np.linspace(0, 1, 30), np.arange(n) / n, anomalous, 0.9)
    assert "called anomalies (2)" in svg
    assert f"others scored ({n - 2})" in svg
    assert "scored, normal" not in svg


def test_plots_are_painted_by_the_style_sheet() -> None:
    svg = plots.p_value_plot(np.array([0.1, 0.5, 0.9]), 0.05)
    assert "var(--scored)" in svg
    assert "#0a0b" not in svg
    assert svg.startswith("<svg")
    ids = re.findall(r'id="([^"]+)"', svg)
    assert len(ids) == len(set(ids))
    assert all(i.startswith("pvalues-") for i in ids)


class TestCommand:
    def test_it_writes_the_page_into_the_run(self, model: Path, tmp_path: Path) -> None:
        write_images(tmp_path / "new/good", stripes(4, seed=2))
        write_images(tmp_path / "new/bad", stripes(3, seed=3, upright=False))
        done = oneclass("score", model, "new", "-o", "run", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        done = oneclass("report", model, "run", "--normal", "new/good", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "run/report.html: 7 images" in done.stderr
        assert "4 normal, 3 anomalies" in (tmp_path / "run/report.html").read_text()
        assert "swapped" not in done.stderr
        turned = oneclass("report", model, "run", "--normal", "new/bad", cwd=tmp_path)
        assert (
            "note: most of the images that lie in new/bad (--normal) were called anomalies, and "
            "most of the others were not. Are normal images and anomalies swapped?"
        ) in turned.stderr
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        done = oneclass(
            "report", model, tmp_path / "run", "-o", "p.html", "--title", "A <b>", cwd=elsewhere
        )
        assert done.returncode == 0, done.stderr
        assert "not shown" not in done.stderr  # the run knows where they lay
        assert "A &lt;b&gt;" in (elsewhere / "p.html").read_text()

    def test_folders_that_sound_good_and_count_as_odd_are_told(
        self, model: Path, tmp_path: Path
    ) -> None:
        write_images(tmp_path / "new/good", stripes(4, seed=2))
        write_images(tmp_path / "new/ok", stripes(2, seed=4))
        write_images(tmp_path / "new/dent", stripes(3, seed=3, upright=False))
        assert oneclass("score", model, "new", "-o", "run", cwd=tmp_path).returncode == 0
        done = oneclass("report", model, "run", "--normal", "new/good", cwd=tmp_path)
        line = f"report {model} run --normal new/good --normal new/ok\n"
        assert (
            "note: 2 of the 5 odd images lie in a folder whose name speaks of good parts (2 in "
            f"new/ok), and count as odd. If they are normal, too: oneclass {line}"
        ) in done.stderr
        done = oneclass(*line.split(), cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "of good parts" not in done.stderr
        done = oneclass("report", model, "run", "--normal", "new/good", "new/ok", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "6 normal, 3 anomalies" in (tmp_path / "run/report.html").read_text()
        done = oneclass("report", "--normal", "new/good", model, "run", cwd=tmp_path)
        assert done.returncode == 2
        assert "It stands first: --normal takes all behind it." in done.stderr

    @pytest.mark.parametrize(
        ("words", "told"),
        [
            (("--normal", "new"), "note: all images lie in new, which --normal calls normal, so"),
            (("--labels", "a.csv"), "label are anomalies. Is every word of the table right?"),
            (("--labels", "n.csv"), "label are normal. Is every word of the table right?"),
        ],
    )
    def test_images_of_one_kind_are_told_by_what_was_given(
        self, model: Path, tmp_path: Path, words: tuple[str, ...], told: str
    ) -> None:
        scored(model, tmp_path, stripes(3, seed=2))
        for name, word in (("a.csv", "bad"), ("n.csv", "good")):
            (tmp_path / name).write_text(f"path,label\nnew/000.png,{word}\n")
        done = oneclass("report", model, "run", *words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert told in done.stderr
        assert ("table" in done.stderr) == ("--labels" in words)

    def test_a_run_of_the_model_s_last_version_says_which_file_that_is(
        self, model: Path, tmp_path: Path
    ) -> None:
        run, mine = scored(model, tmp_path, stripes(4, seed=2)), tmp_path / "m.oneclass"
        shutil.copy(model, tmp_path / "m.oneclass.previous")
        Detector(backbone="greyscale").fit(stripes(20, seed=1)).save(mine)
        done = oneclass("report", mine, run)
        assert done.returncode == 2
        assert f"was scored before {mine} was written anew" in done.stderr
        assert f"give {mine}.previous, which is the model as it was then." in done.stderr
        (tmp_path / "m.oneclass.previous").unlink()
        assert "not there any more as it was then" in oneclass("report", mine, run).stderr

    def test_contradictory_labels_are_refused(self, model: Path, tmp_path: Path) -> None:
        run = scored(model, tmp_path, stripes(2, seed=2))
        done = oneclass("report", model, run, "--normal", "a", "--labels", "b")
        assert done.returncode == 2
        assert "exclude each other" in done.stderr

    def test_a_folder_without_a_run_is_refused(self, model: Path, tmp_path: Path) -> None:
        done = oneclass("report", model, tmp_path / "nowhere")
        assert done.returncode == 2
        assert "nowhere: there is no such folder. Expected a folder that" in done.stderr
        assert "Errno" not in done.stderr


@pytest.mark.parametrize(
    ("seconds", "cores", "told", "machine"),
    [
        (30.0, 1, "scored 2026-11-27 23:58 UTC", "1 core, in 30.0 s"),
        (61.0, 2, "scored 2026-11-27 23:58 to 23:59 UTC", "2 cores, in 61.0 s"),
        (300.0, 2, "scored 2026-11-27 23:58 to 2026-11-28 00:03 UTC", "2 cores, in 300.0 s"),
    ],
)
def test_the_page_says_from_when_to_when_images_were_scored_and_on_how_many_cores(
    model: Path, tmp_path: Path, seconds: float, cores: int, told: str, machine: str
) -> None:
    run = scored(model, tmp_path, stripes(3, seed=2))
    said = json.loads((run / "run.json").read_text())
    said |= {"started": "2026-11-27T23:58:10+00:00", "seconds": seconds}
    said["environment"] |= {"cores": cores}
    (run / "run.json").write_text(json.dumps(said))
    texts = page_of(model, run).texts
    assert told in texts
    assert any(text.endswith(f", {machine}") for text in texts)


@pytest.mark.parametrize(
    ("scored", "told"),
    [
        (["score", "m", "new"], "mine.onnx"),
        (["score", "m", "new", "--backbone", "deep/other.onnx"], "deep/other.onnx"),
        (["score", "--backbone=a.onnx", "m", "new"], "a.onnx"),
    ],
)
def test_a_model_s_own_backbone_is_named_by_its_file(scored: list[str], told: str) -> None:
    detector = Detector(layer="block_4", grid=2, size=64, threads=1).fit(stripes(20, seed=1))
    card = json.loads(json.dumps(detector.card))
    assert "--backbone" not in fit_command(card, Path("m"), scored)
    card["representation"]["backbone"]["name"] = "mine"
    words = fit_command(card, Path("m"), scored)
    assert words[words.index("--backbone") + 1] == told
