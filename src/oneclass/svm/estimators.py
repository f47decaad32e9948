"""The solver as scikit-learn estimators; the only file here that loads scikit-learn."""

from __future__ import annotations

import warnings
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from oneclass.errors import MissingDependencyError
from oneclass.rows import RowBlocks, as_rows, check_dense
from oneclass.svm._blocks import WideRows
from oneclass.svm._halfspaces import Halfspaces, fit_halfspaces, halfspace_scores
from oneclass.svm._seed import as_seed
from oneclass.system.host.machine import pip_install

try:
    from sklearn.base import BaseEstimator, OutlierMixin
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise MissingDependencyError(
        "LinearOneClassSVM and HalfspaceUnion need scikit-learn, which is not installed. Run "
        f"{pip_install('sklearn')}, or use oneclass.svm.nu_path and fit_halfspaces without it"
    ) from error

Array = NDArray[np.float64]


class _Fitted(OutlierMixin, BaseEstimator):  # type: ignore[misc]
    """What both estimators do with half-spaces once they have them."""

    coef_: Array

    def _rows(self, X: Any, *, reset: bool) -> Any:
        """Rows for the solver, which itself checks in its first pass what is read in blocks."""
        check_dense(X)
        if isinstance(X, RowBlocks | np.memmap):
            rows = as_rows(X)
            if reset:
                self.n_features_in_ = rows.n_columns
            return rows
        return validate_data(self, X, dtype=[np.float64, np.float32], reset=reset)

    def _learn(self, fitted: Halfspaces) -> None:
        self.coef_ = fitted.coef
        self.status_, self.message_ = fitted.status, fitted.message
        self.n_iter_ = fitted.n_passes
        for text in fitted.warnings:
            warnings.warn(text, ConvergenceWarning, stacklevel=3)

    def decision_function(self, X: Any) -> Array:
        """Signed scores, ``score_samples(X) - offset_``: positive inside.

        Args:
            X: (n, d) array or row blocks.

        Returns:
            (n,) float64.
        """
        return np.asarray(self.score_samples(X) - self.offset_)

    def predict(self, X: Any) -> NDArray[np.int64]:
        """+1 for rows inside or on the boundary, -1 for the others.

        Args:
            X: (n, d) array or row blocks.

        Returns:
            (n,) int64.
        """
        return np.where(self.decision_function(X) >= 0, 1, -1)


class LinearOneClassSVM(_Fitted):
    """The linear one-class SVM, solved to a certified duality gap.

    Args:
        nu: in (0, 1], the largest fraction of rows outside and the smallest fraction of support
            vectors.
        tol: relative duality gap to reach.
        max_passes: reads of all rows to spend; running out is a ConvergenceWarning.

    Attributes:
        coef_: (1, d) float64, in the paper's scale: scikit-learn's OneClassSVM has nu l times this.
        offset_: float, the paper's rho, in the same scale.
        dual_gap_: float, relative duality gap of (coef_, offset_), from a pass over all rows.
        n_iter_: int, reads of all rows.
        status_, message_: one word and one sentence, as in `NuPath`, each in a tuple.
        n_features_in_: int.

    The problem is Schölkopf et al., Neural Computation 13 (2001).
    """

    def __init__(self, nu: float = 0.5, tol: float = 1e-6, max_passes: int = 200) -> None:
        self.nu = nu
        self.tol = tol
        self.max_passes = max_passes

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit to normal rows.

        Args:
            X: (n, d) array, memory-mapped array or row blocks.
            y: ignored.

        Raises:
            InputError: a parameter or a row cannot be used (it is a ValueError).
        """
        rows = self._rows(X, reset=True)
        fitted = fit_halfspaces(rows, nu=self.nu, tol=self.tol, max_passes=self.max_passes)
        self._learn(fitted)
        self.offset_ = float(fitted.offset[0])
        self.dual_gap_ = float(fitted.dual_gap[0])
        return self

    def score_samples(self, X: Any) -> Array:
        """``X @ coef_``: larger is more normal.

        Args:
            X: (n, d) array or row blocks.

        Returns:
            (n,) float64.
        """
        check_is_fitted(self)
        # In float64, where the offset was found: rows on the boundary are not to fall outside.
        rows = WideRows(as_rows(self._rows(X, reset=False)))
        return halfspace_scores(rows, self.coef_, np.zeros(1))[0]


class HalfspaceUnion(_Fitted):
    """A row is normal if any of several half-spaces holds it, each fitted to one cluster of the
    rows.

    Args:
        n_halfspaces: from 1, which is `LinearOneClassSVM`, to the number of rows, which for
            unit-length rows is the nearest neighbour by cosine.
        nu: in (0, 1], for every cluster.
        tol: relative duality gap to reach for every half-space.
        max_passes: reads of all rows to spend on solving.
        random_state: of the clustering: an integer for the same result every time, a numpy
            `RandomState` or `Generator` to draw from, or None for numpy's global state.

    Attributes:
        coef_: (k, d) float64, one half-space a row.
        offsets_: (k,) float64.
        offset_: 0.0, since the offsets are already subtracted in ``score_samples``.
        dual_gap_: (k,) relative duality gaps.
        labels_: (n,) int, the half-space to which every training row belongs.
        n_iter_: int, reads of all rows.
        status_, message_: k words and k sentences, as in `NuPath`.
        n_features_in_: int.
    """

    offset_ = 0.0

    def __init__(
        self,
        n_halfspaces: int = 1,
        nu: float = 0.5,
        tol: float = 1e-6,
        max_passes: int = 200,
        random_state: Any = 0,
    ) -> None:
        self.n_halfspaces = n_halfspaces
        self.nu = nu
        self.tol = tol
        self.max_passes = max_passes
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, labels: ArrayLike | None = None) -> Self:
        """Fit to normal rows.

        Args:
            X: (n, d) array, memory-mapped array or row blocks.
            y: ignored.
            labels: (n,) sub-category of every row: one half-space for each, instead of clusters.

        Raises:
            InputError: a parameter or a row cannot be used (it is a ValueError).
        """
        rows = self._rows(X, reset=True)
        fitted = fit_halfspaces(
            rows,
            self.n_halfspaces,
            nu=self.nu,
            labels=labels,
            seed=as_seed(self.random_state, "random_state"),
            tol=self.tol,
            max_passes=self.max_passes,
        )
        self._learn(fitted)
        self.offsets_, self.dual_gap_ = fitted.offset, fitted.dual_gap
        self.labels_ = fitted.assignment
        return self

    def score_samples(self, X: Any) -> Array:
        """The largest ``X @ coef_[j] - offsets_[j]``: larger is more normal.

        Args:
            X: (n, d) array or row blocks.

        Returns:
            (n,) float64.
        """
        check_is_fitted(self)
        return halfspace_scores(self._rows(X, reset=False), self.coef_, self.offsets_)[0]
