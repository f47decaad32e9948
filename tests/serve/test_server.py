"""The server as a process of its own: slow and hostile clients, and its end at any moment."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from oneclass.serve.records.database import Database
from oneclass.serve.records.jobs import Jobs
from oneclass.serve.settings import Limits, Settings
from oneclass.serve.web.server import make_server
from oneclass.serve.work.jobs import runner
from oneclass.serve.work.service import Service
from serving import Running, until


def a_png(images: Path) -> bytes:
    return next((images / "odd").iterdir()).read_bytes()


def head(length: int, more: str = "") -> bytes:
    return (
        "POST /api/v1/models/stripes/score HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: image/png\r\nContent-Length: {length}\r\n{more}\r\n"
    ).encode()


def test_slow_clients_are_let_go_and_others_served(
    run: Callable[..., Running], images: Path
) -> None:
    server = run(header_seconds=0.5, body_seconds=0.5, idle_seconds=1)
    for sent, status in (
        (b"", b"408"),
        (b"GET / HT", b"408"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b"408"),
        (head(100), b"408"),
        (head(100) + b"x" * 10, b"408"),
    ):
        began = time.monotonic()
        came = server.raw(sent)
        assert time.monotonic() - began < 3
        assert came.split(b" ")[1] == status
        assert b'"message"' in came
    assert server.score(a_png(images))["predictions"]


def test_slow_bodies_do_not_use_up_the_turns_of_others(
    run: Callable[..., Running], images: Path
) -> None:
    server = run(requests=4, body_seconds=3)
    lines = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(30)]
    for line in lines:
        line.sendall(head(1000) + b"x")
    time.sleep(0.2)
    assert server.score(a_png(images))["predictions"]
    for line in lines:
        line.close()


def test_a_byte_at_a_time_does_not_hold_a_connection(run: Callable[..., Running]) -> None:
    server = run(header_seconds=0.6, body_seconds=0.6)
    for start in (b"GET / HTTP/1.1\r\nHost: localhost\r\n", head(10_000)):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as line:
            line.sendall(start)
            began = time.monotonic()
            with suppress(ConnectionError):
                while time.monotonic() - began < 5:
                    line.sendall(b"x")
                    time.sleep(0.05)
            assert time.monotonic() - began < 4


def test_the_first_answer_does_not_wait_for_the_endpoints() -> None:
    program = """
import sys
import oneclass.serve.web.server
print(*[name for name in ("fastapi", "pydantic", "jinja2") if name in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert found.stdout.split() == []


def test_a_page_asked_for_at_once_waits_for_no_more_than_itself(data: Path) -> None:
    server = Running(data)
    began = time.monotonic()
    assert server.get("/score")[0] == 200
    assert server.end() == 0
    assert time.monotonic() - began < 20


HOSTILE = [
    (b"nonsense\r\n\r\n", {b"400"}),
    (b"\0" * 1000, {b"400"}),
    (b"GET / HTTP/1.1\r\n\r\n", {b"400", b"421"}),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil\r\n\r\n", {b"400", b"421"}),
    (
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 100_000 + b"\r\n\r\n",
        {b"400", b"431"},
    ),
    (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", {b"400", b"431"}),
    (head(5, "Content-Length: 6\r\n") + b"12345", {b"400"}),
    (head(-1), {b"400"}),
    (head(10**12), {b"413"}),
    (head(10**30), {b"400", b"413"}),
    (head(5, "Transfer-Encoding: chunked\r\n") + b"zz\r\n", {b"400", b"408"}),
    (b"GET /%00%ff/..%2f HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", {b"404"}),
    (
        b"GET /static/..%2f..%2fsettings.py HTTP/1.1\r\nHost: localhost\r\n"
        b"Connection: close\r\n\r\n",
        {b"404"},
    ),
]


def test_hostile_bytes_get_a_typed_answer(run: Callable[..., Running]) -> None:
    server = run(header_seconds=1, body_seconds=1)
    for sent, statuses in HOSTILE:
        came = server.raw(sent)
        assert came.split(b" ")[1] in statuses, (sent[:100], came[:200])
        assert b'{"error":' in came
    assert server.ready()


def test_a_flood_of_connections_leaves_room(run: Callable[..., Running], images: Path) -> None:
    server = run(connections=20, header_seconds=1)
    lines = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(60)]
    refused = 0
    for line in lines[30:]:
        line.settimeout(0.2)
        with suppress(TimeoutError):
            refused += line.recv(100).startswith(b"HTTP/1.1 503")
    assert refused >= 25
    until(server.ready, 5)
    assert server.score(a_png(images))["predictions"]
    for line in lines:
        line.close()


def test_a_term_finishes_what_runs(run: Callable[..., Running], images: Path) -> None:
    server = run()
    content = a_png(images)
    answers: list[dict[str, Any]] = []

    def ask() -> None:
        answers.append(server.score(content))

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    listener = socket.create_connection(("127.0.0.1", server.port))
    listener.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    time.sleep(0.15)
    began = time.monotonic()
    assert server.end() == 0
    assert time.monotonic() - began < 10
    assert server.said.startswith("ending, once what has been sent is answered")
    for thread in threads:
        thread.join()
    listener.close()
    assert len(answers) == 12


def killed_again_and_again(data: Path, content: bytes, times: int, seed: int) -> None:
    """Kill a server at random moments while eight clients write; what was answered is there."""
    wait = random.Random(seed)
    acknowledged: set[tuple[int, float]] = set()
    for _ in range(times):
        server = Running(data)
        over = threading.Event()

        def ask(server: Running = server, over: threading.Event = over) -> None:
            while not over.is_set():
                try:
                    said = server.score(content, timeout=5)["predictions"][0]
                except (OSError, ValueError, HTTPException):
                    return
                acknowledged.add((said["id"], said["score"]))

        clients = [threading.Thread(target=ask) for _ in range(8)]
        for client in clients:
            client.start()
        time.sleep(wait.uniform(0.02, 0.4))
        server.end(signal.SIGKILL)
        over.set()
        for client in clients:
            client.join()
    with sqlite3.connect(data / "oneclass.sqlite3") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        kept = set(connection.execute("SELECT id, score FROM prediction").fetchall())
        images = {row[0] for row in connection.execute("SELECT DISTINCT image FROM prediction")}
        hours = connection.execute("SELECT sum(images + again) FROM hour").fetchone()[0]
    connection.close()
    assert acknowledged
    assert acknowledged <= kept
    assert hours == len(kept)
    assert all((data / "images" / image[:2] / image[2:]).exists() for image in images)


def test_kills_lose_nothing_that_was_answered(data: Path, images: Path) -> None:
    killed_again_and_again(data, a_png(images), 3, seed=1)


@pytest.mark.slow
def test_many_kills_lose_nothing_that_was_answered(data: Path, images: Path) -> None:
    times = int(os.environ.get("ONECLASS_KILLS", "40"))
    killed_again_and_again(data, a_png(images), times, seed=2)


def test_a_job_that_was_killed_begins_again(run: Callable[..., Running], images: Path) -> None:
    server = run()

    def ask(path: str, body: bytes, kind: str = "application/json") -> dict[str, Any]:
        request = urllib.request.Request(
            server.at(path), data=body, headers={"Content-Type": kind}, method="POST"
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            said: dict[str, Any] = json.load(answer)
        return said

    number = ask("/api/v1/sets", b"")["id"]
    for file in images.glob("*/*.png"):
        ask(f"/api/v1/sets/{number}/images", file.read_bytes(), "image/png")
    job = ask("/api/v1/jobs/fit", json.dumps({"name": "new", "set": number}).encode())["id"]
    time.sleep(0.3)
    server.end(signal.SIGKILL)
    server = run()

    def done() -> bool:
        return bool(json.loads(server.get(f"/api/v1/jobs/{job}")[1])["state"] == "done")

    until(done, 60)
    assert json.loads(server.get("/api/v1/models/new")[1])["versions"][0]["version"] == 1


def test_limits_are_those_of_the_page() -> None:
    page = (Path(__file__).parents[2] / "docs/serve.md").read_text(encoding="utf-8")
    limits = Limits()
    for word in (
        f"{limits.image_bytes // 10**6} MB",
        f"{limits.pixels // 10**6} million",
        f"{limits.body_bytes // 10**6} MB, {limits.images} images",
        f"| {limits.connections} |",
        f"| {limits.queue} |",
        f"one client | {limits.requests} |",
        f"{limits.disk_bytes // 10**6} MB",
    ):
        assert word in page, word


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (None, r"ending, once what has been sent is answered \.\.\."),
        ("fit", r"learning new has 0\.2 seconds to finish, and else begins anew when"),
    ],
)
def test_an_end_says_what_it_waits_for_and_does_not_wait_for_learning(
    kind: str | None, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleeping = (sys.executable, "-c", "import time; time.sleep(60)")
    monkeypatch.setattr(runner, "PROGRAM", sleeping)
    limits = Limits(job_seconds=0.2)
    service = Service(Settings(tmp_path / "data", port=0, threads=1, limits=limits))
    said: list[str] = []
    server = make_server(service, said.append)
    serving = threading.Thread(target=server.run)
    serving.start()
    until(lambda: server.started)
    if kind:
        service.runner.add(kind, "new", {"folder": str(tmp_path), "settings": {}})
        until(lambda: service.runner._running)
    began = time.monotonic()
    server.should_exit = True
    until(lambda: said, 2)
    serving.join(20)
    assert not serving.is_alive()
    assert time.monotonic() - began < 10
    assert [bool(re.search(told, one)) for one in said] == [True]
    database = Database(tmp_path / "data")
    assert [job["state"] for job in Jobs(database).unfinished()] == ["running"] * bool(kind)
    database.close()


@pytest.mark.linux
@pytest.mark.parametrize("to", ["the terminal", "all"])
def test_a_job_is_not_lost_where_a_signal_goes_to_more_than_the_server(
    to: str, tmp_path: Path
) -> None:
    program = f"""
import os, sys, threading, time
from pathlib import Path
from oneclass.serve.settings import Settings
from oneclass.serve.web.server import make_server
from oneclass.serve.work.jobs import runner
from oneclass.serve.work.service import Service
runner.PROGRAM = (sys.executable, "-c", "import time; time.sleep(60)")
service = Service(Settings(Path({str(tmp_path / "data")!r}), port=0, threads=1))
service.runner.add("fit", "new", {{"folder": "x", "settings": {{}}}})
def show():
    while not service.runner._running:
        time.sleep(0.05)
    print(service.runner._running[1].pid, flush=True)
threading.Thread(target=show).start()
make_server(service).run()
"""
    server = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert server.stdout is not None
    job = int(server.stdout.readline())
    if to == "the terminal":
        os.killpg(server.pid, signal.SIGINT)  # as Ctrl-C does
    else:
        os.kill(job, signal.SIGTERM)
        os.kill(server.pid, signal.SIGTERM)
    server.communicate(timeout=20)
    database = Database(tmp_path / "data")
    assert [one["state"] for one in Jobs(database).unfinished()] == ["running"]
    database.close()
