"""Files that people of the trade have and that are not read: named, and what to do."""

from __future__ import annotations

import gzip
import importlib
import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest

from oneclass import images
from oneclass.errors import ImageError
from oneclass.images.foreign import HEAD_BYTES, KINDS


def zipped() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.png", b"x" * 500)
    return out.getvalue()


def saved_array() -> bytes:
    out = io.BytesIO()
    np.save(out, np.zeros(9))
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "reason", "name", "advice"),
    [
        (b"\x08\0\5\0CS\n\0ISO_IR 100", "unsupported", "a DICOM file", "dcmconv"),
        (
            b"\x5c\1\0\0".ljust(344, b"\0") + b"n+1\0" + b"\0" * 99,
            "unsupported",
            "NIfTI",
            "nibabel",
        ),
        (b"ZISRAWFILE\0\0", "unsupported", "Zeiss CZI", "Bio-Formats"),
        (b"II*\0\x10\0\0\0CR\x02\0" + b"\0" * 99, "unsupported", "Canon raw", "develop"),
        (b"\0\0\0\x18ftypcrx ", "unsupported", "Canon raw", "develop"),
        (b"\0\0\0\x18ftypisom", "unsupported", "a video", "ffmpeg"),
        (b"RIFF\0\0\0\0AVI LIST", "unsupported", "an AVI video", "ffmpeg"),
        (saved_array(), "unsupported", "a numpy array", "give the arrays"),
        (zipped(), "not_an_image", "a ZIP archive", "unpack"),
        (gzip.compress(b"x" * 99, mtime=0), "not_an_image", "a gzip file", "unpack"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "not_an_image", "LFS", "git lfs pull"),
        (b"\n <!DOCTYPE HTML><html>", "not_an_image", "a web page", "fetch the image again"),
        (b"\0" * 999, "not_an_image", "zeros alone", "never written whole"),
        (b"\x89PNG\n\x1a\n", "not_an_image", "line ends were changed", "binary mode"),
        (b"iVBORw0KGgoAAAANSUhEUg", "not_an_image", "base64", "decode it first"),
        (b'<?xml version="1.0"?><Error>', "not_an_image", "XML", "look at it"),
        (b'{"error": "not found"}', "not_an_image", "JSON", "look at it"),
        (b"\0\5\x16\7\0\2", "not_an_image", "macOS metadata", "without ._"),
        (b"\x1c\2\0\0n+2\0\r\n\x1a\n", "unsupported", "NIfTI-2", "nibabel"),
        (b"\x5c\1\0\0".ljust(348, b"\0"), "unsupported", "ANALYZE", "nibabel"),
        (b"ObjectType = Image\nNDims = 3\n", "unsupported", "MetaImage", "SimpleITK"),
        (b"ENVI\r\ndescription = {", "unsupported", "ENVI", "spectral"),
        (b"\0\0\0\3\0\0\1\0\0\0\0\1", "unsupported", "Gatan DM3", "TIFF"),
        (b"FFF\0" + bytes(60), "unsupported", "FLIR", "camera's own program"),
        (b"\0\0\1\0moov\0\0\0\x6cmvhd", "unsupported", "QuickTime", "ffmpeg"),
        (b"\x30\x26\xb2\x75\x8e\x66", "unsupported", "Windows Media", "ffmpeg"),
        (b"#?RGBE\nFORMAT=32-bit", "unsupported", "Radiance", "TIFF with floats"),
        (b"bplist00\xd3", "not_an_image", "property list", "fetch the file"),
        (b"\0\0\0\1Bud1" + bytes(20), "not_an_image", "macOS metadata", "remove it"),
        (b"/annex/objects/SHA256E-s1--a", "not_an_image", "git-annex", "git annex get"),
        (b"[InternetShortcut]\r\nURL=", "not_an_image", "a shortcut", "leads to"),
        (b"ONECLASS\0\0", "not_an_image", "a model of oneclass", "'oneclass score"),
    ],
)
def test_each_is_named_with_what_to_do(
    tmp_path: Path, data: bytes, reason: str, name: str, advice: str
) -> None:
    (tmp_path / "a.png").write_bytes(data)
    for look in (images.read, images.probe):
        with pytest.raises(ImageError) as caught:
            look(tmp_path / "a.png")
        assert caught.value.reason == reason
        assert name in caught.value.detail
        assert advice in caught.value.detail


@pytest.mark.parametrize("head", ["path,label\n", "\ufeffPath;label\n", "path\tscore\n"])
def test_a_table_among_the_images_is_told_where_tables_go(tmp_path: Path, head: str) -> None:
    path = tmp_path / "truth.csv"
    path.write_text(head + "a.png,good\n", encoding="utf-8")
    with pytest.raises(ImageError) as error:
        images.read(path)
    assert error.value.reason == "not_an_image"
    assert "this is a table and no image" in error.value.detail
    assert ".txt" in error.value.detail
    assert "--labels" in error.value.detail


def test_every_mark_lies_in_what_is_read() -> None:
    assert all(kind.at + len(kind.magic) <= HEAD_BYTES for kind in KINDS)
    assert all(kind.advice and kind.name for kind in KINDS)


@pytest.mark.parametrize("name", ["x.npy", "x.mat", "x.nc"])
def test_what_is_to_load_an_array_loads_it(tmp_path: Path, name: str) -> None:
    """The function that the message names, of that package, gives pixels that can be scored."""
    import scipy.io

    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    file = tmp_path / name
    if file.suffix == ".npy":
        np.save(file, image)
    elif file.suffix == ".mat":
        scipy.io.savemat(file, {"image": image})
    else:
        with scipy.io.netcdf_file(file, "w") as made:
            made.createDimension("y", 8)
            made.createDimension("x", 8)
            made.createVariable("image", "b", ("y", "x"))[:] = image
    with pytest.raises(ImageError, match="and give the arrays") as told:
        images.read(file)
    named = re.search(r"load it with ((?:\w+\.)+)(\w+) and", told.value.detail)
    assert named
    package = importlib.import_module(named[1].rstrip("."))
    loaded = getattr(package, named[2])(file)
    if file.suffix == ".npy":
        found = loaded
    elif file.suffix == ".mat":
        found = loaded["image"]
    else:
        found = loaded.variables["image"][:].copy()
        loaded.close()
    assert np.array_equal(found, image)
