"""The solver and its peers on rows of many kinds: who is how fast at an equally good answer.

A peer's tolerance is tightened until its largest excess over the best objective known is at most
ours (or at most 1e-7, under which float32 rows tell nothing apart); then it is an exact peer. The
rows are brought to a mean squared length of 1 first, since the peers' tolerances are absolute. What
does not fit into a budget of seconds is timed at some nu, spread over the grid, and scaled; where
that budget ends at the smallest nu, at which libsvm has the least to do, its time is a lower bound.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from liblinear.liblinearutil import problem
from scipy.sparse import csr_matrix

from oneclass.svm import nu_path
from svm_clock import Run
from svm_clock import run as run_by
from svm_matrices import Matrix, matrices
from svm_peers import Fit, liblinear, libsvm, on_gram, sgd
from svm_rows import NUS

FLOOR = 1e-7
ASKED = 1e-6  # of us; a peer that never gets as near as we do counts where it comes so near
MOST_ON_GRAM = 10_000  # rows: two copies of the matrix take 1.6 GB
MOST_FOR_LIBSVM = 60_000  # rows: a single nu takes minutes beyond
TOLERANCES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10)
FIRST = (0, 10, 20, 5, 15)


@dataclass
class Judge:
    """Values every answer by its objective, at its best multiple and its best offset.

    Attributes:
        rows: (n, d) float64.
        squares: (m,) the smallest w.w of an admissible w for each nu: minus half of it is a lower
            bound of the objective.
    """

    rows: np.ndarray
    squares: np.ndarray = field(default_factory=lambda: np.full(len(NUS), np.inf))

    def admit(self, coefs: dict[int, np.ndarray]) -> None:
        for i, coef in coefs.items():
            self.squares[i] = min(self.squares[i], coef @ coef)

    def largest_excess(self, coefs: dict[int, np.ndarray]) -> float:
        """How much worse than the best objective known, relative to w.w; 0 is perfect."""
        table = np.sort(self.rows @ np.stack(list(coefs.values())).T, axis=0)
        found = 0.0
        for (i, coef), scores in zip(coefs.items(), table.T, strict=True):
            mass = max(NUS[i] * len(scores), 1.0)
            full = min(int(mass), len(scores) - 1)
            lowest = max((scores[:full].sum() + (mass - full) * scores[full]) / mass, 0.0)
            reached = lowest**2 / (coef @ coef) if coef.any() else 0.0
            found = max(found, 0.5 * (1 - reached / self.squares[i]))
        return float(found)


@dataclass(frozen=True)
class Peer:
    """What another solver took for the grid.

    Attributes:
        setting: its loosest setting that is so good, or the tightest one tried.
        n_nus: timed; the seconds are scaled from them to the whole grid.
        seconds: for the grid, with what it takes to bring the rows into the solver's own form.
        ready_seconds: that alone.
        largest_excess: over the best objective known.
        exact: it is as good as ours, or, where no setting is, within what is asked of ours.
    """

    name: str
    setting: str
    n_nus: int
    seconds: float
    ready_seconds: float
    largest_excess: float
    exact: bool
    peak_mb: float


def robust(*, quick: bool = False, only: str = "", budget: float = 8.0) -> Iterator[dict]:
    """One result after the other, for every matrix whose name holds `only`."""
    for matrix in matrices(quick=quick):
        if only in matrix.name:
            yield compare_on(matrix, 3.0 if quick else budget)


def compare_on(matrix: Matrix, budget: float) -> dict[str, Any]:
    rows = matrix.rows()
    ours = run(lambda: nu_path(rows, NUS))
    exact = rows.astype(np.float64)
    ours64 = run(lambda: nu_path(exact, NUS, tol=1e-7))
    judge = Judge(exact)
    judge.admit(dict(enumerate(ours64.value.coef)))
    coefs = dict(enumerate(ours.value.coef))
    target = max(judge.largest_excess(coefs), FLOOR)
    peers = list(_peers(rows, judge, target, budget))
    return {
        "name": matrix.name,
        "shape": list(rows.shape),
        "float32": _summary(ours),
        "float64": _summary(ours64),
        "largest_excess": judge.largest_excess(coefs),
        "peers": [asdict(peer) for peer in peers],
    }


def run(work: Callable[[], Any]) -> Run:
    """In processor time: what other programs take from a core is nobody's fault here."""
    return run_by(work, time.process_time)


def _summary(ours: Any) -> dict[str, Any]:
    path = ours.value
    return {
        "seconds": ours.seconds,
        "n_passes": path.n_passes,
        "largest_gap": float(path.dual_gap.max()),
        "converged": set(path.status) == {"converged"},
        "status": sorted(set(path.status)),
        "way": str(getattr(path, "way", "")),
        "peak_mb": ours.peak_bytes / 1e6,
    }


def _peers(rows: np.ndarray, judge: Judge, target: float, budget: float) -> Iterator[Peer]:
    scale = np.sqrt(np.mean(np.einsum("ij,ij->i", judge.rows, judge.rows)))
    scaled = (rows / scale).astype(rows.dtype)
    tol = TOLERANCES[1]
    if len(rows) <= MOST_ON_GRAM:
        peer, tol = _gram_peer(scaled, judge, float(scale), target, budget)
        yield peer
    if len(rows) <= MOST_FOR_LIBSVM:
        from_here = [t for t in TOLERANCES if t <= tol]
        yield _tightened("libsvm", lambda t: libsvm(scaled, t), from_here, judge, target, budget)
    made = run(lambda: problem(np.ones(len(rows)), csr_matrix(scaled, dtype=np.float64)))
    peer = _tightened(
        "liblinear", lambda t: liblinear(made.value, scaled, t), TOLERANCES, judge, target, budget
    )
    yield replace(peer, seconds=peer.seconds + made.seconds, ready_seconds=made.seconds)
    yield _tightened("SGD", lambda _: sgd(scaled), (1e-3,), judge, target, budget)


def _gram_peer(
    rows: np.ndarray, judge: Judge, scale: float, target: float, budget: float
) -> tuple[Peer, float]:
    """libsvm on the matrix of products: made in float32 if that is good enough, else float64.

    Returns:
        The peer, and the tolerance that it took.
    """
    for dtype, tols in ((np.float32, TOLERANCES[:4]), (np.float64, TOLERANCES[1:])):
        typed = rows.astype(dtype)
        made = run(lambda typed=typed: (typed @ typed.T).astype(np.float64))
        for tol in tols:
            timed = _timed(on_gram(rows.astype(np.float64), made.value, tol), budget)
            judge.admit({i: scale * coef for i, coef in timed.coefs.items()})
            excess = judge.largest_excess(timed.coefs)
            peer = Peer(
                "Gram + libsvm",
                f"{np.dtype(dtype).name}, tol {tol:g}",
                len(timed.coefs),
                made.seconds + timed.seconds,
                made.seconds,
                excess,
                excess <= target,
                (made.peak_bytes + timed.peak_bytes) / 1e6,
            )
            if peer.exact or timed.seconds > 4 * budget:
                return peer, tol
    return peer, tol


def _tightened(
    name: str,
    make: Callable[[float], Fit],
    tols: Any,
    judge: Judge,
    target: float,
    budget: float,
) -> Peer:
    spent, asked = 0.0, None
    for tol in tols:
        start = time.perf_counter()
        timed = _timed(make(tol), budget, growth=10.0 if name == "libsvm" else 1.0)
        spent += time.perf_counter() - start
        excess = judge.largest_excess(timed.coefs)
        peer = Peer(
            name,
            f"tol {tol:g}",
            len(timed.coefs),
            timed.seconds,
            0.0,
            excess,
            excess <= target,
            timed.peak_bytes / 1e6,
        )
        if peer.exact:
            return peer
        if asked is None and excess <= ASKED:
            asked = replace(peer, exact=True)
        if spent > 4 * budget:
            break
    return asked or peer


@dataclass(frozen=True)
class _Timed:
    coefs: dict[int, np.ndarray]
    seconds: float  # scaled to all nu
    peak_bytes: int


def _timed(fit: Fit, budget: float, growth: float = 1.0) -> _Timed:
    """Fit at one nu after the other while the budget lasts; where all are quick, three times.

    Args:
        fit: at one nu.
        budget: seconds.
        growth: how many times as long the middle of the grid may take as its lower end.
    """
    order = [*FIRST, *(i for i in range(len(NUS)) if i not in FIRST)]
    coefs: dict[int, np.ndarray] = {}

    def some() -> float:
        start = time.perf_counter()
        for i in order:
            coefs[i] = np.asarray(fit(float(NUS[i])), dtype=np.float64)
            used = time.perf_counter() - start
            if used > budget or (len(coefs) == 1 and growth * used > budget):
                break
        return used

    found = run(some)
    return _Timed(coefs, found.seconds * len(NUS) / len(coefs), found.peak_bytes)
