"""Which picture of a TIFF is the picture: thumbnails, pyramids, volumes and stacks."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from oneclass import images
from oneclass.errors import ImageError

SMALL = np.arange(6 * 8, dtype=np.uint8).reshape(6, 8)
LARGE = np.random.default_rng(3).integers(0, 256, (60, 80), dtype=np.uint8)
TYPES = {1: "B", 2: "B", 3: "H", 4: "I", 13: "I"}


class Tiff:
    """A TIFF built directory by directory, those below others first."""

    def __init__(self) -> None:
        self.data = bytearray(b"II*\0\0\0\0\0")

    def add(self, pixels: np.ndarray, *more: tuple[int, int, list[int]], after: int = 0) -> int:
        """Write a picture and its directory; the offset of the directory."""
        tags = [(256, 4, [pixels.shape[1]]), (257, 4, [pixels.shape[0]]), (258, 3, [8]),
                (259, 3, [1]), (262, 3, [1]), (273, 4, [len(self.data)]), (277, 3, [1]),
                (278, 4, [pixels.shape[0]]), (279, 4, [pixels.nbytes]), *more]  # fmt: skip
        self.data += pixels.tobytes()
        table = b""
        for tag, kind, values in sorted(tags):
            packed = struct.pack(f"<{len(values)}{TYPES[kind]}", *values)
            inline = packed.ljust(4, b"\0")
            if len(packed) > 4:
                inline = struct.pack("<I", len(self.data))
                self.data += packed
            table += struct.pack("<HHI", tag, kind, len(values)) + inline
        at = len(self.data)
        self.data += struct.pack("<H", len(tags)) + table + struct.pack("<I", after)
        return at

    def saved(self, path: Path, first: int) -> Path:
        self.data[4:8] = struct.pack("<I", first)
        path.write_bytes(self.data)
        return path


REDUCED, FULL, MASK = (254, 4, [1]), (254, 4, [0]), (254, 4, [4])
OLD_REDUCED = (255, 3, [2])


def text(words: str) -> tuple[int, int, list[int]]:
    return 270, 2, [*words.encode(), 0]


@pytest.mark.parametrize("thumbnail", [REDUCED, OLD_REDUCED])
@pytest.mark.parametrize("kind", [4, 13])
def test_the_picture_below_a_thumbnail_is_read(
    tmp_path: Path, thumbnail: tuple[int, int, list[int]], kind: int
) -> None:
    """As cameras write it: the first directory is reduced, the picture is in a SubIFD."""
    file = Tiff()
    preview, picture = file.add(LARGE[:20], REDUCED), file.add(LARGE, FULL)
    first = file.add(SMALL, thumbnail, (330, kind, [preview, picture]))
    path = file.saved(tmp_path / "a.tif", first)
    assert images.probe(path).width == 80
    assert np.array_equal(images.read(path), LARGE)


def test_the_picture_behind_a_thumbnail_is_read(tmp_path: Path) -> None:
    file = Tiff()
    first = file.add(SMALL, REDUCED, after=file.add(LARGE))
    assert np.array_equal(images.read(file.saved(tmp_path / "a.tif", first)), LARGE)


def test_a_pyramid_or_mask_below_the_picture_is_passed_over(tmp_path: Path) -> None:
    file = Tiff()
    levels = [file.add(LARGE[::2, ::2], REDUCED), file.add(LARGE[::4, ::4], REDUCED)]
    first = file.add(LARGE, (330, 4, levels), after=file.add(LARGE, MASK))
    path = file.saved(tmp_path / "a.tif", first)
    assert images.probe(path).frames == 1
    assert np.array_equal(images.read(path), LARGE)


def test_a_lone_directory_is_the_picture_whatever_it_says(tmp_path: Path) -> None:
    file = Tiff()
    path = file.saved(tmp_path / "a.tif", file.add(SMALL, REDUCED))
    assert np.array_equal(images.read(path), SMALL)


def refusal(path: Path) -> ImageError:
    with pytest.raises(ImageError) as caught:
        images.read(path)
    return caught.value


def test_a_second_picture_below_the_first_is_no_copy(tmp_path: Path) -> None:
    file = Tiff()
    first = file.add(SMALL, (330, 4, [file.add(LARGE)]))
    error = refusal(file.saved(tmp_path / "a.tif", first))
    assert (error.reason, "holds 2 frames" in error.detail) == ("multi_frame", True)


def test_copies_without_their_picture_are_refused(tmp_path: Path) -> None:
    file = Tiff()
    first = file.add(SMALL, REDUCED, (330, 4, [file.add(LARGE, REDUCED)]))
    assert refusal(file.saved(tmp_path / "a.tif", first)).reason == "unsupported"


def test_raw_data_of_a_camera_is_called_so(tmp_path: Path) -> None:
    file = Tiff()
    raw = file.add(LARGE, FULL)
    file.data[:] = bytes(file.data).replace(struct.pack("<HHIHH", 262, 3, 1, 1, 0),
                                            struct.pack("<HHIHH", 262, 3, 1, 32803, 0))  # fmt: skip
    first = file.add(SMALL, REDUCED, (330, 4, [raw]))
    error = refusal(file.saved(tmp_path / "a.dng", first))
    assert error.reason == "unsupported"
    assert "camera" in error.detail


@pytest.mark.parametrize(
    "tag",
    [
        (32997, 4, [5]),
        (32998, 4, [5]),
        (33629, 4, [0] * 5),
        text("ImageJ=1.53t\nimages=5\nslices=5\n"),
        text('{"shape": [5, 60, 80]}'),
    ],
    ids=["depth", "tile depth", "MetaMorph", "ImageJ", "shaped"],
)
def test_a_stack_behind_one_directory_is_refused(
    tmp_path: Path, tag: tuple[int, int, list[int]]
) -> None:
    file = Tiff()
    path = file.saved(tmp_path / "a.tif", file.add(LARGE, tag))
    assert images.probe(path).frames == 5
    assert refusal(path).reason == "multi_frame"


@pytest.mark.parametrize(
    "words",
    ["", "a photo\nimages=5", "ImageJ=1.53t\n", "ImageJ=1\nimages=1", '{"shape": [60, 80]}',
     '{"shape": [', '{"shape": [[]]}', '{"shape": ["x"]}', '{"shape": []}'],
)  # fmt: skip
def test_notes_that_tell_of_no_stack(tmp_path: Path, words: str) -> None:
    file = Tiff()
    assert np.array_equal(
        images.read(file.saved(tmp_path / "a.tif", file.add(LARGE, text(words)))), LARGE
    )


def test_directories_below_in_a_circle_end(tmp_path: Path) -> None:
    file = Tiff()
    at = len(file.data) + SMALL.nbytes
    assert file.add(SMALL, (330, 4, [at])) == at
    assert np.array_equal(images.read(file.saved(tmp_path / "a.tif", at)), SMALL)


def test_many_directories_below_one_another_take_no_time(tmp_path: Path) -> None:
    file, below = Tiff(), 0
    for _ in range(12_000):
        below = file.add(SMALL[:1, :1], REDUCED, *([(330, 4, [below])] if below else []))
    first = file.add(SMALL, (330, 4, [below]))
    assert images.read(file.saved(tmp_path / "a.tif", first)).shape == SMALL.shape


def test_a_pnm_of_two_pictures_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5 2 2 255\n\1\2\3\4" * 2)
    assert refusal(path).reason == "multi_frame"
    path.write_bytes(b"P5 2 2 255\n\1\2\3\4\n")
    assert images.read(path).shape == (2, 2)
