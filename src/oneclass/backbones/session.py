"""One session class runs every frozen network, cut at the wanted layers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.backbones.catalogue import PUBLISHED, pulled_file
from oneclass.backbones.expected import misfit
from oneclass.backbones.onnx_file import (
    ELSEWHERE,
    cut,
    metadata,
    output_names,
    tensor_names,
    weights_elsewhere,
)
from oneclass.backbones.refusals import no_onnx, out_of_memory, refused_as
from oneclass.backbones.runtimes import DEFAULT_RUNTIME, Engine, Runtime, start
from oneclass.backbones.spec import BackboneSpec, Preprocessing
from oneclass.backbones.tokens import tensor_of, view
from oneclass.errors import (
    InputError,
    ModelFileError,
    OneclassError,
    StorageError,
)
from oneclass.system.host.workers import ordered_map, worker_count
from oneclass.system.names import count, did_you_mean
from oneclass.system.texts import why

DEFAULT = "efficientnet-lite0"
EMBEDDED_SHA256 = {
    DEFAULT: "61107e0c622e89eb3ac9448fc9f74645674b0f40326fb0400da5b30a2b5b3c2e",
}
METADATA_KEY = "oneclass"


class Backbone:
    """A frozen network: ONNX bytes and what belongs to them.

    Attributes:
        spec: name, digest, preprocessing, licence, source.
        layers: the named layers, from the input to the output: the graph's declared outputs.
        record: all that the file's metadata says of the network, training included.
        model: the bytes of the ONNX file.
    """

    def __init__(self, model: bytes, *, file: str) -> None:
        """Read a backbone from the bytes of an ONNX file; `file` names it in messages.

        Raises:
            ModelFileError: no ONNX model, or one without oneclass's preprocessing record.
        """
        try:
            self.layers = output_names(model)
            self._tensors = tensor_names(model)
            record = metadata(model, METADATA_KEY)
            elsewhere = weights_elsewhere(model)
        except ValueError as error:
            raise ModelFileError(f"backbone {file}: {no_onnx(model, error)}") from error
        if elsewhere:  # a digest of this file would not stand for them
            raise ModelFileError(f"backbone {file}: {ELSEWHERE}.")
        if record is None:
            raise ModelFileError(
                f"backbone {file}: the ONNX file has no {METADATA_KEY!r} entry in its metadata, so "
                "its preprocessing is unknown. 'oneclass backbone import', given --size, --mean "
                "and --std as in training, writes a copy that says so."
            )
        try:
            data: dict[str, Any] = json.loads(record)
            self.spec = BackboneSpec(
                name=str(data["name"]),
                sha256=hashlib.sha256(model).hexdigest(),
                preprocessing=Preprocessing.from_json(data["preprocessing"]),
                licence=str(data.get("licence", "")),
                source=str(data.get("source", "")),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"backbone {file}: its {METADATA_KEY!r} metadata is malformed: {error}. "
                "Expected a JSON object with name and preprocessing."
            ) from error
        self.record = data
        self.model = model

    @classmethod
    def open(cls, name: str | Path | Backbone) -> Backbone:
        """Open an embedded or pulled backbone by name, or an ONNX file by path.

        An open one is itself.

        Raises:
            InputError: no such name or file.
            ModelFileError: the file is damaged or no backbone.
        """
        if isinstance(name, Backbone):
            return name
        if not isinstance(name, (str, Path)):
            raise InputError(f"backbone is {name!r}: expected a name or a path.")
        file = cls.file_of(name)
        if file is None:
            return _embedded(str(name))
        try:
            return cls(file.read_bytes(), file=str(file))
        except OSError as error:
            raise InputError(
                f"backbone {file}: cannot be read ({error.strerror or error}). Check the path "
                "and its permissions."
            ) from error

    @staticmethod
    def file_of(name: str | Path) -> Path | None:
        """Where the backbone of a name lies, or the path itself; None for an embedded one.

        Raises:
            InputError: no such name or file.
        """
        if name in EMBEDDED_SHA256:
            return None
        file = pulled_file(str(name)) if name in PUBLISHED else Path(name)
        if str(name) == "greyscale" and not file.is_file():
            raise InputError(
                "backbone greyscale: it is no network and has no layers, but raw pixels. Give a "
                "network here, such as efficientnet-lite0."
            )
        if not file.is_file():
            known = (*EMBEDDED_SHA256, "greyscale", *PUBLISHED)
            raise InputError(
                f"backbone {name}: not on this machine yet. Get it with 'oneclass backbone pull "
                f"{name}'."
                if name in PUBLISHED
                else f"backbone {str(name)!r}: neither an embedded backbone "
                f"({', '.join(EMBEDDED_SHA256)}), nor 'greyscale', nor a published one "
                f"({', '.join(PUBLISHED)}), nor an existing ONNX file."
                f"{did_you_mean(str(name), known, 0.7) or ' Check the spelling or the path.'}"
            )
        return file

    def __repr__(self) -> str:
        return f"<Backbone {self.spec.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """An embedded network is found again by its name; of another the bytes travel."""
        if EMBEDDED_SHA256.get(self.spec.name) == self.spec.sha256:
            return Backbone.open, (self.spec.name,)
        return partial(Backbone, file=self.spec.name), (self.model,)

    def has_layer(self, layer: str) -> bool:
        """Whether the network computes a tensor of that name, or tokens that it names a view of."""
        return tensor_of(layer, self._tensors.__contains__)[0] in self._tensors

    def shapes(self, tensors: Sequence[str] | None = None) -> dict[str, tuple[int, ...]]:
        """Shapes for one image of the network's own size.

        Args:
            tensors: of the graph; None for the named layers.

        Raises:
            ModelFileError: the network cannot run on such an image.
        """
        wanted = self.layers if tensors is None else tensors
        height, width = self.spec.preprocessing.size
        session = self.session(wanted)
        if wrong := misfit(session.inputs, self.spec.preprocessing.shape):
            raise ModelFileError(f"backbone {self.spec.name}: {wrong}.")
        with refused_as(
            lambda said: ModelFileError(
                f"backbone {self.spec.name}: cannot run on {width} x {height} pixels, the size in "
                f"its preprocessing ({said}). Give the size that it was made for, or export it for "
                "such images."
            )
        ):
            return session.shapes(self.spec.preprocessing.shape)

    def session(
        self,
        layers: Sequence[str],
        *,
        threads: int | None = None,
        runtime: Runtime = DEFAULT_RUNTIME,
    ) -> LayerSession:
        """A session that computes `layers` and nothing behind them.

        Args:
            layers: some of `layers`, or any tensors of the graph, each once; of tokens also
                NAME:map and NAME:class.
            threads: images computed side by side; None for one on each core. The result's bits do
                not depend on it.
            runtime: what computes.

        Raises:
            InputError: an unknown layer.
            MissingDependencyError: the runtime is not installed.
            ModelFileError: the runtime refuses the network.
        """
        for layer in layers:
            if not self.has_layer(layer):
                raise InputError(
                    f"layer {layer!r}: backbone {self.spec.name} has no such layer."
                    f"{did_you_mean(layer, self.layers)} Its layers are: {', '.join(self.layers)}."
                )
        threads = worker_count(threads)
        pairs = [tensor_of(layer, self._tensors.__contains__) for layer in layers]
        tensors = list(dict.fromkeys(tensor for tensor, _ in pairs))
        views = [(tensors.index(tensor), wanted) for tensor, wanted in pairs]
        with refused_as(
            lambda said: ModelFileError(
                f"backbone {self.spec.name}: {runtime.name} cannot run it up to "
                f"{'+'.join(layers)} ({said}). Export it again."
            )
        ):
            engine = start(cut(self.model, tensors), runtime, threads)
        anew = partial(self.session, tuple(layers), threads=threads, runtime=runtime)
        return LayerSession(engine, threads, dict(zip(layers, views, strict=True)), anew)


class LayerSession:
    """A network cut at some layers; threads may share it.

    Attributes:
        together: how many images a call should have at best, where other threads call, too.
        version: of what computes; the last bits may depend on it.
        inputs: what the network takes.
        layers: that it computes, in their order.
    """

    def __init__(
        self,
        engine: Engine,
        threads: int,
        views: Mapping[str, tuple[int, str]],
        anew: Callable[[], LayerSession],
    ) -> None:
        """Read layers from an engine.

        Args:
            engine: computes tensors.
            threads: that compute side by side.
            views: for each layer the number of its tensor, and what `tokens.view` makes of it.
            anew: opens another one alike: a runtime's cannot travel.
        """
        self._engine, self._threads, self._views, self._anew = engine, threads, views, anew
        self.together, self.version = engine.together, engine.version
        self.inputs, self.layers = engine.inputs, tuple(views)
        self._shapes: dict[tuple[int, int, int], dict[str, tuple[int, ...]]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return self._anew, ()

    def __call__(self, images: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        """Run the network.

        Args:
            images: (n, channels, height, width) float32, preprocessed as the backbone's spec says.

        Returns:
            float32 for each layer: (n, channels, h, w) for a map, (n, units) for a vector.

        Raises:
            StorageError: out of memory.
            ModelFileError: a layer has no axis at all.
        """
        step = self.together
        try:
            if len(images) <= step:
                return self._seen(self._engine.run(images), images)
            parts = [images[i : i + step] for i in range(0, len(images), step)]
            done = list(ordered_map(self._engine.run, parts, self._threads))
        except OneclassError:
            raise
        except Exception as error:  # a runtime's errors share no base class of their own
            if not out_of_memory(error):
                raise
            raise StorageError(
                f"the network does not fit into memory for {count(len(images), 'image')} of "
                f"{images.shape[3]} x {images.shape[2]} pixels. Use fewer threads (--threads 1, in "
                "Python threads=1), a machine or container with more memory, or a model that was "
                "fitted to smaller images (size)."
            ) from error
        if any(np.ndim(values) == 0 for values in done[0]):
            raise ModelFileError(
                "a layer of the network gives one number for all images. Its layers' first axis "
                "must be that of the images; name another layer."
            )
        return self._seen([np.concatenate(one) for one in zip(*done, strict=True)], images)

    def shapes(self, image: tuple[int, int, int]) -> dict[str, tuple[int, ...]]:
        """The shape of each layer's values for one image.

        Args:
            image: (channels, height, width).

        Raises:
            StorageError: out of memory.
            ModelFileError: a layer has no axis at all.
        """
        if image not in self._shapes:
            made = self(np.zeros((1, *image), np.float32))
            named = zip(self.layers, made, strict=True)
            self._shapes[image] = {name: values.shape[1:] for name, values in named}
        return self._shapes[image]

    def _seen(
        self, tensors: list[NDArray[np.float32]], images: NDArray[np.float32]
    ) -> list[NDArray[np.float32]]:
        size = (images.shape[2], images.shape[3])
        return [view(tensors[i], wanted, n, size) for n, (i, wanted) in self._views.items()]


def open_recorded(
    record: dict[str, Any] | None, model: Path, given: str | Path | None
) -> Backbone | None:
    """Open the very network that a model was fitted with.

    Args:
        record: the model's `BackboneSpec` as JSON; None where it needs no network.
        model: the model file: a file `<name>.onnx` beside it is looked for.
        given: by the user: a name or a file to take instead; None for none.

    Raises:
        InputError: there is nothing at `given`.
        ModelFileError: the network is missing, or another one.
    """
    if record is None:
        return None
    name, digest = record["name"], record["sha256"]
    beside = model.parent / f"{name}.onnx"
    if given is not None:
        place: str | Path = given
    elif digest in EMBEDDED_SHA256.values():
        place = name
    elif beside.is_file():
        place = beside
    elif is_here(record):
        place = name
    else:
        raise ModelFileError(
            f"model {model}: needs its backbone {name!r} (SHA-256 {digest}), and {beside} does not "
            "exist. Put the ONNX file there, or name it with --backbone (in Python: backbone=)."
        )
    backbone = Backbone.open(place)
    if backbone.spec.sha256 != digest:
        embedded = digest in EMBEDDED_SHA256.values()
        advice = "Leave it out: that one is embedded." if embedded else "Give the file of that one."
        raise ModelFileError(
            f"model {model}: was fitted with backbone {name!r} of SHA-256 {digest}, but {place} "
            f"has {backbone.spec.sha256}. {advice}"
        )
    return backbone


def is_here(record: Mapping[str, Any]) -> bool:
    """Whether a recorded network is embedded, or pulled, so that no file need be given."""
    name = record["name"]
    return record["sha256"] in EMBEDDED_SHA256.values() or (
        name in PUBLISHED and pulled_file(name).is_file()
    )


@cache
def _embedded(name: str) -> Backbone:
    file = resources.files("oneclass.backbones") / "data" / f"{name}.onnx"
    try:
        model = file.read_bytes()
    except OSError as error:
        raise ModelFileError(
            f"backbone {name}: its file is missing from the installation ({why(error)}). "
            "Install oneclass again."
        ) from error
    digest = hashlib.sha256(model).hexdigest()
    if digest != EMBEDDED_SHA256[name]:
        raise ModelFileError(
            f"backbone {name}: the installed file has SHA-256 {digest}, expected "
            f"{EMBEDDED_SHA256[name]}. It was changed or damaged: install oneclass again."
        )
    return Backbone(model, file=name)
