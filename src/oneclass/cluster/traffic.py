"""What went over the network for a piece of work. No Dask here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Traffic:
    """What one pass over all rows, or all images, sent.

    Attributes:
        what: the pass did.
        out: bytes of what the tasks were told, what is common to all once; without Dask's own
            envelopes.
        back: bytes of what came back.
        rounds: how often this machine asked and waited; for images, tasks.
        seconds: it took.
    """

    what: str
    out: int = 0
    back: int = 0
    rounds: int = 0
    seconds: float = 0.0
