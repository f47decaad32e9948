"""Who gets in, and who does not."""

from __future__ import annotations

import html
import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from oneclass import InputError
from oneclass.serve.listening import bound
from oneclass.serve.records.tokens import SCOPES
from oneclass.serve.settings import Limits, Settings
from oneclass.serve.web.app import make_app
from oneclass.serve.work.service import Service
from serving import HERE, RAW, Place

OUTSIDE = {"url": "https://line.example/odd"}
AT = "https://line.example/odd"


def csrf_of(place: Place, address: str = "/learn", **headers: str) -> str:
    text = place.client.get(address, headers=headers).text
    found = re.search(r'<meta name="csrf" content="([^"]+)">', text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(
    "host", ["evil.example", "", "127.0.0.1.evil.example", "a@localhost", "localhost/x", "[", "..."]
)
def test_requests_to_another_host_are_refused(place: Place, host: str) -> None:
    answer = place.client.get("/api/v1/models", headers={"Host": host})
    assert (answer.status_code, answer.json()["error"]) == (421, "wrong_host")


BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


@pytest.mark.parametrize(
    ("method", "address", "headers", "status", "said"),
    [
        (
            "GET",
            "/score",
            {"Host": "evil.example"},
            421,
            "This server does not answer to evil.example: open",
        ),
        (
            "GET",
            "/api/v1/models",
            {"Host": "<b>x"},
            421,
            "This server does not answer to &lt;b&gt;x: open",
        ),
        ("POST", "/login", {"Origin": "https://evil.example"}, 403, "A page of another server may"),
        ("POST", "/learn", {"Origin": HERE, "Cookie": "a=b"}, 403, "This page is out of date"),
        ("POST", "/learn", {"Content-Length": "999999999"}, 413, "The body has more than"),
    ],
)
def test_a_person_who_is_refused_gets_a_page_and_a_program_json(
    place: Place, method: str, address: str, headers: dict[str, str], status: int, said: str
) -> None:
    page = place.client.request(method, address, headers={**headers, **BROWSER})
    assert page.status_code == status
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert said in page.text
    assert ('<a href="/">' in page.text) == (status != 421)
    assert "<b>" not in page.text
    style = re.search("<style>(.*)</style>", page.text, re.DOTALL)
    assert style is not None
    digest = b64encode(sha256(style[1].encode()).digest()).decode()
    policy = page.headers["content-security-policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}'; form-action")
    assert page.headers["x-content-type-options"] == "nosniff"
    for accepted in ({}, {"Accept": "application/json"}, {"Accept": "*/*"}):
        answer = place.client.request(method, address, headers={**headers, **accepted})
        assert answer.status_code == status
        assert answer.json().keys() == {"error", "message"}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8717", "127.0.0.1:1", "[::1]:8717"])
def test_its_own_names_are_fine(place: Place, host: str) -> None:
    assert place.client.get("/api/v1/models", headers={"Host": host}).status_code == 200


def test_a_page_of_another_server_can_do_nothing(place: Place) -> None:
    token = csrf_of(place)
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        answer = place.client.post("/api/v1/sets", headers={**headers, "X-CSRF-Token": token})
        assert (answer.status_code, answer.json()["error"]) == (403, "not_allowed"), headers


def test_a_browser_needs_the_token_of_a_page(place: Place) -> None:
    own = {"Origin": HERE, "Sec-Fetch-Site": "same-origin"}
    token = csrf_of(place)
    for wrong in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "x" * 32}, {"X-CSRF-Token": "é"}):
        given = {name.encode(): value.encode() for name, value in {**own, **wrong}.items()}
        answer = place.client.post("/api/v1/sets", headers=given)
        assert (answer.status_code, answer.json()["error"]) == (403, "stale_page")
    answer = place.client.post("/api/v1/sets", headers={**own, "X-CSRF-Token": token})
    assert answer.status_code == 200


def test_browsers_are_told_to_be_careful(place: Place) -> None:
    for address in ("/learn", "/static/app.js", "/api/v1/models", "/no", "/healthz"):
        headers = place.client.get(address).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "server" not in headers
    cookie = place.client.get("/learn").headers.get("set-cookie", "")
    assert not cookie or ("HttpOnly" in cookie and "SameSite=Strict" in cookie)


def test_no_page_names_another_server(place: Place) -> None:
    folder = Path(make_app.__code__.co_filename).parents[1]
    for file in [*folder.glob("templates/*"), *folder.glob("static/*.*")]:
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.findall(r"(?:src|href|url|fetch)[=(]+[\"']?https?:", text), file
        assert "style=" not in text, file
        assert not re.findall(r"\son[a-z]+=", text) or file.suffix == ".js", file
        if file.suffix == ".html":
            assert not re.findall(r"<script(?![^>]*src=)", text), file


def test_outside_nothing_is_open_without_a_token(start: Callable[..., Place]) -> None:
    place = start(**OUTSIDE)
    for address in ("/api/v1/models", "/metrics", "/api/v1/openapi.json", "/score", "/api/v1/jobs"):
        answer = place.client.get(AT + address)
        assert (answer.status_code, answer.json()["error"]) == (401, "no_token")
        assert answer.headers["www-authenticate"] == "Bearer"
    for wrong in ("Bearer x", "Bearer ", "Basic eDp4", "oneclass_x"):
        answer = place.client.get(f"{AT}/api/v1/models", headers={"Authorization": wrong})
        assert answer.status_code == 401
    for address in ("/healthz", "/readyz", "/login", "/static/style.css"):
        assert place.client.get(AT + address).status_code == 200
    page = place.client.get(f"{AT}/score", headers={"Accept": "text/html"})
    assert page.headers["location"] == "/odd/login?next=/score"


def test_a_token_is_good_for_its_scopes_alone(start: Callable[..., Place], images: Path) -> None:
    place = start(**OUTSIDE)
    file = next((images / "odd").iterdir()).read_bytes()
    calls = {
        "read": ("GET", "/api/v1/models", None),
        "score": ("POST", "/api/v1/models/stripes/score", file),
        "review": ("POST", "/api/v1/predictions/1/review", b'{"verdict": "real"}'),
        "learn": ("POST", "/api/v1/sets", b""),
    }
    tokens = {scope: place.service.tokens.make(scope, [scope]) for scope in SCOPES}
    for own, token in tokens.items():
        for scope in ("score", "read", "review", "learn"):
            method, address, body = calls[scope]
            kind = "application/json" if scope == "review" else RAW["Content-Type"]
            headers = {"Authorization": f"Bearer {token}", "Content-Type": kind}
            answer = place.client.request(method, AT + address, content=body, headers=headers)
            if scope != own:
                assert (answer.status_code, answer.json()["error"]) == (403, "not_allowed")
            else:
                assert answer.status_code in (200, 404)


@pytest.mark.parametrize(
    ("scopes", "address", "words", "scope"),
    [
        (["read"], "/learn", "learning", "learn"),
        (["read"], "/score", "scoring images", "score"),
        (["read", "score"], "/watch", "watching folders, pausing or ending that", "learn"),
        (["read"], "/review", "reviewing", "review"),
        (["read"], "/p/1", "reviewing", "review"),
        (["read", "review"], "/parts/lessons", "learning them or choosing a version", "learn"),
        (["read"], "/monitor", "setting it", "learn"),
        (["read"], "/models/stripes", "choosing or deleting versions", "learn"),
        (["read", "score"], "/score", "writing reports", "review"),
        (["read", "learn"], "/monitor", "writing reports", "review"),
        (["read", "learn"], "/models/stripes", "writing reports", "review"),
        (["read"], "/models", "taking models in, deleting them or getting them back", "learn"),
    ],
)
def test_what_a_token_is_not_for_is_said_and_not_offered(
    start: Callable[..., Place],
    images: Path,
    scopes: list[str],
    address: str,
    words: str,
    scope: str,
) -> None:
    place = start(**OUTSIDE)

    def page(*scopes: str) -> str:
        token = place.service.tokens.make(" ".join(scopes), scopes)
        headers = {"Authorization": f"Bearer {token}"}
        text = place.client.get(AT + address, headers=headers).text
        place.client.cookies.clear()
        return text

    headers = {"Authorization": f"Bearer {place.service.tokens.make('all', SCOPES)}"}
    content = next((images / "odd").iterdir()).read_bytes()
    place.client.post(
        f"{AT}/api/v1/models/stripes/score", content=content, headers={**RAW, **headers}
    )
    asked = {"folder": str(place.roots), "model": "stripes"}
    if address == "/watch":
        place.client.post(f"{AT}/api/v1/watches", json=asked, headers=headers)
    if "lessons" in address:
        said = {"verdict": "false_alarm"}
        place.client.post(f"{AT}/api/v1/predictions/1/review", json=said, headers=headers)
    told = f"Your token is not for {words}. Ask for one that has the scope “{scope}”."
    offered = (
        'id="choose-files"|id="new-watch"|data-watch=|data-say=|data-learn=|data-take='
        '|id="rate-use"|data-delete=|id="upload-model"'
    )
    text = page(*scopes)
    assert told in text
    if words == "writing reports":
        offered = "data-report="
    assert re.findall(offered, text) == []
    text = page(*SCOPES)
    assert "Your token is not for" not in text
    assert re.findall(offered, text) != []


def test_who_may_not_look_is_told_so_and_not_led_in_a_circle(start: Callable[..., Place]) -> None:
    place = start(**OUTSIDE)
    form = {
        "csrf": csrf_of(place, f"{AT}/login"),
        "token": place.service.tokens.make("ann", ["review"]),
        "next": "/review",
    }
    assert place.client.post(f"{AT}/login", data=form).status_code == 303
    answer = place.client.get(f"{AT}/review", headers={"Accept": "text/html"})
    assert answer.status_code == 403
    assert "Ask for one that has the scope “read”." in answer.text
    assert "To the start" not in answer.text
    assert 'aria-label="Pages"' not in answer.text
    assert "Enter another token" in answer.text


@pytest.mark.parametrize("address", ["/score", "/watch", "/review", "/monitor"])
def test_who_may_not_learn_is_told_who_can_where_there_is_no_model(
    start: Callable[..., Place], address: str
) -> None:
    place = start(model=False, **OUTSIDE)

    def page(*scopes: str) -> str:
        token = place.service.tokens.make(" ".join(scopes), scopes)
        text = place.client.get(AT + address, headers={"Authorization": f"Bearer {token}"}).text
        place.client.cookies.clear()
        return text

    who = "Somebody whose token has the scope “learn” can show it what good looks like"
    assert who in page("read", "score", "review")
    text = page(*SCOPES)
    assert 'First <a href="/odd/learn">show it what good looks like</a>.' in text
    assert who not in text


def test_who_may_not_learn_is_told_who_can_get_a_deleted_model_back(
    start: Callable[..., Place],
) -> None:
    place = start(**OUTSIDE)
    place.service.deleting.delete("stripes", who="test")
    token = place.service.tokens.make("reader", ["read"])
    text = place.client.get(AT + "/score", headers={"Authorization": f"Bearer {token}"}).text
    assert "Somebody whose token has the scope “learn” can get it back on the page" in text


def test_tokens_end(start: Callable[..., Place]) -> None:
    place = start(**OUTSIDE)
    tokens = place.service.tokens
    expired, removed = tokens.make("old", ["read"], -1), tokens.make("gone", ["read"])
    tokens.remove("gone")
    for token in (expired, removed, "mistyped"):
        headers = {"Authorization": f"Bearer {token}"}
        said = place.client.get("/api/v1/models", headers=headers).json()["message"]
        assert said.startswith("the token that was sent is none of this server's")
        assert place.client.get(f"{AT}/api/v1/models", headers=headers).status_code == 401
    data = place.service.database.path
    for file in data.parent.glob(f"{data.name}*"):
        assert expired.encode() not in file.read_bytes()
    with pytest.raises(InputError, match="gone"):
        tokens.remove("gone")
    with pytest.raises(InputError, match="another name"):
        tokens.make("old", ["read"])
    with pytest.raises(InputError, match="expected some of"):
        tokens.make("x", ["all"])
    with pytest.raises(InputError, match="expected a name"):
        tokens.make(" ", ["read"])


def test_a_person_whose_token_was_removed_is_told_to_log_in(start: Callable[..., Place]) -> None:
    place = start(**OUTSIDE)
    token = place.service.tokens.make("ann", SCOPES)
    form = {"csrf": csrf_of(place, f"{AT}/login"), "token": token, "next": "/review"}
    assert place.client.post(f"{AT}/login", data=form).status_code == 303
    own = {"Origin": "https://line.example", "X-CSRF-Token": csrf_of(place, f"{AT}/learn")}
    assert place.client.post(f"{AT}/api/v1/sets", headers=own).is_success
    place.service.tokens.remove("ann")
    for address in ("/api/v1/sets", "/api/v1/predictions/1/review"):
        answer = place.client.post(AT + address, headers=own, json={})
        assert (answer.status_code, answer.json()["error"]) == (401, "no_token")
        assert answer.json()["message"] == (
            "you are not logged in any more: you logged out, your time was over, or your token "
            "was removed. Load this page again, and enter a token."
        )
    part = place.client.get(f"{AT}/parts/watches")
    assert part.json()["message"].startswith("you are not logged in any more")
    place.client.cookies.clear()
    told = place.client.get(f"{AT}/api/v1/sets").json()["message"]
    assert told.startswith("a token is needed: send one as 'Authorization: Bearer TOKEN'")


def test_a_person_logs_in_and_out_behind_a_proxy(start: Callable[..., Place]) -> None:
    place = start(**OUTSIDE)
    token = place.service.tokens.make("ann", SCOPES)
    form = {"csrf": csrf_of(place, f"{AT}/login"), "token": "wrong", "next": "/review"}
    assert place.client.post(f"{AT}/login", data=form).status_code == 401
    forged = place.client.post(f"{AT}/login", data={**form, "csrf": "x", "token": token})
    assert forged.status_code == 403
    answer = place.client.post(f"{AT}/login", data={**form, "token": token})
    assert (answer.status_code, answer.headers["location"]) == (303, "/odd/review")
    cookie = answer.headers["set-cookie"]
    for word in ("HttpOnly", "SameSite=strict", "Secure", "Path=/odd"):
        assert word in cookie
    assert token not in cookie
    page = place.client.get(f"{AT}/score").text
    assert 'href="/odd/learn"' in page
    assert not re.findall(r'(?:href|src|action)="/(?!odd/)', page)
    own = {"Origin": "https://line.example"}
    assert place.client.post(f"{AT}/api/v1/sets", headers=own).status_code == 403
    own["X-CSRF-Token"] = csrf_of(place, f"{AT}/learn")
    assert place.client.post(f"{AT}/api/v1/sets", headers=own).status_code == 200
    for given in ({}, {"csrf": "x"}):
        assert place.client.post(f"{AT}/logout", data=given).status_code == 403
    assert place.client.get(f"{AT}/api/v1/models").status_code == 200
    out = re.search(r'action="/odd/logout"><input type="hidden" name="csrf" value="([^"]+)">', page)
    assert out is not None
    assert place.client.post(f"{AT}/logout", data={"csrf": out[1]}).status_code == 303
    assert place.client.get(f"{AT}/api/v1/models").status_code == 401


@pytest.mark.parametrize("url", [AT, "https://line.example"])
@pytest.mark.parametrize(
    ("onwards", "leads"),
    [
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("\\\\evil.example", "/"),
        ("/\t/evil.example", "/"),  # browsers leave tabs and line ends out of an address
        ("/\n\\evil.example", "/"),
        (" //evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("evil.example", "/"),
        ("%2F%2Fevil.example", "/"),
        ("", "/"),
        ("/%2Fevil.example", "/%2Fevil.example"),  # a path of this server, which has no such page
        ("/%5Cevil.example", "/%5Cevil.example"),
        ("/review?model=mixed&only=true", "/review?model=mixed&only=true"),
        ("/score?model=https://x", "/score?model=https://x"),
    ],
)
def test_a_login_leads_to_the_page_asked_for_and_to_no_other_server(
    start: Callable[..., Place], url: str, onwards: str, leads: str
) -> None:
    place = start(url=url)
    form = {
        "csrf": csrf_of(place, f"{url}/login"),
        "token": place.service.tokens.make("ann", SCOPES),
        "next": onwards,
    }
    answer = place.client.post(f"{url}/login", data=form)
    assert answer.status_code == 303
    assert answer.headers["location"] == url.removeprefix("https://line.example") + leads
    # Who is logged in is led there without being asked again.
    again = place.client.get(f"{url}/login", params={"next": onwards})
    assert (again.status_code, again.headers["location"]) == (303, answer.headers["location"])


def test_what_was_asked_for_with_its_query_comes_back_after_the_login(
    start: Callable[..., Place], model_file: Path
) -> None:
    place = start(**OUTSIDE)
    token = place.service.tokens.make("ann", SCOPES)
    headers = {"Authorization": f"Bearer {token}", **RAW}
    for name in ("mixed", "a b"):
        content = model_file.read_bytes()
        address = f"{AT}/api/v1/models/{name}/file"
        assert place.client.put(address, content=content, headers=headers).is_success
    for asked, name in (("/review?model=mixed", "mixed"), ("/review?model=a+b&x=%26%3F", "a b")):
        first = place.client.get(AT + asked, headers=BROWSER)
        assert first.status_code == 303
        shown = place.client.get(f"https://line.example{first.headers['location']}").text
        form = {
            name: html.unescape(value)
            for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', shown)
        }
        # Somebody mistypes it first.
        wrong = place.client.post(f"{AT}/login", data={**form, "token": "x"})
        again = re.findall(r'name="next" value="([^"]*)"', wrong.text)
        assert [html.unescape(one) for one in again] == [asked]
        answer = place.client.post(f"{AT}/login", data={**form, "token": token})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/odd{asked}")
        page = place.client.get(f"https://line.example{answer.headers['location']}").text
        assert f'data-model="{name}"' in page
        place.client.cookies.clear()


def test_a_proxy_may_strip_its_prefix_or_not(start: Callable[..., Place]) -> None:
    place = start(**OUTSIDE)
    headers = {"Authorization": f"Bearer {place.service.tokens.make('x', ['read'])}"}
    for address in ("/odd/api/v1/models", "/api/v1/models"):
        answer = place.client.get(f"https://line.example{address}", headers=headers)
        assert answer.status_code == 200


def test_settings_that_cannot_be_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--threads is 0"):
        Settings(tmp_path, threads=0)
    with pytest.raises(InputError, match="--max-pixels is 0"):
        Settings(tmp_path, limits=Limits(pixels=0))
    address = Settings(tmp_path, host="192.0.2.1")  # set apart for documents: nobody has it
    with pytest.raises(InputError, match="Give another --host"), bound(address):
        pass


@pytest.mark.parametrize(
    ("given", "address", "elsewhere"),
    [
        ({}, "http://127.0.0.1:8742/", None),
        ({"host": "::1"}, "http://[::1]:8742/", None),
        ({"host": "192.0.2.1"}, "http://192.0.2.1:8742/", None),
        ({"host": "0.0.0.0"}, "http://127.0.0.1:8742/", "http://ADDRESS:8742/"),
        ({"host": "::"}, "http://[::1]:8742/", "http://ADDRESS:8742/"),
        ({"host": "0.0.0.0", "hosts": ("line",)}, "http://127.0.0.1:8742/", "http://line:8742/"),
        ({"host": "0.0.0.0", "url": "https://line.example/"}, "https://line.example/", None),
    ],
)
def test_the_address_that_it_tells_can_be_opened(
    tmp_path: Path, given: dict[str, Any], address: str, elsewhere: str | None
) -> None:
    settings = Settings(tmp_path, **given)
    assert settings.address(8742) == address
    told = settings.elsewhere(8742)
    assert told is None if elsewhere is None else elsewhere in str(told)


def test_it_does_not_start_open_to_others(tmp_path: Path) -> None:
    for more in ({"host": "0.0.0.0"}, OUTSIDE):
        with pytest.raises(InputError, match="token add"):
            Service(Settings(tmp_path / "data", **more)).check_tokens()
    for url in ("line.example", "ftp://x", "https://", "https://x/?y=1"):
        with pytest.raises(InputError, match="--url"):
            Settings(tmp_path, url=url)
    for name in ("http://line.example", "line.example:8717", "line.example/odd", "", "[::1"):
        with pytest.raises(InputError, match=r"--allow-host is .*the name alone"):
            Settings(tmp_path, hosts=(name,))
    assert "line" in Settings(tmp_path, hosts=("Line", "10.0.0.3", "fe80::1")).names


def test_a_client_has_only_so_many_requests_under_way(
    start: Callable[..., Place], images: Path
) -> None:
    place = start(limits=Limits(requests=0))
    for answer in (place.client.get("/api/v1/models"), place.score(next(images.glob("*/*.png")))):
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


def test_only_so_many_images_wait(start: Callable[..., Place], images: Path) -> None:
    place = start(limits=Limits(queue=0))
    place.service.scorer._stopping = True
    answer = place.score(next((images / "odd").iterdir()))
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    place.service.scorer._stopping = False


def test_a_full_disk_is_told_of_before_anything_is_written(
    start: Callable[..., Place], images: Path
) -> None:
    place = start(limits=Limits(disk_bytes=10**18))
    answer = place.score(next((images / "odd").iterdir()))
    assert (answer.status_code, answer.json()["error"]) == (507, "disk_full")
    assert place.client.get("/readyz").status_code == 507
    assert place.client.get("/score").status_code == 200
