"""What the solver's tables are put together from."""

from __future__ import annotations

from typing import Any


def table(head: list[str], lines: list[list[str]]) -> str:
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def verdict(reached: bool) -> str:
    return "reached" if reached else "**missed**"


def hardware(limits: dict[str, Any]) -> str:
    threads = "thread" if limits["threads"] == 1 else "threads"
    return f"{limits['cpu']}, {limits['cores']} cores, {limits['threads']} {threads} in BLAS"
