"""The settings of a detector: names, defaults, ranges and sentences, each written once.

Python's `Detector`, the command line, the report's command that fits again and the documentation
take them from here. A wrong one is refused before any work is done. Neither numpy nor a network's
runtime is loaded for that: --help needs the sentences, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneclass.errors import InputError
from oneclass.system.host.workers import worker_count
from oneclass.system.names import ALIKE, did_you_mean
from oneclass.system.places import is_address

if TYPE_CHECKING:
    from oneclass.backbones import Backbone

AUTO, DEFAULT_BACKBONE, GREYSCALE = "auto", "efficientnet-lite0", "greyscale"
RUNTIMES, PRECISIONS = ("onnxruntime", "openvino"), ("fp32", "bf16")
IMAGE, PATCHES, BOTH = "image", "patches", "both"
ROWS = (IMAGE, PATCHES, BOTH)
ROW_DTYPES = ("float32", "float16")
LEAST_TILE = 64
"""Pixels on the side of a tile."""
Check = Callable[[str, Any], Any]


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        name: in Python.
        default: what holds where nothing is given.
        check: (name, value) to the value that is kept; raises InputError.
        help: what it does, a sentence or two.
        unset: what None stands for, in words.
        option: on the command line.
    """

    name: str
    default: Any
    check: Check
    help: str
    unset: str = ""
    option: str = ""

    @property
    def flag(self) -> str:
        """On the command line: `--false-alarms`."""
        return f"--{(self.option or self.name).replace('_', '-')}"


def whole_number(name: str, value: Any, least: int) -> int:
    """A whole number of at least `least`, Python's or numpy's.

    Raises:
        InputError: it is none; the message names it.
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < least:
        raise InputError(f"{name} is {value!r}: expected a whole number of at least {least}.")
    return int(value)


def share(name: str, value: Any, *, one_too: bool) -> float:
    """A number above 0 and below 1, or also 1 itself.

    Raises:
        InputError: it is none; the message names it.
    """
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not 0 < value <= 1 or (value == 1 and not one_too):
        most = "at most 1" if one_too else "below 1"
        raise InputError(
            f"{name} is {value!r}: expected a number above 0 and {most}, such as 0.01."
        )
    return float(value)


def at_least(least: int) -> Check:
    """Whole numbers from `least` on."""
    return lambda name, value: whole_number(name, value, least)


def one_of(words: Sequence[str]) -> Check:
    """One of some words."""

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            near = did_you_mean(str(value), words)
            raise InputError(f"{name} is {value!r}: expected one of {', '.join(words)}.{near}")
        return value

    return check


def optional(check: Check) -> Check:
    """None, which leaves it to the fit, or what `check` takes."""
    return lambda name, value: None if value is None else check(name, value)


def image_size(name: str, value: Any) -> tuple[int, int]:
    """(height, width), both at least 1 pixel; a single number is both.

    Raises:
        InputError: it is none.
    """
    sides = (value, value) if isinstance(value, Integral) else value
    if not isinstance(sides, Sequence) or isinstance(sides, str) or len(sides) != 2:
        raise InputError(f"{name} is {value!r}: expected (height, width), such as (64, 64).")
    height, width = (whole_number(name, side, 1) for side in sides)
    return value if isinstance(value, tuple) and value == (height, width) else (height, width)


def tile_side(name: str, value: Any) -> int:
    """Pixels on the side of a tile: a multiple of 32, at least 64.

    Raises:
        InputError: it is none.
    """
    side = whole_number(name, value, LEAST_TILE)
    if side % 32:
        raise InputError(f"{name} is {value!r}: expected a multiple of 32, such as 320 or 640.")
    return side


def text(name: str, value: Any) -> str:
    """A text that is not empty.

    Raises:
        InputError: it is none.
    """
    if not isinstance(value, str) or not value:
        raise InputError(f"{name} is {value!r}: expected a text, such as 'block_8@4'.")
    return value


def folder(name: str, value: Any) -> Path:
    """A folder's path; it need not be there yet.

    Raises:
        InputError: it is none.
    """
    if not isinstance(value, (str, Path)) or not str(value):
        raise InputError(f"{name} is {value!r}: expected the path of a folder.")
    if is_address(value):
        raise InputError(
            f"{name} is {str(value)!r}: expected a folder of this machine, or a network folder; "
            "what is in it is written bit by bit, and no address takes that."
        )
    return value if isinstance(value, Path) else Path(value)


def cluster(name: str, value: Any) -> Any:
    """A scheduler's address or file, or local:N; or a client of Dask.

    Raises:
        InputError: it is none of these.
    """
    if isinstance(value, (str, Path)) and str(value):
        return str(value)
    if hasattr(value, "submit") and hasattr(value, "nthreads"):
        return value
    raise InputError(
        f"{name} is {value!r}: expected a scheduler's address such as 'tcp://host:8786', its file, "
        "'local:4', or a client of Dask."
    )


def backbone(name: str, value: Any) -> str | Path | Backbone:
    """A network's name, the path of its file, or an open one.

    Raises:
        InputError: it is none of these.
    """
    if not (isinstance(value, (str, Path)) and str(value)) and not hasattr(value, "spec"):
        raise InputError(
            f"{name} is {value!r}: expected {DEFAULT_BACKBONE!r}, {GREYSCALE!r}, or the path of an "
            "ONNX file."
        )
    found: str | Path | Backbone = value
    return found


SETTINGS = (
    Setting(
        "backbone",
        DEFAULT_BACKBONE,
        backbone,
        "The frozen network: an embedded one, an ONNX file, or 'greyscale' for raw pixels.",
    ),
    Setting(
        "rows",
        None,
        optional(one_of(ROWS)),
        "What is judged: the whole image, its patches (for defects that are small), or both.",
        "both, from images with 256 pixels on their shorter side; whole images where they are "
        "smaller, or where layer, grid or size is given",
    ),
    Setting(
        "layer",
        None,
        optional(text),
        "Layers of the backbone, joined by +; block_8@4 averages a map to 4 x 4 positions; "
        "'oneclass info' lists them.",
        "block_2@7+block_14@2; of patches block_4+block_10, of whole images beside them "
        "block_2@7+block_10@2; of other networks like places",
    ),
    Setting(
        "grid",
        None,
        optional(at_least(1)),
        "Average map layers to GRID x GRID positions, where the layer names no grid (the default "
        "ones of whole images do).",
        "whole maps",
    ),
    Setting(
        "size",
        None,
        optional(image_size),
        "Resize images to this height x width in pixels; one number is both.",
        "the network's own; of patches the images' own, as far as that is from 224 to 640 on the "
        "shorter side",
    ),
    Setting(
        "tiles",
        None,
        optional(tile_side),
        "Look at patches in overlapping tiles with so many pixels on a side, a multiple of 32 from "
        "64 on, for small defects in pictures larger than a tile; the map is of the whole picture.",
        "none; with tiles, pictures keep the size that most of them have, to a multiple of 32, "
        "unless size is given",
    ),
    Setting(
        "nu",
        0.1,
        lambda name, value: share(name, value, one_too=True),
        "Bounds the share of normal images outside their half-space; above 0, at most 1.",
    ),
    Setting(
        "n_halfspaces",
        None,
        optional(at_least(1)),
        "Number of half-spaces.",
        "one per 3 images, at most 150; of patches 510",
        option="halfspaces",
    ),
    Setting(
        "false_alarms",
        None,
        optional(lambda name, value: share(name, value, one_too=False)),
        "Share of normal images that may be called anomalies.",
        "0.05, or the lowest that so many images support",
    ),
    Setting("seed", 0, at_least(0), "Number that all chance is drawn from."),
    Setting(
        "threads",
        None,
        optional(at_least(1)),
        "Threads that read images and run the network.",
        "all cores",
    ),
    Setting(
        "runtime",
        AUTO,
        one_of((AUTO, *RUNTIMES)),
        "What computes the network; auto is ONNX Runtime, or the one that the model is of.",
    ),
    Setting(
        "precision",
        AUTO,
        one_of((AUTO, *PRECISIONS)),
        "Kind of numbers that the network computes in; bf16 needs OpenVINO. Models are scored as "
        "fitted.",
    ),
    Setting(
        "row_dtype",
        None,
        optional(one_of(ROW_DTYPES)),
        "Kind of numbers in rows; float16 takes half the room in the cache and beside the model.",
        "float32; of patches float16",
    ),
    Setting(
        "cache",
        None,
        optional(folder),
        "Folder that keeps the rows of images, so that none passes the network twice.",
        "none",
    ),
    Setting(
        "cluster",
        None,
        optional(cluster),
        "Dask workers that read images and run the network: their scheduler's address "
        "(tcp://host:8786), its file, or local:4 for 4 of this machine.",
        "threads of this process",
    ),
)
VIEWS = {"patches": PATCHES, "whole_and_patches": BOTH}
"""What is judged, by the kind of a model's representation; whole images by all others."""
BY_NAME: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}
ELSEWHERE = {
    **dict.fromkeys(("threshold", "contamination"), "false_alarms"),
    **dict.fromkeys(("n_jobs", "num_workers"), "threads"),
}
"""What scikit-learn and others call what is a setting here."""
OF_THIS_MACHINE = ("threads", "cache", "cluster")
"""What changes no result, and is no part of a model."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of a detector, checked.

    Raises:
        InputError: a value out of its range, or settings that do not go together.
        MissingDependencyError: OpenVINO is needed and not installed.
    """

    backbone: str | Path | Backbone
    rows: str | None
    layer: str | None
    grid: int | None
    size: tuple[int, int] | None
    tiles: int | None
    nu: float
    n_halfspaces: int | None
    false_alarms: float | None
    seed: int
    threads: int | None
    runtime: str
    precision: str
    row_dtype: str | None
    cache: Path | None
    cluster: Any = None

    def __post_init__(self) -> None:
        for setting in SETTINGS:
            value = setting.check(setting.name, getattr(self, setting.name))
            object.__setattr__(self, setting.name, value)
        if self.backbone == GREYSCALE:
            self._check_greyscale()
        if self.tiles is not None and self.rows == IMAGE:
            raise InputError(
                "tiles are for patches, and rows is 'image': leave one of them out, or use rows "
                "'patches' or 'both'."
            )
        if (self.runtime, self.precision) != (AUTO, AUTO):
            from oneclass.backbones import choose_runtime

            choose_runtime(self.runtime, self.precision)  # refuses what cannot be had here

    def _check_greyscale(self) -> None:
        if (self.runtime, self.precision) != (AUTO, AUTO):
            raise InputError(
                "runtime and precision are for networks: greyscale has none. Leave them out."
            )
        if self.rows in (PATCHES, BOTH):
            raise InputError(
                "patches are positions of a network's layers: greyscale has none. Leave out one of "
                "the two."
            )
        if self.tiles is not None:
            raise InputError(
                "tiles are for patches of a network's layers: greyscale has none. Leave out one of "
                "the two."
            )
        if self.layer is not None or self.grid is not None:
            raise InputError(
                "layer and grid are for networks: greyscale has neither. Leave them out."
            )

    @property
    def workers(self) -> int:
        """Threads to use."""
        return worker_count(self.threads)


def unknown(name: str) -> str:
    """A sentence on a name that is no setting's."""
    known = ", ".join(BY_NAME)
    meant = ELSEWHERE.get(name)
    hint = f" Did you mean {meant}?" if meant else did_you_mean(name, BY_NAME, ALIKE)
    return f"{name} is no setting: expected one of {known}.{hint}"


def there(name: str | Path | Backbone) -> None:
    """Refuse a backbone that is not on this machine; it is not opened.

    Raises:
        InputError: no such name or file.
    """
    if isinstance(name, (str, Path)) and name not in (DEFAULT_BACKBONE, GREYSCALE):
        from oneclass.backbones import Backbone

        Backbone.file_of(name)


def arguments() -> str:
    """The settings as the `Args` of a docstring."""
    return "\n".join(
        f"    {s.name}: {s.help}" + (f" None: {s.unset}." if s.unset else "") for s in SETTINGS
    )


def of_card(card: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that fit the same model to the same images.

    Args:
        card: of a model. An embedded network is told by its name, another one's file is not known
            here: its name stands for it.
    """
    from oneclass.rows.layers import Layers

    record, fit, asked = card["representation"], card["fit"], card["asked"]
    found = {
        "size": tuple(record["preprocessing"]["size"]),
        "nu": fit["nu"],
        "n_halfspaces": asked["n_halfspaces"],
        "false_alarms": asked["false_alarms"],
        "seed": fit["seed"],
        "row_dtype": record.get("row_dtype", ROW_DTYPES[0]),
    }
    if record["kind"] == GREYSCALE:
        return {"backbone": GREYSCALE, **found}
    return {
        "backbone": record["backbone"]["name"],
        "rows": VIEWS.get(record["kind"], IMAGE),
        "layer": str(Layers.from_json(record["layers"])),
        "tiles": max(record["tiles"]) if "tiles" in record else None,
        "runtime": record.get("runtime", {}).get("name", AUTO),
        "precision": record.get("runtime", {}).get("precision", AUTO),
        **found,
    }


def as_options(values: Mapping[str, Any]) -> list[str]:
    """Settings as words of the command line; those that have their default are left out."""
    words = []
    for setting in SETTINGS:
        value = values.get(setting.name, setting.default)
        if value != setting.default:
            shown = "x".join(map(str, value)) if isinstance(value, tuple) else f"{value}"
            words += [setting.flag, shown]
    return words
