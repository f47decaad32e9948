"""Counts for Prometheus, in its text format."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter

EDGES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
HELP = {
    "oneclass_images_total": "Images by verdict.",
    "oneclass_requests_total": "Answered requests by kind of status.",
    "oneclass_tidying_failures_total": "Times that old images could not be removed.",
}


class Metrics:
    """Counters, and a histogram of how long images took from arrival to answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[tuple[str, str]] = Counter()
        self._took = [0] * (len(EDGES) + 1)
        self._seconds = 0.0

    def count(self, name: str, **labels: str) -> None:
        """Count one."""
        text = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
        with self._lock:
            self._counts[name, text] += 1

    def took(self, seconds: float) -> None:
        """An image took so long."""
        with self._lock:
            self._took[bisect_left(EDGES, seconds)] += 1
            self._seconds += seconds

    def text(self, gauges: dict[str, float]) -> str:
        """All of it, with values that are as they are now."""
        with self._lock:
            counts, took, seconds = dict(self._counts), list(self._took), self._seconds
        lines = []
        for name in sorted({name for name, _ in counts}):
            lines += [f"# HELP {name} {HELP[name]}", f"# TYPE {name} counter"]
            same = sorted((labels, n) for (own, labels), n in counts.items() if own == name)
            lines += [f"{name}{{{labels}}} {n}" for labels, n in same]
        name = "oneclass_image_seconds"
        lines += [
            f"# HELP {name} From an image's arrival to its answer.",
            f"# TYPE {name} histogram",
        ]
        total = 0
        for edge, n in zip((*EDGES, "+Inf"), took, strict=True):
            total += n
            lines.append(f'{name}_bucket{{le="{edge}"}} {total}')
        lines += [f"{name}_sum {seconds}", f"{name}_count {total}"]
        for gauge, value in gauges.items():
            lines += [f"# TYPE {gauge} gauge", f"{gauge} {value:g}"]
        return "\n".join(lines) + "\n"
