"""From rows to the outputs of a model, as a graph: what `FittedModel` says of a row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from oneclass.conformal.calibration import Calibration
from oneclass.conformal.sisters import SisterCalibration
from oneclass.conformal.union import Joined, Union
from oneclass.detector.model import FittedModel
from oneclass.export.graph import Graph
from oneclass.export.scores import (
    at_least_as_odd,
    less_level,
    outside,
    p_value,
    terms_map,
    verdict,
    worst_mean,
)


def write_outputs(g: Graph, model: FittedModel, rows: Sequence[str]) -> dict[str, list[int]]:
    """Write the outputs of a model.

    Args:
        g: the graph to write to.
        model: whose.
        rows: (n, d) or (n, p, d) float32, from `write_rows`; of a model of both, both in turn.

    Returns:
        The outputs' names, and the length of their axes behind that of the images.
    """
    distances, winner, there = outside(g, rows[-1], model.last)
    if model.last.level is not None:
        _, height, width = model.maps[0]
        distances = less_level(g, distances, there, model.last, height * width)
    score = _of_image(g, distances, model.last)
    if isinstance(model.union, Joined):
        whole = outside(g, rows[0], model.union.whole)[0]
        score = g.op("Add", score, g.op("Mul", whole, np.array(model.union.weight)))
    g.cast(score, np.float32, name="score")
    count = _count(g, rows[-1], score, model.calibration)
    n_normal = model.calibration.n_held_out
    g.cast(p_value(g, count, n_normal), np.float32, name="p_value")
    verdict(g, count, n_normal, model.false_alarms, name="is_anomaly")
    outputs: dict[str, list[int]] = {"score": [], "p_value": [], "is_anomaly": []}
    shapes = [shape for shape in model.representation.map_shapes if shape is not None]
    if len(shapes) < len(model.representation.map_shapes):
        return outputs
    height, width = max(s[1] for s in shapes), max(s[2] for s in shapes)
    if model.last.n_worst:
        made = g.reshape(distances, 0, height, width)
    else:
        made = terms_map(g, rows[-1], winner, model.last.coef, model.heat.calm, shapes)
    g.cast(made, np.float32, name="anomaly_map")
    return {**outputs, "anomaly_map": [height, width]}


def _count(g: Graph, rows: str, score: str, calibration: Calibration) -> str:
    """(n,) int64: how many normal images are at least as odd."""
    normal = calibration.normal_scores
    if not isinstance(calibration, SisterCalibration):
        return at_least_as_odd(g, [score], [normal], calibration.slack)
    by_fold = [normal[calibration.fold == k] for k in np.unique(calibration.fold)]
    scores = [
        _of_image(g, outside(g, rows, sister)[0], sister) for sister in calibration.sisters
    ] or [score]
    return at_least_as_odd(g, scores, by_fold, calibration.slack)


def _of_image(g: Graph, distances: str, union: Union) -> str:
    return worst_mean(g, distances, union.n_worst) if union.n_worst else distances
