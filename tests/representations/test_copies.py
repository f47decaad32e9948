"""Representations and images travel: to other processes, and as copies; and altered copies."""

from __future__ import annotations

import copy
import json
import multiprocessing
import pickle
from pathlib import Path

import numpy as np
import pytest

from conftest import stripes, write_images
from oneclass.backbones import DEFAULT, Backbone
from oneclass.backbones.onnx_file import with_metadata
from oneclass.backbones.session import METADATA_KEY
from oneclass.images.scale import choose_scale
from oneclass.images.sources import Sources, gather
from oneclass.representations import (
    Greyscale,
    PatchLayers,
    PretrainedLayers,
    Representation,
    SeparateLayers,
)
from oneclass.representations.copies import ALTERATIONS, AlteredCopies, altered
from oneclass.representations.extraction import Extracted, extract

SCALE = choose_scale("uint8", 0, 255)
LAYERS = [("block_2", 2), ("block_4", None)]


def every_kind() -> list[Representation]:
    network = Backbone.open(DEFAULT)
    kinds = (PretrainedLayers, PatchLayers, SeparateLayers)
    layered = [kind(network, LAYERS, size=(48, 40), jpeg_margin=None) for kind in kinds]
    half = PretrainedLayers(network, LAYERS, row_dtype="float16", threads=1)
    return [Greyscale((20, 30)), *layered, half, AlteredCopies(layered[0], 3)]


def rows_of(representation: Representation, sources: Sources) -> list[bytes]:
    found = extract(sources, representation, SCALE, workers=2)
    return [r.row.tobytes() for r in found if isinstance(r, Extracted)]


def test_another_process_makes_the_same_bits(tmp_path: Path) -> None:
    write_images(tmp_path, stripes(5, seed=1))
    files, arrays = gather(tmp_path), gather(stripes(5, seed=1))
    jobs = [(kind, sources) for kind in every_kind() for sources in (files, arrays)]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        for (kind, sources), there in zip(jobs, pool.starmap(rows_of, jobs), strict=True):
            assert there == rows_of(kind, sources), kind.kind
            assert len(there) == 5


@pytest.mark.parametrize("number", range(6))
def test_a_copy_is_the_same_and_has_a_session_of_its_own(number: int) -> None:
    original = every_kind()[number]
    sources = gather(stripes(3, seed=1))
    for again in (copy.deepcopy(original), pickle.loads(pickle.dumps(original))):
        assert type(again) is type(original)
        assert again.to_json() == original.to_json()
        assert rows_of(again, sources) == rows_of(original, sources)
        if isinstance(original, PretrainedLayers):
            assert again._session is not original._session


def test_an_embedded_network_travels_by_its_name() -> None:
    network = Backbone.open(DEFAULT)
    assert len(pickle.dumps(network)) < 1000
    assert pickle.loads(pickle.dumps(network)) is network
    record = json.dumps({**network.record, "name": "own"})
    other = Backbone(with_metadata(network.model, METADATA_KEY, record), file="own.onnx")
    again = pickle.loads(pickle.dumps(other))
    assert again.spec == other.spec
    assert again.layers == other.layers


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
def test_lists_of_images_travel(how, tmp_path: Path) -> None:
    write_images(tmp_path / "a", stripes(3, seed=1))
    (tmp_path / "a/notes.txt").write_text("not an image")
    for given in (tmp_path, list(stripes(2, seed=1)), [tmp_path, tmp_path / "missing.png"]):
        sources = gather(given)
        again = how(sources)
        assert list(again.names) == list(sources.names)
        assert again.ignored == sources.ignored
        assert [str(e) for e in again.errors] == [str(e) for e in sources.errors]
        for i in range(len(sources)):
            np.testing.assert_array_equal(again.pixels(i), sources.pixels(i))
            assert again.key(i) == sources.key(i)


def test_rows_of_altered_copies_are_those_of_the_altered_images() -> None:
    layers = PretrainedLayers(Backbone.open(DEFAULT), LAYERS, size=(32, 32))
    images = stripes(3, seed=1)
    maker = AlteredCopies(layers, seed=4)
    found = list(extract(gather(images), maker, SCALE, workers=2))
    for image, result in zip(images, found, strict=True):
        assert isinstance(result, Extracted)
        random = np.random.default_rng([4, *result.digest])
        copies = altered(layers.prepare(image, SCALE), random)
        expected = layers.rows([copies[kind] for kind in ALTERATIONS])
        np.testing.assert_array_equal(result.row, expected)
