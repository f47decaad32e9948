"""Print the lowest version of every package that pyproject.toml allows, as pip's requirements.

python tools/lowest_versions.py serve dicom > lowest.txt    # of the core and of these extras

Extras that name extras of oneclass are followed. `make test-lowest` installs what it prints.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def lowest(extras: list[str], project: dict) -> list[str]:
    """Sorted lines ``name==version`` of the core and of the extras.

    >>> lowest(["b"], {"dependencies": ["x>=1.2"],
    ...        "optional-dependencies": {"a": ["y[z]==3"], "b": ["n[a]"]}, "name": "n"})
    ['x==1.2', 'y[z]==3']
    """
    found, seen = set(), set()
    lines = list(project["dependencies"])
    wanted = list(extras)
    while wanted:
        extra = wanted.pop()
        if extra not in seen:
            seen.add(extra)
            lines += project["optional-dependencies"][extra]
            for line in project["optional-dependencies"][extra]:
                if inner := re.fullmatch(rf"{project['name']}\[(.*)\]", line):
                    wanted += inner[1].split(",")
    for line in lines:
        if match := re.fullmatch(r"([\w.-]+(?:\[[\w,.-]+\])?)(?:>=|==)([\w.]+)", line):
            found.add(f"{match[1]}=={match[2]}")
    return sorted(found)


if __name__ == "__main__":
    print(*lowest(sys.argv[1:], tomllib.loads(PROJECT.read_text())["project"]), sep="\n")
