"""What is far odder than any good image is so by the version in use, whichever one judged it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from conftest import stripes, write_images
from serving import Place, filled_set

MODEL = "/api/v1/models/stripes"
LESSONS = "/parts/lessons?model=stripes"


def false_alarm(place: Place, file: Path) -> int:
    number: int = place.score(file).json()["predictions"][0]["id"]
    said = {"verdict": "false_alarm"}
    assert place.client.post(f"{MODEL[:8]}predictions/{number}/review", json=said).is_success
    return number


def take(place: Place, number: int) -> None:
    assert place.client.post(f"{MODEL}/take", json={"version": number}).is_success


def asked_about(place: Place) -> list[int]:
    """The predictions that a program is asked about; those that the page shows are the same."""
    answer = place.client.post(f"{MODEL}/update", json={})
    told = [int(n) for n in re.findall(r"\(prediction (\d+)", answer.text)]
    assert (answer.status_code == 409) == bool(told), answer.text
    if told:
        assert answer.json()["error"] == "far_odder"
    else:
        place.client.delete(f"/api/v1/jobs/{answer.json()['id']}")
    part = place.page(LESSONS)
    assert [int(n) for n in re.findall(r'href="/p/(\d+)"', part)] == told
    assert ("Look at" in part) == bool(told)
    return told


@pytest.fixture
def anew(place: Place, tmp_path: Path) -> tuple[Place, list[Path], list[int]]:
    """Three false alarms of version 1, near its good ones, and version 2, learnt from others."""
    rng = np.random.default_rng(1)
    noisy = (stripes(3, seed=8) + rng.normal(0, 20, (3, 24, 24))).clip(0, 255)
    write_images(tmp_path / "near", noisy.astype(np.uint8))
    files = sorted((tmp_path / "near").iterdir())
    numbers = [false_alarm(place, file) for file in files]
    assert asked_about(place) == []
    write_images(tmp_path / "lying", stripes(40, seed=5, upright=False))
    asked = {"name": "stripes", "set": filled_set(place, tmp_path / "lying")}
    place.job(place.client.post("/api/v1/jobs/fit", json=asked).json()["id"])
    assert place.service.versions.named("stripes").number == 2
    return place, files, numbers


def test_what_another_version_judged_is_judged_by_the_version_in_use(
    anew: tuple[Place, list[Path], list[int]],
) -> None:
    place, files, numbers = anew
    again = place.score(files[0]).json()["predictions"][0]["id"]
    assert asked_about(place) == [again, *numbers[1:]]  # its own verdict where it has one
    assert "Learn 3" not in place.page(LESSONS).replace("learn all 3", "")
    take(place, 1)
    assert asked_about(place) == []
    assert "Learn 3 good pictures<" in place.page(LESSONS)


def test_what_cannot_be_judged_is_asked_about(
    anew: tuple[Place, list[Path], list[int]],
) -> None:
    place, _, numbers = anew
    take(place, 1)
    assert asked_about(place) == []
    with place.service.database.write() as connection:  # its own verdicts are gone
        connection.execute("UPDATE prediction SET version_id = 2")
    row = place.service.predictions.one(numbers[1])
    assert row is not None
    place.service.keeping.place(row["image"]).write_bytes(b"no image")
    assert asked_about(place) == [numbers[1]]
    part = place.page(LESSONS)
    assert "Version 1 cannot judge it" in part
    assert "Learn the other 2 alone<" in part
    assert "far odder" not in part


def test_a_page_that_would_wait_long_says_what_is_still_to_be_judged(
    anew: tuple[Place, list[Path], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, _, _ = anew
    monkeypatch.setattr("oneclass.serve.web.facts.PATIENCE", 0.0)
    monkeypatch.setattr("oneclass.serve.work.lessons.AT_ONCE", 1)
    for left in (2, 1):
        part = place.page(LESSONS)
        assert f"Version 2 has yet to judge {left} of them" in part
        assert "data-learn" not in part
        assert 'hx-trigger="load delay' in part
    assert "has yet to judge" not in place.page(LESSONS)
    assert len(asked_about(place)) == 3


def test_the_page_says_what_far_odder_is(anew: tuple[Place, list[Path], list[int]]) -> None:
    place, _, _ = anew
    part = place.page(LESSONS)
    assert "far odder than any good image so far" in part
    assert "odder than all 40 good images that version 2 was tried on" in part
    [limit] = re.findall(r"Here that is a score above ([\d.]+)\.<", part)
    scores = re.findall(r"Score ([\d.]+) by version 2<", part)
    assert len(scores) == 3
    assert all(float(score) > float(limit) for score in scores)
