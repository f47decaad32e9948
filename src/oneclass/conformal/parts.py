"""Half-spaces by parts: one model whose held-out scores need no other model.

The normal images are dealt into parts, each part learns half-spaces from its own images alone, and
the model is the union of them all. An image's held-out score is its score by the union without the
half-spaces of its own part. One model, one score, one threshold.

Where positions are seen whitened, the first part teaches that, and how an image's own level counts,
and calibrates nothing: to the others it is a set of its own that was given beforehand. Of a split,
`SPARED` images that were held back do the latter.

What is proven: the union without a part is what cross-conformal prediction calls the part's sister
model. The union finds a new image at most as odd as each sister does, so its p-value is never below
that of CV+ (Barber, Candès, Ramdas and Tibshirani, "Predictive inference with the jackknife+",
2021), and false alarms are bounded by theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.conformal.calibration import (
    DEFAULT_FALSE_ALARMS,
    FEWEST_JUDGED,
    PARTS,
    Method,
    Plan,
    threshold_rank,
)
from oneclass.conformal.level import with_level
from oneclass.conformal.offsets import least_margins, with_one_offset
from oneclass.conformal.union import Union
from oneclass.conformal.whitening import learn_whitening, root, seen
from oneclass.errors import InputError
from oneclass.rows import ArrayRows, RowSource, as_source, map_blocks
from oneclass.svm import Halfspaces, fit_halfspaces
from oneclass.system.names import count, percent, percent_up
from oneclass.system.stages import part_of, silent

PATCHES, WHOLES = "learning from patches", "learning from whole images"
MEASURING = "measuring how odd normal images are"
"""What a fit does, in words."""
MOST_PATCHES = 50_000
OF_WHOLE = 0.5
SPARED, ONE_SPARED_OF = 50, 10
"""Pictures of a split that judge levels and calibrate nothing: so many, or one held back in ten."""
TO_CALIBRATE, TO_SPARE, TO_LEARN = 0, 1, -1
"""What the images of a split are for."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class FittedUnion:
    """A union and what it says of the images that it learnt from, each held out.

    Attributes:
        union: the half-spaces.
        part: (k,) the part whose images each half-space learnt from; all -1 for a split.
        folds: (n,) from `deal`.
        held_out: (n,) float64 scores by half-spaces that did not learn from the image; NaN where
            all did, where the whitening or the level did, or where not all of its positions are
            known.
        peaks: (n,) the largest score of an image's positions, likewise; an image's own score where
            it is one row.
        dual_gap: the largest relative gap of all half-spaces.
        warnings: of the fits, for people.
    """

    union: Union
    part: NDArray[np.int64]
    folds: NDArray[np.int64]
    held_out: Floats
    peaks: Floats
    dual_gap: float
    warnings: tuple[str, ...]

    def judges(self) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """Each part of the images, and which half-spaces did not learn from it."""
        for fold in np.unique(self.folds[self.folds >= 0]):
            yield int(fold), self.part != fold


def deal(
    copies: NDArray[np.int64],
    plan: Plan,
    seed: int,
    most: int | None,
    n_whole: int | None = None,
    spare: bool = False,
) -> NDArray[np.int64]:
    """The part of each image; for a split `TO_CALIBRATE`, `TO_SPARE` or `TO_LEARN`.

    Args:
        copies: (n,) images that must not be parted share a number from 0 on: a copy in the fit
            would make a held-out image look more normal than a new one.
        plan: from `make_plan`.
        seed: of the dealing.
        most: parts, where half-spaces are fewer than `PARTS`; or None.
        n_whole: of which numbers, the first ones, images can be held back; None for all.
        spare: whether a split spares some of those held back, to judge levels.
    """
    n_different = int(copies.max()) + 1
    n_whole = n_different if n_whole is None else n_whole
    random = np.random.default_rng(seed)
    first, others = random.permutation(n_whole), random.permutation(n_different - n_whole)
    shuffled = np.concatenate([first, n_whole + others])[copies]
    if plan.method is Method.PARTS:
        return shuffled % min(PARTS, n_different, most or PARTS)
    folds = np.where(shuffled < min(plan.n_scored, n_different - 1), TO_CALIBRATE, TO_LEARN)
    folds[shuffled < _n_spared(plan) * spare] = TO_SPARE
    return folds


def _n_spared(plan: Plan) -> int:
    """Of a split: none where the others would support the rate no more."""
    n = min(SPARED, plan.n_scored // ONE_SPARED_OF)
    return n if threshold_rank(plan.n_scored - n, plan.false_alarms) >= 1 else 0


def can_whiten(plan: Plan, folds: NDArray[np.int64]) -> bool:
    """Whether positions are seen whitened, too: a split can, and parts that can spare one.

    Args:
        plan: from `make_plan`.
        folds: (n,) from `deal`.
    """
    if plan.method is Method.SPLIT:
        return True
    left = plan.n_scored - -(-plan.n_scored // PARTS)
    enough = left >= FEWEST_JUDGED and threshold_rank(left, plan.false_alarms) >= 1
    return enough and int(folds.max()) + 1 == PARTS


def unwhitened_by_rate(plan: Plan, folds: NDArray[np.int64]) -> str | None:
    """A sentence where a low rate alone keeps positions from being seen whitened; else None.

    Args:
        plan, folds: as for `can_whiten`.
    """
    usual = replace(plan, false_alarms=DEFAULT_FALSE_ALARMS)
    if can_whiten(plan, folds) or not can_whiten(usual, folds):
        return None
    left = plan.n_scored - -(-plan.n_scored // PARTS)
    return (
        f"at {percent(plan.false_alarms)} all {plan.n_scored} images are needed as held-out "
        f"ones, so none could teach how patches are whitened: this model looks at them without, "
        f"which finds small defects less well. From {percent_up(1 / (left + 1))} on, or with more "
        "images, they are seen whitened, too."
    )


def fit_union(
    rows: NDArray[np.floating[Any]] | RowSource,
    folds: NDArray[np.int64],
    *,
    nu: float,
    n_halfspaces: int,
    seed: int,
    one_scale: bool,
    n_worst: int = 0,
    whitened: bool = False,
    scored: RowSource | None = None,
    start: NDArray[np.floating[Any]] | None = None,
    stage: Callable[[str], None] = silent,
) -> FittedUnion:
    """Fit half-spaces to the parts, and score every image by those that have not seen it.

    Args:
        rows: (n, d) with n >= 2; or (n, p, d), p positions of each image, all or some.
        folds: (n,) from `deal`.
        nu: of every half-space.
        n_halfspaces: of all parts together; each part has one at least, and no more than rows.
        seed: of the clustering, and of the sample of positions.
        one_scale: give all half-spaces unit length and one offset, so that they can be compared.
        n_worst: of positions, as in `Union`.
        whitened: whether positions are seen whitened, too. Of parts the first one teaches that, so
            its images are not held out.
        scored: (m, d) or (m, p, d) of the first m images, with all positions: these get a held-out
            score; None where they are `rows`.
        start: (1, d) the half-space of an earlier fit to similar rows, to begin from.
        stage: called with a few words where a part is begun, such as "learning from patches, part 3
            of 10".

    Raises:
        InputError: no boundary can be drawn around a part.
    """
    rows = as_source(rows)
    names = [TO_LEARN] if (folds < 0).any() else list(range(int(folds.max()) + 1))
    samples = [_learnt_from(rows.chosen(folds == name), len(names), seed) for name in names]
    whitening = learn_whitening(samples[0]) if whitened else None
    stretch = None if whitening is None else root(whitening)
    if whitening is not None or (start is not None and start.shape[1] != rows.n_columns):
        start = None  # of a fit that saw rows otherwise
    fits, least = list[Halfspaces](), list[NDArray[np.float32]]()
    learning = PATCHES if len(rows.shape) == 3 else WHOLES
    for number, (name, some) in enumerate(zip(names, samples, strict=True), 1):
        stage(part_of(learning, number, len(names)))
        share = np.count_nonzero(folds == name) / np.count_nonzero(np.isin(folds, names))
        k = min(max(1, round(n_halfspaces * share)), some.n_rows)
        given = _stretched(some, whitening, stretch)
        fits.append(fit_halfspaces(given, k, nu=nu, seed=seed, start=start))
        least.append(least_margins(given, fits[-1]))
    _refuse_origin(fits)
    coef = np.concatenate([fit.coef for fit in fits])
    offset = np.concatenate([fit.offset for fit in fits])
    part = np.repeat(np.array(names, np.int64), [len(fit.coef) for fit in fits])
    if one_scale and len(coef) > 1:
        coef /= np.linalg.norm(coef, axis=1)[:, None]
        offset = np.zeros(len(coef))
    if stretch is not None:
        coef = coef @ stretch  # w . T x is T w . x
    union = Union(coef.astype(np.float32), offset, n_worst, n_worst > 0, whitening)
    if one_scale and len(coef) > 1:
        union = with_one_offset(union, samples, least, nu)
    scored, judged = scored or rows, folds
    if whitening is not None:
        spared = TO_SPARE if names == [TO_LEARN] else names[0]
        few = np.flatnonzero(folds[: scored.n_rows] == spared)
        images = (scored.take([one])[0] for one in few)
        union = with_level(union, union.only(part == names[0]), images)
        judged = np.where(folds == spared, -1, folds)
    held_out, peaks = _held_out(union, part, scored, judged, stage)
    gap = max(float(fit.dual_gap.max()) for fit in fits)
    return FittedUnion(union, part, folds, held_out, peaks, gap, _unsolved(fits))


def _unsolved(fits: list[Halfspaces]) -> tuple[str, ...]:
    """What of the fits is worth telling people who think of images: rows alike or alone are usual.

    The solver's own sentences speak of rows and of limits that nobody can set here.
    """
    gaps = [gap for fit in fits for gap, how in zip(fit.dual_gap, fit.status, strict=True)
            if how == "passes_used_up"]  # fmt: skip
    if not gaps:
        return ()
    return (
        f"{count(len(gaps), 'half-space is not at its', 'half-spaces are not at their')} best: the "
        f"largest relative duality gap is {max(gaps):.1e}. What is promised of false alarms holds "
        "all the same, so nothing need be done.",
    )


def _learnt_from(rows: RowSource, n_parts: int, seed: int) -> RowSource:
    """A part's rows; of positions a share of `MOST_PATCHES`, at random."""
    if len(rows.shape) == 2:
        return rows
    return ArrayRows(some_patches(rows, seed=seed, most=MOST_PATCHES // n_parts))


def _stretched(
    rows: RowSource, whitening: NDArray[np.float32] | None, stretch: NDArray[np.float32] | None
) -> RowSource:
    """Rows as half-spaces learn from them, T x / |T x|, with T as `stretch`."""
    if whitening is None or stretch is None:
        return rows
    wide = rows.take(range(rows.n_rows)).astype(np.float32)
    return ArrayRows(seen(wide, whitening, rows.n_columns) @ stretch)


def some_patches(
    rows: NDArray[np.floating[Any]] | RowSource, *, seed: int, most: int = MOST_PATCHES
) -> NDArray[np.floating[Any]]:
    """(m, d) positions out of (n, p, d): all, or so many at random."""
    n_images, n_patches = rows.shape[:2]
    picked = np.arange(n_images * n_patches)
    if len(picked) > most:
        picked = np.random.default_rng(seed).choice(len(picked), most, replace=False)
        picked.sort()
    return as_source(rows).take(picked // n_patches, picked % n_patches)


def _held_out(
    union: Union,
    part: NDArray[np.int64],
    rows: RowSource,
    folds: NDArray[np.int64],
    stage: Callable[[str], None],
) -> tuple[Floats, Floats]:
    scores, peaks = np.full(len(folds), np.nan), np.full(len(folds), np.nan)
    folds = folds[: rows.n_rows]
    held = np.unique(folds[folds >= 0])
    for number, fold in enumerate(held, 1):
        stage(part_of(MEASURING, number, len(held)))
        members = np.flatnonzero(folds == fold)
        judge = union.only(part != fold)
        if len(rows.shape) == 2:
            judged = map_blocks(partial(_judged, judge), rows.chosen(folds == fold))
        else:  # one image at a time, as it is kept: blocks are copies, and twice as wide
            judged = (_judged(judge, 0, rows.take([member])) for member in members)
        scores[members], peaks[members] = np.concatenate(list(judged)).T
    return scores, peaks


def _judged(judge: Union, _: int, block: NDArray[np.floating[Any]]) -> Floats:
    """(b, 2): the score of each image, and the largest of its positions' scores."""
    worst = [judge.nearly_worst(np.atleast_2d(image)) for image in block]
    return np.array([(own.mean(), own[0]) for own in worst])


def weight_of_whole(whole: FittedUnion, patches: FittedUnion, near: float) -> float:
    """How much the score of an image as a whole counts beside that of its patches.

    Each is put on the scale of its held-out normal images, by their standard deviation. Normal
    images that are far from one another as wholes say little as wholes, so they count less:
    by `OF_WHOLE` min(1, (near / m)^2), where m is the median of 1 - cosine between a held-out
    image and the nearest half-space.

    Args:
        whole: fitted to rows of whole images.
        patches: fitted to patches of the same images.
        near: up to such an m all of the whole image counts.
    """
    known = np.isfinite(whole.held_out) & np.isfinite(patches.held_out)
    apart, beside = whole.held_out[known], patches.held_out[known]
    spread = float(apart.std())
    if spread == 0:
        return 0.0
    median = float(np.median(apart)) + 1 - float(whole.union.offset[0])
    counts = OF_WHOLE * min(1.0, (near / max(median, 1e-9)) ** 2)
    return counts * float(beside.std()) / spread


def _refuse_origin(fits: list[Halfspaces]) -> None:
    if any("origin_inside" in fit.status for fit in fits):
        raise InputError(
            "no boundary can be drawn around these normal images: the values that stand for "
            "them cancel out or are zero. Leave black images out ('oneclass check' names those "
            "of one single colour), or use a network's layer instead of greyscale; where there "
            "are none, try another layer or a larger nu."
        )
