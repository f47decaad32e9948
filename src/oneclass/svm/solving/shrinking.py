"""Rows far from the threshold stay at their bounds while those near it are solved for.

From one nu to the next, nearly all rows that change sides are within a few dozen ranks of the
threshold. So the program is solved over these alone; then all rows are scored, and those of the
others that turn out to be on the wrong side join in, until none is (shrinking: Joachims, Making
large-scale SVM learning practical, 1999). Ranks of a nu far away say little; a few steps that need
no system (Frank, Wolfe, Naval Research Logistics Quarterly 3, 1956) bring better ones.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oneclass.svm._products import Products
from oneclass.svm._program import lowest_first, ranked
from oneclass.svm._row_products import RowProducts
from oneclass.svm.solving.active_set import Face, minimise, ridge_for, slack_for

Array = NDArray[np.float64]
Ints = NDArray[np.intp]

_NEAREST = 48  # rows on each side of the threshold, at least
_MOST, _FURTHER = 0.8, 1.5  # of the rows that changed sides last, and so many times as far as they
_FEW = 1 / 3  # of all rows; beyond, nothing is saved
_FAR, _STEPS = 1 / 8, 6  # of all weights: beyond, so many steps go before
_BLUR = 16  # roundings of float32 by which scores may be wrong


@dataclass
class Shrinking:
    """The programs over the same rows for one nu after the other.

    Attributes:
        products: of n rows.
        ridge: (n,) as for `minimise`.
        bounds: (n,) of the weights.
        reach: from the threshold, in ranks: rows so near are likely to change sides.
        spent: products of a few rows that were made since products of all rows were wanted.
    """

    products: Products | RowProducts
    ridge: Array
    bounds: Array
    reach: int = _NEAREST
    spent: int = 0

    def minimise(
        self, scores: Array, weights: Array, mass: float, n_free: int | None, close: float
    ) -> Face:
        """As `active_set.minimise`, from scores that say which rows are near the threshold."""
        if abs(float(weights.sum()) - mass) > _FAR * float(self.bounds.sum()):
            scores, weights = self._nearer(scores, weights, mass, close)
        near, full = self._start(scores, mass)
        ranks = near
        expected, circled = n_free, False
        while len(near) <= _FEW * len(scores):
            face = self._among(near, full, scores, weights, mass, expected, close)
            circled |= face.circled
            wrong = self._wrong(face, weights, near, full)
            if not len(wrong):
                self._learn(face, ranks, full)
                return replace(face, circled=circled)
            scores, weights, expected = face.scores, face.weights, None
            near = np.concatenate([near, wrong])
        products, scores = self._whole(scores, weights)
        face = minimise(products, scores, weights, mass, expected, self.ridge, self.bounds, close)
        self._learn(face, ranks, full)
        return replace(face, circled=face.circled or circled)

    def _start(self, scores: Array, mass: float) -> tuple[Ints, NDArray[np.bool_]]:
        """The rows nearest the threshold, in the order of their scores, and (n,) those below it."""
        if self.bounds.max() > 1:
            order, place = ranked(scores, mass, self.bounds)
            low, high = max(place - self.reach, 0), min(place + self.reach, len(order))
        else:  # without putting all in order
            place = min(int(mass * (1 + 1e-12)), len(scores))
            low, high = max(place - self.reach, 0), min(place + self.reach, len(scores))
            order = np.argpartition(scores, np.unique([low, high - 1]))
            some = order[low:high]
            order[low:high] = some[np.argsort(scores[some], kind="stable")]
        full = np.zeros(len(order), bool)
        full[order[:place]] = True
        return order[low:high], full

    def _nearer(
        self, scores: Array, weights: Array, mass: float, close: float
    ) -> tuple[Array, Array]:
        """Scores and weights from which the ranks at this mass can be told.

        Each step goes towards the rows that score lowest, as far as w gets shorter.
        """
        share = mass / float(weights.sum())
        scores, weights = share * scores, share * weights
        goal, seen = weights, scores
        for _ in range(_STEPS):
            before, goal = goal, lowest_first(scores, mass, self.bounds)
            seen = self.products.moved(seen, before, goal)
            square = float(weights @ scores)
            fall = square - float(goal @ scores)
            if fall <= close * square:
                break
            bend = fall - float(goal @ scores) + float(goal @ seen)
            step = fall / bend if bend > fall else 1.0
            weights, scores = weights + step * (goal - weights), scores + step * (seen - scores)
        return scores, weights

    def _whole(self, scores: Array, weights: Array) -> tuple[Products, Array]:
        """Products of all rows from now on, and scores that agree with them."""
        if isinstance(self.products, RowProducts):
            scores = self.products.exactly(weights)
            self.products, exact = self.products.whole()
            self.ridge = ridge_for(self.products, exact=exact)
        return self.products, scores

    def _among(
        self,
        near: Ints,
        full: NDArray[np.bool_],
        scores: Array,
        weights: Array,
        mass: float,
        n_free: int | None,
        close: float,
    ) -> Face:
        """The minimiser where only the rows `near` may leave their sides."""
        self.spent += len(near) ** 2
        if self.spent > len(full) ** 2:
            _, scores = self._whole(scores, weights)
        goal = np.where(full, self.bounds, 0.0)
        goal[near] = 0.0
        left = mass - float(goal.sum())
        goal[near] = weights[near]
        products, seen = self.products.part(near, scores, weights, goal)
        ridge, bounds = self.ridge[near], self.bounds[near]
        face = minimise(
            products, seen, weights[near], left, n_free, ridge, bounds, close * mass / left
        )
        goal[near] = face.weights
        scores = self.products.moved(scores, weights, goal)
        scores[near] = face.scores
        return replace(face, weights=goal, scores=scores)

    def _wrong(self, face: Face, centre: Array, near: Ints, full: NDArray[np.bool_]) -> Ints:
        """Rows that were left out and are not on their sides."""
        seen = face.scores + self.ridge * (face.weights - centre)
        mass = float(face.weights.sum())
        slack = slack_for(self.products.squares, mass)
        slack += float(self.ridge.mean())  # the program may have ended with another centre
        if isinstance(self.products, RowProducts):
            unit = float(np.finfo(self.products.rows.dtype).eps)
            slack += _BLUR * unit * mass * float(self.products.squares.mean())
        carrying = seen[near[face.weights[near] > 0]]
        able = seen[near[face.weights[near] < self.bounds[near]]]
        highest = float(carrying.max(initial=-np.inf)) - slack
        lowest = float(able.min(initial=np.inf)) + slack
        wrong = np.where(full, seen > lowest, seen < highest)
        wrong[near] = False
        return np.flatnonzero(wrong)

    def _learn(self, face: Face, ranks: Ints, full: NDArray[np.bool_]) -> None:
        """How far from the threshold rows have changed sides; at least the free ones may again.

        Args:
            face: where the program ended.
            ranks: the rows that were near at first, in the order of their scores.
            full: (n,) rows that were below the threshold.
        """
        changed = np.where(full, face.weights < self.bounds, face.weights > 0)
        place = int(np.count_nonzero(full[ranks]))
        far = np.abs(np.flatnonzero(changed[ranks]) - place)
        others = int(np.count_nonzero(changed)) - len(far)
        far = np.append(np.sort(far), np.full(others, max(self.reach, 1)))
        most = int(far[int(_MOST * len(far))]) if len(far) else 0
        self.reach = max(int(_FURTHER * most), face.n_free, _NEAREST)
