"""What a user could pick instead, timed on the same rows in the same process."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from liblinear.liblinearutil import parameter, problem, train
from scipy.sparse import csr_matrix
from sklearn.linear_model import SGDOneClassSVM
from sklearn.svm import OneClassSVM

from oneclass.statistics import auroc
from oneclass.svm import NuPath

Fit = Callable[[float], np.ndarray]  # nu -> coef in the paper's scale


def compare(
    rows: np.ndarray,
    nus: np.ndarray,
    path: NuPath,
    *,
    libsvm_nus: int,
    liblinear_nus: int,
    test: Sequence[np.ndarray] = (),
) -> list[dict[str, Any]]:
    """Time every peer; peers on fewer nu than ours are scaled to all of them.

    The excess is the primal value above our dual value, over coef.coef: 0 is perfect, and it
    compares a solver that stops early with one that does not.
    """
    found = []
    if libsvm_nus:
        found.append(_run("libsvm, kernel='linear'", libsvm(rows), rows, nus, path, libsvm_nus))
        start = time.perf_counter()
        gram = rows.astype(np.float64) @ rows.T.astype(np.float64)
        extra = time.perf_counter() - start
        found.append(
            _run("Gram + libsvm", on_gram(rows, gram, 1e-3), rows, nus, path, len(nus), extra)
        )
        exact = on_gram(rows, gram, 1e-9)
        found.append(_run("Gram + libsvm, tol 1e-9", exact, rows, nus, path, len(nus), extra, test))
        found.append(_run("SGDOneClassSVM", sgd(rows), rows, nus, path, len(nus)))
    sparse = csr_matrix(rows, dtype=np.float64)
    ready = problem(np.ones(len(rows)), sparse)
    found.append(_run("liblinear -s 21", liblinear(ready, rows), rows, nus, path, liblinear_nus))
    return found


def libsvm(rows: np.ndarray, tol: float = 1e-3) -> Fit:
    def fit(nu: float) -> np.ndarray:
        model = OneClassSVM(kernel="linear", nu=nu, tol=tol, cache_size=200).fit(rows)
        return model.coef_[0] / (nu * len(rows))

    return fit


def on_gram(rows: np.ndarray, gram: np.ndarray, tol: float) -> Fit:
    def fit(nu: float) -> np.ndarray:
        model = OneClassSVM(kernel="precomputed", nu=nu, tol=tol).fit(gram)
        return model.dual_coef_[0] @ rows[model.support_] / (nu * len(rows))

    return fit


def sgd(rows: np.ndarray) -> Fit:
    def fit(nu: float) -> np.ndarray:
        return SGDOneClassSVM(nu=nu, random_state=0).fit(rows).coef_

    return fit


def liblinear(ready: problem, rows: np.ndarray, tol: float = 0.01) -> Fit:
    def fit(nu: float) -> np.ndarray:
        model = train(ready, parameter(f"-s 21 -n {nu} -e {tol:g} -q"))
        return np.array(model.w[: rows.shape[1]]) / (nu * len(rows))

    return fit


def _run(
    name: str,
    fit: Fit,
    rows: np.ndarray,
    nus: np.ndarray,
    path: NuPath,
    count: int,
    extra: float = 0.0,
    test: Sequence[np.ndarray] = (),
) -> dict[str, Any]:
    chosen = np.unique(np.linspace(0, len(nus) - 1, count + 2).round().astype(int)[1:-1])
    chosen = np.arange(len(nus)) if count == len(nus) else chosen
    taken, excess, shift = 0.0, [], []
    for i in chosen:
        start = time.perf_counter()
        coef = np.asarray(fit(float(nus[i])), dtype=np.float64)
        taken += time.perf_counter() - start
        excess.append(excess_of(rows, float(nus[i]), coef, path, i))
        shift += _auroc_shift(test, coef, path.coef[i])
    print(f"  {name}: {taken:.2f} s for {len(chosen)} nu", flush=True)
    return {
        "name": name,
        "n_nus": len(chosen),
        "seconds": extra + taken * len(nus) / len(chosen),
        "largest_excess": max(excess),
        "largest_auroc_shift": max(shift) if shift else None,
    }


def excess_of(rows: np.ndarray, nu: float, coef: np.ndarray, path: NuPath, i: int) -> float:
    """Primal value above the dual value of the path's i-th solution, over its w.w."""
    scores = np.sort(rows @ coef.astype(rows.dtype)).astype(np.float64)
    mass = nu * len(rows)
    full = int(mass)
    lowest = (scores[:full].sum() + (mass - full) * scores[min(full, len(rows) - 1)]) / mass
    # The best multiple of coef is used: a solver is not blamed for its scale.
    scale = lowest / (coef @ coef) if coef @ coef > 0 else 0.0
    primal = 0.5 * scale**2 * (coef @ coef) - scale * lowest
    return float((primal + path.objective[i]) / (2 * path.objective[i]))


def _auroc_shift(test: Sequence[np.ndarray], theirs: np.ndarray, ours: np.ndarray) -> list[float]:
    return [
        abs(auroc(-test[0] @ theirs, -odd @ theirs) - auroc(-test[0] @ ours, -odd @ ours))
        for odd in test[1:]
    ]
