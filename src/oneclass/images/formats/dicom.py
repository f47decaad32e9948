"""DICOM: the picture and what its numbers mean, read by pydicom; nothing about the patient.

pydicom is asked for the elements in `WANTED` alone, and its own messages, which may quote others,
go nowhere. The modality's rule (rescale slope and intercept, or its table) is obeyed; the window
for looking at it (VOI) is not, since it clips, and differs from picture to picture.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from importlib import import_module
from typing import Any, BinaryIO

import numpy as np

from oneclass.images.formats.arithmetic import full_range
from oneclass.images.formats.codestream import coded_size
from oneclass.images.formats.source import (
    MAX_BYTES,
    Depth,
    Header,
    Pixels,
    Source,
    damaged,
    exactly,
    no_memory,
    too_large,
    truncated,
    unsupported,
)
from oneclass.system.host.machine import pip_install
from oneclass.system.names import plain

MOST_IN_FRONT = 1_000
MAGIC, MAGIC_AT = b"DICM", 128
SHAPE = ("Rows", "Columns", "NumberOfFrames", "SamplesPerPixel", "PlanarConfiguration")
SAMPLES = ("PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit")
MEANING = ("PixelRepresentation", "RescaleSlope", "RescaleIntercept", "ModalityLUTSequence")
PALETTE = tuple(
    f"{colour}PaletteColorLookupTable{part}"
    for colour in ("Red", "Green", "Blue")
    for part in ("Descriptor", "Data")
)
WANTED = [*SHAPE, *SAMPLES, *MEANING, *PALETTE]
PICTURE = ["PixelData", "ExtendedOffsetTable", "ExtendedOffsetTableLengths"]
GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")
EXACT = 2**24
"""float32 holds every integer up to it."""
LOSSY_12 = ("1.2.840.10008.1.2.4.51",)
BIG_ENDIAN = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"


@dataclass(frozen=True)
class _Rule:
    """What becomes of the stored numbers."""

    bits: int
    signed: bool
    slope: float
    intercept: float
    turned: bool
    """Whether the least number is the brightest."""

    @property
    def bounds(self) -> tuple[int, int]:
        top = 1 << self.bits
        return (-top // 2, top // 2 - 1) if self.signed else (0, top - 1)

    @property
    def is_plain(self) -> bool:
        return not self.signed and (self.slope, self.intercept) == (1, 0) and self.bits <= 16


def begins(file: BinaryIO) -> bool:
    """Whether a file has DICOM's mark, behind 128 bytes that may be anything."""
    file.seek(MAGIC_AT)
    return file.read(len(MAGIC)) == MAGIC


def inspect(file: BinaryIO) -> Source:
    """Read what a DICOM file says of its picture; raises ``RefusedError``."""
    syntax = _transfer_syntax(file)
    _check_syntax(syntax)
    found = _elements(file, WANTED, pixels=False)
    photometric = str(_one(found, "PhotometricInterpretation", ""))
    known = (*GREY, *COLOUR, "PALETTE COLOR")
    if not _one(found, "Rows", 0) or not _one(found, "Columns", 0) or not photometric:
        raise unsupported("DICOM without a picture (a report, a plan, a waveform)", "leave it out")
    if photometric not in known:
        raise unsupported(f"DICOM in the colours {photometric!r}")
    rule = _rule(found, photometric)
    channels = 1 if photometric in GREY else 3
    if _one(found, "SamplesPerPixel", 1) != (
        3 if channels == 3 and photometric != known[-1] else 1
    ):
        raise damaged(f"{photometric} does not go with its number of samples a pixel")
    header = Header(
        int(_one(found, "Columns", 0)),
        int(_one(found, "Rows", 0)),
        _depth(found, photometric, rule),
        channels,
        max(1, int(_one(found, "NumberOfFrames", 1) or 1)),
        "DICOM",
    )
    return Source(header, lambda: _decode(file, header, rule, syntax, photometric))


def _package() -> Any:
    try:
        return import_module("pydicom")
    except ImportError:
        raise unsupported("DICOM", f"install what reads it: {pip_install('dicom')}") from None


def _elements(file: BinaryIO, names: list[str], *, pixels: bool) -> Any:
    """The elements with these names; no other is kept."""
    package = _package()
    file.seek(0)
    try:
        return package.dcmread(file, stop_before_pixels=not pixels, specific_tags=names)
    except MemoryError:
        raise no_memory("read") from None
    except (EOFError, OSError):
        raise truncated("list of elements") from None
    except Exception:  # what it says may quote an element
        raise damaged("its list of elements makes no sense") from None


def _one(found: Any, name: str, default: Any) -> Any:
    """An element's value; its text never reaches a message of ours."""
    try:
        value = getattr(found, name, None)
        if value is None or value == "":
            return default
        return type(default)(value) if default is not None else value
    except Exception:
        raise damaged(f"its {name} makes no sense") from None


def _transfer_syntax(file: BinaryIO) -> str:
    """How the rest is stored, from the group of elements in front that is always stored plainly."""
    at = MAGIC_AT + len(MAGIC)
    for _ in range(MOST_IN_FRONT):
        file.seek(at)
        head = exactly(file, 12, "list of elements")
        group, element = struct.unpack("<HH", head[:4])
        if group != 2:
            break
        wide = head[4:6] in (b"OB", b"OW", b"SQ", b"UN", b"UT")
        length = int.from_bytes(head[8:12] if wide else head[6:8], "little")
        at += 12 if wide else 8
        if element == 0x10:
            file.seek(at)
            told = exactly(file, min(length, 64), "list of elements")
            return told.rstrip(b"\0 ").decode("ascii", "replace")
        at += length
    raise damaged("it does not say how its picture is stored (no transfer syntax)")


def _check_syntax(uid: str) -> None:
    """Refuse, by its name, a transfer syntax of which no decoder is installed."""
    _package()
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    syntax = UID(uid)
    name = syntax.name if syntax.name != uid else "unknown"
    told = f"DICOM with the transfer syntax {name} ({plain(uid)})"
    if uid == DEFLATED:  # nothing bounds what it inflates to
        raise unsupported(told, "store it uncompressed, as with dcmconv +te")
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        raise unsupported(told, "store it uncompressed or in JPEG 2000") from None
    if not decoder.is_available:
        raise unsupported(told, f"install what decodes it: {pip_install('dicom')}")


def _rule(found: Any, photometric: str) -> _Rule:
    allocated = _one(found, "BitsAllocated", 0)
    bits = _one(found, "BitsStored", allocated)
    if allocated not in (1, 8, 16, 32) or not 1 <= bits <= allocated:
        raise unsupported(f"DICOM with {bits} of {allocated} bits a sample")
    if _one(found, "HighBit", bits - 1) != bits - 1:
        raise unsupported(f"DICOM whose {bits} bits are not the lowest")
    slope, intercept = _one(found, "RescaleSlope", 1.0), _one(found, "RescaleIntercept", 0.0)
    if not np.isfinite([slope, intercept]).all() or slope == 0:
        raise damaged("its rescale slope and intercept make no numbers")
    signed = bool(_one(found, "PixelRepresentation", 0))
    return _Rule(bits, signed, slope, intercept, photometric == "MONOCHROME1")


def _depth(found: Any, photometric: str, rule: _Rule) -> Depth:
    if photometric == "PALETTE COLOR":
        descriptor = _one(found, "RedPaletteColorLookupTableDescriptor", None)
        if descriptor is None or len(descriptor) != 3:
            raise damaged("it has no palette")
        return "uint8" if descriptor[2] <= 8 else "uint16"
    if table := _one(found, "ModalityLUTSequence", None):
        descriptor = _one(table[0], "LUTDescriptor", None)
        if descriptor is None or len(descriptor) != 3 or not 1 <= descriptor[2] <= 16:
            raise damaged("its modality table does not say how wide it is")
        return "uint8" if descriptor[2] <= 8 else "uint16"
    if photometric not in GREY:
        if not rule.is_plain:
            raise unsupported(f"DICOM with colours of {rule.bits} bits or with signs")
        return "uint8" if rule.bits <= 8 else "uint16"
    if not rule.is_plain:
        return "float32"
    return "uint8" if rule.bits <= 8 else "uint16"


def _decode(file: BinaryIO, header: Header, rule: _Rule, syntax: str, photometric: str) -> Pixels:
    if file.seek(0, 2) > MAX_BYTES:
        raise too_large(f"the file has more than {MAX_BYTES} bytes")
    found = _elements(file, [*WANTED, *PICTURE], pixels=True)
    if "PixelData" not in found:
        raise unsupported("DICOM without a picture, or with one of floating-point numbers")
    _check_coded(found, header)
    stored = _stored(found, syntax)
    if stored.shape[:2] != (header.height, header.width) or stored.ndim > 3:
        raise damaged("its picture has another size than it says")
    if photometric == "PALETTE COLOR" or found.get("ModalityLUTSequence"):
        return _through_table(found, stored, header, rule, syntax == BIG_ENDIAN)
    low, high = rule.bounds
    if stored.min() < low or stored.max() > high:
        raise damaged(f"its picture holds numbers of more than {rule.bits} bits")
    if header.depth != "float32":
        plain = high - stored if rule.turned else stored
        return full_range(plain.astype(np.uint16 if rule.bits > 8 else np.uint8), high)
    return _rescaled(stored, rule)


def _check_coded(found: Any, header: Header) -> None:
    """Refuse a coded picture of another size before a decoder takes the memory for it."""
    if not found["PixelData"].is_undefined_length:
        return
    from pydicom.encaps import get_frame

    try:
        size = coded_size(get_frame(found.PixelData, 0, number_of_frames=header.frames))
    except Exception:
        raise damaged("its picture data is no list of frames") from None
    if size not in (None, (header.width, header.height)):
        raise damaged("its picture has another size than it says")


def _stored(found: Any, syntax: str) -> Pixels:
    """The numbers as they are stored, colours as RGB."""
    from pydicom.pixels import get_decoder
    from pydicom.uid import UID

    try:
        return np.asarray(get_decoder(UID(syntax)).as_array(found, index=0)[0])
    except MemoryError:
        raise no_memory("decode") from None
    except Exception as problem:
        if "less than expected" in str(problem) or isinstance(problem, EOFError):
            raise truncated("picture data") from None
        if syntax in LOSSY_12:  # its one free decoder is under the GPL, so no extra brings it
            raise unsupported(
                "this DICOM in lossy JPEG of 12 bits",
                "try again with pip install pylibjpeg-libjpeg",
            ) from None
        raise damaged("its picture data cannot be decoded") from None


def _rescaled(stored: Pixels, rule: _Rule) -> Pixels:
    """Slope and intercept; where the least is the brightest, mirrored in the range of its bits."""
    ends = [rule.slope * end + rule.intercept for end in rule.bounds]
    values = stored.astype(np.float64) * rule.slope + rule.intercept
    if rule.turned:
        values = ends[0] + ends[1] - values
    whole = rule.slope == int(rule.slope) and rule.intercept == int(rule.intercept)
    if rule.bits > 16 and whole and np.abs(values).max() > EXACT:
        raise unsupported("DICOM with integers beyond 16,777,216, which float32 does not hold,")
    return values.astype(np.float32)


def _through_table(found: Any, stored: Pixels, header: Header, rule: _Rule, big: bool) -> Pixels:
    """The palette, or the modality's table."""
    from pydicom.pixels import apply_color_lut

    try:
        if header.channels == 3:
            values = np.asarray(apply_color_lut(stored, found))
            bits = int(found.RedPaletteColorLookupTableDescriptor[2])
        else:
            values, bits = _modality_table(found.ModalityLUTSequence[0], stored, rule, big)
    except Exception:
        raise damaged("its table of values makes no sense") from None
    top = (1 << bits) - 1
    if values.max() > top:
        raise damaged("its table holds numbers of more bits than it says")
    shown = top - values if rule.turned else values
    return full_range(shown.astype(np.uint16 if bits > 8 else np.uint8), top)


def _modality_table(item: Any, stored: Pixels, rule: _Rule, big: bool) -> tuple[Pixels, int]:
    """PS3.3 C.11.1.1: numbers before the first entry get the first, behind the last the last."""
    n_entries, first, bits = (int(number) for number in item.LUTDescriptor)
    n_entries = n_entries or 1 << 16
    if rule.signed and first >= 1 << 15:
        first -= 1 << 16
    data = item.LUTData
    if isinstance(data, bytes):
        wide = len(data) >= 2 * n_entries
        table = np.frombuffer(data, (">u2" if big else "<u2") if wide else "u1", n_entries)
    else:
        table = np.asarray(data)[:n_entries]
    return table[(stored.astype(np.int64) - first).clip(0, len(table) - 1)], bits
