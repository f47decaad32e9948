"""How the pixels of a TIFF lie in its file, and which of them can be read."""

from __future__ import annotations

from dataclasses import dataclass

from oneclass.images.formats.source import Depth, unsupported

NONE, JPEG = 1, 7
DEFLATE = (8, 32946)
FAX = (2, 3, 4)
LZW, PACKBITS = 5, 32773
BYTEWISE = {NONE, *DEFLATE, LZW, PACKBITS}
SIGNED, FLOAT = 2, 3
RGB, PALETTE, CMYK, YCBCR = 2, 3, 5, 6
ASSOCIATED, UNASSOCIATED = 1, 2


@dataclass(frozen=True, slots=True)
class Layout:
    """How the first picture of a TIFF lies in its file, out of the tags."""

    order: str
    width: int
    height: int
    samples: int
    bits: int
    kind: int
    photometric: int
    compression: int
    planar: bool
    predictor: int
    reversed_bits: bool
    extra: tuple[int, ...]
    tiled: bool
    block: tuple[int, int]
    offsets: list[int]
    counts: list[int]
    palette: list[int]
    carried: dict[int, list[int]]
    no_data: float | None

    @property
    def depth(self) -> Depth:
        if self.kind != 1 or self.bits == 32:
            return "float32"
        return "uint8" if self.bits <= 8 else "uint16"

    @property
    def alpha(self) -> bool:
        colours = {RGB: 3, CMYK: 4, YCBCR: 3}.get(self.photometric, 1)
        return self.samples > colours and self.extra[:1] in ((ASSOCIATED,), (UNASSOCIATED,))

    @property
    def planes(self) -> int:
        return self.samples if self.planar else 1

    @property
    def grid(self) -> tuple[int, int]:
        """Blocks down and across one plane."""
        return -(-self.height // self.block[1]), -(-self.width // self.block[0])

    @property
    def blocks_per_plane(self) -> int:
        return self.grid[0] * self.grid[1]

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of one block."""
        return (self.block[0] * (1 if self.planar else self.samples) * self.bits + 7) // 8

    @property
    def rows(self) -> int:
        """Rows of all the blocks of one plane, one below the other."""
        return self.blocks_per_plane * self.block[1] if self.tiled else self.height


def check_compression(layout: Layout) -> None:
    """Refuse a compression that cannot be undone without loss of depth."""
    code = layout.compression
    if code in FAX:
        fine = layout.bits == 1 and layout.samples == 1 and layout.photometric in (0, 1)
    elif code == JPEG:
        fine = layout.bits == 8 and not layout.planar and layout.samples in (1, 3, 4)
        fine = fine and layout.photometric != PALETTE and not layout.alpha
    else:
        fine = code in BYTEWISE and layout.photometric != YCBCR
    if not fine:
        colours = "as RGB, " if layout.photometric == YCBCR else ""
        raise unsupported(
            f"TIFF with compression {code}, {layout.bits} bits and photometric interpretation "
            f"{layout.photometric}",
            f"save it {colours}with LZW, deflate or no compression",
        )
    predictable = {
        1: True,
        2: layout.bits in (8, 16, 32, 64),
        3: layout.kind == FLOAT,
    }
    if not predictable.get(layout.predictor, False):
        raise unsupported(f"TIFF with predictor {layout.predictor} and {layout.bits} bits")
