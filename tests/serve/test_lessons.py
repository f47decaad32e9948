"""False alarms that look like no normal image are asked about before they are learnt."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import stripes, write_images
from oneclass import load
from oneclass.serve.records import retention
from oneclass.serve.web import facts
from oneclass.serve.web.rendering import TEMPLATES
from serving import Place

UPDATE = "/api/v1/models/stripes/update"


def false_alarm(place: Place, file: Path) -> int:
    """Score an image and call it a false alarm; its id."""
    number: int = place.score(file).json()["predictions"][0]["id"]
    said = {"verdict": "false_alarm"}
    assert place.client.post(f"/api/v1/predictions/{number}/review", json=said).is_success
    return number


@pytest.fixture
def reviewed(place: Place, tmp_path: Path, model_file: Path) -> tuple[Place, list[int], list[int]]:
    """A place, the ids of false alarms that are near normal ones, and of those that are far."""
    rng = np.random.default_rng(1)
    noisy = stripes(4, seed=8).astype(float)
    noisy += rng.normal(0, 30, noisy.shape)
    noise = rng.integers(0, 2, (4, 24, 24)) * 255
    write_images(tmp_path / "all", np.concatenate([noisy.clip(0, 255), noise]).astype(np.uint8))
    # What the command would ask about, found by the update itself.
    asked = {p.path for p in load(model_file, threads=1).update(tmp_path / "all").odd}
    near, far = [], []
    for file in sorted((tmp_path / "all").iterdir()):
        (far if str(file) in asked else near).append(false_alarm(place, file))
    assert len(near) > 1 < len(far)
    return place, near, far


def test_what_the_command_asks_about_is_asked_about(
    reviewed: tuple[Place, list[int], list[int]],
) -> None:
    place, near, far = reviewed
    answer = place.client.post(UPDATE, json={})
    assert (answer.status_code, answer.json()["error"]) == (409, "far_odder")
    message = answer.json()["message"]
    assert f"{len(far)} images to learn are far odder" in message
    assert all(f"(prediction {number}," in message for number in far)
    assert not any(f"(prediction {number}," in message for number in near)
    assert place.client.get("/api/v1/jobs").json() == {"jobs": []}
    assert place.client.post(UPDATE, json={"predictions": far[:1]}).status_code == 409

    part = place.page("/parts/lessons?model=stripes")
    assert "far odder than any good image so far" in part
    assert [int(n) for n in re.findall(r'href="/p/(\d+)"', part)] == far
    assert f'data-learn="{" ".join(map(str, near))}">Learn the other {len(near)} alone<' in part
    assert f"They are good: learn all {len(near) + len(far)}<" in part


@pytest.mark.parametrize("how", ["yes", "others", "reviewed anew"])
def test_each_answer_is_followed(reviewed: tuple[Place, list[int], list[int]], how: str) -> None:
    place, near, far = reviewed
    asked: dict[str, Any] = {}
    if how == "yes":
        asked = {"yes": True}
    elif how == "others":
        asked = {"predictions": near}
    else:
        for number in far:
            place.client.post(f"/api/v1/predictions/{number}/review", json={"verdict": "real"})
        assert "far odder" not in place.page("/parts/lessons?model=stripes")
    answer = place.client.post(UPDATE, json=asked)
    assert answer.status_code == 200, answer.text
    job = place.job(answer.json()["id"])
    assert (job["state"], job["error"]) == ("done", None)
    assert job["result"]["added"] == len(near) + (len(far) if how == "yes" else 0)
    left = {lesson.id for lesson in place.service.lessons("stripes")}
    assert place.client.post("/api/v1/models/stripes/take", json={"version": 2}).is_success
    assert left == {*near, *(() if how == "reviewed anew" else far)}
    after = {lesson.id for lesson in place.service.lessons("stripes")}
    assert after == (set(far) if how == "others" else set())


def test_all_that_had_better_be_looked_at_can_be_opened(place: Place, tmp_path: Path) -> None:
    noise = np.random.default_rng(5).integers(0, 2, (70, 24, 24)) * 255
    write_images(tmp_path / "odd", noise.astype(np.uint8))
    for file in sorted((tmp_path / "odd").iterdir()):
        false_alarm(place, file)
    [version] = place.service.versions.serving()
    judged = place.service.judging.judge(version, place.service.lessons("stripes"))
    ids = [one.id for one in judged if one.doubtful]
    n = len(ids) - 12
    assert n > 1
    text = place.page("/parts/lessons?model=stripes")
    shown, folded = text.split(f'<details id="more-doubtful"><summary>And {n} more</summary>')
    found = [re.findall(r'<li class="tile odd"><a href="/p/(\d+)"', one) for one in (shown, folded)]
    assert [len(one) for one in found] == [12, n]
    assert sorted(map(int, [*found[0], *found[1]])) == sorted(ids)


def test_all_that_a_version_would_miss_can_be_opened(place: Place) -> None:
    lost = [{"id": i, "path": f"{i}.png"} for i in range(26)]
    none = {"n": 0, "before": 0, "after": 0}
    told = {"before": 1, "after": 2, "at": 0.0, "rate": 0.05, "rate_from": "set", "lost": lost}
    told |= {"real": {**none, "n": 26}, "new": none, "learnt": none, "forgotten": [], "anyway": []}
    told |= dict.fromkeys(("unknown", "taught", "unsure", "since", "back", "unasked"), 0)
    text = TEMPLATES.get_template("part_compare.html").render(comparison=told, prefix="")
    shown, folded = text.split('<details id="lost-2"><summary>And 16 more</summary>')
    assert (shown.count('href="/p/'), folded.count('href="/p/')) == (10, 16)


def test_what_is_no_longer_kept_is_not_said_to_be_learnt(place: Place, images: Path) -> None:
    for file in sorted((images / "odd").iterdir())[:2]:
        false_alarm(place, file)
    retention.forget_images(place.service.database, place.service.keeping.place, 0)
    text = html.unescape(place.page("/parts/lessons?model=stripes"))
    assert (
        "2 pictures that you called good can't be learnt: their images are no longer kept" in text
    )
    assert "learnt.</p>" not in text
    answer = place.client.post("/api/v1/models/stripes/update", json={})
    assert (answer.status_code, answer.json()["error"]) == (409, "nothing_to_learn")
    assert answer.json()["message"].startswith(
        "2 pictures that were called good (`false_alarm`) can't be learnt: their images are no "
        "longer kept"
    )
    assert "All else that was called good" in answer.json()["message"]


def test_a_version_that_would_miss_something_is_not_said_to_have_lost_images(
    reviewed: tuple[Place, list[int], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    place, near, far = reviewed
    asked = place.client.post(UPDATE, json={"predictions": near})
    assert place.job(asked.json()["id"])["state"] == "done"
    compared = facts.comparison
    missed = [{"id": far[0], "path": "bad/part04.png"}]
    monkeypatch.setattr(facts, "comparison", lambda *all_of: {**compared(*all_of), "lost": missed})
    text = html.unescape(place.page("/parts/lessons?model=stripes"))
    assert '<button type="button" class="main" data-take="1"' in text
    assert "Is what version 2 would miss good after all?" in text
    assert "no longer kept" not in text
    assert "True" not in text
