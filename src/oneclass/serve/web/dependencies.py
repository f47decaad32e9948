"""What endpoints ask for, as FastAPI's dependencies: async, so that no thread is woken for them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, Query, Request

from oneclass.serve.records.tokens import Holder
from oneclass.serve.web.asking import LARGEST_ID, holder_for, service_of
from oneclass.serve.work.service import Service


async def _service(request: Request) -> Service:
    return service_of(request)


def needs(scope: str) -> Any:
    """A dependency that lets only holders of a scope in."""

    async def check(request: Request) -> Holder:
        return holder_for(request, scope)

    return Depends(check)


TheService = Annotated[Service, Depends(_service)]
Reader = Annotated[Holder, needs("read")]
Reviewer = Annotated[Holder, needs("review")]
Teacher = Annotated[Holder, needs("learn")]
Id = Annotated[int | None, Query(ge=0, le=LARGEST_ID)]
