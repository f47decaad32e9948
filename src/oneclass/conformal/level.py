"""An image's own level: what is odd about nearly all of its positions, and so about none.

A normal picture that is rougher, darker or less sharp than others has higher scores everywhere, its
worst positions included. By how much they rise with the level is learnt from a few normal images
that calibrate nothing. So to those that do it is one thing that was given beforehand, the same for
every part of the half-spaces, and what is proven of their rate stands.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.conformal.union import Union

SLOPE, MOST = 0.4, 0.5
"""How much of a level is taken off: so many standard deviations of scores for one of levels, about
three quarters of what scores rise by; and no more than so much of it. benchmarks/patch_levels.py
has the table."""
FEWEST = 5
"""Images to learn it from."""


def with_level(union: Union, judge: Union, images: Iterable[NDArray[np.floating[Any]]]) -> Union:
    """A union that takes off of an image's positions what they have in common.

    Args:
        union: of positions, with no level.
        judge: those of its half-spaces whose mean is the direction of the level.
        images: (p, d) positions each, all of an image's, of normal ones.

    Returns:
        The union, whose offset has moved by the images' mean level, so that scores stay where they
        were; unchanged where the images are fewer than `FEWEST`, or have all one level.
    """
    direction = judge.coef.mean(axis=0, dtype=np.float64).astype(np.float32)
    judge = replace(judge, level=direction)
    found = [judge.worst_and_level(image) for image in images]
    if len(found) < FEWEST:
        return union
    scores, levels = np.array([(worst.mean(), level) for worst, level in found]).T
    if not levels.std() > np.finfo(np.float32).eps * np.abs(levels).max():
        return union
    share = min(MOST, SLOPE * float(scores.std() / levels.std()))
    if not share > 0:
        return union
    offset = union.offset + share * float(levels.mean())
    return replace(union, offset=offset, level=np.float32(share) * direction)
