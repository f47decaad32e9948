"""The detector: learn from normal images, score others, keep it in one file."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from oneclass import __version__, modelfile
from oneclass.backbones import DEFAULT, open_recorded
from oneclass.calibration import check_false_alarms, held_out_scores, p_values
from oneclass.errors import ImageError, InputError, ModelFileError
from oneclass.extraction import extract
from oneclass.pixels import PixelScale
from oneclass.prediction import Prediction, Predictions
from oneclass.representation import Representation, restore
from oneclass.sources import Images, Progress, Sources, gather
from oneclass.svm import fit_halfspaces, halfspace_scores
from oneclass.training import (
    choose_n_halfspaces,
    choose_pixel_scale,
    choose_representation,
    collect_rows,
    read_headers,
)

DEFAULT_NU = 0.1


@dataclass(frozen=True)
class _Fitted:
    representation: Representation
    scale: PixelScale
    coef: NDArray[np.float32]
    offset: NDArray[np.float64]
    normal_scores: NDArray[np.float64]
    card: dict[str, Any]


class Detector:
    """Finds images that are not like the normal ones it was fitted to.

    Images become rows (a layer of a frozen network, or grey-scale intensities), a union of
    half-spaces is fitted to the rows, and an image is as odd as it lies outside of all of them.

    Attributes:
        errors: after `fit`, the images that could not be read.
        digest: after `save` or `load`, the SHA-256 of the model file's content, in hex.
    """

    def __init__(
        self,
        *,
        backbone: str | Path = DEFAULT,
        layer: str | None = None,
        grid: int | None = None,
        size: tuple[int, int] | None = None,
        nu: float = DEFAULT_NU,
        n_halfspaces: int | None = None,
        false_alarms: float | None = None,
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        """Set what `fit` will do; nothing is computed yet.

        Args:
            backbone: the name of an embedded network, the path of an ONNX file, or "greyscale".
            layer: of the backbone, or several joined by "+"; NAME@GRID averages a map layer to
                GRID x GRID positions; None for the default network's "block_2@7+block_14@2".
            grid: for layers that name no grid of their own; None keeps their maps whole.
            size: (height, width) in pixels to which images are resized; None for the network's
                own, or, with "greyscale", for the size that all images share.
            nu: in (0, 1]; bounds the share of normal images outside their half-space.
            n_halfspaces: at least 1; None for one per 16 images, at most 64.
            false_alarms: in (0, 1); the promised share of normal images called anomalies; None for
                0.05, or for the lowest that the number of images supports.
            seed: of all that is random.
            threads: for reading images and for the network; None for all cores.

        Raises:
            InputError: a value out of its range.
        """
        if not 0 < nu <= 1:
            raise InputError(f"nu is {nu}: expected a number above 0 and at most 1, such as 0.1.")
        for name, value in (("grid", grid), ("n_halfspaces", n_halfspaces), ("threads", threads)):
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}: expected a whole number of at least 1.")
        if size is not None and min(size) < 1:
            raise InputError(f"size is {size}: expected (height, width) of at least 1 pixel each.")
        if false_alarms is not None:
            check_false_alarms(false_alarms, 10**9)
        self.backbone, self.layer, self.grid, self.size = backbone, layer, grid, size
        self.nu, self.n_halfspaces, self.false_alarms = nu, n_halfspaces, false_alarms
        self.seed, self.threads = seed, threads
        self.errors: tuple[ImageError, ...] = ()
        self.digest: str | None = None
        self._fitted: _Fitted | None = None

    def fit(self, images: Images, *, progress: Progress | None = None) -> Self:
        """Learn what normal images look like.

        Args:
            images: a folder, file, glob or list.txt, or several of them; or arrays of (H, W) or
                (H, W, 3), in uint8, uint16 or float. Unreadable ones end in `errors`.
            progress: called with (images done, images in all).

        Raises:
            InputError: fewer than two images can be read, or all are identical; a setting that
                these images or this backbone do not allow.
            StorageError: the rows do not fit into memory.
        """
        sources = gather(images)
        headers = read_headers(sources, workers=self._workers)
        representation = choose_representation(
            headers, self.backbone, self.layer, self.grid, self.size, self.threads
        )
        scale = choose_pixel_scale(sources, headers, workers=self._workers)
        rows, digests, errors = collect_rows(
            sources, representation, scale, workers=self._workers, progress=progress
        )
        self.errors = tuple(errors)
        n_halfspaces = choose_n_halfspaces(self.n_halfspaces, len(rows))
        false_alarms = check_false_alarms(self.false_alarms, len(rows))
        fitted = fit_halfspaces(rows, n_halfspaces, nu=self.nu, seed=self.seed)
        normal = held_out_scores(rows, nu=self.nu, n_halfspaces=n_halfspaces, seed=self.seed)
        card = {
            "oneclass": __version__,
            "representation": representation.to_json(),
            "pixel_scale": scale.to_json(),
            "fit": {
                "nu": self.nu,
                "n_halfspaces": len(fitted.coef),
                "seed": self.seed,
                "n_images": len(rows),
                "images_sha256": hashlib.sha256(b"".join(sorted(digests))).hexdigest(),
                "largest_dual_gap": float(fitted.dual_gap.max()),
                "warnings": list(fitted.warnings),
            },
            "false_alarms": false_alarms,
        }
        self._fitted = _Fitted(
            representation,
            scale,
            fitted.coef.astype(np.float32),
            fitted.offset.astype(np.float64),
            np.sort(normal),
            json.loads(json.dumps(card)),  # as it is read back: lists, no tuples
        )
        return self

    def score(self, images: Images, *, progress: Progress | None = None) -> Predictions:
        """Say how odd images are.

        Args:
            images: as for `fit`.
            progress: called with (images done, images in all).

        Returns:
            One prediction for each image that could be read, in order, and the errors.

        Raises:
            InputError: the detector is not fitted yet.
        """
        sources = gather(images)
        results = list(self.score_each(sources, progress=progress))
        return Predictions(
            tuple(r for r in results if isinstance(r, Prediction)),
            (*sources.errors, *(r for r in results if isinstance(r, ImageError))),
        )

    def score_each(
        self, sources: Sources, *, progress: Progress | None = None
    ) -> Iterator[Prediction | ImageError]:
        """Like `score`, one result at a time, so that nothing is lost when it is interrupted.

        Args:
            sources: what `gather` made of the images.
            progress: called with (images done, images in all).

        Raises:
            InputError: the detector is not fitted yet.
        """
        fitted = self._require_fit()
        rate = fitted.card["false_alarms"]
        results = extract(sources, fitted.representation, fitted.scale, workers=self._workers)
        for done, result in enumerate(results, 1):
            if isinstance(result, ImageError):
                yield result
            else:
                # Row by row: a product over the batch would differ in its last bits with the batch.
                row = result.row[None].astype(np.float64)
                score = -halfspace_scores(row, fitted.coef, fitted.offset)[0]
                p = float(p_values(score, fitted.normal_scores)[0])
                yield Prediction(sources.names[result.index], float(score[0]), p, p <= rate)
            if progress:
                progress(done, len(sources))

    def save(self, file: str | Path) -> str:
        """Write the model file, whole or not at all.

        Returns:
            The SHA-256 of its content, in hex.

        Raises:
            InputError: not fitted yet, or the place cannot be written to.
            StorageError: the disk is full.
        """
        fitted = self._require_fit()
        arrays: dict[str, NDArray[Any]] = {
            "coef": fitted.coef,
            "offset": fitted.offset,
            "normal_scores": fitted.normal_scores,
        }
        self.digest = modelfile.write(Path(file), fitted.card, arrays)
        return self.digest

    @property
    def card(self) -> dict[str, Any]:
        """What the model is made of: representation, pixel scale, fit, rate of false alarms.

        Raises:
            InputError: not fitted yet.
        """
        return self._require_fit().card

    @property
    def _workers(self) -> int:
        return self.threads or len(os.sched_getaffinity(0))

    def _require_fit(self) -> _Fitted:
        if self._fitted is None:
            raise InputError("this detector is not fitted: call fit(images) first, or load a file.")
        return self._fitted


def load(
    file: str | Path, *, backbone: str | Path | None = None, threads: int | None = None
) -> Detector:
    """Read a detector from a model file; neither the training images nor scikit-learn are needed.

    Args:
        file: written by `Detector.save` or ``oneclass fit``.
        backbone: the ONNX file of the model's backbone; None for the embedded one, or for a file
            ``<name>.onnx`` beside the model.
        threads: for reading images and for the network; None for all cores.

    Raises:
        ModelFileError: the model is damaged or of another version, or its backbone is missing or
            is not the one that it was fitted with.
    """
    file = Path(file)
    card, arrays, digest = modelfile.read(file)
    try:
        network = open_recorded(card["representation"].get("backbone"), file, backbone)
        fit = card["fit"]
        detector = Detector(
            nu=fit["nu"],
            n_halfspaces=fit["n_halfspaces"],
            false_alarms=card["false_alarms"],
            seed=fit["seed"],
            threads=threads,
        )
        detector.digest = digest
        detector._fitted = _Fitted(
            restore(card["representation"], network, threads=threads),
            PixelScale(**card["pixel_scale"]),
            arrays["coef"],
            arrays["offset"],
            arrays["normal_scores"],
            card,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"model {file}: its content makes no sense: {error!r}.") from error
    return detector
