"""A server in a test's own process, and waiting for it."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oneclass import load

if TYPE_CHECKING:
    import pytest
    from starlette.testclient import TestClient

    from oneclass.serve.work.service import Service

HERE = "http://127.0.0.1:8717"
RAW = {"Content-Type": "application/octet-stream"}


PROGRAM = """
import sys, json
from pathlib import Path
from oneclass.serve.listening import bound
from oneclass.serve.settings import Limits, Settings
from oneclass.serve.web.server import make_server
from oneclass.serve.work.service import Service
given = json.loads(sys.argv[1])
limits = Limits(**given["limits"])
folders = tuple(Path(folder) for folder in given["folders"])
data, host = Path(given["data"]), given["host"]
settings = Settings(data, port=0, host=host, threads=1, limits=limits, folders=folders)
server = make_server(Service(settings), print)
with bound(settings) as socket:
    print(socket.getsockname()[1], flush=True)
    server.run([socket])
"""


def another(model_file: Path, folder: Path, rate: float) -> bytes:
    """The model at another rate of false alarms, which is another file."""
    file = folder / f"{rate:g}.oneclass"
    load(model_file, false_alarms=rate).save(file)
    return file.read_bytes()


class Place:
    """A service, its app, and a client of it."""

    def __init__(self, service: Service, client: TestClient, roots: Path) -> None:
        self.service, self.client, self.roots = service, client, roots

    def score(self, file: Path, **headers: str) -> Any:
        return self.client.post(
            "/api/v1/models/stripes/score",
            content=file.read_bytes(),
            headers={**RAW, "X-File-Name": file.name, **headers},
        )

    def page(self, address: str) -> str:
        """A page, without becoming a browser that has its cookie."""
        text = self.client.get(address).text
        self.client.cookies.clear()
        return text

    def job(self, number: int) -> dict[str, Any]:
        """Wait for a job to end."""
        for _ in range(600):
            job: dict[str, Any] = self.client.get(f"/api/v1/jobs/{number}").json()
            if job["state"] not in ("queued", "running"):
                return job
            time.sleep(0.05)
        raise AssertionError("the job does not end")


class Full:
    """A database that is full until told otherwise: what would write it fails."""

    def __init__(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full, self.refused = True, 0
        real = place.service.database._connection

        def connection() -> Any:
            if self.is_full:
                self.refused += 1
                raise sqlite3.OperationalError("database or disk is full")
            return real()

        monkeypatch.setattr(place.service.database, "_connection", connection)


def filled_set(place: Place, folder: Path) -> str:
    """A set that holds the images of a folder; its id."""
    number: str = place.client.post("/api/v1/sets").json()["id"]
    for i, file in enumerate(sorted(folder.iterdir()), 1):
        answer = place.client.post(
            f"/api/v1/sets/{number}/images",
            content=file.read_bytes(),
            headers={**RAW, "X-File-Name": file.name},
        )
        told = answer.json()
        assert Path(told.pop("file")).suffix == file.suffix
        assert told == {"id": number, "images": i}
    return number


def until(holds: Callable[[], Any], seconds: float = 20) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)


class Running:
    """A server process."""

    def __init__(
        self, data: Path, folders: Sequence[str] = (), host: str = "127.0.0.1", **limits: Any
    ) -> None:
        where = {"data": str(data), "folders": folders, "host": host}
        given = json.dumps({**where, "limits": limits})
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, given], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        until(self.ready)

    def ready(self) -> bool:
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False

    def get(self, path: str) -> tuple[int, bytes]:
        try:
            with urllib.request.urlopen(self.at(path), timeout=10) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def score(self, content: bytes, timeout: float = 20) -> dict[str, Any]:
        request = urllib.request.Request(
            self.at("/api/v1/models/stripes/score"),
            data=content,
            headers={"Content-Type": "image/png"},
        )
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            said: dict[str, Any] = json.load(answer)
        return said

    def at(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def raw(self, data: bytes, *, wait: float = 5) -> bytes:
        """What comes back to bytes, until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=wait) as line:
            came = b""
            try:
                line.sendall(data)
                while piece := line.recv(65536):
                    came += piece
            except ConnectionError:
                pass
            return came

    def end(self, how: int = signal.SIGTERM) -> int:
        self.process.send_signal(how)
        code = self.process.wait(40)
        assert self.process.stdout is not None
        self.said = self.process.stdout.read()
        self.process.stdout.close()
        return code
