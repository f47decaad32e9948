"""Many damaged images, hostile requests and slow bodies at one server, and a disk that fills up."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from damage import write_damaged
from serving import Running, until

pytestmark = [pytest.mark.slow, pytest.mark.linux]
ADDRESS = "/api/v1/models/stripes/score"
MOST_MEMORY = 1 << 30
TARGETS = (
    "/", "/score", "/p/%s", "/models/%s", "/static/%s", "/api/v1/models/%s", "/api/v1/%s",
    "/api/v1/predictions/%s", "/api/v1/predictions/%s/heatmap.npy", "/api/v1/jobs/%s", "/parts/%s",
)  # fmt: skip
WORDS = (
    "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%00", "%ff%fe", "'; DROP TABLE prediction; --",
    "9" * 400, "-1", "1e9", "%s%s%n", "<script>alert(1)</script>", "\u00e9\u6c34", "a" * 3000,
)  # fmt: skip


def memory(server: Running) -> int:
    """The most bytes that it ever had in memory."""
    text = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    line = next(line for line in text.splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1])


def status_of(came: bytes) -> int:
    return int(came.split(b" ", 2)[1])


def a_png(images: Path) -> bytes:
    return next((images / "odd").iterdir()).read_bytes()


@pytest.fixture
def others(run: Callable[..., Running], images: Path) -> Iterator[Running]:
    """A server that somebody else uses meanwhile, who is always served."""
    server, over, served = run(body_seconds=2, header_seconds=2), threading.Event(), []

    def use() -> None:
        while not over.wait(0.2):
            served.append(bool(server.score(a_png(images), timeout=60)["predictions"]))

    other = threading.Thread(target=use)
    other.start()
    yield server
    over.set()
    other.join()
    assert len(served) > 3
    assert all(served)
    assert server.ready()
    assert memory(server) < MOST_MEMORY


def test_damaged_images_get_a_type(others: Running, tmp_path: Path) -> None:
    for file, reasons in write_damaged(tmp_path / "damaged", 200, seed=5).items():
        body = file.read_bytes()
        head = f"POST {ADDRESS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        head += f"Content-Type: image/png\r\nContent-Length: {len(body)}\r\n\r\n"
        came = others.raw(head.encode() + body, wait=60)
        assert status_of(came) == 422, (file, came[:300])
        assert any(f'"error":"{reason}"'.encode() in came for reason in reasons), (file, reasons)


def hostile(draw: random.Random) -> bytes:
    """A request that nobody should send."""
    method = draw.choice(["GET", "POST", "PUT", "DELETE", "PATCH", "BREW", "G\0T"])
    target = draw.choice(TARGETS).replace("%s", draw.choice(WORDS))
    lines = [f"{method} {target} HTTP/{draw.choice(['1.1', '1.0', '9.9', 'x'])}"]
    lines += draw.sample(
        [
            "Host: localhost", "Host: evil.example", "Origin: http://evil.example",
            "Content-Length: 5", "Content-Length: -5", "Content-Length: 99999999999999",
            "Transfer-Encoding: chunked", "Content-Type: multipart/form-data; boundary=a",
            "Content-Type: application/json", "Cookie: oneclass_session=" + "x" * 100,
            "Authorization: Bearer nonsense", "X-Big: " + "y" * 20_000, "no colon here",
            "Range: bytes=0-,0-,0-", "Expect: 100-continue", "X-CSRF-Token: \u00e9",
        ],
        draw.randint(1, 8),
    )  # fmt: skip
    body = draw.choice([b"", b"12345", b"{" * 5000, b"zz\r\n", b"--a\r\n", os.urandom(64)])
    whole = ("\r\n".join([*lines, "Connection: close"]) + "\r\n\r\n").encode() + body
    return whole if draw.random() < 0.9 else whole[: draw.randint(1, len(whole))]


def test_hostile_requests_get_a_type(others: Running) -> None:
    draw = random.Random(7)
    for _ in range(500):
        sent = hostile(draw)
        came = others.raw(sent, wait=60)
        assert came, sent[:200]
        assert status_of(came) < 500 or status_of(came) == 503, (sent[:300], came[:300])


def test_two_hundred_slow_bodies_hold_nobody_up(others: Running) -> None:
    head = f"POST {ADDRESS} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n".encode()
    lines = [socket.create_connection(("127.0.0.1", others.port), 60) for _ in range(200)]
    for line in lines:
        line.sendall(head + b"x")
    told = 0
    for line in lines:
        came = b""
        with suppress(ConnectionError):
            while piece := line.recv(65536):
                came += piece
        told += came.startswith(b"HTTP/1.1 408")
        line.close()
    assert told == len(lines)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts file systems")
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("it may not mount here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_disk_that_fills_up_damages_nothing(small_disk: Path, data: Path) -> None:
    place = small_disk / "data"
    shutil.copytree(data, place)
    free = shutil.disk_usage(small_disk).free
    filler = small_disk / "filler"
    filler.write_bytes(bytes(max(0, free - 600_000)))
    server = Running(place, disk_bytes=0)
    answered, refused = {}, []
    random = np.random.default_rng(1)
    for i in range(400):
        file = small_disk.parent / "one.png"
        Image.fromarray(random.integers(0, 256, (60, 60), dtype=np.uint8)).save(file)
        body = file.read_bytes()
        head = f"POST {ADDRESS} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        head += f"Content-Type: image/png\r\nContent-Length: {len(body)}\r\n\r\n"
        came = server.raw(head.encode() + body, wait=60)
        if status_of(came) == 200:
            said = json.loads(came.partition(b"\r\n\r\n")[2])["predictions"][0]
            answered[said["id"]] = said["score"]
        else:
            assert status_of(came) == 507, came[:500]
            assert b'"error":"disk_full"' in came
            refused.append(i)
        if len(refused) == 20:
            break
    assert answered
    assert len(refused) == 20
    assert server.get("/score")[0] == 200  # the page is there
    filler.unlink()
    until(lambda: server.score(body)["predictions"])
    server.end()
    with sqlite3.connect(place / "oneclass.sqlite3") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        kept = dict(connection.execute("SELECT id, score FROM prediction").fetchall())
    connection.close()
    assert answered.items() <= kept.items()
