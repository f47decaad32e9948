"""What was sent and not learnt from is kept for a while, and can be gone on with."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import stripes, write_images
from oneclass.serve.work.jobs.sets import FORGOTTEN
from serving import Place, filled_set, until


def listed(place: Place) -> list[dict[str, Any]]:
    sets: list[dict[str, Any]] = place.client.get("/api/v1/sets").json()["sets"]
    return sets


@pytest.mark.parametrize("how", ["cancelled", "failed"])
def test_the_images_of_a_fit_that_ended_early_are_gone_on_with(
    start: Callable[..., Place], tmp_path: Path, how: str
) -> None:
    place = start(model=False)
    write_images(tmp_path / "good", stripes(30, seed=5))
    number = filled_set(place, tmp_path / "good")
    asked: dict[str, Any] = {"name": "new", "set": number}
    # A rate that thirty images cannot support fails.
    more = {"false_alarms": 0.001} if how == "failed" else {}
    job = place.client.post("/api/v1/jobs/fit", json={**asked, **more}).json()
    if how == "cancelled":
        until(lambda: place.client.get(f"/api/v1/jobs/{job['id']}").json()["state"] == "running")
        assert listed(place) == []  # it is in use
        assert 'id="waiting"' not in place.page("/learn")
        place.client.delete(f"/api/v1/jobs/{job['id']}")
    assert place.job(job["id"])["state"] == how
    until(lambda: place.service.runner._running is None)

    [one] = listed(place)
    assert (one["id"], one["images"]) == (number, 30)
    assert one["until"] - one["at"] == pytest.approx(FORGOTTEN)
    for page in ("/learn", f"/parts/job/{job['id']}"):
        text = place.page(page)
        assert f'data-go-on="{number}"' in text
        assert "30 images" in text
    again = place.job(place.client.post("/api/v1/jobs/fit", json=asked).json()["id"])
    assert (again["state"], again["result"]["images"]) == ("done", 30)
    assert listed(place) == []
    assert "data-go-on" not in place.page(f"/parts/job/{job['id']}")


def test_sets_are_listed_newest_first_until_their_time_is_over(
    place: Place, tmp_path: Path
) -> None:
    write_images(tmp_path / "good", stripes(2, seed=5))
    old, new = filled_set(place, tmp_path / "good"), filled_set(place, tmp_path / "good")
    place.client.post("/api/v1/sets")  # one that is empty is none to go on with
    os.utime(place.service.sets.folder(old), (time.time() - FORGOTTEN / 2,) * 2)
    assert [one["id"] for one in listed(place)] == [new, old]
    os.utime(place.service.sets.folder(old), (time.time() - FORGOTTEN - 1,) * 2)
    place.service.tidy()
    assert [one["id"] for one in listed(place)] == [new]
    assert place.client.delete(f"/api/v1/sets/{new}").json() == {"done": True}
    assert listed(place) == []
