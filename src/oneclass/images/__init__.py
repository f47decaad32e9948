"""Image files: one file -> one array, its bit depth kept, or one typed reason why not.

from oneclass import images

images.read(path)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclass.system.lazy import load_on_use

if TYPE_CHECKING:
    from oneclass.images.folders import SUFFIXES
    from oneclass.images.formats.source import MAX_BYTES, Depth, Header, Pixels
    from oneclass.images.reading import DEFAULT_MAX_PIXELS, REASONS, probe, read

# Loaded on first use: a command's --help needs the folders' rules, but no numpy.
_HOMES = {
    "DEFAULT_MAX_PIXELS": "reading",
    "Depth": "formats.source",
    "Header": "formats.source",
    "MAX_BYTES": "formats.source",
    "Pixels": "formats.source",
    "REASONS": "reading",
    "SUFFIXES": "folders",
    "probe": "reading",
    "read": "reading",
}

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "MAX_BYTES",
    "REASONS",
    "SUFFIXES",
    "Depth",
    "Header",
    "Pixels",
    "probe",
    "read",
]


__getattr__, __dir__ = load_on_use(__name__, _HOMES, __all__)
