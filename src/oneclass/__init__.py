"""oneclass: learn what normal images look like, and say how odd a new one is.

from oneclass import Detector, load

The names load on first use: importing the package loads no network runtime.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclass.system.lazy import load_on_use

if TYPE_CHECKING:
    from oneclass.detector.estimator import Detector
    from oneclass.detector.files.loading import load
    from oneclass.detector.heat import Explanation
    from oneclass.detector.predictions import Prediction, Predictions
    from oneclass.detector.regions import Region
    from oneclass.detector.updating import Update
    from oneclass.errors import (
        ClusterError,
        DownloadError,
        ImageError,
        InputError,
        MissingDependencyError,
        ModelFileError,
        OneclassError,
        StorageError,
    )
    from oneclass.svm import HalfspaceUnion as HalfspaceUnion
    from oneclass.svm import LinearOneClassSVM as LinearOneClassSVM
    from oneclass.svm import nu_path

__version__ = "0.2.0"

_HOMES = {
    "ClusterError": "errors",
    "Detector": "detector.estimator",
    "DownloadError": "errors",
    "Explanation": "detector.heat",
    "HalfspaceUnion": "svm",
    "ImageError": "errors",
    "InputError": "errors",
    "LinearOneClassSVM": "svm",
    "MissingDependencyError": "errors",
    "ModelFileError": "errors",
    "OneclassError": "errors",
    "Prediction": "detector.predictions",
    "Predictions": "detector.predictions",
    "Region": "detector.regions",
    "StorageError": "errors",
    "Update": "detector.updating",
    "load": "detector.files.loading",
    "nu_path": "svm",
}

# Without the two estimators: they need scikit-learn, and `import *` is for the plain installation.
__all__ = [
    "ClusterError",
    "Detector",
    "DownloadError",
    "Explanation",
    "ImageError",
    "InputError",
    "MissingDependencyError",
    "ModelFileError",
    "OneclassError",
    "Prediction",
    "Predictions",
    "Region",
    "StorageError",
    "Update",
    "__version__",
    "load",
    "nu_path",
]


__getattr__, __dir__ = load_on_use(__name__, _HOMES, __all__)
