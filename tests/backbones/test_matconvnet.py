"""MatConvNet's networks give the numbers that its formulas give, layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st

import matconvnet_files as mcn
from oneclass.backbones import Backbone
from oneclass.backbones.importing import ImportOptions, import_network
from oneclass.backbones.matconvnet.records import read_simplenn
from oneclass.errors import InputError, ModelFileError

CLOSE = 1e-5
"""Of a layer's largest value: float32 against float64."""


def imported(tmp_path: Path, layers: list[Any], normal: Any, **how: Any) -> Backbone:
    options = how.pop("options", ImportOptions())
    file = mcn.write(tmp_path / "net.mat", layers, normal, **how)
    return import_network(file, tmp_path / "net.onnx", options)


def worst_difference(
    backbone: Backbone, layers: list[Any], names: dict[str, int], images: Any
) -> float:
    """The largest difference of any tensor from the reference, of the tensor's largest value.

    Args:
        names: of tensors, and the index of the layer that each is compared with.
        images: (n, channels, height, width), already centred.
    """
    expected = mcn.forward(layers, images.transpose(2, 3, 1, 0))
    found = backbone.session(list(names))(images.astype(np.float32))
    differences = []
    for index, values in zip(names.values(), found, strict=True):
        reference = expected[index].transpose(3, 2, 0, 1).reshape(values.shape)
        differences.append(np.abs(values - reference).max() / max(np.abs(reference).max(), 1e-12))
    return float(max(differences))


def small(rng: np.random.Generator) -> list[Any]:
    """One of everything: groups, uneven pads and strides, both pools, lrn, bnorm, full filters."""
    return [
        mcn.conv(rng, (3, 5, 3, 8), name="conv1", pad=[0, 2, 1, 3], stride=[2, 1]),
        mcn.bnorm(rng, 8, name="bn1"),
        mcn.plain("relu", "relu1", leak=0.1),
        mcn.plain("lrn", "norm1", param=np.array([5, 1, 0.02, 0.75])),
        mcn.pool([3, 2], name="pool1", pad=[0, 1, 1, 0], stride=[2, 1]),
        mcn.conv(rng, (3, 3, 4, 6), name="conv2", pad=1, bias=False),
        mcn.plain("relu", "relu2"),
        mcn.pool(2, name="pool2", pad=[1, 0, 0, 1], stride=2, method="avg"),
        mcn.conv(rng, (4, 7, 6, 10), name="fc3"),
        mcn.plain("relu", "relu3"),
        mcn.plain("dropout", "drop3", rate=0.5),
        mcn.conv(rng, (1, 1, 10, 4), name="fc4"),
        mcn.plain("softmax", "prob"),
    ]


SMALL_NAMES = {
    "conv1": 0, "bn1": 1, "C1": 2, "norm1": 3, "P1": 4, "conv2": 5, "C2": 6, "P2": 7, "fc3": 8,
    "FC3": 9, "FC4": 11, "prob": 12,
}  # fmt: skip
SIZE = (27, 14, 3)


@pytest.mark.parametrize("old", [False, True], ids=["late layout", "first layout"])
@pytest.mark.parametrize("compressed", [False, True])
def test_every_layer_agrees_with_the_formulas(tmp_path: Path, old: bool, compressed: bool) -> None:
    rng = np.random.default_rng(0)
    layers = small(rng)
    mean = rng.uniform(0, 255, 3)
    normal = mcn.normalization(SIZE, mean.reshape(1, 1, 3))
    backbone = imported(tmp_path, layers, normal, old=old, compressed=compressed)
    names = SMALL_NAMES
    if old:  # the first layout had no names
        own = {f"{layer['type']}_{i}": i - 1 for i, layer in enumerate(layers, 1)}
        paper = {n: i for n, i in names.items() if n[0] in "CPF"}
        names = {
            n: i for n, i in own.items() if i not in paper.values() and "drop" not in n
        } | paper
    assert (
        worst_difference(backbone, layers, names, rng.standard_normal((3, 3, *SIZE[:2])) * 50)
        < CLOSE
    )
    assert backbone.layers == (
        "C1",
        "P1",
        "C2",
        "P2",
        "FC3",
        "FC4",
        layers[-1]["name"] if not old else "softmax_13",
    )
    assert backbone.record["classes"] == ["a cat", "a dog"]
    preprocessing = backbone.spec.preprocessing
    assert preprocessing.size == SIZE[:2]
    np.testing.assert_allclose(preprocessing.mean, mean / 255, rtol=1e-6)
    assert preprocessing.std == (1 / 255,) * 3


def test_vgg_f_agrees_and_has_the_papers_sizes(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    layers = mcn.vgg_f(rng, scale=16, n_classes=10)
    normal = mcn.normalization((224, 224, 3), rng.uniform(0, 255, (224, 224, 3)))
    backbone = imported(tmp_path, layers, normal)
    images = rng.uniform(0, 255, (1, 3, 224, 224)).astype(np.float32)
    centred = images - normal["averageImage"].transpose(2, 0, 1)
    names = {"C1": 1, "P1": 2, "C2": 4, "P2": 5, "C3": 7, "C4": 9, "C5": 11, "P5": 12}
    names |= {"FC6": 14, "FC7": 17, "FC8": 19, "prob": 20}
    expected = mcn.forward(layers, centred.transpose(2, 3, 1, 0))
    for name, index in names.items():
        (values,) = backbone.session([name])(images)
        reference = expected[index].transpose(3, 2, 0, 1).reshape(values.shape)
        assert np.abs(values - reference).max() < CLOSE * np.abs(reference).max(), name
    sides = [backbone.shapes()[name][1] for name in ("C1", "P1", "P2", "P5")]
    assert sides == [54, 27, 13, 6]
    assert backbone.layers == tuple(names)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_any_convolution_and_pool_agrees(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    groups, inputs = [(1, 1), (1, 3), (3, 1)][rng.integers(3)]
    each = int(rng.integers(1, 4))
    height, width = (int(n) for n in rng.integers(9, 15, 2))
    channels = groups * inputs

    def numbers(low: int, high: int, sizes: list[int]) -> Any:
        return rng.integers(low, high, rng.choice(sizes)).tolist()

    filters = (*(int(n) for n in rng.integers(1, 5, 2)), inputs, groups * each)
    window = rng.integers(2, 4, 2).tolist()
    layers = [
        mcn.conv(
            rng,
            filters,
            name="c",
            pad=numbers(0, 3, [1, 4]),
            stride=numbers(1, 3, [1, 2]),
            bias=bool(rng.integers(2)),
        ),
        mcn.pool(
            window,
            name="p",
            pad=numbers(0, 2, [1, 4]),
            stride=numbers(1, 3, [1, 2]),
            method=str(rng.choice(["max", "avg"])),
        ),
    ]
    normal = mcn.normalization((height, width, channels), np.zeros((1, 1, channels)))
    folder = tmp_path_factory.mktemp("net")
    backbone = imported(folder, layers, normal)
    assert (
        worst_difference(
            backbone, layers, {"C1": 0, "P1": 1}, rng.standard_normal((2, channels, height, width))
        )
        < CLOSE
    )


@pytest.mark.parametrize("n", [1, 2, 4, 5])
@pytest.mark.parametrize("beta", [0.75, 0.5])
def test_normalisation_over_odd_and_even_windows(tmp_path: Path, n: int, beta: float) -> None:
    rng = np.random.default_rng(n)
    layers = [
        mcn.conv(rng, (1, 1, 3, 7), name="c"),
        mcn.plain("normalize", "n", param=np.array([n, 2, 0.3, beta])),
    ]
    backbone = imported(tmp_path, layers, mcn.normalization((6, 6, 3), np.zeros((1, 1, 3))))
    assert worst_difference(backbone, layers, {"n": 1}, rng.standard_normal((2, 3, 6, 6))) < CLOSE


def test_rows_do_not_depend_on_the_batch(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    normal = mcn.normalization((224, 224, 3), np.zeros((1, 1, 3)))
    backbone = imported(tmp_path, mcn.vgg_f(rng, scale=8), normal)
    images = rng.standard_normal((7, 3, 224, 224)).astype(np.float32) * 50
    layers = ["P5", "FC6", "FC7", "FC8"]
    together = backbone.session(layers)(images)
    alone = [backbone.session(layers)(images[i : i + 1]) for i in range(len(images))]
    for number, values in enumerate(together):
        np.testing.assert_array_equal(values, np.concatenate([a[number] for a in alone]))


def test_the_border_is_cut_off_if_asked(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    layers = [mcn.conv(rng, (3, 3, 3, 4), name="c")]
    mean = rng.uniform(0, 255, (8, 10, 3))
    normal = mcn.normalization((8, 10, 3), mean)
    backbone = imported(tmp_path, layers, normal, options=ImportOptions(crop=True))
    assert backbone.spec.preprocessing.size == (12, 16)
    images = rng.uniform(0, 255, (1, 3, 12, 16)).astype(np.float32)
    inner = images[:, :, 2:10, 3:13] - normal["averageImage"].transpose(2, 0, 1)
    expected = mcn.forward(layers, inner.transpose(2, 3, 1, 0))[0].transpose(3, 2, 0, 1)
    (found,) = backbone.session(["C1"])(images)
    np.testing.assert_allclose(found, expected, atol=CLOSE * np.abs(expected).max())
    assert backbone.record["border"] == [4, 6]


def test_a_grey_network(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    layers = [mcn.conv(rng, (3, 3, 1, 4), name="c")]
    backbone = imported(tmp_path, layers, mcn.normalization((8, 8, 1), rng.random((8, 8))))
    assert backbone.shapes() == {"C1": (4, 6, 6)}


def test_a_name_of_the_papers_form_stays_with_its_layer(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    layers = [
        mcn.conv(rng, (3, 3, 3, 4), name="C1"),
        mcn.plain("relu", "P1"),
        mcn.pool(2, name="C1"),
    ]
    backbone = imported(tmp_path, layers, mcn.normalization((9, 9, 3), np.zeros((1, 1, 3))))
    assert backbone.layers == ("C1", "P1")
    assert (
        worst_difference(
            backbone, layers, {"C1_": 0, "C1": 1, "P1": 2}, rng.standard_normal((1, 3, 9, 9))
        )
        < CLOSE
    )


def broken(change: str) -> tuple[list[Any], Any]:
    """A small network with one thing wrong."""
    rng = np.random.default_rng(6)
    layers = small(rng)
    normal = mcn.normalization(SIZE, np.zeros((1, 1, 3)))
    if change == "a kind that nobody knows":
        layers[2] = mcn.plain("magic", "m")
    elif change == "no moments":
        layers[1]["weights"].pop()
    elif change == "too many channels":
        layers[5] = mcn.conv(rng, (3, 3, 5, 6), name="conv2")
    elif change == "too small a map":
        layers[8] = mcn.conv(rng, (9, 9, 6, 10), name="fc3")
    elif change == "NaN":
        layers[0]["weights"][0][0, 0, 0, 0] = np.nan
    elif change == "too many biases":
        layers[0]["weights"][1] = np.zeros((1, 9), np.float32)
    elif change == "a pad of three":
        layers[0]["pad"] = np.array([1.0, 2.0, 3.0])
    elif change == "half a pixel":
        layers[0]["stride"] = np.array([1.5])
    elif change == "a pad as wide as the pool":
        layers[4]["pad"] = np.array([3.0])
    elif change == "a mean of another size":
        normal["averageImage"] = np.zeros((5, 5, 3), np.float32)
    elif change == "no size":
        del normal["imageSize"]
    elif change == "interpolation":
        normal["interpolation"] = "magic"
    return layers, normal


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("a kind that nobody knows", r"layer 3, m, is of type 'magic'; known are conv, pool"),
        ("no moments", r"layer bn1: it has no moments for 8 channels"),
        ("too many channels", r"layer conv2: 6 filters of 5 channels for 8 channels"),
        ("too small a map", r"layer fc3: nothing is left of a map of 4 x 7"),
        ("NaN", r"layer 1, conv1: some weights are NaN"),
        ("too many biases", r"layer conv1: 9 biases for 8 filters"),
        (
            "a pad of three",
            r"layer conv1: pad is \[1.0, 2.0, 3.0\], expected one whole number or 4",
        ),
        ("half a pixel", r"layer conv1: stride is \[1.5\]"),
        ("a pad as wide as the pool", r"layer pool1: pad \[3, 3, 3, 3\] is not smaller"),
        (
            "a mean of another size",
            r"averageImage has shape \(5, 5, 3\), imageSize is \(27, 14, 3\)",
        ),
        ("no size", r"normalization\.imageSize is missing"),
        ("interpolation", r"interpolation is 'magic', expected one of bilinear, bicubic"),
    ],
)
def test_what_cannot_be_converted_is_named(tmp_path: Path, change: str, message: str) -> None:
    layers, normal = broken(change)
    with pytest.raises(ModelFileError, match=rf"net\.mat: .*{message}"):
        imported(tmp_path, layers, normal)
    assert not (tmp_path / "net.onnx").exists()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"x": np.eye(2)}, r"no cell array 'layers' \(it holds x\)"),
        ({"net": {"vars": 1, "params": 2, "layers": 3}}, "DagNN"),
        ({"layers": mcn._cells([{"type": "relu"}])}, "no normalization"),
        ({"layers": mcn._cells([np.eye(2)])}, "layer 1 is no struct"),
    ],
)
def test_other_mat_files_are_refused(tmp_path: Path, variables: Any, message: str) -> None:
    scipy.io.savemat(tmp_path / "x.mat", variables)
    with pytest.raises(
        ModelFileError, match=rf"x\.mat: no MatConvNet SimpleNN network: .*{message}"
    ):
        read_simplenn(tmp_path / "x.mat")


def test_a_broken_file_leaves_nothing(tmp_path: Path) -> None:
    file = tmp_path / "net.mat"
    rng = np.random.default_rng(7)
    mcn.write(file, small(rng), mcn.normalization(SIZE, np.zeros((1, 1, 3))))
    content = file.read_bytes()
    (tmp_path / "old.onnx").write_bytes(b"\x08what was there")
    for length in rng.integers(0, len(content), 40):
        file.write_bytes(content[:length])
        with pytest.raises(ModelFileError, match=r"net\.mat: no readable MAT file"):
            import_network(file, tmp_path / "old.onnx", ImportOptions())
    assert (tmp_path / "old.onnx").read_bytes() == b"\x08what was there"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.mat", "old.onnx"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.mat: cannot be read"):
        import_network(tmp_path / "nowhere.mat", tmp_path / "x.onnx", ImportOptions())


def test_without_onnx_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    from oneclass.errors import MissingDependencyError

    layers = [mcn.conv(np.random.default_rng(8), (3, 3, 3, 4), name="c")]
    file = mcn.write(tmp_path / "x.mat", layers, mcn.normalization((8, 8, 3), np.zeros((1, 1, 3))))
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(MissingDependencyError, match=r'pip install "(oneclass\[matconvnet\]|onnx)'):
        import_network(file, tmp_path / "x.onnx", ImportOptions())
