"""What every endpoint asks: the service, who is there, a model by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from starlette.requests import Request

from oneclass.serve.records.database import Row
from oneclass.serve.records.tokens import Holder
from oneclass.serve.records.versions import Version
from oneclass.serve.web.problems import WORDS, ProblemError, not_found
from oneclass.serve.web.words import when, whom
from oneclass.serve.work.service import Service

Found = TypeVar("Found")
LARGEST_ID = 2**62
"""SQLite has ids up to about twice this."""


def service_of(request: Request) -> Service:
    """The one service, as the gate has told."""
    service: Service = request.scope["state"]["service"]
    return service


def holder_for(request: Request, scope: str) -> Holder:
    """Who asks, as the gate has found out.

    Raises:
        ProblemError: nobody that is known, or somebody who lacks the scope.
    """
    holder: Holder | None = request.scope["state"]["holder"]
    if holder is None:
        raise ProblemError(401, WORDS[401], "a token is needed: enter it on the page /login.")
    if scope not in holder.scopes:
        raise ProblemError(
            403,
            WORDS[403],
            f"the token of {holder.name} is not for this: it lacks {scope!r}. 'oneclass serve "
            "token add' makes one that has it, with --scope.",
        )
    return holder


def check_query(request: Request, names: Iterable[str]) -> None:
    """Refuse what stands behind the ? of an address and is not looked at: a misspelt `version`
    would give another version's verdicts.

    Args:
        request: most have nothing there.
        names: what is looked at; asked for only where something is there.

    Raises:
        ProblemError: there is a name that is not among these.
    """
    if not request.scope["query_string"]:
        return
    known = {*names}
    if odd := [name for name in request.query_params if name not in known]:
        takes = f"it takes {', '.join(sorted(known))}" if known else "it takes none"
        named = ", ".join(ascii(name)[:60] for name in odd[:5])
        raise ProblemError(
            422,
            WORDS[422],
            f"{named} behind the ? is not known to this address: check the spelling ({takes}), or "
            "leave it out.",
        )


def one_of(read: Callable[[int], Found | None], number: int, what: str) -> Found:
    """What has an id.

    Args:
        read: finds it by the id; None if there is none.
        number: the id, as the client gave it.
        what: such as "job", for the error.

    Raises:
        ProblemError: there is none.
    """
    found = read(number) if 0 <= number <= LARGEST_ID else None
    if found is None:
        raise not_found(f"{what} {number}")
    return found


def version_of(service: Service, name: str, number: int | None = None) -> Version:
    """A version of a model; without a number the one that serves.

    Raises:
        ProblemError: there is none.
    """
    version = service.versions.named(name, number)
    if version is None:
        raise no_version(service, name, number)
    return version


def no_version(service: Service, name: str, number: int | None = None) -> ProblemError:
    """That there is no such version; and how to get it back, if it was deleted."""
    deletion = service.deleting.deletions.of(name, number)
    if deletion is None or (number is None and service.versions.named(name) is not None):
        return not_found(
            f"model named {name[:60]!r}" if number is None else f"version {number} of {name!r}"
        )
    return ProblemError(
        404,
        "deleted",
        f"{f'the model {name}' if number is None else f'version {number} of {name}'} was deleted "
        f"{when(deletion['at'])} by {whom(deletion['who'])}. The page Models gets it back until "
        f"{when(deletion['until'])}.",
        programs=f"So does POST /api/v1/deleted/{deletion['id']}/restore.",
    )


def check_kept(service: Service, prediction: Row) -> None:
    """Refuse to note what nobody will be shown.

    Args:
        service: has the models.
        prediction: a row with `name` and `number` of its version.

    Raises:
        ProblemError: the version of a prediction, or its whole model, was deleted.
    """
    name, number = prediction["name"], prediction["number"]
    if service.versions.named(name) is None:
        raise no_version(service, name)
    version_of(service, name, number)
