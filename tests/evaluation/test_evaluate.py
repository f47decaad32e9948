"""The command from folders to the page: what is measured, kept, told and not done again."""

from __future__ import annotations

import json
import re
import shutil
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image
from sklearn.metrics import roc_auc_score

from categories import make_category
from oneclass import Detector, InputError
from oneclass.cli import cli
from oneclass.detector.settings import SETTINGS, Settings
from oneclass.errors import StorageError
from oneclass.evaluation import measuring, running
from oneclass.evaluation.cells import Cell, Rate
from oneclass.evaluation.keeping import KeptCells, digest_of_cell, digest_of_files
from oneclass.evaluation.layout import read_category
from oneclass.evaluation.page import evaluation_page
from oneclass.evaluation.published import PUBLISHED, published_for
from oneclass.evaluation.tables import BESIDE, COMPARABLE, as_json, markdown, remarks

FEW = ("--backbone", "greyscale", "--halfspaces", "2", "--threads", "1")
MAPPED = ("--layer", "block_2@7", "--threads", "1")


def run(*words: object) -> Result:
    return CliRunner().invoke(cli, ["evaluate", *map(str, words)], standalone_mode=False)


def settings(**given: object) -> Settings:
    return Settings(**{**{s.name: s.default for s in SETTINGS}, **given})


class Silent:
    def __call__(self, done: int, total: int) -> None: ...

    def stage(self, name: str) -> None: ...


def show(_: str) -> AbstractContextManager[Silent]:
    return nullcontext(Silent())


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cell, Path]:
    folder = make_category(tmp_path_factory.mktemp("data") / "parts")
    asked = settings(layer="block_2@7", threads=1)
    return measuring.measure(read_category("parts", folder), asked, show), folder


def test_a_cell_says_what_the_detector_says(cell: tuple[Cell, Path]) -> None:
    found, folder = cell
    detector = Detector(layer="block_2@7", threads=1).fit(folder / "train/good")
    normal = detector.score(folder / "test/good")
    odd = detector.score([folder / "test/dot", folder / "test/lying"])
    scores = [*normal.scores, *odd.scores]
    assert found.ranking.auroc.value == pytest.approx(roc_auc_score([0] * 5 + [1] * 7, scores))
    assert found.false_alarms.hits == sum(p.is_anomaly for p in normal.predictions)
    assert found.found.hits == sum(p.is_anomaly for p in odd.predictions)
    assert (found.n_train, found.n_good, found.n_odd) == (12, 5, 7)
    assert found.promised == detector.card["false_alarms"]
    assert found.looked_at == "image, 224 x 224"
    assert found.setting == "--layer block_2@7"


def test_pixels_are_of_the_pictures_with_masks_and_it_is_said(cell: tuple[Cell, Path]) -> None:
    found, _ = cell
    assert found.pixels is not None
    assert found.pixels.n_regions == 4
    kinds = {kind.name: kind for kind in found.kinds}
    assert kinds["dot"].pixels == found.pixels
    assert kinds["lying"].pixels is None
    assert found.pixels.auroc.value > 0.9
    assert any("3 of 7 odd pictures have no mask" in note for note in found.notes)


@pytest.mark.parametrize(
    ("copied", "told"),
    [
        (0, None),
        (1, r"1 of the 13 test pictures is among those learnt from \(\S+0.png\): its score is"),
        (3, r"3 of the 15 test pictures are among those learnt from \(.*2.png\): their scores are"),
    ],
)
@pytest.mark.parametrize("words", [FEW, MAPPED], ids=["rows", "maps"])
def test_test_pictures_that_were_learnt_are_told_everywhere(
    tmp_path: Path, words: tuple[str, ...], copied: int, told: str | None
) -> None:
    folder = make_category(tmp_path / "parts")
    for i in range(copied):
        shutil.copy(folder / f"train/good/{i:03}.png", folder / f"test/good/again{i}.png")
    done = run(folder, *words, "-o", tmp_path / "out")
    record = json.loads((tmp_path / "out/results.json").read_text(encoding="utf-8"))
    page = (tmp_path / "out/table.html").read_text(encoding="utf-8")
    table = (tmp_path / "out/table.md").read_text(encoding="utf-8")
    notes = " ".join(record["cells"][0]["notes"])
    shown = [done.stderr, notes, page, table]
    if told is None:
        assert not any("among those learnt from" in text for text in shown)
    else:
        assert all(re.search(told, text) for text in shown)
        kept = run(folder, *words, "-o", tmp_path / "out").stderr
        assert re.search(told, kept), "kept cells say so, too"


def test_layers_without_maps_say_nothing_of_pixels(tmp_path: Path) -> None:
    category = read_category("parts", make_category(tmp_path / "parts"))
    found = measuring.measure(category, settings(layer="pool", threads=1), show)
    assert found.pixels is None
    assert measuring.NO_MAPS in found.notes
    assert found.found.n == 7


def test_costs_are_measured(cell: tuple[Cell, Path]) -> None:
    costs = cell[0].costs
    assert costs.fit_seconds > 0
    assert costs.ms_an_image > 0
    assert costs.model_kilobytes > 1
    assert costs.peak_megabytes is None or 30 < costs.peak_megabytes < 5000


def test_a_cell_survives_json(cell: tuple[Cell, Path], tmp_path: Path) -> None:
    kept = KeptCells(tmp_path)
    digest = "a" * 64
    assert kept.get(digest) is None
    stored = kept.put(cell[0], digest)
    assert kept.get(digest) == stored
    (tmp_path / "cells" / f"{digest}.json").write_text('{"category": "half')
    assert kept.get(digest) is None


def test_tables_are_not_written_among_pictures(tmp_path: Path) -> None:
    folder = make_category(tmp_path / "parts")
    before = sorted((folder / "train/good").iterdir())
    done = run(folder, "-o", folder / "train/good")
    assert isinstance(done.exception, InputError)
    assert f"{before[0].name} lies there, and tables would be among" in str(done.exception)
    assert sorted((folder / "train/good").iterdir()) == before
    (tmp_path / "kept/cells").mkdir(parents=True)
    shutil.copy(before[0], tmp_path / "kept/mine.png")
    KeptCells(tmp_path / "kept")  # an evaluation that is there goes on


@pytest.mark.parametrize("name", ["table.md", "table.html", "results.json"])
def test_no_table_of_somebody_else_is_lost(tmp_path: Path, name: str) -> None:
    make_category(tmp_path / "parts")
    out = tmp_path / "out"
    (out / "cells").mkdir(parents=True)  # somebody else's may be called so, too
    (out / name).write_text('{"oneclass": "mine"}')
    done = run(tmp_path / "parts", *FEW, "-o", out)
    assert isinstance(done.exception, InputError)
    assert f"cannot write {out / name}: what is there already is no table of" in str(done.exception)
    assert (out / name).read_text() == '{"oneclass": "mine"}'


def test_digests_know_settings_names_and_content(tmp_path: Path) -> None:
    folder = make_category(tmp_path / "parts")
    category = read_category("parts", folder)
    files = digest_of_files(category)
    first = digest_of_cell(category, files, settings())
    assert first == digest_of_cell(category, files, settings(threads=1, cache="x"))
    assert first != digest_of_cell(category, files, settings(nu=0.2))
    moved = read_category("parts", Path(shutil.copytree(folder, tmp_path / "other")))
    assert files == digest_of_files(moved)
    mask = folder / "ground_truth/dot/000_mask.png"
    mask.write_bytes((folder / "ground_truth/dot/001_mask.png").read_bytes() + b" ")
    assert files != digest_of_files(category)


def test_what_is_finished_is_not_done_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_category(tmp_path / "all/parts")
    first = run(tmp_path / "all", *FEW, "-o", tmp_path / "out")
    assert first.exit_code == 0, first.output
    pages = {f.name: f.read_bytes() for f in (tmp_path / "out").glob("*.*")}
    assert set(pages) == {"table.md", "table.html", "results.json"}

    def measured(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr(running, "measure", measured)
    assert run(tmp_path / "all", *FEW, "-o", tmp_path / "out").exit_code == 0
    assert pages == {f.name: f.read_bytes() for f in (tmp_path / "out").glob("*.*")}
    with pytest.raises(AssertionError, match="measured again"):
        raise run(tmp_path / "all", *FEW, "--nu", "0.2", "-o", tmp_path / "out").exception


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StorageError("the disk is full")])
def test_what_comes_between_leaves_what_is_finished(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    for name in ("a", "b"):
        make_category(tmp_path / "all" / name)
    real = measuring.measure

    def measure(category: object, *rest: object) -> Cell:
        if getattr(category, "name", "") == "b":
            raise error
        return real(category, *rest)

    monkeypatch.setattr(running, "measure", measure)
    assert run(tmp_path / "all", *FEW, "-o", tmp_path / "out").exception is not None
    kept = json.loads((tmp_path / "out/results.json").read_text())
    assert [one["category"] for one in kept["cells"]] == ["a"]


def test_a_bad_category_stops_nothing_and_is_named(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        make_category(tmp_path / "all" / name)
    shutil.rmtree(tmp_path / "all/b/test/good")
    result = run(tmp_path / "all", *FEW, "-o", tmp_path / "out")
    assert isinstance(result.exception, InputError)
    told = json.loads((tmp_path / "out/results.json").read_text())
    assert [one["category"] for one in told["cells"]] == ["a", "c"]
    assert [one["category"] for one in told["problems"]] == ["b"]
    average = told["means"][0]
    assert average["counts"] == dict.fromkeys(average["figures"], 2)
    values = [one["ranking"]["auroc"]["value"] for one in told["cells"]]
    assert average["figures"]["auroc"]["value"] == pytest.approx(sum(values) / 2)
    for name in ("table.md", "table.html"):
        assert "Not evaluated" in (tmp_path / "out" / name).read_text()
    assert "mean of 2" in (tmp_path / "out/table.md").read_text()
    assert "mean of 2" in result.output


def test_of_how_many_categories_the_means_of_pixels_are(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        make_category(tmp_path / "all" / name)
    assert "have masks" not in run(tmp_path / "all", *FEW).output
    shutil.rmtree(tmp_path / "all/b/ground_truth")
    told = run(tmp_path / "all", *FEW).output
    assert "Means of pixels are over 2 of 3, which have masks: a, c." in told
    shutil.rmtree(tmp_path / "all/a/ground_truth")
    told = run(tmp_path / "all", *FEW).output
    assert "Means of pixels are over 1 of 3, which have masks: c." in told
    shutil.rmtree(tmp_path / "all/c/ground_truth")
    assert "Means of pixels" not in run(tmp_path / "all", *FEW).output


def test_a_category_that_cannot_be_fitted_is_named(tmp_path: Path) -> None:
    folder = make_category(tmp_path / "all/a")
    for file in sorted((folder / "train/good").iterdir())[1:]:
        file.unlink()
    make_category(tmp_path / "all/b")
    result = run(tmp_path / "all", *FEW, "-o", tmp_path / "out")
    assert isinstance(result.exception, InputError)
    told = json.loads((tmp_path / "out/results.json").read_text())
    assert [one["category"] for one in told["problems"]] == ["a"]


def test_unreadable_pictures_and_masks_are_left_out_and_told(tmp_path: Path) -> None:
    folder = make_category(tmp_path / "parts")
    for name in ("test/dot/000.png", "ground_truth/dot/002_mask.png", "train/good/003.png"):
        (folder / name).write_bytes(b"no picture")
    result = run(folder, *MAPPED, "--json")
    assert result.return_value == 3
    told = json.loads(result.output.splitlines()[0])
    assert (told["n_train"], told["n_odd"]) == (11, 6)
    assert told["pixels"]["n_regions"] == 2
    assert len(told["errors"]) == 3


def test_that_there_are_no_masks_is_said(tmp_path: Path) -> None:
    folder = make_category(tmp_path / "parts")
    shutil.rmtree(folder / "ground_truth")
    result = run(folder, *FEW, "-o", tmp_path / "out")
    assert result.return_value == 0
    note = "There are no masks (ground_truth/), so nothing is said of pixels."
    assert note in result.output
    assert "What each column is: oneclass evaluate --help." in result.stderr
    assert note in (tmp_path / "out/table.md").read_text()


def test_the_terminal_has_the_intervals_that_the_page_has(tmp_path: Path) -> None:
    for name in ("a", "b"):
        make_category(tmp_path / "all" / name)
    result = run(tmp_path / "all", *FEW, "-o", tmp_path / "out")
    told = json.loads((tmp_path / "out/results.json").read_text())
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["category", "a", "95", "b", "95", "mean", "95"]
    assert len({len(line) for line in lines[1::2]}) == 1
    figures = [
        *(one["ranking"]["auroc"] for one in told["cells"]),
        told["means"][0]["figures"]["auroc"],
    ]
    alarms = [
        *(one["false_alarms"] for one in told["cells"]),
        told["means"][0]["figures"]["false_alarms"],
    ]
    for line, auroc, rate in zip(lines[2::2], figures, alarms, strict=True):
        shares, percents = line[18:27].split("-"), line[54:63].rstrip("%").split("-")
        assert [float(share) for share in shares] == pytest.approx(
            [auroc["low"], auroc["high"]], abs=0.0051
        )
        assert [float(percent) for percent in percents] == pytest.approx(
            [100 * rate["low"], 100 * rate["high"]], abs=0.51
        )
        assert max(map(len, line.split())) < 9


def test_settings_stand_side_by_side(tmp_path: Path) -> None:
    make_category(tmp_path / "bottle")
    words = ("--compare", "--nu 0.5", "--compare", "--halfspaces 1 --seed 3")
    result = run(tmp_path / "bottle", *FEW, *words, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    told = json.loads((tmp_path / "out/results.json").read_text())
    assert [one["setting"] for one in told["cells"]] == [
        "--backbone greyscale --halfspaces 2",
        "--backbone greyscale --nu 0.5 --halfspaces 2",
        "--backbone greyscale --halfspaces 1 --seed 3",
    ]
    assert told["cells"][1]["seed"] == 0
    page = (tmp_path / "out/table.html").read_text()
    assert "PatchCore, WideResNet50, 10 %" in page
    assert "3 settings side by side" in page


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--nu 0.1", "the same as"),
        ("--nu high", "'high' is not a valid float"),
        ("--colour red", "No such option"),
        ("patches", "unexpected extra argument"),
        ("--nu '0.1", "No closing quotation"),
        ("--rows patches", "--compare '--rows patches': patches are positions of a network's"),
        ("--backbone efficientnet-lite0 --tiles 64 --rows image", "tiles are for patches, and"),
    ],
)
def test_words_that_make_no_other_setting_are_refused(
    tmp_path: Path, words: str, message: str
) -> None:
    make_category(tmp_path / "parts")
    result = run(tmp_path / "parts", *FEW, "--compare", words)
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)


def test_what_is_not_evaluated_names_its_setting_beside_others(tmp_path: Path) -> None:
    make_category(tmp_path / "parts")
    done = run(tmp_path / "parts", *FEW, "--compare", "--halfspaces 1000")
    assert "parts with --backbone greyscale --halfspaces 1000: 1000 half-spaces" in done.stderr
    assert "The rest goes on." not in done.stderr, "it was the last"
    assert str(done.exception) == (
        "not evaluated: parts with --backbone greyscale --halfspaces 1000, for the reason above."
    )


def test_the_page_is_whole_and_markdown_has_even_tables(tmp_path: Path) -> None:
    make_category(tmp_path / "all/tile<b>")
    make_category(tmp_path / "all/wood", seed=1)
    assert run(tmp_path / "all", *MAPPED, "-o", tmp_path / "out").exit_code == 0
    page = (tmp_path / "out/table.html").read_text()
    assert "tile<b>" not in page
    assert "http" not in re.sub(r'http-equiv="Content-Security-Policy"', "", page)
    seen: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            seen.append(tag)

    Reader().feed(page)
    assert seen.count("table") == 6
    for block in (tmp_path / "out/table.md").read_text().split("\n\n"):
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) <= 1


def test_published_figures_are_shares_with_a_source() -> None:
    for one in PUBLISHED:
        for table in (one.auroc, one.pixel_auroc, one.au_pro):
            assert all(0.5 < value <= 1 for value in table.values())
        assert one.source
    assert {one.way for one in published_for("Metal Nut")} >= {"PaDiM, WideResNet50", "MSFlow"}
    assert published_for("my parts") == []
    means = {
        one.way: round(sum(one.auroc.values()) / len(one.auroc), 3) for one in PUBLISHED
    }  # as the sources print them
    assert means["PatchCore, WideResNet50, 10 %"] == 0.992
    assert means["PaDiM, WideResNet50"] == 0.950
    assert means["EfficientAD-S"] == 0.982
    assert means["EfficientAD-M"] == 0.975
    assert means["PatchCore, ResNet18"] == 0.973
    assert means["FastFlow, WideResNet50"] == 0.963
    assert means["MSFlow"] == 0.997


@pytest.mark.parametrize(("name", "known"), [("tile", True), ("my parts", False)])
def test_published_figures_are_said_to_be_matched_by_name(
    cell: tuple[Cell, Path], name: str, known: bool
) -> None:
    """Above their table, where a folder of one's own may be called as a public one is."""
    found = running.Evaluation([replace(cell[0], category=name)], [])
    told = escape(COMPARABLE, quote=True)
    for written, sentence, table in (
        (markdown(found), COMPARABLE, "| data |"),
        (evaluation_page(found), told, ">data</th>"),
    ):
        _, heading, section = written.partition(BESIDE)
        assert bool(heading) == known
        assert written.count(sentence) == known
        assert not known or -1 < section.find(sentence) < section.find(table)
    assert (COMPARABLE in as_json(found)["how"]) == known
    assert "matched by the folder's name alone" in COMPARABLE
    said = " ".join(run("--help").output.split())
    assert "matched by the folder's name alone" in said


def test_what_went_to_a_cluster_is_told(tmp_path: Path) -> None:
    make_category(tmp_path / "parts")
    done = run(tmp_path / "parts", "--layer", "block_2@2", "--size", "32", "--cluster", "local:1")
    assert done.exit_code == 0, done.output
    told = re.findall(r"cluster: ([a-z ]+): \d+\.\d\d MB sent, ", done.stderr)
    assert told == ["first look", "images", "images"], "of the fit, and of the scores"


def test_more_false_alarms_than_promised_are_told(cell: tuple[Cell, Path]) -> None:
    kept = replace(cell[0], promised=0.05, false_alarms=Rate(12, 150, 0.042, 0.135))
    broken = replace(cell[0], promised=0.05, false_alarms=Rate(28, 150, 0.13, 0.26))
    assert not any("promised" in told for told in remarks(running.Evaluation([kept], [])))
    told = remarks(running.Evaluation([broken], []))[0]
    assert "18.7 % of the normal test pictures were called anomalies, where 5 % were" in told


def test_a_kind_that_sounds_good_is_told(cell: tuple[Cell, Path]) -> None:
    first, *others = cell[0].kinds
    for name, told in (("OK_2", True), ("not_ok", False), ("dot", False)):
        named = replace(cell[0], kinds=(replace(first, name=name), *others))
        said = [one for one in remarks(running.Evaluation([named], [])) if "of good parts" in one]
        assert bool(said) == told
        assert (
            not told or "test/OK_2 has a name that speaks of good parts, and its 4 pict" in said[0]
        )


def blank(folder: Path) -> None:
    """Every picture of a folder is of one single colour from now on."""
    for file in folder.iterdir():
        Image.new("L", (24, 24), 77).save(file)


@pytest.mark.parametrize(
    ("kinds", "told"),
    [
        (
            ("dot", "lying"),
            "none of the 7 odd pictures can be judged (7 x one_colour). The first: ",
        ),
        (("good",), "none of the 5 normal pictures can be judged (5 x one_colour). The first: "),
    ],
)
def test_pictures_of_one_colour_are_not_called_unreadable(
    tmp_path: Path, kinds: tuple[str, ...], told: str
) -> None:
    folder = make_category(tmp_path / "parts")
    for kind in kinds:
        blank(folder / "test" / kind)
    said = str(run(folder, *FEW).exception)
    assert told in said
    assert f"{kinds[0]}/000.png: every pixel has one and the same value" in said
    assert "To see why" not in said
    shown = re.search(r"names those of one single colour: oneclass (check \S+)$", said)
    assert shown, said
    looked = CliRunner().invoke(cli, shown[1].split(), standalone_mode=False)
    assert "One single colour:" in looked.output
    make_category(tmp_path / "other", seed=1)
    for kind in kinds:  # as it is advised to
        shutil.copy(tmp_path / "other/test" / kind / "000.png", folder / "test" / kind)
    assert run(folder, *FEW).exception is None


def test_pictures_that_cannot_be_read_are_named_by_check(tmp_path: Path) -> None:
    folder = make_category(tmp_path / "parts")
    for file in (folder / "test/good").iterdir():
        file.write_bytes(b"no picture")
    said = str(run(folder, *FEW).exception)
    assert "none of the 5 normal pictures can be read (5 x not_an_image). The first: " in said
    assert said.endswith(f"To see why: oneclass check {folder}/test")


def test_a_kind_of_which_no_picture_can_be_judged_is_named(tmp_path: Path) -> None:
    folder = make_category(tmp_path / "parts")
    blank(folder / "test/dot")
    done = run(folder, *FEW, "-o", tmp_path / "out")
    told = "none of the 4 pictures of the kind dot can be judged (4 x one_colour)"
    assert told in done.stderr
    assert told in (tmp_path / "out/table.md").read_text()


def test_of_several_problems_the_last_sentence_names_all_categories(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        make_category(tmp_path / "all" / name)
    blank(tmp_path / "all/a/train/good")
    for file in (tmp_path / "all/b/test/good").iterdir():
        file.write_bytes(b"")
    done = run(tmp_path / "all", *FEW)
    assert isinstance(done.exception, InputError)
    assert str(done.exception) == "not evaluated: a, b, for the reasons above."
    assert done.stderr.count("error: a with --backbone greyscale") == 1
    place = tmp_path / "all/b/test"
    assert f"To see why: oneclass check {place}\nThe rest goes on.\n" in done.stderr
    assert str(run(tmp_path / "all/a", *FEW).exception).startswith("all 12 normal images look")
    shutil.rmtree(tmp_path / "all/b")
    one = run(tmp_path / "all", *FEW)
    assert str(one.exception) == "not evaluated: a, for the reason above."
    assert one.stderr.count("a with --backbone greyscale") == 1
