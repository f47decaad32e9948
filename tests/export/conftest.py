"""Graphs need onnx, which an installation for tests may lack."""

from __future__ import annotations

import pytest

pytest.importorskip("onnx")
