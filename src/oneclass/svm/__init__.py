"""The linear one-class SVM as geometry: certified, in a few passes over the rows.

    from oneclass.svm import nu_path, LinearOneClassSVM

The numerical core needs numpy alone; the two scikit-learn estimators load scikit-learn when they
are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from oneclass.svm._halfspaces import Halfspaces, fit_halfspaces, halfspace_scores
    from oneclass.svm._path import NuPath, nu_path
    from oneclass.svm.estimators import HalfspaceUnion, LinearOneClassSVM

_HOMES = {
    "HalfspaceUnion": "estimators",
    "Halfspaces": "_halfspaces",
    "LinearOneClassSVM": "estimators",
    "NuPath": "_path",
    "cluster_rows": "_clusters",
    "fit_halfspaces": "_halfspaces",
    "halfspace_scores": "_halfspaces",
    "nu_path": "_path",
}

__all__ = [
    "HalfspaceUnion",
    "Halfspaces",
    "LinearOneClassSVM",
    "NuPath",
    "cluster_rows",
    "fit_halfspaces",
    "halfspace_scores",
    "nu_path",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'oneclass.svm' has no attribute {name!r}")
    return getattr(import_module(f"oneclass.svm.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
