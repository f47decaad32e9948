"""Whatever scikit-learn takes as a random state, as one number."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np

from oneclass.errors import InputError

_BELOW = 2**31 - 1


def as_seed(random_state: Any, name: str = "seed") -> int:
    """The number that a random state stands for.

    Args:
        random_state: an integer of Python or numpy, which stands for itself; a numpy `Generator` or
            `RandomState`, from which one number is drawn; None for numpy's global state.
        name: of the argument, for the message.

    Raises:
        InputError: it is none of these, or negative.
    """
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(_BELOW))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(_BELOW))
    if random_state is None or random_state is np.random:
        return int(np.random.randint(_BELOW))  # noqa: NPY002 - what None means to scikit-learn
    if isinstance(random_state, Integral) and int(random_state) >= 0:
        return int(random_state)
    raise InputError(
        f"{name}: {random_state!r}; expected an integer of at least 0, a numpy Generator or "
        "RandomState, or None: give 0 for the same result every time"
    )
