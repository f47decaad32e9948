"""What computes here: figures and the last bits of rows may depend on it."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import Any

from oneclass import __version__
from oneclass.system.portable import cpu_name
from oneclass.system.workers import worker_count

PACKAGES = ("numpy", "onnxruntime", "pillow")


def versions() -> dict[str, str]:
    """The installed versions of the packages that compute."""
    return {name: metadata.version(name) for name in PACKAGES}


def environment() -> dict[str, Any]:
    """Versions, processor and platform: what a figure may depend on."""
    return {
        "oneclass": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": cpu_name(),
        "cores": worker_count(),
        "versions": versions(),
    }
