"""A server in a test's own process, and waiting for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.testclient import TestClient

    from oneclass.serve.work.service import Service

HERE = "http://127.0.0.1:8717"
RAW = {"Content-Type": "application/octet-stream"}


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


def until(holds: Callable[[], Any], seconds: float = 20) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.05)
