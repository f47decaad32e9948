"""Images on workers: the same models, scores, heatmaps and errors as on one machine."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import stripes
from oneclass import Detector, InputError, load
from oneclass.cluster import connected, extraction
from oneclass.cluster.extraction import ClusterWorkers
from oneclass.errors import ClusterError
from oneclass.images.sources import gather
from oneclass.results.heatmaps import draw_each

SMALL: dict[str, Any] = {"layer": "block_2", "grid": 2, "size": (32, 32)}


@pytest.fixture
def normal(image_folder: Callable[..., Path]) -> Path:
    folder = image_folder("normal", 40, seed=1)
    (folder / "cut.png").write_bytes((folder / "003.png").read_bytes()[:90])
    return folder


def few_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extraction, "IMAGES_A_TASK", 3)


def test_a_fit_is_the_same_to_the_bit_and_so_are_its_errors(
    client: Any, normal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_a_task(monkeypatch)
    here = Detector(**SMALL).fit(normal)
    there = Detector(**SMALL, cluster=client).fit(normal)
    files = tmp_path / "here.oneclass", tmp_path / "there.oneclass"
    assert here.save(files[0], rows=True) == there.save(files[1], rows=True)
    assert [str(error) for error in there.errors] == [str(error) for error in here.errors]
    assert there.errors[0].reason == "truncated"
    look, images = there.traffic
    assert (look.what, images.what, images.rounds) == ("first look", "images", 14)
    row = there._state.training.rows.take([0])[0]
    assert 40 * row.nbytes < images.back < 2 * 40 * row.nbytes + 40_000
    assert images.out > 41 * len(str(normal))
    assert here.traffic == []


def test_scores_heatmaps_and_updates_are_the_same(
    client: Any, image_folder: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few_a_task(monkeypatch)
    file = tmp_path / "model"
    Detector(**SMALL).fit(image_folder("normal", 40, seed=1)).save(file, rows=True)
    mixed, more = image_folder("mixed", 11, seed=2, upright=False), image_folder("more", 9, seed=3)
    (mixed / "cut.png").write_bytes(b"\x89PNG")
    here, there = load(file), load(file, cluster=client)
    assert list(here.score_each(gather(mixed)))[:11] == list(there.score_each(gather(mixed)))[:11]
    one, other = here.score(mixed), there.score(mixed)
    assert one.predictions == other.predictions
    assert [str(e) for e in one.errors] == [str(e) for e in other.errors]
    drawn = [list(draw_each(detector, gather(mixed)))[:11] for detector in (here, there)]
    assert drawn[0] == drawn[1]
    assert here.update(more).added == there.update(more).added == 9
    assert here.save(tmp_path / "a") == there.save(tmp_path / "b")


def test_arrays_and_deep_pixels_travel_too(client: Any) -> None:
    images = [image.astype(np.uint16) * 16 for image in stripes(20, seed=4)]
    settings: dict[str, Any] = {"backbone": "greyscale", "size": (12, 12)}
    here = Detector(**settings).fit(images)
    there = Detector(**settings, cluster=client).fit(images)
    assert np.array_equal(here.normal_scores, there.normal_scores)


def test_workers_use_the_cache(client: Any, normal: Path, tmp_path: Path) -> None:
    uses = []
    for _ in range(2):
        detector = Detector(**SMALL, cluster=client, cache=tmp_path / "cache").fit(normal)
        uses.append((detector.cache_use.found, detector.cache_use.computed))
    assert uses == [(0, 40), (40, 0)]
    here = Detector(**SMALL, cache=tmp_path / "cache").fit(normal)
    assert here.cache_use.found == 40, "one machine finds what a cluster has made"


@pytest.mark.linux
def test_a_killed_worker_is_no_loss(normal: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few_a_task(monkeypatch)
    here = Detector(**SMALL).fit(normal)
    with connected("local:2") as client:
        pids, seen = client.run(os.getpid), []

        def progress(done: int, _: int) -> None:
            if not seen:
                os.kill(next(iter(pids.values())), signal.SIGKILL)
            seen.append(done)

        there = Detector(**SMALL, cluster=client).fit(normal, progress=progress)
    assert seen == list(range(1, 42))
    assert np.array_equal(here.normal_scores, there.normal_scores)


def test_stopping_early_leaves_nothing_to_do(client: Any, normal: Path) -> None:
    few = gather(normal)
    model = Detector(**SMALL).fit(normal).model
    results = ClusterWorkers(client).extract_and(
        len_of_row, few, model.representation, model.scale, glance=None, store=None
    )
    assert next(results) > 0
    results.close()
    done = threading.Event()
    client.submit(int, pure=False).add_done_callback(lambda _: done.set())
    assert done.wait(20), "the queue is free"


def len_of_row(image: Any) -> int:
    return len(image.row)


def test_what_is_no_cluster_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="'local:4', or a client"):
        Detector(cluster=4)
    for text in ("nowhere", "local:0", "local:two"):
        with (
            pytest.raises(InputError, match="expected"),
            connected(text),
        ):
            pass


def test_machines_that_do_not_see_the_images_are_refused(
    client: Any, normal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "_sees", lambda path: ("grinder", "no such file"))
    with pytest.raises(ClusterError, match=r"the worker on grinder .* does not see"):
        Detector(**SMALL, cluster=client).fit(normal)
