"""The control groups that this process is in: where a container's limits stand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")


def groups(root: Path, controller: str) -> Iterator[tuple[int, Path, str]]:
    """(version, where its tree is mounted, path in the tree) of each group with a limit.

    Args:
        root: of the file system with `proc` and `sys`.
        controller: "cpu" or "memory".
    """
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        tree = root / "sys/fs/cgroup"
        if number == "0" and not controllers:
            yield 2, tree, group.strip("/")
        elif controller in controllers.split(","):
            places = [tree / controllers, tree / controller]
            yield 1, next((p for p in places if p.is_dir()), places[-1]), group.strip("/")
