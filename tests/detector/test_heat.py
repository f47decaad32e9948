"""A score taken apart over the image: the parts add up, and light up where the oddity is."""

from __future__ import annotations

import csv
import io
import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from commands import oneclass
from conftest import stripes, write_images
from oneclass import Detector, Explanation, ImageError, InputError, ModelFileError, load
from oneclass.cli.score import score
from oneclass.detector.files import modelfile
from oneclass.detector.heat import spread
from oneclass.detector.predictions import Prediction
from oneclass.detector.regions import regions
from oneclass.images.scale import PixelScale
from oneclass.images.sources import Sources, gather
from oneclass.results.heatmaps import Drawn, HeatmapFolder, draw_each
from oneclass.results.overlay import heat_layer, outline, overlay, picture
from oneclass.results.png import png

BYTES = PixelScale("uint8", 0, 255)
HEATS = (-3.0, 0.5, 0.6, 0.9, 1.5, 2.0, 7.0)
PATCHES = {"layer": "block_2", "size": (64, 64), "n_halfspaces": 10}
SHAPE = (24, 24)
SETTINGS = (
    {"layer": "block_2@7", "size": (64, 64)},
    {"layer": "block_2@5+block_8@2", "size": (64, 64)},
    {"layer": "block_8", "size": (64, 96), "n_halfspaces": 1},
    {"backbone": "greyscale"},
    {"backbone": "greyscale", "size": (9, 17), "n_halfspaces": 5},
)


def scratched(images: NDArray[np.uint8], top: int, left: int) -> NDArray[np.uint8]:
    """The images with a dark square of 8 x 8 pixels."""
    marked = images.copy()
    marked[:, top : top + 8, left : left + 8] = 0
    return marked


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(layer="block_2@6", size=(96, 96), seed=1).fit(stripes(60, seed=1, side=48))


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: str(s.get("layer", "greyscale")))
@pytest.mark.parametrize("seed", range(3))
def test_map_and_offset_add_up_to_the_score(settings: dict, seed: int) -> None:
    detector = Detector(**settings, seed=seed).fit(stripes(30, seed=seed))
    new = np.concatenate([stripes(4, seed=99), stripes(4, seed=98, upright=False)])
    found = [e for e in detector.explain(new) if isinstance(e, Explanation)]
    assert [e.prediction for e in found] == list(detector.score(new))
    for e in found:
        assert abs(e.anomaly_map.sum() + e.offset - e.prediction.score) < 1e-9


def test_a_map_has_the_finest_grid_of_the_joined_layers() -> None:
    detector = Detector(layer="block_2@5+block_8@2", size=(64, 64)).fit(stripes(20, seed=1))
    (one,) = detector.explain(stripes(1, seed=2))
    assert isinstance(one, Explanation)
    assert one.anomaly_map.shape == (5, 5)


@pytest.mark.parametrize(("top", "left"), [(0, 0), (0, 40), (24, 16), (40, 40)])
def test_a_planted_defect_lights_up_where_it_is(detector: Detector, top: int, left: int) -> None:
    for e in detector.explain(scratched(stripes(5, seed=50, side=48), top, left)):
        assert isinstance(e, Explanation)
        row, column = np.unravel_index(np.argmax(e.anomaly_map), e.anomaly_map.shape)
        assert abs(row - top // 8) <= 1, (top, left, e.anomaly_map)
        assert abs(column - left // 8) <= 1, (top, left, e.anomaly_map)


def test_the_scale_is_one_that_normal_images_seldom_exceed() -> None:
    above = []
    for seed in range(5):
        detector = Detector(layer="block_2@6", size=(64, 64), seed=seed).fit(stripes(80, seed=seed))
        new = detector.explain(stripes(60, seed=seed + 100))
        above += [e.anomaly_map.max() > detector.heat_scale for e in new]  # type: ignore[union-attr]
    assert 0.005 < np.mean(above) < 0.12  # 0.05 are promised


@pytest.mark.parametrize(
    "settings",
    [{"layer": "block_2@6"}, {"rows": "patches", "layer": "block_2", "n_halfspaces": 10}],
)
def test_few_new_normal_images_have_a_marked_position(settings: dict) -> None:
    shown = {0.05: [], 0.2: []}  # type: ignore[var-annotated]
    for seed in range(4):
        detector = Detector(**settings, size=(64, 64), seed=seed).fit(stripes(80, seed=seed))
        new = list(detector.explain(stripes(60, seed=seed + 100)))
        for rate, found in shown.items():
            threshold = detector.model.at_rates(rate, None).pixel_threshold
            found += [bool(e.regions(threshold)) for e in new]  # type: ignore[union-attr]
    assert 0.005 < np.mean(shown[0.05]) < 0.11
    assert 0.1 < np.mean(shown[0.2]) < 0.3


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5])
def test_the_pixel_threshold_is_that_of_scores_for_the_largest_values(rate: float) -> None:
    images = stripes(30, seed=3)
    images[1] = images[0]  # a copy counts once
    model = Detector(rows="patches", **PATCHES, seed=3).fit(images).model
    peaks = model.heat.normal_peaks
    assert len(peaks) == model.calibration.n_held_out == 29
    threshold = model.at_rates(rate, None).pixel_threshold
    beyond = np.count_nonzero(peaks >= threshold - 2e-6)
    assert beyond == int(rate * 30)
    assert np.count_nonzero(peaks > threshold) < beyond


def test_a_model_file_keeps_the_peaks_and_one_without_them_says_so(tmp_path: Path) -> None:
    detector = Detector(backbone="greyscale", n_halfspaces=5).fit(stripes(30, seed=3))
    detector.save(tmp_path / "m.oneclass")
    assert load(tmp_path / "m.oneclass").pixel_threshold == detector.pixel_threshold
    card, arrays, _ = modelfile.read(tmp_path / "m.oneclass")
    older = {name: array for name, array in arrays.items() if name != "normal_peaks"}
    digest = modelfile.write(tmp_path / "o.oneclass", card, older)
    old = load(tmp_path / "o.oneclass")
    assert list(old.score(stripes(3, seed=4))) == list(detector.score(stripes(3, seed=4)))
    with pytest.raises(InputError, match="Fit it again"):
        _ = old.pixel_threshold
    assert old.save(tmp_path / "o2.oneclass") == digest
    wrong = arrays | {"normal_peaks": arrays["normal_peaks"][::-1]}
    modelfile.write(tmp_path / "w.oneclass", card, wrong)
    with pytest.raises(ModelFileError, match="in order"):
        load(tmp_path / "w.oneclass")


def test_a_planted_defect_is_a_region_where_it_is() -> None:
    detector = Detector(rows="patches", **PATCHES).fit(stripes(40, seed=1, side=48))
    for e in detector.explain(scratched(stripes(5, seed=50, side=48), 24, 16)):
        assert isinstance(e, Explanation)
        first, *_ = e.regions(detector.pixel_threshold, size=(48, 48))
        assert first.value == e.anomaly_map.max() > detector.pixel_threshold
        assert abs(first.place[0] - 20) <= 8
        assert abs(first.place[1] - 28) <= 8
        left, top, right, bottom = first.box
        assert left <= first.place[0] <= right
        assert top <= first.place[1] <= bottom


def test_the_average_normal_map_is_nearly_flat(detector: Detector) -> None:
    maps = [e.anomaly_map for e in detector.explain(stripes(80, seed=7, side=48))]  # type: ignore[union-attr]
    assert np.abs(np.mean(maps, axis=0)).max() < detector.heat_scale / 2


def test_a_loaded_model_explains_alike(detector: Detector, tmp_path: Path) -> None:
    detector.save(tmp_path / "m.oneclass")
    again = load(tmp_path / "m.oneclass")
    new = stripes(3, seed=4, side=48)
    for a, b in zip(detector.explain(new), again.explain(new), strict=True):
        assert isinstance(a, Explanation)
        assert isinstance(b, Explanation)
        np.testing.assert_array_equal(a.anomaly_map, b.anomaly_map)
        assert (a.offset, a.prediction) == (b.offset, b.prediction)
    assert again.heat_scale == detector.heat_scale


def test_many_images_calibrated_by_a_split_have_a_scale_too() -> None:
    detector = Detector(backbone="greyscale", n_halfspaces=2).fit(stripes(2000, seed=1, side=6))
    assert detector.card["calibration"]["method"] == "split"
    assert detector.heat_scale > 0
    (one,) = detector.explain(stripes(1, seed=2, side=6))
    assert isinstance(one, Explanation)
    assert abs(one.anomaly_map.sum() + one.offset - one.prediction.score) < 1e-9


@pytest.mark.parametrize("layer", ["pool", "block_2@4+pool"])
def test_a_layer_without_a_map_is_refused_and_others_are_named(layer: str) -> None:
    detector = Detector(layer=layer, size=(64, 64)).fit(stripes(20, seed=1))
    with pytest.raises(InputError, match=r"pool of this model has none.*block_2, .*head"):
        detector.explain(stripes(1, seed=2))
    with pytest.raises(InputError, match="has none"):
        _ = detector.heat_scale


def test_an_unreadable_image_does_not_stop_the_others(detector: Detector, tmp_path: Path) -> None:
    write_images(tmp_path / "new", stripes(3, seed=3, side=48))
    (tmp_path / "new/001.png").write_bytes(b"no image")
    kinds = [type(e) for e in detector.explain([tmp_path / "missing", tmp_path / "new"])]
    assert kinds == [ImageError, Explanation, ImageError, Explanation]


@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(0, 9), st.integers(0, 9)),
    st.integers(0, 2**32 - 1),
)
def test_spreading_keeps_the_sum_and_the_place(
    coarse: tuple[int, int], more: tuple[int, int], seed: int
) -> None:
    values = np.random.default_rng(seed).normal(size=(2, *coarse))
    height, width = coarse[0] + more[0], coarse[1] + more[1]
    fine = spread(values, height, width)
    np.testing.assert_allclose(fine.sum(axis=(1, 2)), values.sum(axis=(1, 2)), atol=1e-12)
    # An independent way: repeat to a common multiple, which both grids divide, and add up.
    by_hand = values.repeat(height, 1).repeat(width, 2) / (height * width)
    blocks = by_hand.reshape(2, height, coarse[0], width, coarse[1])
    np.testing.assert_allclose(fine, blocks.sum(axis=(2, 4)), atol=1e-12)


def test_a_calm_map_leaves_the_image_as_it_is_and_a_hot_one_does_not() -> None:
    image = picture(stripes(1, seed=1)[0], BYTES)
    np.testing.assert_array_equal(overlay(image, np.zeros((4, 4)), 1.0), image)
    hot = np.zeros((4, 4))
    hot[3, 0] = 5
    drawn = np.asarray(overlay(image, hot, 1.0), float)
    change = np.abs(drawn - np.asarray(image, float)).sum(axis=2)
    assert np.unravel_index(change.argmax(), change.shape) > (150, 0)
    assert change[:100, 150:].max() == 0


@pytest.mark.parametrize("seed", range(5))
def test_an_overlay_is_its_heat_laid_over_the_whole_image(seed: int) -> None:
    random = np.random.default_rng(seed)
    image = Image.fromarray(random.integers(0, 256, (90, 120, 3), np.uint8))
    heat = random.gamma(0.5, 0.5, (7, 9))
    layer = heat_layer(heat, 1.0, image.size)
    whole = Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")
    np.testing.assert_array_equal(overlay(image, heat, 1.0), whole)


@pytest.mark.parametrize("shape", [(3, 3), (1, 500), (3000, 20), (300, 400, 3)])
def test_pictures_have_a_bounded_size(shape: tuple[int, ...]) -> None:
    drawn = picture(np.full(shape, 77, np.uint8), BYTES)
    assert 256 <= max(drawn.size) <= 512
    assert drawn.getpixel((0, 0)) == (77, 77, 77)


def test_deep_pixels_are_drawn_by_the_rule_of_the_model() -> None:
    drawn = picture(np.array([[0, 2048, 4095, 65535]], np.uint16), PixelScale("uint16", 0, 4095))
    assert [drawn.getpixel((x, 0))[0] for x in (0, 64, 128, 192)] == [0, 128, 255, 255]


@given(st.tuples(st.integers(1, 20), st.integers(1, 20)), st.integers(0, 2**32 - 1))
def test_a_png_holds_what_it_was_given(shape: tuple[int, int], seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (*shape, 3), np.uint8)
    with Image.open(io.BytesIO(png(pixels, ("Software", "a remark")))) as opened:
        assert (opened.mode, opened.info["Software"]) == ("RGB", "a remark")
        np.testing.assert_array_equal(opened, pixels)


@pytest.mark.parametrize("size", [300, np.int64(300), (300,), (30, 40, 3), (0, 5), "30x40", 4.5])
def test_a_size_that_is_none_is_told_in_a_sentence(size: object) -> None:
    found = Explanation(Prediction("a.png", 0.1, 0.5, False), np.zeros((4, 6)), 0.0)
    with pytest.raises(InputError, match=r"expected \(height, width\)|whole number"):
        found.regions(0.5, size)  # type: ignore[arg-type]
    assert found.regions(0.5, (30, 40)) == found.regions(np.float32(0.5), [30, 40]) == ()  # type: ignore[arg-type]
    with pytest.raises(InputError, match="expected a number, such as Detector"):
        found.regions("0.5")  # type: ignore[arg-type]


def test_colour_grows_with_heat_from_nothing_to_full() -> None:
    flat = [heat_layer(np.full((3, 3), heat), 1.0, (4, 4)).getpixel((1, 1)) for heat in HEATS]
    opacity = [pixel[3] for pixel in flat]
    assert opacity[0] == opacity[1] == 0
    assert opacity == sorted(opacity)
    assert flat[-1] == flat[-2] == (220, 38, 127, 204)


def test_an_outline_is_drawn_around_a_region_and_nowhere_else() -> None:
    image = Image.new("RGB", (300, 200), (90, 90, 90))
    values = np.zeros((4, 6))
    values[1:3, 2:4] = 1
    found = regions(values, 0.5, size=(400, 600))
    changed = (np.asarray(outline(image, found, (400, 600))) != 90).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (49, 151, 99, 201)
    assert not changed[55:145, 105:195].any()
    assert outline(image, (), (400, 600)) is image


class TestCommand:
    @pytest.fixture(scope="class")
    @classmethod
    def place(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        place = tmp_path_factory.mktemp("heat")
        write_images(place / "normal", stripes(30, seed=1))
        done = oneclass(
            "fit", "normal", "-o", "m.oneclass", "--layer", "block_2@4", "--size", "64", cwd=place
        )
        assert done.returncode == 0, done.stderr
        done = oneclass(
            "fit", "normal", "-o", "v.oneclass", "--layer", "pool", "--size", "64", cwd=place
        )
        assert done.returncode == 0, done.stderr
        return place

    def test_it_writes_overlays_maps_and_an_index(self, place: Path) -> None:
        names = ["=a b.png", "<i>'\".png", "x" * 200 + ".png", "ü\n.png", "same.png"]
        (place / "new/deep").mkdir(parents=True)
        for path in [*(place / "new" / n for n in names), place / "new/deep/same.png"]:
            Image.fromarray(stripes(1, seed=len(path.name))[0]).save(path)
        (place / "new/broken.png").write_bytes(b"")
        done = oneclass("score", "m.oneclass", "new", "-o", "run", "--heatmaps", "heat", cwd=place)
        assert done.returncode == 3, done.stderr
        assert "Heatmaps are in heat" in done.stderr
        with (place / "heat/index.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 6
        for row in rows:
            total = np.load(place / "heat" / row["npy"]).sum() + float(row["offset"])
            assert abs(total - float(row["score"])) < 1e-9
            assert row["n_worst"] == "0"
            assert row["png"].isascii()
            with Image.open(place / "heat" / row["png"]) as drawn:
                assert drawn.mode == "RGB"
        files = {path.name for path in (place / "heat").iterdir()}
        written = {*(r["png"] for r in rows), *(r["npy"] for r in rows)}
        assert files == {"index.csv", "regions.jsonl", *written}
        lines = (place / "heat/regions.jsonl").read_text(encoding="utf-8").splitlines()
        told = [json.loads(line) for line in lines]
        assert [one["path"] for one in told] == [row["path"] for row in rows]
        threshold = load(place / "m.oneclass").pixel_threshold
        for one, row in zip(told, rows, strict=True):
            assert (one["height"], one["width"], one["threshold"]) == (*SHAPE, threshold)
            assert one["score"] == float(row["score"])
            values = np.load(place / "heat" / row["npy"])
            cell = SHAPE[0] * SHAPE[1] / values.size
            area = sum(region["area"] for region in one["regions"])
            assert area == pytest.approx(cell * np.count_nonzero(values > threshold), abs=0.1)
            for region in one["regions"]:
                assert region["value"] > threshold
        with (place / "run/predictions.csv").open(encoding="utf-8", newline="") as file:
            scores = {row["path"]: row["score"] for row in csv.DictReader(file)}
        assert scores == {row["path"]: row["score"] for row in rows}

    def test_it_prints_predictions_where_no_run_is_asked_for(self, place: Path) -> None:
        done = oneclass("score", "m.oneclass", "normal", "--heatmaps", "other", cwd=place)
        assert done.returncode == 0, done.stderr
        assert len(done.stdout.splitlines()) == 31
        assert len(list((place / "other").glob("*.png"))) == 30

    def test_an_older_index_goes_before_the_first_new_file(self, place: Path) -> None:
        HeatmapFolder(place / "again").finish()
        index, regions = place / "again/index.csv", place / "again/regions.jsonl"
        assert index.read_text() == "path,score,offset,n_worst,png,npy\n"
        regions.write_text('{"path": "of an older run"}\n')
        folder = HeatmapFolder(place / "again")
        drawn = next(draw_each(load(place / "m.oneclass"), gather(place / "normal")))
        assert isinstance(drawn, Drawn)
        folder.add(replace(drawn, files={}))
        assert not regions.exists()
        assert not index.exists()

    def test_older_heatmaps_stay_where_nothing_is_drawn(self, place: Path) -> None:
        words = ("score", "m.oneclass", "--heatmaps", "kept_heat")
        assert oneclass(*words, "normal", cwd=place).returncode == 0
        before = {file.name: file.read_bytes() for file in (place / "kept_heat").iterdir()}
        (place / "notes.png").write_text("no image")
        assert oneclass(*words, "notes.png", cwd=place).returncode == 3
        after = {file.name: file.read_bytes() for file in (place / "kept_heat").iterdir()}
        assert before == after

    def test_older_heatmaps_go_and_nothing_that_is_not_ours(self, place: Path) -> None:
        words = ("score", "m.oneclass", "--heatmaps", "twice")
        assert oneclass(*words, "normal", cwd=place).returncode == 0
        folder = place / "twice"
        first = sorted(folder.glob("*.png"))
        theirs = {folder / "000999_mine.png": b"mine", folder / "notes.npy": b"notes"}
        theirs |= {first[0]: b"of another program", place / "000001_outside.png": b"outside"}
        for file, content in theirs.items():
            file.write_bytes(content)
        (folder / "000999_mine.npy").write_bytes(b"x")
        with (folder / "index.csv").open("a", encoding="utf-8") as index:
            index.write("a,1,0,0,000999_mine.png,notes.npy\nb,1,0,0,../000001_outside.png,x\n")
        image = sorted((place / "normal").iterdir())[1]
        assert oneclass(*words, image.relative_to(place), cwd=place).returncode == 0
        assert all(
            file.read_bytes() == content
            for file, content in theirs.items()
            if file != folder / f"000001_{image.stem}.png"
        )
        left = {file.name for file in folder.glob("*.png")}
        assert left == {"000999_mine.png", first[0].name, f"000001_{image.stem}.png"}

    def test_an_image_is_read_once_and_looked_at_in_the_workers(
        self, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_images(place / "once", stripes(5, seed=5))
        detector = load(place / "m.oneclass", threads=2)
        read, drawn = [], []

        def pixels(self: Sources, index: int, *args: Any) -> NDArray[Any]:
            read.append((index, threading.current_thread()))
            return pixels_of(self, index, *args)

        pixels_of = Sources.pixels
        monkeypatch.setattr(Sources, "pixels", pixels)
        drawn = list(draw_each(detector, gather(place / "once")))
        assert [type(one) for one in drawn] == [Drawn] * 5
        assert sorted(index for index, _ in read) == list(range(5))
        assert threading.main_thread() not in {thread for _, thread in read}

    def test_rows_from_a_cache_are_drawn_too_and_what_is_gone_is_an_error(
        self, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paths = write_images(place / "kept", stripes(4, seed=6))
        fresh, kept = (load(place / "m.oneclass", cache=c) for c in (None, place / "cache"))
        expected = list(draw_each(fresh, gather(place / "kept")))
        assert list(draw_each(kept, gather(place / "kept"))) == expected
        assert list(draw_each(kept, gather(place / "kept"))) == expected
        assert kept.cache_use is not None
        assert kept.cache_use.found == 4
        key_of = Sources.key

        def key(self: Sources, index: int) -> bytes | None:
            known = key_of(self, index)
            if index == 1:
                paths[1].unlink()  # between the look into the cache and the reading
            return known

        monkeypatch.setattr(Sources, "key", key)
        kinds = [type(one) for one in draw_each(kept, gather(place / "kept"))]
        assert kinds == [Drawn, ImageError, Drawn, Drawn]

    def test_ctrl_c_keeps_the_heatmaps_that_are_done(
        self, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        add, done = HeatmapFolder.add, []

        def add_two(self: HeatmapFolder, *args: Any) -> None:
            if len(done) == 2:
                raise KeyboardInterrupt
            add(self, *args)
            done.append(args)

        monkeypatch.setattr(HeatmapFolder, "add", add_two)
        monkeypatch.chdir(place)
        words = ["m.oneclass", "normal", "-o", "cut", "--heatmaps", "cutheat"]
        assert score.main(words, standalone_mode=False) == 130
        with (place / "cutheat/index.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == 2
        assert len(list((place / "cutheat").iterdir())) == 6
        assert len((place / "cutheat/regions.jsonl").read_text().splitlines()) == 2
        assert len((place / "cut/predictions.csv").read_text().splitlines()) == 3

    def test_a_model_without_maps_is_refused_before_any_work(self, place: Path) -> None:
        done = oneclass("score", "v.oneclass", "normal", "--heatmaps", "none", cwd=place)
        assert done.returncode == 2
        assert "pool of this model has none" in done.stderr
        assert not (place / "none").exists()
        assert done.stdout == ""
