"""Image files made without the reader: good ones bit by bit, and hostile ones.

``write_good`` and ``write_damaged`` fill folders for any test; the makers below them (``png``,
``tiff``) are oracles: they know nothing of ``oneclass`` and little of Pillow.
"""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

HOPELESS = frozenset({"truncated", "damaged", "not_an_image", "empty"})


def write_good(folder: Path, n: int, seed: int = 0) -> list[Path]:
    """``n`` different grey 8-bit PNGs of 32 x 32 smooth noise, ``good-000.png`` and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    paths = [folder / f"good-{i:03}.png" for i in range(n)]
    for path in paths:
        coarse = Image.fromarray(rng.integers(0, 256, (8, 8), dtype=np.uint8))
        coarse.resize((32, 32), Image.Resampling.BICUBIC).save(path)
    return paths


def write_damaged(folder: Path, n: int, seed: int = 0) -> dict[Path, frozenset[str]]:
    """``n`` files that must be refused, each with the reasons that are right for it.

    The first are one each of the hostile kinds; then come random cuts and flipped bits. All have
    suffixes of images, so that a walk through the folder finds them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    expected: dict[Path, frozenset[str]] = {}
    kinds = hostile()
    for i in range(n):
        name, data, reasons = kinds[i] if i < len(kinds) else _mangled(rng)
        path = folder / f"bad-{i:03}-{name}"
        path.write_bytes(data)
        expected[path] = reasons
    return expected


def hostile() -> list[tuple[str, bytes, frozenset[str]]]:
    """(name, bytes, reasons): one file of each kind of malice or accident."""
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    one = png(grey)
    too_large = {
        "bomb.png": one[:16] + ihdr(60000, 60000, 8, 0) + idat(b"\0" * 10**6) + IEND,
        "bomb.tif": tiff_bytes([(256, 4, [60000]), (257, 4, [60000]), (258, 3, [8]), (259, 3, [1]),
                                (262, 3, [1]), (278, 4, [60000])], [b"\0" * 99]),
        "bomb.bmp": b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 60000, 60000, 1, 24, 0, 0,
                                        0, 0, 0, 0),
        "bomb.pgm": b"P5 60000 60000 255\n",
        "bomb.gif": b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b","
                    + struct.pack("<HHHHB", 0, 0, 9, 9, 0) + b"\x02\x00;",
        "bomb.jpg": b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 11, 8, 65500, 65500, 1)
                    + b"\x01\x11\0\xff\xda\0\x08\1\1\0\0\x3f\0\xff\xd9",
        "bomb.webp": b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X"
                     + struct.pack("<I", 10) + b"\0" * 4 + b"\xff" * 6,
        "scans.jpg": many_scans(9000),
    }  # fmt: skip
    damaged = {
        "no-pixels.png": one[:33] + IEND,
        "short-rows.png": one[:33] + idat(b"\0" * 9) + IEND,
        "not-zlib.png": one[:33] + chunk(b"IDAT", b"nonsense") + IEND,
        "checksum.png": one[:-20] + bytes([one[-20] ^ 1]) + one[-19:],
        "chunks.png": one[:33] + chunk(b"juNk", b"") * 150_000 + one[33:],
        "colour-type.png": one[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 5, 0, 0, 0))
                           + one[33:],
        "beyond-palette.png": one[:8] + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 3, 0, 0, 0))
                              + chunk(b"PLTE", b"abc") + one[33:],
        "cyclic.tif": cyclic_tiff(),
        "tag-count.tif": b"II*\0" + struct.pack("<IHHHII", 8, 1, 256, 4, 2**31, 0) + b"\0" * 4,
        "overlap.tif": tiff_bytes([(256, 4, [8]), (257, 4, [8]), (258, 3, [8]), (259, 3, [8]),
                                   (262, 3, [1]), (278, 4, [1]), (273, 4, [8] * 8),
                                   (279, 4, [200] * 8)], []) + b"\0" * 200,
        "maximum.pgm": b"P5 2 2 3\n\1\2\3\4",
        "frame.gif": b"GIF89a" + struct.pack("<HHBBB", 4, 4, 0, 0, 0) + b","
                     + struct.pack("<HHHHB", 0, 0, 9, 9, 0) + b"\x02\x00;",
    }  # fmt: skip
    groups = {
        "too_large": too_large,
        "damaged": damaged,
        "empty": {"empty.png": b"", "empty.jpg": b""},
        "not_an_image": {"text.png": b"Dear Sir,\n", "web.jpg": b"<!DOCTYPE html>", "i.tif": b"I"},
        "truncated": {
            "zeros.jpg": jpeg(np.tile(grey * 37 % 251, (9, 9)))[:-200] + b"\0" * 5000,
            "list.tif": b"II*\0\xff\xff\xff\x0f",
        },
        "multi_frame": frames(),
        "not_finite": {"nan.tif": tiff(np.array([[1, np.nan], [np.inf, 2]], np.float32))},
        "unsupported": {
            "twelve.jpg": jpeg(grey).replace(b"\xff\xc0\0\x0b\x08", b"\xff\xc0\0\x0b\x0c"),
            "photo.png": b"\0\0\0\x18ftypqt  " + b"\0" * 16,
            "zstd.tif": tiff_bytes(
                [(256, 4, [8]), (257, 4, [8]), (258, 3, [8]), (259, 3, [50000]), (262, 3, [1])],
                [b"\x28\xb5\x2f\xfd"],
            ),
            "wide.tif": tiff(np.array([[2**24 + 1]], np.uint32)),
        },
    }  # fmt: skip
    return [(name, data, frozenset({reason})) for reason, group in groups.items()
            for name, data in group.items()]  # fmt: skip


def _mangled(rng: np.random.Generator) -> tuple[str, bytes, frozenset[str]]:
    """A cut file of any format, or a PNG (which has checksums) with one bit flipped."""
    pixels = rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)
    if rng.random() < 0.5:
        data = bytearray(png(pixels))
        data[rng.integers(8, len(data) - 12)] ^= 1 << int(rng.integers(8))
        return "flip.png", bytes(data), frozenset({"damaged", "truncated"})
    suffix = str(rng.choice(["png", "jpg", "tif", "bmp", "webp", "gif", "ppm"]))
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, {"jpg": "JPEG", "tif": "TIFF"}.get(suffix, suffix))
    return f"cut.{suffix}", out.getvalue()[: rng.integers(0, out.tell() - 12)], HOPELESS


def frames() -> dict[str, bytes]:
    """Two pictures in one file, in every format that can."""
    pair = [Image.fromarray(np.full((6, 7, 3), v, np.uint8)) for v in (0, 200)]
    made = {}
    for suffix, name in (("gif", "GIF"), ("webp", "WEBP"), ("png", "PNG"), ("tif", "TIFF")):
        out = io.BytesIO()
        pair[0].save(out, name, save_all=True, append_images=pair[1:])
        made[f"two.{suffix}"] = out.getvalue()
    return made


def jpeg(pixels: np.ndarray, **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", **options)
    return out.getvalue()


def many_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan comes again and again: small, and slow to decode."""
    data = jpeg(np.zeros((512, 512), np.uint8), progressive=True)
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * count + b"\xff\xd9"


# -- PNG


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def ihdr(width: int, height: int, bits: int, colour: int) -> bytes:
    """The body and checksum of a header chunk (what follows its kind)."""
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))[8:]


def idat(rows: bytes) -> bytes:
    return chunk(b"IDAT", zlib.compress(rows))


IEND = chunk(b"IEND", b"")
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
         (0, 1, 1, 2))  # fmt: skip


def png(
    pixels: np.ndarray, *, bits: int = 0, palette: bytes = b"", interlaced: bool = False,
    filters: bool = True, chunks: bytes = b"",
) -> bytes:  # fmt: skip
    """(H, W) or (H, W, 2 | 3 | 4), uint8 or uint16 -> a PNG; all five filters take turns."""
    cube = pixels.reshape(*pixels.shape[:2], -1)
    bits = bits or 8 * pixels.itemsize
    colour = 3 if palette else {1: 0, 2: 4, 3: 2, 4: 6}[cube.shape[2]]
    passes = ADAM7 if interlaced else ((0, 0, 1, 1),)
    rows = b"".join(_rows(cube[y::down, x::right], bits, filters) for x, y, right, down in passes)
    head = struct.pack(">IIBBBBB", cube.shape[1], cube.shape[0], bits, colour, 0, 0, interlaced)
    plte = chunk(b"PLTE", palette) if palette else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + plte + chunks + idat(rows) + IEND


def _rows(cube: np.ndarray, bits: int, filters: bool) -> bytes:
    if not cube.size:
        return b""
    step = max(1, cube.shape[2] * bits // 8)
    out, above = b"", None
    for i, row in enumerate(cube):
        line = pack(row.reshape(-1), bits, ">")
        above = above or bytes(len(line))
        kind = i % 5 if filters else 0
        out += bytes([kind]) + bytes(_filtered(kind, line, above, step))
        above = line
    return out


def _filtered(kind: int, line: bytes, above: bytes, step: int) -> list[int]:
    """Straight from the specification, a byte at a time."""
    out = []
    for i, value in enumerate(line):
        a = line[i - step] if i >= step else 0
        b = above[i]
        c = above[i - step] if i >= step else 0
        p = a + b - c
        paeth = min((abs(p - v), order, v) for order, v in enumerate((a, b, c)))[2]
        out.append((value - (0, a, b, (a + b) // 2, paeth)[kind]) % 256)
    return out


def pack(values: np.ndarray, bits: int, order: str) -> bytes:
    """Samples of one row -> bytes, high bits first below 8 bits and for 12."""
    if bits in (8, 16, 32, 64):
        return values.astype(values.dtype.newbyteorder(order)).tobytes()
    text = "".join(f"{int(v):0{bits}b}" for v in values)
    text += "0" * (-len(text) % 8)
    return bytes(int(text[i : i + 8], 2) for i in range(0, len(text), 8))


# -- TIFF

TIFF_TYPES = {1: "B", 2: "B", 3: "H", 4: "I", 7: "B", 16: "Q"}


def tiff_bytes(
    tags: list[tuple[int, int, list[int]]], blocks: list[bytes], order: str = "<",
    big: bool = False, after: int = 0,
) -> bytes:  # fmt: skip
    """A TIFF of one directory; strip or tile offsets and lengths are filled in unless given."""
    tiled = any(tag == 322 for tag, _, _ in tags)
    if blocks:
        tags = [*tags, (324 if tiled else 273, 4, [0] * len(blocks)),
                (325 if tiled else 279, 4, [len(b) for b in blocks])]  # fmt: skip
    word, room = ("Q", 8) if big else ("I", 4)
    first = 16 if big else 8
    body_at = first + (8 if big else 2) + len(tags) * (20 if big else 12) + room
    sizes = [len(v) * struct.calcsize(TIFF_TYPES[t]) for _, t, v in tags]
    at = body_at + sum(s for s in sizes if s > room)
    starts = np.cumsum([at, *map(len, blocks)]).tolist()[: len(blocks)]
    table, body = b"", b""
    for tag, kind, given in sorted(tags):
        values = starts if blocks and tag in (273, 324) else given
        packed = struct.pack(f"{order}{len(values)}{TIFF_TYPES[kind]}", *values)
        table += struct.pack(order + "HH" + word, tag, kind, len(values))
        if len(packed) <= room:
            table += packed.ljust(room, b"\0")
        else:
            table += struct.pack(order + word, body_at + len(body))
            body += packed
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "H", 43 if big else 42)
    head += struct.pack(order + "HHQQ", 8, 0, 16, len(tags)) if big else struct.pack(
        order + "IH", 8, len(tags))  # fmt: skip
    return head + table + struct.pack(order + word, after) + body + b"".join(blocks)


def tiff(
    pixels: np.ndarray, *, bits: int = 0, order: str = "<", big: bool = False, code: int = 1,
    predictor: int = 1, planar: bool = False, tile: tuple[int, int] | None = None, strip: int = 0,
    photometric: int | None = None, extra: int | None = None,
    more: tuple[tuple[int, int, list[int]], ...] = (),
) -> bytes:  # fmt: skip
    """(H, W) or (H, W, S) of any dtype -> a TIFF in strips or tiles, coded in Python."""
    cube = pixels.reshape(*pixels.shape[:2], -1)
    height, width, samples = cube.shape
    bits = bits or 8 * pixels.itemsize
    kind = {"u": 1, "i": 2, "f": 3}[pixels.dtype.kind]
    if photometric is None:
        photometric = 2 if samples >= 3 else 1
    tags = [(256, 4, [width]), (257, 4, [height]), (258, 3, [bits] * samples), (259, 3, [code]),
            (262, 3, [photometric]), (277, 3, [samples]), (284, 3, [2 if planar else 1]),
            (317, 3, [predictor]), (339, 3, [kind] * samples), *more]  # fmt: skip
    if extra is not None:
        tags.append((338, 3, [extra]))
    across, down = tile or (width, strip or height)
    tags += [(322, 4, [across]), (323, 4, [down])] if tile else [(278, 4, [down])]
    blocks = []
    for plane in [cube[..., i : i + 1] for i in range(samples)] if planar else [cube]:
        for y in range(0, height, down):
            for x in range(0, width, across):
                block = plane[y : y + down, x : x + across]
                if tile:
                    block = np.pad(block, ((0, down - block.shape[0]), (0, across - block.shape[1]),
                                           (0, 0)))  # fmt: skip
                blocks.append(_coded(block, bits, order, code, predictor))
    return tiff_bytes(tags, blocks, order, big)


def _coded(block: np.ndarray, bits: int, order: str, code: int, predictor: int) -> bytes:
    if predictor == 2:
        raw = block.view(f"u{block.itemsize}")
        block = np.concatenate([raw[:, :1], raw[:, 1:] - raw[:, :-1]], axis=1)
    if predictor == 3:
        data = b"".join(_float_differences(row) for row in block)
    else:
        data = b"".join(pack(row.reshape(-1), bits, order) for row in block)
    return {1: bytes, 5: lzw, 8: zlib.compress, 32773: packbits}[code](data)


def _float_differences(row: np.ndarray) -> bytes:
    """Predictor 3: bytes of one row sorted by significance, then differences."""
    samples = row.shape[-1]
    big = row.astype(row.dtype.newbyteorder(">")).reshape(-1)
    by_byte = np.frombuffer(big.tobytes(), np.uint8).reshape(-1, row.itemsize).T
    by_byte = by_byte.reshape(-1, samples)
    return np.concatenate([by_byte[:1], by_byte[1:] - by_byte[:-1]]).tobytes()


def lzw(data: bytes) -> bytes:
    """Valid LZW that never compresses: the table is cleared before codes grow past 9 bits."""
    codes: list[int] = []
    for i, byte in enumerate(data):
        codes += [256, byte] if i % 200 == 0 else [byte]
    text = "".join(f"{c:09b}" for c in [*codes, 257])
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def packbits(data: bytes) -> bytes:
    parts = [data[i : i + 128] for i in range(0, len(data), 128)]
    return b"".join(bytes([len(p) - 1]) + p for p in parts)


def cyclic_tiff() -> bytes:
    """A picture whose second page is its first."""
    return tiff_bytes([(256, 4, [2]), (257, 4, [1]), (258, 3, [8]), (259, 3, [1]), (262, 3, [1]),
                       (278, 4, [1])], [b"ab"], after=8)  # fmt: skip
