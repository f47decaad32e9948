"""Frozen networks: one ONNX file each, with its preprocessing, licence and digest in one record."""

from oneclass.backbones.refusals import first_line, refused_as
from oneclass.backbones.runtimes import (
    AUTO,
    DEFAULT_RUNTIME,
    FP32,
    Runtime,
    choose_runtime,
    runtime_as_fitted,
)
from oneclass.backbones.session import (
    DEFAULT,
    EMBEDDED_SHA256,
    Backbone,
    LayerSession,
    is_here,
    open_recorded,
)
from oneclass.backbones.spec import BackboneSpec, Preprocessing

__all__ = [
    "AUTO",
    "DEFAULT",
    "DEFAULT_RUNTIME",
    "EMBEDDED_SHA256",
    "FP32",
    "Backbone",
    "BackboneSpec",
    "LayerSession",
    "Preprocessing",
    "Runtime",
    "choose_runtime",
    "first_line",
    "is_here",
    "open_recorded",
    "refused_as",
    "runtime_as_fitted",
]
