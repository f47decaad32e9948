"""DICOM: what a scanner writes, at twelve bits, and with a patient's name in it.

The handwritten fives once more, as a scanner would write them: twelve bits, a patient's name and
number in each file, and in half of them white is zero (MONOCHROME1). They get the very scores that
the same digits get as arrays of sixteen bits, and the model holds nothing of the patient. Needs
the extra `dicom`; [what is read of a file](../images.md#dicom).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from oneclass import Detector
from oneclass.datasets.mnist import mnist_5k

NAME = "Muster^Erika"
N_NORMAL, N_NEW = 100, 20


def write(file: Path, digit: np.ndarray, *, inverted: bool) -> None:
    """Write (28, 28) uint8 as a DICOM file of twelve bits."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.PatientName, made.PatientID = NAME, "4711"
    made.SOPClassUID, made.SOPInstanceUID = SecondaryCaptureImageStorage, UID("1.2.3")
    made.Rows, made.Columns = digit.shape
    made.SamplesPerPixel, made.PixelRepresentation = 1, 0
    made.BitsAllocated, made.BitsStored, made.HighBit = 16, 12, 11
    made.PhotometricInterpretation = "MONOCHROME1" if inverted else "MONOCHROME2"
    values = np.rint(digit / 255 * 4095).astype(np.uint16)
    made.PixelData = (4095 - values if inverted else values).tobytes()
    file.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(file, enforce_file_format=True)


def main(folder: Path) -> tuple[Detector, dict[Path, str]]:
    """Learn, score and tell; return the detector and the images to show, with captions."""
    images, labels = mnist_5k()
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order], labels[order]
    fives, others = images[labels == 5], images[labels != 5]
    new = np.concatenate([fives[N_NORMAL : N_NORMAL + N_NEW], others[:N_NEW]])
    for part, digits in (("normal", fives[:N_NORMAL]), ("new", new)):
        for i, digit in enumerate(digits):
            write(folder / part / f"{i:03}.dcm", digit, inverted=i % 2 == 1)

    detector = Detector().fit(folder / "normal")
    found = list(detector.score(folder / "new"))
    as_arrays = np.rint(np.rint(new / 255 * 4095) * 65535 / 4095).astype(np.uint16)
    away = abs(np.array([p.score for p in found]) - detector.score(as_arrays).scores).max()
    verdicts = [p.is_anomaly for p in found]
    print(f"fives called anomalies:  {sum(verdicts[:N_NEW]):2} of {N_NEW}, 5 % promised")
    print(f"others called anomalies: {sum(verdicts[N_NEW:]):2} of {N_NEW}")
    print(f"scores differ from those of the same digits in sixteen bits by: {away}")
    detector.save(folder / "fives.oneclass", rows=True)
    told = any(NAME.encode() in file.read_bytes() for file in folder.glob("fives.oneclass*"))
    print(f"the patient's name is in the model or its rows: {told}")

    chosen = [*found[:4], *found[N_NEW : N_NEW + 4]]
    return detector, {Path(p.path): f"p {p.p_value:.3f}" for p in chosen}


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "dicom"))
