"""Figures that others printed for the categories of MVTec AD and VisA.

Each is copied from the place that its source names; nothing was computed here but means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

MVTEC, VISA = "MVTec AD", "VisA"
_MVTEC = (
    "carpet", "grid", "leather", "tile", "wood", "bottle", "cable", "capsule", "hazelnut",
    "metal_nut", "pill", "screw", "toothbrush", "transistor", "zipper",
)  # fmt: skip
_VISA = (
    "candle", "capsules", "cashew", "chewinggum", "fryum", "macaroni1", "macaroni2", "pcb1",
    "pcb2", "pcb3", "pcb4", "pipe_fryum",
)  # fmt: skip


def _by_name(names: Sequence[str], line: str, scale: float = 1.0) -> dict[str, float]:
    values = [float(word) * scale for word in line.split()]
    return dict(zip(names, values, strict=True)) if values else {}


@dataclass(frozen=True)
class Published:
    """One way, as it was measured by one place.

    Attributes:
        way: its name, and the network.
        data: the collection of the categories.
        source: where the figures are printed.
        auroc, pixel_auroc, au_pro: by category, where they are printed; au_pro to 30 %.
    """

    way: str
    data: str
    source: str
    auroc: dict[str, float]
    pixel_auroc: dict[str, float] = field(default_factory=dict)
    au_pro: dict[str, float] = field(default_factory=dict)


_PATCHCORE = (
    "Roth et al. 2022, the authors' repository amazon-science/patchcore-inspection, "
    "models/IM224_WR50_L2-3_P01_D1024-1024_PS-3_AN-1/results.csv (instance_auroc, "
    "full_pixel_auroc, anomaly_pro)"
)
_ANOMALIB = "as run by anomalib: openvinotoolkit/anomalib, src/anomalib/models/image/{}/README.md"
_MSFLOW = "Zhou et al. 2024, the authors' repository cool-xuan/msflow, README.md"

PUBLISHED = (
    Published(
        "PatchCore, WideResNet50, 10 %", MVTEC, _PATCHCORE,
        _by_name(_MVTEC, ".9860 .9791 1 .9949 .9912 1 .9968 .9793 1 .9990 .9667 .9877 1 .9987 "
                         ".9950"),
        _by_name(_MVTEC, ".9905 .9880 .9929 .9571 .9508 .9848 .9841 .9895 .9868 .9834 .9780 .9952 "
                         ".9857 .9610 .9887"),
        _by_name(_MVTEC, ".9695 .9695 .9918 .8985 .9021 .9714 .9377 .9708 .9289 .9282 .9436 .9850 "
                         ".9477 .8324 .9777"),
    ),
    Published(
        "PatchCore, ResNet18", MVTEC, _ANOMALIB.format("patchcore"),
        _by_name(_MVTEC, ".970 .947 1 .997 .997 1 .986 .965 1 .991 .916 .943 .931 .996 .953"),
        _by_name(_MVTEC, ".986 .955 .990 .943 .933 .981 .984 .986 .986 .986 .974 .991 .988 .974 "
                         ".983"),
    ),
    Published(
        "PaDiM, WideResNet50", MVTEC, _ANOMALIB.format("padim"),
        _by_name(_MVTEC, ".995 .942 1 .974 .993 .999 .878 .927 .964 .989 .939 .845 .942 .976 .882"),
        _by_name(_MVTEC, ".991 .970 .993 .955 .957 .985 .970 .988 .985 .982 .966 .988 .991 .976 "
                         ".986"),
    ),
    Published(
        "EfficientAD-S", MVTEC, _ANOMALIB.format("efficient_ad"),
        _by_name(_MVTEC, ".982 1 .997 1 .986 1 .952 .950 .952 .979 .987 .960 .997 .999 .994"),
    ),
    Published(
        "EfficientAD-M", MVTEC, _ANOMALIB.format("efficient_ad"),
        _by_name(_MVTEC, ".972 .998 1 .999 .984 .991 .945 .957 .948 .989 .926 .975 1 .965 .971"),
    ),
    Published(
        "FastFlow, WideResNet50", MVTEC, _ANOMALIB.format("fastflow"),
        _by_name(_MVTEC, ".994 1 .999 1 .992 1 .962 .963 .994 .995 .942 .839 .836 .979 .951"),
        _by_name(_MVTEC, ".991 .992 .996 .966 .941 .986 .972 .990 .980 .988 .976 .966 .980 .971 "
                         ".985"),
    ),
    Published(
        "MSFlow", MVTEC, _MSFLOW,
        _by_name(_MVTEC, "100 99.8 100 100 100 100 99.5 99.2 100 100 99.6 97.8 100 100 100", .01),
        _by_name(_MVTEC, "99.4 99.4 99.7 98.2 97.1 99.0 98.5 99.1 98.7 99.3 98.8 99.1 98.5 98.3 "
                         "99.2", .01),
    ),
)  # fmt: skip


PRINTED_MEANS = (
    ("EfficientAD-S", MVTEC, 0.988), ("EfficientAD-M", MVTEC, 0.991),
    ("EfficientAD-S", VISA, 0.975), ("EfficientAD-M", VISA, 0.981),
)  # fmt: skip
"""Image AUROC over all categories: way, collection, figure."""
MEANS_SOURCE = (
    'Batzner, Heckler and Koenig 2024, "EfficientAD", as the repository nelson1425/EfficientAD '
    'quotes it, README.md, column "Official Paper"'
)
COLLECTIONS = {MVTEC: _MVTEC, VISA: _VISA}


def known_as(category: str) -> str:
    """A category's name as it is written here: `Metal Nut` is `metal_nut`."""
    return category.strip().lower().replace(" ", "_").replace("-", "_")


def published_for(category: str) -> list[Published]:
    """What was printed for a category of that name."""
    return [one for one in PUBLISHED if known_as(category) in one.auroc]
