"""The linear one-class SVM as geometry: certified, in a few passes over the rows.

    from oneclass.svm import nu_path, LinearOneClassSVM

The numerical core needs numpy alone; the two scikit-learn estimators load scikit-learn when they
are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclass.system.lazy import load_on_use

if TYPE_CHECKING:
    from oneclass.svm._halfspaces import Halfspaces, fit_halfspaces, halfspace_scores
    from oneclass.svm._path import NuPath, nu_path
    from oneclass.svm.estimators import HalfspaceUnion as HalfspaceUnion
    from oneclass.svm.estimators import LinearOneClassSVM as LinearOneClassSVM

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

# Without the two estimators: they need scikit-learn, and `import *` is for the plain installation.
__all__ = [
    "Halfspaces",
    "NuPath",
    "cluster_rows",
    "fit_halfspaces",
    "halfspace_scores",
    "nu_path",
]


__getattr__, __dir__ = load_on_use(__name__, _HOMES, __all__)
