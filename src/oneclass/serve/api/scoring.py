"""`POST /api/v1/models/{name}/score`: images in, the numbers of `oneclass score` out."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from oneclass.serve.api import answering
from oneclass.serve.api.answering import LINES
from oneclass.serve.api.schemas import Paths, ScoredOut, responses
from oneclass.serve.web.bodies import BINARY, NAMED

router = APIRouter(tags=["scoring"])
BODIES = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": BINARY,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"files": {"type": "array", "items": BINARY["schema"]}},
                }
            },
            "application/json": {"schema": Paths.model_json_schema()},
        },
    }
}


@router.post(
    "/models/{name}/score",
    response_model=ScoredOut,
    responses={**responses(404, 408, 415, 507), 200: {"content": {LINES: {}}}},
    openapi_extra={**BODIES, **NAMED},
)
async def score(request: Request, name: str, version: int | None = None) -> Response:
    """Score one image (its bytes as the body), several (multipart), or files on the server (JSON).

    With `Accept: application/x-ndjson` the answer is what `oneclass score --json` prints, and
    behind that a line as in `errors` for each image that has no verdict: `path`, `reason`,
    `detail`.
    """
    return await answering.score(request)
