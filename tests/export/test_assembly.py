"""The exported graph says what the detector says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from conftest import stripes
from graphs import session_of
from oneclass import Detector, Explanation, InputError, load
from oneclass.backbones import Runtime
from oneclass.detector.views import DEFAULT_PATCHES
from oneclass.export.assembly import INPUT, MEANINGS, METADATA_KEY, Input, onnx_model
from oneclass.export.graph import OPSET
from oneclass.export.running import Exported
from oneclass.export.verifying import other_order
from oneclass.results.overlay import CALM, HOT

KINDS: dict[str, dict[str, Any]] = {
    "whole": {},
    "one layer": {"layer": "block_14", "size": (96, 64)},
    "no map": {"layer": "pool"},
    "patches": {"rows": "patches", "layer": "block_2@14+block_4", "size": (96, 96)},
    "both": {"rows": "both", "size": (96, 96)},
    "both in one pass": {"rows": "both", "size": (224, 256)},
    "greyscale": {"backbone": "greyscale", "size": (12, 10)},
    "float16": {"row_dtype": "float16"},
}
OLD = Path(__file__).parents[1] / "data" / "models"
CLOSE = 5e-7
"""Rows have unit length and are of float32: a score is not known better."""
CLOSE_OF_HALVES = 1e-4
"""A last digit of float32 may decide to which of two halves a value is rounded."""


def images(n: int, seed: int, *, colour: bool, odd: bool = False) -> np.ndarray:
    grey = stripes(n, seed, upright=not odd, side=48)[:, :41]
    if not colour:
        return grey
    return np.stack([grey, grey[:, ::-1], 255 - grey], axis=3)


def ask(model: bytes, given: np.ndarray) -> dict[str, np.ndarray]:
    session = session_of(model)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {INPUT: given}), strict=True))


def assert_same(found: dict[str, np.ndarray], detector: Detector, given: np.ndarray) -> None:
    expected = detector.score(list(given))
    close = CLOSE if detector.row_dtype == "float32" else CLOSE_OF_HALVES
    np.testing.assert_allclose(found["score"], expected.scores, atol=close)
    np.testing.assert_allclose(found["p_value"], [e.p_value for e in expected], rtol=1e-6)
    np.testing.assert_array_equal(found["is_anomaly"], [e.is_anomaly for e in expected])
    if "anomaly_map" in found:
        explained = [e for e in detector.explain(list(given)) if isinstance(e, Explanation)]
        maps = np.stack([e.anomaly_map for e in explained])
        np.testing.assert_allclose(found["anomaly_map"], maps, atol=close)


@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_the_graph_says_what_the_detector_says(kind: str, colour: bool) -> None:
    detector = Detector(**KINDS[kind], n_halfspaces=3).fit(list(images(24, 1, colour=colour)))
    new = np.concatenate([images(8, 2, colour=colour), images(4, 3, colour=colour, odd=True)])
    model = onnx_model(detector)
    onnx.checker.check_model(model, full_check=True)
    found = ask(model, new if colour else new[..., None])
    assert ("anomaly_map" in found) == (kind != "no map")
    assert found["is_anomaly"].any() or kind == "greyscale"
    assert_same(found, detector, new)


@pytest.mark.parametrize("rows", ["patches", "both"])
def test_the_graph_sees_positions_whitened_and_less_their_level(rows: str) -> None:
    asked = {"rows": rows, "layer": "block_2+block_4", "size": (64, 64), "n_halfspaces": 20}
    detector = Detector(**asked).fit(list(images(50, 1, colour=False)))
    assert detector.model.last.whitening is not None
    assert detector.model.last.level is not None
    given = np.concatenate([images(3, 2, colour=False), images(3, 3, colour=False, odd=True)])
    assert_same(ask(onnx_model(detector), given[..., None]), detector, given)


@pytest.mark.parametrize("scale", [257, 16])
def test_16_bit_images(scale: int) -> None:
    normal, new = (images(n, n, colour=False).astype(np.uint16) * scale for n in (24, 7))
    detector = Detector(size=(64, 64)).fit(list(normal))
    found = ask(onnx_model(detector), new[..., None])
    expected = detector.score(list(new)).scores
    np.testing.assert_allclose(found["score"], expected, atol=1e-6)


@pytest.mark.parametrize("file", sorted(OLD.glob("*.oneclass")), ids=lambda file: file.stem)
def test_models_of_before_keep_what_they_say(file: Path) -> None:
    detector = load(file)
    dtype = detector.pixel_scale.depth
    random = np.random.default_rng(0)
    high = np.where(np.arange(8) % 2, detector.pixel_scale.high, detector.pixel_scale.high / 3)
    new = (random.uniform(0, 1, (8, 40, 52)) * high[:, None, None]).astype(dtype)
    assert_same(ask(onnx_model(detector), new[..., None]), detector, new)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(size=(64, 48), layer="block_2@7+block_4").fit(list(images(24, 1, colour=True)))


@pytest.mark.parametrize("layout", ["NHWC", "NCHW"])
def test_layouts_sizes_and_images_resized_by_others(detector: Detector, layout: str) -> None:
    new = images(5, 2, colour=True)
    given = new if layout == "NHWC" else np.ascontiguousarray(new.transpose(0, 3, 1, 2))
    for size in (None, new.shape[1:3]):
        model = onnx_model(detector, Input(layout, size=size))
        assert_same(ask(model, given), detector, new)
    ready = np.random.default_rng(0).integers(0, 256, (3, 64, 48, 3)).astype(np.uint8)
    given = ready if layout == "NHWC" else np.ascontiguousarray(ready.transpose(0, 3, 1, 2))
    model = onnx_model(detector, Input(layout, resized=True))
    assert_same(ask(model, given), detector, ready)


def test_the_file_says_what_it_is_and_the_same_model_gives_the_same_bytes(
    detector: Detector,
) -> None:
    content = onnx_model(detector)
    assert content == onnx_model(detector)
    model = onnx.load_model_from_string(content)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", OPSET)]
    assert {node.domain for node in model.graph.node} == {""}
    record = json.loads({p.key: p.value for p in model.metadata_props}[METADATA_KEY])
    assert record["card"] == detector.card
    assert record["licence"] == "Apache-2.0"
    assert record["outputs"] == MEANINGS
    here = Exported(record, lambda images: {})
    assert not other_order(here)
    elsewhere = {**record, "tall_vertically_first": not record["tall_vertically_first"]}
    assert other_order(Exported(elsewhere, lambda images: {}))
    older = {name: value for name, value in record.items() if name != "tall_vertically_first"}
    assert not other_order(Exported(older, lambda images: {}))
    assert record["heat_scale"] == detector.heat_scale
    assert (CALM, HOT) == (0.5, 2)
    ends = "colour begins at half of heat_scale and is full at twice"
    assert record["outputs"]["anomaly_map"].endswith(ends)
    assert record["pixel_threshold"] == detector.pixel_threshold
    assert (record["false_alarms"], record["unclear"]) == (detector.card["false_alarms"], None)
    assert record["input"]["shape"] == ["batch", "height", "width", "channels"]


def test_three_verdicts_and_marked_pixels_can_be_told_from_what_the_file_says(
    detector: Detector, tmp_path: Path
) -> None:
    detector.save(tmp_path / "parts.oneclass")
    loaded = load(tmp_path / "parts.oneclass", false_alarms=0.1, unclear=0.5)
    content = onnx_model(loaded)
    text = {p.key: p.value for p in onnx.load_model_from_string(content).metadata_props}
    record = json.loads(text[METADATA_KEY])
    new = np.concatenate([images(8, 2, colour=True), images(4, 3, colour=True, odd=True)])
    found = ask(content, new)
    seen = [e for e in loaded.explain(list(new)) if isinstance(e, Explanation)]
    p = found["p_value"].astype(float)
    unclear = (p > record["false_alarms"] + 1e-6) & (p <= record["unclear"] + 1e-6)
    assert [e.prediction.is_unclear for e in seen] == unclear.tolist()
    assert 0 < unclear.sum() < len(new)
    marked = found["anomaly_map"] > record["pixel_threshold"]
    assert [bool(e.regions(loaded.pixel_threshold)) for e in seen] == marked.any((1, 2)).tolist()
    assert marked.any()


def test_bf16_is_refused(detector: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detector.model.representation, "runtime", Runtime("openvino", "bf16"))
    with pytest.raises(InputError, match="precision bf16: the model was fitted in bf16"):
        onnx_model(detector)


def test_what_is_behind_the_layers_is_left_out(detector: Detector) -> None:
    whole = len(detector.network.model) if detector.network else 0
    assert len(onnx_model(detector)) < whole / 8


def test_an_image_of_which_nothing_can_be_said_has_no_score_and_is_an_anomaly() -> None:
    detector = Detector(backbone="greyscale").fit(list(images(24, 1, colour=False)))
    black = np.zeros((1, 41, 48, 1), np.uint8)
    assert np.isfinite(ask(onnx_model(detector), black)["score"]).all()

    normal = images(24, 1, colour=False).astype(np.float32) / 255
    bright = Detector(size=(64, 64)).fit(list(normal))
    found = ask(onnx_model(bright), np.full((1, 41, 48, 1), np.nan, np.float32))
    assert np.isnan(found["score"]).all()
    assert found["is_anomaly"].all()


def test_both_views_share_the_networks_weights_and_cannot_be_resized_by_others() -> None:
    normal = list(images(24, 1, colour=False))
    settings = {"rows": "both", "size": (96, 96), "n_halfspaces": 3}
    both = Detector(**settings).fit(normal)
    views = [
        onnx_model(Detector(**{**settings, "rows": rows}).fit(normal))
        for rows in ("image", "patches")
    ]
    assert len(onnx_model(both)) < max(map(len, views)) + min(map(len, views)) / 2
    with pytest.raises(InputError, match="each in a size of its own"):
        onnx_model(both, Input(resized=True))


def test_of_one_pass_the_graph_has_one_network_and_leaves_resizing_to_others() -> None:
    normal, given = list(images(24, 1, colour=False)), {"size": (224, 224), "n_halfspaces": 3}
    one, patches = (
        Detector(rows=rows, layer=DEFAULT_PATCHES, **given).fit(normal)
        for rows in ("both", "patches")
    )
    models = [onnx.load_model_from_string(onnx_model(found)) for found in (one, patches)]
    convolutions = [sum(n.op_type == "Conv" for n in model.graph.node) for model in models]
    assert convolutions[0] == convolutions[1]
    ready = np.random.default_rng(0).integers(0, 256, (3, 224, 224, 1)).astype(np.uint8)
    found = ask(onnx_model(one, Input(resized=True)), ready)
    assert_same(found, one, ready[..., 0])


@pytest.mark.parametrize(
    ("takes", "message"),
    [
        (Input("HWC"), "layout is 'HWC': expected NHWC or NCHW"),
        (Input(resized=True, size=(9, 9)), "without resizing, images have the network's own size"),
    ],
)
def test_what_cannot_be_is_refused(detector: Detector, takes: Input, message: str) -> None:
    with pytest.raises(InputError, match=message):
        onnx_model(detector, takes)


def test_a_detector_without_a_fit_is_refused() -> None:
    with pytest.raises(InputError, match="not fitted"):
        onnx_model(Detector())
