"""How well near-copies are told from pictures: pairs of images of one picture.

    ONECLASS_DATA=/path/to/data python benchmarks/near_copies_pairs.py tiles cells boards

(and freight and faces; any folder of pictures will do in a set's place; with `--rows image`, or
`--whole SHARE ... --`, before them.) One line a set: how many images and pictures there are, and
for each way how many pictures `fit` finds, which share of the pairs that it joins show one picture,
and which share of such pairs it joins. The sets of each folder are: the folder as it is; 34
pictures with five altered copies each; 100 of which 20 have one to four; 40 of which 3, or 10, were
compressed once more; and, of all folders, 60 pictures each in one. Files called
`exp1_num_110086.jpg`, as magnetic tiles are, show one tile where their numbers differ by less than
100; of other folders each file is taken for a picture of its own.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from near_copies import Pixels, altered, pictures_of
from oneclass import Detector
from oneclass.images.sources import content_digest
from oneclass.rows import near_copies as rule

Ints = NDArray[np.int64]
NUMBERED = re.compile(r"exp\d_num_(\d+)")
ONE_TILE = 100
SETTINGS: dict[str, dict[str, float]] = {
    "as it is": {},
    "blur .03": {"BLUR": 0.03},
    "blur .06": {"BLUR": 0.06},
    "deep .6": {"DEEP": 0.6},
    "surely 2.5": {"SURELY": 2.5},
    "few 0": {"FEW": 0},
    "few 40": {"FEW": 40},
    "a fifth around": {"AROUND": 0.2},
    "never below .75": {"MANY": 2.0},
    "one look": {"HARDLY": 0.0},
    "no gap": {"GAP": np.inf},
    "gap 1.6": {"GAP": 1.6},
    "gap 2.5": {"GAP": 2.5},
}


def tiles(files: list[Path]) -> Ints:
    """A number for each file: those of one tile share it."""
    found = [NUMBERED.match(file.name) for file in files]
    numbers = np.array([int(one[1]) if one else ONE_TILE * i for i, one in enumerate(found)])
    order = np.argsort(numbers)
    of = np.empty(len(files), np.int64)
    of[order] = np.cumsum(np.diff(numbers[order], prepend=numbers[order][0]) >= ONE_TILE)
    return of


def sets(folders: list[str]) -> Iterator[tuple[str, list[Pixels], Ints]]:
    """The name, the images and which picture each shows."""
    random, kinds = np.random.default_rng(0), []
    for folder in folders:
        files = pictures_of(folder)
        images, of = [np.asarray(Image.open(file).convert("L")) for file in files], tiles(files)
        yield folder, images, of
        pictures = random.permutation(np.unique(of, return_index=True)[1])
        kinds += [images[i] for i in pictures[:60]]
        every = [[images[i], *altered(images[i], random)[1:]] for i in pictures[:34]]
        yield (
            "34, five copies each",
            [one for copies in every for one in copies],
            np.repeat(np.arange(34), 6),
        )
        some = pictures[:100]
        every = [
            [images[i], *(altered(images[i], random)[1 : 2 + k % 4] if 5 * k < len(some) else [])]
            for k, i in enumerate(some)
        ]
        counts = [len(one) for one in every]
        yield (
            f"{len(some)}, a fifth with copies",
            [one for copies in every for one in copies],
            np.repeat(np.arange(len(some)), counts),
        )
        for n in (3, 10):
            again = [altered(images[i], random)[1] for i in pictures[:n]]
            of = np.array([*range(len(pictures[:40])), *range(n)])
            yield f"40, {n} compressed anew", [*(images[i] for i in pictures[:40]), *again], of
    yield "60 of each folder", kinds, np.arange(len(kinds))


def outlines(images: list[Pixels], **looked_at: Any) -> NDArray[np.float32]:
    """What a fit looks at, in the order of the images' digests."""
    seen = []

    def look(rows: NDArray[np.float32]) -> Ints:
        seen.append(rows)
        return np.arange(len(rows))

    before, rule.group = rule.group, look
    try:
        Detector(**looked_at).fit(images)
    finally:
        rule.group = before
    return seen[0]


def compared(found: Ints, true: Ints) -> str:
    joined, same = found[:, None] == found, true[:, None] == true
    upper = np.triu(np.ones_like(same), 1)
    both = np.count_nonzero(joined & same & upper)
    n_joined, n_same = np.count_nonzero(joined & upper), np.count_nonzero(same & upper)
    right = f"{both / n_joined:.2f}" if n_joined else "-"
    return f"{found.max() + 1}, {right}, {f'{both / n_same:.2f}' if n_same else '-'}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+")
    parser.add_argument(
        "--whole", nargs="+", type=float, help="other shares of whole images, for all settings"
    )
    parser.add_argument("--rows", help="as for oneclass fit; the default is its own")
    given = parser.parse_args()
    looked_at = {"rows": given.rows} if given.rows else {}
    settings = SETTINGS
    if given.whole:
        settings = {f"{share:g}": {"WHOLE": share} for share in given.whole}
    print(f"| set | images, pictures | {' | '.join(settings)} |\n|---|---|{'---|' * len(settings)}")
    for name, images, of in sets(given.folders):
        digests = [content_digest(image) for image in images]
        first = np.unique(digests, return_index=True)[1]
        true, rows = of[first], outlines(images, **looked_at)
        cells = []
        for setting in settings.values():
            before = {key: getattr(rule, key) for key in setting}
            vars(rule).update(setting)
            if "WHOLE" in setting:
                rows = outlines(images, **looked_at)
            cells.append(compared(rule.group(rows, many=rule.MANY, surely=rule.SURELY), true))
            vars(rule).update(before)
        print(f"| {name} | {len(true)}, {len(np.unique(true))} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
