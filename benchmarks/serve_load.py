"""Clients for bench_serve.py, and the server and the plain scorer that it compares."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

MODEL = "parts"
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
TAILS = count()
"""What stands behind the end of a picture, so that no two files are the same."""
SCORER = """
import json, sys, time
from oneclass import load
from oneclass.images.sources import gather
detector = load(sys.argv[1])
sources = gather(sys.argv[2:])
list(detector.score_each(sources))
print("ready", flush=True)
for _ in sys.stdin:
    began, cpu = time.perf_counter(), time.process_time()
    n = sum(1 for _ in detector.score_each(sources))
    took = {"images": n, "seconds": time.perf_counter() - began, "cpu": time.process_time() - cpu}
    print(json.dumps(took), flush=True)
"""


@dataclass
class Answers:
    """What came back.

    Attributes:
        latencies: seconds from the moment at which a request was due to its whole answer.
        scores: of each prediction's id.
        failures: what was no 200, by its status or exception.
        seconds: from the first request to the last answer.
    """

    latencies: list[float] = field(default_factory=list)
    scores: dict[int, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    seconds: float = 0.0


class Client:
    """One connection that is kept open."""

    def __init__(self, port: int) -> None:
        self._address = ("127.0.0.1", port)
        self._line: socket.socket | None = None

    def score(self, image: bytes) -> tuple[int, dict[str, Any]]:
        """Send an image, as a file that was never there; the status and what was said."""
        image += next(TAILS).to_bytes(8, "big")
        head = (
            f"POST /api/v1/models/{MODEL}/score HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: image/png\r\nContent-Length: {len(image)}\r\n\r\n"
        )
        for first in (True, False):
            if self._line is None:
                self._line = socket.create_connection(self._address, timeout=60)
                self._line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                first = False
            try:
                self._line.sendall(head.encode() + image)
                return self._answer(self._line)
            except ConnectionError:
                self._line = None
                if not first:
                    raise
        raise AssertionError("it returns or raises")

    def _answer(self, line: socket.socket) -> tuple[int, dict[str, Any]]:
        came = b""
        while b"\r\n\r\n" not in came:
            came += self._more(line)
        head, _, body = came.partition(b"\r\n\r\n")
        found = re.search(rb"(?i)content-length: (\d+)", head)
        assert found is not None
        while len(body) < int(found[1]):
            body += self._more(line)
        return int(head.split(b" ", 2)[1]), json.loads(body)

    def _more(self, line: socket.socket) -> bytes:
        piece = line.recv(65536)
        if not piece:
            raise ConnectionResetError("closed")
        return piece


def ask_all(port: int, images: Sequence[bytes], clients: int) -> Answers:
    """Each client sends the next image as soon as it has an answer."""
    waiting = iter(images)
    drawing = threading.Lock()

    def due() -> tuple[float, bytes] | None:
        with drawing:
            image = next(waiting, None)
        return None if image is None else (time.perf_counter(), image)

    return _in_parallel(port, clients, due)


def ask_at(port: int, images: Sequence[bytes], rate: float, seconds: float, seed: int) -> Answers:
    """Requests at random moments, `rate` a second, however many are under way."""
    random = np.random.default_rng(seed)
    moments = (
        time.perf_counter() + 0.1 + np.cumsum(random.exponential(1 / rate, int(rate * seconds)))
    )
    schedule = iter(enumerate(moments))
    drawing = threading.Lock()

    def due() -> tuple[float, bytes] | None:
        with drawing:
            i, moment = next(schedule, (0, None))
        if moment is None:
            return None
        time.sleep(max(0.0, moment - time.perf_counter()))
        return float(moment), images[i % len(images)]

    return _in_parallel(port, 40, due)


def _in_parallel(port: int, clients: int, due: Callable[[], tuple[float, bytes] | None]) -> Answers:
    found = Answers()

    def work() -> None:
        client = Client(port)
        while (one := due()) is not None:
            moment, image = one
            try:
                status, said = client.score(image)
            except (OSError, ValueError) as error:
                found.failures.append(repr(error))
                continue
            if status == 200:
                found.latencies.append(time.perf_counter() - moment)
                found.scores |= {one["id"]: one["score"] for one in said["predictions"]}
            else:
                found.failures.append(f"{status} {said.get('error')}")

    threads = [threading.Thread(target=work) for _ in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found.seconds = time.perf_counter() - began
    return found


class Server:
    """`oneclass serve` as a process of its own."""

    def __init__(self, data: Path, *options: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "oneclass", "serve", "--no-open", "--port", "0",
             "--data", str(data), *options],
            stderr=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        assert self.process.stderr is not None
        found = re.search(r"127\.0\.0\.1:(\d+)", self.process.stderr.readline())
        assert found is not None, "it says where it is"
        self.port = int(found[1])

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """One request by urllib."""
        import urllib.error
        import urllib.request

        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=body,
            method=method,
            headers={"Content-Type": "application/octet-stream"},
        )
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def wait(self) -> None:
        """Until images would be scored."""
        while True:
            with suppress(OSError):
                if self.ask("GET", "/readyz")[0] == 200:
                    return
            time.sleep(0.01)

    @property
    def cpu(self) -> float:
        """Seconds of processor time that it has used, user's and system's."""
        text = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii")
        fields = text.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    @property
    def memory(self) -> int:
        """Bytes that are in memory."""
        text = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii")
        return int(text.split()[1]) * PAGE

    def end(self) -> None:
        """As Ctrl-C does."""
        self.process.terminate()
        self.process.wait(60)


class Scorer:
    """What `oneclass score` does, in a process that has its model loaded."""

    def __init__(self, model: Path, files: Iterable[Path]) -> None:
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", SCORER, str(model), *map(str, files)]
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self._line()

    def score(self) -> dict[str, float]:
        """Score all files once: images, seconds, cpu."""
        assert self.process.stdin is not None
        self.process.stdin.write("again\n")
        self.process.stdin.flush()
        found: dict[str, float] = json.loads(self._line())
        return found

    def end(self) -> None:
        """Let it go."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()
