"""Packages that contact their makers or write into the user's home, imported so that they don't.

Images of factories and clinics are nobody's business. ONNX Runtime (from 1.29 on) and OpenVINO
report their use over the network unless told otherwise *before* they are imported. Nothing else in
`oneclass` may import them; a test says so.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any


def onnxruntime() -> Any:
    """The package onnxruntime, its telemetry off unless ORT_DISABLE_TELEMETRY says otherwise.

    The variable is decisive on Linux and macOS. On Windows the system collects the events, and only
    the function stops those that follow it.

    Raises:
        ImportError: it is not installed, or cannot be loaded.
    """
    if os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1") == "0":
        return import_module("onnxruntime")
    package = import_module("onnxruntime")
    package.disable_telemetry_events()
    return package


def openvino() -> Any:
    """The package openvino, as it is where its companion openvino_telemetry is not installed.

    On import it sends a message and writes ~/intel/, and no variable turns that off.

    Raises:
        ImportError: it is not installed, or cannot be loaded.
    """
    return _without_telemetry("openvino")


def nncf() -> Any:
    """The package nncf, which quantises for OpenVINO and reports its use like that.

    Raises:
        ImportError: it is not installed, or cannot be loaded.
    """
    openvino()
    return _without_telemetry("nncf")


def _without_telemetry(package: str) -> Any:
    companion = "openvino_telemetry"
    if package in sys.modules or companion in sys.modules:  # somebody else's decision
        return import_module(package)
    sys.modules[companion] = None  # type: ignore[assignment]  # importing it fails from here on
    try:
        return import_module(package)
    finally:
        del sys.modules[companion]


def matplotlib() -> Any:
    """The package matplotlib; its list of fonts goes to a folder that goes with the process.

    A folder that MPLCONFIGDIR names is used as ever.

    Raises:
        ImportError: it is not installed, or cannot be loaded.
    """
    if "matplotlib" not in sys.modules and "MPLCONFIGDIR" not in os.environ:
        folder = tempfile.mkdtemp(prefix="oneclass-matplotlib-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["MPLCONFIGDIR"] = folder
    return import_module("matplotlib")


def keep_compiled(folder: Path) -> None:
    """Let torch keep what it compiles in `folder`, where TORCHINDUCTOR_CACHE_DIR names no other.

    By itself it makes one for the user in the system's folder for temporary files and leaves it.
    """
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder.resolve()))
