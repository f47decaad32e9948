"""What is installed and computes here, on which last bits may depend; and what is not."""

from __future__ import annotations

import platform
import re
from importlib import metadata
from importlib.metadata import PackageNotFoundError, requires
from typing import Any

from oneclass import __version__
from oneclass.system.host.portable import cpu_name
from oneclass.system.host.workers import worker_count

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


def pip_install(extra: str) -> str:
    """The line that installs the packages of an extra by their own names, and the one of the extra.

    The package itself may come from a folder, a wheel or an index, and pip need not find it again:
    by the names of the packages that works everywhere, by the extra's in the source's folder.

    Args:
        extra: of pyproject.toml, such as "train".
    """
    packages = _packages(extra)
    source = f'in the folder of the source: pip install ".[{extra}]"'
    named = f"pip install {' '.join(packages)} (the extra {extra}; {source})"
    return named if packages else f'pip install "oneclass[{extra}]"'


def _packages(extra: str) -> list[str]:
    try:
        lines = requires("oneclass") or []
    except PackageNotFoundError:
        return []
    found: list[str] = []
    for line in lines:
        requirement, _, marker = line.partition(";")
        if re.search(rf"extra\s*==\s*[\"']{extra}[\"']", marker):
            own = re.fullmatch(r"oneclass\[(.+)\]", requirement.strip())
            others = own[1].split(",") if own else []
            names = [name for other in others for name in _packages(other.strip())]
            names = names or [f'"{requirement.strip()}"']
            found += [name for name in names if name not in found]
    return found
