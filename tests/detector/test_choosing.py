"""Choosing without anomalies: the criteria, the altered copies, and what a fit does with them."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from conftest import stripes, write_images
from oneclass import Detector, InputError, load
from oneclass.backbones import DEFAULT, Backbone, LayerSession
from oneclass.cli import cli
from oneclass.detector import choosing, criteria
from oneclass.detector.choosing import LAYERS, layer_candidates
from oneclass.detector.collecting import DEFAULT_LAYER
from oneclass.detector.criteria import (
    CRITERIA,
    Criteria,
    Preference,
    SplitRows,
    choose_from_rows,
    judge,
    preferred,
    split_of,
)
from oneclass.images import reading
from oneclass.representations import PretrainedLayers, SeparateLayers
from oneclass.representations.copies import altered
from oneclass.rows.layers import Layers

KINDS = ("rotated", "pasted", "shuffled")


def unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def parts(seed: int, *, useful: bool, d: int = 12) -> SplitRows:
    """Normals around one direction, and copies that leave it or (useless) do not."""
    random = np.random.default_rng(seed)
    centre = np.eye(d)[0] * 4

    def normals(n: int) -> NDArray[np.float32]:
        return unit(centre + random.normal(size=(n, d)))

    def copies() -> NDArray[np.float32]:
        return unit(random.normal(size=(20, d))) if useful else normals(20)

    return SplitRows(normals(60), normals(60), normals(20), {kind: copies() for kind in KINDS})


@pytest.mark.parametrize("seed", range(8))
def test_self_made_anomalies_tell_a_useful_layer_from_a_useless_one(seed: int) -> None:
    good, bad = (judge(parts(seed, useful=u), 1, 0.1).self_made for u in (True, False))
    assert good > 0.9
    assert 0.3 < bad < 0.7


@pytest.mark.parametrize("seed", range(4))
def test_tightness_and_stability_fall_where_rows_are_mere_noise(seed: int) -> None:
    random = np.random.default_rng(seed)
    noise = [unit(random.normal(size=(n, 12))) for n in (60, 60, 20)]
    loose = judge(SplitRows(*noise, {"rotated": noise[2]}), 1, 0.5)
    tight = judge(parts(seed, useful=True), 1, 0.5)
    assert tight.tightness > loose.tightness + 0.2
    assert tight.stability > loose.stability


def test_copies_that_changed_nothing_are_told_by_chance_alone() -> None:
    same = parts(0, useful=True)
    blind = SplitRows(same.first, same.second, same.held_out, dict.fromkeys(KINDS, same.held_out))
    assert judge(blind, 1, 0.1).self_made == 0.5


def test_stability_is_one_where_both_parts_are_the_same() -> None:
    one = parts(3, useful=True)
    twin = SplitRows(one.first, one.first, one.held_out, one.altered)
    assert judge(twin, 4, 0.1).stability == pytest.approx(1)


@given(st.integers(0, 2**32), st.integers(8, 40), st.integers(8, 40))
@settings(max_examples=40, deadline=None)
def test_altered_copies_are_of_the_images_own_pixels(seed: int, h: int, w: int) -> None:
    planes = np.arange(3 * h * w, dtype=np.float32).reshape(3, h, w)
    before = planes.copy()
    copies = altered(planes, np.random.default_rng(seed))
    again = altered(planes, np.random.default_rng(seed))
    np.testing.assert_array_equal(planes, before)
    assert tuple(copies) == KINDS
    for kind, copy in copies.items():
        np.testing.assert_array_equal(copy, again[kind])
        assert copy.shape == planes.shape
        assert copy.dtype == np.float32
        assert np.isin(copy, planes).all()
    for kind in ("rotated", "shuffled"):  # nothing is lost, only moved
        np.testing.assert_array_equal(np.sort(copies[kind], axis=None), planes.ravel())
    assert not np.array_equal(copies["rotated"], planes)


@pytest.mark.parametrize("n", [10, 11, 57, 300])
def test_the_three_parts_share_no_image_and_miss_none(n: int) -> None:
    three = split_of(n)
    assert sorted(np.concatenate(three)) == list(range(n))
    assert min(len(part) for part in three) >= 3


def test_the_default_stays_unless_another_is_clearly_better() -> None:
    values = {name: Criteria(v, 0, 0.5) for name, v in (("default", 0.8), ("b", 0.85), ("c", 0.7))}
    for checked in (False, True):
        assert preferred(values, "default", Preference("tightness", 0.1, checked)) == "default"
        assert preferred(values, "default", Preference("tightness", 0.02, checked)) == "b"
    assert all(preferred(values, "c", Preference(name, 1.0, False)) == "c" for name in CRITERIA)


def test_a_tight_layer_that_sees_less_is_out_where_it_is_checked() -> None:
    values = {"default": Criteria(0.8, 0, 0.9), "blind": Criteria(1.0, 0, 0.5)}
    assert preferred(values, "default", Preference("tightness", 0.02, False)) == "blind"
    assert preferred(values, "default", Preference("tightness", 0.02, True)) == "default"
    assert preferred(values, "blind", Preference("tightness", 0.02, True)) == "blind"


@pytest.mark.parametrize("tight_first", [True, False])
def test_the_tighter_layer_is_chosen_among_those_that_see(tight_first: bool) -> None:
    """Columns 0-11 hold rows around a direction, 12-23 mere noise, neither blind."""
    tight, random = parts(1, useful=True), np.random.default_rng(0)

    def beside(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.hstack([rows, unit(random.normal(size=rows.shape))])

    copies = {kind: beside(rows) for kind, rows in tight.altered.items()}
    both = SplitRows(beside(tight.first), beside(tight.second), beside(tight.held_out), copies)
    names = {"tight": lambda rows: rows[:, :12], "noise": lambda rows: rows[:, 12:]}
    layers = names if tight_first else dict(reversed(names.items()))
    choice = choose_from_rows(both, layers, None, 0.1, default_nu=0.1, seed=0)
    assert (choice.layer, choice.n_halfspaces, choice.nu) == ("tight", None, 0.1)


def test_one_pass_gives_every_candidate_the_row_of_its_own_session() -> None:
    backbone = Backbone.open(DEFAULT)
    candidates = layer_candidates(backbone)
    together = SeparateLayers(backbone, Layers.once(layer for c in candidates for layer in c))
    planes = [np.random.default_rng(0).normal(size=(3, 224, 224)).astype(np.float32)]
    for layers in candidates:
        alone = PretrainedLayers(backbone, layers).rows(planes)
        np.testing.assert_array_equal(together.columns.take(together.rows(planes), layers), alone)


@pytest.fixture(scope="module")
def fitted() -> Detector:
    images = stripes(24, seed=5)
    return Detector(layer="auto", n_halfspaces="auto", nu="auto").fit(images)


def test_the_choice_is_recorded_and_survives_a_file(fitted: Detector, tmp_path: Path) -> None:
    record = fitted.card["choice"]
    assert [line["value"] for line in record["layer"]["candidates"]] == list(LAYERS)
    assert record["n_images"] == 24
    fitted.save(tmp_path / "m.oneclass", rows=True)
    again = load(tmp_path / "m.oneclass")
    assert again.layer == record["layer"]["chosen"]
    assert again.nu == fitted.card["fit"]["nu"] == record["nu"]["chosen"]
    assert again.n_halfspaces == record["n_halfspaces"]["chosen"]
    again.update(stripes(6, seed=6))
    assert again.card["choice"] == record
    assert again.card["fit"]["nu"] == record["nu"]["chosen"]


def test_any_order_and_number_of_threads_give_the_same_file(
    fitted: Detector, tmp_path: Path
) -> None:
    images = stripes(24, seed=5)
    other = Detector(layer="auto", n_halfspaces="auto", nu="auto", threads=1).fit(images[::-1])
    assert other.save(tmp_path / "a") == fitted.save(tmp_path / "b")


def test_what_was_chosen_gives_the_same_boundary_when_it_is_named(fitted: Detector) -> None:
    record = fitted.card["choice"]
    chosen = {name: record[name]["chosen"] for name in ("layer", "n_halfspaces", "nu")}
    named = Detector(**chosen).fit(stripes(24, seed=5))
    np.testing.assert_array_equal(named.normal_scores, fitted.normal_scores)


def test_greyscale_may_choose_nu_but_not_a_layer() -> None:
    images = stripes(24, seed=5)
    assert "nu" in Detector(backbone="greyscale", nu="auto").fit(images).card["choice"]
    with pytest.raises(InputError, match="no layers to choose from"):
        Detector(backbone="greyscale", layer="auto").fit(images)


@pytest.mark.parametrize(
    ("given", "message"),
    [({"rows": "patches"}, "rows of whole images"), ({"grid": 2}, "Leave the grid out")],
)
def test_settings_that_do_not_go_with_auto_are_refused(given: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Detector(layer="auto", **given).fit(stripes(24, seed=5))


def test_too_few_different_images_are_refused() -> None:
    with pytest.raises(InputError, match="only 2 different normal images"):
        Detector(nu="auto").fit(np.concatenate([stripes(2, seed=1)] * 10))


def test_black_images_and_files_that_are_none_do_not_take_part(tmp_path: Path) -> None:
    images = stripes(14, seed=5)
    write_images(tmp_path / "good", images)
    (tmp_path / "good/broken.png").write_bytes(b"no image")
    detector = Detector(backbone="greyscale", nu="auto").fit(
        [*tmp_path.glob("good/*.png"), *write_images(tmp_path / "black", np.zeros_like(images[:1]))]
    )
    assert detector.card["choice"]["n_images"] == 14
    assert [error.path.name for error in detector.errors] == ["broken.png"]


@pytest.mark.parametrize("wrong", ["Auto", "", "many", 0, True])
def test_other_words_than_auto_are_refused(wrong: object) -> None:
    with pytest.raises(InputError, match="nu is"):
        Detector(nu=wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="n_halfspaces is"):
        Detector(n_halfspaces=wrong)  # type: ignore[arg-type]


def test_the_embedded_network_has_its_list_with_the_default_first() -> None:
    candidates = layer_candidates(Backbone.open(DEFAULT))
    assert tuple(map(str, candidates)) == LAYERS
    assert LAYERS[0] == DEFAULT_LAYER


def test_the_command_says_what_it_chose_and_still_takes_numbers(tmp_path: Path) -> None:
    write_images(tmp_path / "normal", stripes(12, seed=5))
    run = CliRunner().invoke
    call = ["fit", str(tmp_path / "normal"), "-o", str(tmp_path / "m"), "--layer", "block_2@2"]
    chosen = run(cli, [*call, "--halfspaces", "auto", "--nu", "auto"], standalone_mode=False)
    assert chosen.exception is None
    assert "chose nu " in chosen.stderr
    assert "chose half-spaces " in chosen.stderr
    plain = run(cli, [*call, "--halfspaces", "2", "--nu", "0.5"], standalone_mode=False)
    assert plain.exception is None
    assert "chose" not in plain.stderr
    refused = run(cli, [*call, "--halfspaces", "some"])
    assert refused.exit_code == 2
    assert "expected a whole number, or auto" in refused.stderr


@pytest.mark.parametrize("side", [32, 64, 100])
def test_small_images_get_the_largest_grids_that_fit(side: int) -> None:
    backbone = Backbone.open(DEFAULT)
    candidates = layer_candidates(backbone, (side, side + 8))
    assert len(set(candidates)) == len(candidates) > 4
    for layers in candidates:
        PretrainedLayers(backbone, layers, size=(side, side + 8))  # refuses what does not fit
    for wanted, found in zip(
        Layers.parse(LAYERS[0], backbone.has_layer), candidates[0], strict=True
    ):
        assert found.name == wanted.name
        maps = PretrainedLayers(backbone, [(wanted.name, None)], size=(side, side + 8))
        assert found.grid == min(wanted.grid or 0, *maps.shapes[0][1:])


def test_a_size_goes_with_a_layer_that_is_to_be_chosen() -> None:
    detector = Detector(layer="auto", size=(64, 64)).fit(stripes(20, seed=5))
    values = [line["value"] for line in detector.card["choice"]["layer"]["candidates"]]
    assert values[0] == DEFAULT_LAYER
    assert "block_5@4" in values  # block_5's map has 4 x 4 positions, fewer than the 7 x 7 wanted


@dataclass
class Work:
    """What a fit costs: images decoded, and images that went through the network."""

    decoded: int = 0
    computed: int = 0


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    done, lock = Work(), threading.Lock()
    read, run = reading.read, LayerSession.__call__

    def counted_read(*args: Any, **kwargs: Any) -> Any:
        with lock:
            done.decoded += 1
        return read(*args, **kwargs)

    def counted_run(self: LayerSession, images: NDArray[np.float32]) -> Any:
        with lock:
            done.computed += len(images) * bool(images.any())  # black ones only tell shapes
        return run(self, images)

    monkeypatch.setattr(reading, "read", counted_read)
    monkeypatch.setattr(LayerSession, "__call__", counted_run)
    return done


CHECKS = 2
"""Images of noise: whether the chosen layers' own session gives the bits of everyone's."""


@pytest.mark.parametrize("given", [{"layer": "auto"}, {"layer": "block_8@4"}])
def test_no_row_is_made_twice(given: dict, tmp_path: Path, work: Work) -> None:
    """Sixty images, of which twelve are held out: each read once more for its three copies."""
    write_images(tmp_path / "normal", stripes(60, seed=5))
    auto = {"n_halfspaces": "auto", "nu": "auto", "size": (64, 64), **given}
    checks = CHECKS * (given["layer"] == "auto")
    plain = Detector(**auto).fit(tmp_path / "normal")
    assert (work.decoded, work.computed) == (60 + 12, 60 + 3 * 12 + checks)
    cached = Detector(**auto, cache=tmp_path / "cache").fit(tmp_path / "normal")
    assert (work.decoded, work.computed) == (2 * (60 + 12), 2 * (60 + 3 * 12 + checks))
    assert cached.cache_use is not None
    assert (cached.cache_use.found, cached.cache_use.computed) == (0, 60)
    work.decoded = work.computed = 0
    again = Detector(**auto, cache=tmp_path / "cache").fit(tmp_path / "normal")
    assert (work.decoded, work.computed) == (0, checks)
    assert again.cache_use is not None
    assert (again.cache_use.found, again.cache_use.computed) == (60, 0)
    named = Detector(
        layer=plain.card["choice"]["layer"]["chosen"] if checks else given["layer"],
        size=(64, 64),
        cache=tmp_path / "cache",
    ).fit(tmp_path / "normal")
    assert (work.decoded, work.computed) == (0, checks)
    digests = {d.save(tmp_path / "m") for d in (plain, cached, again)}
    assert len(digests) == 1
    assert named.card["fit"]["images_sha256"] == plain.card["fit"]["images_sha256"]


def test_of_very_many_images_some_are_looked_at(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, work: Work
) -> None:
    for module in (choosing, criteria):
        monkeypatch.setattr(module, "MOST", 20)
    images = np.concatenate([stripes(30, seed=5), stripes(5, seed=5)])  # five twice
    write_images(tmp_path / "normal", images)
    detector = Detector(layer="auto", size=(64, 64)).fit(tmp_path / "normal")
    assert detector.card["choice"]["n_images"] == 20
    assert work.computed == 35 + 3 * 4 + CHECKS  # of the copies each is another image
    shuffled = Detector(layer="auto", size=(64, 64)).fit(images[::-1])
    assert shuffled.card["choice"] == detector.card["choice"]


def test_other_bits_are_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime whose wider pass rounds otherwise: the fit goes by the chosen layers' session."""
    images = stripes(20, seed=5)
    honest = Detector(layer="auto", size=(64, 64)).fit(images)
    rows = SeparateLayers.rows
    monkeypatch.setattr(
        SeparateLayers, "rows", lambda self, batch: rows(self, batch) * np.float32(1 + 1e-6)
    )
    other = Detector(layer="auto", size=(64, 64)).fit(images)
    np.testing.assert_array_equal(other.normal_scores, honest.normal_scores)
