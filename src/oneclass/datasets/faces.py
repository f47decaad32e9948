"""Faces by sex, at the paper's 100 x 100 grey pixels."""

from __future__ import annotations

from pathlib import Path

from oneclass.datasets import DataSet
from oneclass.datasets.folders_of import read_classes, two_folders
from oneclass.errors import InputError
from oneclass.images import folders
from oneclass.system.texts import read_text, why

SIZE = (100, 100)
CLASSES = ("male", "female")
SEXES = {"m": "male", "male": "male", "1": "male", "f": "female", "female": "female", "0": "female"}
STAND_IN = "other faces than the augmented CASIA-WebFace's 988,828"
HEADINGS = {"sex", "gender"}


def load_faces(folder: Path, sexes: Path | None = None) -> DataSet:
    """Faces from `male/<identity>/*` and `female/<identity>/*`, or from `<identity>/*` and a list.

    Args:
        folder: of the faces.
        sexes: file with the sex of each identity, as for `read_sexes`; None for the first layout.

    Raises:
        InputError: there is no such folder, a class has no readable image, or the list is wrong.
    """
    if sexes is None:
        images, labels, found = two_folders(
            folder, CLASSES, SIZE, or_else="the sex of each identity with --sexes FILE"
        )
        return DataSet("CASIA", images, labels, f"faces: {found}", STAND_IN)
    sex_of = read_sexes(sexes)
    listing = folders.expand(folder)
    files: dict[str, list[Path]] = {name: [] for name in CLASSES}
    without = set()
    for path in listing.paths:
        identity = path.relative_to(folder).parts[0]
        if identity in sex_of:
            files[sex_of[identity]].append(path)
        else:
            without.add(identity)
    expected = f"Expected a folder an identity, named as in {sexes}"
    images, labels, found = read_classes(folder, files, SIZE, listing.errors, expected)
    left_out = (
        f" {len(without):,} identities without a sex in {sexes} are left out, such as "
        f"{min(without)}."
        if without
        else ""
    )
    return DataSet("CASIA", images, labels, f"faces: {found}{left_out}", STAND_IN)


def read_sexes(file: Path) -> dict[str, str]:
    """The sex of each identity: one a line, `identity,sex` or `identity sex`.

    A sex is m, male or 1, or f, female or 0, in any case of letters. Empty lines, lines that begin
    with `#`, and a first line that ends in `sex` or `gender` are passed over.

    Returns:
        For each identity "male" or "female".

    Raises:
        InputError: the file cannot be read, or a line is wrong; the message has its number.
    """
    try:
        lines = read_text(file).splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"sexes {file}: cannot be read as text ({why(error)}).") from error
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        fields = [f.strip().strip('"') for f in (line.split(",") if "," in line else line.split())]
        if not any(fields) or line.lstrip().startswith("#"):
            continue
        if number == 1 and fields[-1].lower() in HEADINGS:
            continue
        sex = SEXES.get(fields[-1].lower())
        if len(fields) != 2 or not fields[0] or sex is None:
            raise InputError(
                f"sexes {file}, line {number}: {line.strip()!r}; expected an identity and m, f, "
                "male, female, 1 (male) or 0 (female), with a comma or a space between them."
            )
        if found.setdefault(fields[0], sex) != sex:
            raise InputError(
                f"sexes {file}, line {number}: {fields[0]!r} is {sex} here and was "
                f"{found[fields[0]]} before. Keep one of the lines."
            )
    return found
