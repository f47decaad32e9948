"""Learn, score, keep, load: the Python door."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import oneclass
from conftest import stripes, write_images
from damage import write_damaged
from oneclass import Detector, InputError, ModelFileError, load
from oneclass.backbones import DEFAULT, EMBEDDED_SHA256, onnx_file
from oneclass.datasets.mnist import mnist_5k
from oneclass.detector.files import modelfile
from oneclass.statistics import auroc

Folder = Callable[..., Path]
SMALL = {"size": (64, 64), "layer": "block_4", "grid": 2}


@pytest.fixture(scope="module")
def fitted(normal_images: NDArray[np.uint8]) -> Detector:
    return Detector(**SMALL).fit(normal_images)


def test_lying_stripes_are_odd_and_upright_ones_are_not(fitted: Detector) -> None:
    normal = fitted.score(stripes(30, seed=2)).scores
    odd = fitted.score(stripes(30, seed=3, upright=False)).scores
    assert auroc(normal, odd) == 1


def test_fit_and_load_say_the_same_of_a_rate_that_is_too_low(
    normal_images: NDArray[np.uint8], tmp_path: Path
) -> None:
    images = np.concatenate([normal_images, normal_images[:1]])
    model = tmp_path / "copies.oneclass"
    Detector(**SMALL).fit(images).save(model)
    with pytest.raises(
        InputError, match=r"40 normal images, .*the 41 images 1 is a copy"
    ) as at_fit:
        Detector(**SMALL, false_alarms=0.001).fit(images)
    with pytest.raises(InputError) as at_load:
        load(model, false_alarms=0.001)
    assert str(at_load.value) == str(at_fit.value)


def test_paths_and_arrays_give_the_same_scores(
    fitted: Detector, normal_images: NDArray[np.uint8], tmp_path: Path
) -> None:
    write_images(tmp_path / "normal", normal_images)
    from_files = Detector(**SMALL).fit(tmp_path / "normal")
    new = stripes(5, seed=9)
    np.testing.assert_array_equal(from_files.score(new).scores, fitted.score(new).scores)
    assert from_files.card == fitted.card


def test_predictions_are_a_sequence_in_the_order_of_the_images(
    fitted: Detector, tmp_path: Path
) -> None:
    paths = write_images(tmp_path / "new", stripes(4, seed=5))
    predictions = fitted.score(paths[::-1])
    assert [p.path for p in predictions] == [str(p) for p in paths[::-1]]
    assert len(predictions) == 4
    assert predictions[0].score == predictions.scores[0]
    assert len(predictions[1:3]) == 2
    assert all(0 < p.p_value <= 1 for p in predictions)


def test_the_verdict_follows_the_p_value(normal_images: NDArray[np.uint8]) -> None:
    strict = Detector(**SMALL, false_alarms=0.03).fit(normal_images)
    loose = Detector(**SMALL, false_alarms=0.5).fit(normal_images)
    new = stripes(40, seed=8)
    a, b = strict.score(new), loose.score(new)
    assert [p.score for p in a] == [p.score for p in b]
    assert all(p.is_anomaly == (p.p_value <= 0.03) for p in a)
    assert sum(p.is_anomaly for p in a) < sum(p.is_anomaly for p in b)


def test_save_and_load_give_the_same_predictions(fitted: Detector, tmp_path: Path) -> None:
    digest = fitted.save(tmp_path / "m.oneclass")
    again = load(tmp_path / "m.oneclass")
    new = stripes(6, seed=7)
    assert list(again.score(new)) == list(fitted.score(new))
    assert again.card == fitted.card
    assert again.digest == digest
    assert again.save(tmp_path / "copy.oneclass") == digest
    assert (tmp_path / "copy.oneclass").read_bytes() == (tmp_path / "m.oneclass").read_bytes()


def test_same_images_and_seed_give_the_same_bytes(
    normal_images: NDArray[np.uint8], tmp_path: Path
) -> None:
    for place, threads in (("a", 1), ("b", 2)):
        write_images(tmp_path / place / "normal", normal_images)
        detector = Detector(**SMALL, threads=threads).fit(tmp_path / place / "normal")
        detector.save(tmp_path / place / "m.oneclass")
    one, two = ((tmp_path / place / "m.oneclass").read_bytes() for place in "ab")
    assert one == two


def test_the_order_of_the_images_does_not_matter(
    fitted: Detector, normal_images: NDArray[np.uint8], tmp_path: Path
) -> None:
    fitted.save(tmp_path / "a")
    shuffled = np.random.default_rng(0).permutation(normal_images)
    Detector(**SMALL).fit(shuffled).save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_repeated_images_are_as_normal_as_they_are_often(normal_images: NDArray) -> None:
    repeated = np.repeat(normal_images[:8], 10, axis=0)
    for layer in ("block_2@7", "pool", None):
        predictions = Detector(layer=layer).fit(repeated).score(normal_images[:8])
        assert not any(p.is_anomaly for p in predictions), layer


def test_a_loaded_detector_fits_again_with_the_same_settings(
    fitted: Detector, normal_images: NDArray[np.uint8], tmp_path: Path
) -> None:
    digest = fitted.save(tmp_path / "a")
    again = load(tmp_path / "a")
    assert again.layer == "block_4@2"
    assert "block_4@2" in repr(again)
    assert again.fit(normal_images).digest is None
    assert again.save(tmp_path / "b") != ""
    assert Detector(**SMALL).fit(normal_images).save(tmp_path / "c") == digest


def test_numpy_numbers_are_settings_too(normal_images: NDArray[np.uint8], tmp_path: Path) -> None:
    detector = Detector(**SMALL, seed=np.int64(3), nu=np.float32(0.5)).fit(normal_images)
    assert detector.save(tmp_path / "m") == Detector(**SMALL, seed=3, nu=0.5).fit(
        normal_images
    ).save(tmp_path / "n")


def test_the_card_is_a_copy(fitted: Detector) -> None:
    fitted.card["false_alarms"] = 1
    assert fitted.card["false_alarms"] == 0.05


def test_errors_can_be_copied(fitted: Detector) -> None:
    result = fitted.score([np.zeros((0, 4), np.uint8)])
    copies = copy.deepcopy(result).errors
    assert str(copies[0]) == str(result.errors[0])


@pytest.mark.parametrize(
    "change",
    [
        {"coef": np.full((3, 160), np.nan, np.float32)},
        {"coef": np.zeros((3, 159), np.float32)},
        {"coef": np.zeros((0, 160), np.float32), "offset": np.zeros(0)},
        {"offset": np.zeros(2)},
        {"normal_scores": np.zeros(0)},
        {"card": {"pixel_scale": {"depth": "uint8", "low": 0.0, "high": 0.0}}},
        {"card": {"pixel_scale": {"depth": "uint8"}}},
        {"card": {"representation": []}},
        {"card": {"fit": {}}},
        {"card": {"false_alarms": "many"}},
    ],
)
def test_a_sealed_model_that_makes_no_sense_is_refused(
    fitted: Detector, tmp_path: Path, change: dict
) -> None:
    fitted.save(tmp_path / "m")
    card, arrays, _ = modelfile.read(tmp_path / "m")
    card |= change.pop("card", {})
    modelfile.write(tmp_path / "m", card, arrays | change)
    with pytest.raises((ModelFileError, InputError), match=r"sense|false_alarms"):
        load(tmp_path / "m")


def test_a_score_does_not_depend_on_its_company(fitted: Detector) -> None:
    new = stripes(20, seed=11)
    together = fitted.score(new).scores
    alone = [fitted.score(image[None]).scores[0] for image in new]
    np.testing.assert_array_equal(together, alone)


def test_damaged_files_change_no_good_score(fitted: Detector, tmp_path: Path) -> None:
    paths = write_images(tmp_path / "new", stripes(10, seed=12))
    alone = {p.path: p.score for p in fitted.score(paths)}
    (tmp_path / "bad").mkdir()
    damaged = write_damaged(tmp_path / "bad", 60, seed=0)
    mixed = [*list(damaged)[:30], *paths[:5], *list(damaged)[30:], *paths[5:]]
    result = fitted.score(mixed)
    scores = {p.path: p.score for p in result.predictions}
    assert {path: scores[path] for path in alone} == alone
    assert len(result) + len(result.errors) == len(mixed)


def test_a_path_that_leads_nowhere_is_no_empty_result(fitted: Detector, tmp_path: Path) -> None:
    gone = [tmp_path / "gone", str(tmp_path / "no*.png")]
    with pytest.raises(InputError, match="gone: there is no such file or folder"):
        fitted.score(gone[0])
    with pytest.raises(InputError, match=r"gone.* \(and 1 more like it\)"):
        fitted.score(gone)
    (tmp_path / "bad.png").write_text("x")
    paths = write_images(tmp_path / "new", stripes(1, seed=12))
    mixed, damaged = fitted.score([*gone, *paths]), fitted.score([*gone, tmp_path / "bad.png"])
    assert (len(mixed), len(mixed.errors)) == (1, 2)
    assert (len(damaged), len(damaged.errors)) == (0, 3)


def test_an_empty_folder_gives_an_empty_result_and_a_word(fitted: Detector, tmp_path: Path) -> None:
    (tmp_path / "notes.csv").write_text("x")
    for nothing in ([], tmp_path, np.zeros((0, 64, 64), np.uint8)):
        with pytest.warns(UserWarning, match="no image in what was given"):
            assert len(fitted.score(nothing)) == 0


@pytest.mark.parametrize("depth", ["uint16", "float32"])
def test_deep_images_are_learnt_and_other_depths_refused(depth: str, tmp_path: Path) -> None:
    def deep(images: NDArray[np.uint8]) -> NDArray[np.generic]:
        return (images.astype(np.uint16) * 16) if depth == "uint16" else images.astype(np.float32)

    detector = Detector(**SMALL).fit(deep(stripes(40, seed=1)))
    normal = detector.score(deep(stripes(20, seed=2))).scores
    odd = detector.score(deep(stripes(20, seed=3, upright=False))).scores
    assert auroc(normal, odd) == 1
    refused = detector.score(stripes(2, seed=4))
    assert [e.reason for e in refused.errors] == ["bit_depth", "bit_depth"]
    assert depth in refused.errors[0].detail
    if depth == "uint16":
        fractions = detector.score([stripes(1, seed=4)[0] / 255.0]).errors
        assert "its pixels are fractions, taken as float32, the model" in fractions[0].detail


def test_16_bit_files_are_not_saturated(tmp_path: Path) -> None:
    paths = []
    for i, image in enumerate(stripes(30, seed=1).astype(np.uint16) * 16):
        paths.append(tmp_path / f"{i}.png")
        Image.fromarray(image).save(paths[-1])
    detector = Detector(**SMALL).fit(paths)
    assert detector.card["pixel_scale"] == {"depth": "uint16", "low": 0.0, "high": 4095.0}
    shallow = Detector(**SMALL).fit(stripes(30, seed=1))
    deep_scores = detector.score(paths[:5]).scores
    np.testing.assert_allclose(
        shallow.score(stripes(30, seed=1)[:5]).scores, deep_scores, atol=0.01
    )


def test_greyscale(normal_images: NDArray[np.uint8]) -> None:
    detector = Detector(backbone="greyscale").fit(normal_images)
    assert detector.card["representation"]["preprocessing"]["size"] == [24, 24]
    with pytest.raises(InputError, match=r"2 different sizes .*--size 64x64"):
        Detector(backbone="greyscale").fit([normal_images[0], normal_images[1][:20]])
    with pytest.raises(InputError, match="layer and grid are for networks"):
        Detector(backbone="greyscale", layer="block_8").fit(normal_images)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"nu": 0}, "nu is 0"),
        ({"nu": 1.5}, "nu is 1.5"),
        ({"nu": float("nan")}, "nu is nan"),
        ({"n_halfspaces": 0}, "n_halfspaces is 0"),
        ({"grid": -1}, "grid is -1"),
        ({"threads": 0}, "threads is 0"),
        ({"size": (0, 5)}, "size is"),
        ({"false_alarms": 1.0}, "false_alarms is 1.0"),
        ({"false_alarms": float("nan")}, "false_alarms is nan"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": None}, "seed is None"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"nu": "0.1"}, "nu is '0.1'"),
        ({"size": "64"}, "size is '64'"),
        ({"size": (1, 2, 3)}, "size is"),
        ({"threads": True}, "threads is True"),
        ({"layer": 3}, "layer is 3"),
        ({"layer": ""}, "layer is ''"),
        ({"cache": 5}, "cache is 5"),
        ({"backbone": None}, "backbone is None"),
        ({"rows": "images"}, r"rows is 'images': expected one of image, patches, both"),
        ({"row_dtype": 16}, "row_dtype is 16"),
        ({"runtime": "cuda"}, "runtime is 'cuda'"),
        ({"precision": 16}, "precision is 16"),
        ({"backbone": "greyscale", "precision": "fp32"}, "greyscale has none"),
    ],
)
def test_settings_out_of_range_are_refused_at_once(setting: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Detector(**setting)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"rows": "patches", "n_halfspaces": 10_001}, "of patches there are 510 unless asked, and"),
        ({"rows": "both", "n_halfspaces": 10_001}, "of patches there are 510 unless asked, and"),
        ({"rows": "image", "n_halfspaces": 41}, "there are only 40 normal images to fit them to"),
    ],
)
def test_too_many_half_spaces_are_refused_before_a_picture_is_read(
    given: dict[str, Any],
    told: str,
    normal_images: NDArray[np.uint8],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def collect(*_: object, **__: object) -> None:
        raise AssertionError("pictures were read")

    monkeypatch.setattr("oneclass.detector.fitting.collect_rows", collect)
    with pytest.raises(InputError, match=told):
        Detector(**given).fit(normal_images)
    with pytest.raises(AssertionError, match="pictures were read"):
        Detector(**{**given, "n_halfspaces": given["n_halfspaces"] - 1}).fit(normal_images)


def test_data_that_nothing_can_be_learnt_from(
    tmp_path: Path, normal_images: NDArray[np.uint8]
) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"found no images in .*empty\. .*at least 2.*\.png"):
        Detector(**SMALL).fit(tmp_path / "empty")
    Image.fromarray(normal_images[0]).save(tmp_path / "one.png")
    with pytest.raises(InputError, match=r"found 1 image, and none in .*empty\. Give"):
        Detector(**SMALL).fit([tmp_path / "empty", tmp_path / "one.png"])
    with pytest.raises(
        InputError, match=r"found 1 image, which was named 60 times: .* once\. Give"
    ):
        Detector(**SMALL).fit([tmp_path / "one.png"] * 60)
    with pytest.raises(InputError, match=r"found 1 image\."):
        Detector(**SMALL).fit(normal_images[:1])
    with pytest.raises(InputError, match="all 5 normal images look the same"):
        Detector(**SMALL).fit(np.repeat(normal_images[:1], 5, axis=0))
    with pytest.raises(InputError, match="all 3 normal images look the same"):
        Detector(**SMALL).fit([np.zeros((side, side), np.uint8) for side in (8, 9, 10)])
    with pytest.raises(InputError, match="Leave black images out"):
        Detector(backbone="greyscale").fit(
            [np.zeros((8, 8), np.uint8), *[normal_images[0][:8, :8]] * 3]
        )
    with pytest.raises(InputError, match="99 half-spaces are asked for, but there are only 40"):
        Detector(**SMALL, n_halfspaces=99).fit(normal_images)
    with pytest.raises(
        InputError, match=r"40 normal images, each held out, support no rate below 2\.44 %"
    ):
        Detector(**SMALL, false_alarms=0.01).fit(normal_images)
    with pytest.raises(InputError, match=r"'blok'.*Its layers are: stem"):
        Detector(layer="blok").fit(normal_images)
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(InputError, match=r"only 0 of 1 images can be used \(1 x not_an_image\)"):
        Detector(**SMALL).fit(tmp_path / "text.png")
    half = [*normal_images[:3], *normal_images[:3].astype(np.uint16)]
    with pytest.raises(InputError, match="3 images are uint8 and 3 are uint16"):
        Detector(**SMALL).fit(half)


def test_the_rarer_bit_depth_is_left_out(normal_images: NDArray[np.uint8]) -> None:
    detector = Detector(**SMALL).fit([*normal_images, normal_images[0].astype(np.uint16)])
    assert [e.reason for e in detector.errors] == ["bit_depth"]
    assert detector.card["fit"]["n_images"] == 40


def test_two_images_are_enough(normal_images: NDArray[np.uint8]) -> None:
    detector = Detector(**SMALL).fit(normal_images[:2])
    assert detector.card["false_alarms"] == pytest.approx(1 / 3)
    assert np.isfinite(detector.score(normal_images[2:5]).scores).all()


def test_not_fitted() -> None:
    for use in (lambda d: d.score([]), lambda d: d.save("x"), lambda d: d.card):
        with pytest.raises(InputError, match=r"not fitted: call fit"):
            use(Detector())


def own_backbone(tmp_path: Path) -> Path:
    """The embedded network under another name and digest."""
    import onnx

    model = onnx.load(Path(onnx_file.__file__).parent / "data" / f"{DEFAULT}.onnx")
    record = json.loads(model.metadata_props[0].value) | {"name": "mine"}
    onnx.helper.set_model_props(model, {"oneclass": json.dumps(record)})
    path = tmp_path / "mine.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def test_a_backbone_of_ones_own(tmp_path: Path, normal_images: NDArray[np.uint8]) -> None:
    backbone = own_backbone(tmp_path)
    default = Detector(backbone=backbone).fit(normal_images).card["representation"]["layers"]
    assert [layer["name"] for layer in default] == ["block_2", "head"]
    detector = Detector(backbone=backbone, **SMALL).fit(normal_images)
    detector.save(tmp_path / "m.oneclass")
    new = stripes(3, seed=4)
    expected = detector.score(new).scores
    np.testing.assert_array_equal(load(tmp_path / "m.oneclass").score(new).scores, expected)

    backbone.rename(tmp_path / "elsewhere.onnx")
    with pytest.raises(ModelFileError, match=r"needs its backbone 'mine' .*--backbone"):
        load(tmp_path / "m.oneclass")
    given = load(tmp_path / "m.oneclass", backbone=tmp_path / "elsewhere.onnx")
    np.testing.assert_array_equal(given.score(new).scores, expected)
    with pytest.raises(ModelFileError, match="was fitted with backbone 'mine'"):
        load(tmp_path / "m.oneclass", backbone=DEFAULT)
    assert EMBEDDED_SHA256[DEFAULT] != given.card["representation"]["backbone"]["sha256"]


def test_scoring_needs_neither_torch_nor_scikit_learn(fitted: Detector, tmp_path: Path) -> None:
    fitted.save(tmp_path / "m.oneclass")
    program = (
        "import sys; import numpy as np; from oneclass import load;"
        "load(sys.argv[1]).score(np.zeros((1, 24, 24), np.uint8));"
        "print(sorted({'torch', 'sklearn', 'scipy', 'onnx'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "m.oneclass")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_progress_is_told(normal_images: NDArray[np.uint8]) -> None:
    calls: list[tuple[int, int]] = []
    detector = Detector(**SMALL).fit(normal_images, progress=lambda *c: calls.append(c))
    assert calls == [(i, 40) for i in range(1, 41)]
    calls.clear()
    detector.score(normal_images[:3], progress=lambda *c: calls.append(c))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def digits(normal: tuple[int, ...], n_train: int) -> tuple[NDArray, NDArray, NDArray]:
    images, labels = mnist_5k()
    order = np.random.default_rng(0).permutation(len(images))
    inside = order[np.isin(labels[order], normal)]
    even = order[np.isin(labels[order], (0, 2, 4, 6, 8))]
    return images[inside[:n_train]], images[inside[n_train:][:200]], images[even[:200]]


@pytest.mark.parametrize(
    ("normal", "n_train", "least"), [((5,), 400, 0.97), ((1, 3, 5, 7, 9), 1500, 0.9)]
)
def test_real_digits(normal: tuple[int, ...], n_train: int, least: float) -> None:
    train, same, other = digits(normal, n_train)
    detector = Detector().fit(train)
    inside, outside = detector.score(same), detector.score(other)
    assert auroc(inside.scores, outside.scores) >= least
    assert np.mean([p.is_anomaly for p in inside]) < 0.1


def test_notes_tell_what_the_command_line_does() -> None:
    images = np.repeat(stripes(30, seed=1), 3, axis=0)
    notes = Detector(size=(32, 32), layer="block_2").fit(images).notes
    assert any("90 images show about 30 different pictures" in note for note in notes), notes
    assert any("of 100 normal images anomalies" in note for note in notes)
    assert Detector(size=(32, 32), layer="block_2").fit(stripes(120, seed=1)).notes == ()


def test_habits_of_pipelines_are_met() -> None:
    images = stripes(24, seed=1)
    detector = Detector(size=(32, 32), layer="block_2").fit(images, None)
    with pytest.warns(UserWarning, match=r"labels \(y\) are not looked at") as caught:
        other = Detector(size=(32, 32), layer="block_2").fit(images, np.ones(24))
    assert caught[0].filename == __file__
    assert other.score(images).scores.tolist() == detector.score(images).scores.tolist()


def test_a_setting_that_is_none_is_told_which_was_meant() -> None:
    with pytest.raises(TypeError, match=r"Detector\(nue=\.\.\.\): nue is no.*Did you mean nu\?"):
        Detector(nue=1)


def test_too_few_images_for_the_usual_rate_are_a_warning() -> None:
    few = r"no lower rate of false alarms than one in 11; 5 %, the usual one, takes 19 "
    with pytest.warns(UserWarning, match=few) as caught:
        detector = Detector(size=(32, 32), layer="block_2").fit(stripes(10, seed=1))
    assert [one.filename for one in caught] == [__file__]
    assert str(caught[0].message) in detector.card["fit"]["warnings"]
    with pytest.warns(UserWarning, match="than one in 15; 5 %"):
        detector.update(stripes(4, seed=2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector.update(stripes(5, seed=3))  # 19 are enough
        Detector(size=(32, 32), layer="block_2", false_alarms=0.1).fit(stripes(10, seed=1))
    one = Detector(size=(32, 32), layer="block_2", n_halfspaces=1)
    with pytest.warns(UserWarning, match="takes 19 different pictures to hold out, and"):
        one.fit(stripes(40, seed=1))


def test_public_names_are_importable_and_listed() -> None:
    assert {name for name in dir(oneclass) if getattr(oneclass, name) is None} == set()
    with_scikit_learn = {"HalfspaceUnion", "LinearOneClassSVM"}
    assert set(dir(oneclass)) == {*oneclass.__all__, *with_scikit_learn}
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = oneclass.nonsense


@pytest.mark.parametrize("mode", ["L", "RGB", "1", "P", "RGBA", "LA"])
def test_pictures_of_pil_are_images(mode: str) -> None:
    arrays = stripes(20, seed=1)
    pictures = [Image.fromarray(array).convert(mode) for array in arrays]
    detector = Detector(size=(32, 32), layer="block_2").fit(pictures)
    one, several = detector.score(pictures[0]), detector.score(pictures[:2])
    assert one[0].score == several[0].score
    kept = [np.asarray(p.convert("L" if mode in ("L", "1", "LA") else "RGB")) for p in pictures]
    assert detector.score(kept[:2]).scores.tolist() == several.scores.tolist()


def test_deep_pictures_of_pil_keep_their_depth() -> None:
    deep = [Image.fromarray(a.astype(np.uint16) * 200) for a in stripes(20, seed=1)]
    assert Detector(size=(32, 32), layer="block_2").fit(deep).pixel_scale.depth == "uint16"


@pytest.mark.parametrize(
    ("habit", "ours"), [("predict", "score"), ("decision_function", "score"), ("load", "load")]
)
def test_habits_from_elsewhere_are_told_what_to_use(habit: str, ours: str) -> None:
    assert not hasattr(Detector(), habit)
    with pytest.raises(AttributeError, match=rf"no attribute '{habit}'.*{ours}"):
        getattr(Detector(), habit)


def test_a_file_named_twice_has_one_result_and_a_warning(fitted: Detector, tmp_path: Path) -> None:
    a, b = write_images(tmp_path / "new", stripes(2, seed=7))
    with pytest.warns(UserWarning, match=r"1 file was given more than once .*000\.png") as caught:
        scored = fitted.score([a, b, a])
    assert caught[0].filename == __file__
    assert [p.path for p in scored] == [str(a), str(b)]
    with pytest.warns(UserWarning, match="2 files were given more than once") as caught:
        told = list(fitted.explain([a, a, b, b]))
    assert caught[0].filename == __file__
    assert len(told) == 2
    assert len(fitted.score([a, tmp_path / "new"])) == 2  # overlaps are meant


@pytest.mark.parametrize("nothing", [None, 7, b"m.oneclass"])
def test_what_is_no_path_of_a_model_is_refused(fitted: Detector, nothing: object) -> None:
    with pytest.raises(InputError, match="is no path: expected the path"):
        load(nothing)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="is no path: expected the path"):
        fitted.save(nothing)  # type: ignore[arg-type]
