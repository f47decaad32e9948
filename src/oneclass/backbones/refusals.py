"""What a runtime raises, in our own errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from oneclass.errors import OneclassError

EXPORT = "export the network as ONNX"
FROM_TORCH = f"{EXPORT} (torch.onnx.export)"
FROM_TENSORFLOW = f"{EXPORT} (tf2onnx)"
_OTHERS = (  # first bytes, at an offset: what it is, and what to do
    (0, b"PK\3\4", "an archive, as PyTorch and Keras write", FROM_TORCH + " or tf2onnx"),
    (0, b"\x80\2", "a pickle, as PyTorch wrote", FROM_TORCH),
    (0, b"\x80\4", "a pickle", FROM_TORCH),
    (8, b'{"', "weights alone (safetensors)", FROM_TORCH),
    (4, b"TFL3", "a network for TensorFlow Lite", FROM_TENSORFLOW),
    (0, b"\x89HDF", "a network of Keras (HDF5)", FROM_TENSORFLOW),
    (0, b"GGUF", "a language model (GGUF)", "give a network for images, as ONNX"),
    (0, b"ptrt", "an engine of TensorRT", "give the ONNX file that it was made from"),
    (0, b"<?xml", "XML, as of OpenVINO", "give the ONNX file that it was made from"),
    (0, b"ONECLASS", "a model of oneclass", "'oneclass score' takes it as it is"),
    (0, b"version https://git-lfs", "a Git LFS pointer", "fetch the file with 'git lfs pull'"),
    (0, b"<", "a web page", "the download failed: fetch the file again"),
)
MOST_LINES, MOST_LETTERS = 4, 500
"""Of a runtime's message: the dimension that is wrong comes in its second line."""


def out_of_memory(error: Exception) -> bool:
    """Whether a runtime says that it found no memory: it has no class of its own for that."""
    return "alloc" in str(error).lower()


@contextmanager
def refused_as(error_of: Callable[[str], OneclassError]) -> Iterator[None]:
    """Let our own errors pass, and make one of whatever else is raised inside.

    Args:
        error_of: what the runtime says, in one line, to the error.
    """
    try:
        yield
    except OneclassError:
        raise
    except Exception as error:  # a runtime's errors share no base class of their own
        raise error_of(first_line(error)) from error


def no_onnx(start: bytes, problem: object) -> str:
    """Why a file is no ONNX model, and what to do with it; `start` is how it begins."""
    for at, magic, kind, advice in _OTHERS:
        if start[at:].startswith(magic):
            return f"no ONNX model but {kind}; {advice}."
    return f"not a readable ONNX model ({problem}). Export or copy it again."


def first_line(error: Exception) -> str:
    """What a runtime says, in one line and without the pages behind it."""
    lines = (line.strip() for line in str(error).strip().splitlines()[:MOST_LINES])
    return "; ".join(line for line in lines if line)[:MOST_LETTERS]
