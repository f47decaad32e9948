"""AVIF and HEIC: what their plug-ins decode, and what becomes of bits, turns and damage."""

from __future__ import annotations

import io
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, features

from oneclass import ImageError, images
from oneclass.images.formats import heif
from oneclass.images.formats.source import RefusedError

KINDS = [
    pytest.param("AVIF", marks=pytest.mark.skipif(not features.check("avif"), reason="no AVIF")),
    "HEIC",
]


def smooth() -> np.ndarray:
    y, x = np.mgrid[:24, :40]
    return np.stack([x * 6, y * 10, 200 - x * 3], axis=2).astype(np.uint8)


def stored(kind: str, image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    if kind == "AVIF":
        image.save(buffer, "AVIF", quality=100, subsampling="4:4:4")
    else:
        pillow_heif.from_pillow(image).save(buffer, quality=100, chroma=444)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", KINDS)
def test_colours_come_back(kind: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(stored(kind, Image.fromarray(smooth())))
    header = images.probe(tmp_path / "a")
    assert (header.format, header.width, header.height, header.frames) == (kind, 40, 24, 1)
    found = images.read(tmp_path / "a")
    assert found.dtype == np.uint8
    assert np.abs(found.astype(int) - smooth()).max() <= 12


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_transparent_is_white(kind: str, tmp_path: Path) -> None:
    with_alpha = np.dstack([smooth(), np.zeros((24, 40), np.uint8)])
    (tmp_path / "a").write_bytes(stored(kind, Image.fromarray(with_alpha)))
    assert images.read(tmp_path / "a").min() >= 250


def test_a_turned_avif_stands_upright(tmp_path: Path) -> None:
    if not features.check("avif"):
        pytest.skip("no AVIF")
    exif = Image.Exif()
    exif[0x112] = 6
    Image.fromarray(smooth()).save(tmp_path / "a.avif", quality=100, exif=exif.tobytes())
    assert images.probe(tmp_path / "a.avif").width == 24
    found = images.read(tmp_path / "a.avif")
    assert np.abs(found.astype(int) - np.rot90(smooth(), -1)).mean() < 6


def test_more_than_eight_bits_are_refused_rather_than_lost(tmp_path: Path) -> None:
    wide = smooth().astype(np.uint16) * 257
    pillow_heif.encode("RGB;16", (40, 24), wide.tobytes(), tmp_path / "a.heic")
    with pytest.raises(ImageError, match=r"HEIC of 1[02] bits") as raised:
        images.read(tmp_path / "a.heic")
    assert raised.value.reason == "unsupported"


def test_without_what_reads_them_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").write_bytes(stored("HEIC", Image.fromarray(smooth())))
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageError, match=r'pip install "(oneclass\[heif\]|pillow-heif)'):
        images.read(tmp_path / "a")
    monkeypatch.setattr(features, "check", lambda name: False)
    (tmp_path / "b").write_bytes(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf")
    with pytest.raises(ImageError, match="pip install -U pillow"):
        images.read(tmp_path / "b")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore")
def test_damage_ends_in_a_reason(kind: str) -> None:
    whole = stored(kind, Image.fromarray(smooth()))

    @given(st.data())
    @settings(max_examples=60, deadline=None)
    def damaged(data: st.DataObject) -> None:
        hurt = bytearray(whole)
        for _ in range(data.draw(st.integers(0, 3))):
            hurt[data.draw(st.integers(12, len(hurt) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        cut = bytes(hurt[: data.draw(st.integers(12, len(hurt)))])
        with suppress(RefusedError):
            source = heif.inspect(io.BytesIO(cut))
            if source.header.pixels < 1 << 20:
                assert source.decode().shape[2] == 3

    damaged()
