"""Stores on this machine whose answers fail and come late as they are told to.

S3 by moto, Google's by gcp-storage-emulator, Azure's by Azurite where AZURITE says where it is.
"""

from __future__ import annotations

import http.client
import os
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

WSGI = Callable[[dict[str, Any], Any], Any]
AZURE = (
    "DefaultEndpointsProtocol=http;AccountName=devstoreaccount1;AccountKey=Eby8vdM02xNOcqFlqUwJPLl"
    "mEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==;BlobEndpoint={}/devstoreacco"
    "unt1;"
)
"""The account that every Azurite has; its key is no secret."""
START_SECONDS = 120


@dataclass
class Trouble:
    """What goes wrong.

    Attributes:
        every: the n-th answer fails; 0 for none.
        kinds: in turn: a status of HTTP, or "reset".
        seconds: each answer is late by.
        counted: requests so far, failures among them.
    """

    every: int = 0
    kinds: tuple[int | str, ...] = (500, 503, "reset")
    seconds: float = 0.0
    counted: list[str] = field(default_factory=list)
    failed: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def end(self) -> None:
        """All is well again."""
        self.every, self.kinds, self.seconds = 0, Trouble.kinds, 0.0

    def next(self, told: str) -> int | str | None:
        """What becomes of a request: None, if it is to be answered."""
        with self.lock:
            self.counted.append(told)
            if not self.every or len(self.counted) % self.every:
                return None
            self.failed += 1
            return self.kinds[self.failed % len(self.kinds)]


def troubled(app: WSGI, trouble: Trouble) -> WSGI:
    """The same application, with trouble on the way."""

    def answer(environ: dict[str, Any], start: Any) -> Any:
        time.sleep(trouble.seconds)
        what = trouble.next(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        if what is None:
            return app(environ, start)
        if what == "reset":
            connection: socket.socket = environ["werkzeug.socket"]
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(connection.detach())
            return []
        start(f"{what} Trouble", [("Content-Type", "text/xml")])
        return [b"<Error><Code>SlowDown</Code></Error>" if what == 503 else b""]

    return answer


def _forwarded(port: int) -> WSGI:
    """An application that answers what another server of this machine does."""

    def answer(environ: dict[str, Any], start: Any) -> Any:
        headers = {
            name: value for name, value in environ["headers as sent"] if _is_end_to_end(name)
        }
        with closing(http.client.HTTPConnection("127.0.0.1", port)) as there:
            in_chunks = environ.get("wsgi.input_terminated", False)
            length = None if in_chunks else int(environ.get("CONTENT_LENGTH") or 0)
            content = environ["wsgi.input"].read(length)
            there.request(environ["REQUEST_METHOD"], environ["REQUEST_URI"], content, headers)
            told = there.getresponse()
            found = told.read()
        kept = [(name, value) for name, value in told.getheaders() if _is_end_to_end(name)]
        start(f"{told.status} {told.reason}", kept)
        return [found]

    return answer


def _is_end_to_end(name: str) -> bool:
    return name.lower() not in ("transfer-encoding", "connection", "keep-alive")


@contextmanager
def _served(app: WSGI) -> Iterator[tuple[str, Trouble]]:
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, *_: Any) -> None:
            pass

        def make_environ(self) -> dict[str, Any]:
            # WSGI has no place for names with _, of which Azure's signatures are made, too.
            return {**super().make_environ(), "headers as sent": self.headers.items()}

    trouble = Trouble()
    wsgi = troubled(app, trouble)
    server = make_server("127.0.0.1", 0, wsgi, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", trouble
    finally:
        server.shutdown()
        thread.join()


@dataclass(frozen=True)
class Store:
    """A store that runs.

    Attributes:
        scheme: of its addresses.
        trouble: that it makes.
        environment: where the store is, and a key; as its users give them.
        nowhere: the same of a place where nobody answers.
    """

    scheme: str
    trouble: Trouble
    environment: dict[str, str]
    nowhere: dict[str, str]


@contextmanager
def s3() -> Iterator[Store]:
    pytest.importorskip("s3fs", reason="needs the extra test-remote")
    server = pytest.importorskip("moto.server", reason="needs the extra test-remote")
    with _served(server.DomainDispatcherApplication(server.create_backend_app)) as served:
        address, trouble = served
        same = {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        yield Store("s3", trouble, *({**same, "AWS_ENDPOINT_URL": a} for a in (address, NOWHERE)))


@contextmanager
def gs() -> Iterator[Store]:
    pytest.importorskip("gcsfs", reason="needs the extra test-remote")
    emulator = pytest.importorskip(
        "gcp_storage_emulator.server", reason="needs the extra test-remote"
    )
    port = _free_port()
    server = emulator.create_server("127.0.0.1", port, in_memory=True, default_bucket="images")
    server.start()
    try:
        with _served(_forwarded(port)) as (address, trouble):
            yield Store("gs", trouble, *({"STORAGE_EMULATOR_HOST": a} for a in (address, NOWHERE)))
    finally:
        server.stop()


@contextmanager
def az() -> Iterator[Store]:
    pytest.importorskip("adlfs", reason="needs the extra test-remote")
    program = os.environ.get("AZURITE") or shutil.which("azurite-blob")
    if not program:
        pytest.skip(
            "no Azurite: npm install azurite, and AZURITE=.../node_modules/.bin/azurite-blob"
        )
    port = _free_port()
    words = ["--inMemoryPersistence", "--skipApiVersionCheck", "--silent", "--blobPort", str(port)]
    server = subprocess.Popen([program, *words], stdout=subprocess.DEVNULL)
    try:
        _wait_for(port)
        with _served(_forwarded(port)) as (address, trouble):
            name = "AZURE_STORAGE_CONNECTION_STRING"
            yield Store("az", trouble, *({name: AZURE.format(a)} for a in (address, NOWHERE)))
    finally:
        server.kill()
        server.wait()


STORES = {"s3": s3, "gs": gs, "az": az}
NOWHERE = "http://127.0.0.1:9"


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def _wait_for(port: int) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(f"nobody listens on port {port} after {START_SECONDS} seconds")
