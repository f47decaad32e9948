"""Watched folders: whole files, each once, told to those who asked."""

from __future__ import annotations

import csv
import errno
import hashlib
import hmac
import html
import io
import json
import os
import re
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from oneclass.errors import InputError
from oneclass.serve.records import watches as records
from oneclass.serve.settings import Settings
from oneclass.serve.work import watching, webhooks
from oneclass.serve.work.places import folder_within
from oneclass.serve.work.scoring import Asked
from serving import Full, Place, filled_set, until


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "EVERY", 0.05)
    monkeypatch.setattr(watching, "SETTLED", 0.3)
    monkeypatch.setattr(watching, "GROWING", 1.0)
    monkeypatch.setattr(webhooks, "EVERY", 0.05)
    monkeypatch.setattr(records, "FIRST_WAIT", 0.05)


def watch(place: Place, **more: Any) -> dict[str, Any]:
    asked = {"folder": str(place.roots), "model": "stripes", **more}
    answer = place.client.post("/api/v1/watches", json=asked)
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()
    return made


def found(place: Place) -> dict[str, Any]:
    [one] = place.client.get("/api/v1/watches").json()["watches"]
    return dict(one)


def results(place: Place, number: int) -> list[dict[str, str]]:
    text = place.client.get(f"/api/v1/watches/{number}/results.csv").text
    return list(csv.DictReader(io.StringIO(text)))


def test_files_are_scored_once_wherever_they_come_from(place: Place, images: Path) -> None:
    files = sorted(images.glob("*/*.png"))
    shutil.copy(files[0], place.roots / "before.png")
    number = watch(place)["id"]
    shutil.copy(files[1], place.roots / "copied.png")
    shutil.copy(files[2], place.roots / ".hidden.png")
    (place.roots / "deep/er").mkdir(parents=True)
    shutil.copy(files[3], place.roots / "part.tmp")
    (place.roots / "part.tmp").rename(place.roots / "deep/er/moved.png")
    (place.roots / "notes.txt").write_text("no image")
    until(lambda: found(place)["images"] == 3)
    time.sleep(0.6)
    rows = results(place, number)
    assert sorted(Path(row["path"]).name for row in rows) == [
        "before.png",
        "copied.png",
        "moved.png",
    ]
    shutil.copy(files[4], place.roots / "copied.png")  # another image of the same name
    until(lambda: found(place)["images"] == 4)


def test_what_is_in_a_folder_already_is_told_before_it_is_watched(
    place: Place, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = sorted(images.glob("*/*.png"))
    (place.roots / "deep").mkdir()
    shutil.copy(files[0], place.roots / "deep/a.png")
    shutil.copy(files[1], place.roots / "b.png")
    (place.roots / "notes.txt").write_text("no image")

    def look(**more: str) -> Any:
        asked = {"folder": str(place.roots), "model": "stripes", **more}
        return place.client.post("/api/v1/watches/look", json=asked)

    assert look().json() == {"images": 2, "whole": True, "outside": 0}
    assert look(folder=str(place.roots / "deep")).json() == {
        "images": 1,
        "whole": True,
        "outside": 0,
    }
    assert look(folder="/etc").status_code == 422
    assert look(model="nix").status_code == 404
    assert place.client.get("/api/v1/watches").json()["watches"] == []
    number = watch(place)["id"]
    until(lambda: found(place)["images"] == 2)
    # Where a picture came from says which folder, and where in it.
    [deep] = [row for row in results(place, number) if row["path"].endswith("a.png")]
    text = html.unescape(place.page(f"/p/{deep['id']}"))
    assert f"a watched folder, as <bdi>{place.roots / 'deep' / 'a.png'}</bdi>" in text
    # Watched again it goes on where it ended.
    place.client.delete(f"/api/v1/watches/{number}")
    shutil.copy(files[2], place.roots / "c.png")
    assert look().json() == {"images": 1, "whole": True, "outside": 0}
    monkeypatch.setattr(watching, "COUNTED", 1)
    shutil.copy(files[3], place.roots / "d.png")
    assert look().json() == {"images": 1, "whole": False, "outside": 0}
    text = place.page("/watch")
    assert "those that are there already, then each as it arrives." in text
    assert "Images that are there already are scored first." in text


def test_a_folder_is_not_watched_twice_for_the_same_end(place: Place) -> None:
    assert "no image has come yet" in [watch(place), place.page("/watch")][1]
    asked = {"folder": f"{place.roots}/", "model": "stripes"}
    again = place.client.post("/api/v1/watches", json=asked)
    assert again.status_code == 422
    assert "is watched already with the model stripes" in again.json()["message"]
    asked["webhook"] = "http://127.0.0.1:9/"  # another program is another end
    [one] = place.client.get("/api/v1/watches").json()["watches"]
    other = place.client.post("/api/v1/watches", json=asked).json()
    assert (other["webhook"], other["beside"]) == (asked["webhook"], [one["id"]])
    assert len(place.client.get("/api/v1/watches").json()["watches"]) == 2
    # One in it, or around it, would score the same pictures, too.
    for name in ("inner", "inner2"):
        (place.roots / name).mkdir()
    inner = watch(place, folder="inner")
    assert inner["beside"] == [one["id"], other["id"]]
    assert watch(place, folder="inner2")["beside"] == [one["id"], other["id"]]


def test_a_file_that_is_being_written_waits_until_it_is_whole(place: Place, images: Path) -> None:
    watch(place)
    content = next((images / "odd").iterdir()).read_bytes()
    with (place.roots / "slow.png").open("wb") as file:
        for at in range(0, len(content), len(content) // 8):
            file.write(content[at : at + len(content) // 8])
            file.flush()
            time.sleep(0.12)
    until(lambda: found(place)["images"] == 1)
    assert found(place)["failures"] == 0


def test_a_cut_file_is_told_of_in_the_end_and_its_mending_scored(
    place: Place, images: Path
) -> None:
    watch(place)
    content = next((images / "odd").iterdir()).read_bytes()
    (place.roots / "cut.png").write_bytes(content[: len(content) // 2])
    until(lambda: found(place)["failures"] == 1)
    until(lambda: found(place)["unusable"] != [])
    [named] = found(place)["unusable"]
    assert (Path(named["path"]).name, named["reason"]) == ("cut.png", "truncated")
    assert named["detail"] in html.unescape(place.page("/parts/watches"))
    (place.roots / "cut.png").write_text("no picture", encoding="utf-8")
    until(lambda: found(place)["unusable"] not in ([], [named]))
    assert found(place)["failures"] == len(found(place)["unusable"]) == 1
    (place.roots / "cut.png").write_bytes(content)
    until(lambda: found(place)["images"] == 1)
    # There is nothing in the folder now that could not be used, nor for a report to tell of.
    assert (found(place)["failures"], found(place)["unusable"]) == (0, [])
    version = place.service.versions.named("stripes")
    assert version is not None
    assert place.service.reports.request(1, version)["failures"] == []


def test_an_unusable_file_that_lay_there_before_is_named_as_soon_as_it_counts(
    start: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "GROWING", 6.0)
    place = start()
    (place.roots / "hold").mkdir()
    (place.roots / "hold/bad.png").write_text("no picture", encoding="utf-8")
    time.sleep(6.1)
    (place.roots / "new.png").write_text("no picture", encoding="utf-8")
    began = time.monotonic()
    watch(place)
    until(lambda: found(place)["failures"] == 1)
    assert time.monotonic() - began < 5  # not GROWING anew
    [named] = found(place)["unusable"]
    assert Path(named["path"]).name == "bad.png"
    # Said by where it lies in the folder: others may have its name elsewhere.
    assert "<b>hold/bad.png</b>" in place.page("/parts/watches")


def test_a_folder_that_is_gone_is_told_in_words_and_watched_again_once_it_is_back(
    place: Place, images: Path
) -> None:
    one, other = sorted((images / "odd").iterdir())[:2]
    watch(place)
    (place.roots / "one.png").write_bytes(one.read_bytes())
    until(lambda: found(place)["images"] == 1)
    place.roots.rename(place.roots.with_name("elsewhere"))
    until(lambda: found(place)["problem"])
    told = "this folder is not there any more. Watching goes on by itself once it is back."
    assert found(place)["problem"] == f"{place.roots}: {told}"
    assert told in place.page("/parts/watches")
    place.roots.with_name("elsewhere").rename(place.roots)
    (place.roots / "other.png").write_bytes(other.read_bytes())
    until(lambda: found(place)["images"] == 2)
    assert found(place)["problem"] is None


def test_what_could_not_be_used_is_named_after_a_restart_until_its_time_is_over(
    start: Callable[..., Place], monkeypatch: pytest.MonkeyPatch
) -> None:
    place = start()
    watch(place)
    (place.roots / "text.png").write_text("no picture", encoding="utf-8")
    until(lambda: found(place)["unusable"] != [])
    before = found(place)["unusable"]
    place.client.__exit__(None, None, None)
    place = start(keep_seconds=1000.0)
    assert found(place)["unusable"] == before
    text = place.page("/parts/watches")
    assert ">Which could not be used</summary>" in text
    assert "<b>text.png</b>" in text
    for name in ("more.png", "and more.png"):
        (place.roots / name).write_text("no picture", encoding="utf-8")
    until(lambda: found(place)["failures"] == 3)
    names = [Path(one["path"]).name for one in found(place)["unusable"]]
    assert (sorted(names[:2]), names[2]) == (["and more.png", "more.png"], "text.png")
    monkeypatch.setattr(records, "NAMED", 2)
    assert "Which could not be used: the last 2 of 3</summary>" in place.page("/parts/watches")
    with place.service.database.write() as connection:
        connection.execute("UPDATE failure SET at = at - 2000")
    place.service.tidy()
    assert found(place)["unusable"] == []
    assert "Which could not be used is not kept any longer" in place.page("/parts/watches")


def test_a_paused_watch_goes_on_with_what_came_meanwhile(place: Place, images: Path) -> None:
    number = watch(place)["id"]
    paused = place.client.patch(f"/api/v1/watches/{number}", json={"state": "paused"})
    assert paused.json()["state"] == "paused"
    time.sleep(0.2)
    shutil.copy(next((images / "odd").iterdir()), place.roots)
    time.sleep(0.8)
    assert found(place)["images"] == 0
    place.client.patch(f"/api/v1/watches/{number}", json={"state": "on"})
    until(lambda: found(place)["images"] == 1)
    assert place.client.delete(f"/api/v1/watches/{number}").json() == {"done": True}
    assert place.client.get("/api/v1/watches").json()["watches"] == []
    assert place.client.patch(f"/api/v1/watches/{number}", json={"state": "on"}).status_code == 404


def test_a_folder_that_goes_away_is_told_of(place: Place, images: Path) -> None:
    (place.roots / "inner").mkdir()
    watch(place, folder=str(place.roots / "inner"))
    (place.roots / "inner").rmdir()
    until(lambda: found(place)["problem"])
    assert "inner" in found(place)["problem"]
    (place.roots / "inner").mkdir()
    until(lambda: not found(place)["problem"])
    assert found(place)["state"] == "on"


def test_only_folders_that_were_given_are_watched(place: Place, tmp_path: Path) -> None:
    (place.roots / "link").symlink_to(tmp_path)
    for folder in (
        tmp_path,
        "/",
        place.roots / "..",
        place.roots / "link",
        "no",
        "a\0b",
        "x" * 4000,
    ):
        asked = {"folder": str(folder), "model": "stripes"}
        answer = place.client.post("/api/v1/watches", json=asked)
        assert answer.status_code == 422, folder


def test_a_link_is_followed_to_what_may_be_read_and_named_where_it_leads_elsewhere(
    place: Place, images: Path, tmp_path: Path
) -> None:
    odd, line, store = sorted((images / "odd").iterdir()), place.roots / "line", tmp_path / "store"
    for folder in (line / ".hidden", place.roots / "days/1", store):
        folder.mkdir(parents=True)
    shutil.copy(odd[0], line / "own.png")
    shutil.copy(odd[1], line / ".hidden/kept.png")
    shutil.copy(odd[2], place.roots / "days/1/a.png")
    shutil.copy(odd[3], store / "secret.png")
    (line / "today").symlink_to("../days/1")
    (line / "yesterday").symlink_to("../days/1")  # each folder is entered once
    (line / "kept.png").symlink_to(".hidden/kept.png")
    (line / "again.png").symlink_to("own.png")  # which has a name of its own there
    (line / "round").symlink_to(".")
    (place.roots / "days/1/back").symlink_to("../../line")
    (line / "later.png").symlink_to("nothing.png")
    (line / "outer").symlink_to(store)
    (line / "outer.png").symlink_to(store / "secret.png")
    (line / "outer.txt").symlink_to(store / "secret.png")
    asked = {"folder": "line", "model": "stripes"}
    look = place.client.post("/api/v1/watches/look", json=asked).json()
    assert look == {"images": 3, "whole": True, "outside": 2}
    number = watch(place, folder="line")["id"]
    until(lambda: found(place)["images"] == 3)
    until(lambda: found(place)["failures"] == 2)
    shutil.copy(odd[4], line / "nothing.png")
    until(lambda: found(place)["images"] == 4)
    names = {str(Path(row["path"]).relative_to(line)) for row in results(place, number)}
    assert names == {"own.png", "kept.png", "today/a.png", "nothing.png"}
    told = {(Path(one["path"]).name, one["detail"]) for one in found(place)["unusable"]}
    assert told == {("outer", watching.OUTSIDE), ("outer.png", watching.OUTSIDE)}


@pytest.mark.skipif(sys.platform != "linux", reason="names are of any bytes")
def test_a_picture_is_scored_whatever_bytes_its_name_has(place: Place, images: Path) -> None:
    odd = sorted((images / "odd").iterdir())
    listener = Listener(0)
    number = watch(place, webhook=listener.address)["id"]
    line = os.fsencode(place.roots) + b"/St\xfcck"
    Path(os.fsdecode(line)).mkdir()
    shutil.copy(odd[0], os.fsdecode(line + b"/\xfc.png"))
    Path(os.fsdecode(line + b"/cut\xfc.png")).write_text("no picture", encoding="utf-8")
    shutil.copy(odd[1], place.roots / "other.png")
    until(lambda: found(place)["images"] == 2)
    until(lambda: found(place)["failures"] == 1)
    assert found(place)["problem"] is None
    spelt = "St\\udcfcck/\\udcfc.png"  # as predictions.csv of `oneclass score` has it
    assert str(place.roots / spelt) in {row["path"] for row in results(place, number)}
    assert found(place)["unusable"][0]["path"] == str(place.roots / "St\\udcfcck/cut\\udcfc.png")
    until(lambda: len(listener.calls) == 2)
    assert str(place.roots / spelt) in {json.loads(body)["path"] for _, body in listener.calls}
    assert "cut\\udcfc.png" in place.page("/parts/watches")
    assert "\\udcfc.png" in place.page("/score")
    # It is the same file after a start, and the folder alone is refused, however it is reached.
    assert str(place.roots / spelt) in place.service.watches.seen(number)
    (place.roots / "link").symlink_to(os.fsdecode(line))
    with pytest.raises(InputError, match=r"St.*has a name of bytes that are no UTF-8"):
        folder_within("link", (place.roots,))
    with pytest.raises(InputError, match=r"--folder is .*no UTF-8"):
        Settings(place.roots, folders=(place.roots / "link",))
    listener.shutdown()
    listener.server_close()


def test_a_bug_with_a_picture_is_told_and_keeps_no_other_from_its_score(
    place: Place, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    place.service.say = said.append
    real, broken = place.service.watches.dealt_with, True

    def dealt_with(number: int, file: tuple[str, int, int], *more: Any) -> None:
        if broken and "bad" in file[0]:
            raise KeyError("what?")
        real(number, file, *more)

    monkeypatch.setattr(place.service.watches, "dealt_with", dealt_with)
    monkeypatch.setattr(watching, "AT_A_TIME", 1)
    for name, file in zip(("bad.png", "good.png", "ok.png"), images.glob("odd/*"), strict=False):
        shutil.copy(file, place.roots / name)
    watch(place)
    until(lambda: found(place)["images"] == 2)
    until(lambda: found(place)["problem"])
    bad = place.roots / "bad.png"
    assert found(place)["problem"] == watching.BUG.format(bad, "KeyError: 'what?'")
    assert "cannot be scored because of a bug" in place.page("/parts/watches")
    assert [line.count("Traceback") for line in said if str(bad) in line] == [1]
    broken = False
    until(lambda: found(place)["images"] == 3)
    until(lambda: found(place)["problem"] is None)


def test_one_record_that_fails_by_a_bug_fails_no_other(place: Place, images: Path) -> None:
    def bug(*_: Any) -> None:
        raise KeyError("what?")

    version = place.service.versions.named("stripes")
    assert version is not None
    asked = [
        Asked(version, "api", partial(place.service.keeping.keep_bytes, file.read_bytes(), "x"))
        for file in images.glob("odd/*")
    ]
    asked[1].also = bug
    place.service.scorer._answer([(one, place.service.scorer._score(one)) for one in asked])
    assert [one.answer.exception() is None for one in asked] == [i != 1 for i in range(len(asked))]


def test_what_the_server_keeps_itself_is_not_watched(
    start: Callable[..., Place], images: Path
) -> None:
    place = start(data="roots/data")
    odd = sorted((images / "odd").iterdir())
    set_ = filled_set(place, images / "normal")
    assert list((place.roots / "data/sets" / set_).iterdir())
    (place.roots / "sets").symlink_to("data/sets")
    shutil.copy(odd[0], place.roots / "own.png")
    asked = {"folder": str(place.roots), "model": "stripes"}
    assert place.client.post("/api/v1/watches/look", json=asked).json()["images"] == 1
    watch(place)
    until(lambda: found(place)["images"] == 1)
    time.sleep(0.6)
    assert (found(place)["images"], found(place)["failures"]) == (1, 0)
    for address in ("watches", "watches/look"):
        asked["folder"] = "data/sets"
        answer = place.client.post(f"/api/v1/{address}", json=asked)
        assert answer.status_code == 422
        assert "is where this server keeps what it was sent" in answer.json()["message"]


def test_a_folder_that_is_watched_again_goes_on_where_it_ended(place: Place, images: Path) -> None:
    for file in images.glob("odd/*.png"):
        shutil.copy(file, place.roots)
    shutil.copy(next(images.glob("normal/*.png")), place.roots / "fine.png")
    number = watch(place)["id"]
    until(lambda: found(place)["images"] == 7)
    link = f"/score?model=stripes&watch={number}&only=true"
    assert f'{link}#results">Show odd ones</a>' in html.unescape(place.page("/parts/watches"))
    place.score(next(images.glob("odd/*.png")))
    tiles = place.page(link)
    odd = found(place)["anomalies"]
    assert tiles.count('<li class="tile odd"') == tiles.count('<li class="tile') == odd > 0
    assert place.client.delete(f"/api/v1/watches/{number}").json() == {"done": True}
    assert place.client.delete(f"/api/v1/watches/{number}").status_code == 404
    assert len(results(place, number)) == 7
    part = place.page("/parts/watches")
    assert "Watched before" in part
    assert f'href="/api/v1/watches/{number}/results.csv"' in part
    again = watch(place)
    assert (again["id"], again["state"], again["images"]) == (number, "on", 7)
    shutil.copy(next(images.glob("normal/*.png")), place.roots / "new.png")
    until(lambda: found(place)["images"] == 8)
    time.sleep(0.6)
    assert found(place)["images"] == len(results(place, number)) == 8
    assert "Watched before" not in place.page("/watch")


def test_the_time_to_a_verdict_counts_the_wait_until_a_file_is_whole(
    place: Place, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = watch(place)["id"]
    shutil.copy(next((images / "odd").iterdir()), place.roots / "a.png")
    until(lambda: found(place)["images"] == 1)
    monkeypatch.setattr(watching, "_age", lambda _: watching.NEW + 1)  # it lay there long before
    shutil.copy(next((images / "normal").iterdir()), place.roots / "b.png")
    until(lambda: found(place)["images"] == 2)
    took = {Path(row["path"]).name: float(row["seconds"]) for row in results(place, number)}
    assert took["a.png"] >= watching.SETTLED > took["b.png"]


class Listener(HTTPServer):
    """A webhook that refuses the first so many calls."""

    def __init__(self, refuse: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.refuse = refuse
        self.calls: list[tuple[dict[str, str], bytes]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class Handler(BaseHTTPRequestHandler):
    server: Listener

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.calls.append((dict(self.headers), body))
        self.send_response(503 if len(self.server.calls) <= self.server.refuse else 204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[Callable[[int], Listener]]:
    made: list[Listener] = []

    def make(refuse: int) -> Listener:
        made.append(Listener(refuse))
        return made[-1]

    yield make
    for one in made:
        one.shutdown()
        one.server_close()


def test_a_webhook_is_signed_and_tried_again(
    place: Place, images: Path, listener: Callable[[int], Listener]
) -> None:
    hook = listener(2)
    made = watch(place, webhook=hook.address, only_anomalies=True)
    shutil.copy(next((images / "odd").iterdir()), place.roots / "odd.png")
    shutil.copy(next((images / "normal").iterdir()), place.roots / "normal.png")
    until(lambda: found(place)["deliveries"]["arrived"] == 1)
    time.sleep(0.3)
    assert len(hook.calls) == 3
    assert len({headers[webhooks.DELIVERY] for headers, _ in hook.calls}) == 1
    headers, body = hook.calls[-1]
    signed = headers[webhooks.TIMESTAMP].encode() + b"." + body
    own = hmac.new(made["secret"].encode(), signed, hashlib.sha256).hexdigest()
    assert headers[webhooks.SIGNATURE] == f"sha256={own}"
    page = (Path(__file__).parents[2] / "docs/serve.md").read_text("utf-8")
    code: dict[str, Any] = {}
    exec(page.split("```python\n")[1].split("```")[0], code)  # what the page gives to receivers
    assert code["genuine"](headers, body, made["secret"])
    assert not code["genuine"](headers, body + b" ", made["secret"])
    assert not code["genuine"](headers, body, "another")
    shown = json.loads(page.split("```json\n")[1].split("```")[0])
    assert shown.keys() == json.loads(body).keys()
    said = json.loads(body)
    assert said["path"] == str(place.roots / "odd.png")
    assert said["is_anomaly"] is True
    [kept] = place.client.get(
        f"/api/v1/predictions?source=watch:{made['id']}&only_anomalies=1"
    ).json()["predictions"]
    assert (said["id"], said["score"]) == (kept["id"], kept["score"])
    assert "secret" not in found(place)


def test_whoever_asks_for_odd_ones_hears_of_unclear_ones_too(
    three: Place, images: Path, listener: Callable[[int], Listener]
) -> None:
    hook = listener(0)
    made = watch(three, model="three", webhook=hook.address, only_anomalies=True)
    for file in images.glob("*/*.png"):
        shutil.copy(file, three.roots / f"{file.parent.name}-{file.name}")
    until(lambda: found(three)["images"] == 14)
    verdicts = [row["verdict"] for row in results(three, made["id"])]
    seen = found(three)
    assert seen["unclear"] == verdicts.count("unclear") > 0
    assert seen["anomalies"] == verdicts.count("anomaly") > 0
    until(lambda: found(three)["deliveries"]["arrived"] == seen["unclear"] + seen["anomalies"])
    told = [json.loads(body)["verdict"] for _, body in hook.calls]
    assert sorted(told) == sorted(verdict for verdict in verdicts if verdict != "fine")


def test_what_waits_to_be_told_outlives_a_restart(
    start: Callable[..., Place], images: Path, listener: Callable[[int], Listener]
) -> None:
    place = start()
    hook = listener(0)
    port = hook.server_port
    hook.shutdown()
    hook.server_close()
    watch(place, webhook=f"http://127.0.0.1:{port}/hook")
    shutil.copy(next((images / "odd").iterdir()), place.roots / "odd.png")
    until(lambda: found(place)["deliveries"]["error"])
    assert found(place)["deliveries"]["error"] == os.strerror(errno.ECONNREFUSED)
    place.client.__exit__(None, None, None)
    again = start()
    assert found(again)["deliveries"]["waiting"] == 1
    assert found(again)["images"] == 1
    time.sleep(0.7)
    assert found(again)["images"] == 1  # seen is remembered


@pytest.mark.parametrize(
    "address", ["ftp://x/", "file:///etc/passwd", "no", "http://", "http://a b"]
)
def test_addresses_that_are_none(place: Place, address: str) -> None:
    asked = {"folder": str(place.roots), "model": "stripes", "webhook": address}
    assert place.client.post("/api/v1/watches", json=asked).status_code == 422


def test_a_folder_that_is_not_there_is_told_so_where_it_might_be_watched(place: Place) -> None:
    (place.roots / "file").write_text("x", encoding="utf-8")
    for name in ("none", "file"):
        asked = {"folder": str(place.roots / name), "model": "stripes"}
        said = place.client.post("/api/v1/watches", json=asked).json()["message"]
        assert "is not there, or is no folder: check the spelling" in said
        assert "--folder" not in said


def test_a_folder_that_may_not_be_read_says_which_may(place: Place, tmp_path: Path) -> None:
    asked = {"folder": str(tmp_path), "model": "stripes"}
    said = place.client.post("/api/v1/watches", json=asked).json()["message"]
    assert said.endswith(
        f"(it may read: {place.roots}, and what is in it). Start it with --folder for another one."
    )


@pytest.mark.parametrize("name", ["line", "line/one", "./line/", "line/../line", "."])
def test_a_folder_is_named_by_its_place_in_the_one_that_is_allowed(
    place: Place, images: Path, name: str
) -> None:
    (place.roots / "line/one").mkdir(parents=True)
    asked = {"folder": name, "model": "stripes"}
    shutil.copy(next((images / "odd").iterdir()), place.roots / name / "1.png")
    assert place.client.post("/api/v1/watches/look", json=asked).json()["images"] == 1
    made = place.client.post("/api/v1/watches", json=asked).json()
    assert made["folder"] == str((place.roots / name).resolve())
    # The same one by its whole path.
    asked = {"folder": made["folder"], "model": "stripes"}
    said = place.client.post("/api/v1/watches", json=asked).json()["message"]
    assert "is watched already" in said


@pytest.mark.linux
def test_no_name_of_a_folder_leads_out_of_the_allowed_one(place: Place, tmp_path: Path) -> None:
    (tmp_path / "else").mkdir()
    (place.roots / "out").symlink_to(tmp_path / "else")
    (place.roots / "round").symlink_to(place.roots / "round")
    whole = [str(place.roots / name) for name in ("round", "out", "../else")]
    given = ("..", "../else", "out", "no/../../else", "/x", "round", "a\0b", "a" * 4000)
    for name in (*given, *whole):
        for address in ("/api/v1/watches", "/api/v1/watches/look"):
            answer = place.client.post(address, json={"folder": name, "model": "stripes"})
            assert answer.status_code == 422, name
    assert place.client.get("/api/v1/watches").json()["watches"] == []
    said = place.client.post("/api/v1/models/stripes/score", json={"paths": [whole[0]]}).json()
    assert said["error"] == "missing"


def test_a_name_in_two_allowed_folders_is_asked_about(tmp_path: Path) -> None:
    roots = (tmp_path / "a", tmp_path / "b")
    for root in roots:
        (root / "line").mkdir(parents=True)
    (roots[1] / "only").mkdir()
    assert folder_within("only", roots) == (roots[1] / "only").resolve()
    assert folder_within(str(roots[0] / "line"), roots) == (roots[0] / "line").resolve()
    with pytest.raises(InputError, match=r"'line' is in more than one .*Give its whole path"):
        folder_within("line", roots)


def test_a_folder_is_named_from_where_the_server_was_started_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "line").mkdir()
    assert folder_within("line", (Path("line").resolve(),)) == (tmp_path / "line").resolve()


def test_the_page_says_how_a_folder_is_named(place: Place) -> None:
    text = re.sub("</?code>", "", html.unescape(place.page("/watch")))
    told = "on the server, or a folder in it: its name there, such as line-3, is enough."
    assert f"{place.roots} {told}" in text


def test_a_watch_that_is_remembered_waits_until_its_folder_may_be_read_again(
    start: Callable[..., Place], images: Path
) -> None:
    files = sorted(images.glob("*/*.png"))
    place = start()
    watch(place)
    shutil.copy(files[0], place.roots)
    until(lambda: found(place)["images"] == 1)
    shutil.copy(files[1], place.roots)  # about to be judged
    place.client.__exit__(None, None, None)
    said: list[str] = []
    place = start(folders=(images,))
    place.service.say = said.append
    shutil.copy(files[2], place.roots)
    until(lambda: found(place)["problem"])
    time.sleep(1)
    one = found(place)
    assert f"Start the server with --folder {place.roots}" in one["problem"]
    assert (one["images"], one["failures"], one["unusable"]) == (1, 0, [])
    assert html.escape(one["problem"], quote=False) in place.page("/parts/watches")
    assert "trouble" in place.page("/parts/watches")
    assert len([line for line in said if "--folder" in line]) <= 1
    place.client.__exit__(None, None, None)
    place = start()
    until(lambda: found(place)["images"] == 3)
    assert (found(place)["problem"], found(place)["failures"]) == (None, 0)


def test_what_an_earlier_release_called_missing_is_judged_after_a_start(
    start: Callable[..., Place], images: Path
) -> None:
    place = start()
    file = place.roots / "a.png"
    number = watch(place)["id"]
    file.write_text("no picture", encoding="utf-8")
    until(lambda: found(place)["failures"] == 1)
    place.client.__exit__(None, None, None)
    shutil.copy(next((images / "odd").iterdir()), file)
    facts = file.stat()
    place = start(folders=(images,))  # it does not look there
    with place.service.database.write() as connection:
        connection.execute("UPDATE failure SET reason = 'missing'")
        connection.execute(
            "UPDATE seen SET bytes = ?, changed = ?", (facts.st_size, facts.st_mtime_ns)
        )
    place.client.__exit__(None, None, None)
    place = start()
    until(lambda: found(place)["images"] == 1)
    assert (found(place)["failures"], found(place)["unusable"]) == (0, [])
    assert len(results(place, number)) == 1


def test_a_file_that_was_away_for_a_moment_is_judged_once_it_is_back(
    place: Place, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(next((images / "odd").iterdir()), place.roots / "a.png")
    real, tries = watching.open_within, []

    def away(path: Path, roots: tuple[Path, ...]) -> Any:
        tries.append(path)
        if len(tries) < 3:
            raise FileNotFoundError(errno.ENOENT, "gone", str(path))
        return real(path, roots)

    monkeypatch.setattr(watching, "open_within", away)
    watch(place)
    until(lambda: found(place)["images"] == 1)
    assert (len(tries), found(place)["failures"]) == (3, 0)


def test_watching_and_webhooks_outlive_a_full_disk(
    place: Place, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    place.service.say = said.append
    listener = Listener(0)
    number = watch(place, webhook=listener.address)["id"]
    shutil.copy(next((images / "odd").iterdir()), place.roots / "a.png")
    until(lambda: len(listener.calls) == 1)
    full = Full(place, monkeypatch)
    shutil.copy(next((images / "normal").iterdir()), place.roots / "b.png")
    until(lambda: full.refused > 40)
    full.is_full = False
    until(lambda: found(place)["images"] == 2)
    until(lambda: len(listener.calls) == 2)
    assert len(results(place, number)) == 2
    told = [line for line in said if "database or disk is full" in line]
    assert sorted(line.split()[0] for line in told) == ["jobs", "watching", "webhooks"]
    listener.shutdown()
    listener.server_close()


def test_a_webhook_that_speaks_no_http_ends_no_deliveries(place: Place, images: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        watch(place, webhook=f"http://127.0.0.1:{server.getsockname()[1]}/")
        shutil.copy(next((images / "odd").iterdir()), place.roots / "a.png")
        for _ in range(2):
            caller, _address = server.accept()
            caller.recv(10_000)
            caller.sendall(b"what?\r\n\r\n")
            caller.close()
    until(lambda: "what?" in str(found(place)["deliveries"]["error"]))
