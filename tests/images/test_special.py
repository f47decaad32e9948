"""Formats that need a package: how many `check` finds, and what it says stops them."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pillow_heif
import pytest
from PIL import Image, features
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from oneclass.images import special
from oneclass.images.check import check
from oneclass.images.checking.report import CheckReport
from oneclass.images.formats import heif
from oneclass.system.host.machine import pip_install

PICTURE = Image.effect_noise((32, 24), 60).convert("RGB")


def dicom() -> bytes:
    """The smallest picture that is whole."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
    made.Rows, made.Columns, made.SamplesPerPixel = 2, 2, 1
    made.PhotometricInterpretation, made.PixelRepresentation = "MONOCHROME2", 0
    made.BitsAllocated, made.BitsStored, made.HighBit = 8, 8, 7
    made.PixelData = bytes((1, 2, 3, 4))
    made.save_as(out := io.BytesIO(), enforce_file_format=True)
    return out.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two DICOM files, one HEIC, one AVIF if there is one, a JPEG XL of either kind, a PNG."""
    for name in ("a.dcm", "b.dcm"):
        (tmp_path / name).write_bytes(dicom())
    pillow_heif.from_pillow(PICTURE).save(tmp_path / "c.heic", quality=90)
    if features.check("avif"):
        PICTURE.save(tmp_path / "d.avif")
    (tmp_path / "e.jxl").write_bytes(b"\xff\x0a" + bytes(40))
    (tmp_path / "f.jxl").write_bytes(b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40))
    PICTURE.save(tmp_path / "g.png")
    return tmp_path


def line(report: CheckReport, kind: str) -> str:
    (found,) = (line for line in report.special if line.startswith(f"{kind}: "))
    assert f"  {found}\n" in report.text()
    assert found in report.to_json()["special_formats"]
    return found


def test_each_format_that_is_there_has_a_line(folder: Path) -> None:
    report = check(folder)
    assert line(report, "DICOM") == "DICOM: 2 files, 2 read by the extra dicom"
    assert line(report, "HEIC") == "HEIC: 1 file, 1 read by the extra heif"
    if features.check("avif"):
        assert line(report, "AVIF") == "AVIF: 1 file, 1 read by Pillow"
    assert line(report, "JPEG XL").startswith("JPEG XL: 2 files, none can be read: no extra")
    assert [e.path.name for e in report.errors] == ["e.jxl", "f.jxl"]


def test_what_is_missing_is_named_with_the_line_that_installs_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pydicom", None)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    monkeypatch.setattr(features, "check", lambda _: False)
    monkeypatch.setattr(special, "find_spec", lambda _: None)
    report = check(folder)
    assert "2 files, none can be read: install what reads it" in line(report, "DICOM")
    assert pip_install("dicom") in line(report, "DICOM")
    assert pip_install("heif") in line(report, "HEIC")
    if (folder / "d.avif").exists():
        assert heif.NEWER_PILLOW in line(report, "AVIF")


def test_a_damaged_one_is_counted_and_told_apart(folder: Path) -> None:
    content = (folder / "c.heic").read_bytes()
    (folder / "h.heic").write_bytes(content[: len(content) // 2])
    found = line(check(folder), "HEIC")
    assert found == "HEIC: 2 files, 1 read by the extra heif; 1 cannot be read, for the reason "\
        "told with each"  # fmt: skip


def test_no_line_without_such_a_file(tmp_path: Path) -> None:
    PICTURE.save(tmp_path / "g.png")
    assert check(tmp_path).special == ()
