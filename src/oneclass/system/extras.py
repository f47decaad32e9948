"""What to install where an optional package is missing: a line that works however we came here."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires


def pip_install(extra: str) -> str:
    """The line that installs the packages of an extra by their own names.

    The package itself may come from a folder, a wheel or an index, and pip need not find it again.

    Args:
        extra: of pyproject.toml, such as "train".
    """
    packages = _packages(extra)
    return f"pip install {' '.join(packages)}" if packages else f'pip install "oneclass[{extra}]"'


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
            names = _packages(own[1]) if own else [f'"{requirement.strip()}"']
            found += [name for name in names if name not in found]
    return found
