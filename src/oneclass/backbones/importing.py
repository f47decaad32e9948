"""Networks made elsewhere, turned into backbone files: MatConvNet's, and any ONNX file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oneclass.backbones.catalogue import CITE, LICENCE, PUBLISHED, pulled_file
from oneclass.backbones.defaults import default_layers, stage_ends
from oneclass.backbones.matconvnet.graph import to_onnx
from oneclass.backbones.matconvnet.records import read_simplenn
from oneclass.backbones.onnx_file import (
    ELSEWHERE,
    ONNX_START,
    cut,
    metadata,
    weights_elsewhere,
    with_metadata,
)
from oneclass.backbones.onnx_graph import require_onnx
from oneclass.backbones.refusals import no_onnx
from oneclass.backbones.session import METADATA_KEY, Backbone
from oneclass.backbones.spec import Preprocessing
from oneclass.errors import InputError, ModelFileError, OneclassError
from oneclass.system.downloads import download
from oneclass.system.files import check_replaces, check_writable, translated_errors, whole_file

PREPROCESSING = ("size", "interpolation", "mean", "std")
MOST_STD = 10
"""Beyond it, units are those of 0 to 255: numbers of [0, 1] spread by .5 at most."""


@dataclass(frozen=True)
class ImportOptions:
    """What a user says of a network; None where the file should say it.

    Attributes:
        name: of the backbone; the output file's by default.
        size: (height, width) of the input.
        interpolation, mean, std: see `Preprocessing`.
        licence, source: of the weights.
        layers: tensors to cut the network at; the named layers from then on.
        crop: resize larger by a MatConvNet network's border, and cut that off.
    """

    name: str | None = None
    size: tuple[int, int] | None = None
    interpolation: str | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    licence: str | None = None
    source: str | None = None
    layers: Sequence[str] = ()
    crop: bool = False

    @property
    def preprocessing(self) -> dict[str, Any]:
        """What is said of the preprocessing, by the names of `Preprocessing`."""
        return {k: v for k in PREPROCESSING if (v := getattr(self, k)) is not None}


def import_network(file: Path, out: Path, options: ImportOptions) -> Backbone:
    """Turn a MatConvNet `.mat` or an ONNX file into a backbone file, and see that it runs.

    Args:
        file: to read; what it is is told by its first bytes.
        out: to write, whole or not at all.
        options: what the user says.

    Raises:
        InputError: no such file; preprocessing that is missing or makes no sense; a layer that the
            network does not have; a place that cannot be written to.
        ModelFileError: the file is damaged, or no such network.
        MissingDependencyError: a `.mat` needs the package onnx.
    """
    check_writable(out, ".onnx")
    check_replaces(out, "ONNX file", ONNX_START)
    try:
        with file.open("rb") as opened:
            start = opened.read(6)
    except OSError as error:
        raise InputError(
            f"{file}: cannot be read ({error.strerror or error}). Give an ONNX file or "
            "MatConvNet's .mat file."
        ) from error
    is_mat = start == b"MATLAB" or file.suffix.lower() == ".mat"
    content = _from_mat(file, out, options) if is_mat else _from_onnx(file, out, options)
    if options.layers:
        _check_layers(content, file, options.layers)
        content = cut(content, options.layers)
    backbone = Backbone(content, file=str(file))
    _see_that_it_runs(backbone, file)
    if not options.layers and not default_layers(backbone).patches:
        content = cut(content, stage_ends(backbone))
        backbone = Backbone(content, file=str(file))
    with whole_file(out) as opened_out:
        opened_out.write(content)
    return backbone


def pull_network(
    name: str, *, url: str | None = None, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Download a published network and convert it; what is there already is kept.

    The conversion may be repeated without another download until it has succeeded.

    Args:
        name: one of `PUBLISHED`.
        url: another place of the very same file.
        progress: called with (bytes there, bytes in all).

    Returns:
        The backbone file.

    Raises:
        DownloadError: it could not be fetched, or is another file.
        InputError: an unknown name, or a folder that cannot be written to.
        MissingDependencyError: the package onnx is not installed.
    """
    if name not in PUBLISHED:
        raise InputError(
            f"backbone {name!r}: not among the published ones, which are {', '.join(PUBLISHED)}."
        )
    require_onnx("converting a MatConvNet network")
    published, file = PUBLISHED[name], pulled_file(name)
    with suppress(OneclassError):
        Backbone.open(file)
        return file
    source = url or published.url
    packed = file.with_suffix(".mat")
    download(source, packed, published.md5, progress=progress)
    told = f"{published.url}, MD5 {published.md5}. {CITE}"
    import_network(packed, file, ImportOptions(name=name, licence=LICENCE, source=told))
    with translated_errors(packed):
        packed.unlink()
    return file


def _from_mat(file: Path, out: Path, options: ImportOptions) -> bytes:
    if given := [*options.preprocessing]:
        raise InputError(
            f"{given[0]}: a MatConvNet file says itself what its network expects. Leave it out."
        )
    network = read_simplenn(file)
    record = {
        "name": options.name or out.stem,
        "licence": options.licence or "",
        "source": options.source or f"MatConvNet file {file.name}, SHA-256 {_sha256(file)}",
        "border": list(network.border),
        "cropped": options.crop,
    }
    try:
        return to_onnx(network, record, crop=options.crop)
    except ValueError as error:
        raise ModelFileError(
            f"{file}: cannot be converted: {error}. Give the network as ONNX instead."
        ) from error


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _from_onnx(file: Path, out: Path, options: ImportOptions) -> bytes:
    if options.crop:
        raise InputError("crop: an ONNX file has no border to cut off. Leave it out.")
    model = file.read_bytes()
    try:
        told = metadata(model, METADATA_KEY)
        if weights_elsewhere(model):
            raise ModelFileError(f"{file}: {ELSEWHERE}.")
        record = _record(file, told)
    except ValueError as error:
        raise ModelFileError(f"{file}: {no_onnx(model, error)}") from error
    record["preprocessing"] = checked_preprocessing(record.get("preprocessing", {}), options)
    record["name"] = options.name or record.get("name") or out.stem
    record |= {k: v for k in ("licence", "source") if (v := getattr(options, k)) is not None}
    content = with_metadata(model, METADATA_KEY, json.dumps(record, sort_keys=True))
    backbone = Backbone(content, file=str(file))
    told_one = backbone.spec.preprocessing
    if len(told_one.mean) > 1:
        return content
    record["preprocessing"] = told_one.of_channels(_channels(backbone)).to_json()
    return with_metadata(model, METADATA_KEY, json.dumps(record, sort_keys=True))


def _channels(backbone: Backbone) -> int | None:
    """Of the images that the network takes; None where it does not say, or takes none."""
    inputs = backbone.session(backbone.layers).inputs
    return inputs[0].shape[1] if len(inputs) == 1 and len(inputs[0].shape) == 4 else None


def _record(file: Path, told: str | None) -> dict[str, Any]:
    try:
        record = json.loads(told) if told is not None else {}
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise ModelFileError(
            f"{file}: its {METADATA_KEY!r} metadata is no JSON object ({str(told)[:60]!r}). "
            "Export it again without that entry."
        )
    return record


def checked_preprocessing(told: dict[str, Any], options: ImportOptions) -> dict[str, Any]:
    """What the file says, with what the user says in its place.

    Raises:
        InputError: something is missing or makes no sense.
    """
    whole = {"interpolation": "bilinear", **told, **options.preprocessing}
    if missing := [name for name in PREPROCESSING if name not in whole]:
        raise InputError(
            f"the preprocessing is unknown: {' and '.join(missing)} not given, and the file does "
            "not say. Give --size, --mean and --std as in training, such as --size 224 --mean "
            "0.485,0.456,0.406 --std 0.229,0.224,0.225 (in units of [0, 1])."
        )
    try:
        read = Preprocessing.from_json(whole)
    except ValueError as error:
        raise InputError(f"preprocessing: {error}.") from error
    if max(read.mean) > 1 or max(read.std) > MOST_STD:
        mean, std = (",".join(f"{n / 255:.4g}" for n in one) for one in (read.mean, read.std))
        raise InputError(
            f"preprocessing: mean {_listed(read.mean)} and std {_listed(read.std)} look like units "
            "of 0 to 255; expected units of [0, 1], in which no pixel is above 1. Divided by 255 "
            f"they are --mean {mean} --std {std}."
        )
    return read.to_json()


def _listed(values: Sequence[float]) -> str:
    return ",".join(f"{value:g}" for value in values)


def _check_layers(content: bytes, file: Path, layers: Sequence[str]) -> None:
    backbone = Backbone(content, file=str(file))
    for layer in layers:
        if not backbone.has_layer(layer):
            raise InputError(
                f"layer {layer!r}: {file} has no such tensor. Its outputs are: "
                f"{', '.join(backbone.layers)}."
            )
    if len(set(layers)) < len(layers):
        raise InputError(f"layers {', '.join(layers)}: name each once.")


def _see_that_it_runs(backbone: Backbone, file: Path) -> None:
    """Two images must give two rows of finite numbers."""
    backbone.shapes()
    shape = (2, *backbone.spec.preprocessing.shape)
    two = np.random.default_rng(0).random(shape, np.float32)
    rows = backbone.session(backbone.layers)(two)
    sizes = {len(values) for values in rows}
    if sizes != {2}:
        raise ModelFileError(
            f"{file}: gives {sorted(sizes)} rows for 2 images. Its layers' first axis must be that "
            "of the images."
        )
    for layer, values in zip(backbone.layers, rows, strict=True):
        if not np.isfinite(values).all():
            raise ModelFileError(
                f"{file}: {layer} gives numbers that are not finite, for an image of noise. Export "
                "the network again, or name another layer."
            )
