"""Frozen networks: one ONNX file each, with its preprocessing, licence and digest in one record."""

from oneclass.backbones.session import (
    DEFAULT,
    EMBEDDED_SHA256,
    Backbone,
    LayerSession,
    first_line,
    open_recorded,
)
from oneclass.backbones.spec import BackboneSpec, Preprocessing

__all__ = [
    "DEFAULT",
    "EMBEDDED_SHA256",
    "Backbone",
    "BackboneSpec",
    "LayerSession",
    "Preprocessing",
    "first_line",
    "open_recorded",
]
