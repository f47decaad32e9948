"""Runtimes and precisions: recorded, refused where they would shift scores, close where not."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import stripes, write_images
from oneclass import Detector, InputError, MissingDependencyError, ModelFileError, load
from oneclass.backbones import DEFAULT, Backbone, Runtime, choose_runtime, runtime_as_fitted
from oneclass.backbones.runtimes import PRECISIONS, RUNTIMES, start
from oneclass.cli.fit import fit
from oneclass.detector.files import modelfile
from oneclass.images.scale import choose_scale
from oneclass.representations import PretrainedLayers

SMALL = {"size": (64, 64), "layer": "block_4", "grid": 2}
ONNX, OPENVINO, OPENVINO_BF16 = (
    Runtime("onnxruntime", "fp32"),
    Runtime("openvino", "fp32"),
    Runtime("openvino", "bf16"),
)
needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="needs openvino")


def has_bf16() -> bool:
    return find_spec("openvino") is not None and choose_runtime("openvino", "auto") == OPENVINO_BF16


needs_bf16 = pytest.mark.skipif(not has_bf16(), reason="needs openvino and a bf16 processor")


@pytest.fixture
def without_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)


def altered(model: Path, **runtime: str) -> Path:
    """A model file as if it had been fitted with another runtime."""
    card, arrays, _ = modelfile.read(model)
    if runtime:
        card["representation"]["runtime"] |= runtime
    else:
        del card["representation"]["runtime"]
    modelfile.write(model, card, arrays)
    return model


@pytest.fixture
def model(normal_images: NDArray[np.uint8], tmp_path: Path) -> Path:
    Detector(**SMALL).fit(normal_images).save(tmp_path / "m")
    return tmp_path / "m"


def test_a_fit_takes_onnx_runtime_in_float32_and_the_model_says_so(model: Path) -> None:
    assert choose_runtime("auto", "auto") == choose_runtime("auto", "fp32") == ONNX
    recorded = load(model).card["representation"]["runtime"]
    assert recorded == {"name": "onnxruntime", "precision": "fp32"}
    assert load(model).computed_by["precision"] == "fp32"


def test_models_from_before_there_was_a_choice_score_the_same(model: Path) -> None:
    new = stripes(5, seed=3)
    before = load(model).score(new).scores
    np.testing.assert_array_equal(load(altered(model)).score(new).scores, before)


def test_another_precision_than_the_fitted_one_is_refused(model: Path) -> None:
    with pytest.raises(InputError, match=r"precision bf16: the model was fitted in fp32.*fit ag"):
        load(model, precision="bf16")
    with pytest.raises(InputError, match=r"precision fp32: the model was fitted in bf16"):
        runtime_as_fitted(OPENVINO_BF16, "onnxruntime", "fp32")
    with pytest.raises(InputError, match="bf16 needs runtime openvino"):
        runtime_as_fitted(OPENVINO_BF16, "onnxruntime", "auto")


@pytest.mark.parametrize("words", [{"runtime": "tensorrt"}, {"precision": "fp16"}])
def test_unknown_words_are_refused_at_once(model: Path, words: dict[str, str]) -> None:
    with pytest.raises(InputError, match=r"expected (one of )?auto, "):
        Detector(**words)
    with pytest.raises(InputError, match=r"expected (one of )?auto, "):
        load(model, **words)


def test_greyscale_has_no_runtime() -> None:
    with pytest.raises(InputError, match="greyscale has none"):
        Detector(backbone="greyscale", precision="fp32")


def test_a_senseless_record_is_refused(model: Path) -> None:
    with pytest.raises(ModelFileError, match="its content makes no sense"):
        load(altered(model, precision="fp4"))


@pytest.mark.usefixtures("without_openvino")
def test_without_openvino_the_line_that_installs_it(model: Path) -> None:
    for words in ({"runtime": "openvino"}, {"precision": "bf16"}):
        with pytest.raises(
            MissingDependencyError, match=r'pip install "(oneclass\[openvino\]|openvino)'
        ):
            Detector(**words)
    with pytest.raises(MissingDependencyError):
        load(model, runtime="openvino")
    with pytest.raises(MissingDependencyError):
        load(altered(model, name="openvino", precision="bf16"))


def test_the_command_offers_what_there_is() -> None:
    choices = {p.name: getattr(p.type, "choices", ()) for p in fit.params}
    assert tuple(choices["runtime"]) == ("auto", *RUNTIMES)
    assert tuple(choices["precision"]) == ("auto", *PRECISIONS)


def test_networks_with_many_weights_get_more_images_a_call() -> None:
    class Model(bytes):
        def __len__(self) -> int:
            return 200 << 20

    model = Backbone.open(DEFAULT).model
    assert start(model, ONNX, 2).together == 1
    assert start(Model(model), ONNX, 2).together == 12


def test_a_processor_without_bf16_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oneclass.backbones.runtimes._has_bf16", lambda: False)
    assert choose_runtime("openvino", "auto") == OPENVINO
    with pytest.raises(InputError, match="this processor has no bf16"):
        choose_runtime("auto", "bf16")
    with pytest.raises(InputError, match="this processor has no bf16"):
        runtime_as_fitted(OPENVINO_BF16, "auto", "auto")


def rows(runtime: Runtime, images: NDArray[np.uint8], together: int = 64) -> NDArray[np.float32]:
    layer = PretrainedLayers(Backbone.open(DEFAULT), [("block_4", 2)], size=(64, 64),
                             runtime=runtime)  # fmt: skip
    planes = [layer.prepare(image, choose_scale("uint8", 0, 255)) for image in images]
    parts = [layer.rows(planes[i : i + together]) for i in range(0, len(planes), together)]
    return np.concatenate(parts)


@needs_openvino
@pytest.mark.parametrize("runtime", [OPENVINO, pytest.param(OPENVINO_BF16, marks=needs_bf16)])
def test_openvino_rows_are_close_and_depend_on_their_own_image_alone(
    runtime: Runtime, normal_images: NDArray[np.uint8]
) -> None:
    reference = rows(ONNX, normal_images[:11])
    found = rows(runtime, normal_images[:11])
    least = 0.9999999 if runtime == OPENVINO else 0.999
    assert (found * reference).sum(axis=1).min() > least
    for together in (1, 3, 4):
        np.testing.assert_array_equal(rows(runtime, normal_images[:11], together), found)


@needs_openvino
def test_another_runtime_of_the_same_precision_moves_last_digits_alone(model: Path) -> None:
    new = np.concatenate([stripes(6, seed=3), stripes(6, seed=4, upright=False)])
    fitted, other = load(model), load(model, runtime="openvino")
    assert other.computed_by["runtime"].startswith("openvino 2")
    assert other.computed_by["precision"] == "fp32"
    assert other.card == fitted.card
    a, b = fitted.score(new), other.score(new)
    np.testing.assert_allclose(b.scores, a.scores, rtol=0, atol=1e-5)
    assert [p.is_anomaly for p in a] == [p.is_anomaly for p in b]


@needs_bf16
def test_a_bf16_model_is_scored_in_bf16(normal_images: NDArray[np.uint8], tmp_path: Path) -> None:
    fitted = Detector(**SMALL, precision="bf16").fit(normal_images)
    fitted.save(tmp_path / "m", rows=True)
    again = load(tmp_path / "m")
    assert again.computed_by["precision"] == "bf16"
    assert again.card["representation"]["runtime"] == OPENVINO_BF16.to_json()
    new = stripes(5, seed=3)
    np.testing.assert_array_equal(again.score(new).scores, fitted.score(new).scores)
    with pytest.raises(InputError, match="fitted in bf16"):
        load(tmp_path / "m", precision="fp32")
    again.update(new)
    assert again.card["representation"]["runtime"] == OPENVINO_BF16.to_json()


@needs_bf16
def test_the_store_keeps_precisions_apart(tmp_path: Path) -> None:
    write_images(tmp_path / "n", stripes(20, seed=1))
    for words in ({}, {"precision": "bf16"}, {"runtime": "openvino", "precision": "fp32"}):
        detector = Detector(**SMALL, **words, cache=tmp_path / "cache").fit(tmp_path / "n")
        assert detector.cache_use is not None
        assert detector.cache_use.found == 0


@needs_openvino
def test_openvino_says_what_it_cannot_run() -> None:
    model = Backbone.open(DEFAULT).model.replace(b"Conv", b"Vonc")
    with pytest.raises(ModelFileError, match=r"openvino cannot run it up to pool"):
        Backbone(model, file="broken").session(["pool"], runtime=OPENVINO)
