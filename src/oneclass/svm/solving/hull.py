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

from oneclass.svm.solving.certificate import Certified
from oneclass.svm.solving.minnorm import nearest_weights

Array = NDArray[np.float64]

_STALLED = 3  # looks without halving the gap, after which the arithmetic is at its end


@dataclass
class Hull:
    """The state of one problem.

    Attributes:
        mass: nu l, or 1 where one row may carry everything: 1 / mass is the bound on a weight.
        coef: (d,) the present w.
        feasible: whether w is known to lie in the hull; where it starts from it need not.
        width: rows of the next band.
        n_free: rows that had a weight between the bounds in the last one.
        leaps: how many may still be taken.
        gap: the smallest gap seen so far, and ``nearest`` the w that had it.
        best: the certificate with the smallest gap so far.
    """

    mass: float
    coef: Array
    width: int
    feasible: bool = True
    n_free: int = 0
    leaps: int = 0
    gap: float = np.inf
    nearest: Array | None = None
    best: Certified | None = None
    _idle: int = 0
    _atoms: list[Array] = field(default_factory=list)
    _gram: Array = field(default_factory=lambda: np.zeros((0, 0)))
    _weights: Array = field(default_factory=lambda: np.zeros(0))

    def start(self, coef: Array) -> None:
        """Look from this point first; it need not lie in the hull, so it is never certified."""
        self.coef, self.feasible = coef, False

    def look(self, lowest: float) -> None:
        """Note the gap that a pass showed for the present w, where it counts."""
        if not self.feasible:
            return
        square = float(self.coef @ self.coef)
        gap = max(square - lowest, 0.0) / square if square > 0 else np.inf
        self._idle = 0 if gap < 0.5 * self.gap else self._idle + 1
        if gap < self.gap or self.nearest is None:
            self.gap, self.nearest = gap, self.coef

    @property
    def stalled(self) -> bool:
        """Whether looking again in the same arithmetic is no use."""
        return self._idle >= _STALLED and self.gap < 1e-4

    def park(self) -> None:
        """Go back to the best point seen, to look at it in better arithmetic."""
        if self.nearest is not None:
            self.coef = self.nearest

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
        self.feasible = True
        self.coef = np.add.reduce(
            [weight * atom for weight, atom in zip(self._weights, self._atoms, strict=True)]
        )
