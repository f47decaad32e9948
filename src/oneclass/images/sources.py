"""What a user may give as images, and one of them turned into pixels."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass.errors import ImageError, InputError
from oneclass.images import folders, pictures, reading
from oneclass.images.formats.source import MAX_BYTES, MORE_MEMORY, Header
from oneclass.images.pictures import Content, is_picture
from oneclass.images.scale import DEPTHS
from oneclass.system.host.memory import ROOM
from oneclass.system.paths import Texts
from oneclass.system.places import Remote

Progress = Callable[[int, int], None]
Stage = Callable[[str], None]
BYTES_A_BYTE = 4
"""What reading and preparing an image takes at its peak, in bytes for each byte of its pixels."""
FETCHING = 4
"""Images that a worker has on their way: stores answer in about the time that an image takes."""
LONGEST_PATH = 4096
ONE_OF = {"PIL.Image", "ndarray", "str", "bytes", "PosixPath", "WindowsPath", "DirEntry"}
"""What is taken each for itself, and not one beside the other."""
CHANNELS = {1: "grey", 2: "grey, half-transparent", 3: "colour", 4: "transparent colour"}
"""What an image is whose last axis is so long: no grey image is so narrow."""
BATCH = "(n, H, W) or (n, H, W, 3)"
WITHOUT_MASK = "a numpy array without a mask"
NO_MEMORY = f"there was not enough memory for it; {MORE_MEMORY}"
RANGES = {"uint8": " (0 to 255)", "uint16": " (0 to 65535)"}
Images = str | Path | NDArray[Any] | Iterable[str | Path] | Iterable[NDArray[Any]]


@dataclass(frozen=True)
class Sources:
    """Images in a fixed order: files, or arrays and pictures in memory.

    Attributes:
        items: paths, pixel arrays, or the bytes of files.
        names: what to call each one in results and messages.
        errors: inputs that could not be turned into items.
        ignored: how many files in folders were passed over, by their suffix.
        absent: those of the errors that are about an input which does not exist, as it was given;
            what a list names is not among them.
        repeated: files that were named one by one more than once, and are among the items once.
        empty: folders and patterns that were given themselves, and hold no image.
    """

    items: Sequence[Path | NDArray[Any] | Content]
    names: Sequence[str]
    errors: tuple[ImageError, ...] = ()
    ignored: Mapping[str, int] = field(default_factory=dict)
    absent: tuple[ImageError, ...] = ()
    repeated: Sequence[Path] = ()
    empty: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    def refuse_nowhere(self) -> None:
        """Refuse inputs of which none leads anywhere: a wrong path is no bad image.

        Raises:
            InputError: all that was given is missing; the message has the first one.
        """
        if self.errors and not len(self) and all(e.reason == "missing" for e in self.errors):
            raise InputError(f"{led_nowhere(self.errors)} Give files, or folders with images.")

    def threads(self, workers: int) -> int:
        """How many threads keep so many at work: who fetches an image waits for it."""
        fetched = len(self) > 1 and self.is_remote(0)
        return FETCHING * workers if fetched else workers

    def is_remote(self, index: int) -> bool:
        """Whether item `index` has to be fetched, so that to look at it takes a while."""
        return isinstance(self.items[index], Remote)

    def pixels(self, index: int, at_least: tuple[int, int] | None = None) -> NDArray[Any]:
        """Read item `index`: (H, W) or (H, W, 3); uint8, uint16 or float32.

        Args:
            index: of the item.
            at_least: (height, width) that suffice, as for `images.read`.

        Raises:
            ImageError: the file cannot be read.
        """
        item = self.items[index]
        if isinstance(item, Path):
            return reading.read(item, at_least=at_least)
        if isinstance(item, Content):
            return reading.read(self.names[index], at_least=at_least, content=item.of)
        return _checked_array(item, self.names[index])

    @contextmanager
    def room(self, index: int) -> Iterator[None]:
        """Wait until the memory has room for reading item `index` and working with its pixels.

        Raises:
            ImageError: inside, the memory did not suffice after all.
        """
        needed = 0
        with suppress(ImageError):
            needed = BYTES_A_BYTE * self.header(index).nbytes
        try:
            with ROOM.of(needed):
                yield
        except MemoryError:
            raise ImageError(self.names[index], "too_large", NO_MEMORY) from None

    def key(self, index: int) -> bytes | None:
        """SHA-256 of item `index` as it is: of a file's bytes, undecoded, or of an array's content.

        Returns:
            32 bytes, or None where there is nothing to read; `pixels` then says why.
        """
        item = self.items[index]
        try:
            if isinstance(item, Content):
                return hashlib.sha256(item.of).digest()
            if not isinstance(item, Path):
                return content_digest(_checked_array(item, self.names[index]))
            if isinstance(item, Remote):
                return hashlib.sha256(item.read_bytes()).digest()
            if not item.is_file() or item.stat().st_size > MAX_BYTES:
                return None
            with item.open("rb") as file:
                return hashlib.file_digest(file, "sha256").digest()
        except (ImageError, OSError, ValueError):
            return None

    def header(self, index: int) -> Header:
        """Size, bit depth and channels of item `index`, without decoding its pixels.

        Raises:
            ImageError: the file cannot be read, or its header says that `pixels` will refuse it.
        """
        item = self.items[index]
        if isinstance(item, Path):
            return reading.probe(item, max_pixels=reading.DEFAULT_MAX_PIXELS)
        if isinstance(item, Content):
            return reading.probe(self.names[index], item.of, max_pixels=reading.DEFAULT_MAX_PIXELS)
        array = _checked_array(item, self.names[index])
        height, width, *colour = array.shape
        depth = next(d for d in DEPTHS if array.dtype == d)
        return Header(width, height, depth, 3 if colour else 1, 1, "array")


def gather(given: Images | Sources) -> Sources:
    """Sort out what the user gave; what is sorted out already stays as it is.

    Args:
        given: a file, folder, glob or list.txt; several of them; or arrays: (n, H, W) or
            (n, H, W, 3), or a sequence of (H, W) and (H, W, 3), or of PIL's images.

    Raises:
        InputError: neither paths nor arrays.
    """
    if isinstance(given, Sources):
        return given
    held = _one_dimension(given)
    if isinstance(held, np.ndarray):
        _refuse_shape(held.shape)
    kinds: set[str] = set()
    items = []
    for number, item in enumerate(held):  # one after the other: a generator's need not all be there
        kinds.add(_kind(item))
        items.append(_plain(item, number))
    paths = [item for item in items if isinstance(item, (str, Path))]
    if "" in paths:
        raise InputError("an empty path: expected a file, a folder, a glob, a list.txt, or -.")
    if len(paths) == len(items):
        listing = folders.expand(paths)
        names = Texts(listing.paths)
        more = (listing.errors, listing.ignored, listing.absent, listing.repeated, listing.empty)
        return Sources(listing.paths, names, *more)
    if all(isinstance(item, (np.ndarray, Content, ImageError)) for item in items):
        there = [i for i, item in enumerate(items) if not isinstance(item, ImageError)]
        errors = tuple(item for item in items if isinstance(item, ImageError))
        return Sources([items[i] for i in there], [_name(i) for i in there], errors)
    raise _of_no_kind(kinds)


def _refuse_shape(shape: tuple[int, ...]) -> None:
    """Refuse an array that is no batch of images: at once, since all of them have one shape.

    Raises:
        InputError: its shape is neither (n, H, W) nor (n, H, W, 3), or could mean one image, too.
    """
    told = f"an array of shape {shape}: expected {BATCH}"
    if len(shape) not in (3, 4):
        one = "For one image, give a list that holds it."
        raise InputError(f"{told}. {one if len(shape) < 3 else 'Give one batch at a time.'}")
    if 0 in shape:
        return  # of no image nothing is wrong; one without a pixel is told by its name
    if len(shape) == 3 and shape[2] in CHANNELS:
        raise _one_or_many(shape)
    if len(shape) == 4 and shape[3] != 3:
        raise InputError(f"{told}, grey or colour ones. {_on_batch(shape)}")


def _on_batch(shape: tuple[int, ...]) -> str:
    """What to do with a batch (n, a, b, c) of which c is not 3."""
    _, first, _, last = shape
    if last == 4:
        return (
            "Their last axis is colour and opacity: leave the opacity out, images[..., :3], or, "
            "where they are uint8, give [PIL.Image.fromarray(image) for image in images], whose "
            "transparency is composited on white as a file's is."
        )
    if last in CHANNELS:
        held = "one grey channel" if last == 1 else "grey and opacity"
        return f"Their last axis is {held}: give images[..., 0]."
    if first not in CHANNELS:
        return "Give grey or RGB pictures."
    channels = {3: "numpy.moveaxis(images, 1, -1)", 4: "numpy.moveaxis(images[:, :3], 1, -1)"}
    if code := channels.get(first):
        return f"Their channels come first, as torch has them: give {code}."
    return "Their channel axis comes first, as torch has it: give images[:, 0]."


def _one_or_many(shape: tuple[int, ...]) -> InputError:
    """An array that is one image with its channels last, or grey ones as narrow as that."""
    kind = CHANNELS[shape[2]]
    many = f"or {shape[0]} grey ones of width {shape[2]}"
    told = f"an array of shape {shape} is one {kind} image, {many}."
    if shape[2] == 3:
        return InputError(f"{told} Give a list of images to say which.")
    return InputError(f"{told} For one, in a list: {_on_shape(shape)}. For many: list(images).")


def _name(number: int) -> str:
    """What an array or a picture is called."""
    return f"array[{number}]"


def _kind(item: Any) -> str:
    """What an item is, for a list of which not all are of one kind."""
    return "PIL.Image" if is_picture(item) else type(item).__name__


def _of_no_kind(kinds: set[str]) -> InputError:
    """Items that are not all paths, nor all arrays and pictures."""
    told = f"images of type {', '.join(sorted(kinds))}: expected "
    if kinds <= ONE_OF:
        one = "one kind in a list, paths alone, or numpy arrays and pictures of PIL's alone."
        return InputError(f"{told}{one}")
    return InputError(
        f"{told}paths, numpy arrays, or pictures of PIL's. "
        "numpy.asarray(image) makes an array of a tensor."
    )


def refuse_absent(sources: Sources) -> None:
    """Refuse to go on with the rest where an input does not exist: a typo, most likely.

    Raises:
        InputError: one does not; the message names the first.
    """
    if sources.absent:
        raise InputError(led_nowhere(sources.absent))


def led_nowhere(errors: Sequence[ImageError]) -> str:
    """A sentence about inputs of which none gave an image; there is one at least."""
    first, *others = errors
    more = f" (and {len(others)} more like it)" if others else ""
    return f"{first.name}: {first.detail}{more}."


def _one_dimension(given: Any) -> Any:
    """Paths and arrays in whatever holds them, as something to go through.

    Raises:
        InputError: a kind whose items are something else than images.
    """
    if isinstance(given, (str, bytes, os.PathLike)) or is_picture(given):
        return [given]
    wrong = {
        WITHOUT_MASK: isinstance(given, np.ma.MaskedArray),
        "one column of this table": hasattr(given, "columns"),
        "the path of this file": isinstance(given, io.IOBase),
        "a list of its keys or of its values": isinstance(given, Mapping),
        "paths, or numpy arrays": not isinstance(given, Iterable)
        or isinstance(given, (bytearray, memoryview)),
    }
    for expected in (expected for expected, holds in wrong.items() if holds):
        raise InputError(f"images of type {type(given).__name__}: expected {expected}.")
    if isinstance(given, np.ndarray) and given.dtype.kind in "OUS":
        return given.reshape(-1).tolist()
    return given


def _plain(item: Any, number: int) -> Any:
    """A path as str or Path, whatever kind it is; what a picture of PIL's holds, or why not."""
    if isinstance(item, (str, Path)):
        return item
    if is_picture(item):
        try:
            return pictures.taken(item, _name(number))
        except ImageError as error:
            return error
    if isinstance(item, np.ma.MaskedArray):
        raise InputError(f"images of type {type(item).__name__}: expected {WITHOUT_MASK}.")
    if isinstance(item, bytes) and (b"\0" in item or len(item) > LONGEST_PATH):
        raise InputError(
            "images of type bytes: expected paths, and these are the content of a file. Give its "
            "path, or PIL.Image.open(io.BytesIO(content))."
        )
    return os.fsdecode(item) if isinstance(item, (bytes, os.PathLike)) else item


def check_depth(pixels: NDArray[Any], depth: str, name: str) -> None:
    """Raise ImageError unless the pixels are of the depth that the model is for."""
    if str(pixels.dtype) != depth:
        kind = "fractions, taken as float32" if pixels.dtype.kind == "f" else str(pixels.dtype)
        raise ImageError(
            name,
            "bit_depth",
            f"its pixels are {kind}, the model is for {depth}{RANGES.get(depth, '')}: "
            "convert it, or fit a model on such images",
        )


def content_digest(pixels: NDArray[Any]) -> bytes:
    """SHA-256 of an image's shape, type and pixels: the same for every copy of it."""
    digest = hashlib.sha256(f"{pixels.dtype.str}{pixels.shape}".encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.digest()


def _checked_array(array: NDArray[Any], name: str) -> NDArray[Any]:
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    elif not array.dtype.isnative:  # as numbers from FITS and other big-endian files are
        array = array.astype(array.dtype.newbyteorder("="))
    if array.dtype in (np.float16, np.float64):
        with np.errstate(over="ignore"):  # what is beyond float32 is told as not finite below
            array = array.astype(np.float32)
    if str(array.dtype) not in DEPTHS:
        raise ImageError(
            name,
            "unsupported",
            f"dtype {array.dtype}; expected {', '.join(DEPTHS)} or bool: convert it, as with "
            "image.astype('uint8') where its values go from 0 to 255",
        )
    if 0 in array.shape or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
        raise ImageError(
            name,
            "unsupported",
            f"shape {array.shape}; expected (H, W) or (H, W, 3): {_on_shape(array.shape)}",
        )
    if array.dtype == np.float32 and not np.isfinite(array).all():
        bad = int(array.size - np.isfinite(array).sum())
        raise ImageError(
            name,
            "not_finite",
            f"{bad} of its values are NaN or infinite; replace them by a number that means what "
            "you want",
        )
    return array


def _on_shape(shape: tuple[int, ...]) -> str:
    """What to do with an array that is no image."""
    if 0 in shape:
        return "it holds no pixel, so leave it out"
    if len(shape) == 4:
        return "give the images in it one by one, as list(images)"
    if len(shape) == 3 and shape[2] == 4:
        return (
            "leave its opacity out, image[..., :3], or, where it is uint8, give "
            "PIL.Image.fromarray(image), whose transparency is composited on white as a file's is"
        )
    if len(shape) == 3 and shape[2] in (1, 2):
        return "give its first channel, image[..., 0]"
    if len(shape) == 3 and shape[0] == 1:
        return "give its first channel, image[0]"
    if len(shape) == 3 and shape[0] == 2:
        return (
            "give its first channel, image[0], or, where it is two grey images, the array itself, "
            "not in a list"
        )
    if len(shape) == 3 and shape[0] in (3, 4):
        return "put its channels last, as with numpy.moveaxis(image, 0, -1)"
    return "give grey or RGB pictures"
