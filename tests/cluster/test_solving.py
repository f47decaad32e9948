"""The solver on rows that lie on workers: the same certificates, little traffic, lost workers."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import pytest

from oneclass.cluster import ClusterRows, connected, rows_of
from oneclass.cluster.tasks import Tasks
from oneclass.errors import InputError
from oneclass.rows import ArrayRows
from oneclass.svm import NuPath, fit_halfspaces, halfspace_scores, nu_path
from oneclass.svm.solving.looks import BlockLooks, Looks, Point

NUS = [0.1, 0.5]


def unit_rows(n: int, d: int = 24, seed: int = 0) -> np.ndarray:
    rows = np.abs(np.random.default_rng(seed).normal(size=(n, d))) + 0.1
    return (rows / np.linalg.norm(rows, axis=1)[:, None]).astype("float32")


def in_chunks(client: Any, rows: np.ndarray, size: int) -> list[Any]:
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    return [client.submit(np.array, part, pure=False) for part in parts]


def digest(path: NuPath) -> str:
    parts = (path.coef, path.offset, path.dual_gap, path.support_fraction)
    return hashlib.sha256(b"".join(part.tobytes() for part in parts)).hexdigest()


def test_the_path_is_that_of_one_machine(client: Any) -> None:
    rows = unit_rows(9000)
    here = nu_path(rows, NUS)
    there = nu_path(in_chunks(client, rows, 2222), NUS)
    assert there.way == "passes"
    assert there.status == ("converged",) * len(NUS)
    assert there.dual_gap.max() <= 1e-6
    # Two points within tol of the best are within sqrt(2 tol) of each other, relative to w.
    apart = np.linalg.norm(here.coef - there.coef, axis=1)
    assert (apart <= 4 * np.sqrt(1e-6) * np.linalg.norm(here.coef, axis=1)).all()
    scores = rows.astype(np.float64) @ there.coef.T
    assert ((scores < there.offset).sum(axis=0) <= np.array(NUS) * len(rows)).all()


def test_a_certificate_holds_for_the_rows_themselves(client: Any) -> None:
    rows = unit_rows(9000, seed=5)
    path = nu_path(in_chunks(client, rows, 2000), [0.05])
    coef, scores = path.coef[0], rows.astype(np.float64) @ path.coef[0]
    mass = 0.05 * len(rows)
    primal = (
        0.5 * coef @ coef - path.offset[0] + np.maximum(path.offset[0] - scores, 0).sum() / mass
    )
    lowest = np.sort(scores)[: int(mass)].sum() / mass
    assert path.dual_gap[0] == pytest.approx((primal + 0.5 * coef @ coef) / (coef @ coef), abs=1e-7)
    assert (coef @ coef - lowest) / (coef @ coef) <= 1e-5


def test_dask_arrays_and_files_are_rows_too(client: Any, tmp_path: Path) -> None:
    rows = unit_rows(9000)
    wanted = digest(nu_path(in_chunks(client, rows, 3000), NUS))
    array = dask.array.from_array(rows, chunks=(3000, 7))
    assert digest(nu_path(array, NUS)) == wanted
    np.save(tmp_path / "rows.npy", rows)
    assert nu_path(rows_of(tmp_path / "rows.npy"), NUS).dual_gap.max() <= 1e-6


def test_half_spaces_of_clusters_and_their_scores(client: Any) -> None:
    rows = unit_rows(900)
    here = fit_halfspaces(rows, 5, nu=0.1)
    futures = in_chunks(client, rows, 250)
    there = fit_halfspaces(futures, 5, nu=0.1)
    assert np.array_equal(here.assignment, there.assignment)
    assert np.array_equal(here.coef, there.coef)
    both = [halfspace_scores(X, here.coef, here.offset)[0] for X in (rows, futures)]
    assert np.array_equal(*both)


def looked_at(looks: Looks, coefs: np.ndarray, dtype: str) -> tuple[Any, ...]:
    """The answers to all questions of a round."""
    found, wide = looks.survey(np.arange(5, 500, 7)), np.dtype(dtype)
    masses, widths = [looks.n_rows * 0.1, looks.n_rows * 0.5], [64, 100]
    with looks.score(coefs, wide) as scored:
        cuts = scored.cut(masses, widths, [0, 0])
        proven = [
            scored.certify([Point(cut.column, coef, float(coef @ coef), mass, cut.threshold)])[0]
            for cut, coef, mass in zip(cuts, coefs, masses, strict=True)
            if wide == np.float64
        ]
        gathered = scored.gather({7: 1, 3: 0})
    return found, cuts, proven, gathered


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kind", ["spread", "tied", "alike"])
def test_every_answer_is_that_of_one_machine(client: Any, kind: str, dtype: str) -> None:
    n, random = 6000, np.random.default_rng(2)
    rows = {
        "spread": lambda: unit_rows(n),
        "tied": lambda: random.integers(0, 3, (n, 24)).astype("float32"),
        "alike": lambda: np.tile(random.integers(1, 4, 24).astype("float32"), (n, 1)),
    }[kind]()
    coefs = random.integers(1, 4, (2, 24)) / 8.0
    here = looked_at(BlockLooks(ArrayRows(rows)), coefs, dtype)
    there = looked_at(ClusterRows(client, in_chunks(client, rows, 1700)), coefs, dtype)
    for one, other in zip(here[0:1], there[0:1], strict=True):
        assert np.array_equal(one.sample, other.sample)
        assert np.allclose(one.total, other.total, rtol=1e-5)
        assert (one.n_zero, one.first_zero) == (other.n_zero, other.first_zero)
        assert one.mean_square == pytest.approx(other.mean_square, rel=1e-6)
    for one, other in zip(here[1], there[1], strict=True):
        assert (one.threshold, one.n_fixed) == (other.threshold, other.n_fixed)
        assert one.lowest == pytest.approx(other.lowest, rel=1e-6)
    for one, other in zip(here[2], there[2], strict=True):
        assert (one.offset, one.spread) == (other.offset, other.spread)
        assert one.dual_gap == pytest.approx(other.dual_gap, rel=1e-9)
    assert here[3].keys() == there[3].keys()
    for number in here[3]:
        assert np.array_equal(here[3][number].band, there[3][number].band)
        assert np.array_equal(here[3][number].scores, there[3][number].scores)
        assert np.allclose(here[3][number].fixed, there[3][number].fixed, rtol=1e-5)


def test_what_is_sent_does_not_grow_with_the_rows(client: Any) -> None:
    sent = []
    for n in (10_000, 80_000):
        rows = ClusterRows(client, in_chunks(client, unit_rows(n, d=8), n // 4))
        looked_at(rows, np.ones((2, 8)), "float64")
        assert [one.what for one in rows.traffic] == ["survey", "score", "gather"]
        sent.append([one.out + one.back for one in rows.traffic])
    for few, many in zip(*sent, strict=True):
        assert many < 1.2 * few + 40_000  # of a bracket at most 2,048 rows are fetched
        assert many < 80_000 * 2


def test_a_row_that_is_not_finite_is_named(client: Any) -> None:
    rows = unit_rows(9000)
    rows[[4321, 8000]] = np.nan
    with pytest.raises(InputError, match="row 4321 holds NaN"):
        nu_path(in_chunks(client, rows, 1000), NUS)


def test_chunks_must_fit_together(client: Any) -> None:
    parts = [client.submit(np.ones, (3, width), pure=False) for width in (4, 5)]
    with pytest.raises(InputError, match=r"chunk 1 has 5 columns .* chunk 0 has 4"):
        nu_path(parts, NUS)
    with pytest.raises(InputError, match="expected a Dask array"):
        rows_of(7, client=client)


@pytest.mark.linux
def test_killed_workers_and_their_number_change_no_bit(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = unit_rows(9000)
    wanted = digest(nu_path(in_chunks(client, rows, 700), [0.05, 0.5]))
    begin, passes = Tasks.begin, []

    def begin_and_kill(tasks: Tasks, what: str) -> None:
        begin(tasks, what)
        passes.append(what)
        if what not in passes[:-1]:  # one in the first pass of each kind
            pids = list(other.run(os.getpid).values())
            threading.Timer(0.02, os.kill, (pids[-1], signal.SIGKILL)).start()

    with connected("local:3") as other:
        futures = in_chunks(other, rows, 700)
        monkeypatch.setattr(Tasks, "begin", begin_and_kill)
        assert digest(nu_path(ClusterRows(other, futures), [0.05, 0.5])) == wanted
    assert {"survey", "score", "gather"} == set(passes)


def test_a_sample_of_a_wide_band_is_drawn_where_the_rows_are(client: Any) -> None:
    rows, coefs = unit_rows(6000), np.ones((1, 24))
    scores = (rows.astype(np.float64) @ coefs.T)[:, 0]
    bands = []
    for size in (1700, 900):
        looks = ClusterRows(client, in_chunks(client, rows, size))
        looks.survey()
        with looks.score(coefs, np.dtype(np.float64)) as scored:
            cut = scored.cut([600.0], [1000], [200])[0]
            bands.append((cut, scored.gather({0: 0})[0]))
    with BlockLooks(ArrayRows(rows)).score(coefs, np.dtype(np.float64)) as scored:
        here = scored.cut([600.0], [1000], [200])[0]
        fixed = scored.gather({0: 0})[0].fixed
    for cut, gathered in bands:
        assert cut.thin
        assert (cut.n_fixed, cut.threshold) == (here.n_fixed, pytest.approx(here.threshold))
        assert np.allclose(gathered.fixed, fixed)
        assert 140 < len(gathered.scores) < 260
        order = np.sort(scores)
        assert gathered.scores.min() >= order[99] - 1e-12
        assert gathered.scores.max() <= order[1100] + 1e-12
        assert np.isclose(gathered.scores, order[600]).any()
    assert np.array_equal(bands[0][1].band, bands[1][1].band), "chunks change no draw"
