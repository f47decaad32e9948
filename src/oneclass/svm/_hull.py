"""One reduced convex hull: the feasible points found so far and the one of them nearest the origin.

The dual of the one-class SVM asks for the point w nearest the origin among all averages of the rows
in which no row weighs more than 1/(nu l). A `Hull` keeps a few points of that set (atoms). Every
combination of atoms is a point of the set again, so whatever happens on the way, w stays feasible
and its norm only falls.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from oneclass.svm._minnorm import nearest_weights

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Certified:
    """A point of the hull with what one pass over all rows proved about it.

    Attributes:
        coef: (d,) the point w.
        offset: the best offset for it.
        dual_gap: (w.w - min over the hull of w.v) / w.w, not negative.
        spread: fraction of margin errors, fraction of support vectors.
    """

    coef: Array
    offset: float
    dual_gap: float
    spread: tuple[float, float]


@dataclass
class Hull:
    """The state of one problem: one nu over all rows, or over the rows of one cluster.

    Attributes:
        nu: the fraction.
        n_rows: l, the rows of this problem.
        coef: (d,) the present w.
        gap: its relative duality gap when it was last looked at.
        best: the certificate with the smallest gap so far.
    """

    nu: float
    n_rows: int
    coef: Array
    gap: float = np.inf
    best: Certified | None = None
    _feasible: bool = True
    _atoms: list[Array] = field(default_factory=list)
    _gram: Array = field(default_factory=lambda: np.zeros((0, 0)))
    _weights: Array = field(default_factory=lambda: np.zeros(0))

    @property
    def mass(self) -> float:
        """nu l, or 1 where one row may carry everything: 1 / mass is the bound on a weight."""
        return max(self.nu * self.n_rows, 1.0)

    def start(self, coef: Array) -> None:
        """Look from this point first; it need not lie in the hull, so it is never certified."""
        self.coef, self._feasible = coef, False

    def certify(self, lowest: float, offset: float, spread: tuple[float, float]) -> float:
        """Record what a pass showed for the present w; returns the relative gap."""
        square = float(self.coef @ self.coef)
        self.gap = max(square - lowest, 0.0) / square if square > 0 else np.inf
        if self._feasible and (self.best is None or self.gap < self.best.dual_gap):
            self.best = Certified(self.coef, offset, self.gap, spread)
        return self.gap

    def add(self, points: list[Array]) -> None:
        """Take in feasible points and move to the nearest to the origin in the hull of atoms."""
        for point in points:
            products = np.array([atom @ point for atom in self._atoms])
            corner = np.array([[point @ point]])
            self._gram = np.block([[self._gram, products[:, None]], [products[None, :], corner]])
            self._weights = np.append(self._weights, 0.0 if self._atoms else 1.0)
            self._atoms.append(point)
        self._weights = nearest_weights(self._gram, self._weights)
        kept = np.flatnonzero(self._weights)
        self._atoms = [self._atoms[i] for i in kept]
        self._gram, self._weights = self._gram[np.ix_(kept, kept)], self._weights[kept]
        self._feasible = True
        self.coef = np.add.reduce(
            [weight * atom for weight, atom in zip(self._weights, self._atoms, strict=True)]
        )
