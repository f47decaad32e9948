"""The paper's second framework (section 4.2): learn a representation from an auxiliary task.

A network is trained to tell the sub-categories of the normal class apart: identities of faces,
product variants, digits. What it had to learn for that is a representation of what is normal; its
layers, exported as a backbone, serve like those of any other network.

    subcategories    which image belongs to which sub-category
    pixelfile        all images, prepared once, as bytes in one memory-mapped file
    networks         Male-5045, or any torch module by its import path
    recipes          how long, how fast, from where: `paper` and `quick`
    machine          where it computes
    batches          the images of one step, drawn and distorted, one step ahead
    loop             the training itself
    checkpoint       its whole state in two files that appear together
    export           the trained network as a backbone file
    training         all of these in order: what `oneclass train` does

This package is the only one that imports torch (extra: train), and only when something is trained
or exported.
"""

from __future__ import annotations

from oneclass.errors import MissingDependencyError
from oneclass.system.host.machine import pip_install


def require_torch(what: str) -> None:
    """See that the packages of the extra `train` are there.

    Raises:
        MissingDependencyError: one is not; `what` needs it.
    """
    try:
        import onnx  # noqa: F401
        import safetensors  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            f"{what} needs the package {error.name}, which is not installed: {pip_install('train')}"
        ) from error
