"""The detector: learn from normal images, score others, keep what was learnt."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from oneclass import __version__, modelfile
from oneclass.backbones import DEFAULT, Backbone
from oneclass.calibration import (
    anomaly_scores,
    check_false_alarms,
    held_out_scores,
    p_values,
    wide_columns,
)
from oneclass.errors import ImageError, InputError
from oneclass.extraction import extract
from oneclass.pixels import PixelScale
from oneclass.prediction import Prediction, Predictions
from oneclass.representation import Representation
from oneclass.settings import image_size, share, whole_number
from oneclass.sources import Images, Progress, Sources, gather
from oneclass.svm import fit_halfspaces
from oneclass.training import (
    choose_n_halfspaces,
    choose_pixel_scale,
    choose_representation,
    collect_rows,
    read_headers,
)

DEFAULT_NU = 0.1


@dataclass(frozen=True)
class Fitted:
    """What fitting leaves behind, and what a model file keeps.

    Attributes:
        representation: what makes rows of images.
        scale: the rule for intensities.
        coef: (k, d) float32, the half-spaces' normal vectors.
        offset: (k,) float64.
        normal_scores: (n,) float64, the sorted scores of held-out normal images.
        card: how it came about, as JSON.
    """

    ARRAYS: ClassVar = ("coef", "offset", "normal_scores")

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
        ignored: after `fit`, how many files in folders were no images, by their suffix.
        digest: after `save` or `load`, the SHA-256 of the model file's content, in hex.
    """

    def __init__(
        self,
        *,
        backbone: str | Path | Backbone = DEFAULT,
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
            n_halfspaces: at least 1; None for one per 12 images, at most 64.
            false_alarms: in (0, 1); the promised share of normal images called anomalies; None for
                0.05, or for the lowest that the number of images supports.
            seed: of all that is random.
            threads: for reading images and for the network; None for all cores.

        Raises:
            InputError: a value out of its range.
        """
        self.backbone, self.layer = backbone, layer
        self.grid = None if grid is None else whole_number("grid", grid, 1)
        self.size = None if size is None else image_size(size)
        self.nu = share("nu", nu, one_too=True)
        self.n_halfspaces = (
            None if n_halfspaces is None else whole_number("n_halfspaces", n_halfspaces, 1)
        )
        self.false_alarms = (
            None if false_alarms is None else share("false_alarms", false_alarms, one_too=False)
        )
        self.seed = whole_number("seed", seed, 0)
        self.threads = None if threads is None else whole_number("threads", threads, 1)
        self.errors: tuple[ImageError, ...] = ()
        self.ignored: Mapping[str, int] = {}
        self.digest: str | None = None
        self._fitted: Fitted | None = None

    def __repr__(self) -> str:
        names = ("backbone", "layer", "grid", "size", "nu", "n_halfspaces", "false_alarms", "seed")
        return f"Detector({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"

    def fit(self, images: Images, *, progress: Progress | None = None) -> Self:
        """Learn what normal images look like.

        Args:
            images: a folder, file, glob or list.txt, or several of them; or arrays of (H, W) or
                (H, W, 3), in uint8, uint16 or float. Unreadable ones end in `errors`.
            progress: called with (images done, images in all).

        Raises:
            InputError: fewer than two images can be read, or nothing tells them apart; a setting
                that these images or this backbone do not allow.
            StorageError: the rows do not fit into memory.
        """
        self.digest = None
        sources = gather(images)
        self.ignored = sources.ignored
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
        if "origin_inside" in fitted.status:
            raise InputError(
                "no boundary can be drawn around these normal images: the values that stand for "
                "them cancel out or are zero. Are some images black? Use a network's layer instead "
                "of greyscale, or a larger nu."
            )
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
                "images_sha256": hashlib.sha256(b"".join(digests)).hexdigest(),
                "largest_dual_gap": float(fitted.dual_gap.max()),
                "warnings": list(fitted.warnings),
            },
            "false_alarms": false_alarms,
        }
        self._fitted = Fitted(
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
        coef = wide_columns(fitted.coef)
        results = extract(sources, fitted.representation, fitted.scale, workers=self._workers)
        for done, result in enumerate(results, 1):
            if isinstance(result, ImageError):
                yield result
            else:
                score = anomaly_scores(result.row[None], coef, fitted.offset)
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
        arrays: dict[str, NDArray[Any]] = {name: getattr(fitted, name) for name in Fitted.ARRAYS}
        self.digest = modelfile.write(Path(file), fitted.card, arrays)
        return self.digest

    @property
    def card(self) -> dict[str, Any]:
        """What the model is made of: representation, pixel scale, fit, rate of false alarms.

        Raises:
            InputError: not fitted yet.
        """
        return copy.deepcopy(self._require_fit().card)

    def restore(self, fitted: Fitted, digest: str) -> None:
        """Take over what a model file holds; `oneclass.load` does that."""
        self._fitted, self.digest = fitted, digest

    @property
    def _workers(self) -> int:
        return self.threads or len(os.sched_getaffinity(0))

    def _require_fit(self) -> Fitted:
        if self._fitted is None:
            raise InputError("this detector is not fitted: call fit(images) first, or load a file.")
        return self._fitted
