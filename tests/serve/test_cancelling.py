"""A job that is cancelled makes nothing, and one that made something was not cancelled."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import stripes, write_images
from oneclass.errors import StorageError
from oneclass.serve.records.jobs import DONE
from oneclass.serve.work.jobs.runner import PROGRAM
from serving import RAW, Place, another, filled_set, until


def begun(place: Place, folder: Path, kind: str) -> tuple[dict[str, Any], str | None]:
    """A job that makes a version, and the set that it learns from, if it has one."""
    if kind == "fit":
        write_images(folder / "good", stripes(20, seed=5))
        key = filled_set(place, folder / "good")
        asked = {"name": "stripes", "set": key}
        return place.client.post("/api/v1/jobs/fit", json=asked).json(), key
    write_images(folder / "false", stripes(2, seed=11, upright=False))
    for file in sorted((folder / "false").iterdir()):
        number = place.score(file).json()["predictions"][0]["id"]
        said = {"verdict": "false_alarm"}
        place.client.post(f"/api/v1/predictions/{number}/review", json=said)
    return place.client.post("/api/v1/models/stripes/update", json={"yes": True}).json(), None


def idle(place: Place) -> None:
    """Wait until what the runner does with the last job is over."""
    write_images(place.roots / "two", stripes(2, seed=6))
    key = filled_set(place, place.roots / "two")
    job = place.client.post("/api/v1/jobs/check", json={"set": key}).json()
    assert place.job(job["id"])["state"] == "done"


def versions(place: Place) -> list[tuple[int, bool]]:
    """Of the model, the newest first: each number, and whether it serves."""
    told = place.client.get("/api/v1/models/stripes").json()["versions"]
    return [(version["version"], version["serves"]) for version in told]


@pytest.mark.parametrize("kind", ["fit", "update"])
@pytest.mark.parametrize("moment", ["opened", "recorded", "noted", "ended"])
def test_cancelling_near_the_end_is_refused_or_leaves_no_version(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str, kind: str
) -> None:
    service = place.service
    noting = {"fit": "note_taught", "update": "compare"}[kind]
    owner, name = {
        "opened": (service.library, "_load_new"),
        "recorded": (service.versions, "add"),
        "noted": (service.reviews, noting),
        "ended": (service.jobs, "end"),
    }[moment]
    own, answers = getattr(owner, name), list[int]()

    def cancel() -> None:
        answers.append(place.client.delete(f"/api/v1/jobs/{job['id']}").status_code)

    def cancelled_meanwhile(*given: Any, **more: Any) -> Any:
        monkeypatch.setattr(owner, name, own)
        cancelling.start()
        cancelling.join(0.5)  # it may have to wait for what is under way here
        return own(*given, **more)

    cancelling = threading.Thread(target=cancel)
    monkeypatch.setattr(owner, name, cancelled_meanwhile)
    job, key = begun(place, tmp_path, kind)
    until(lambda: answers)
    idle(place)
    ended = place.client.get(f"/api/v1/jobs/{job['id']}").json()
    waiting = [one["id"] for one in place.client.get("/api/v1/sets").json()["sets"]]
    if answers == [200]:
        assert (ended["state"], ended["result"]) == ("cancelled", None)
        assert versions(place) == [(1, True)]
        assert len(service.versions.taken("stripes")) == 1
        assert key is None or key in waiting
    else:
        assert answers == [409]
        assert (ended["state"], ended["result"]["number"]) == ("done", 2)
        assert versions(place) == [(2, kind == "fit"), (1, kind != "fit")]
        assert key not in waiting
    assert service.versions.named("stripes") == service.versions.serving()[0]
    made = {version.file for version in service.versions.of("stripes")}
    assert {file.name for file in service.library.folder.glob("*.oneclass")} == made
    assert not list(service.library.making.iterdir())


def test_who_cancels_too_late_is_told(place: Place, tmp_path: Path) -> None:
    job, _ = begun(place, tmp_path, "fit")
    assert place.job(job["id"])["state"] == "done"
    answer = place.client.delete(f"/api/v1/jobs/{job['id']}")
    assert answer.status_code == 409
    assert "cancelling it came too late, and what it made stays" in answer.json()["message"]


@pytest.mark.parametrize("kind", ["fit", "update"])
def test_a_version_is_there_only_with_the_end_of_its_job(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    own = place.service.jobs.end

    def full(number: int, state: str, **more: Any) -> bool:
        if state == DONE:
            raise StorageError("the disk is full.")
        return own(number, state, **more)

    with monkeypatch.context() as patch:
        patch.setattr(place.service.jobs, "end", full)
        job, key = begun(place, tmp_path, kind)
        assert place.job(job["id"])["error"] == "the disk is full."
    assert versions(place) == [(1, True)]
    assert key is None or place.service.sets.count(key) == 20


def test_a_job_that_is_cancelled_before_its_program_runs_stops_it(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, said = place.service.runner, list[Any]()
    request, program = runner._request, runner._program

    def cancelled_first(job: dict[str, Any], out: Path) -> dict[str, Any]:
        assert place.client.delete(f"/api/v1/jobs/{job['id']}").is_success
        return request(job, out)

    def heard(number: int, asked: dict[str, Any]) -> dict[str, Any] | None:
        said.append(program(number, asked))
        return None

    monkeypatch.setattr(runner, "_request", cancelled_first)
    monkeypatch.setattr(runner, "_program", heard)
    begun(place, tmp_path, "fit")
    until(lambda: said)
    assert said == [None]


def test_what_a_program_had_on_its_way_goes_with_the_job_and_at_a_start(
    start: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = start()
    data, runner = place.service.settings.data, place.service.runner

    def killed(number: int, asked: dict[str, Any]) -> None:
        Path(asked["out"]).with_name(".oneclass-1.part").touch()
        (data / "reports/tmp1").mkdir()
        place.client.delete(f"/api/v1/jobs/{number}")

    def left() -> list[Path]:
        return [file for name in (".oneclass-*", "tmp*") for file in data.rglob(name)]

    with monkeypatch.context() as patch:
        patch.setattr(runner, "_program", killed)
        begun(place, tmp_path, "fit")
        until(lambda: runner.jobs.listed()[0]["state"] == "cancelled")
    idle(place)
    assert not left()
    place.client.__exit__(None, None, None)
    for folder in ("models", "models/making", "reports"):
        (data / folder / ".oneclass-2.part").touch()
    (data / "reports/tmp2").mkdir()
    again = start()
    assert not left()
    assert versions(again) == [(1, True)]


def test_a_model_may_be_called_job(place: Place, model_file: Path, tmp_path: Path) -> None:
    for rate in (0.1, 0.2, 0.3):
        content = another(model_file, tmp_path, rate)
        place.client.put("/api/v1/models/job/file", content=content, headers=RAW)
    job, _ = begun(place, tmp_path, "fit")
    assert place.job(job["id"])["state"] == "done"
    for number, rate in enumerate((0.1, 0.2, 0.3), 1):
        answer = place.client.get(f"/api/v1/models/job/versions/{number}/file")
        assert answer.content == (tmp_path / f"{rate:g}.oneclass").read_bytes()


@pytest.mark.linux
def test_a_program_whose_server_was_killed_ends_quietly(tmp_path: Path) -> None:
    write_images(tmp_path / "good", stripes(4, seed=5))
    request = {"kind": "check", "folder": str(tmp_path / "good"), "odd": {}, "threads": 1}
    pipe = subprocess.PIPE
    with subprocess.Popen(PROGRAM, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdout.close()
        json.dump(request, program.stdin)
        program.stdin.close()
        assert program.stderr.read() == ""
    assert program.returncode == 1
