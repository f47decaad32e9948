"""The shipped network is the original, and is cut where it is asked to be."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import onnx
import onnx.utils
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from efficientnet_reference import digits, positions, torch_layers
from oneclass.backbones import DEFAULT, EMBEDDED_SHA256, Backbone, Preprocessing, onnx_file
from oneclass.errors import InputError, ModelFileError
from oneclass.images.scale import choose_scale
from oneclass.representations import PretrainedLayers

FILE = Path(onnx_file.__file__).parent / "data" / f"{DEFAULT}.onnx"
REFERENCE = Path(__file__).parents[1] / "data/efficientnet_lite0_reference.npz"
LAYERS = ("stem", *(f"block_{i}" for i in range(16)), "head", "pool", "logits")


def cosines(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float64]:
    a, b = (x.reshape(len(x), -1).astype(np.float64) for x in (a, b))
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return Backbone.open(DEFAULT)


@pytest.fixture(scope="module")
def prepared(backbone: Backbone) -> NDArray[np.float32]:
    prepare = PretrainedLayers(backbone, [("stem", None)]).prepare
    scale = choose_scale("uint8", 0, 255)
    return np.stack([prepare(image, scale) for image in digits()])


def test_the_shipped_file_is_the_one_that_was_measured() -> None:
    assert hashlib.sha256(FILE.read_bytes()).hexdigest() == EMBEDDED_SHA256[DEFAULT]
    assert FILE.stat().st_size < 10e6


def test_every_block_is_a_named_layer(backbone: Backbone) -> None:
    assert backbone.layers == LAYERS
    assert backbone.spec.licence == "Apache-2.0"
    assert backbone.spec.source


@pytest.mark.parametrize("layer", LAYERS)
def test_layer_matches_sampled_values_of_the_torch_original(
    backbone: Backbone, prepared: NDArray[np.float32], layer: str
) -> None:
    reference = np.load(REFERENCE)
    np.testing.assert_allclose(prepared.sum(axis=(1, 2, 3)), reference["prepared_sum"], rtol=1e-6)
    ours = backbone.session([layer])(prepared)[0].reshape(len(prepared), -1)
    assert cosines(ours[:, positions(ours.shape[1])], reference[layer]).min() >= 0.9999


@pytest.mark.slow
def test_every_layer_matches_the_torch_original(
    backbone: Backbone, prepared: NDArray[np.float32]
) -> None:
    pytest.importorskip("torch", reason="the parity test needs the extra: pip install .[parity]")
    original = torch_layers(prepared)
    assert tuple(original) == LAYERS
    worst = {n: cosines(backbone.session([n])(prepared)[0], original[n]).min() for n in LAYERS}
    assert min(worst.values()) >= 0.9999, worst


@pytest.mark.parametrize(
    "layers", [["stem"], ["block_3"], ["block_8"], ["pool"], ["block_2", "block_14"]]
)
def test_cut_equals_the_onnx_package_bit_for_bit(
    prepared: NDArray[np.float32], tmp_path: Path, layers: list[str]
) -> None:
    import onnxruntime

    extracted = tmp_path / "cut.onnx"
    onnx.utils.extract_model(FILE, extracted, ["images"], layers)
    ours = onnx_file.cut(FILE.read_bytes(), layers)
    theirs = onnx.load(extracted)
    parsed = onnx.load_from_string(ours)
    assert [n.output for n in parsed.graph.node] == [n.output for n in theirs.graph.node]
    assert {i.name for i in parsed.graph.initializer} == {i.name for i in theirs.graph.initializer}
    results = [
        onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(
            layers, {"images": prepared}
        )
        for model in (ours, extracted.read_bytes())
    ]
    for a, b in zip(*results, strict=True):
        np.testing.assert_array_equal(a, b)


def test_bits_depend_neither_on_batch_nor_on_threads(
    backbone: Backbone, prepared: NDArray[np.float32]
) -> None:
    reference = backbone.session(["block_8"], threads=1)(prepared)[0]
    two = backbone.session(["block_8"], threads=2)
    np.testing.assert_array_equal(two(prepared)[0], reference)
    for i in range(len(prepared)):
        np.testing.assert_array_equal(two(prepared[i : i + 1])[0], reference[i : i + 1])


def test_an_inner_tensor_is_a_layer_too(backbone: Backbone, prepared: NDArray[np.float32]) -> None:
    inner = backbone.session(["block_8.expand"])(prepared)[0]
    assert inner.shape == (4, 480, 14, 14)
    assert inner.min() >= 0
    assert inner.max() <= 6


def test_input_size_is_free(backbone: Backbone) -> None:
    blank = np.zeros((1, 3, 96, 160), np.float32)
    assert backbone.session(["block_8"])(blank)[0].shape[2:] == (6, 10)


def test_unknown_layer_lists_the_layers(backbone: Backbone) -> None:
    with pytest.raises(InputError, match=r"'blok_8'.*stem, block_0, .*logits"):
        backbone.session(["blok_8"])


def test_unknown_name_and_missing_file() -> None:
    with pytest.raises(InputError, match=r"'resnet50'.*efficientnet-lite0.*greyscale"):
        Backbone.open("resnet50")


def test_damaged_installation_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from oneclass.backbones import session

    session._embedded.cache_clear()
    monkeypatch.setitem(EMBEDDED_SHA256, DEFAULT, "0" * 64)
    with pytest.raises(ModelFileError, match="changed or damaged"):
        Backbone.open(DEFAULT)
    session._embedded.cache_clear()


def with_metadata(record: str | None) -> bytes:
    model = onnx.load(FILE)
    del model.metadata_props[:]
    if record is not None:
        onnx.helper.set_model_props(model, {"oneclass": record})
    return model.SerializeToString()


RECORD = {
    "name": "mine",
    "preprocessing": {
        "size": [32, 32],
        "interpolation": "bilinear",
        "mean": [0] * 3,
        "std": [1] * 3,
    },
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": [0, 3]}, "size is 0x3"),
        ({"size": "x"}, "malformed"),
        ({"interpolation": "magic"}, "'magic'"),
        ({"mean": [0, 0]}, "3 values"),
        ({"std": [0, 1, 1]}, "above zero"),
        ({"mean": [float("nan")] * 3}, "finite"),
    ],
)
def test_nonsense_in_the_preprocessing_record_is_named(change: dict, message: str) -> None:
    record = {**RECORD, "preprocessing": {**RECORD["preprocessing"], **change}}
    with pytest.raises(ModelFileError, match=message):
        Backbone(with_metadata(json.dumps(record)), file="mine.onnx")


@pytest.mark.parametrize("record", [None, "{}", "[1]", "not json"])
def test_an_onnx_file_without_a_record_is_refused(record: str | None) -> None:
    with pytest.raises(ModelFileError, match=r"mine\.onnx.*metadata"):
        Backbone(with_metadata(record), file="mine.onnx")


def test_a_record_of_ones_own_is_read() -> None:
    spec = Backbone(with_metadata(json.dumps(RECORD)), file="mine.onnx").spec
    assert spec.name == "mine"
    assert spec.preprocessing == Preprocessing((32, 32), "bilinear", (0, 0, 0), (1, 1, 1))


@example(b"8\x00")  # a graph by its number, but no message
@example(b"\x3a\x01\x08")  # a graph that ends inside a number
@given(st.binary(max_size=300))
def test_bytes_that_are_no_onnx_are_refused(content: bytes) -> None:
    with pytest.raises(ModelFileError):
        Backbone(content, file="junk.onnx")


@settings(max_examples=30, deadline=None)
@given(st.integers(0, FILE.stat().st_size - 1))
def test_a_truncated_onnx_is_refused(length: int) -> None:
    with pytest.raises(ModelFileError):
        Backbone(FILE.read_bytes()[:length], file="short.onnx")
