"""From images to rows: grey-scale intensities, layers of a frozen network, patches of its maps."""

from oneclass.representations.base import JPEG_MARGIN, ROW_DTYPES, MapShape, Representation
from oneclass.representations.both import BOTH, WholeAndPatches
from oneclass.representations.deviations import MeansAndDeviations
from oneclass.representations.greyscale import GREYSCALE, Greyscale
from oneclass.representations.layers import PretrainedLayers, SeparateLayers
from oneclass.representations.patches import PATCHES, PatchLayers
from oneclass.representations.records import from_record
from oneclass.representations.tiled import TiledPatches

__all__ = [
    "BOTH",
    "GREYSCALE",
    "JPEG_MARGIN",
    "PATCHES",
    "ROW_DTYPES",
    "Greyscale",
    "MapShape",
    "MeansAndDeviations",
    "PatchLayers",
    "PretrainedLayers",
    "Representation",
    "SeparateLayers",
    "TiledPatches",
    "WholeAndPatches",
    "from_record",
]
