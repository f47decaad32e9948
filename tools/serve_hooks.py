"""Values that a server knows, for schemathesis: so that its requests come further than to 404.

    oneclass serve --no-open                # a server with a model and predictions of its own
    pip install schemathesis
    PYTHONPATH=tools SCHEMATHESIS_HOOKS=serve_hooks ONECLASS_SERVER=http://127.0.0.1:8717 \\
        st run http://127.0.0.1:8717/api/v1/openapi.json --exclude-path /api/v1/events

Three of four requests get the name of a model that is there, the number of something that is there,
or a picture as their body; the others stay as they were made up. It learns, removes and renames:
give it a server whose data nobody needs.
"""

from __future__ import annotations

import json
import os
import random
import urllib.request
from typing import Any

import schemathesis

AT = os.environ.get("ONECLASS_SERVER", "http://127.0.0.1:8717") + "/api/v1"
RAW, JSON = "application/octet-stream", "application/json"
SHARE = 0.75
chance = random.Random(0)


def ask(method: str, path: str, body: bytes | None = None, kind: str = JSON) -> bytes:
    """One request; the body of its answer."""
    request = urllib.request.Request(
        AT + path, data=body, method=method, headers={"Content-Type": kind}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: bytes = answer.read()
    return found


PREDICTIONS = json.loads(ask("GET", "/predictions?limit=20"))["predictions"]
NUMBERS = [one["id"] for one in PREDICTIONS]
PICTURES = [ask("GET", f"/predictions/{number}/picture.png") for number in NUMBERS]
MODEL: str = PREDICTIONS[0]["model"]
FILE = ask("GET", f"/models/{MODEL}/versions/1/file")


def filled_set() -> str:
    """A new set with a few pictures in it."""
    number: str = json.loads(ask("POST", "/sets"))["id"]
    for picture in PICTURES[:6]:
        ask("POST", f"/sets/{number}/images", picture, RAW)
    return number


@schemathesis.hook
def map_path_parameters(context: Any, path_parameters: Any) -> Any:
    """A model, a version, a set, a job or a prediction that is there."""
    if not path_parameters or chance.random() > SHARE:
        return path_parameters
    path, values = context.operation.path, dict(path_parameters)
    if "key" in values:
        values["key"] = filled_set()
    elif "name" in values:
        values["name"] = MODEL
    if "number" in values:
        few = any(part in path for part in ("/versions/", "/jobs/", "/watches/"))
        values["number"] = chance.randint(1, 5) if few else chance.choice(NUMBERS)
    return values


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """A picture, a model file, or a set that is there; fits that take a second."""
    path = context.operation.path
    if chance.random() > SHARE:
        return body
    if isinstance(body, bytes):
        return FILE if path.endswith("/file") else chance.choice(PICTURES)
    if not isinstance(body, dict):
        return body
    known = {
        "set": filled_set() if "set" in body else None,
        "name": MODEL,
        "rows": "image",
        "tiles": None,
        "version": 1,
        "model": MODEL,
        "false_alarms": 0.2,
        "predictions": None,
        "files": [chance.choice(PICTURES)],
    }
    return {key: known.get(key, value) for key, value in body.items()}
