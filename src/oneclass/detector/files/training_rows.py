"""The rows of the normal images that a model has learnt, which `update` needs again."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from oneclass.detector.files import modelfile
from oneclass.errors import ModelFileError
from oneclass.representations import Representation
from oneclass.rows import RowSource
from oneclass.rows.samples import Layout, Views
from oneclass.rows.scratch import ScratchRows
from oneclass.system.files import kept_previous, previous
from oneclass.system.places import Remote

RESERVE = 4 / 3
"""Kept whole for each image that is used whole: so some can be forgotten."""


@dataclass(frozen=True)
class TrainingRows:
    """The normal images as rows, in an order that their content decides.

    Attributes:
        rows: (m, ...) of the first m images, as their representation makes them.
        digests: n SHA-256 of the images' content, ascending.
        thin: (n, w) what is kept of all images where m is not n (`Layout`), else None.
    """

    rows: RowSource
    digests: Sequence[bytes]
    thin: RowSource | None = None

    def views(self, layout: Layout | None) -> Views:
        """What a fit looks at.

        Args:
            layout: of rows with patches; None of those without.
        """
        if layout is None:
            return Views(self.rows, None, self.rows, self.rows)
        if self.thin is None:
            return layout.views(self.rows)
        most = layout.most_whole(len(self.digests), self.rows.stored.itemsize)
        used = np.arange(self.rows.n_rows) < most
        return layout.views(self.rows.chosen(used), self.thin)

    @property
    def sha256(self) -> str:
        """One digest for all the images."""
        return hashlib.sha256(b"".join(self.digests)).hexdigest()

    def copies(self) -> NDArray[np.int64]:
        """(n,) one number for each content."""
        first = [a != b for a, b in zip(self.digests[1:], self.digests, strict=False)]
        return np.cumsum([0, *first], dtype=np.int64)

    def without(self, digests: Collection[bytes], layout: Layout | None) -> TrainingRows:
        """Without the rows of some images."""
        kept = np.array([digest not in digests for digest in self.digests], bool)
        left = [d for d in self.digests if d not in digests]
        whole = self.rows.chosen(kept[: self.rows.n_rows])
        if self.thin is None or layout is None or _all_whole(whole, left, layout):
            return TrainingRows(whole, left)
        return TrainingRows(whole, left, self.thin.chosen(kept))

    def write_to(self, file: BinaryIO, card: dict[str, Any]) -> None:
        """Write them for the model with that card, bound to it by the images' digest."""
        words = np.frombuffer(b"".join(self.digests), "<i8").reshape(-1, 4)
        origin = {name: card[name] for name in ("representation", "pixel_scale")}
        arrays: dict[str, modelfile.Stored] = {"rows": self.rows, "digests": words}
        if self.thin is not None:
            arrays["thin"] = self.thin
        modelfile.write_to(file, {**origin, "images_sha256": self.sha256}, arrays)

    @classmethod
    def beside(cls, model: Path, card: dict[str, Any], n_bytes: int) -> Self:
        """Read the rows that lie beside a model with this card.

        Args:
            model: its file.
            card: of the model.
            n_bytes: that they take, or would take, for the advice.

        Raises:
            ModelFileError: there are none, or they are damaged or another model's.
        """
        file = rows_file(model)
        if not file.exists():
            raise ModelFileError(
                f"model {model}: the rows of its images are not beside it ({file.name}), so it can "
                "score, but not be updated. It was saved without them, as 'fit' does with patches "
                f"(here they take {n_bytes / 1e6:,.1f} MB), or it was moved without them. Put the "
                "file there, or fit again with all images and --keep-rows (in Python, "
                f"save(file, rows=True)).{_way_back(model)}"
            )
        return cls.read(file, card)

    @classmethod
    def read(cls, file: Path, card: dict[str, Any]) -> Self:
        """Read them back for the model with this card.

        Raises:
            ModelFileError: they are missing, damaged, or another model's.
        """
        origin, sources = modelfile.open_rows(file)
        if (
            origin.get("images_sha256") != card["fit"]["images_sha256"]
            or origin.get("representation") != card["representation"]
            or origin.get("pixel_scale") != card["pixel_scale"]
        ):
            raise ModelFileError(
                f"rows {file}: refused: they belong to another model than the one beside them. "
                "Put those there that were written with it, or fit again with all images and "
                "--keep-rows (in Python, save(file, rows=True))."
            )
        words = sources["digests"].take(range(sources["digests"].n_rows))
        return cls(sources["rows"], [word.tobytes() for word in words], sources.get("thin"))


def _way_back(model: Path) -> str:
    """A sentence, a blank before it, on the model that was there before, where it has its rows."""
    if isinstance(model, Remote) or not rows_file(last := previous(model)).exists():
        return ""
    return (
        f" {last}, the model that was there before, still has its rows: to go back, move it to "
        f"{model}, and {rows_file(last).name} to {rows_file(model).name}."
    )


def kept_bytes(representation: Representation, n: int) -> int:
    """Bytes of the rows that a fit to n images keeps for updates, but for some hundred a file."""
    layout, itemsize = representation.layout, np.dtype(representation.row_dtype).itemsize
    columns = representation.n_columns if layout is None else layout.n_columns
    used = n if layout is None else layout.most_whole(n, itemsize)
    if layout is None or used == n:
        return n * columns * itemsize
    numbers = min(n, int(used * RESERVE)) * columns
    return (numbers + n * layout.thin_width(_quota(layout, n, itemsize))) * itemsize


def _quota(layout: Layout, n: int, itemsize: int) -> int:
    """Patches in a thin row: twice what is used, so that some images can be forgotten."""
    return min(layout.positions, 2 * layout.quota(n, itemsize))


class RowCollector:
    """Collects the rows of images one after the other, in any order, in bounded room.

    Where there is no room for all patches of all images, those images are kept whole whose digests
    are the smallest: the first ones in the order that the content decides. Of all of them a thin
    row is kept.

    Args:
        most: how many images there may be.
        shape, dtype: of one row.
        layout: of rows with patches; None of those without, which are all kept.
        quota: patches in the thin rows that there are already; None where there are none.

    Raises:
        StorageError: the disk has no room for them.
    """

    def __init__(
        self,
        most: int,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        layout: Layout | None,
        quota: int | None = None,
    ) -> None:
        self._layout, self.digests = layout, list[bytes]()
        self._place, self._largest = dict[int, int](), list[tuple[int, int]]()
        self._most_whole, self._thin = most, None
        used = most if layout is None else layout.most_whole(most, dtype.itemsize)
        if layout is not None and (used < most or quota is not None):
            self._most_whole = min(most, int(used * RESERVE))
            twice = _quota(layout, most, dtype.itemsize)
            self._quota = twice if quota is None else min(twice, quota)
            self._thin = ScratchRows(most, (layout.thin_width(self._quota),), dtype)
        self._whole = ScratchRows(self._most_whole, shape, dtype)

    def add(self, digest: bytes, row: NDArray[Any]) -> None:
        """Keep an image.

        Raises:
            StorageError: the disk is full.
        """
        if self._thin is not None and self._layout is not None:
            self._thin.add(self._layout.thin(row, digest, self._quota))
        self._keep_whole(digest, row)
        self.digests.append(digest)

    def add_all(self, training: TrainingRows) -> None:
        """Keep what was collected before.

        Raises:
            StorageError: the disk is full.
        """
        for number, digest in enumerate(training.digests):
            if number < training.rows.n_rows:
                row = training.rows.take([number])[0]
                if training.thin is None:
                    self.add(digest, row)
                    continue
                self._keep_whole(digest, row)
            if self._thin is not None and self._layout is not None:
                assert training.thin is not None, "images that are not whole have a thin row"
                width = self._layout.thin_width(self._quota)
                self._thin.add(training.thin.take([number])[0, :width])
            self.digests.append(digest)

    def _keep_whole(self, digest: bytes, row: NDArray[Any]) -> None:
        """Keep a whole row, as long as it is one of those with the smallest digests."""
        entry = (-int.from_bytes(digest), len(self.digests))
        if self._whole.n_rows < self._most_whole:
            self._place[entry[1]] = self._whole.n_rows
            heapq.heappush(self._largest, entry)
            self._whole.add(row)
        elif entry > self._largest[0]:
            gone = heapq.heapreplace(self._largest, entry)
            self._place[entry[1]] = place = self._place.pop(gone[1])
            self._whole.add(row, instead_of=place)

    def finish(self) -> tuple[TrainingRows, list[int]]:
        """All of it, and in which order; afterwards nothing can be added.

        Raises:
            StorageError: the disk is full.
        """
        place, digests = self._place, self.digests
        order = sorted(range(len(digests)), key=lambda i: (digests[i], i not in place))
        first = next((k for k, i in enumerate(order) if i not in place), len(order))
        whole = self._whole.ordered([place[i] for i in order[:first]])
        in_order = [digests[i] for i in order]
        if self._thin is None or (self._layout and _all_whole(whole, in_order, self._layout)):
            return TrainingRows(whole, in_order), order
        return TrainingRows(whole, in_order, self._thin.ordered(order)), order


def _all_whole(rows: RowSource, digests: Sequence[bytes], layout: Layout) -> bool:
    """Whether all patches of all images are there, and are used."""
    n = len(digests)
    return rows.n_rows == n == layout.most_whole(n, rows.stored.itemsize)


@contextmanager
def kept_with_rows(file: Path, *, rows: bool) -> Iterator[list[Path]]:
    """While a model is written over another in here, keep that one, and its rows, beside it.

    Args:
        file: of the model; a store's address keeps nothing, for stores keep versions of their own.
        rows: whether rows are at `file` afterwards that belong to the new model. If not, those of
            the model before do not stay there: they would seem to be its own.

    Yields:
        A list that holds, afterwards, the places where the model and its rows were kept; nothing
        where there was no model, or the same one.

    Raises:
        InputError, StorageError: there is no room, or the place cannot be written to.
    """
    kept: list[Path] = []
    if isinstance(file, Remote):
        yield kept
        return
    stored = rows_file(file)
    pairs = [(file, previous(file)), (stored, rows_file(previous(file)))]
    with kept_previous(pairs) as kept:
        yield kept
    if kept and not rows:
        stored.unlink(missing_ok=True)


def rows_file(model: Path) -> Path:
    """Where the rows of a model's images lie."""
    return model.with_name(model.name + ".rows")
