"""The command line as a program of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def oneclass(
    *words: str | Path, cwd: Path | None = None, stdin: str = "", **options: object
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "oneclass", *map(str, words)]
    return subprocess.run(
        command, capture_output=True, text=True, input=stdin, cwd=cwd, check=False, **options
    )
