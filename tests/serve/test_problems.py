"""What is told of a request that is wrong, and of a bug: sentences, to people on a page."""

from __future__ import annotations

from html import unescape
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from oneclass.serve.web import facts, rendering
from serving import HERE, Place

JSON = {"Content-Type": "application/json"}
PAGE = {"Accept": "text/html,*/*"}


@pytest.mark.parametrize(
    ("content", "headers", "told"),
    [
        (b"{}", {}, "the body is no JSON object: send one such as {\"name\": \"value\"}, with the "
         "header 'Content-Type: application/json'."),
        (b"{", JSON, 'the body is no JSON object: send one such as {"name": "value"}.'),
        (b"[]", JSON, 'the body is no JSON object: send one such as {"name": "value"}.'),
        (b"", JSON, 'the body is no JSON object: send one such as {"name": "value"}.'),
        (b"{}", JSON, "false_alarms is missing: send it in the body."),
        (b'{"false_alarms": "x"}', JSON, "false_alarms is 'x': expected a number."),
        (b'{"false_alarms": 2}', JSON, "false_alarms is 2: expected less than 1."),
        (b'{"false_alarms": "' + b"9" * 9999 + b'x"}', JSON, "false_alarms is '9999"),
    ],
)  # fmt: skip
def test_a_wrong_body_is_told_in_words_of_ours(
    place: Place, content: bytes, headers: dict[str, str], told: str
) -> None:
    answer = place.client.put("/api/v1/models/stripes/rate", content=content, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (422, "unusable")
    assert answer.json()["message"].startswith(told)
    assert len(answer.json()["message"]) < 200


def test_a_wrong_part_of_an_address_is_named_with_its_value(place: Place) -> None:
    answer = place.client.get("/api/v1/models/stripes/monitor?days=x")
    assert answer.status_code == 422
    assert answer.json()["message"].startswith("days is 'x': expected a whole number.")


@pytest.mark.parametrize("name", ["abc", "<b>"])
def test_what_is_not_there_is_said_in_a_sentence_that_leads_to_what_is(
    place: Place, name: str
) -> None:
    address = f"/models/{quote(name, safe='')}"
    answer = place.client.get(address, headers=PAGE)
    assert f"There is no model named {name!r}; the page " in unescape(answer.text)
    assert 'the page <a href="/models">/models</a> lists those that there are.' in answer.text
    assert "<b>" not in answer.text


def test_a_page_of_what_is_no_number_says_so_in_words(place: Place) -> None:
    text = unescape(place.client.get("/p/abc", headers=PAGE).text)
    assert "The number in the address is 'abc': expected a whole number." in text
    gone = place.client.get("/p/999", headers=PAGE).text
    assert 'There is no prediction 999; the page <a href="/score">/score</a>, or' in gone


@pytest.mark.parametrize(
    ("method", "address", "told"),
    [
        ("POST", "models/stripes/score?verison=2", "'verison' behind the ? is not known to this "
         "address: check the spelling (it takes version), or leave it out."),
        ("GET", "models/stripes/monitor?since=1", "'since' behind"),
        ("GET", "predictions?befor=3&limit=2", "'befor' behind"),
        ("GET", "models?x=", "'x' behind the ? is not known to this address: check the spelling "
         "(it takes none), or leave it out."),
        ("GET", "events?a=1&b=1", "'a', 'b' behind"),
    ],
)  # fmt: skip
def test_what_no_endpoint_looks_at_is_refused(
    place: Place, method: str, address: str, told: str
) -> None:
    answer = place.client.request(method, f"/api/v1/{address}")
    assert (answer.status_code, answer.json()["error"]) == (422, "unusable")
    assert answer.json()["message"].startswith(told)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"paths": ["a"], "version": 2},
         "version is not known there: give it in the address, as ?version=2."),
        ({"paths": ["a"], "more": 2}, "more is not known here: leave it out."),
        ({"paths": ["a", 5]}, "paths.1 is 5: expected a valid string."),
        ({}, "paths is missing: send it in the body."),
    ],
)  # fmt: skip
def test_a_field_beside_paths_is_named(place: Place, body: dict[str, Any], told: str) -> None:
    answer = place.client.post("/api/v1/models/stripes/score", json=body)
    assert answer.status_code == 422
    assert answer.json()["message"] == f'expected {{"paths": ["...", ...]}}: {told}'


@pytest.mark.parametrize("address", ["/healthz", "/readyz", "/", "/score", "/static/app.js", "/x"])
def test_head_is_answered_as_get_without_a_body(place: Place, address: str) -> None:
    got = place.client.get(address, follow_redirects=False)
    head = place.client.head(address, follow_redirects=False)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers.get("content-type") == got.headers.get("content-type")


@pytest.mark.parametrize("address", ["/learn", "/static/app.js", "/api/v1/openapi.json"])
def test_a_wrong_method_is_told_which_is_right(place: Place, address: str) -> None:
    answer = place.client.post(address)
    assert answer.status_code == 405
    message = answer.json()["message"]
    assert message.startswith("POST is not for this address; it takes ")
    assert "GET" in message


def lenient(place: Place) -> TestClient:
    """A client that sees what a browser sees of a bug, rather than its traceback."""
    return TestClient(place.client.app, base_url=HERE, raise_server_exceptions=False)


def broken(*_: Any, **__: Any) -> Any:
    raise RuntimeError("a bug")


def test_a_bug_is_told_to_people_on_a_page(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "running", broken)
    client = lenient(place)
    page = client.get("/learn", headers=PAGE)
    assert page.status_code == 500
    assert page.headers["content-type"].startswith("text/html")
    assert "This is a bug of oneclass; the server&#39;s log has more." in page.text
    assert client.get("/learn").json()["error"] == "bug"
    with pytest.raises(RuntimeError, match="a bug"):  # the log gets it
        place.client.get("/learn", headers=PAGE)


def test_a_bug_of_the_pages_themselves_is_told_without_one(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering.TEMPLATES, "get_template", broken)
    assert lenient(place).get("/learn", headers=PAGE).json()["error"] == "bug"
