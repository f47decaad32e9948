"""Every endpoint is documented and tested, every page opens, vendored files are what they were."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from oneclass.detector.predictions import odds
from oneclass.serve.web.app import API
from serving import Place

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
STATIC = ROOT / "src/oneclass/serve/static"


def operations(place: Place) -> list[tuple[str, str, dict[str, Any]]]:
    document = place.client.get(f"{API}/openapi.json").json()
    return [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_endpoint_is_documented_and_tested(place: Place) -> None:
    page = (ROOT / "docs/serve.md").read_text(encoding="utf-8")
    tests = "".join(file.read_text(encoding="utf-8") for file in HERE.glob("test_*.py"))
    found = operations(place)
    assert len(found) > 30
    for method, path, operation in found:
        assert f"| `{method} {path}` |" in page, (method, path)
        assert operation.get("description"), (method, path)
        called = re.sub(r"\\\{[a-z]+\\\}", r"[^/?\"]+", re.escape(path))
        assert re.search(rf"{called}(?![/a-z])", tests), f"no test calls {method} {path}"
    named = re.findall(r"^\| `([A-Z]+ /\S+)` \|", page, re.MULTILINE)
    assert sorted(named) == sorted(f"{method} {path}" for method, path, _ in found)


def test_the_header_with_a_name_is_documented(place: Place) -> None:
    said = {
        (path, tuple(one["name"] for one in operation.get("parameters", ())))
        for _, path, operation in operations(place)
        if any(one["in"] == "header" for one in operation.get("parameters", ()))
    }
    assert said == {
        ("/api/v1/models/{name}/score", ("name", "version", "X-File-Name")),
        ("/api/v1/sets/{key}/images", ("key", "X-File-Name")),
    }


def test_every_error_has_a_type(place: Place) -> None:
    for method, path, operation in operations(place):
        for status, response in operation["responses"].items():
            if status.startswith(("4", "5")) and path.startswith(API):
                schema = response["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}, (method, path, status)


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/no", 404),
        ("/api/v1/no", 404),
        ("/api/v1/models/no", 404),
        ("/api/v1/predictions/99", 404),
        ("/api/v1/predictions/99/picture.png", 404),
        ("/api/v1/jobs/99", 404),
        ("/api/v1/watches/99/results.csv", 404),
        ("/p/99", 404),
        ("/models/no", 404),
        ("/static/../settings.py", 404),
        ("/static/%2e%2e/settings.py", 404),
        ("/api/v1/predictions/x", 422),
        ("/api/v1/predictions?limit=0", 422),
        ("/api/v1/predictions?review=maybe", 422),
        ("/api/v1/predictions?before=99999999999999999999999", 422),
        (f"/api/v1/predictions/{10**30}", 404),
    ],
)
def test_what_is_not_there_is_said(place: Place, address: str, status: int) -> None:
    answer = place.client.get(address)
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "message"}


@pytest.mark.parametrize("model", [True, False])
def test_every_page_opens(start: Any, images: Path, model: bool) -> None:
    place = start(model=model)
    if model:
        for file in images.glob("*/*.png"):
            place.score(file)
    pages = ["/learn", "/score", "/review", "/monitor", "/watch", "/models", "/login"]
    parts = ["/parts/tiles", "/parts/review", "/parts/lessons", "/parts/watches"]
    for address in [*pages, *parts, *(["/models/stripes", "/p/1"] if model else [])]:
        answer = place.client.get(address)
        assert answer.status_code == 200, address
        assert answer.headers["content-type"].startswith("text/html")
        if address in pages:
            assert answer.text.count("<h1") == 1
    home = place.client.get("/").headers["location"]
    assert home == ("/score" if model else "/learn")


def test_names_of_files_are_no_markup(place: Place, images: Path) -> None:
    name = "\"><img src=x>'&{{7*7}}.png"
    answer = place.client.post(
        "/api/v1/models/stripes/score",
        content=next((images / "odd").iterdir()).read_bytes(),
        headers={"Content-Type": "image/png", "X-File-Name": name},
    )
    number = answer.json()["predictions"][0]["id"]
    for address in ("/score", f"/p/{number}", "/review", "/parts/tiles"):
        text = place.client.get(address).text
        assert "<img src=x>" not in text
        assert "{{7*7}}" in text


def test_health_metrics_and_lists(place: Place, images: Path) -> None:
    assert place.client.get("/healthz").json()["status"] == "alive"
    assert place.client.get("/readyz").json()["status"] == "ready"
    place.score(next((images / "odd").iterdir()))
    text = place.client.get("/metrics").text
    assert 'oneclass_images_total{verdict="anomaly"} 1' in text
    assert "oneclass_image_seconds_count 1" in text
    for line in text.splitlines():
        assert line.startswith("#") or re.fullmatch(r"[a-z_]+(\{[^}]*\})? [0-9.e+-]+", line), line
    assert place.client.get("/api/v1/jobs").json() == {"jobs": []}


def test_events_are_documented_where_they_are_sent(place: Place) -> None:
    assert any(path == "/api/v1/events" for _, path, _ in operations(place))


def test_what_is_vendored_is_what_was_taken() -> None:
    table = (STATIC / "vendor/VENDORED.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| (\S+) \|.*\| ([0-9a-f]{64}) \|$", table, re.MULTILINE))
    own = {file.name for file in (STATIC / "vendor").iterdir()}
    assert set(listed) == {name for name in own if name.endswith((".js", ".css"))}
    for name, digest in listed.items():
        content = (STATIC / "vendor" / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest


@pytest.mark.parametrize(
    ("p_value", "said"),
    [
        (1 / 121, "odder than all 120"),
        (0.02, "1 in 50"),
        (0.1, "1 in 10 good images looks this odd or odder"),
        (0.3, "3 in 10 good images look this odd or odder"),
        (1.0, "nearly every"),
    ],
)
def test_odds_in_words(p_value: float, said: str) -> None:
    assert said in odds(p_value, 120)
