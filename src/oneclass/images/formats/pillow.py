"""Pillow as a decoder of pixels, and nothing else.

The format modules read the containers themselves and hand Pillow a stream with nothing in it but
the picture. So no metadata is parsed twice, none of Pillow's warnings can arise (they could only be
silenced for the whole process, which no library may do and no thread pool survives), and none of
its global limits is needed or touched.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageFile

from oneclass.images.formats.source import Pixels, RefusedError, damaged, no_memory, truncated

Opener = Callable[[io.BytesIO], ImageFile.ImageFile]


def decode(
    opener: Opener,
    stream: bytes,
    size: tuple[int, int],
    *,
    raw_mode: str | None = None,
    mode: str | None = None,
    divisor: int = 1,
) -> Pixels:
    """Decode one stream with one plugin -> the array of Pillow's own mode.

    Args:
        opener: the plugin's class, called directly: ``Image.open`` would warn about large sizes.
        stream: a file that holds one picture and no metadata.
        size: (width, height) that our own reading found, and that was held against the limits; a
            plugin that finds another one does not decode.
        raw_mode: how to unpack the decoded rows, where the plugin's own choice loses bits.
        divisor: 2, 4 or 8 to decode a JPEG to that part of its size; 1 for all of it.
        mode: convert to this mode at the end (exact conversions only).
    """
    try:
        with opener(io.BytesIO(stream)) as image:
            if image.size != size:
                raise damaged("its headers disagree about its size")
            if raw_mode is not None:
                image.tile = [tile._replace(args=raw_mode) for tile in image.tile]
            if divisor > 1:
                image.draft(None, (image.width // divisor, image.height // divisor))
            image.load()
            decoded: Image.Image = image if mode is None else image.convert(mode)
            return np.asarray(decoded)
    except RefusedError:
        raise
    except MemoryError:
        raise no_memory("decode") from None
    except Exception as problem:
        # Hostile bytes make plugins raise almost anything (SyntaxError, struct.error, KeyError...).
        if "truncated" in str(problem):
            raise truncated("picture data") from None
        raise damaged(f"its picture data cannot be decoded ({problem})") from None
