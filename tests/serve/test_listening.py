"""A server that is refused says why, and leaves nothing behind."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from commands import oneclass
from oneclass import InputError
from oneclass.serve.listening import bound
from oneclass.serve.settings import Settings


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


def refused(*words: str, cwd: Path) -> str:
    """What it says, in a folder that stays empty."""
    done = oneclass("serve", *words, cwd=cwd, timeout=60)
    assert done.returncode == 2
    assert list(cwd.iterdir()) == []
    return done.stderr


def test_a_port_that_is_taken(tmp_path: Path, taken: int) -> None:
    said = refused("--no-open", "--port", str(taken), cwd=tmp_path)
    assert f"cannot listen at 127.0.0.1, port {taken}: " in said
    assert "Does it run already? Give another --port." in said


def test_a_server_for_others_without_a_token(tmp_path: Path) -> None:
    said = refused("--no-open", "--host", "0.0.0.0", "--port", "0", cwd=tmp_path)
    assert "others can reach 0.0.0.0, and there is no token yet" in said
    assert "oneclass serve token add NAME --data oneclass-data" in said


def test_a_token_without_a_name(tmp_path: Path) -> None:
    assert "expected a name, such as line-1" in refused("token", "add", " ", cwd=tmp_path)


@pytest.mark.parametrize(
    ("port", "advice"), [(80, "Give a --port of 1024 or more."), (8717, "Give another --port.")]
)
def test_a_port_that_is_not_for_everybody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: int, advice: str
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(socket, "socket", type("Refused", (socket.socket,), {"bind": refuse}))
    with pytest.raises(InputError, match=advice), bound(Settings(tmp_path, port=port)):
        pass
