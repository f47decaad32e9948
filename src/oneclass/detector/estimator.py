"""The detector: learn from normal images, score others, keep what was learnt."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from oneclass.backbones import DEFAULT, FP32, Backbone, choose_runtime
from oneclass.conformal.calibration import anomaly_scores, threshold_rank, wide_columns
from oneclass.conformal.drift import drift
from oneclass.detector import modelfile
from oneclass.detector.choosing import AUTO, Choice, choose, joined, needed
from oneclass.detector.collecting import (
    choose_pixel_scale,
    choose_representation,
    collect_rows,
    read_headers,
)
from oneclass.detector.heat import Explanation, explain_row, require_maps
from oneclass.detector.learning import Fitted, Settings, learn
from oneclass.detector.predictions import Prediction, Predictions
from oneclass.detector.settings import image_size, or_auto, share, whole_number
from oneclass.detector.training_rows import TrainingRows, rows_file
from oneclass.detector.updating import Update, with_more, without_some
from oneclass.errors import ImageError, InputError
from oneclass.images import Header
from oneclass.images.scale import PixelScale
from oneclass.images.sources import Images, Progress, Sources, gather
from oneclass.representations.extraction import extract, open_store
from oneclass.representations.layers import GREYSCALE, ROW_DTYPES, Greyscale, Representation
from oneclass.rows.store import CacheUse, RowStore
from oneclass.system.stages import Stages
from oneclass.system.workers import worker_count

DEFAULT_NU = 0.1
ROWS = ("image", "patches")
SHOWN = [
    "backbone",
    "rows",
    "layer",
    "grid",
    "size",
    "nu",
    "n_halfspaces",
    "false_alarms",
    "seed",
    "runtime",
    "precision",
    "row_dtype",
]


class Detector:
    """Finds images that are not like the normal ones it was fitted to.

    Images become rows (a layer of a frozen network, or grey-scale intensities), a union of
    half-spaces is fitted to the rows, and an image is as odd as it lies outside of all of them.

    Attributes:
        errors: after `fit`, the images that could not be read.
        ignored: after `fit`, how many files in folders were no images, by their suffix.
        digest: after `save` or `load`, the SHA-256 of the model file's content, in hex.
        stages: how long reading, resizing, the network and scoring took, over all calls of `score`.
        cache_use: after `fit`, `update` or `score` with a cache, what it was good for.
    """

    def __init__(
        self,
        *,
        backbone: str | Path | Backbone = DEFAULT,
        rows: str = "image",
        layer: str | None = None,
        grid: int | None = None,
        size: tuple[int, int] | None = None,
        nu: float | str = DEFAULT_NU,
        n_halfspaces: int | str | None = None,
        false_alarms: float | None = None,
        seed: int = 0,
        threads: int | None = None,
        runtime: str = AUTO,
        precision: str = AUTO,
        row_dtype: str = ROW_DTYPES[0],
        cache: str | Path | None = None,
    ) -> None:
        """Set what `fit` will do; nothing is computed yet.

        Args:
            backbone: the name of an embedded network, the path of an ONNX file, or "greyscale".
            rows: "image": an image is one row; "patches": each position of a map layer is one, for
                defects that are small beside the image.
            layer: of the backbone, or several joined by "+"; NAME@GRID averages a map layer to
                GRID x GRID positions; None for the default network's "block_2@7+block_14@2", or of
                patches "block_4+block_10". "auto" lets `fit` choose from the normal images.
            grid: for layers that name no grid of their own; None keeps their maps whole.
            size: (height, width) in pixels to which images are resized; None for the network's
                own, or, with "greyscale", for the size that all images share.
            nu: in (0, 1]; bounds the share of normal images outside their half-space. Or "auto".
            n_halfspaces: at least 1; None for one per 12 images, at most 64; 256 for patches. Or
                "auto".
            false_alarms: in (0, 1); the promised share of normal images called anomalies; None for
                0.05, or for the lowest that the number of images supports.
            seed: of all that is random.
            threads: for reading images and for the network; None for all cores.
            runtime: what computes the network: "onnxruntime"; "openvino", which has bf16; or
                "auto" for ONNX Runtime unless the precision is "bf16".
            precision: of the network's arithmetic: "fp32"; "bf16", where the processor has it; or
                "auto" for the faster one that the runtime has. Models keep it.
            row_dtype: "float32", or "float16": rows rounded to 11 bits take half the room in
                memory, in the cache and beside the model. Models keep it.
            cache: a folder that keeps the rows of images, so that none passes a network twice;
                None for no cache. It changes no result.

        Raises:
            InputError: a value out of its range.
            MissingDependencyError: OpenVINO is needed and not installed.
        """
        self.backbone, self.layer = backbone, layer
        if rows not in ROWS:
            raise InputError(f"rows is {rows!r}: expected one of {', '.join(ROWS)}.")
        if row_dtype not in ROW_DTYPES:
            known = " or ".join(ROW_DTYPES)
            raise InputError(f"row_dtype is {row_dtype!r}: expected {known}.")
        self.rows, self.row_dtype = rows, row_dtype
        self.grid = None if grid is None else whole_number("grid", grid, 1)
        self.size = None if size is None else image_size(size)
        self.nu = or_auto(nu, lambda value: share("nu", value, one_too=True))
        self.n_halfspaces = (
            None
            if n_halfspaces is None
            else or_auto(n_halfspaces, lambda value: whole_number("n_halfspaces", value, 1))
        )
        self.false_alarms = (
            None if false_alarms is None else share("false_alarms", false_alarms, one_too=False)
        )
        self.seed = whole_number("seed", seed, 0)
        self.threads = None if threads is None else whole_number("threads", threads, 1)
        self.runtime, self.precision = runtime, precision
        self._runtime = choose_runtime(runtime, precision)
        if backbone == GREYSCALE and (runtime, precision) != (AUTO, AUTO):
            raise InputError("runtime and precision are for networks: greyscale has none.")
        self.cache = None if cache is None else Path(cache)
        self.errors: tuple[ImageError, ...] = ()
        self.ignored: Mapping[str, int] = {}
        self.digest: str | None = None
        self._fitted: Fitted | None = None
        self._training: TrainingRows | None = None
        self._file: Path | None = None
        self._chosen: Choice | None = None
        self._store: RowStore | None = None
        self.stages = Stages()

    def __repr__(self) -> str:
        return f"Detector({', '.join(f'{name}={getattr(self, name)!r}' for name in SHOWN)})"

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
        scale, choice = None, None
        if AUTO in (self.layer, self.nu, self.n_halfspaces):
            scale = self._pixel_scale(sources, headers)
            choice = self._choose(sources, headers, scale, progress)
        representation = self._representation(headers, self._layer(choice))
        scale = scale or self._pixel_scale(sources, headers)
        self._store = self._open_store(representation, scale)
        rows, digests, errors = collect_rows(
            sources,
            representation,
            scale,
            workers=self._workers,
            progress=progress,
            store=self._store,
        )
        self.errors = tuple(errors)
        self._training = TrainingRows(rows, digests)
        self._chosen = choice
        learnt = learn(self._training, representation, scale, self._settings)
        self._fitted = learnt.chosen(choice.record if choice else None)
        return self

    def update(
        self,
        images: Images = (),
        *,
        forget: Images = (),
        progress: Progress | None = None,
    ) -> Update:
        """Learn more normal images, or forget some; the old ones are not looked at again.

        The result is that of a fresh fit to the images that there are then, within the solver's
        tolerance, with a new certificate and a new calibration.

        Args:
            images: as for `fit`; one that was learnt before counts once.
            forget: images, found again by their pixels.
            progress: called with (images done, images in all).

        Raises:
            InputError: not fitted yet; fewer than two images would be left.
            ModelFileError: the detector was loaded, and the rows beside its file are missing,
                damaged, or another model's.
        """
        fitted = self._require_fit()
        if fitted.representation.n_worst:
            raise InputError(
                "a model of patches keeps no rows to learn more from, since they would take more "
                "room than the images. Fit again with all images."
            )
        more, fewer = gather(images), gather(forget)
        training, forgotten, unknown = without_some(
            self._learnt_rows(),
            fewer,
            at_least=fitted.representation.preprocessing.at_least,
            workers=self._workers,
        )
        self._store = self._open_store(fitted.representation, fitted.scale)
        training, added, known, errors = with_more(
            training,
            more,
            fitted,
            workers=self._workers,
            progress=progress,
            store=self._store,
        )
        start = fitted.coef if len(fitted.coef) == 1 else None
        learnt = learn(training, fitted.representation, fitted.scale, self._settings, start=start)
        self._fitted = learnt.chosen(fitted.card.get("choice"))
        self._training, self.digest = training, None
        self.errors, self.ignored = (*errors, *unknown), more.ignored
        return Update(added, known, forgotten, self.errors)

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
        predictions = tuple(r for r in results if isinstance(r, Prediction))
        return Predictions(
            predictions,
            (*sources.errors, *(r for r in results if isinstance(r, ImageError))),
            self.drift(predictions),
        )

    def drift(self, predictions: Sequence[Prediction]) -> str | None:
        """A warning where a batch looks, as a whole, unlike the normal images did.

        Args:
            predictions: of this detector.

        Returns:
            A sentence, or None where all is well or the images are too few to say.

        Raises:
            InputError: the detector is not fitted yet.
        """
        fitted = self._require_fit()
        return drift(
            np.fromiter((p.p_value for p in predictions), np.float64, len(predictions)),
            fitted.card["false_alarms"],
            len(fitted.calibration.normal_scores),
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
        for result in self._score_rows(sources, progress):
            yield result if isinstance(result, ImageError) else result[0]

    def explain(
        self, images: Images, *, progress: Progress | None = None
    ) -> Iterator[Explanation | ImageError]:
        """Say how odd images are, and where: one result at a time, in constant memory.

        Args:
            images: as for `fit`.
            progress: called with (images done, images in all).

        Yields:
            For each image, in order, its `Explanation`, or why it could not be read.

        Raises:
            InputError: not fitted yet, or the model's layers have no map.
        """
        require_maps(self._require_fit().representation)
        sources = gather(images)
        return chain(sources.errors, self.explain_each(sources, progress=progress))

    def explain_each(
        self, sources: Sources, *, progress: Progress | None = None
    ) -> Iterator[Explanation | ImageError]:
        """Like `explain`, for what `gather` made of the images: one result for each of its items.

        Raises:
            InputError: not fitted yet, or the model's layers have no map.
        """
        fitted = self._require_fit()
        maps = require_maps(fitted.representation)
        coef = wide_columns(fitted.coef)
        for result in self._score_rows(sources, progress):
            if isinstance(result, ImageError):
                yield result
            else:
                n_worst = fitted.representation.n_worst
                yield explain_row(*result, coef, fitted.offset, fitted.heat, maps, n_worst)

    def _score_rows(
        self, sources: Sources, progress: Progress | None
    ) -> Iterator[tuple[Prediction, NDArray[np.float32]] | ImageError]:
        """Each image's prediction and its row."""
        fitted = self._require_fit()
        rate = fitted.card["false_alarms"]
        coef = wide_columns(fitted.coef)
        self._store = self._open_store(fitted.representation, fitted.scale)
        results = extract(
            sources,
            fitted.representation,
            fitted.scale,
            workers=self._workers,
            store=self._store,
            stages=self.stages,
        )
        for done, result in enumerate(results, 1):
            if isinstance(result, ImageError):
                yield result
            else:
                n_worst = fitted.representation.n_worst
                with self.stages.measure("score"):
                    score = anomaly_scores(result.row[None], coef, fitted.offset, n_worst)
                    p = fitted.calibration.p_value(float(score[0]), result.row, n_worst)
                name = sources.names[result.index]
                yield Prediction(name, float(score[0]), p, p <= rate), result.row
            if progress:
                progress(done, len(sources))

    def save(self, file: str | Path, *, rows: bool = False) -> str:
        """Write the model file, whole or not at all.

        Args:
            file: by custom it ends in .oneclass.
            rows: whether to write the normal images' rows, too, to `file` with .rows behind its
                name: `update` needs them, scoring does not. A model of patches has none.

        Returns:
            The SHA-256 of the model file's content, in hex.

        Raises:
            InputError: not fitted yet, or the place cannot be written to.
            StorageError: the disk is full.
        """
        fitted = self._require_fit()
        keep = rows and not fitted.representation.n_worst
        training = self._learnt_rows() if keep else None
        self.digest = modelfile.write(Path(file), fitted.card, fitted.arrays())
        self._file = Path(file)
        if training is not None:
            training.write(rows_file(self._file), fitted.card)
        return self.digest

    @property
    def normal_scores(self) -> NDArray[np.float64]:
        """(n,) the anomaly scores of held-out normal images.

        Raises:
            InputError: not fitted yet.
        """
        return self._require_fit().calibration.normal_scores.copy()

    @property
    def score_threshold(self) -> float:
        """The score beyond which an image is called an anomaly.

        Exact for a model calibrated by a split. With CV+ each image is compared by five sister
        models, and this is what it comes to on average.

        Raises:
            InputError: not fitted yet.
        """
        fitted = self._require_fit()
        normal = np.sort(fitted.calibration.normal_scores)[::-1]
        return float(normal[threshold_rank(len(normal), fitted.card["false_alarms"]) - 1])

    @property
    def heat_scale(self) -> float:
        """The largest value that a normal image's map usually has: one scale for all heatmaps.

        Raises:
            InputError: not fitted yet, or the model's layers have no map.
        """
        fitted = self._require_fit()
        require_maps(fitted.representation)
        return float(fitted.heat.heat_scale[0])

    @property
    def network(self) -> Backbone | None:
        """The frozen network; None for grey-scale.

        Raises:
            InputError: not fitted yet.
        """
        representation = self._require_fit().representation
        return None if isinstance(representation, Greyscale) else representation.backbone

    @property
    def computed_by(self) -> dict[str, str]:
        """The runtime with its version, and the precision, that make rows here.

        Raises:
            InputError: not fitted yet.
        """
        representation = self._require_fit().representation
        runtime = None if isinstance(representation, Greyscale) else representation.runtime
        precision = runtime.precision if runtime else FP32
        return {"runtime": representation.version, "precision": precision}

    @property
    def pixel_scale(self) -> PixelScale:
        """The rule that makes intensities of pixel values.

        Raises:
            InputError: not fitted yet.
        """
        return self._require_fit().scale

    @property
    def card(self) -> dict[str, Any]:
        """What the model is made of: representation, pixel scale, fit, rate of false alarms.

        Raises:
            InputError: not fitted yet.
        """
        return copy.deepcopy(self._require_fit().card)

    @property
    def cache_use(self) -> CacheUse | None:
        """What the cache was good for the last time that images were read; None without one."""
        return None if self._store is None else self._store.use

    def restore(self, fitted: Fitted, file: Path, digest: str) -> None:
        """Take over what a model file holds; `oneclass.load` does that."""
        self._fitted, self._file, self.digest = fitted, file, digest

    def _learnt_rows(self) -> TrainingRows:
        if self._training is None:
            assert self._file is not None, "loaded detectors know their file"
            self._training = TrainingRows.beside(self._file, self._require_fit().card)
        return self._training

    @property
    def _settings(self) -> Settings:
        """With the choices of the last fit in the place of what is "auto"."""
        nu, k = self.nu, self.n_halfspaces
        if self._chosen:
            nu, k = self._chosen.nu, self._chosen.n_halfspaces
        assert not isinstance(nu, str), "fit chooses before it learns"
        assert not isinstance(k, str), "fit chooses before it learns"
        return Settings(nu, k, self.false_alarms, self.seed)

    def _representation(self, headers: list[Header], layer: str | None) -> Representation:
        return choose_representation(
            headers,
            self.backbone,
            layer,
            self.grid,
            self.size,
            self.threads,
            patches=self.rows == "patches",
            runtime=self._runtime,
            row_dtype=self.row_dtype,
        )

    def _open_store(self, representation: Representation, scale: PixelScale) -> RowStore | None:
        return None if self.cache is None else open_store(self.cache, representation, scale)

    def _pixel_scale(self, sources: Sources, headers: list[Header]) -> PixelScale:
        return choose_pixel_scale(sources, headers, workers=self._workers, cache=self.cache)

    def _layer(self, choice: Choice | None) -> str | None:
        return choice.layer if choice and self.layer == AUTO else self.layer

    def _choose(
        self,
        sources: Sources,
        headers: list[Header],
        scale: PixelScale,
        progress: Progress | None,
    ) -> Choice:
        layers = needed(self.backbone, self.grid, patches=self.rows == "patches", layer=self.layer)
        named = None if self.layer == AUTO else self.layer
        return choose(
            sources,
            self._representation(headers, joined(self.backbone, layers) if layers else named),
            scale,
            layers=layers,
            n_halfspaces=self.n_halfspaces,
            nu=self.nu,
            default_nu=DEFAULT_NU,
            seed=self.seed,
            workers=self._workers,
            progress=progress,
        )

    @property
    def _workers(self) -> int:
        return worker_count(self.threads)

    def _require_fit(self) -> Fitted:
        if self._fitted is None:
            raise InputError("this detector is not fitted: call fit(images) first, or load a file.")
        return self._fitted
