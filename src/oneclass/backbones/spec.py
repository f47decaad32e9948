"""What travels with a backbone's weights: its name, preprocessing, origin and licence."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """From an image with intensities in [0, 1] to the network's input.

    Attributes:
        size: (height, width) in pixels of the network's input.
        interpolation: one of `INTERPOLATIONS`; with antialiasing when it shrinks.
        mean: per channel (R, G, B; or one value for a grey input), in units of [0, 1]; subtracted.
        std: per channel, in units of [0, 1]; divided by.
        jpeg_margin: a JPEG is decoded at 1/2, 1/4 or 1/8 of its size where that leaves at least
            this many times `size`; None to decode all of it. docs/speed.md has the table.
        evened: whether half of an image's own exposure is taken off (`exposure_gain`).
    """

    size: tuple[int, int]
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    jpeg_margin: int | None = None
    evened: bool = False

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Preprocessing:
        """Read and check one record.

        Raises:
            ValueError: a field is missing or makes no sense; the message names it.
        """
        try:
            height, width = (int(n) for n in data["size"])
            mean = tuple(float(n) for n in data["mean"])
            std = tuple(float(n) for n in data["std"])
            interpolation = str(data["interpolation"])
            margin = None if data.get("jpeg_margin") is None else int(data["jpeg_margin"])
        except KeyError as error:
            raise ValueError(f"the preprocessing lacks {error}") from error
        except (TypeError, ValueError) as error:
            raise ValueError(f"the preprocessing is malformed: {error}") from error
        if height < 1 or width < 1:
            raise ValueError(f"size is {height}x{width}; both must be at least 1")
        if margin is not None and margin < 1:
            raise ValueError(f"jpeg_margin is {margin}; it must be at least 1")
        if interpolation not in INTERPOLATIONS:
            raise ValueError(f"interpolation {interpolation!r}: expected one of {INTERPOLATIONS}")
        n_channels = max(len(mean), len(std))
        mean, std = (one * n_channels if len(one) == 1 else one for one in (mean, std))
        if len(mean) not in (1, 3) or len(std) != len(mean):
            raise ValueError(
                f"mean and std need 3 values each (1 each for grey input), "
                f"got {len(mean)} and {len(std)}"
            )
        if not all(map(math.isfinite, mean)) or not all(math.isfinite(s) and s > 0 for s in std):
            raise ValueError(f"mean {mean} and std {std} must be finite, and std above zero")
        evened = data.get("evened", False)
        if not isinstance(evened, bool):
            raise ValueError(f"evened is {evened!r}; it must be true or false")
        return cls((height, width), interpolation, mean, std, margin, evened)

    def of_channels(self, n_channels: int | None) -> Preprocessing:
        """The same for a network of so many channels, where one mean and one std are for all."""
        if n_channels != 3 or len(self.mean) != 1:
            return self
        return replace(self, mean=self.mean * 3, std=self.std * 3)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width) of one prepared image."""
        return len(self.mean), *self.size

    @property
    def at_least(self) -> tuple[int, int] | None:
        """(height, width) that suffice of a JPEG; None for all of it."""
        if self.jpeg_margin is None:
            return None
        return self.jpeg_margin * self.size[0], self.jpeg_margin * self.size[1]

    def to_json(self) -> dict[str, Any]:
        record = asdict(self)
        if self.jpeg_margin is None:
            del record["jpeg_margin"]
        if not self.evened:
            del record["evened"]
        return record


@dataclass(frozen=True, slots=True)
class BackboneSpec:
    """One frozen network's identity.

    Attributes:
        name: short, as users type it.
        sha256: hex digest of the ONNX file.
        preprocessing: what the network expects of its input.
        licence: of the weights, as an SPDX expression where one exists; may be empty.
        source: where the weights come from; may be empty.
    """

    name: str
    sha256: str
    preprocessing: Preprocessing
    licence: str = ""
    source: str = ""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "preprocessing": self.preprocessing.to_json()}
