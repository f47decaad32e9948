"""Many problems of about a hundred rows each, solved side by side.

So small a problem takes numpy longer to be called than to compute. So the same steps are taken for
many at once, each padded to the rows of the largest: the primal-dual active set method
(Hintermüller, Ito, Kunisch, SIAM J. Optim. 13, 2002) on the matrices of their scalar products.
Where it runs in a circle, one row at a time changes sides (Júdice, Pires, Computers & Operations
Research 21, 1994). A problem that this does not settle, or not within the tolerance, is left to
`solve`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.svm._program import into_box
from oneclass.svm.solving.certificate import certify, held_by
from oneclass.svm.solving.outcome import Solved, at_origin, outcome

Array = NDArray[np.float64]
Floats = NDArray[np.floating[Any]]
Ints = NDArray[np.intp]
Mask = NDArray[np.bool_]
Sides = NDArray[np.int8]

MOST_ROWS = 224  # of a problem: a larger one computes for longer than it is called
_BATCH_BYTES = 4 << 20  # of padded rows, and of their products
_ROUNDS, _PATIENCE = 30, 3
_PART = 0.3  # of the problems that go on: if so many are settled, the others leave them behind
_RIDGE = 1e-10  # of the squared lengths: rows that repeat are solvable
_STEPS, _FIRM = 8, 0.1  # to begin with; weights that they leave so near to a bound are at it
_EDGE = 1e-9  # a weight so near to its bound is at it
_SLACK = 1000  # roundings of a score
_ZERO, _FREE, _FULL = 0, 1, 2


def solve_side_by_side(groups: Sequence[Floats], nu: float, tol: float) -> list[Solved | None]:
    """Solve one problem for each group of rows.

    Args:
        groups: (l, d) finite rows each, l >= 1.
        nu: of every problem, below 1.
        tol: relative gap to reach.

    Returns:
        For each group a problem that has converged, certified as by `solve`, or None where it was
        not tried or did not.
    """
    found: list[Solved | None] = [None] * len(groups)
    for ids in _batches(groups):
        batch = [groups[i] for i in ids]
        rows, present = _padded(batch)
        masses = np.maximum(nu * present.sum(axis=1), 1.0)
        weights, settled = _weights(rows @ rows.transpose(0, 2, 1), present, masses)
        for j in np.flatnonzero(settled):
            own = rows[j, : len(batch[j])]
            found[ids[j]] = _certified(
                own, weights[j, : len(own)], float(masses[j]), batch[j].dtype, tol
            )
    return found


def _batches(groups: Sequence[Floats]) -> Iterator[list[int]]:
    """Problems of about the same size, so many that they stay in a cache together."""
    sizes = [len(rows) for rows in groups]
    small = [
        i for i, rows in enumerate(groups) if 1 < len(rows) <= min(MOST_ROWS, 2 * rows.shape[1])
    ]
    batch = list[int]()
    for i in sorted(small, key=sizes.__getitem__, reverse=True):
        longest = sizes[batch[0]] if batch else sizes[i]
        padded = 8 * longest * max(longest, groups[i].shape[1])
        if batch and ((len(batch) + 1) * padded > _BATCH_BYTES or 3 * sizes[i] < 2 * longest):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _padded(batch: Sequence[Floats]) -> tuple[Array, Mask]:
    """(b, l, d) float64 rows with zeros behind them, and (b, l) which are there."""
    counts = np.array([len(rows) for rows in batch])
    padded = np.zeros((len(batch), counts.max(), batch[0].shape[1]))
    for room, rows in zip(padded, batch, strict=True):
        room[: len(rows)] = rows
    return padded, np.arange(counts.max()) < counts[:, None]


def _certified(
    rows: Array, weights: Array, mass: float, dtype: np.dtype[Any], tol: float
) -> Solved | None:
    """The problem with these weights; None where its gap is too large."""
    point = into_box(weights, mass, np.ones(len(rows))) / mass @ rows
    squares = np.einsum("ij,ij->i", rows, rows)
    dual = float(point @ point)
    if at_origin(dual, float(squares.mean())):
        return None
    coef = held_by(point, dtype)
    return outcome(certify(rows @ coef, np.sqrt(squares), coef, dual, mass), tol, last=False)


@dataclass(frozen=True)
class _Open:
    """Problems that are not settled yet, b of them with l rows at most.

    Attributes:
        ids: (b,) their places.
        products: (b, l, l) of their rows.
        present: (b, l) which rows there are.
        masses: (b,) what the weights, from 0 to 1, add up to.
        ridge: (b, l) added to the squares.
        slack: (b,) by how much a score may miss the threshold.
        sides: (b, l) where each weight is taken to be.
        scores: (b, l) of the last round.
        fewest, idle: (b,) the fewest rows that wanted to change sides, and rounds since then.
    """

    ids: Ints
    products: Array
    present: Mask
    masses: Array
    ridge: Array
    slack: Array
    sides: Sides
    scores: Array
    fewest: Ints
    idle: Ints

    def of(self, some: Mask) -> _Open:
        return _Open(*(getattr(self, field.name)[some] for field in fields(self)))

    def able(self) -> _Open:
        """With so many rows more free that these can carry what those at their bound leave."""
        full, free = self.sides == _FULL, self.sides == _FREE
        held = full.sum(axis=1)
        surplus, lacking = held - self.masses, self.masses - held - free.sum(axis=1)
        stuck = ~free.any(axis=1)
        lowered = np.where((surplus >= 0) | stuck, np.maximum(np.floor(surplus), 0) + 2, 0)
        raised = np.where((lacking >= 0) | stuck, np.maximum(np.ceil(lacking), 0) + 1, 0)
        if not (lowered.any() or raised.any()):
            return self
        zero = (self.sides == _ZERO) & self.present
        freed = _first(-self.scores, full, lowered) | _first(self.scores, zero, raised)
        return replace(self, sides=np.where(freed, np.int8(_FREE), self.sides))

    def solved(self) -> tuple[Array, Array, Array]:
        """(b, l) weights and scores and (b,) thresholds, if each row stays on its side."""
        free = self.sides == _FREE
        n_free = int(free.sum(axis=1).max())
        ids = np.argsort(~free, axis=1, kind="stable")[:, :n_free]
        each = np.arange(len(ids))[:, None]
        there = free[each, ids]
        system = self.products[each[:, :, None], ids[:, :, None], ids[:, None, :]]
        system *= there[:, :, None] & there[:, None, :]
        diagonal = np.einsum("bii->bi", system)
        diagonal += np.where(there, self.ridge[each, ids], 1.0)
        weights = (self.sides == _FULL).astype(np.float64)
        pull = self._scores(weights)[each, ids] * there
        solved = np.linalg.solve(system, np.stack([pull, there], axis=2))
        missing = self.masses - weights.sum(axis=1)
        rho = (missing + solved[:, :, 0].sum(axis=1)) / solved[:, :, 1].sum(axis=1)
        weights[each, ids] += rho[:, None] * solved[:, :, 1] - solved[:, :, 0]
        return weights, self._scores(weights), rho

    def called_for(self, weights: Array, scores: Array, rho: Array) -> Sides:
        """(b, l) the sides that weights and scores call for."""
        free, full = self.sides == _FREE, self.sides == _FULL
        low, high = (rho - self.slack)[:, None], (rho + self.slack)[:, None]
        goal = self.sides.copy()
        goal[free & (weights < -_EDGE)] = _ZERO
        goal[free & (weights > 1 + _EDGE)] = _FULL
        goal[full & (scores > high)] = _FREE
        goal[(self.sides == _ZERO) & self.present & (scores < low)] = _FREE
        return goal

    def changed(self, goal: Sides, scores: Array) -> _Open:
        """With the sides that are called for; in a circle with the last row's alone."""
        wanting = goal != self.sides
        number = wanting.sum(axis=1)
        idle = np.where(number < self.fewest, 0, self.idle + 1)
        last = wanting.shape[1] - 1 - np.argmax(wanting[:, ::-1], axis=1)
        alone = np.arange(wanting.shape[1]) == last[:, None]
        taken = wanting & ((idle <= _PATIENCE)[:, None] | alone)
        sides = np.where(taken, goal, self.sides)
        fewest = np.minimum(self.fewest, number)
        return replace(self, sides=sides, scores=scores, fewest=fewest, idle=idle)

    def _scores(self, weights: Array) -> Array:
        return np.asarray((weights[:, None] @ self.products)[:, 0])


def _weights(products: Array, present: Mask, masses: Array) -> tuple[Array, Mask]:
    """(b, l) the best weights of each problem, and (b,) whether they were found."""
    found, settled = np.zeros(present.shape), np.zeros(len(present), bool)
    left = _begun(products, present, masses)
    for _ in range(_ROUNDS):
        left = left.able()
        weights, scores, rho = left.solved()
        goal = left.called_for(weights, scores, rho)
        done = (goal == left.sides).all(axis=1)
        found[left.ids[done]], settled[left.ids[done]] = weights[done], True
        if done.all():
            break
        left = left.changed(goal, scores)
        if done.sum() >= _PART * len(done):
            left = left.of(~done)
    return found, settled


def _first(values: Array, among: Mask, number: Array) -> Mask:
    """(b, l) those with the lowest values among some, so many of each problem."""
    order = np.argsort(np.where(among, values, np.inf), axis=1)
    return among & (np.argsort(order, axis=1) < number[:, None])


def _begun(products: Array, present: Mask, masses: Array) -> _Open:
    """With each row where a few steps from the mean leave its weight."""
    counts = present.sum(axis=1)
    squares = np.einsum("bii->bi", products)
    mean = squares.sum(axis=1) / counts
    mean[mean == 0] = 1.0
    weights, scores = _stepped(products, present, masses)
    bound = np.where(weights < _FIRM, _ZERO, _FREE)
    sides = np.where(weights > 1 - _FIRM, _FULL, bound)
    eps = float(np.finfo(np.float64).eps)
    return _Open(
        np.arange(len(counts)),
        products,
        present,
        masses,
        _RIDGE * (squares + mean[:, None]),
        _SLACK * eps * np.maximum(masses, 1.0) * mean,
        sides.astype(np.int8),
        scores,
        np.full(len(counts), present.shape[1] + 1),
        np.zeros(len(counts), np.intp),
    )


def _stepped(products: Array, present: Mask, masses: Array) -> tuple[Array, Array]:
    """(b, l) weights nearer to the best ones than equal ones are, and their scores.

    Each step goes towards the rows that score lowest, as far as w gets shorter (Frank, Wolfe, Naval
    Research Logistics Quarterly 3, 1956). There two rows are often tied: they share what is left.
    """
    counts, each = present.sum(axis=1), np.arange(len(present))
    weights = present * (masses / counts)[:, None]
    scores = (weights[:, None] @ products)[:, 0]
    whole = np.minimum(masses // 1, counts - 1).astype(np.intp)
    for _ in range(_STEPS):
        there = np.where(present, scores, np.inf)
        last = np.sort(there, axis=1)[each, whole, None]
        below, tied = there < last, there == last
        share = (masses - below.sum(axis=1)) / tied.sum(axis=1)
        step = below + share[:, None] * tied - weights
        change = (step[:, None] @ products)[:, 0]
        fall, bend = -(step * scores).sum(axis=1), (step * change).sum(axis=1)
        far = np.divide(fall, bend, out=np.ones_like(fall), where=bend > fall).clip(0)[:, None]
        weights, scores = weights + far * step, scores + far * change
    return weights, scores
