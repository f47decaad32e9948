"""Downloads against a server on this machine that breaks off, lies and refuses."""

from __future__ import annotations

import errno
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from oneclass.errors import DownloadError, StorageError
from oneclass.system import downloads
from oneclass.system.downloads import download, user_folder

CONTENT = np.random.default_rng(0).bytes(700_001)
MD5 = hashlib.md5(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """What it does is set by the test."""

    content = CONTENT
    knows_ranges = True
    status = 0
    breaks_after: list[int]
    asked: list[str | None]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        if self.server.status:
            self.send_error(self.server.status)
            return
        start = int(asked[6:-1]) if asked and self.server.knows_ranges else 0
        content = self.server.content
        if start >= len(content):
            self.send_error(416)
            return
        if asked and self.server.knows_ranges:
            self.send_response(206)
            last = len(content) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        stop = self.server.breaks_after.pop(0) if self.server.breaks_after else len(content)
        self.wfile.write(content[start : start + stop])

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(downloads, "PAUSE", 0.01)
    with Server(("127.0.0.1", 0), Handler) as server:
        server.breaks_after, server.asked = [], []
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_file_comes_whole_and_is_not_fetched_twice(server: Server, tmp_path: Path) -> None:
    file, seen = tmp_path / "deep" / "file.bin", []
    download(server.url, file, MD5, progress=lambda done, total: seen.append((done, total)))
    assert file.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    download(server.url, file, MD5)
    assert server.asked == [None]
    assert [path.name for path in file.parent.iterdir()] == ["file.bin"]


def test_a_broken_connection_is_taken_up_where_it_broke(server: Server, tmp_path: Path) -> None:
    server.breaks_after = [1, 300_000, 5]
    download(server.url, tmp_path / "f", MD5)
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert server.asked == [None, "bytes=1-", "bytes=300001-", "bytes=300006-"]


def test_another_call_goes_on_from_what_is_there(server: Server, tmp_path: Path) -> None:
    server.breaks_after = [100_000] + [0] * (downloads.ATTEMPTS - 1)
    with pytest.raises(DownloadError, match=r"100,000 bytes that came are kept: run it again"):
        download(server.url, tmp_path / "f", MD5)
    assert not (tmp_path / "f").exists()
    server.asked.clear()
    download(server.url, tmp_path / "f", MD5)
    assert server.asked == ["bytes=100000-"]
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_server_without_ranges_sends_it_again(server: Server, tmp_path: Path) -> None:
    server.knows_ranges, server.breaks_after = False, [100_000]
    download(server.url, tmp_path / "f", MD5)
    assert (tmp_path / "f").read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"of another file", CONTENT[:-1] + b"?", CONTENT + b"more"])
def test_what_another_download_left_does_no_harm(
    server: Server, tmp_path: Path, left: bytes
) -> None:
    (tmp_path / "f.part").write_bytes(left)
    download(server.url, tmp_path / "f", MD5)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_a_complete_part_needs_only_its_digest(server: Server, tmp_path: Path) -> None:
    (tmp_path / "f.part").write_bytes(CONTENT)
    download(server.url, tmp_path / "f", MD5)
    assert (tmp_path / "f").read_bytes() == CONTENT


def test_another_content_is_thrown_away_and_the_old_file_kept(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "f").write_bytes(b"old")
    server.content = CONTENT[:-1] + b"?"
    with pytest.raises(DownloadError, match=f"has MD5 [0-9a-f]{{32}}, expected {MD5}"):
        download(server.url, tmp_path / "f", MD5)
    assert (tmp_path / "f").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.parametrize(("status", "asked"), [(404, 1), (403, 1), (503, downloads.ATTEMPTS)])
def test_a_refusal_is_told(server: Server, tmp_path: Path, status: int, asked: int) -> None:
    server.status = status
    with pytest.raises(DownloadError, match=f"the server answers {status}"):
        download(server.url, tmp_path / "f", MD5)
    assert len(server.asked) == asked
    assert not (tmp_path / "f").exists()


def test_no_network_is_told(server: Server, tmp_path: Path) -> None:
    url = server.url
    server.server_close()
    with pytest.raises(DownloadError, match="Is there a network"):
        download(url, tmp_path / "f", MD5)


def test_no_address_is_told(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="no address"):
        download("models/f", tmp_path / "f", MD5)


def test_a_full_disk_keeps_what_came(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(downloads.os, "fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        download(server.url, tmp_path / "f", MD5)
    assert (tmp_path / "f.part").read_bytes() == CONTENT
    assert not (tmp_path / "f").exists()


def test_a_second_process_does_not_write_into_the_first_ones_file(
    server: Server, tmp_path: Path
) -> None:
    with (
        downloads._alone(tmp_path / "f.part"),
        pytest.raises(DownloadError, match="another process is downloading it"),
    ):
        download(server.url, tmp_path / "f", MD5)
    assert server.asked == []


def test_the_users_folder_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_folder("backbones") == tmp_path / "oneclass" / "backbones"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert user_folder("mnist") == tmp_path / "home" / ".cache" / "oneclass" / "mnist"
