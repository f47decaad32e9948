"""The rows of the normal images that a model has learnt, which `update` needs again."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from oneclass.detector.files import modelfile
from oneclass.errors import ModelFileError
from oneclass.rows import RowSource
from oneclass.rows.scratch import ScratchRows


@dataclass(frozen=True)
class TrainingRows:
    """The normal images as rows, in an order that their content decides.

    Attributes:
        rows: (n, d); or (n, p, d), the patches of each image.
        digests: n SHA-256 of the images' content, ascending.
    """

    rows: RowSource
    digests: Sequence[bytes]

    @property
    def sha256(self) -> str:
        """One digest for all the images."""
        return hashlib.sha256(b"".join(self.digests)).hexdigest()

    def copies(self) -> NDArray[np.int64]:
        """(n,) one number for each content."""
        first = [a != b for a, b in zip(self.digests[1:], self.digests, strict=False)]
        return np.cumsum([0, *first], dtype=np.int64)

    def joined(self, rows: Sequence[NDArray[Any]], digests: Sequence[bytes]) -> TrainingRows:
        """With more rows.

        Raises:
            StorageError: they fit neither into memory nor on the disk.
        """
        every = [*self.digests, *digests]
        collected = ScratchRows(len(every), self.rows.shape[1:], self.rows.stored)
        for number in range(self.rows.n_rows):
            collected.add(self.rows.take([number])[0])
        for row in rows:
            collected.add(row)
        order = content_order(every)
        return TrainingRows(collected.ordered(order), [every[i] for i in order])

    def without(self, digests: Collection[bytes]) -> TrainingRows:
        """Without the rows of some images."""
        kept = np.array([digest not in digests for digest in self.digests], bool)
        return TrainingRows(self.rows.chosen(kept), [d for d in self.digests if d not in digests])

    def write(self, file: Path, card: dict[str, Any]) -> None:
        """Write them beside a model, whole or not at all, bound to it by the images' digest.

        Raises:
            InputError: `file` cannot be written to.
            StorageError: the disk is full.
        """
        words = np.frombuffer(b"".join(self.digests), "<i8").reshape(-1, 4)
        origin = {name: card[name] for name in ("representation", "pixel_scale")}
        modelfile.write(
            file, {**origin, "images_sha256": self.sha256}, {"rows": self.rows, "digests": words}
        )

    @classmethod
    def beside(cls, model: Path, card: dict[str, Any]) -> Self:
        """Read the rows that lie beside a model with this card.

        Raises:
            ModelFileError: there are none, or they are damaged or another model's.
        """
        file = rows_file(model)
        if not file.exists():
            raise ModelFileError(
                f"model {model}: the rows of its images are not beside it ({file.name}), so it can "
                "score, but not be updated. It was saved without them, as 'fit' does with patches, "
                "which take about 1 MB an image, or it was moved without them. Put the file there, "
                "or fit again with all images and --keep-rows (in Python, save(file, rows=True))."
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
                "Fit again with all images."
            )
        words = sources["digests"].take(range(sources["digests"].n_rows))
        return cls(sources["rows"], [word.tobytes() for word in words])


def content_order(digests: Sequence[bytes]) -> list[int]:
    """An order that the content decides, so that the same images give the same model."""
    return sorted(range(len(digests)), key=digests.__getitem__)


def rows_file(model: Path) -> Path:
    """Where the rows of a model's images lie."""
    return model.with_name(model.name + ".rows")
