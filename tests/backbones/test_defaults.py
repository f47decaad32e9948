"""Networks that nobody chose layers for: convolutional ones and transformers, small and random."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from conftest import stripes
from oneclass import Detector, Explanation, InputError, load
from oneclass.backbones import Backbone
from oneclass.backbones.defaults import default_layers
from oneclass.backbones.importing import ImportOptions, import_network
from oneclass.backbones.onnx_graph import INPUT, Graph
from oneclass.backbones.tokens import MOST_OTHERS, channels_last, token_grid, view
from oneclass.export.assembly import onnx_model

SIZE, WIDTH, BLOCKS = 96, 12, 8
SAID = ImportOptions(size=(SIZE, SIZE), mean=(0.5,) * 3, std=(0.25,) * 3)


def random(seed: int, *shape: int) -> NDArray[np.float32]:
    values = np.random.default_rng(seed).normal(size=shape) / np.sqrt(np.prod(shape[1:]))
    return values.astype(np.float32)


def convolutional(outputs: tuple[str, ...] = ("logits",)) -> bytes:
    """Five stages that halve the map, two convolutions each, and ten classes."""
    g, before, channels = Graph(3), INPUT, 3
    for stage in range(5):
        wide = 6 + 2 * stage
        for i, stride in enumerate((2, 1)):
            name = f"stage{stage}.{i}"
            weights = g.constant(f"{name}.w", random(stage * 2 + i, wide, channels, 3, 3))
            made = g.add(
                "Conv", [before, weights], f"{name}.conv", pads=[1] * 4, strides=[stride] * 2
            )
            before, channels = g.add("Relu", [made], f"{name}.relu"), wide
    pooled = g.add("GlobalAveragePool", [before], "pool4")
    flat = g.add("Flatten", [pooled], "pool")
    g.add("MatMul", [flat, g.constant("head.w", random(99, channels, 10))], "logits")
    axes = {name: 4 if "." in name else 2 for name in outputs}
    return g.build(axes)


def transformer(n_others: int, outputs: tuple[str, ...] = ("logits",)) -> bytes:
    """Squares of 16 pixels, `n_others` tokens before them, and blocks that mix and add."""
    g = Graph(3)
    squares = g.add(
        "Conv",
        [INPUT, g.constant("embed.w", random(0, WIDTH, 3, 16, 16))],
        "embed",
        strides=[16] * 2,
    )
    flat = g.add("Reshape", [squares, g.constant("s", np.array([0, WIDTH, -1]))], "flat")
    tokens = g.add("Transpose", [flat], "tokens", perm=[0, 2, 1])
    if n_others:
        mean = g.add("ReduceMean", [tokens], "mean", axes=[1], keepdims=1)
        own = g.constant("own", random(1, 1, n_others, WIDTH))
        first = g.add("Add", [mean, own], "others")
        tokens = g.add("Concat", [first, tokens], "joined", axis=1)
    n = (SIZE // 16) ** 2 + n_others
    for block in range(BLOCKS):
        mixing = g.constant(f"{block}.mix.w", random(10 + block, n, n))
        mixed = g.add("MatMul", [mixing, tokens], f"{block}.mix")
        tokens = g.add("Add", [tokens, mixed], f"{block}.one")
        made = g.add("MatMul", [tokens, g.constant(f"{block}.w", random(50 + block, WIDTH, WIDTH))],
                     f"{block}.mlp")  # fmt: skip
        biased = g.add(
            "Add", [made, g.constant(f"{block}.b", random(90, WIDTH))], f"{block}.biased"
        )
        tokens = g.add("Add", [tokens, g.add("Relu", [biased], f"{block}.relu")], f"{block}.two")
    pooled = g.add("ReduceMean", [tokens], "pooled", axes=[1], keepdims=0)
    g.add("MatMul", [pooled, g.constant("head.w", random(5, WIDTH, 10))], "logits")
    return g.build({name: 2 if name == "logits" else 3 for name in outputs})


def merging(as_tokens: bool, outputs: tuple[str, ...] = ("logits",)) -> bytes:
    """As Swin: channels last, blocks that add, and four squares merged to one between stages."""
    g, wide = Graph(3), 6
    squares = g.add("Conv", [INPUT, g.constant("embed.w", random(0, wide, 3, 4, 4))], "embed",
                    strides=[4, 4])  # fmt: skip
    here = g.add("Transpose", [squares], "start", perm=[0, 2, 3, 1])
    for stage in range(4):
        if stage:
            first = g.add("Transpose", [here], f"{stage}.first", perm=[0, 3, 1, 2])
            fours = g.add("SpaceToDepth", [first], f"{stage}.fours", blocksize=2)
            wide *= 4
            here = g.add("Transpose", [fours], f"{stage}.merged", perm=[0, 2, 3, 1])
        side = SIZE // 4 >> stage
        made = g.add("MatMul", [here, g.constant(f"{stage}.w", random(stage + 1, wide, wide))],
                     f"{stage}.made")  # fmt: skip
        here = g.add("Add", [here, g.add("Relu", [made], f"{stage}.relu")], f"{stage}.block")
        if as_tokens:
            flat = g.constant(f"{stage}.flat", np.array([0, side * side, wide]))
            tokens = g.add("Reshape", [here, flat], f"{stage}.tokens")
            added = g.add("Add", [tokens, g.add("Relu", [tokens], f"{stage}.mlp")], f"{stage}.two")
            square = g.constant(f"{stage}.square", np.array([0, side, side, wide]))
            here = g.add("Reshape", [added, square], f"{stage}.again")
    pooled = g.add("ReduceMean", [here], "pooled", axes=[1, 2], keepdims=0)
    g.add("MatMul", [pooled, g.constant("head.w", random(9, wide, 10))], "logits")
    return g.build({name: 2 if name == "logits" else 4 - as_tokens for name in outputs})


def imported(folder: Path, model: bytes, **said: object) -> Backbone:
    (folder / "given.onnx").write_bytes(model)
    options = ImportOptions(**{**vars(SAID), **said})
    return import_network(folder / "given.onnx", folder / "net.onnx", options)


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(0, MOST_OTHERS),
    st.sampled_from([8, 14, 16]),
)
@settings(max_examples=100, deadline=None)
def test_a_grid_has_as_many_positions_as_tokens_allow(h: int, w: int, n: int, side: int) -> None:
    grid = token_grid(h * w + n, (h * side, w * side))
    if h * w > 1:
        assert grid is not None
        assert h * w <= grid[0] * grid[1] <= h * w + n
        assert grid[0] * w == grid[1] * h


@pytest.mark.parametrize(
    ("n_tokens", "size", "grid"),
    [(197, 224, (14, 14)), (257, 224, (16, 16)), (261, 224, (16, 16)), (50, 224, (7, 7)),
     (1370, 518, (37, 37)), (1000, 224, None)],
)  # fmt: skip
def test_the_usual_transformers(n_tokens: int, size: int, grid: tuple[int, int] | None) -> None:
    assert token_grid(n_tokens, (size, size)) == grid


def test_views_of_tokens() -> None:
    values = np.arange(2 * 14 * 3, dtype=np.float32).reshape(2, 14, 3)
    found = view(values, ":map", "x:map", (24, 32))
    assert found.shape == (2, 3, 3, 4)
    np.testing.assert_array_equal(found[1, :, 2, 1], values[1, 2 + 2 * 4 + 1])
    np.testing.assert_array_equal(view(values, ":class", "x:class", (24, 32)), values[:, 0])
    with pytest.raises(InputError, match="'x:map': 3 x 5 x 4 are no tokens"):
        view(np.zeros((1, 3, 5, 4), np.float32), ":map", "x:map", (24, 32))
    with pytest.raises(InputError, match=r"there is no class token\. Use x:map@2"):
        view(values[:, 2:], ":class", "x:class", (24, 32))


def test_a_convolutional_network_is_cut_where_its_stages_end(tmp_path: Path) -> None:
    backbone = imported(tmp_path, convolutional())
    assert backbone.layers == (*(f"stage{i}.1.relu" for i in range(5)), "logits")
    found = default_layers(backbone)
    assert found.whole == "stage1.1.relu@7+stage4.1.relu@2"
    assert found.patches == "stage2.1.relu+stage3.1.relu"


def test_layers_that_were_named_are_kept(tmp_path: Path) -> None:
    named = ("stage2.0.relu", "stage4.1.relu", "logits")
    backbone = imported(tmp_path, convolutional(named))
    assert backbone.layers == named
    assert default_layers(backbone).patches == "stage2.0.relu+stage4.1.relu"
    again = imported(tmp_path, convolutional(), layers=("stage1.0.relu",))
    assert again.layers == ("stage1.0.relu",)
    assert default_layers(again).whole == "stage1.0.relu@4"


@pytest.mark.parametrize("n_others", [0, 1, 5])
def test_a_transformer_is_cut_behind_blocks(n_others: int, tmp_path: Path) -> None:
    backbone = imported(tmp_path, transformer(n_others))
    ends = ("1.two", "3.two", "5.two", "7.two")
    assert backbone.layers == (*ends, "logits")
    found = default_layers(backbone)
    assert found.patches == "3.two:map+5.two:map"
    assert found.whole == ("7.two:class" if n_others else "7.two:map@2")


@pytest.mark.parametrize(("as_tokens", "end"), [(False, "block"), (True, "two")])
def test_a_transformer_that_merges_has_stages(as_tokens: bool, end: str, tmp_path: Path) -> None:
    backbone = imported(tmp_path, merging(as_tokens))
    assert backbone.layers == (*(f"{stage}.{end}" for stage in range(4)), "logits")
    found = default_layers(backbone)
    assert found.patches == f"1.{end}:map+2.{end}:map"
    assert found.whole == f"0.{end}:map@7+3.{end}:map@2"


def test_channels_that_come_last_are_put_first(tmp_path: Path) -> None:
    backbone = imported(tmp_path, merging(as_tokens=False))
    image = np.random.default_rng(0).normal(size=(2, 3, SIZE, SIZE)).astype(np.float32)
    plain, grid = backbone.session(["1.block", "1.block:map"])(image)
    assert (plain.shape, grid.shape) == ((2, 12, 12, 24), (2, 24, 12, 12))
    np.testing.assert_array_equal(grid[1, :, 4, 5], plain[1, 4, 5])
    images = stripes(24, seed=1, side=SIZE)
    for layer in ("1.block", "1.block@2", "2.block:map+1.block"):
        with pytest.raises(InputError, match=r"channels come last.*1\.block:map"):
            Detector(backbone=backbone, rows="patches", layer=layer).fit(images)


@pytest.mark.parametrize(
    ("shape", "size", "last"),
    [((56, 56, 96), (224, 224), True), ((7, 7, 768), (224, 224), True),
     ((112, 14, 14), (224, 224), False), ((14, 14, 14), (224, 224), False),
     ((256, 13, 13), (224, 224), False), ((12, 8, 32), (96, 64), True),
     ((1, 1, 32), (64, 64), False), ((49, 96), (224, 224), False)],
)  # fmt: skip
def test_where_channels_are(shape: tuple[int, ...], size: tuple[int, int], last: bool) -> None:
    assert channels_last(shape, size) == last


def test_both_views_of_one_layer(tmp_path: Path) -> None:
    backbone = imported(tmp_path, transformer(1))
    image = np.random.default_rng(0).normal(size=(3, 3, SIZE, SIZE)).astype(np.float32)
    tokens, grid, first = backbone.session(["3.two", "3.two:map", "3.two:class"])(image)
    assert (tokens.shape, grid.shape) == ((3, 37, WIDTH), (3, WIDTH, 6, 6))
    np.testing.assert_array_equal(grid[2, :, 4, 5], tokens[2, 1 + 4 * 6 + 5])
    np.testing.assert_array_equal(first, tokens[:, 0])
    with pytest.raises(InputError, match="no such layer"):
        backbone.session(["nothing:map"])


@pytest.mark.parametrize("kind", ["convolutional", "transformer", "merging"])
@pytest.mark.parametrize("rows", ["image", "patches", "both"])
def test_fits_without_a_layer(kind: str, rows: str, tmp_path: Path) -> None:
    made = {"convolutional": convolutional, "transformer": lambda: transformer(1)}
    imported(tmp_path, made.get(kind, lambda: merging(as_tokens=True))())
    images = stripes(24, seed=1, side=SIZE)
    detector = Detector(backbone=tmp_path / "net.onnx", rows=rows, n_halfspaces=20).fit(images)
    detector.save(tmp_path / "m.oneclass")
    loaded = load(tmp_path / "m.oneclass")
    new = stripes(5, seed=2, side=SIZE)
    np.testing.assert_array_equal(loaded.score(new).scores, detector.score(new).scores)
    if rows == "both":
        whole = detector.card["representation"]["whole"]["kind"]
        varied = "pretrained_layers" if kind == "transformer" else "means_and_deviations"
        assert whole == varied, "a class token is no map"
    if rows != "image":
        size = 224 if kind == "convolutional" else SIZE
        assert detector.card["representation"]["preprocessing"]["size"] == [size, size]
        for one in detector.explain(new):
            assert isinstance(one, Explanation)
            sides = {"convolutional": 28, "transformer": 6, "merging": 12}[kind]
            assert one.anomaly_map.shape == (sides, sides)
    if kind != "convolutional":
        with pytest.raises(InputError, match="cannot keep views of tokens"):
            onnx_model(detector)


def test_a_network_without_a_map_is_for_whole_images(tmp_path: Path) -> None:
    g = Graph(3)
    flat = g.add("Flatten", [g.add("GlobalAveragePool", [INPUT], "pool4")], "pool")
    weights = g.constant("w", np.abs(random(0, 3, 4)))
    g.add("MatMul", [flat, weights], "logits")
    backbone = imported(tmp_path, g.build({"logits": 2}), mean=(0.0,) * 3)
    assert backbone.layers == ("logits",)
    colours = np.random.default_rng(0).integers(50, 250, (24, 1, 1, 3), np.uint8)
    images = list(np.tile(colours, (1, 300, 300, 1)))
    detector = Detector(backbone=backbone).fit(images)
    assert detector.card["representation"]["kind"] == "pretrained_layers"
    with pytest.raises(InputError, match="names no layer with a map"):
        Detector(backbone=backbone, rows="patches").fit(images)
