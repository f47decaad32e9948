"""The fitted model: it judges a row and explains it, and it is what a model file holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from oneclass.conformal.calibration import Calibration, Method, check_rate
from oneclass.conformal.guarantee import guarantee
from oneclass.conformal.sisters import SisterCalibration
from oneclass.conformal.union import Joined, Union
from oneclass.detector.heat import Explanation, Heat, explain_row
from oneclass.detector.predictions import Prediction
from oneclass.errors import InputError
from oneclass.images.scale import DEPTHS, Colour, PixelScale
from oneclass.representations import MapShape, Representation, WholeAndPatches
from oneclass.system.names import percent


@dataclass(frozen=True)
class FittedModel:
    """What fitting leaves behind.

    Attributes:
        representation: what makes rows of images.
        scale: the rule for intensities.
        union: the half-spaces, float32: of one kind of rows, or of whole images and patches.
        calibration: held-out scores of normal images, and what gave them.
        heat: what normal images look like, position by position.
        card: how it came about, as JSON.
        learnt: (n,) int64, ascending, of `fingerprints` of the images that it learnt from; None of
            models that were fitted before these were kept.

    Raises:
        ValueError: the parts do not fit together.
    """

    representation: Representation
    scale: PixelScale
    union: Union | Joined
    calibration: Calibration
    heat: Heat
    card: dict[str, Any]
    learnt: NDArray[np.int64] | None = None

    @classmethod
    def of_arrays(
        cls,
        representation: Representation,
        scale: PixelScale,
        arrays: dict[str, NDArray[Any]],
        card: dict[str, Any],
    ) -> Self:
        """From what a model file holds.

        Raises:
            ValueError, KeyError: it makes no sense.
        """
        n_worst, old = representation.n_worst, "fold" in arrays
        narrow = n_worst > 0 and not old
        further = (arrays.get("whitening"), arrays.get("level"))
        last = Union(arrays["coef"], arrays["offset"], n_worst, narrow, *further)
        union: Union | Joined = last
        if "whole_coef" in arrays:
            whole = Union(arrays["whole_coef"], arrays["whole_offset"])
            union = Joined(whole, last, float(arrays["whole_weight"][0]))
        kind = SisterCalibration if old else Calibration
        held_out: dict[str, Any] = {name: arrays[name] for name in kind.ARRAYS}
        if old:
            held_out["n_worst"] = n_worst
        heat, learnt = Heat.of_arrays(arrays), arrays.get("learnt")
        return cls(representation, scale, union, kind(**held_out), heat, card, learnt)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays by the names that they have in a model file."""
        own: dict[str, NDArray[Any]] = {"coef": self.last.coef, "offset": self.last.offset}
        if self.last.whitening is not None:
            own["whitening"] = self.last.whitening
        if self.last.level is not None:
            own["level"] = self.last.level
        if isinstance(self.union, Joined):
            own |= {"whole_coef": self.union.whole.coef, "whole_offset": self.union.whole.offset}
            own["whole_weight"] = np.array([self.union.weight])
        own |= {name: getattr(self.calibration, name) for name in self.calibration.ARRAYS}
        if self.learnt is not None:
            own["learnt"] = self.learnt
        return own | self.heat.arrays()

    @property
    def last(self) -> Union:
        """The union that maps are made with: of patches, where there are several."""
        return self.union.patches if isinstance(self.union, Joined) else self.union

    def __post_init__(self) -> None:
        if not all(np.isfinite(array).all() for array in self.arrays().values()):
            raise ValueError("a value that is not finite")
        n_columns = self.representation.n_columns
        if isinstance(self.representation, WholeAndPatches) != isinstance(self.union, Joined):
            raise ValueError("whole images and patches with the half-spaces of one alone")
        unions = [self.last]
        if isinstance(self.representation, WholeAndPatches) and isinstance(self.union, Joined):
            n_columns = self.representation.patches.n_columns
            if self.union.whole.coef.shape[1] != self.representation.whole.n_columns:
                raise ValueError(f"half-spaces of shape {self.union.whole.coef.shape}")
        if isinstance(self.calibration, SisterCalibration):
            unions += self.calibration.sisters
        for union in unions:
            if union.n_columns != n_columns:
                raise ValueError(f"half-spaces of shape {union.coef.shape} for rows of {n_columns}")
        if self.heat.calm.shape != (len(self.last.coef), *self._finest()):
            raise ValueError(f"calm of shape {self.heat.calm.shape} for maps of {self._finest()}")
        if self.heat.heat_scale.shape != (1,):
            raise ValueError(f"heat_scale of shape {self.heat.heat_scale.shape}")
        if self.scale.depth not in DEPTHS or not self.scale.low < self.scale.high:
            raise ValueError(f"a pixel scale of {self.scale}")
        if self.learnt is not None and not (
            self.learnt.ndim == 1 and self.learnt.dtype == np.dtype(np.int64)
        ):
            raise ValueError(f"learnt of {self.learnt.dtype} and shape {self.learnt.shape}")
        if not 0 < self.false_alarms < 1:
            raise ValueError(f"false_alarms of {self.false_alarms}")

    def knows_colour(self, colour: Colour) -> bool:
        """Whether an image of that single colour may be normal: it is among those that were learnt,
        or between them. A model of before does not say, and knows all.
        """
        learnt = self.card["fit"].get("one_colour")
        if not learnt:
            return learnt is None
        low, high = np.min(learnt, axis=0), np.max(learnt, axis=0)
        return bool(((low <= colour) & (colour <= high)).all())

    @property
    def false_alarms(self) -> float:
        """The promised share of normal images that are called anomalies."""
        return float(self.card["false_alarms"])

    @property
    def threshold(self) -> float:
        """The score above which an image is an anomaly; of models with sisters, about."""
        return self.calibration.threshold(self.false_alarms)

    @property
    def pixel_threshold(self) -> float:
        """The value above which a position of a map is marked.

        Raises:
            InputError: a layer has no map, or the model is from before there was such a value.
        """
        _ = self.maps
        return self.heat.pixel_threshold(self.false_alarms)

    @property
    def maps(self) -> tuple[MapShape, ...]:
        """The shape of every layer's map.

        Raises:
            InputError: a layer has none.
        """
        return self.representation.require_maps()

    @property
    def unclear(self) -> float | None:
        """The rate up to which a verdict is unclear; None where there are two verdicts only."""
        rate = self.card.get("unclear")
        return None if rate is None else float(rate)

    def at_rates(self, false_alarms: float | None, unclear: float | None) -> Self:
        """With other rates; nothing is fitted again.

        Args:
            false_alarms: up to this p-value an image is an anomaly; None for the same as now.
            unclear: from there up to this one it is unclear; None for the same as now.

        Raises:
            InputError: so many normal images support no rate as low as that; an unclear rate that
                is not the higher one.
        """
        n, fit = self.calibration.n_held_out, self.card["fit"]
        method = self.card["calibration"]["method"]
        rate = self.false_alarms if false_alarms is None else false_alarms
        if false_alarms is not None:
            n_pictures = fit.get("n_pictures", fit["n_images"])
            spared = self.last.whitening is not None and method == Method.PARTS
            copies = fit["n_images"] - n_pictures
            patches = self.representation.n_worst > 0
            check_rate(rate, n, n_pictures, copies=copies, patches=patches, spared=spared)
        unclear = self.unclear if unclear is None else unclear
        if unclear is not None and unclear <= rate:
            raise InputError(
                f"the rate up to which images are unclear is {percent(unclear)}, but that of "
                f"false alarms is {percent(rate)}: expected a higher one. Images between the two "
                "are unclear. Give a higher rate, or a lower one of false alarms."
            )
        joined = isinstance(self.union, Joined)
        card = {**self.card, "false_alarms": rate}
        if rate != self.false_alarms or unclear is not None:
            whitened = self.last.whitening is not None
            card["calibration"] = guarantee(
                method, n, rate, joined=joined, whitened=whitened, unclear=unclear
            )
        return replace(self, card=card if unclear is None else {**card, "unclear": unclear})

    def judge(self, name: str, row: NDArray[np.floating[Any]], digest: bytes = b"") -> Prediction:
        """Score, p-value and verdict of an image.

        Args:
            name: of the image.
            row: (d,) its row, or (p, d), its positions.
            digest: of its content; without it nobody asks whether it was learnt from.
        """
        return self._prediction(name, row, digest, self.union.image_score(row))

    def explain(
        self, name: str, row: NDArray[np.floating[Any]], digest: bytes = b""
    ) -> Explanation:
        """Score, p-value and verdict of an image, and its score taken apart over the image.

        Args:
            name, row, digest: as for `judge`.

        Raises:
            InputError: a layer has no map.
        """
        seen = self.union.look(row)
        prediction = self._prediction(name, row, digest, seen.score)
        return explain_row(prediction, row, seen, self.union, self.heat, self.maps)

    def knows(self, digest: bytes) -> bool:
        """Whether an image of this content is one that it learnt from; not where nobody can say.

        Args:
            digest: `content_digest` of the image's pixels.
        """
        if self.learnt is None or not digest:
            return False
        wanted = fingerprints([digest])[0]
        at = int(np.searchsorted(self.learnt, wanted))
        return at < len(self.learnt) and bool(self.learnt[at] == wanted)

    def _prediction(
        self, name: str, row: NDArray[np.floating[Any]], digest: bytes, score: float
    ) -> Prediction:
        p = self.calibration.p_value(score, row)
        unclear = self.unclear is not None and self.false_alarms < p <= self.unclear
        return Prediction(name, score, p, p <= self.false_alarms, unclear, self.knows(digest))

    def _finest(self) -> tuple[int, int]:
        """(height, width) of the maps that `heat` holds; (0, 0) where it holds none."""
        shapes = self.representation.map_shapes
        if self.union.n_worst or None in shapes:
            return 0, 0
        return max(s[1] for s in shapes if s), max(s[2] for s in shapes if s)


def fingerprints(digests: Sequence[bytes]) -> NDArray[np.int64]:
    """(n,) int64, ascending: the first 8 bytes of SHA-256 digests, enough to tell images apart.

    Among a million of these a million others find one of their own by chance once in ten million.
    """
    beginnings = b"".join(digest[:8] for digest in digests)
    return np.sort(np.frombuffer(beginnings, "<i8").astype(np.int64))
