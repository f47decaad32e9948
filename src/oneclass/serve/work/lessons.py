"""What can be learnt of what people reviewed, and what they should look at before."""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass, replace
from pathlib import Path

from oneclass.detector.estimator import Detector
from oneclass.detector.model import FittedModel
from oneclass.detector.updating import far_from
from oneclass.errors import ImageError
from oneclass.images.reading import read
from oneclass.images.sources import Sources, content_digest
from oneclass.serve.records.database import Row
from oneclass.serve.records.reviews import Reviews
from oneclass.serve.records.versions import Version, Versions
from oneclass.serve.work.keeping import Keeping
from oneclass.serve.work.library import Library

AT_ONCE = 8
"""Pictures that are scored before the clock is looked at."""
Said = tuple[float, float]


@dataclass(frozen=True)
class Lesson:
    """A picture to learn, of which somebody said that it was a false alarm.

    Attributes:
        id: of the last prediction on it.
        ids: of all that were called false alarms.
        image: SHA-256 of the file's bytes, in hex.
        path: the image as it was named last.
        judged: whether the version that is to learn it was asked.
        said: the score and the p-value by that version; None where it was not asked, or the picture
            cannot be read.
        far: whether it finds it far odder than any normal image, as `oneclass update` asks about:
            a defect that is learnt as normal is never found again.
    """

    id: int
    ids: frozenset[int]
    image: str
    path: str
    judged: bool = False
    said: Said | None = None
    far: bool = False

    @property
    def doubtful(self) -> bool:
        """Whether a person is to look at it before it is learnt; also what nobody could judge."""
        return self.far or self.said is None


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


def lessons(taught: Taught, version: Version) -> list[Lesson]:
    """False alarms of a model that a version of it has not learnt, in the order in which they came.

    Returns:
        None of them judged yet.

    Raises:
        ModelFileError: the file of the version is damaged.
    """
    of_image: dict[str, list[Row]] = {}
    for row in taught.judged(version, "false_alarm", taught=False):
        of_image.setdefault(row["image"], []).append(row)
    found = []
    for image, same in of_image.items():
        last = same[-1]  # by the name that it came under last, as in all lists
        found.append(Lesson(last["id"], frozenset(row["id"] for row in same), image, last["path"]))
    return found


class Judging:
    """Says what a version finds of the false alarms that it may learn, whichever version called
    them odd: what one learnt from some pictures calls odd may be ordinary to another, and the
    other way round.

    Args:
        reviews: with what versions said before.
        library: the models, that are asked where this one said nothing.
        keeping: the pictures.
    """

    def __init__(self, reviews: Reviews, library: Library, keeping: Keeping) -> None:
        self._reviews, self._library, self._keeping = reviews, library, keeping
        self._asked: dict[tuple[str, str], Said | None] = {}
        self._lock = threading.Lock()

    def far_from(self, version: Version) -> float:
        """The score above which a version finds images far odder than any normal one.

        Raises:
            ModelFileError: the file of the version is damaged.
        """
        return far_from(self._library.detector(version).model)

    def judge(
        self, version: Version, wanted: list[Lesson], seconds: float = math.inf
    ) -> list[Lesson]:
        """The same lessons, judged by a version.

        Args:
            version: that is to learn them.
            wanted: the lessons.
            seconds: after which no more pictures are scored: those left are not `judged`.

        Raises:
            ModelFileError: the file of the version is damaged.
        """
        if not wanted:
            return []
        detector, until = self._library.detector(version), time.monotonic() + seconds
        known = self._reviews.said_by(version.id)
        new = [one.image for one in wanted if one.image not in known]
        new = [image for image in new if (version.digest, image) not in self._asked]
        for i in range(0, len(new), AT_ONCE):
            self._score(version, detector, new[i : i + AT_ONCE])
            if time.monotonic() >= until:
                break
        limit, found = far_from(detector.model), []
        for one in wanted:
            key = (version.digest, one.image)
            said = known.get(one.image) or self._asked.get(key)
            judged = one.image in known or key in self._asked
            found.append(replace(one, judged=judged, said=said, far=bool(said and said[0] > limit)))
        return found

    def _score(self, version: Version, detector: Detector, images: list[str]) -> None:
        with self._lock:  # who asks for the same meanwhile finds it
            left = [image for image in images if (version.digest, image) not in self._asked]
            files = [self._keeping.place(image) for image in left]
            for image, result in zip(left, detector.score_each(Sources(files, left)), strict=True):
                self._asked[version.digest, image] = (
                    None if isinstance(result, ImageError) else (result.score, result.p_value)
                )


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
