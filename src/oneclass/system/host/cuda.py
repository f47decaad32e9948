"""ONNX Runtime on a CUDA device, where the package onnxruntime-gpu is installed and finds one."""

from __future__ import annotations

import logging
from contextlib import redirect_stdout
from functools import cache
from io import StringIO
from typing import Any

CUDA = "CUDAExecutionProvider"
FATAL, WARNING = 4, 2


def cuda_session(ort: Any, model: bytes, options: Any) -> Any | None:
    """A session on the first CUDA device, in float32; None where there is none to be used.

    The package's own account of what is missing is a screen of its source's lines, some of it on
    standard output, where a command's answer belongs: it is caught, and one sentence told once.

    Args:
        ort: the package onnxruntime, or what is installed in its place.
        model: the bytes of an ONNX file.
        options: SessionOptions of that package.
    """
    if CUDA not in ort.get_available_providers():
        return None
    try:
        missing = _libraries(ort)
        ort.set_default_logger_severity(FATAL)
        # TF32 would keep 10 bits of float32's 23.
        chosen = [(CUDA, {"use_tf32": 0}), "CPUExecutionProvider"]
        session = ort.InferenceSession(model, options, providers=chosen, enable_fallback=0)
        if session.get_providers()[0] == CUDA:
            return session
    except Exception as error:  # whatever the driver says, the processor computes, too
        missing = str(error)
    finally:
        ort.set_default_logger_severity(WARNING)
    _tell(" ".join(missing.split()) or "no reason given")
    return None


def _libraries(ort: Any) -> str:
    """Load CUDA's libraries where pip has put them; what was not found, in the package's words.

    By itself the package looks in the system's places alone.
    """
    with redirect_stdout(StringIO()) as said:
        ort.preload_dlls()
    return said.getvalue().partition("\n")[0]


@cache
def _tell(reason: str) -> None:
    logging.getLogger("oneclass").warning(
        "onnxruntime-gpu is installed, but no CUDA device can be used (%s): the processor "
        "computes. The libraries come with: pip install 'onnxruntime-gpu[cuda,cudnn]'. Where there "
        "is no such device, install onnxruntime in its place.",
        reason[:200],
    )
