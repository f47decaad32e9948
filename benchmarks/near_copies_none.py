"""How often pictures are taken for copies where there are none.

    ONECLASS_DATA=/path/to/data python benchmarks/near_copies_none.py tiles cells boards

(and freight and faces; any folder of pictures will do in a set's place.) First a line for each
folder and number of pictures that all differ, of `DRAWS` draws: the share in which any of them are
joined, and in which more than a twentieth are, by `fit` and by `check`, as they are and with
another setting. Then two kinds in one folder, all pairs of the folders given: how many images are
taken for copies in the mean. What a network sees is folded with signs drawn anew, so that what
hangs on those is seen.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from near_copies import Pixels, pictures_of
from near_copies_pairs import tiles
from oneclass import Detector
from oneclass.detector import learning
from oneclass.images.alike import alike, fingerprint
from oneclass.images.sources import content_digest
from oneclass.rows import near_copies as rule

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]
DRAWS, SIGNS, NUMBERS = 40, 4, (20, 35, 60, 100)
EACH, OF_TWO, DRAWS_OF_TWO = 60, ((35, 5), (50, 10), (30, 30)), 5


class Pool(NamedTuple):
    """What is seen of some images, all in one order.

    Attributes:
        rows: what a network sees, and what it sees of whole images, for each draw of signs.
        prints: small pictures.
        images: indices into what was given.
    """

    rows: list[tuple[Floats, Floats | None]]
    prints: list[NDArray[np.float16]]
    images: Ints


def pool(images: list[Pixels]) -> Pool:
    seen: list[tuple[Floats, Floats | None]] = []

    def look(rows: Any, copies: Ints, whole: Any = None) -> Ints:
        signs, every = rule._signs, np.arange(rows.n_rows)
        for seed in range(SIGNS):
            rule._signs = drawn_by(seed)
            seen.append(
                (rule.folded(rows, every), None if whole is None else rule.folded(whole, every))
            )
        rule._signs = signs
        return copies

    usual, learning.near_copies = learning.near_copies, look
    try:
        Detector().fit(images)
    finally:
        learning.near_copies = usual
    order = np.array(sorted(range(len(images)), key=lambda i: content_digest(images[i])))
    return Pool(seen, [fingerprint(images[i]) for i in order], order)


def drawn_by(seed: int) -> Callable[[int], Floats]:
    """Signs by a seed; those of 0 are the ones that `fit` draws."""

    def signs(n: int) -> Floats:
        if n <= rule.WIDTH:
            return np.ones(n, np.float32)
        random = np.random.default_rng(seed)
        some = range(0, n, rule.STRETCH)
        parts = [
            random.choice(np.array([-1, 1], np.int8), min(rule.STRETCH, n - at)) for at in some
        ]
        return np.concatenate(parts).astype(np.float32)

    return signs


def joined(given: Pool, some: Ints, signs: int) -> list[int]:
    """How many images count as copies of others: `fit` and `check`, as they are and otherwise."""
    rows, whole = given.rows[signs]
    outlines = rows[some] if whole is None else rule._side_by_side(rows[some], whole[some])
    few, found = rule.FEW, []
    for rule.FEW in (few, 0):
        found.append(len(some) - len(np.unique(rule.group(outlines))))
    rule.FEW = few
    prints, contents = [given.prints[i] for i in some], [b"%d" % i for i in some]
    for setting in ({}, {"surely": rule.SURELY}):
        found.append(sum(len(group) - 1 for group in alike(prints, contents, **setting)))
    return found


def main() -> None:
    ways = "fit | fit, few 0 | check | check, surely 2 |"
    print(f"| folder | pictures | {ways}\n|---|---|---|---|---|---|")
    kinds: list[list[Pixels]] = []
    random = np.random.default_rng(0)
    for folder in sys.argv[1:]:
        files = pictures_of(folder)
        first = random.permutation(np.unique(tiles(files), return_index=True)[1])
        images = [np.asarray(Image.open(files[i]).convert("L")) for i in first]
        kinds.append(images[:EACH])
        given = pool(images)
        for n in (n for n in NUMBERS if n <= len(images)):
            found = np.array(
                [
                    joined(given, np.sort(random.permutation(len(images))[:n]), draw % SIGNS)
                    for draw in range(DRAWS)
                ]
            )
            shares = zip((found > 0).mean(axis=0), (found > n / 20).mean(axis=0), strict=True)
            cells = " | ".join(f"{100 * any_:.0f} %, {100 * many:.0f} %" for any_, many in shares)
            print(f"| {folder} | {n} | {cells} |", flush=True)
    if len(kinds) < 2:
        return
    given = pool([image for images in kinds for image in images])
    kind = np.repeat(np.arange(len(kinds)), [len(images) for images in kinds])[given.images]
    print(f"\n| of one kind and of another | {ways}\n|---|---|---|---|---|")
    for numbers in OF_TWO:
        found = np.array(
            [
                joined(given, np.sort(two(kind, pair, numbers, random)), draw % SIGNS)
                for pair in np.ndindex(len(kinds), len(kinds))
                if pair[0] != pair[1]
                for draw in range(DRAWS_OF_TWO)
            ]
        )
        cells = " | ".join(f"{mean:.2f}" for mean in found.mean(axis=0))
        print(f"| {numbers[0]} and {numbers[1]} | {cells} |", flush=True)


def two(
    kind: Ints, pair: tuple[int, ...], numbers: tuple[int, int], random: np.random.Generator
) -> Ints:
    """So many images of one kind, and so many of another."""
    chosen = [
        random.permutation(np.flatnonzero(kind == k))[:n]
        for k, n in zip(pair, numbers, strict=True)
    ]
    return np.concatenate(chosen)


if __name__ == "__main__":
    main()
