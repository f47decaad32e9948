"""What is kept of images whose patches are too many to keep them all.

Of a few images all patches are kept: their scores calibrate. Of every image a thin row is kept: the
row of the image as a whole, what tells it from near-copies, and some patches to learn from. Which
images and which patches is decided by the images' content alone, so the same images give the same
model in any order, by any number of workers, and in an update.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.rows.blocks import ArrayRows, RowSource
from oneclass.rows.near_copies import WIDTH, folded
from oneclass.rows.sliced import SlicedRows

WHOLE_BYTES, FEWEST_WHOLE = 3 << 30, 100
"""Room for images with all their patches. Where it is too small for all images, so many fit in."""
SAMPLE_BYTES = 128 << 20
"""Room for the patches that thin rows hold."""
Rows = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Layout:
    """Where patches lie in the row of an image.

    Attributes:
        before: the width of the whole image's row, which stands in front; 0 where there is none.
        positions: of the image.
        depth: columns of a patch.
    """

    before: int
    positions: int
    depth: int

    @property
    def n_columns(self) -> int:
        """Of an image's row, patches and all."""
        return self.before + self.positions * self.depth

    def most_whole(self, n: int, itemsize: int) -> int:
        """Of how many of n images all patches are used: of all, as long as there is room."""
        fit = WHOLE_BYTES // (self.n_columns * itemsize)
        return n if n <= fit else min(n, max(fit, FEWEST_WHOLE))

    def quota(self, n: int, itemsize: int) -> int:
        """How many patches of each of n images are learnt from: a power of 2, or all of them."""
        most = max(1, SAMPLE_BYTES // (n * self.depth * itemsize))
        return min(self.positions, 1 << (most.bit_length() - 1))

    def thin_width(self, quota: int) -> int:
        """Numbers in a thin row."""
        return self._folded + self.before + quota * self.depth

    def quota_of(self, thin_width: int) -> int:
        """How many patches a thin row of so many numbers holds."""
        return (thin_width - self._folded - self.before) // self.depth

    def thin(self, row: Rows, digest: bytes, quota: int) -> Rows:
        """An image's thin row.

        Args:
            row: with all its patches.
            digest: of the image's content; a smaller quota gives the first of the same patches.
            quota: of patches.
        """
        flat = row.reshape(-1)
        random = np.random.default_rng(np.frombuffer(digest, "<u8"))
        drawn = random.permutation(self.positions)[:quota]
        patches = flat[self.before :].reshape(self.positions, self.depth)[drawn]
        outline = folded(ArrayRows(flat[None]), np.zeros(1, np.int64))[0]
        parts = (outline, flat[: self.before], patches.reshape(-1))
        return np.concatenate([part.astype(row.dtype) for part in parts])

    @property
    def _folded(self) -> int:
        return min(WIDTH, self.n_columns)

    def views(self, whole: RowSource, thin: RowSource | None = None) -> Views:
        """What a fit looks at.

        Args:
            whole: (m, ...) rows with all patches.
            thin: (n, width) of all images; None where n is m.
        """
        behind = (self.positions, self.depth)
        scored = SlicedRows(whole, self.before, behind) if self.before else whole
        if thin is None:
            as_a_whole = SlicedRows(whole, 0, (self.before,)) if self.before else None
            return Views(whole, as_a_whole, scored, scored)
        n, start = thin.n_rows, self._folded + self.before
        quota = min(self.quota(n, thin.stored.itemsize), self.quota_of(thin.n_columns))
        return Views(
            SlicedRows(thin, 0, (self._folded,)),
            SlicedRows(thin, self._folded, (self.before,)) if self.before else None,
            SlicedRows(thin, start, (quota, self.depth)),
            scored,
        )


@dataclass(frozen=True)
class Views:
    """The rows of n images as a fit looks at them.

    Attributes:
        outlines: (n, ...) what tells images apart, and near-copies.
        as_a_whole: (n, w) rows of whole images beside those of patches; None without.
        learnt: (n, d), or (n, q, d) patches, that half-spaces learn from.
        scored: (m, d) or (m, p, d) of the first m images: all of theirs.
    """

    outlines: RowSource
    as_a_whole: SlicedRows | None
    learnt: RowSource
    scored: RowSource
