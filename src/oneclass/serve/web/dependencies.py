"""What endpoints ask for, as FastAPI's dependencies: async, so that no thread is woken for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import Depends, Query, Request

from oneclass.serve.records.database import Row
from oneclass.serve.records.predictions import Filter
from oneclass.serve.records.tokens import Holder
from oneclass.serve.records.versions import Version
from oneclass.serve.web.asking import LARGEST_ID, check_query, holder_for, no_version, service_of
from oneclass.serve.work.service import Service


async def _service(request: Request) -> Service:
    return service_of(request)


def needs(scope: str) -> Any:
    """A dependency that lets only holders of a scope in."""

    async def check(request: Request) -> Holder:
        return holder_for(request, scope)

    return Depends(check)


async def _known_query(request: Request) -> None:
    check_query(request, _query_names(request.scope["route"].dependant))


def _query_names(dependant: Any) -> Iterator[str]:
    """What an endpoint, and what it depends on, takes behind the ? of its address."""
    yield from (parameter.alias for parameter in dependant.query_params)
    for one in dependant.dependencies:
        yield from _query_names(one)


KNOWN_QUERY = Depends(_known_query)
"""A dependency that refuses what an address says and no endpoint looks at."""
TheService = Annotated[Service, Depends(_service)]
Reader = Annotated[Holder, needs("read")]
Reviewer = Annotated[Holder, needs("review")]
Teacher = Annotated[Holder, needs("learn")]
Id = Annotated[int | None, Query(ge=0, le=LARGEST_ID)]


@dataclass(frozen=True)
class Choice:
    """The model that a page is about.

    Attributes:
        versions: that serve, one of each model.
        chosen: the one of the model that was asked for, else of one that a person would want;
            None if there is none.
        deleted: where there is no model, what was deleted and can be got back, the newest first.
        waiting_of: how many verdicts of each model wait to be reviewed, where a page shows it.
    """

    versions: list[Version]
    chosen: Version | None
    deleted: list[Row]
    waiting_of: dict[str, int] | None = None


def _choice(service: TheService, model: str | None = None) -> Choice:
    """Of the model that was used last, unless another one is asked for.

    Raises:
        ProblemError: the one that is asked for is not there: another one's verdicts in its place
            would be wrong, and look right.
    """
    versions = service.versions.serving()
    by_name = {version.name: version for version in versions}
    if model and model not in by_name:
        raise no_version(service, model)
    deleted = [] if versions else service.deleting.deletions.all()
    return Choice(versions, by_name.get(model or service.versions.last_used() or ""), deleted)


def _to_review(service: TheService, model: str | None = None) -> Choice:
    """Of a model that has something to review, unless another one is asked for."""
    found, waiting = _choice(service, model), service.predictions.waiting()
    chosen = found.chosen
    if chosen is not None and chosen.name not in (model, *waiting):
        with_some = [version for version in found.versions if version.name in waiting]
        chosen = max(with_some, key=lambda version: waiting[version.name], default=chosen)
    return replace(found, chosen=chosen, waiting_of=waiting)


Chosen = Annotated[Choice, Depends(_choice)]
ToReview = Annotated[Choice, Depends(_to_review)]


@dataclass(frozen=True)
class Shown:
    """Which verdicts of a model a list shows.

    Attributes:
        only: those that were called odd or unclear.
        watch: those of a watched folder.
        rate: those of the version in use that this rate of false alarms would call odd.
        review: those that a person said this of.
    """

    only: bool = False
    watch: Id = None
    rate: Annotated[float | None, Query(gt=0, lt=1)] = None
    review: Literal["real", "false_alarm", "unsure"] | None = None

    def filter(self, chosen: Version, **more: Any) -> Filter:
        """The same for the records; `more` as for `Filter`."""
        return Filter(
            chosen.name,
            None if self.watch is None else f"watch:{self.watch}",
            noticed=self.only,
            at_rate=None if self.rate is None else (chosen.id, self.rate),
            review=self.review,
            pictures=self.review is not None,
            **more,
        )

    @property
    def query(self) -> str:
        """What an address says of it, behind other parameters: `&only=true&watch=3`, or nothing."""
        said = {
            "only": "true" if self.only else None,
            "watch": self.watch,
            "rate": self.rate,
            "review": self.review,
        }
        return "".join(f"&{urlencode({key: value})}" for key, value in said.items() if value)


List = Annotated[Shown, Depends()]
