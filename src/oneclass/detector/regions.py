"""Where a map lies above a threshold: regions, with their outlines, in pixels of the picture.

A region is a set of positions that hang together, corners included. Its contour runs along the
edges of the positions, so that it encloses them and nothing else: nothing is smoothed or guessed.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]
Polygon = tuple[Point, ...]
Step = tuple[int, int]
Ints = NDArray[np.int64]
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Region:
    """Positions of an anomaly map that hang together and lie above a threshold.

    All places are in pixels of the picture, x to the right and y downwards from its upper left
    corner: pixel (0, 0) reaches from 0 to 1.

    Attributes:
        value: the largest of its map's values.
        place: (x, y), the middle of the position that has it.
        box: (left, top, right, bottom), whole pixels that hold the region, as Pillow's `crop` takes
            them: right and bottom are not part of it.
        area: in square pixels.
        contour: the corners (x, y) of its outline; the last one is joined to the first.
        holes: likewise, of what it encloses and what is not above the threshold.
    """

    value: float
    place: Point
    box: tuple[int, int, int, int]
    area: float
    contour: Polygon
    holes: tuple[Polygon, ...]

    def to_json(self) -> dict[str, Any]:
        """The attributes as JSON can say them, places to a hundredth of a pixel."""
        return {
            "value": self.value,
            "place": _rounded(self.place),
            "box": list(self.box),
            "area": round(self.area, 2),
            "contour": [_rounded(corner) for corner in self.contour],
            "holes": [[_rounded(corner) for corner in hole] for hole in self.holes],
        }


def regions(
    anomaly_map: NDArray[np.floating[Any]],
    threshold: float,
    size: tuple[int, int] | None = None,
) -> tuple[Region, ...]:
    """The regions of a map that lie above a threshold, the one with the largest value first.

    Args:
        anomaly_map: (h, w), h >= 1 and w >= 1.
        threshold: a position belongs to a region if its value is larger.
        size: (height, width) of the picture in pixels, at least 1; None for (h, w).

    Returns:
        None at all where no value is above the threshold.
    """
    above = anomaly_map > threshold
    if not above.any():
        return ()
    height, width = size or anomaly_map.shape
    scale = width / anomaly_map.shape[1], height / anomaly_map.shape[0]
    found = [
        _region(anomaly_map, *places, scale) for places in _places(components(above)[above], above)
    ]
    return tuple(sorted(found, key=lambda region: -region.value))


def _places(labels: Ints, above: NDArray[np.bool_]) -> Iterator[tuple[Ints, Ints]]:
    """The rows and columns of each label's positions."""
    order = np.argsort(labels, kind="stable")
    ends = np.cumsum(np.bincount(labels)[1:])[:-1]
    yield from zip(*(np.split(axis[order], ends) for axis in np.nonzero(above)), strict=True)


def components(above: NDArray[np.bool_]) -> Ints:
    """Number what hangs together, corners included.

    Args:
        above: (h, w).

    Returns:
        (h, w) int64: 0 where `above` is not, else from 1 on in the order of reading.
    """
    edges = np.diff(np.pad(above, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    # Runs of a line: each from its start up to its stop, in the order of reading.
    lines, starts = np.nonzero(edges == 1)
    stops = np.nonzero(edges == -1)[1]
    parents = list(range(len(lines)))
    for run, other in _touching(lines.tolist(), starts.tolist(), stops.tolist()):
        one, two = sorted((_root(parents, run), _root(parents, other)))
        parents[two] = one
    roots = np.array([_root(parents, run) for run in parents], np.int64)
    numbers = np.unique(roots, return_inverse=True)[1] + 1
    labels = np.zeros(above.shape, np.int64)
    labels[above] = np.repeat(numbers, stops - starts)
    return labels


def _touching(lines: list[int], starts: list[int], stops: list[int]) -> Iterator[tuple[int, int]]:
    """Pairs of runs in neighbouring lines that share an edge or a corner."""
    above = 0
    for run, line in enumerate(lines):
        while lines[above] < line - 1 or (lines[above] == line - 1 and stops[above] < starts[run]):
            above += 1
        other = above
        while lines[other] == line - 1 and starts[other] <= stops[run]:
            yield run, other
            other += 1


def _root(parents: list[int], run: int) -> int:
    while parents[run] != run:
        parents[run] = parents[parents[run]]
        run = parents[run]
    return run


def _region(
    anomaly_map: NDArray[np.floating[Any]], rows: Ints, columns: Ints, scale: tuple[float, float]
) -> Region:
    (across, down), x0, y0 = scale, int(columns.min()), int(rows.min())
    x1, y1 = int(columns.max()) + 1, int(rows.max()) + 1
    inside = np.zeros((y1 - y0, x1 - x0), np.bool_)
    inside[rows - y0, columns - x0] = True
    # The only ring that runs clockwise is the outer one.
    rings = sorted(_rings(inside), key=_turned_area, reverse=True)
    outer, *inner = (tuple(((x0 + x) * across, (y0 + y) * down) for x, y in ring) for ring in rings)
    values = anomaly_map[rows, columns]
    largest = int(values.argmax())
    return Region(
        value=float(values[largest]),
        place=((int(columns[largest]) + 0.5) * across, (int(rows[largest]) + 0.5) * down),
        box=(
            math.floor(x0 * across + ROUNDING),
            math.floor(y0 * down + ROUNDING),
            math.ceil(x1 * across - ROUNDING),
            math.ceil(y1 * down - ROUNDING),
        ),
        area=len(rows) * across * down,
        contour=outer,
        holes=tuple(inner),
    )


def _rounded(place: Point) -> list[float]:
    return [round(place[0], 2), round(place[1], 2)]


def _rings(inside: NDArray[np.bool_]) -> Iterator[list[Step]]:
    """The corners (x, y) of each closed line around positions, with those on its right."""
    ways = _edges(inside)
    while ways:
        place = start = next(iter(ways))
        step = first = ways[start][0]
        corners: list[Step] = []
        while True:
            ways[place].remove(step)
            if not ways[place]:
                del ways[place]
            place = place[0] + step[0], place[1] + step[1]
            leaving = [*ways.get(place, ()), *([first] if place == start else ())]
            # Two edges leave where positions meet at a corner: the left one holds them together.
            turned = min(leaving, key=partial(_cross, step))
            if turned != step:
                corners.append(place)
            step = turned
            if place == start and step == first:
                break
        yield corners


def _edges(inside: NDArray[np.bool_]) -> dict[Step, list[Step]]:
    """From each corner (x, y) the steps along edges that have a position on their right alone."""
    padded = np.pad(inside, 1)
    ways: dict[Step, list[Step]] = defaultdict(list)
    for step, outside, (right, down) in (
        ((1, 0), padded[:-2, 1:-1], (0, 0)),
        ((0, 1), padded[1:-1, 2:], (1, 0)),
        ((-1, 0), padded[2:, 1:-1], (1, 1)),
        ((0, -1), padded[1:-1, :-2], (0, 1)),
    ):
        for y, x in np.argwhere(inside & ~outside).tolist():
            ways[x + right, y + down].append(step)
    return ways


def _cross(one: Step, two: Step) -> int:
    """Below 0 where `two` turns left of `one`, y pointing downwards."""
    return one[0] * two[1] - one[1] * two[0]


def _turned_area(ring: list[Step]) -> int:
    """Twice the area that a closed line encloses; below 0 where it runs counter-clockwise."""
    return sum(a[0] * b[1] - a[1] * b[0] for a, b in zip(ring, ring[1:] + ring[:1], strict=True))
