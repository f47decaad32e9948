"""What two programs might read in two ways is refused, and no line goes on for ever."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from oneclass.serve.web.connections import AHEAD
from serving import Running

SCORE = "POST /api/v1/models/stripes/score HTTP/1.1\r\nHost: localhost\r\n"
HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"


@pytest.fixture
def server(run: Callable[..., Running]) -> Running:
    return run(header_seconds=2, body_seconds=2, idle_seconds=2)


def statuses(came: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", came)]


UNCLEAR = {
    "two lengths": f"{SCORE}Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
    "the same length twice": f"{SCORE}Content-Length: 5\r\nContent-Length: 5\r\n\r\n12345",
    "a list of lengths": f"{SCORE}Content-Length: 5, 5\r\n\r\n12345",
    "a length with a sign": f"{SCORE}Content-Length: +5\r\n\r\n12345",
    "a length in hex": f"{SCORE}Content-Length: 0x5\r\n\r\n12345",
    "a length and chunks": f"{SCORE}Content-Length: 5\r\n{CHUNKED}\r\n0\r\n\r\n",
    "chunks and a length": f"{SCORE}{CHUNKED}Content-Length: 5\r\n\r\n0\r\n\r\n",
    "chunks that are not last": f"{SCORE}Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunks misspelt": f"{SCORE}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": f"{SCORE}Content-Length : 5\r\n\r\n12345",
    "a folded line": f"{SCORE}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "a bare return": f"{SCORE}X: y\rContent-Length: 5\r\n\r\n12345",
    "a zero byte": f"{SCORE}X: y\0z\r\nContent-Length: 5\r\n\r\n12345",
    "a chunk with a sign": f"{SCORE}{CHUNKED}\r\n+5\r\n12345\r\n0\r\n\r\n",
    "a chunk that is longer": f"{SCORE}{CHUNKED}\r\n2\r\n12345\r\n0\r\n\r\n",
    "a chunk in two lines": f"{SCORE}{CHUNKED}\r\n5\n12345\r\n0\r\n\r\n",
    "a version to come": "GET /healthz HTTP/3.0\r\nHost: localhost\r\n\r\n",
    "no version": "GET /healthz\r\n\r\n",
}


def test_what_has_two_readings_is_refused_with_all_that_follows(server: Running) -> None:
    for what, sent in UNCLEAR.items():
        came = server.raw(sent.encode() + HIDDEN)
        (status,) = statuses(came) or [0]
        # Some parsers read no version as one without a host, others as a slip.
        assert status in ((400, 421) if what == "no version" else (400,)), (what, came[:300])
        assert b'{"error":' in came
    assert server.ready()


def test_trailers_are_no_headers_of_this_request_or_the_next(server: Running) -> None:
    line = "Host: evil.example\r\nOrigin: http://evil.example\r\n"
    sent = f"{SCORE}Content-Type: image/png\r\n{CHUNKED}\r\n3\r\nabc\r\n0\r\n{line}\r\n"
    assert statuses(server.raw(sent.encode() + HIDDEN)) == [422, 200]


@pytest.mark.parametrize(
    "before",
    [
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ",
        "GET /healthz?",
        f"{SCORE}{CHUNKED}\r\n3;",
        f"{SCORE}{CHUNKED}\r\n3\r\nabc\r\n0\r\nX: ",
    ],
    ids=["header", "address", "chunk", "trailer"],
)
@pytest.mark.parametrize("piece", [b"x" * 1000, b"x" * 60_000], ids=["small", "large"])
def test_no_line_goes_on_for_ever(server: Running, before: str, piece: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as line:
        line.sendall(before.encode())
        came, sent = b"", 0
        with suppress(ConnectionError):
            while sent < 50 << 20 and not came:
                line.sendall(piece)
                sent += len(piece)
                line.settimeout(0.02)
                with suppress(TimeoutError):
                    came = line.recv(100)
                line.settimeout(5)
    assert statuses(came) in ([431], [400], [])  # nothing: closed while more was on its way
    assert sent < 1 << 20
    assert server.ready()


def test_many_small_headers_are_too_many(server: Running) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
        with suppress(ConnectionError):
            for i in range(4000):
                line.sendall(f"X-{i}: y\r\n".encode())
                time.sleep(0.0001)
            assert statuses(line.recv(1000)) == [431]


def test_small_pieces_of_a_large_body_are_no_headers(server: Running) -> None:
    pieces = b"".join(b"1\r\nx\r\n" for _ in range(20_000))
    sent = f"{SCORE}Content-Type: image/png\r\nConnection: close\r\n{CHUNKED}\r\n".encode()
    assert statuses(server.raw(sent + pieces + b"0\r\n\r\n")) == [422]  # 20 kB, and no image


def test_requests_in_a_row_are_answered_in_that_order(server: Running) -> None:
    first = b"GET /api/v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
    second = b"GET /api/v1/none HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert statuses(server.raw(first + second + first + HIDDEN)) == [200, 404, 200, 200]


def test_only_so_many_requests_wait_behind_another(server: Running) -> None:
    one = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    came = server.raw(one * 5000)
    assert len(statuses(came)) <= AHEAD + 1
    assert server.ready()


def test_what_asks_for_another_protocol_is_answered_as_ever(server: Running) -> None:
    for more in ("", "Content-Length: 3\r\n"):
        sent = f"{SCORE}Connection: Upgrade\r\nUpgrade: websocket\r\n{more}\r\n"
        came = server.raw(sent.encode() + (b"abc" if more else b"") + HIDDEN)
        assert statuses(came) == [422], came
