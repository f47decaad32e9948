"""DICOM by the standard's own formulas; and whose picture it is stays untold."""

from __future__ import annotations

import io
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate, get_frame
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    SecondaryCaptureImageStorage,
)

from conftest import stripes
from oneclass import Detector, ImageError, images
from oneclass.cli import cli
from oneclass.images.formats import dicom
from oneclass.images.formats.codestream import coded_size
from oneclass.images.formats.source import RefusedError

SECRETS = ("Zweifel^Kunigunde", "ID-4711-0815", "19610213", "St. Anderswo")


def make(pixels: np.ndarray, *, bits: int | None = None, **elements: Any) -> FileDataset:
    """A picture with all that must not be told."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.PatientName, made.PatientID, made.PatientBirthDate, made.InstitutionName = SECRETS
    made.SOPClassUID, made.SOPInstanceUID = meta.MediaStorageSOPClassUID, UID("1.2.3")
    made.Rows, made.Columns = pixels.shape[-3:-1] if pixels.shape[-1] == 3 else pixels.shape[-2:]
    colour = pixels.shape[-1] == 3
    made.SamplesPerPixel = 3 if colour else 1
    made.PhotometricInterpretation = "RGB" if colour else "MONOCHROME2"
    if colour:
        made.PlanarConfiguration = 0
    made.BitsAllocated = pixels.itemsize * 8
    made.BitsStored = bits or made.BitsAllocated
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(pixels.dtype.kind == "i")
    made.PixelData = pixels.tobytes() + b"\0" * (pixels.nbytes % 2)
    for name, value in elements.items():
        setattr(made, name, value)
    return made


def save(file: Path, made: FileDataset) -> Path:
    made.save_as(file, enforce_file_format=True)
    return file


def pixels(depth: str, bits: int, shape: tuple[int, ...] = (6, 8), seed: int = 0) -> np.ndarray:
    low, high = (-(1 << bits - 1), 1 << bits - 1) if depth[0] == "i" else (0, 1 << bits)
    made = np.random.default_rng(seed).integers(low, high, shape).astype(depth)
    made.flat[:2] = low, high - 1
    return made


@pytest.mark.parametrize(("depth", "bits"), [("u1", 8), ("u2", 12), ("u2", 16), ("u2", 10)])
@pytest.mark.parametrize("turned", [False, True])
def test_unsigned_numbers_keep_their_depth(
    tmp_path: Path, depth: str, bits: int, turned: bool
) -> None:
    stored = pixels(depth, bits)
    photometric = "MONOCHROME1" if turned else "MONOCHROME2"
    file = save(tmp_path / "a.dcm", make(stored, bits=bits, PhotometricInterpretation=photometric))
    found, top = images.read(file), 2**bits - 1
    full = 255 if bits <= 8 else 65535
    expected = np.rint((top - stored if turned else stored) * (full / top))
    assert found.dtype == (np.uint8 if bits <= 8 else np.uint16)
    np.testing.assert_allclose(found, expected, atol=0.51, rtol=0)
    assert len(np.unique(found)) == len(np.unique(stored))
    header = images.probe(file)
    assert (header.format, header.depth, header.channels) == ("DICOM", str(found.dtype), 1)


@given(
    st.sampled_from(["i1", "u1", "i2", "u2"]),
    st.floats(-50, 50).filter(lambda slope: abs(slope) > 0.01),
    st.floats(-2000, 2000),
    st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_slope_and_intercept_give_the_modalitys_numbers(
    tmp_path_factory: pytest.TempPathFactory, depth: str, slope: float, intercept: float, turn: bool
) -> None:
    stored = pixels(depth, 8 * np.dtype(depth).itemsize)
    slope, intercept = float(f"{slope:.6g}"), float(f"{intercept:.6g}")
    made = make(stored, RescaleSlope=f"{slope:.6g}", RescaleIntercept=f"{intercept:.6g}")
    made.PhotometricInterpretation = "MONOCHROME1" if turn else "MONOCHROME2"
    file = save(tmp_path_factory.mktemp("d") / "a.dcm", made)
    if depth[0] == "u" and (slope, intercept) == (1, 0):
        return
    found = images.read(file)
    values = stored.astype(float) * slope + intercept
    ends = np.iinfo(stored.dtype)
    sum_of_ends = (int(ends.min) + int(ends.max)) * slope + 2 * intercept
    expected = sum_of_ends - values if turn else values
    assert str(found.dtype) == "float32" == images.probe(file).depth
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-2)


def test_hounsfield_units_are_exact() -> None:
    file = get_testdata_file("CT_small.dcm")
    told = pydicom.dcmread(file)
    expected = told.pixel_array.astype(float) * told.RescaleSlope + told.RescaleIntercept
    np.testing.assert_array_equal(images.read(file), expected)


def test_a_window_for_looking_changes_nothing(tmp_path: Path) -> None:
    stored = pixels("u2", 12)
    plain = save(tmp_path / "a.dcm", make(stored, bits=12))
    window = save(tmp_path / "b.dcm", make(stored, bits=12, WindowCenter="40", WindowWidth="80"))
    np.testing.assert_array_equal(images.read(plain), images.read(window))


def test_the_modalitys_table_is_obeyed(tmp_path: Path) -> None:
    stored = pixels("u1", 8)
    table, values = Dataset(), np.random.default_rng(1).integers(0, 1024, 256).astype("<u2")
    table.add_new("LUTDescriptor", "US", [256, 0, 10])
    table.ModalityLUTType = "US"
    table.add_new("LUTData", "OW", values.tobytes())
    file = save(tmp_path / "a.dcm", make(stored, ModalityLUTSequence=Sequence([table])))
    expected = np.rint(values[stored] * (65535 / 1023))
    np.testing.assert_allclose(images.read(file), expected, atol=0.51)
    assert images.probe(file).depth == "uint16"


@pytest.mark.parametrize("depth", ["u1", "u2"])
def test_colours(tmp_path: Path, depth: str) -> None:
    stored = pixels(depth, 8 * np.dtype(depth).itemsize, (5, 7, 3))
    np.testing.assert_array_equal(images.read(save(tmp_path / "a.dcm", make(stored))), stored)


@pytest.mark.parametrize(
    "name",
    ["implicit", "bigendian", "RLE", "expb", "jp2klossless", "jpeg_ls_lossless"],
)
def test_every_lossless_way_to_store_gives_the_same(name: str) -> None:
    expected = images.read(get_testdata_file("MR_small.dcm"))
    np.testing.assert_array_equal(images.read(get_testdata_file(f"MR_small_{name}.dcm")), expected)


def test_one_frame_is_read_and_two_are_counted(tmp_path: Path) -> None:
    two = pixels("u1", 8, (2, 6, 8))
    one = save(tmp_path / "one.dcm", make(two[0], NumberOfFrames="1"))
    np.testing.assert_array_equal(images.read(one), two[0])
    file = save(tmp_path / "two.dcm", make(two, NumberOfFrames="2"))
    with pytest.raises(ImageError, match="2 frames"):
        images.read(file)


@pytest.mark.parametrize(
    ("uid", "coded"), [(JPEG2000Lossless, "JPEG2000"), (JPEGBaseline8Bit, "JPEG")]
)
def test_a_coded_picture_of_another_size_is_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: str, coded: str
) -> None:
    for shape in ((6, 8), (8, 6), (600, 800)):
        stream = io.BytesIO()
        Image.fromarray(pixels("u1", 8, shape)).save(stream, coded)
        made = make(pixels("u1", 8))
        made.file_meta.TransferSyntaxUID = uid
        made.PixelData = encapsulate([stream.getvalue()])
        made["PixelData"].is_undefined_length = True
        file = save(tmp_path / "a.dcm", made)
        if shape == (6, 8):
            assert images.read(file).shape == shape
            continue
        with monkeypatch.context() as patched:
            patched.setattr(dicom, "_stored", None)  # the decoders are not reached
            with pytest.raises(ImageError, match="another size than it says"):
                images.read(file)


@pytest.mark.parametrize("name", ["jp2klossless", "jpeg_ls_lossless"])
def test_the_size_of_a_coded_stream(name: str) -> None:
    stored = pydicom.dcmread(get_testdata_file(f"MR_small_{name}.dcm"))
    stream = get_frame(stored.PixelData, 0, number_of_frames=1)
    assert coded_size(stream) == (64, 64)
    for end in range(40):
        assert coded_size(stream[:end]) in (None, (64, 64))
    assert coded_size(b"no picture") is None


@pytest.mark.parametrize(
    ("uid", "name"),
    [
        ("1.2.840.10008.1.2.4.100", "MPEG2 Main Profile / Main Level"),
        ("1.2.840.10008.1.2.1.99", "Deflated Explicit VR Little Endian"),
        ("1.2.840.10008.1.2.4.95", "JPIP HTJ2K Referenced Deflate|JPIP Referenced Deflate"),
        ("1.2.3.4", r"unknown \(1.2.3.4\)"),
    ],
)
def test_what_cannot_be_decoded_is_named(tmp_path: Path, uid: str, name: str) -> None:
    made = make(pixels("u1", 8))
    made.file_meta.TransferSyntaxUID = UID("1.2.840.10008.1.2.4.100")
    made.PixelData = encapsulate([b"\0\0"])
    made["PixelData"].is_undefined_length = True
    buffer = io.BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    old, new = (u.encode() + b"\0" * (len(u) % 2) for u in ("1.2.840.10008.1.2.4.100", uid))
    data = buffer.getvalue()
    at = data.index(old)
    file = tmp_path / "a.dcm"
    length = int.from_bytes(data[at - 2 : at], "little")
    assert length == len(old)
    # The group's own length is only a hint that readers need not follow; it stays right by padding.
    file.write_bytes(data[:at] + new.ljust(length, b"\0") + data[at + length :])
    with pytest.raises(ImageError, match=name) as raised:
        images.read(file)
    assert raised.value.reason == "unsupported"


@pytest.mark.parametrize("name", ["test-SR.dcm", "rtplan.dcm", "waveform_ecg.dcm"])
def test_no_picture(name: str) -> None:
    with pytest.raises(ImageError, match="without a picture"):
        images.read(get_testdata_file(name))


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    file = get_testdata_file("MR_small.dcm")
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(ImageError, match=r'pip install "(oneclass\[dicom\]|pydicom)'):
        images.read(file)


@given(st.data())
@settings(max_examples=150, deadline=None)
@pytest.mark.filterwarnings("ignore")
def test_damage_ends_in_a_reason(data: st.DataObject) -> None:
    whole = bytearray(Path(get_testdata_file("MR_small_RLE.dcm")).read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(132, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    cut = bytes(whole[: data.draw(st.integers(132, len(whole)))])
    with suppress(RefusedError):
        source = dicom.inspect(io.BytesIO(cut))
        if source.header.nbytes < 1 << 24 and source.header.frames == 1:
            found = source.decode()
            assert str(found.dtype) == source.header.depth


def test_nothing_of_the_patient_is_kept_or_told(tmp_path: Path) -> None:
    from oneclass.cli.talk.console import run

    normal, incoming = tmp_path / "normal", tmp_path / "incoming"
    for folder, seed, upright in ((normal, 1, True), (incoming, 2, False)):
        folder.mkdir()
        for number, image in enumerate(stripes(24, seed=seed, upright=upright)):
            save(folder / f"{number:03}.dcm", make(image.astype(np.uint16) * 16, bits=12))
    broken = make(pixels("u1", 8))
    broken.Rows = 60
    save(incoming / "broken.dcm", broken)
    detector = Detector(backbone="greyscale", n_halfspaces=1).fit(normal)
    detector.save(tmp_path / "m.oneclass", rows=True)
    with pytest.MonkeyPatch.context() as patch:
        for words in (
            ["check", str(incoming), "--json"],
            ["score", str(tmp_path / "m.oneclass"), str(incoming), "-o", str(tmp_path / "run"),
             "--heatmaps", str(tmp_path / "heat")],
            ["report", str(tmp_path / "m.oneclass"), str(tmp_path / "run")],
        ):  # fmt: skip
            told = io.StringIO()
            patch.setattr(sys, "argv", ["oneclass", *words])
            patch.setattr(sys, "stdout", told)
            patch.setattr(sys, "stderr", told)
            code = run(cli)
            assert code in (0, 3), told.getvalue()
            assert not [secret for secret in SECRETS if secret in told.getvalue()]
    written = [p for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".dcm"]
    assert {"m.oneclass", "m.oneclass.rows", "predictions.csv", "errors.csv"} <= {
        p.name for p in written
    }
    for path in written:
        content = path.read_bytes()
        assert not [s for s in SECRETS if s.encode() in content or s in path.name], path
