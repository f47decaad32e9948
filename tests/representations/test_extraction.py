"""The way from files to rows: the same bits however the work is shared out, and bounded."""

from __future__ import annotations

import threading
import time
from itertools import groupby
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import stripes, write_images
from damage import write_damaged
from oneclass.backbones import DEFAULT, Backbone
from oneclass.errors import ImageError
from oneclass.images.scale import choose_scale
from oneclass.images.sources import gather
from oneclass.representations import (
    Greyscale,
    PatchLayers,
    PretrainedLayers,
    Representation,
    extraction,
)
from oneclass.representations.extraction import (
    Extracted,
    _any,
    _finite,
    extract,
    extract_and,
    open_store,
)
from oneclass.system.host.workers import AHEAD

SCALE = choose_scale("uint8", 0, 255)
BACKBONE = Backbone.open(DEFAULT)
LAYERS = [("block_2", 2), ("block_4", None)]


def make(kind: str) -> Representation:
    if kind == "greyscale":
        return Greyscale((20, 30))
    layers = PretrainedLayers if kind == "image" else PatchLayers
    return layers(BACKBONE, LAYERS, size=(48, 40))


def results(
    folder: Path, representation: Representation, workers: int, **more: object
) -> list[tuple[bytes, bytes] | str]:
    found = extract(gather(folder), representation, SCALE, workers=workers, **more)
    return [r.reason if isinstance(r, ImageError) else (r.row.tobytes(), r.digest) for r in found]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """27 images of which 4 cannot be used."""
    write_images(tmp_path / "mixed", stripes(23, seed=1))
    write_damaged(tmp_path / "mixed", 4)
    return tmp_path / "mixed"


@pytest.mark.parametrize("kind", ["greyscale", "image", "patches"])
def test_the_same_bits_whatever_the_chunks_the_workers_and_the_cache(
    kind: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    representation = make(kind)
    expected = results(folder, representation, 1)
    assert len({r for r in expected if not isinstance(r, str)}) == 23
    assert sum(isinstance(r, str) for r in expected) == len(expected) - 23 > 0
    for together, in_turn in ((1, 1), (1, 3), (1, 8), (2, 8), (5, 8), (64, 8)):
        monkeypatch.setattr(representation, "together", together)
        monkeypatch.setattr(extraction, "IN_TURN", in_turn)
        for workers in (1, 3):
            assert results(folder, representation, workers) == expected
        store = open_store(tmp_path / f"cache{together}-{in_turn}", representation, SCALE)
        half = gather(sorted(folder.iterdir())[::2])
        list(extract(half, representation, SCALE, workers=2, store=store))
        for _ in range(2):
            assert results(folder, representation, 2, store=store) == expected


def test_rows_of_any_batch_have_the_same_bits() -> None:
    layer = make("image")
    planes = np.stack([layer.prepare(image, SCALE) for image in stripes(9, seed=1)])
    alone = np.concatenate([layer.rows(planes[i : i + 1]) for i in range(9)])
    np.testing.assert_array_equal(layer.rows(planes), alone)
    np.testing.assert_array_equal(layer.rows(list(planes)), alone)


def test_readers_stay_a_bounded_way_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    sources = gather(stripes(300, seed=1))
    read: list[int] = []
    real = type(sources).pixels
    monkeypatch.setattr(type(sources), "pixels", lambda self, i, least: read.append(i) or real(self, i))  # fmt: skip  # noqa: E501
    stream = extract(sources, Greyscale((4, 4)), SCALE, workers=2)
    for taken in range(1, 30):
        next(stream)
        time.sleep(0.002)
        assert len(read) <= taken + (2 * AHEAD + 1) * extraction.IN_TURN
    stream.close()


@pytest.mark.parametrize(("n", "workers", "expected"), [(40, 1, 8), (20, 1, 5), (40, 3, 3)])
def test_a_few_images_go_through_a_stage_before_the_next(
    n: int, workers: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And where there are too few for that, they are shared out among the workers."""
    layer = make("patches")
    seen: dict[int, list[str]] = {}

    def note(stage: str) -> None:
        real = getattr(layer, stage)

        def noted(*given: object) -> object:
            seen.setdefault(threading.get_ident(), []).append(stage)
            return real(*given)

        monkeypatch.setattr(layer, stage, noted)

    stages = ("prepare", "compute", "rows_of")
    for stage in stages:
        note(stage)
    assert len(list(extract(gather(stripes(n, seed=1)), layer, SCALE, workers=workers))) == n
    runs = {(stage, len(list(run))) for done in seen.values() for stage, run in groupby(done)}
    for stage in stages:
        assert max(length for one, length in runs if one == stage) == expected
    assert sum(map(len, seen.values())) == 3 * n


def test_images_that_fill_a_cache_go_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    layer, seen = make("patches"), list[int]()
    real = layer.compute
    monkeypatch.setattr(layer, "compute", lambda batch: seen.append(len(batch)) or real(batch))
    monkeypatch.setattr(extraction, "IN_TURN_BYTES", layer.nbytes)
    monkeypatch.setattr(layer, "together", 4)
    list(extract(gather(stripes(16, seed=1)), layer, SCALE, workers=1))
    assert seen == [4] * 4


def test_images_are_prepared_in_a_few_rooms_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    rooms: set[int] = set()
    real = Greyscale.prepare

    def prepare(self: Greyscale, pixels: NDArray, scale: object, out: NDArray) -> NDArray:
        rooms.add(out.__array_interface__["data"][0])
        return real(self, pixels, scale, out)

    monkeypatch.setattr(Greyscale, "prepare", prepare)
    found = list(extract(gather(stripes(200, seed=1)), Greyscale((4, 4)), SCALE, workers=3))
    assert len({r.row.tobytes() for r in found if isinstance(r, Extracted)}) == 200
    assert len(rooms) <= 3 * extraction.IN_TURN


@pytest.mark.parametrize("room", [1, 3 << 20, 7 << 20, 1 << 30])
@pytest.mark.parametrize("workers", [1, 3])
def test_what_all_workers_hold_stays_within_its_room(
    room: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many images together as there is room for, each prepared and as rows; at least one."""
    layer, held = make("patches"), []
    monkeypatch.setattr(layer, "together", 16)
    monkeypatch.setattr(extraction, "WORKING_BYTES", room)
    compute = layer.compute

    def noted(batch: NDArray) -> list[NDArray]:
        computed = compute(batch)
        held.append((len(batch), batch.nbytes + layer.rows_of(computed).nbytes))
        return computed

    monkeypatch.setattr(layer, "compute", noted)
    assert len(list(extract(gather(stripes(40, seed=1)), layer, SCALE, workers=workers))) == 40
    together = max(n for n, _ in held)
    for n, size in held:
        assert n == 1 or size * workers * AHEAD <= room
    one = next(size / n for n, size in held)
    assert together == 16 or (together + 1) * one * workers * AHEAD > room
    assert together == (1 if room == 1 else 16 if room == 1 << 30 else together)


def test_what_a_worker_raises_arrives_and_no_thread_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    grey = Greyscale((4, 4))
    monkeypatch.setattr(grey, "prepare", lambda *_: 1 / 0)
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError):
        list(extract(gather(stripes(30, seed=1)), grey, SCALE, workers=2))
    assert threading.active_count() == before


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 65504.0, -0.0, 6e-8])
@pytest.mark.parametrize("place", [0, 1500, 2999])
def test_what_is_not_finite_or_all_zero_is_seen_anywhere(
    dtype: type[np.floating], value: float, place: int
) -> None:
    row = np.zeros((1500, 2), dtype)
    assert _finite(row)
    assert not _any(row)
    row.reshape(-1)[place] = value
    assert _finite(row) == np.isfinite(value)
    assert _finite(row.T) == np.isfinite(value)
    assert _any(row) == (value != 0)


@pytest.mark.parametrize("workers", [1, 3])
def test_what_is_made_of_rows_comes_in_order_and_a_glance_sees_the_pixels(workers: int) -> None:
    images = stripes(9, seed=3)
    sources, grey = gather(images), Greyscale((8, 8))
    rows = [r.row for r in extract(sources, grey, SCALE, workers=workers)]  # type: ignore[union-attr]
    made = extract_and(
        lambda image: (image.index, image.row.tobytes(), image.glance),
        sources,
        grey,
        SCALE,
        workers=workers,
        glance=lambda pixels: pixels.sum(),
    )
    expected = [(i, row.tobytes(), images[i].sum()) for i, row in enumerate(rows)]
    assert list(made) == expected


def test_a_digest_that_nobody_wants_is_made_for_the_store_alone(tmp_path: Path) -> None:
    images, layer = stripes(5, seed=1), make("greyscale")

    def digests(**more: object) -> list[bytes]:
        found = extract_and(lambda r: r.digest, gather(images), layer, SCALE, workers=1, **more)
        return [digest for digest in found if isinstance(digest, bytes)]

    wanted = digests()
    assert len(set(wanted)) == 5
    assert digests(digests=False) == [b""] * 5
    store = open_store(tmp_path / "cache", layer, SCALE)
    assert digests(digests=False, store=store) == wanted
    assert digests(store=store) == wanted
    assert digests(digests=False, store=store) == wanted
