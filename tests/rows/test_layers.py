"""Layers as a value: text and records there and back, and their columns out of a wider row."""

from __future__ import annotations

import copy
import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneclass import InputError
from oneclass.rows.layers import Layer, Layers, SideBySide, join

NAMES = st.text(st.characters(exclude_characters="+@", min_codepoint=33), min_size=1, max_size=9)
SOME = st.lists(
    st.tuples(NAMES, st.none() | st.integers(1, 99)),
    min_size=1,
    max_size=4,
    unique_by=lambda p: p[0],
).map(Layers)


@given(SOME)
def test_texts_and_records_lead_back_to_the_same_layers(layers: Layers) -> None:
    assert Layers.parse(str(layers), set(layers.names).__contains__) == layers
    assert Layers.from_json(json.loads(json.dumps(layers.to_json()))) == layers
    for again in (pickle.loads(pickle.dumps(layers)), copy.deepcopy(layers)):
        assert again == layers
        assert type(again) is Layers
        assert str(again) == str(layers)


def test_the_text_is_what_the_option_takes() -> None:
    layers = Layers([("block_2", 7), ("pool", None)])
    assert str(layers) == "block_2@7+pool"
    assert str(layers[0]) == f"{layers[0]}" == "block_2@7"
    assert layers.to_json() == [{"name": "block_2", "grid": 7}, {"name": "pool", "grid": None}]
    assert Layers.parse("pool@2+a", {"pool@2+a"}.__contains__) == Layers([("pool@2+a", None)])


@pytest.mark.parametrize("record", [[{"name": "a"}], [{"grid": 1}], [3]])
def test_records_that_make_no_sense_are_refused(record: list) -> None:
    with pytest.raises((KeyError, TypeError)):
        Layers.from_json(record)


def by_hand(parts: list[np.ndarray]) -> np.ndarray:
    """One row, from each layer's values: in float64, as the docstring says."""
    lengths = [math.sqrt(float((part.astype(float) ** 2).sum())) for part in parts]
    if 0 in lengths:
        return np.zeros(sum(map(len, parts)))
    units = [part / length for part, length in zip(parts, lengths, strict=True)]
    return np.concatenate(units) / math.sqrt(len(parts))


@given(st.integers(0, 2**32), st.lists(st.integers(1, 30), min_size=1, max_size=4), st.data())
def test_a_layer_is_taken_out_as_if_it_had_been_made_alone(
    seed: int, widths: list[int], data: st.DataObject
) -> None:
    random = np.random.default_rng(seed)
    parts = [random.normal(size=(6, width)).astype(np.float32) for width in widths]
    for part in parts:  # some images have layers without any life
        part[random.random(6) < 0.3] = 0
    layers = Layers([(f"layer_{i}", None) for i in range(len(widths))])
    every = SideBySide(layers, tuple(widths))
    chosen = data.draw(st.permutations(range(len(widths))))[
        : data.draw(st.integers(1, len(widths)))
    ]
    taken = every.take(np.concatenate(parts, axis=1), [layers[i] for i in chosen])
    alone = join([parts[i] for i in chosen])
    np.testing.assert_array_equal(taken, alone)
    for row, own in zip(taken, zip(*(parts[i] for i in chosen), strict=True), strict=True):
        np.testing.assert_allclose(row, by_hand(list(own)), atol=1e-6)


def test_a_dead_layer_takes_no_other_layers_row_along() -> None:
    layers = Layers([("dead", None), ("alive", None)])
    values = np.array([[0, 0, 3, 4]], np.float32)
    rows = SideBySide(layers, (2, 2))
    np.testing.assert_allclose(rows.take(values, [Layer("alive")]), [[0.6, 0.8]])
    assert not rows.take(values, [Layer("dead")]).any()
    assert not rows.take(values, layers).any()


def test_layers_that_are_not_there_cannot_be_taken() -> None:
    with pytest.raises(KeyError):
        SideBySide(Layers([("a", 2)]), (3,)).take(np.ones((1, 3), np.float32), [Layer("a")])


@pytest.mark.parametrize("text", ["a@", "@2", "a@x", "a+"])
def test_texts_without_a_name_or_with_half_a_grid_are_refused(text: str) -> None:
    with pytest.raises(InputError):
        Layers.parse(text, {"a"}.__contains__)
