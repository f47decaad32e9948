"""Where the truth is known, the page marks what was wrong and drops a promise that was not kept."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from commands import oneclass
from oneclass import InputError, Prediction, load
from oneclass.detector.predictions import odds
from oneclass.report import labels
from oneclass.report.agreement import Agreement
from oneclass.report.groups import Groups
from oneclass.report.labels import FALSE_ALARM, MISSED, Truth
from oneclass.report.tiles import MOST_TILES, MOST_WRONG, most_telling
from oneclass.report.words import ANOMALY_WORDS, NORMAL_WORDS
from oneclass.statistics import exact_interval
from pages import Page, page_of, recorded


def found(path: str, *, odd: bool = False, unclear: bool = False, score: float = 0) -> Prediction:
    return Prediction(path, score, 0.01 if odd else 0.5, odd, unclear)


def test_how_odd_in_words() -> None:
    """The smallest p-value of n images says that none was as odd, not how rare it is."""
    assert [odds(k / 121, 120) for k in (1, 2, 12, 61, 121)] == [
        "odder than all 120 good images that it was compared with",
        "about 1 in 60 good images looks this odd or odder",
        "about 1 in 10 good images looks this odd or odder",
        "about 5 in 10 good images look this odd or odder",
        "nearly every good image looks this odd or odder",
    ]


def test_how_odd_does_not_contradict_the_verdict() -> None:
    assert [odds(p, 120, 0.1) for p in (0.09, 0.098, 0.103, 0.132, 0.21)] == [
        "about 1 in 11 good images looks this odd or odder",
        "about 1 in 10 good images looks this odd or odder",
        "more than 1 in 10 good images look this odd or odder",
        "about 1 in 8 good images looks this odd or odder",
        "about 2 in 10 good images look this odd or odder",
    ]
    for rate in (0.01, 0.05, 0.052, 0.1, 0.11, 1 / 7, 0.25, 0.32, 0.5, 0.77):
        for k in range(20, 950):
            said = odds(k / 1000, 1000, rate)
            about, n, of = re.findall(r"(\w+)(?: than)? (\d+) in (\d+)", said)[0]
            share, odd = int(n) / int(of), k / 1000 <= rate
            assert share == pytest.approx(k / 1000, rel=0.21)
            if about == "about":
                assert (share <= rate * (1 + 1e-9)) == odd, (k, rate, said)
            else:
                assert (about == "fewer") == (k / 1000 < share) == odd, (k, rate, said)


def test_the_service_says_it_in_the_same_words() -> None:
    rendering = pytest.importorskip("oneclass.serve.web.rendering", reason="needs the extra serve")
    assert rendering.environment().globals["odds"] is odds


class TestTruth:
    truth = Truth({"n": False, "a": True})

    @pytest.mark.parametrize(
        ("prediction", "mistake"),
        [
            (found("n", odd=True), FALSE_ALARM),
            (found("a"), MISSED),
            (found("n"), ""),
            (found("a", odd=True), ""),
            (found("n", unclear=True), ""),
            (found("a", unclear=True), ""),
            (found("nobody knows", odd=True), ""),
        ],
    )
    def test_what_is_a_mistake(self, prediction: Prediction, mistake: str) -> None:
        assert self.truth.mistake(prediction) == mistake

    def test_words(self) -> None:
        truth = Truth({"n": False, "a": True, "s": True})
        truth.kinds["s"] = "scratch"
        words = [truth.word(path) for path in ("n", "a", "s", "?")]
        assert words == ["normal", "anomaly", "scratch", ""]


class TestKindsInTables:
    def read(self, folder: Path, *words: str) -> Truth:
        rows = "".join(f"{i}.png,{word}\n" for i, word in enumerate(words))
        (folder / "labels.csv").write_text(f"path,label\n{rows}")
        scored = [found(str(folder / f"{i}.png")) for i in range(len(words))]
        return labels.from_csv(scored, folder / "labels.csv")

    @pytest.mark.parametrize("word", ["fine", "pass", "Passed", "i.O.", "io", "accepted"])
    def test_words_of_the_trade_for_normal(self, tmp_path: Path, word: str) -> None:
        assert self.read(tmp_path, word, "scratch", "n.i.O.", "nio", "fail") == {
            str(tmp_path / f"{i}.png"): i > 0 for i in range(5)
        }

    @pytest.mark.parametrize(
        ("good", "bad"),
        [
            ("gut", "schlecht"),
            ("bon", "mauvais"),
            ("Bonne", "mauvaise"),
            ("bueno", "malo"),
            ("buono", "difettoso"),
        ],
    )
    def test_plain_words_of_other_languages(self, tmp_path: Path, good: str, bad: str) -> None:
        truth = self.read(tmp_path, good, bad)
        assert list(truth.values()) == [False, True]
        assert truth.kinds == {}

    @pytest.mark.parametrize("word", ["g", "N", "y"])
    def test_a_letter_is_no_label(self, tmp_path: Path, word: str) -> None:
        with pytest.raises(InputError, match="is no label"):
            self.read(tmp_path, word, "good")

    def test_a_defect_s_name_is_an_anomaly_of_that_kind(self, tmp_path: Path) -> None:
        truth = self.read(tmp_path, "Good", "scratch", "NG", "Hole in weld", "0", "not ok")
        assert list(truth.values()) == [False, True, True, True, False, True]
        kinds = {Path(path).name: kind for path, kind in truth.kinds.items()}
        assert kinds == {"1.png": "scratch", "3.png": "hole in weld"}

    @pytest.mark.parametrize("word", ["nomal", "goood", "norml", "okk"])
    def test_a_mistyped_word_for_normal_is_no_defect(self, tmp_path: Path, word: str) -> None:
        with pytest.raises(InputError, match=rf"line 2: '{word}' is no label. Did you mean"):
            self.read(tmp_path, word)

    def test_a_refusal_is_short_and_leads_to_all_words(self, tmp_path: Path) -> None:
        with pytest.raises(InputError) as refused:
            self.read(tmp_path, "sin defecta")
        said = str(refused.value)
        assert "is no label. Did you mean sin defecto, sin defectos or no defect? Expected" in said
        assert "'oneclass report --help' lists the words" in said
        assert len(said) - len(str(tmp_path)) < 350
        told = " ".join(oneclass("report", "--help").stdout.split())
        for some in (NORMAL_WORDS, ANOMALY_WORDS):
            assert ", ".join(sorted(some)) in told

    @pytest.mark.parametrize("word", ["-1", "-0", "_1", "1-", "0_", "--1", "- 1", "-", "_"])
    def test_a_number_with_a_sign_is_none_of_0_and_1(self, tmp_path: Path, word: str) -> None:
        with pytest.raises(InputError, match=f"line 3: '{word}' is no label"):
            self.read(tmp_path, "0", word, "1")

    def test_scikit_learn_s_numbers_are_told_how_to_be_written(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="says 1 and -1, write good and bad"):
            self.read(tmp_path, "1", "-1")

    @pytest.mark.parametrize("word", ["", "unknown", "n/a", "?", "2", "0.7", "-", "test"])
    def test_what_says_nothing_is_refused_with_what_is_accepted(
        self, tmp_path: Path, word: str
    ) -> None:
        with pytest.raises(InputError, match=r"line 3: .* is no label. Expected a word .*scratch"):
            self.read(tmp_path, "ok", word)

    @pytest.mark.parametrize(
        ("word", "meant"),
        [
            ("unkown", "unknown"),
            ("Unknwon", "unknown"),
            ("unlcear", "unclear"),
            ("unlabled", "unlabeled or unlabelled"),
            ("unsrue", "unsure"),
            ("mabye", "maybe"),
        ],
    )
    def test_a_mistyped_word_for_nobody_knows_is_no_defect(
        self, tmp_path: Path, word: str, meant: str
    ) -> None:
        with pytest.raises(InputError, match=rf"line 3: .* is no label. Did you mean {meant}\?"):
            self.read(tmp_path, "ok", word)

    @pytest.mark.parametrize(
        "word",
        ["n/a ", "N.A.", "#N/A", "n / a", "n-a", "un-known", "not known", "unbekannt", "inconnu"],
    )
    def test_other_ways_to_say_that_nobody_knows_are_no_defects(
        self, tmp_path: Path, word: str
    ) -> None:
        with pytest.raises(InputError, match=r"line 3: .* is no label. Expected a word .*scratch"):
            self.read(tmp_path, "ok", word)

    @pytest.mark.parametrize(
        "word",
        ["uneven", "undersize", "unbonded", "uncured", "unclean edge", "underfill", "unsealed",
         "stain", "strain", "trail", "grain", "dull", "strip", "tear", "mislabelled", "unwashed"],
    )  # fmt: skip
    def test_names_of_defects_that_look_like_these_are_names(
        self, tmp_path: Path, word: str
    ) -> None:
        assert list(self.read(tmp_path, word).kinds.values()) == [word]

    @pytest.mark.parametrize("word", sorted(ANOMALY_WORDS))
    def test_words_for_anomalies_are_no_kinds(self, tmp_path: Path, word: str) -> None:
        truth = self.read(tmp_path, word)
        assert list(truth.values()) == [True]
        assert truth.kinds == {}


class TestAgreement:
    def of(self, false: int, normal: int) -> Agreement:
        scored = [found(f"{i}", odd=i < false) for i in range(normal)]
        return Agreement(scored, Truth({p.path: False for p in scored}))

    @pytest.mark.parametrize(("false", "normal"), [(0, 20), (1, 20), (3, 20), (8, 20), (12, 100)])
    def test_more_than_is_beyond_chance(self, false: int, normal: int) -> None:
        low = exact_interval(false, normal)[0]
        one = self.of(false, normal)
        assert one.more_than(0.05) == (low > 0.05)
        assert ("more than the 5 %" in one.sentence(0.05)) == (low > 0.05)
        assert ("more than the 5\xa0%" in one.section(0.05)) == (low > 0.05)

    @pytest.mark.parametrize(
        ("false", "hits", "swapped"), [(9, 1, True), (9, 9, False), (1, 1, False), (5, 5, False)]
    )
    def test_it_is_asked_whether_the_two_are_swapped(
        self, false: int, hits: int, swapped: bool
    ) -> None:
        normal = [found(f"n{i}", odd=i < false) for i in range(10)]
        odd = [found(f"o{i}", odd=i < hits) for i in range(10)]
        truth = Truth({p.path: False for p in normal} | {p.path: True for p in odd})
        one = Agreement([*normal, *odd], truth)
        assert one.swapped == swapped
        assert ("are the two swapped?" in one.section(0.05)) == swapped
        assert not Agreement(normal, Truth({p.path: False for p in normal})).swapped

    @pytest.mark.parametrize(
        ("learnt", "told"),
        [
            (0, "0 of 8 normal images (0 %) were called"),
            (3, "0 of 8 normal images (0 %), 3 of which the model learnt from, were called"),
            (8, "0 of 8 normal images (0 %), all of which the model learnt from, were called"),
        ],
    )
    def test_it_is_said_of_how_many_images_the_model_learnt(self, learnt: int, told: str) -> None:
        scored = [replace(found(f"{i}"), learnt=i < learnt) for i in range(8)]
        one = Agreement(scored, Truth({p.path: False for p in scored}))
        assert told in one.sentence(0.05)
        assert one.section(0.05).count(" the model learnt from") == (learnt > 0)

    def test_nothing_is_said_without_labels(self) -> None:
        assert Agreement([found("a")], Truth()).section(0.05) == ""


class TestGroups:
    def test_folders_are_counted_and_told_apart(self) -> None:
        paths = ["x/good/1", "x/good/2", "y/good/1", "y/bad/1"]
        truth = Truth({"x/good/1": False, "x/good/2": False, "y/bad/1": True})
        truth.kinds["y/bad/1"] = "scratch"
        scored = [found(path, odd=path in ("x/good/2", "y/bad/1")) for path in paths]
        groups = Groups(scored, truth)
        assert {name: len(some) for name, some in groups.folders.items()} == {
            "bad": 1, "x/good": 2, "y/good": 1,
        }  # fmt: skip
        assert list(groups.kinds) == ["scratch"]
        assert [groups.of(path) for path in paths] == ["f1", "f1", "f2", "f0 k0"]
        folders, kinds = groups.sections()
        assert "1 of 2 (50 %)" in folders
        assert "1 of 1 (100 %)" in kinds

    def test_one_folder_needs_no_table(self) -> None:
        groups = Groups([found("x/1"), found("x/2")], Truth())
        assert groups.sections() == ["", ""]
        assert groups.options() == ""

    def test_too_many_folders_are_no_table_and_are_told(self) -> None:
        groups = Groups([found(f"{i}/1") for i in range(201)], Truth())
        folders, kinds = groups.sections()
        assert "They come from 201 folders; no more than 200 are listed" in folders
        assert "<table" not in folders
        assert (kinds, groups.options()) == ("", "")


def test_mistakes_are_among_the_images_shown_of_many() -> None:
    scored = [found(f"{i}", score=-i) for i in range(3000)]
    wrong = {f"{i}" for i in range(1000, 2000, 2)}
    chosen = most_telling(scored, wrong)
    shown = {p.path for _, p in chosen}
    assert len(chosen) == MOST_TILES
    assert [rank for rank, _ in chosen] == sorted(rank for rank, _ in chosen)
    assert len(shown & wrong) == MOST_WRONG
    assert {"0", "2999"} <= shown


def small_run(model: Path, folder: Path) -> tuple[Path, list[Prediction]]:
    """Names that collide in two folders; pictures are not needed."""
    paths = [f"good/{i:02}.png" for i in range(20)] + [f"scratch/{i:02}.png" for i in range(5)]
    scored = [found(p, odd=i >= 12, score=i) for i, p in enumerate(paths)]
    return recorded(load(model), folder, scored), scored


def test_the_page_marks_mistakes_and_drops_a_promise_that_was_not_kept(
    model: Path, tmp_path: Path
) -> None:
    run, scored = small_run(model, tmp_path)
    truth = Truth({p.path: p.path.startswith("scratch") for p in scored})
    page = page_of(model, run, labels=lambda _: truth, pictures=False)
    rows = [a for tag, a in page.tags if tag == "tr" and "data-name" in a]
    wrong = {row["data-name"] for row in rows if row.get("data-wrong") == "false-alarm"}
    assert wrong == {f"good/{i:02}.png" for i in range(12, 20)}
    text = " ".join(page.texts)
    assert ", as promised" not in text
    told = (
        "8 of 20 normal images (40 %) were called anomalies, more than the 5 % that were promised"
    )
    assert told in text
    assert "5 of 5 anomalies were found" in text
    values = {a["value"] for tag, a in page.tags if tag == "option"}
    assert values >= {"wrong", "false-alarm", "missed", "f0", "f1"}


def test_without_labels_there_are_no_mistakes_to_filter(model: Path, tmp_path: Path) -> None:
    run, _ = small_run(model, tmp_path)
    page = page_of(model, run, pictures=False)
    values = {a["value"] for tag, a in page.tags if tag == "option"}
    assert not values & {"wrong", "false-alarm", "missed"}
    assert ", as promised" not in " ".join(page.texts)


def test_names_that_collide_are_shown_with_their_folder(model: Path, tmp_path: Path) -> None:
    import numpy as np

    from conftest import stripes, write_images
    from pages import record

    paths = [
        *write_images(tmp_path / "a", stripes(2, seed=2)),
        *write_images(tmp_path / "b", np.ascontiguousarray(stripes(1, seed=3))),
    ]
    page = page_of(model, record(load(model), tmp_path, paths))
    assert {_shown(page, i) for i in range(3)} == {"a/000.png", "b/000.png", "001.png"}


def _shown(page: Page, number: int) -> str:
    return str([a["alt"] for a in page.pictures][number])
