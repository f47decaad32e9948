"""What goes in and comes out as JSON."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from oneclass.serve.records.versions import RateFrom
from oneclass.serve.web.asking import LARGEST_ID
from oneclass.serve.web.problems import WORDS


class Strict(BaseModel):
    """Nothing that is not known is taken."""

    model_config = ConfigDict(extra="forbid")


class PredictionOut(BaseModel):
    """What `oneclass score` says of an image, and where to find it again."""

    path: str
    score: float = Field(description="The anomaly score; larger is odder.")
    p_value: float = Field(description="The share of normal images that look at least as odd.")
    is_anomaly: bool
    verdict: str = Field(description="anomaly, fine, or, of models that have it, unclear.")
    id: int
    learnt: bool | None = Field(
        description="Whether the version learnt from this very image, so that its verdict proves "
        "nothing; null where its file, or a record of before, cannot say."
    )


class FailureOut(BaseModel):
    """An image that could not be scored."""

    path: str
    reason: str
    detail: str


class ScoredOut(BaseModel):
    """The answer to a request to score."""

    model: str
    version: int
    model_sha256: str
    false_alarms: float = Field(description="The rate that verdicts go by.")
    predictions: list[PredictionOut]
    errors: list[FailureOut]
    drift: str | None = Field(description="A warning where the batch looks odd as a whole.")
    learnt: str | None = Field(
        description="A warning where some of the images are ones that the version learnt from."
    )


class Paths(Strict):
    """Files on the server."""

    paths: list[str] = Field(min_length=1, max_length=256)


class RecordOut(PredictionOut):
    """A prediction as it is kept."""

    at: float = Field(description="Seconds since 1970.")
    model: str
    version: int
    model_sha256: str
    image_sha256: str
    image_kept: bool
    source: str
    false_alarms: float
    seconds: float
    review: str | None


class RecordsOut(BaseModel):
    """Predictions, the newest first."""

    predictions: list[RecordOut]
    next: int | None = Field(description="For `before`, to go on; None at the end.")


class PredictionsIn(Strict):
    """Some predictions, by their ids."""

    predictions: list[Annotated[int, Field(ge=0, le=LARGEST_ID)]] = Field(
        min_length=1, max_length=100_000
    )


class ReviewIn(Strict):
    """What a person says of a prediction."""

    verdict: Literal["real", "false_alarm", "unsure"] | None = Field(
        description="None takes the last verdict back: the one before it holds again, if any."
    )
    seen: Literal["real", "false_alarm", "unsure"] | None = Field(
        default=None,
        description="The verdict that you saw beside it, null for none: where somebody has said "
        "something else meanwhile, yours is refused (409). Left out, yours is taken anyway.",
    )


class VersionOut(BaseModel):
    """One version of a model."""

    model: str
    version: int
    model_sha256: str
    origin: str
    at: float
    serves: bool
    false_alarms: float
    n_learnt: int = Field(
        description="How many images an update learnt beside those of the version before; 0 of one "
        "that was learnt anew, or uploaded. Of how many images a version knows, its card says in "
        "fit.n_images."
    )
    can_learn: bool = Field(description="Whether what it learnt from is here, for an update.")
    card: dict[str, Any]


class TakenOut(VersionOut):
    """The version that serves from now on."""

    rate_from: RateFrom = Field(
        description="Whether it was learnt for its rate of false alarms, somebody set that for the "
        "model, or it is the nearest to that which the version supports."
    )


class ModelOut(BaseModel):
    """A model and its versions, the newest first."""

    name: str
    versions: list[VersionOut]


class ModelsOut(BaseModel):
    """The versions that serve."""

    models: list[VersionOut]


class DeletionOut(BaseModel):
    """A model, or a version of one, that was deleted and can be got back."""

    id: int
    model: str
    versions: int = Field(description="How many went.")
    numbers: list[int] = Field(description="Which ones.")
    at: float = Field(description="Seconds since 1970.")
    who: str
    until: float = Field(description="When its files are removed, and their room is free.")


class DeletionsOut(BaseModel):
    """What was deleted, the newest first."""

    deleted: list[DeletionOut]


class TakeIn(Strict):
    """Which version is to serve from now on."""

    version: int = Field(ge=1, le=1_000_000)


class RateIn(Strict):
    """The rate of false alarms that verdicts go by from now on."""

    false_alarms: float = Field(gt=0, lt=1)


class SetOut(BaseModel):
    """A set of good images."""

    id: str
    images: int


class SetAdded(SetOut):
    """A set, and what its newest image is called there."""

    file: str = Field(description="As a check tells it, and DELETE takes it.")


class ExpectedIn(Strict):
    """What is sent into a set."""

    names: list[Annotated[str, Field(max_length=500)]] = Field(
        max_length=100_000, description="Of images, as in X-File-Name; [] where all were sent."
    )
    bytes: list[Annotated[int, Field(ge=0)]] | None = Field(
        None, max_length=100_000, description="The size of each, to learn which are there already."
    )
    ended: bool = Field(
        False, description="Whether they were sent already, and there was no room for them."
    )


class SetSame(SetOut):
    """Another set of the very same pictures, whatever they are called there."""

    at: float = Field(description="When its last image came, in seconds since 1970.")
    learning: str | None = Field(
        description="The name of the model that is learnt from it; null where it waits."
    )


class SetExpecting(SetOut):
    """A set into which images are about to be sent."""

    same: SetSame | None = Field(
        description="With [], as all were sent: the set that holds the very same pictures already, "
        "if any. Learn from one of the two, and remove the other."
    )
    known: list[int] = Field(
        description="The places, from 0, of those names that are in it already with as many bytes."
    )


class SetKept(SetOut):
    """A set that can be learnt from."""

    first: list[str] = Field(description="The names of the first files in it.")
    at: float = Field(description="When its last image came, in seconds since 1970.")
    until: float = Field(description="When it is removed, unless more come.")
    missing: list[str] = Field(description="Names of images that were expected and did not arrive.")
    folders: dict[str, list[str]] = Field(
        description="Names of folders that speak of defects, and the files that came from them."
    )
    files: list[str] = Field(
        description="Files of other folders whose own names do, where at most half are called so."
    )
    arriving: bool = Field(
        description="Whether some are missing and one came just now: they may be on their way."
    )


class SetsOut(BaseModel):
    """Sets that no job uses, the newest first."""

    sets: list[SetKept]


class FitIn(Strict):
    """Learn a model from a set."""

    name: str = Field(min_length=1, max_length=60)
    set: str = Field(min_length=1, max_length=60)
    false_alarms: float | None = Field(default=None, gt=0, lt=1)
    rows: Literal["image", "patches", "both"] | None = Field(
        default=None, description="What is judged; None for what `oneclass fit` takes."
    )
    tiles: int | None = Field(
        default=None, ge=64, le=4096, multiple_of=32, description="Pixels on a side; None for none."
    )
    anyway: list[Annotated[str, Field(max_length=200)]] = Field(
        default=[],
        max_length=10_000,
        description="Files of the set, as a check names them, that somebody called really odd: "
        "they are learnt all the same. Others of them are left out.",
    )


class UpdateIn(Strict):
    """Learn reviewed false alarms into a new version."""

    predictions: list[int] | None = Field(
        default=None, max_length=10_000, description="None for all that are not learnt yet."
    )
    yes: bool = Field(default=False, description="Learn what looks like no normal image, unasked.")
    anyway: list[int] = Field(
        default=[],
        max_length=10_000,
        description="Predictions that somebody called really odd, on images that the version has "
        "learnt from: the new one learns them all the same. Others of them are left out.",
    )


class CheckIn(Strict):
    """Look at a set."""

    set: str = Field(min_length=1, max_length=60)


class ReportIn(Strict):
    """Write a report on the last predictions of a version."""

    version: int | None = Field(
        default=None, ge=1, le=1_000_000, description="The one that serves."
    )


class JobOut(BaseModel):
    """A job."""

    id: int
    kind: Literal["check", "fit", "update", "report"]
    name: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    done: int
    total: int
    stage: str | None = Field(description="What it does that has no count, while it does it.")
    at: float
    started: float | None
    ended: float | None
    result: dict[str, Any] | None
    error: str | None


class JobsOut(BaseModel):
    """Jobs, the newest first."""

    jobs: list[JobOut]


class WatchIn(Strict):
    """A folder to watch."""

    folder: str = Field(min_length=1, max_length=4096)
    model: str = Field(min_length=1, max_length=60)
    webhook: str | None = Field(default=None, max_length=2000)
    only_anomalies: bool = Field(
        default=False, description="Tell the webhook of anomalies and unclear ones only."
    )


class LookIn(Strict):
    """A folder that may be watched."""

    folder: str = Field(min_length=1, max_length=4096)
    model: str = Field(min_length=1, max_length=60)


class LookOut(BaseModel):
    """What is in it."""

    images: int = Field(description="That a watch would score before any that arrive.")
    whole: bool = Field(description="Whether these are all, or as many as were counted.")
    outside: int = Field(
        description="Links in it that lead out of the folders that the server may read: none of "
        "them is scored; a watch names them among what could not be used."
    )


class WatchChange(Strict):
    """Pause a watch, or let it go on."""

    state: Literal["on", "paused"]


class WatchOut(BaseModel):
    """A watched folder."""

    id: int
    folder: str
    model: str
    state: str
    webhook: str | None
    only_anomalies: bool
    images: int
    anomalies: int
    unclear: int
    failures: int
    last: float | None
    problem: str | None
    unusable: list[FailureOut] = Field(
        description="The last of those that could not be used, the newest first."
    )
    deliveries: dict[str, Any]


class WatchMade(WatchOut):
    """A new watch, with the secret that signs its webhook: shown this once."""

    secret: str
    beside: list[int] = Field(
        description="Watches with the same model of the same folder, of one in it or one around "
        "it: an image in both is scored once for each of them, and counts so often in Watch."
    )


class WatchesOut(BaseModel):
    """The watched folders."""

    watches: list[WatchOut]
    folders: list[str] = Field(description="Within these, folders may be watched.")


class Health(BaseModel):
    """How the server is."""

    status: str
    version: str


class Done(BaseModel):
    """It was done."""

    done: Literal[True] = True


class Problem(BaseModel):
    """Why a request was not done."""

    error: str = Field(description="One short word out of a closed set.")
    message: str = Field(description="What was wrong, and what to do next.")


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What an endpoint may answer instead, for the OpenAPI document."""
    always = (400, 401, 403, 413, 421, 422, 429, 503)
    return {
        status: {"model": Problem, "description": WORDS[status].replace("_", " ")}
        for status in sorted({*always, *statuses})
    }
