"""Independent solutions to compare with: written for clarity, not for speed."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from sklearn.svm import OneClassSVM


def make_rows(seed, n_rows=60, n_columns=5, dtype=np.float64):
    """Unit rows around a direction: no two alike, the origin outside their hull."""
    rng = np.random.default_rng(seed)
    rows = 1.5 + rng.standard_normal((n_rows, n_columns))
    rows[:, 0] = 1 + np.abs(rows[:, 0])
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(dtype)


def libsvm_coef(rows, nu):
    """libsvm on the Gram matrix at tol 1e-12, in the paper's scale."""
    model = OneClassSVM(kernel="precomputed", nu=nu, tol=1e-12).fit(rows @ rows.T)
    mass = nu * len(rows)
    return model.dual_coef_[0] @ rows[model.support_] / mass, model.offset_ / mass


def quadratic_program(rows, nu):
    """The dual as it stands in the paper, for a general-purpose solver: returns coef."""
    gram, bound = rows @ rows.T, min(1.0, 1.0 / (nu * len(rows)))
    found = minimize(
        lambda a: 0.5 * a @ gram @ a,
        np.full(len(rows), 1.0 / len(rows)),
        jac=lambda a: gram @ a,
        method="SLSQP",
        bounds=[(0.0, bound)] * len(rows),
        constraints={"type": "eq", "fun": lambda a: a.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    return found.x @ rows


def primal_value(rows, nu, coef, offset):
    """1/2 w.w - rho + mean hinge / nu, from the definition."""
    return 0.5 * coef @ coef - offset + np.maximum(offset - rows @ coef, 0).sum() / (nu * len(rows))


class Pieces:
    """Row blocks cut wherever the test likes."""

    def __init__(self, rows, cuts):
        self._rows, self._cuts = rows, sorted({0, *cuts, len(rows)})
        self.n_rows, self.n_columns = rows.shape
        self.dtype = rows.dtype

    def blocks(self):
        for start, stop in zip(self._cuts, self._cuts[1:], strict=False):
            yield self._rows[start:stop]


KINDS = (
    "clustered",
    "far cluster",
    "gaussian",
    "heavy-tailed",
    "long",
    "one of each",
    "rank-deficient",
    "repeated",
    "scaled columns",
    "short",
    "spread out",
    "unscaled",
    "yes or no",
)


def kind_of_rows(kind, seed):
    """Small rows of many kinds, none of whose hulls holds the origin."""
    rng = np.random.default_rng(seed)
    draw = rng.standard_normal((90, 12))
    match kind:
        case "clustered":
            rows = np.abs(4 * np.eye(3, 12)[rng.integers(3, size=90)] + 0.3 * draw)
        case "far cluster":
            rows = np.abs(draw) + 30.0 * (np.arange(90) < 9)[:, None]
        case "gaussian":
            rows = draw + 2.5
        case "heavy-tailed":
            rows = np.abs(rng.standard_t(2, (90, 12)))
        case "long":
            rows = np.maximum(rng.standard_normal((20, 300)), 0)
        case "one of each":  # however w is chosen, many rows have one score
            rows = np.concatenate([np.eye(6)[rng.integers(6, size=90)] for _ in "ab"], axis=1)
        case "rank-deficient":
            rows = np.abs(rng.standard_normal((90, 4))) @ np.abs(rng.standard_normal((4, 12)))
        case "repeated":
            rows = np.abs(draw)[rng.integers(10, size=90)]
        case "scaled columns":
            rows = np.abs(draw) * 10.0 ** rng.uniform(-3, 3, 12)
        case "short":
            rows = np.abs(rng.standard_normal((300, 2)))
        case "spread out":
            rows = np.maximum(rng.standard_normal((80, 200)), 0)
        case "unscaled":
            rows = np.abs(draw) * rng.lognormal(0, 1.5, (90, 1))
        case "yes or no":
            rows = np.maximum(draw > 0, np.arange(12) == 0).astype(np.float64)
    return rows
