"""What becomes of the work behind the pages while the disk is full, and afterwards."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import stripes, write_images
from oneclass.errors import StorageError
from oneclass.serve.records import retention
from oneclass.serve.settings import Limits
from oneclass.serve.work.jobs import runner
from serving import Full, Place, filled_set, until

FULL = "database or disk is full"


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "AGAIN", 0.05)


def begun(place: Place, folder: Path, name: str) -> int:
    asked = {"name": name, "set": filled_set(place, folder), "false_alarms": 0.1}
    number: int = place.client.post("/api/v1/jobs/fit", json=asked).json()["id"]
    return number


def test_a_job_whose_end_cannot_be_recorded_fails_once_it_can_and_the_next_one_runs(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path / "good", stripes(24, seed=5))
    full = Full(place, monkeypatch)
    full.is_full = False
    real = place.service.runner._program

    def program(number: int, request: dict[str, Any]) -> dict[str, Any] | None:
        said = real(number, request)
        full.is_full = not full.refused
        return said

    monkeypatch.setattr(place.service.runner, "_program", program)
    number = begun(place, tmp_path / "good", "one")
    until(lambda: full.refused > 5)
    full.is_full = False
    job = place.job(number)
    assert job["state"] == "failed"
    assert FULL in job["error"]
    assert place.job(begun(place, tmp_path / "good", "two"))["state"] == "done"
    assert place.client.get("/readyz").status_code == 200


def test_ready_says_the_true_reason_while_a_disk_is_full(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path / "good", stripes(24, seed=5))
    real, tries = place.service.jobs.end, []

    def end(*given: Any, **more: Any) -> bool:
        tries.append(given)
        if full:
            raise StorageError(f"cannot use the database: {FULL}")
        return real(*given, **more)

    full = True
    monkeypatch.setattr(place.service.jobs, "end", end)
    number = place.client.post(
        "/api/v1/jobs/check", json={"set": filled_set(place, tmp_path / "good")}
    ).json()["id"]
    until(lambda: len(tries) > 2)
    ready = place.client.get("/readyz")
    assert (ready.status_code, ready.json()["error"]) == (507, "disk_full")
    assert FULL in ready.json()["message"]
    full = False
    assert place.job(number)["state"] == "done"  # what it found was kept meanwhile
    until(lambda: place.client.get("/readyz").status_code == 200)


def test_a_stop_does_not_wait_for_a_full_disk(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    place.service.say = said.append
    full = Full(place, monkeypatch)
    until(lambda: full.refused > 20)
    assert sum("jobs wait" in line and FULL in line for line in said) == 1
    place.service.runner.stop(2, 2)
    assert not place.service.runner.alive
    full.is_full = False


def test_what_can_be_tidied_is_where_other_things_cannot(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forget(*_: Any) -> int:
        raise StorageError(FULL)

    monkeypatch.setattr(retention, "forget_images", forget)
    tidied = []
    monkeypatch.setattr(place.service.sets, "tidy", tidied.append)
    with pytest.raises(StorageError, match=FULL):
        place.service.tidy()
    assert tidied == [set()]
    told = place.client.get("/metrics").text
    assert 'oneclass_tidying_failures_total{reason="StorageError"} 1' in told


def test_a_data_folder_that_cannot_be_written_to_is_no_fault_of_what_was_sent(
    place: Place, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = next((images / "odd").iterdir())
    data = place.service.keeping.folder.parent
    opened, made, unlinked = Path.open, Path.mkdir, Path.unlink
    kept = filled_set(place, images / "normal")

    def open_(path: Path, mode: str = "r", *given: Any, **more: Any) -> Any:
        if path.is_relative_to(data) and mode != "rb":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return opened(path, mode, *given, **more)

    def mkdir(path: Path, *given: Any, **more: Any) -> None:
        if path.is_relative_to(data):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        made(path, *given, **more)

    def unlink(path: Path, *given: Any, **more: Any) -> None:
        if path.is_relative_to(data):  # a drive says so of what is not there, too
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        unlinked(path, *given, **more)

    with monkeypatch.context() as refused:
        refused.setattr(Path, "open", open_)
        refused.setattr(Path, "mkdir", mkdir)
        refused.setattr(Path, "unlink", unlink)
        client, raw = place.client, {"Content-Type": "application/octet-stream"}
        large = file.read_bytes() + bytes(1 << 18)  # which waits in a file for its turn
        answers = [
            place.score(file),
            client.post("/api/v1/models/stripes/score", content=large, headers=raw),
            client.put("/api/v1/models/new/file", content=large, headers=raw),
            client.post("/api/v1/sets"),
            client.delete(f"/api/v1/sets/{kept}"),
            client.get("/readyz"),
        ]
    for answer in answers:
        told = answer.json()
        assert (answer.status_code, told["error"]) == (507, "not_writable"), told
        assert told["message"].startswith(f"the server cannot write {data}")
        assert "Permission denied. Nothing is wrong with what was sent" in told["message"]
        assert "Give a place" not in told["message"]
    told = place.client.get("/metrics").text
    assert 'status="5' in told
    assert 'status="4' not in told
    assert place.score(file).status_code == 200
    assert place.client.get("/readyz").status_code == 200


def test_a_full_disk_is_told_with_what_fills_it_and_what_frees_it(
    start: Callable[..., Place], images: Path
) -> None:
    place = start(limits=Limits(disk_bytes=10**18))
    models = place.service.library.folder
    (models / "old-1.oneclass.rows").write_bytes(bytes(23_400_000))
    (models / "deleted/gone-1.oneclass.rows").write_bytes(bytes(5_600_000))
    (models / "deleted/gone-1.oneclass").write_bytes(bytes(100_000))
    with place.service.database.write() as connection:
        connection.execute("INSERT INTO image (sha256, bytes, at, odd) VALUES ('0', 1700000, 0, 0)")
    told = place.score(next((images / "odd").iterdir())).json()["message"]
    assert "images take 1.7 MB (--keep-images lets" in told
    assert "learn more 23 MB (models/*.rows: those of old versions can be removed" in told
    assert "deleted models 5.7 MB (models/deleted: their files go 30 days after" in told
    assert "stop the server and remove them by hand" in told
    (models / "old-1.oneclass.rows").unlink()
    assert place.client.get("/readyz").json()["message"][-400:] == told[-400:]  # for a minute
