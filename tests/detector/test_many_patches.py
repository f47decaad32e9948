"""Patches of more images than there is room for: the same model in any order and by updates."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import stripes
from oneclass import Detector, InputError, load
from oneclass.detector.files.training_rows import (
    RowCollector,
    TrainingRows,
    kept_bytes,
    rows_file,
)
from oneclass.rows import samples, scratch
from oneclass.rows.samples import Layout
from oneclass.statistics import auroc

SMALL = {"size": (64, 64), "layer": "block_2+block_4", "n_halfspaces": 20, "threads": 1}
KINDS = pytest.mark.parametrize("rows", ["patches", "both"])
PATCHES, DEPTH = 16 * 16, 24 + 40
WHOLE = 14  # of these images all patches fit


@pytest.fixture(autouse=True)
def little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "WHOLE_BYTES", WHOLE * (PATCHES * DEPTH + 2160) * 2)
    monkeypatch.setattr(samples, "FEWEST_WHOLE", 5)
    monkeypatch.setattr(samples, "SAMPLE_BYTES", 40 * 32 * DEPTH * 2)


def saved(detector: Detector, file: Path) -> bytes:
    detector.save(file)
    return file.read_bytes()


def training_of(detector: Detector) -> TrainingRows:
    training = detector._require_fit().with_rows().training
    assert training is not None
    return training


def scratched(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    marked = images.copy()
    marked[:, 10:14, 8:20] = 255
    return marked


@KINDS
def test_order_and_threads_change_nothing(rows: str, tmp_path: Path) -> None:
    images = stripes(40, seed=1, side=48)
    once = Detector(**{**SMALL, "rows": rows}).fit(images)
    shuffled = np.random.default_rng(0).permutation(images)
    again = Detector(**{**SMALL, "rows": rows, "threads": 3}).fit(shuffled)
    assert saved(once, tmp_path / "a") == saved(again, tmp_path / "b")
    training = training_of(once)
    assert training.thin is not None
    assert len(training.digests) == training.thin.n_rows == 40
    scored = once.model.calibration.n_held_out
    assert scored in (WHOLE, WHOLE + 1)
    assert once.card["calibration"]["n_held_out"] == scored
    assert once.card["fit"]["n_images"] == 40


@KINDS
def test_defects_are_found_from_the_sample(rows: str) -> None:
    detector = Detector(**{**SMALL, "rows": rows}).fit(stripes(40, seed=1, side=48))
    normal = detector.score(stripes(60, seed=5, side=48))
    odd = detector.score(scratched(stripes(30, seed=6, side=48)))
    assert auroc(normal.scores, odd.scores) > 0.95
    assert sum(p.is_anomaly for p in normal) <= 9


@KINDS
def test_updates_are_fresh_fits_across_the_border(rows: str, tmp_path: Path) -> None:
    """From images that all fit to more than fit and back, forgetting on the way."""
    images, given = stripes(50, seed=1, side=48), {**SMALL, "rows": rows}
    Detector(**given).fit(images[:12]).save(tmp_path / "m", rows=True)
    steps = [(range(12, 40), range(2)), (range(40, 50), range(2, 6)), ((), range(6, 10))]
    known = set(range(12))
    for step, (more, fewer) in enumerate(steps):
        detector = load(tmp_path / "m")
        did = detector.update(images[list(more)], forget=images[list(fewer)])
        assert (did.added, did.forgotten) == (len(more), len(fewer))
        known = (known | set(more)) - set(fewer)
        fresh = Detector(**given).fit(images[sorted(known)])
        assert saved(detector, tmp_path / "a") == saved(fresh, tmp_path / "b"), step
        detector.save(tmp_path / "m", rows=True)
    few = sorted(known)[:11]
    detector.update(forget=images[sorted(known)[11:]])
    assert detector.card["fit"]["n_images"] == len(few)
    assert detector.update(stripes(2, seed=9, side=48)).added == 2
    assert detector.card["fit"]["n_images"] == len(few) + 2
    training = training_of(detector)
    assert training.rows.n_rows == len(few) + 2 or training.thin is not None
    assert np.isfinite(detector.score(images[:3]).scores).all()


@KINDS
def test_images_known_already_change_nothing(rows: str, tmp_path: Path) -> None:
    images = stripes(40, seed=1, side=48)
    detector = Detector(**{**SMALL, "rows": rows}).fit(images)
    before = saved(detector, tmp_path / "a")
    did = detector.update(images[::3])
    assert (did.added, did.known) == (0, 14)
    assert saved(detector, tmp_path / "a") == before


def test_a_rate_that_the_images_kept_whole_do_not_support_is_refused() -> None:
    with pytest.raises(InputError, match=r"of 40 normal images 1\d can be scored.*higher rate"):
        Detector(**SMALL, rows="patches", false_alarms=0.03).fit(stripes(40, seed=1, side=48))


def test_rows_beside_the_model_are_bounded(tmp_path: Path) -> None:
    sizes = []
    for n in (40, 120):
        Detector(**SMALL, rows="patches").fit(stripes(n, seed=1, side=48)).save(
            tmp_path / "m", rows=True
        )
        sizes.append(rows_file(tmp_path / "m").stat().st_size)
    thin = (512 + 64 * DEPTH) * 2 + 32
    assert sizes[1] - sizes[0] < 80 * thin
    assert sizes[1] < 20 * PATCHES * DEPTH * 2 + 120 * thin + 10_000


@pytest.mark.parametrize("seed", range(5))
def test_the_images_kept_whole_are_those_with_the_smallest_digests(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout, random = Layout(0, 30, 5), np.random.default_rng(seed)
    monkeypatch.setattr(samples, "WHOLE_BYTES", 6 * 150 * 2)
    digests = [random.bytes(32) for _ in range(50)]
    digests[10:14] = digests[3:7]  # copies
    rows = {d: random.normal(1, 1, (30, 5)).astype(np.float16) for d in digests}
    collected = RowCollector(60, (30, 5), np.dtype(np.float16), layout)
    for digest in random.permutation(np.array(digests, object)):
        collected.add(digest, rows[digest])
    training, order = collected.finish()
    assert [collected.digests[i] for i in order] == list(training.digests) == sorted(digests)
    assert training.rows.n_rows == 8  # of 6 that are used, and two more to forget
    expected = np.stack([rows[d] for d in sorted(digests)])
    np.testing.assert_array_equal(training.rows.take(range(8)), expected[:8])
    assert training.views(layout).scored.n_rows == 6
    assert training.thin is not None
    quota = layout.quota_of(training.thin.n_columns)
    thin = [layout.thin(rows[d], d, quota) for d in sorted(digests)]
    np.testing.assert_array_equal(training.thin.take(range(50)), np.stack(thin))


def test_memory_does_not_grow_with_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """2 MB of patches an image, 4 MB in memory: the peak is the same for three times as many."""
    layout = Layout(0, 10_000, 100)
    monkeypatch.setattr(samples, "WHOLE_BYTES", 20 << 20)
    monkeypatch.setattr(scratch, "IN_MEMORY_BYTES", 1 << 20)
    random, peaks = np.random.default_rng(0), []
    some = random.normal(1, 1, (10_000, 100)).astype(np.float16)
    for n in (50, 150):
        tracemalloc.start()
        collected = RowCollector(n, some.shape, some.dtype, layout)
        for _ in range(n):
            collected.add(random.bytes(32), some)
        training, _ = collected.finish()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert training.rows.n_rows == 13
    assert peaks[1] < 1.1 * peaks[0] < 40 << 20


@pytest.mark.parametrize("n", [24, 120])
@pytest.mark.parametrize("rows", ["image", "patches", "both"])
def test_what_the_rows_will_take_is_known_without_them(rows: str, n: int, tmp_path: Path) -> None:
    detector = Detector(**{**SMALL, "rows": rows}).fit(stripes(n, seed=1, side=48))
    detector.save(tmp_path / "m", rows=True)
    told = kept_bytes(detector.model.representation, n)
    assert told <= rows_file(tmp_path / "m").stat().st_size <= told + 32 * n + 6000
