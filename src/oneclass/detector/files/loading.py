"""From a model file back to a detector."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from oneclass.backbones import AUTO, Runtime, open_recorded, runtime_as_fitted
from oneclass.detector import settings
from oneclass.detector.estimator import Detector
from oneclass.detector.files import modelfile
from oneclass.detector.model import FittedModel
from oneclass.errors import ModelFileError, OneclassError
from oneclass.images.scale import PixelScale
from oneclass.representations import from_record
from oneclass.system.names import as_spelt_here
from oneclass.system.places import Remote, place


def load(
    file: str | Path,
    *,
    backbone: str | Path | None = None,
    threads: int | None = None,
    runtime: str = AUTO,
    precision: str = AUTO,
    cache: str | Path | None = None,
    cluster: Any = None,
    false_alarms: float | None = None,
    unclear: float | None = None,
) -> Detector:
    """Read a detector from a model file; neither the training images nor scikit-learn are needed.

    Args:
        file: written by `Detector.save` or ``oneclass fit``; it may be an address such as
            s3://bucket/parts.oneclass.
        backbone: the ONNX file of the model's backbone; None for the embedded one, or for a file
            ``<name>.onnx`` beside the model.
        threads: for reading images and for the network; None for all cores.
        runtime: "onnxruntime", "openvino", or "auto" for that of the fit.
        precision: "fp32", "bf16", or "auto"; another one than that of the fit is refused.
        cache: a folder that keeps the rows of images; None for no cache.
        cluster: a Dask scheduler's address or file, "local:4", or a client of Dask; None for the
            threads of this process.
        false_alarms: another share of normal images that may be called anomalies, in (0, 1), as low
            as the model's normal images support; None for the one that it was fitted with.
        unclear: a second, higher share, in (0, 1): images that are too odd for this one, but not
            anomalies by the other, have the verdict unclear. None for two verdicts.

    Raises:
        InputError: no file at `backbone`, a wrong number of threads, or a precision that is not
            that of the fit, or that this processor lacks; a rate that is too low, or an unclear
            one that is not the higher one.
        MissingDependencyError: OpenVINO is needed and not installed.
        ModelFileError: the model is damaged or of another version, or its backbone is missing or
            is not the one that it was fitted with.
    """
    file = place(file)
    file = file if isinstance(file, Remote) else as_spelt_here(file)
    card, arrays, digest = modelfile.read(file)
    try:
        network = open_recorded(card["representation"].get("backbone"), file, backbone)
        fitted_by = Runtime.from_json(card["representation"].get("runtime"))
        chosen = runtime_as_fitted(fitted_by, runtime, precision)
        record = card["representation"]
        representation = from_record(record, network, threads=threads, runtime=chosen)
        model = FittedModel.of_arrays(
            representation, PixelScale(**card["pixel_scale"]), arrays, card
        )
        check = settings.BY_NAME["false_alarms"].check
        model = model.at_rates(check("false_alarms", false_alarms), check("unclear", unclear))
        given = settings.of_card(card)
        if network is not None:
            given |= {"backbone": network, "runtime": chosen.name, "precision": chosen.precision}
        return Detector.holding(
            model, file, digest, **given, threads=threads, cache=cache, cluster=cluster
        )
    except OneclassError:
        raise  # a wrong argument of the caller's, or a backbone that does not fit
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ModelFileError(
            f"model {file}: refused: its content makes no sense ({error!r}). Fit again."
        ) from error
