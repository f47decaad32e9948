"""What a network wants as its input, and what to do where that is not one batch of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oneclass.system.names import count

Shape = Sequence[int | None]
FLOAT = "float32"
CONVERT = {
    "float16": "convert only what is inside (keep_io_types=True), or export it in float32",
    "uint8": "leave the scaling to --mean and --std, and export the network without that step",
}


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a network.

    Attributes:
        name: in the graph.
        dtype: such as "float32".
        shape: sides; None where any will do.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]


def misfit(inputs: Sequence[Input], wanted: tuple[int, int, int]) -> str | None:
    """Why a network cannot take images of (channels, height, width); None if it can.

    Args:
        inputs: of the network.
        wanted: what its preprocessing makes.
    """
    if len(inputs) != 1:
        names = ", ".join(one.name for one in inputs)
        return f"it has {len(inputs)} inputs ({names}); export it with one, the images"
    (one,) = inputs
    if one.dtype != FLOAT:
        advice = CONVERT.get(one.dtype, "export it with a float32 input")
        return f"its input is {one.dtype}, expected {FLOAT}; {advice}"
    if len(one.shape) != 4:
        return (
            f"its input has {count(len(one.shape), 'axis', 'axes')} ({told(one.shape)}), expected "
            "4: images, channels, height, width; export it for such images"
        )
    return _misfit_of_sides(one.shape, wanted)


def _misfit_of_sides(shape: Shape, wanted: tuple[int, int, int]) -> str | None:
    images, channels, *size = shape
    if channels not in (None, 1, 3) and size[1] in (1, 3):
        return (
            f"its input is {told(shape)}, channels last; export it with channels first (tf2onnx: "
            "--inputs-as-nchw)"
        )
    if images not in (None, 1):
        return (
            f"it takes {images} images at a time and no other number; export it with a free first "
            "axis (torch.onnx.export: dynamic_shapes or dynamic_axes), or with 1"
        )
    if channels not in (None, 1, 3):
        return f"it takes images of {channels} channels, expected 1 (grey) or 3 (RGB)"
    if channels not in (None, wanted[0]):
        return (
            f"it takes {count(channels, 'channel')}, and mean and std name {wanted[0]}; give "
            f"--mean and --std {count(channels, 'number')} each"
        )
    if any(side not in (None, given) for side, given in zip(size, wanted[1:], strict=True)):
        height, width = (side or given for side, given in zip(size, wanted[1:], strict=True))
        return (
            f"it takes {width} x {height} pixels, and its preprocessing makes {wanted[2]} x "
            f"{wanted[1]} (width x height); give --size {height}x{width}"
        )
    return None


def told(shape: Shape) -> str:
    """A shape as people write it: ? where any will do."""
    return " x ".join("?" if side is None else str(side) for side in shape)
