"""From a model file back to a detector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.backbones import AUTO, Backbone, Runtime, open_recorded, runtime_as_fitted
from oneclass.conformal.calibration import Calibration
from oneclass.detector import modelfile
from oneclass.detector.estimator import Detector
from oneclass.detector.heat import Heat
from oneclass.detector.learning import Fitted
from oneclass.detector.settings import share
from oneclass.errors import ModelFileError, OneclassError
from oneclass.images.scale import DEPTHS, PixelScale
from oneclass.representations.layers import GREYSCALE, PATCHES, Representation, restore


def load(
    file: str | Path,
    *,
    backbone: str | Path | None = None,
    threads: int | None = None,
    runtime: str = AUTO,
    precision: str = AUTO,
    cache: str | Path | None = None,
) -> Detector:
    """Read a detector from a model file; neither the training images nor scikit-learn are needed.

    Args:
        file: written by `Detector.save` or ``oneclass fit``.
        backbone: the ONNX file of the model's backbone; None for the embedded one, or for a file
            ``<name>.onnx`` beside the model.
        threads: for reading images and for the network; None for all cores.
        runtime: "onnxruntime", "openvino", or "auto" for that of the fit.
        precision: "fp32", "bf16", or "auto"; another one than that of the fit is refused.
        cache: a folder that keeps the rows of images; None for no cache.

    Raises:
        InputError: no file at `backbone`, a wrong number of threads, or a precision that is not
            that of the fit, or that this processor lacks.
        MissingDependencyError: OpenVINO is needed and not installed.
        ModelFileError: the model is damaged or of another version, or its backbone is missing or
            is not the one that it was fitted with.
    """
    file = Path(file)
    card, arrays, digest = modelfile.read(file)
    try:
        network = open_recorded(card["representation"].get("backbone"), file, backbone)
        fitted_by = Runtime.from_json(card["representation"].get("runtime"))
        chosen = runtime_as_fitted(fitted_by, runtime, precision)
        representation = restore(card["representation"], network, threads=threads, runtime=chosen)
        scale = PixelScale(**card["pixel_scale"])
        _check(representation, scale, arrays)
        share("false_alarms", card["false_alarms"], one_too=False)
        detector = Detector(
            **_settings(card["representation"], network),
            nu=card["fit"]["nu"],
            n_halfspaces=card["asked"]["n_halfspaces"],
            false_alarms=card["asked"]["false_alarms"],
            seed=card["fit"]["seed"],
            threads=threads,
            runtime=runtime if network is None else chosen.name,
            precision=precision if network is None else chosen.precision,
            row_dtype=representation.row_dtype,
            cache=cache,
        )
    except OneclassError:
        raise  # a wrong argument of the caller's, or a backbone that does not fit
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"model {file}: refused: its content makes no sense ({error!r}). Fit again."
        ) from error
    calibration = Calibration(**{name: arrays[name] for name in Calibration.ARRAYS})
    heat = Heat(**{name: arrays[name] for name in Heat.ARRAYS})
    fitted = Fitted(
        representation, scale, arrays["coef"], arrays["offset"], calibration, heat, card
    )
    detector.restore(fitted, file, digest)
    return detector


def _settings(record: dict[str, Any], network: Backbone | None) -> dict[str, Any]:
    """What to give to `Detector` for the same representation again."""
    size = tuple(record["preprocessing"]["size"])
    if network is None:
        return {"backbone": GREYSCALE, "size": size}
    layers = [(layer["name"], layer["grid"]) for layer in record["layers"]]
    layer = "+".join(name if grid is None else f"{name}@{grid}" for name, grid in layers)
    rows = "patches" if record["kind"] == PATCHES else "image"
    return {"backbone": network, "rows": rows, "layer": layer, "size": size}


def _check(
    representation: Representation, scale: PixelScale, arrays: dict[str, NDArray[Any]]
) -> None:
    """Raise ValueError unless the arrays and the scale can score images."""
    used = {name: arrays[name] for name in Fitted.ARRAYS}
    if not all(np.isfinite(array).all() for array in used.values()):
        raise ValueError("a value that is not finite")
    coef, offset = used["coef"], used["offset"]
    if coef.ndim != 2 or not len(coef) or coef.shape[1] != representation.n_columns:
        raise ValueError(f"coef of shape {coef.shape} for rows of {representation.n_columns}")
    if offset.shape != (len(coef),):
        raise ValueError(f"offset of shape {offset.shape} for {len(coef)} half-spaces")
    normal, fold, member = used["normal_scores"], used["fold"], used["fold_member"]
    folds, members = np.unique(fold), np.unique(member)
    if normal.ndim != 1 or not len(normal) or fold.shape != normal.shape:
        raise ValueError(f"normal_scores of shape {normal.shape}, fold of {fold.shape}")
    if used["fold_coef"].shape != (len(member), coef.shape[1]):
        raise ValueError(f"fold_coef of shape {used['fold_coef'].shape}")
    if member.ndim != 1 or used["fold_offset"].shape != member.shape:
        raise ValueError(f"fold_member of shape {member.shape}")
    if (np.diff(fold) < 0).any() or (np.diff(member) < 0).any():
        raise ValueError("folds that are not in order")
    if list(folds) != (list(members) if len(members) else [0]):
        raise ValueError(f"half-spaces of folds {members} for scores of folds {folds}")
    shapes = representation.map_shapes
    without = [representation.n_worst > 0 or shape is None for shape in shapes]
    maps = [
        (0, 0) if shape is None or skip else shape[1:]
        for shape, skip in zip(shapes, without, strict=True)
    ]
    finest = (0, 0) if (0, 0) in maps else tuple(max(sides) for sides in zip(*maps, strict=True))
    if used["calm"].shape != (len(coef), *finest) or used["heat_scale"].shape != (1,):
        raise ValueError(f"calm of shape {used['calm'].shape} for maps of {finest}")
    if scale.depth not in DEPTHS or not scale.low < scale.high:
        raise ValueError(f"a pixel scale of {scale}")
