"""An S3 server on this machine whose answers fail and come late as they are told to."""

from __future__ import annotations

import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

WSGI = Callable[[dict[str, Any], Any], Any]


@dataclass
class Trouble:
    """What goes wrong.

    Attributes:
        every: the n-th answer to a GET or PUT of an object fails; 0 for none.
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


@contextmanager
def s3_server() -> Iterator[tuple[str, Trouble]]:
    """Its address, and the trouble that it makes."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log(self, *_: Any) -> None:
            pass

    trouble = Trouble()
    app = troubled(DomainDispatcherApplication(create_backend_app), trouble)
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", trouble
    finally:
        server.shutdown()
        thread.join()
