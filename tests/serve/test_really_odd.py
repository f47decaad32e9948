"""What somebody called really odd is not learnt as good, unless somebody says so."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from conftest import stripes, write_images
from serving import RAW, Place, filled_set

MODEL = "/api/v1/models/stripes"
LESSONS = "/parts/lessons?model=stripes"


def said(place: Place, file: Path, verdict: str) -> int:
    """Score an image and say what it is; the prediction's id."""
    number: int = place.score(file).json()["predictions"][0]["id"]
    asked = {"verdict": verdict}
    assert place.client.post(f"/api/v1/predictions/{number}/review", json=asked).is_success
    return number


@pytest.fixture
def bad(tmp_path: Path) -> list[Path]:
    """Two of the pictures that the model learnt from as good ones."""
    write_images(tmp_path / "bad", stripes(40, seed=1)[:2])
    return sorted((tmp_path / "bad").iterdir())


def update(place: Place, **asked: Any) -> dict[str, Any]:
    answer = place.client.post(f"{MODEL}/update", json={"yes": True, **asked})
    assert answer.is_success, answer.text
    job = place.job(answer.json()["id"])
    assert (job["state"], job["error"]) == ("done", None)
    result: dict[str, Any] = job["result"]
    return result


def learnt(place: Place, version: int, file: Path) -> bool:
    assert place.client.post(f"{MODEL}/take", json={"version": version}).is_success
    known: bool = place.score(file).json()["predictions"][0]["learnt"]
    return known


def images_of(place: Place, version: int) -> int:
    n: int = place.service.versions.named("stripes", version).card["fit"]["n_images"]
    return n


def test_a_new_version_forgets_what_is_really_odd_and_says_so(
    place: Place, images: Path, bad: list[Path]
) -> None:
    said(place, next((images / "odd").iterdir()), "false_alarm")
    numbers = [said(place, file, "real") for file in bad]
    text = place.page(LESSONS)
    assert "Version 1 has learnt 2 pictures as good that you called really odd." in text
    for number, file in zip(numbers, bad, strict=True):
        assert f'<a href="/p/{number}" title="{file.name}">{file.name}</a>' in text
        assert f'data-anyway="{number}"' in text
    result = update(place)
    assert result["left_out"] == [file.name for file in bad]
    assert (result["added"], result["errors"]) == (1, [])
    assert images_of(place, 2) == images_of(place, 1) + 1 - 2
    for text in (place.page(LESSONS), place.page("/models/stripes")):
        assert "Version 2 was learnt without 2 pictures that you called really odd" in text
        assert "2 pictures left out: version 1 learnt them," in text
    assert not any(learnt(place, 2, file) for file in bad)
    assert "as good that you called really odd" not in place.page(LESSONS)
    # Gone back to the one before, the one after has done all that there is to do.
    assert learnt(place, 1, bad[0])
    text = place.page(LESSONS)
    assert "Version 2 has learnt what you called good. Version 2 is not in use" in text
    assert place.client.post(f"{MODEL}/update", json={"yes": True}).status_code == 409


def test_what_is_really_odd_is_learnt_where_somebody_asks_for_it(
    place: Place, images: Path, bad: list[Path]
) -> None:
    said(place, next((images / "odd").iterdir()), "false_alarm")
    numbers = [said(place, file, "real") for file in bad]
    result = update(place, anyway=numbers[:1])
    assert result["left_out"] == [bad[1].name]
    text = place.page(LESSONS)
    assert "Version 2 has learnt 1 picture as good that you called really odd" in text
    assert "Use version 2 all the same</button>" in text
    assert not re.search(r'class="main" data-take', text)  # the one in use has learnt it, too
    assert place.client.get("/parts/taking/stripes/2").text == (
        f"Version 2 has learnt 1 picture as good that you called really odd: {bad[0].name}.\n\n"
        "Use version 2 all the same?"
    )
    assert [learnt(place, 2, file) for file in bad] == [True, False]
    place.client.post(f"{MODEL}/take", json={"version": 1})
    text = place.page("/models/stripes")
    told = (
        r'has learnt 1 picture as good that you called really odd: <a href="/p/\d+" .*?>(.*?)</a>'
    )
    assert re.findall(told, text) == [bad[0].name]
    assert "Version 2 was learnt without 1 picture that you called really odd" in text
    # The same is not learnt twice; without it is another version.
    asked = {"yes": True, "anyway": numbers[:1]}
    assert place.client.post(f"{MODEL}/update", json=asked).status_code == 409
    assert update(place)["number"] == 3


def test_what_is_really_odd_alone_makes_a_version_without_it(place: Place, bad: list[Path]) -> None:
    assert place.client.post(f"{MODEL}/update", json={}).json()["error"] == "nothing_to_learn"
    number = said(place, bad[0], "real")
    text = place.page(LESSONS)
    assert "Learn anew without it</button>" in text
    asked = {"anyway": [number]}
    assert place.client.post(f"{MODEL}/update", json=asked).json()["error"] == "nothing_to_learn"
    result = update(place)
    assert (result["added"], result["left_out"]) == (0, [bad[0].name])
    text = place.page(LESSONS)
    assert "Version 2 has learnt nothing more. Version 2 is not in use yet." in text
    assert "Version 2 has learnt nothing that you called really odd." in text
    assert "there is nothing to compare them by" in text
    assert "learnt anew without what is really odd" in place.page("/models/stripes")
    assert not learnt(place, 2, bad[0])
    assert "What you call good can be learnt" in place.page(LESSONS)


def test_an_uploaded_version_names_what_it_has_learnt_that_is_really_odd(
    place: Place, model_file: Path, bad: list[Path]
) -> None:
    content = model_file.read_bytes()
    place.client.put("/api/v1/models/taken/file", content=content, headers=RAW)
    answer = place.client.post(
        "/api/v1/models/taken/score", files={"image": (bad[0].name, bad[0].read_bytes())}
    )
    number = answer.json()["predictions"][0]["id"]
    place.client.post(f"/api/v1/predictions/{number}/review", json={"verdict": "real"})
    text = place.page("/parts/lessons?model=taken")
    assert "Version 1 has learnt 1 picture as good that you called really odd." in text
    assert f'<a href="/p/{number}" title="{bad[0].name}">{bad[0].name}</a>' in text
    assert "Learn a new version</a> without it, from all good images" in text
    assert "data-anyway" not in text
    assert "it was uploaded, and what it learnt from is not here" in text


def check_of(place: Place, folder: Path) -> tuple[str, str]:
    """A set of a folder's images, and where the page has what is in it."""
    number = filled_set(place, folder)
    check = place.job(place.client.post("/api/v1/jobs/check", json={"set": number}).json()["id"])
    return number, f"/parts/check/{check['id']}"


def test_where_nothing_is_left_but_what_is_really_odd_no_learning_is_offered(
    place: Place, bad: list[Path], tmp_path: Path
) -> None:
    said(place, bad[0], "real")
    write_images(tmp_path / "few", stripes(1, seed=5))
    shutil.copy(bad[0], tmp_path / "few" / "bad.png")
    number, part = check_of(place, tmp_path / "few")
    text = place.page(part)
    assert 'id="fit"' not in text
    assert 'name="anyway"' not in text
    assert (
        "Of these 2 images 1 is left: 1 image that somebody called really odd is left out. Add"
    ) in text
    asked = {"name": "few", "set": number}
    job = place.job(place.client.post("/api/v1/jobs/fit", json=asked).json()["id"])
    assert job["error"] == (
        "1 image is left to learn from, since 1 image that somebody called really odd is left out: "
        "at least 2 are needed. Add others, or tick it to be learnt all the same."
    )


def test_the_rates_that_learn_offers_go_by_what_is_ticked(
    place: Place, bad: list[Path], tmp_path: Path
) -> None:
    for file in bad:
        said(place, file, "real")
    write_images(tmp_path / "good", stripes(17, seed=5))
    for file in bad:
        shutil.copy(file, tmp_path / "good" / f"bad {file.name}")
    _, part = check_of(place, tmp_path / "good")
    text = place.page(part)
    assert "As few as these 17 images allow" in text
    assert 'data-images="17"' in text
    both = place.page(f"{part}?anyway=2")
    assert ">1 in 20 (" in both
    assert "here are 19" in both
    assert "here are 17" not in both
    assert 'data-images="17"' in both
    assert place.client.get(f"{part}?anyway=-1").status_code == 422


def test_what_was_called_really_odd_says_under_which_name_and_of_which_model(
    place: Place, bad: list[Path], tmp_path: Path
) -> None:
    answer = place.score(bad[0], **{"X-File-Name": "shift%2F2%2Fscratch.png"})
    number = answer.json()["predictions"][0]["id"]
    place.client.post(f"/api/v1/predictions/{number}/review", json={"verdict": "real"})
    write_images(tmp_path / "good", stripes(20, seed=5))
    shutil.copy(bad[0], tmp_path / "good" / "another name.png")
    text = place.page(check_of(place, tmp_path / "good")[1])
    said_so = '<bdi title="shift/2/scratch.png">2/scratch.png</bdi>, a picture that stripes scored'
    assert f'<b>another name.png</b> <span class="muted small">called so as {said_so}' in text


@pytest.mark.parametrize("anyway", [False, True])
def test_a_set_is_learnt_without_what_is_really_odd(
    place: Place, images: Path, tmp_path: Path, anyway: bool
) -> None:
    odd = sorted((images / "odd").iterdir())[:2]
    for file in odd:
        said(place, file, "real")
    write_images(tmp_path / "good", stripes(30, seed=5))
    for file, name in zip(odd, ("of monday.png", "of tuesday.png"), strict=True):
        shutil.copy(file, tmp_path / "good" / name)
    number = filled_set(place, tmp_path / "good")
    check = place.job(place.client.post("/api/v1/jobs/check", json={"set": number}).json()["id"])
    text = place.page(f"/parts/check/{check['id']}")
    told = "2 images are ones that somebody called really odd: <b>of monday.png</b>, <b>of tuesday"
    assert told in text
    assert "Learn from 30 images</button>" in text
    files = re.findall(r'name="anyway" value="(.*?)" form="fit"', text)
    assert [name[14:] for name in files] == ["of_monday.png", "of_tuesday.png"]
    asked = {"name": "anew", "set": number, "anyway": files[:1] if anyway else []}
    job = place.job(place.client.post("/api/v1/jobs/fit", json=asked).json()["id"])
    assert job["result"]["images"] == 30 + anyway
    left_out = ["of monday.png", "of tuesday.png"][anyway:]
    assert job["result"]["left_out"] == left_out
    text = place.page(f"/parts/job/{job['id']}")
    some = "1 image" if anyway else "2 images"
    named = ", ".join(f"<b>{name}</b>" for name in left_out)
    assert (
        f"{job['name']} was learnt without {some} that somebody called really odd: {named}." in text
    )
