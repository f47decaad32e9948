"""Tokens of a vision transformer as what other networks have: a map, and a vector of the image.

A transformer's layer gives (images, tokens, channels): a token for each square of the image, row by
row, behind others that stand for no place (a class token first, and registers behind it).
NAME:map is the squares' tokens as a map, NAME:class the first token. Others, such as Swin, give
(images, height, width, channels); of these NAME:map has the channels first.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import InputError

MAP, CLASS = ":map", ":class"
MOST_OTHERS = 16
"""Tokens that stand for no place; DINOv2 with registers has five."""
Floats = NDArray[np.float32]


def tensor_of(layer: str, known: Callable[[str], bool]) -> tuple[str, str]:
    """The tensor that a layer is read from, and `MAP`, `CLASS` or nothing.

    Args:
        layer: as users write it.
        known: whether the network has a tensor of that name; one that looks like this itself is
            taken as it is.
    """
    for view in (MAP, CLASS):
        if layer.endswith(view) and not known(layer) and known(layer.removesuffix(view)):
            return layer.removesuffix(view), view
    return layer, ""


def token_grid(n_tokens: int, size: tuple[int, int]) -> tuple[int, int] | None:
    """(height, width) of the squares that tokens stand for; None where they are none.

    Args:
        n_tokens: with those that stand for no place.
        size: (height, width) of the image, which the squares cover.
    """
    sides = [p for p in range(1, min(size) + 1) if size[0] % p == size[1] % p == 0]
    grids = [(size[0] // p, size[1] // p) for p in sides]
    fitting = [g for g in grids if 0 <= n_tokens - g[0] * g[1] <= MOST_OTHERS and g[0] * g[1] > 1]
    return max(fitting, key=lambda g: g[0] * g[1], default=None)


def channels_last(shape: tuple[int, ...], size: tuple[int, int]) -> bool:
    """Whether a layer's (a, b, c) are height, width and channels, not channels first.

    Args:
        shape: for one image.
        size: (height, width) of the image: a map has one position for so many pixels both ways.
    """
    return len(shape) == 3 and _covers(shape[:2], size) and not _covers(shape[1:], size)


def _covers(grid: tuple[int, ...], size: tuple[int, int]) -> bool:
    h, w = grid
    return min(grid) > 1 and size[0] % h == size[1] % w == 0 and size[0] // h == size[1] // w


def view(values: Floats, wanted: str, layer: str, size: tuple[int, int]) -> Floats:
    """A layer's values as they are wanted.

    Args:
        values: (n, tokens, channels), or (n, height, width, channels), where something else than
            the values themselves is wanted.
        wanted: `MAP` for (n, channels, height, width), `CLASS` for (n, channels), or nothing.
        layer: for messages.
        size: (height, width) of the images.

    Raises:
        InputError: these are no tokens of such images, or there is no class token.
    """
    if not wanted:
        return values
    if wanted == MAP and channels_last(values.shape[1:], size):
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2))
    grid = token_grid(values.shape[1], size) if values.ndim == 3 else None
    if grid is None:
        shape = " x ".join(map(str, values.shape[1:]))
        raise InputError(
            f"layer {layer!r}: {shape} are no tokens of squares of {size[1]} x {size[0]} pixels. "
            f"Name the layer without {wanted}, or one whose output is tokens x channels"
            f"{' or height x width x channels' if wanted == MAP else ''}."
        )
    others = values.shape[1] - grid[0] * grid[1]
    if wanted == CLASS:
        if not others:
            raise InputError(
                f"layer {layer!r}: every token stands for a place, and there is no class token. "
                f"Use {layer.removesuffix(CLASS)}{MAP}@2 for the image as a whole."
            )
        return np.ascontiguousarray(values[:, 0])
    squares = values[:, others:].reshape(len(values), *grid, values.shape[2])
    return np.ascontiguousarray(squares.transpose(0, 3, 1, 2))
