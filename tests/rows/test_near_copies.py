"""Copies of a picture are told from other pictures by how far apart pictures lie."""

from __future__ import annotations

import io
import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageFilter
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import cdist

from oneclass.rows import ArrayRows
from oneclass.rows import near_copies as near

Floats = NDArray[np.float32]


def unit(rows: NDArray[np.floating]) -> Floats:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def pictures(n: int, seed: int, d: int = 60) -> Floats:
    """(n, d) rows as spread out as those of photographs: round a common mean."""
    random = np.random.default_rng(seed)
    return unit(1 + random.normal(0, 1, (n, d)))


def groups_of(rows: Floats) -> NDArray[np.int64]:
    return near.near_copies(ArrayRows(rows), np.arange(len(rows)))


def same_parts(a: NDArray[np.int64], b: NDArray[np.int64]) -> bool:
    return bool(((a[:, None] == a) == (b[:, None] == b)).all())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("n", "copies"), [(34, 6), (20, 2), (100, 3)])
def test_multiplied_pictures_are_found(n: int, copies: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    true = random.permutation(np.repeat(np.arange(n), copies))
    rows = unit(pictures(n, seed)[true] + random.normal(0, 0.01, (n * copies, 60)))
    assert same_parts(groups_of(rows), true)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [20, 34, 300])
@pytest.mark.parametrize("d", [8, 60, 700])
def test_different_pictures_stay_apart(n: int, d: int, seed: int) -> None:
    found = groups_of(pictures(n, seed, d))
    assert len(np.unique(found)) >= (n if d > 8 else 0.9 * n)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("copied", [1, 3, 10])
@pytest.mark.parametrize("altered", [0.1, 0.2])
def test_a_few_copies_are_found(altered: float, copied: int, seed: int) -> None:
    """Too few of them for a hill: a gap parts them."""
    random = np.random.default_rng(seed)
    true = random.permutation([*range(40), *range(copied)])
    rows = pictures(40, seed)[true]
    rows = unit(rows + altered * random.normal(0, 60**-0.5, rows.shape) * 2**-0.5)
    assert same_parts(groups_of(rows), true)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("others", [2, 3, 4])
def test_a_few_of_another_kind_are_no_copies(others: int, seed: int) -> None:
    """They lie near each other beside how far all others are, as copies do."""
    random = np.random.default_rng(seed)
    mean = np.full((40 + others, 60), 4.0)
    mean[40:, ::2] *= -1
    found = groups_of(unit(mean + random.normal(0, 1, mean.shape)))
    assert found.max() == 39 + others


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("altered", [0.1, 0.3, 0.45])
def test_exposures_of_one_part_are_found(altered: float, seed: int) -> None:
    """Up to about half as far from each other as the parts are."""
    random = np.random.default_rng(seed)
    true = random.permutation(np.repeat(np.arange(60), random.integers(1, 6, 60)))
    every = pictures(60, seed, 300)[true]
    others = altered * unit(random.normal(0, 1, every.shape))
    assert same_parts(
        groups_of(unit(every + others / np.sqrt(2))), np.unique(true, return_inverse=True)[1]
    )


@pytest.mark.parametrize("seed", range(5))
def test_altered_copies_of_a_few_do_not_make_the_others_copies(seed: int) -> None:
    random = np.random.default_rng(seed)
    true = np.concatenate([np.repeat(np.arange(14), 3), np.arange(14, 70)])
    shift = random.uniform(0.02, 0.3, len(true))[:, None]
    rows = pictures(70, seed, 300)[true]
    assert same_parts(groups_of(unit(rows + shift * unit(random.normal(0, 1, rows.shape)))), true)


@pytest.mark.parametrize("seed", range(5))
def test_a_smooth_kind_beside_a_rough_one_is_many_pictures(seed: int) -> None:
    random = np.random.default_rng(seed)
    smooth = unit(unit(random.normal(0, 1, (1, 300))) + 0.2 * unit(random.normal(0, 1, (100, 300))))
    rows = np.concatenate([smooth, pictures(100, 100 + seed, 300)])
    assert len(np.unique(groups_of(rows))) == 200


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n", [18, 60])
def test_pictures_that_are_alike_but_for_a_few_are_no_copies(n: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    alike = unit(np.ones((n, 300)) + 0.02 * random.normal(0, 1, (n, 300)))
    rows = np.concatenate([alike, pictures(n // 9, 100 + seed, 300)])
    assert len(np.unique(groups_of(rows))) == len(rows)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("others", [5, 8, 10])
@pytest.mark.parametrize("apart", [2, 6])
def test_ten_of_another_smoother_kind_are_no_copies(apart: int, others: int, seed: int) -> None:
    """They have others around them, as copies do, and as many as make a hill with a valley."""
    random = np.random.default_rng(seed)
    mean = np.full((50 + others, 60), float(apart))
    mean[50:, ::2] *= -1
    spread = np.where(np.arange(50 + others) < 50, 1.0, 0.7)[:, None]
    found = groups_of(unit(mean + spread * random.normal(0, 1, mean.shape)))
    assert found.max() == 49 + others


@pytest.mark.parametrize("seed", range(5))
def test_ten_copies_with_a_valley_are_found(seed: int) -> None:
    random = np.random.default_rng(seed)
    true = random.permutation([*range(50), *range(10)])
    rows = pictures(50, seed, 300)[true]
    rows = unit(rows + 0.3 * unit(random.normal(0, 1, rows.shape)))
    assert same_parts(groups_of(rows), true)


def test_one_pair_among_many_is_found_and_nothing_else() -> None:
    rows = pictures(200, 1)
    rows[77] = unit(rows[13] + 0.01 * pictures(1, 2)[0])
    true = np.arange(200)
    true[77] = 13
    assert same_parts(groups_of(rows), true)


def test_numbers_run_in_the_order_of_the_images_and_copies_share_theirs() -> None:
    rows = np.repeat(pictures(40, 3), 2, axis=0)
    rows[1::4] += 0.002 * pictures(20, 4)
    contents = np.arange(80)
    found = near.near_copies(ArrayRows(unit(rows)), contents)
    assert found.tolist() == np.repeat(np.arange(40), 2).tolist()
    exact = np.repeat(np.arange(40), 2)
    assert near.near_copies(ArrayRows(np.repeat(pictures(40, 3), 2, axis=0)), exact).tolist() == (
        exact.tolist()
    ), "copies of all pictures do not make different pictures near"


def test_a_few_images_and_images_all_alike_are_left_as_they_are() -> None:
    assert groups_of(np.repeat(pictures(1, 0), 5, axis=0)).tolist() == [0, 1, 2, 3, 4]
    alike = unit(np.ones((30, 60)) + 1e-9 * pictures(30, 0))
    assert len(groups_of(alike)) == 30
    assert groups_of(alike).max() >= 1, "a fit needs two"


@pytest.mark.parametrize("size", [40, 512, 700, 1024, 70_001])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_columns_are_summed_by_their_signs_at_unit_length(size: int, dtype: type) -> None:
    rows = np.random.default_rng(size).standard_normal((3, size)).astype(dtype)
    wide = rows.astype(np.float64)
    wide /= np.linalg.norm(wide, axis=1)[:, None]
    signs = near._signs(size)
    assert set(signs) == ({1} if size <= near.WIDTH else {-1, 1})
    expected = np.zeros((3, min(size, near.WIDTH)))
    for column in range(size):
        expected[:, column % near.WIDTH] += signs[column] * wide[:, column]
    found = near.folded(ArrayRows(rows), np.arange(3))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_positions_and_wide_rows_are_folded_and_distances_stay() -> None:
    rows = pictures(50, 5, d=4000)
    folded = near.folded(ArrayRows(rows), np.arange(0, 50, 2))
    assert folded.shape == (25, near.WIDTH)
    true, kept = cdist(rows[::2], rows[::2]), cdist(folded, folded)
    off = ~np.eye(25, dtype=bool)
    assert np.abs(kept[off] / true[off] - 1).max() < 0.25
    patches = near.folded(ArrayRows(rows.reshape(50, 40, 100)), np.arange(0, 50, 2))
    np.testing.assert_allclose(patches, folded, atol=1e-6)


@pytest.mark.parametrize("seed", range(4))
def test_the_tree_is_the_shortest(seed: int) -> None:
    rows = pictures(60, seed).astype(np.float64)
    far = near.distances(rows)
    np.testing.assert_allclose(far, cdist(rows, rows), atol=1e-5)
    a, b, length = near.tree(far)
    oracle = minimum_spanning_tree(cdist(rows, rows))
    assert length.sum() == pytest.approx(oracle.sum(), rel=1e-5)
    np.testing.assert_allclose(length, np.linalg.norm(rows[a] - rows[b], axis=1), atol=1e-5)
    assert len({0, *b.tolist()}) == 60


def test_many_rows_are_compared_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    true = random.permutation(np.repeat(np.arange(100), 4))
    rows = unit(pictures(100, 0)[true] + random.normal(0, 0.003, (400, 60)))
    monkeypatch.setattr(near, "SLICE", 100)
    found = groups_of(rows)
    together = (found[:, None] == found) & ~np.eye(400, dtype=bool)
    really = (true[:, None] == true) & ~np.eye(400, dtype=bool)
    assert not (together & ~really).any()
    assert (together & really).sum() > 0.9 * really.sum(), "few copies lie across a border"


def drawn(random: np.random.Generator) -> Image.Image:
    """A picture like no other: soft blobs."""
    small = Image.fromarray(random.integers(0, 256, (9, 9), dtype=np.uint8))
    return small.resize((96, 96), Image.Resampling.BICUBIC).filter(ImageFilter.GaussianBlur(1))


def altered(image: Image.Image) -> list[Image.Image]:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=60)
    return [
        Image.open(file).convert("L"),
        ImageEnhance.Brightness(image).enhance(1.1),
        image.rotate(2, Image.Resampling.BILINEAR).crop((3, 3, 93, 93)).resize((96, 96)),
        image.transform((96, 96), Image.Transform.AFFINE, (1, 0, 1, 0, 1, 1)),
    ]


def test_compressed_brightened_turned_and_shifted_pictures_are_copies() -> None:
    from oneclass.detector.estimator import Detector

    random = np.random.default_rng(0)
    originals = [drawn(random) for _ in range(20)]
    every = [np.asarray(one) for image in originals for one in (image, *altered(image))]
    card = Detector().fit(every).card
    assert card["fit"]["n_images"] == 100
    assert 18 <= card["fit"]["n_pictures"] <= 22
    assert card["calibration"]["n_held_out"] == card["fit"]["n_pictures"]
    assert "near-copies" in " ".join(card["fit"]["warnings"])
    alone = Detector().fit([np.asarray(image) for image in originals]).card
    assert alone["fit"]["n_pictures"] == 20
    assert not alone["fit"]["warnings"]


@pytest.mark.parametrize("d", [near.WIDTH + 1, 1000, 3 * near.WIDTH, 3 * near.WIDTH + 7])
def test_columns_a_width_apart_are_added_up_in_their_order(d: int) -> None:
    rows = np.random.default_rng(d).random((4, d)).astype(np.float32)
    signed = rows / np.linalg.norm(rows, axis=1, keepdims=True) * near._signs(d)
    padded = np.pad(signed, [(0, 0), (0, -d % near.WIDTH)]).reshape(4, -1, near.WIDTH)
    expected = padded[:, 0].copy()
    for more in range(1, padded.shape[1]):
        expected += padded[:, more]
    np.testing.assert_allclose(near.folded(ArrayRows(rows), np.arange(4)), expected, atol=1e-6)


@pytest.mark.parametrize("d", [40, near.WIDTH, 5 * near.WIDTH, 7 * near.WIDTH + 3])
def test_a_row_folded_in_stretches_is_the_row_folded_whole(
    d: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.random.default_rng(d).random((4, d)).astype(np.float32)
    rows[2] = 0
    whole = near.folded(ArrayRows(rows), np.arange(4))
    monkeypatch.setattr(near, "STRETCH", 2 * near.WIDTH)
    monkeypatch.setattr(near, "IN_CACHE", 2 * near.WIDTH)
    near._signs.cache_clear()  # or they are those of the whole row
    np.testing.assert_allclose(near.folded(ArrayRows(rows), np.arange(4)), whole, atol=1e-6)
    near._signs.cache_clear()


def test_folding_a_very_long_row_takes_little_beside_it() -> None:
    rows = ArrayRows(np.ones((1, 8 * near.STRETCH), np.float16))
    near._signs.cache_clear()
    tracemalloc.start()
    near.folded(rows, np.zeros(1, np.int64))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    near._signs.cache_clear()
    assert peak < 3 * rows.n_columns + 10 * near.STRETCH, "the row, a byte a column, a stretch"


@pytest.mark.parametrize("shape", [(30, 3), (30, near.WIDTH), (30, 4, 2 * near.WIDTH + 5)])
def test_halves_are_folded_as_the_numbers_that_they_are(shape: tuple[int, ...]) -> None:
    rows = np.random.default_rng(0).normal(size=shape).astype(np.float16)
    narrow = near.folded(ArrayRows(rows), np.arange(0, 30, 2))
    wide = near.folded(ArrayRows(rows.astype(np.float32)), np.arange(0, 30, 2))
    np.testing.assert_allclose(narrow, wide, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("shared", [4, 8])
def test_exposures_under_other_light_are_found(shared: int, seed: int) -> None:
    """Light moves pictures further than parts differ, but all of them in the same directions."""
    random = np.random.default_rng(seed)
    true = random.permutation(np.repeat(np.arange(60), 3))
    light = np.linalg.qr(random.normal(0, 1, (200, shared)))[0].T
    parts = pictures(60, seed, 200)[true] + random.normal(0, 0.015, (180, 200))
    rows = unit(parts + random.uniform(-0.7, 0.7, (180, shared)) @ light)
    assert len(np.unique(near._pictures(rows, near.LOWEST, near.MANY, near.SURELY))) > 100, (
        "one look is enough"
    )
    found = groups_of(rows)
    same = np.triu(found[:, None] == found, 1)
    really = true[:, None] == true
    assert (same & really).sum() >= 0.9 * np.triu(really, 1).sum()
    assert (same & really).sum() >= 0.9 * same.sum()


@pytest.mark.parametrize("seed", range(5))
def test_light_joins_no_different_pictures(seed: int) -> None:
    random = np.random.default_rng(seed)
    light = np.linalg.qr(random.normal(0, 1, (200, 4)))[0].T
    rows = unit(pictures(200, seed, 200) + random.uniform(-0.7, 0.7, (200, 4)) @ light)
    assert len(np.unique(groups_of(rows))) == 200


@pytest.mark.parametrize("seed", range(5))
def test_shifted_copies_are_found_by_whole_images_beside_positions(seed: int) -> None:
    """A shift moves what is at each position, and hardly how a picture varies as a whole."""
    random = np.random.default_rng(seed)
    true = random.permutation(np.repeat(np.arange(34), 6))
    whole = unit(pictures(34, seed)[true] + random.normal(0, 0.02, (204, 60)))
    positions = unit(pictures(34, 50 + seed, 400)[true] + random.normal(0, 0.05, (204, 400)))
    every = np.arange(204)
    assert len(np.unique(groups_of(positions))) > 150
    both = near.near_copies(ArrayRows(positions), every, ArrayRows(whole))
    assert same_parts(both, true)


@pytest.mark.parametrize("scale", [1e-3, 1.0])
def test_whole_images_count_their_share_however_near_to_each_other_they_are(scale: float) -> None:
    random = np.random.default_rng(0)
    outlines = random.normal(0, 1, (300, 40)).astype(np.float32)
    whole = (5 + scale * random.normal(0, 1, (300, 20))).astype(np.float32)
    both = near._side_by_side(outlines, whole).astype(np.float64)
    spread = [np.var(part, axis=0).sum() for part in (both[:, :40], both[:, 40:])]
    assert spread == pytest.approx([1 - near.WHOLE, near.WHOLE], rel=0.02)
    far = cdist(both, both)
    assert np.corrcoef(far[:, 0], cdist(whole, whole[:1])[:, 0])[0, 1] > 0.1
    assert not near._side_by_side(outlines, np.ones((300, 5), np.float32))[:, 40:].any()
