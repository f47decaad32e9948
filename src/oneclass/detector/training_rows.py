"""The rows of the normal images that a model has learnt, which `update` needs again."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from oneclass.detector import modelfile
from oneclass.errors import ModelFileError


@dataclass(frozen=True)
class TrainingRows:
    """The normal images as rows, in an order that their content decides.

    Attributes:
        rows: (n, d) float32; or (n, p, d), the patches of each image.
        digests: n SHA-256 of the images' content, ascending.
    """

    rows: NDArray[np.float32]
    digests: Sequence[bytes]

    @classmethod
    def ordered(cls, rows: NDArray[np.float32], digests: Sequence[bytes]) -> Self:
        """Put rows into the order of their digests: the same images give the same model."""
        order = sorted(range(len(digests)), key=digests.__getitem__)
        return cls(rows[order], [digests[i] for i in order])

    @property
    def sha256(self) -> str:
        """One digest for all the images."""
        return hashlib.sha256(b"".join(self.digests)).hexdigest()

    def copies(self) -> NDArray[np.int64]:
        """(n,) one number for each content."""
        first = [a != b for a, b in zip(self.digests[1:], self.digests, strict=False)]
        return np.cumsum([0, *first], dtype=np.int64)

    def joined(self, rows: NDArray[np.float32], digests: Sequence[bytes]) -> TrainingRows:
        """With more rows."""
        return TrainingRows.ordered(np.concatenate([self.rows, rows]), [*self.digests, *digests])

    def without(self, digests: Collection[bytes]) -> TrainingRows:
        """Without the rows of some images."""
        kept = [i for i, digest in enumerate(self.digests) if digest not in digests]
        return TrainingRows(self.rows[kept], [self.digests[i] for i in kept])

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
                f"model {model}: the rows of its images, {file}, are not there, and without them "
                "it can only score. Fit again with all images (in Python, save with rows=True)."
            )
        return cls.read(file, card)

    @classmethod
    def read(cls, file: Path, card: dict[str, Any]) -> Self:
        """Read them back for the model with this card.

        Raises:
            ModelFileError: they are missing, damaged, or another model's.
        """
        origin, arrays, _ = modelfile.read(file)
        if (
            origin.get("images_sha256") != card["fit"]["images_sha256"]
            or origin.get("representation") != card["representation"]
            or origin.get("pixel_scale") != card["pixel_scale"]
        ):
            raise ModelFileError(
                f"rows {file}: refused: they belong to another model than the one beside them. "
                "Fit again with all images."
            )
        words = np.ascontiguousarray(arrays["digests"])
        return cls(arrays["rows"], [word.tobytes() for word in words])


def rows_file(model: Path) -> Path:
    """Where the rows of a model's images lie."""
    return model.with_name(model.name + ".rows")
