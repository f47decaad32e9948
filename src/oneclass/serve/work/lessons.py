"""What can be learnt of what people reviewed, and what they should look at before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from oneclass.detector.model import FittedModel
from oneclass.detector.predictions import Prediction
from oneclass.detector.updating import far_odder
from oneclass.errors import ImageError
from oneclass.images.reading import read
from oneclass.images.sources import content_digest
from oneclass.serve.records.database import Row
from oneclass.serve.records.reviews import Reviews
from oneclass.serve.records.versions import Version, Versions
from oneclass.serve.work.keeping import Keeping
from oneclass.serve.work.library import Library


@dataclass(frozen=True)
class Lesson:
    """A picture to learn, of which somebody said that it was a false alarm.

    Attributes:
        id: of a prediction on it.
        ids: of all that were called false alarms.
        image: SHA-256 of the file's bytes, in hex.
        path: the image as it was named.
        score: by the version that called it odd.
        far: whether that version finds it far odder than any normal image, as `oneclass update`
            asks about: a defect that is learnt as normal is never found again.
    """

    id: int
    ids: frozenset[int]
    image: str
    path: str
    score: float
    far: bool


def knows(model: FittedModel, file: Path) -> bool:
    """Whether a model has learnt from a picture, by its pixels; not where nobody can say.

    Args:
        model: files of before do not tell.
        file: that may have gone a moment ago.
    """
    if model.learnt is None:
        return False
    try:
        pixels = read(file, at_least=model.representation.preprocessing.at_least)
    except ImageError:
        return False
    return model.knows(content_digest(pixels))


class Taught:
    """Says which pictures of reviews a version has learnt from.

    Args:
        reviews: with what is noted of it.
        library: the models, that are asked where nothing is noted.
        keeping: the pictures.
    """

    def __init__(self, reviews: Reviews, library: Library, keeping: Keeping) -> None:
        self._reviews, self._library, self._keeping = reviews, library, keeping
        self._asked: dict[tuple[str, str], bool] = {}

    def judged(self, version: Version, verdict: str, *, taught: bool) -> list[Row]:
        """Predictions of a version's model that a verdict stands of, with a picture still kept.

        Args:
            version: that may have learnt from the pictures.
            verdict: of a person.
            taught: whether it has.

        Raises:
            ModelFileError: the file of the version is damaged.
        """
        return [
            row
            for row in self._reviews.judged(version.id, verdict, taught=taught)
            if taught
            == (self._knows(version, row["image"]) if row["taught"] is None else row["taught"])
        ]

    def _knows(self, version: Version, image: str) -> bool:
        """Whether a version has learnt a picture that it never judged, by its pixels."""
        key = (version.digest, image)
        if key not in self._asked:
            model = self._library.detector(version).model
            self._asked[key] = knows(model, self._keeping.place(image))
        return self._asked[key]

    def anomalies(self, version: Version) -> dict[str, list[Row]]:
        """Pictures that somebody called really odd, and that a version has learnt as normal ones.

        Returns:
            By their digests, the predictions on each. Errors as for `judged`.
        """
        found: dict[str, list[Row]] = {}
        for row in self.judged(version, "real", taught=True):
            found.setdefault(row["image"], []).append(row)
        return found


def lessons(taught: Taught, versions: Versions, library: Library, version: Version) -> list[Lesson]:
    """False alarms of a model that a version of it has not learnt, in the order in which they came.

    Raises:
        ModelFileError: the file of a version that judged one of them is damaged.
    """
    rows = taught.judged(version, "false_alarm", taught=False)
    far: set[int] = set()
    for version_id in {row["version_id"] for row in rows}:
        judge = versions.by_id(version_id)
        assert judge is not None, "versions are never removed"
        said = [
            Prediction(str(row["id"]), row["score"], row["p_value"], bool(row["is_anomaly"]))
            for row in rows
            if row["version_id"] == version_id
        ]
        odd = far_odder(said, library.detector(judge).model)
        far |= {int(prediction.path) for prediction in odd}
    of_image: dict[str, list[Row]] = {}
    for row in rows:
        of_image.setdefault(row["image"], []).append(row)
    found = []
    for image, same in of_image.items():
        one = next((row for row in same if row["id"] in far), same[0])
        ids = frozenset(row["id"] for row in same)
        found.append(Lesson(one["id"], ids, image, one["path"], one["score"], one["id"] in far))
    return found


def grown(versions: Versions, version: Version) -> Version | None:
    """The newest version that grew from this one; others may have come since."""
    found = versions.of(version.name)
    return next((one for one in found if one.parent_id == version.id), None)


def learnt_by(reviews: Reviews, version: Version, images: set[str], *, alone: bool) -> bool:
    """Whether a version has learnt these images, and none that is no false alarm any more.

    Args:
        reviews: of all versions.
        version: that may have.
        images: their digests.
        alone: whether it must have learnt no others.
    """
    learnt = [row for row in reviews.compared(version.id, version.false_alarms) if row["learnt"]]
    there = {row["image"] for row in learnt}
    has = images == there if alone else images <= there
    return has and all(row["review"] == "false_alarm" for row in learnt)
