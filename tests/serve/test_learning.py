"""From a folder of images to a model, from reviews to a new version, and back."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import stripes, write_images
from oneclass import Detector
from oneclass.conformal.calibration import make_plan
from oneclass.conformal.parts import can_whiten, deal
from oneclass.detector.files import modelfile
from oneclass.errors import InputError
from oneclass.serve.settings import Limits
from oneclass.serve.web import facts, words
from oneclass.serve.work.jobs.runner import PROGRAM
from oneclass.serve.work.library import check_name
from oneclass.system.names import count
from serving import RAW, Place, another, filled_set, until


def review_all(place: Place, folder: Path, verdict: str) -> list[int]:
    numbers = []
    for file in sorted(folder.iterdir()):
        number = place.score(file).json()["predictions"][0]["id"]
        said = {"verdict": verdict}
        answer = place.client.post(f"/api/v1/predictions/{number}/review", json=said)
        assert answer.json()["review"] == verdict
        numbers.append(number)
    return numbers


def test_a_folder_becomes_the_model_of_the_same_fit(
    start: Callable[..., Place], tmp_path: Path, images: Path
) -> None:
    place = start(model=False)
    write_images(tmp_path / "good", stripes(24, seed=5))
    number = filled_set(place, tmp_path / "good")
    check = place.client.post("/api/v1/jobs/check", json={"set": number}).json()
    found = place.job(check["id"])
    assert (found["state"], found["result"]["images"]) == ("done", 24)
    assert "Nothing is amiss" in place.page(f"/parts/check/{check['id']}")
    asked = {"name": "new", "set": number, "false_alarms": 0.1}
    assert 'id="learnt"' not in place.page("/learn")
    job = place.job(place.client.post("/api/v1/jobs/fit", json=asked).json()["id"])
    assert (job["state"], job["error"]) == ("done", None)
    # What stood there of the one that was learnt before goes.
    assert 'data-replaces="learnt"' in place.page(f"/parts/job/{job['id']}")
    assert "The model <b>new</b> was learnt today " in place.page("/learn")  # for who comes back
    [model] = place.client.get("/api/v1/models").json()["models"]
    assert (model["model"], model["version"], model["serves"]) == ("new", 1, True)
    own = Detector(false_alarms=0.1).fit(tmp_path / "good")
    assert model["model_sha256"] == own.save(tmp_path / "own.oneclass")
    address = "/api/v1/models/new/versions/1/file"
    assert place.client.get(address).content == (tmp_path / "own.oneclass").read_bytes()
    assert not list((place.service.settings.data / "sets").iterdir())
    # Of a later version that is deleted nobody hears that it was learnt.
    again = {**asked, "set": filled_set(place, tmp_path / "good")}
    place.job(place.client.post("/api/v1/jobs/fit", json=again).json()["id"])
    first = place.service.versions.named("new", 1)
    assert first is not None
    place.service.versions.take(first, who="test")
    assert place.client.delete("/api/v1/models/new/versions/2").is_success
    learnt = facts.last_learnt(place.service)
    assert learnt is not None
    assert learnt["id"] == job["id"]


def test_images_that_look_alike_are_named_as_they_were_sent(place: Place, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    write_images(tmp_path / "good", rng.integers(0, 256, (4, 64, 64)).astype(np.uint8))
    first = min((tmp_path / "good").iterdir())
    (tmp_path / "good/twin.png").write_bytes(first.read_bytes())
    number = filled_set(place, tmp_path / "good")
    check = place.client.post("/api/v1/jobs/check", json={"set": number}).json()
    assert place.job(check["id"])["state"] == "done"
    part = place.page(f"/parts/check/{check['id']}")
    [alike] = re.findall('<ul class="alike">(.*?)</ul>', part)
    assert re.findall("<b>(.*?)</b>", alike) == [first.name, "twin.png"]


def test_images_of_a_rarer_size_or_format_are_named_and_can_be_taken_out(
    place: Place, tmp_path: Path
) -> None:
    write_images(tmp_path / "good", stripes(3, seed=5))
    write_images(tmp_path / "large", stripes(1, seed=6, side=96))
    shutil.move(next((tmp_path / "large").iterdir()), tmp_path / "good/large.png")
    key = filled_set(place, tmp_path / "good")
    content = b"P5 24 24 255 " + bytes(range(24)) * 24
    headers = {**RAW, "X-File-Name": "other.pgm"}
    place.client.post(f"/api/v1/sets/{key}/images", content=content, headers=headers)

    def looked() -> tuple[int, dict[str, list[str]], str]:
        job = place.client.post("/api/v1/jobs/check", json={"set": key}).json()
        found = place.job(job["id"])["result"]
        named = {kind: list(map(words.sent_as, paths)) for kind, paths in found["unusual"].items()}
        return found["images"], named, place.page(f"/parts/check/{job['id']}")

    images, named, part = looked()
    assert (images, named) == (5, {"96 x 96 pixels": ["large.png"], "PNM": ["other.pgm"]})
    for name in named.values():
        [file] = [
            one.name for one in place.service.sets.folder(key).iterdir() if name[0] in one.name
        ]
        assert f'data-take-out="{file}"' in part
        gone = place.client.delete(f"/api/v1/sets/{key}/images/{file}")
        assert gone.status_code == 200
        assert place.client.delete(f"/api/v1/sets/{key}/images/{file}").status_code == 422
    assert looked()[:2] == (3, {})


def checked(place: Place, *folders: Path) -> str:
    """What the page says of the images of folders."""
    key = place.client.post("/api/v1/sets").json()["id"]
    for file in (file for folder in folders for file in sorted(folder.iterdir())):
        headers = {**RAW, "X-File-Name": file.name}
        content = file.read_bytes()
        place.client.post(f"/api/v1/sets/{key}/images", content=content, headers=headers)
    job = place.client.post("/api/v1/jobs/check", json={"set": key}).json()
    assert place.job(job["id"])["state"] == "done"
    return place.page(f"/parts/check/{job['id']}")


def test_what_a_list_does_not_name_it_counts(place: Place, tmp_path: Path) -> None:
    (tmp_path / "all").mkdir()
    for i in range(61):
        Image.effect_noise((9, 9), 60).save(tmp_path / f"all/usual {i:02}.png")
    for i in range(60):
        Image.effect_noise((30 + i, 40), 60).save(tmp_path / f"all/{i:02}.png")
        whole = BytesIO()
        Image.effect_noise((200, 200), 90).save(whole, "JPEG")
        (tmp_path / f"all/{i:02}.jpg").write_bytes(whole.getvalue()[:3000])
    part = checked(place, tmp_path / "all")
    [sizes] = re.findall("Which are of a rarer size, (.*?)</details>", part)
    assert (sizes.count(" pixels"), "And 10 more kinds." in sizes) == (50, True)
    [unread] = re.findall("Which cannot be read, (.*?)</details>", part)
    assert (unread.count("<b>"), "And 10 more images." in unread) == (50, True)


@pytest.mark.parametrize(
    ("sizes", "figure"),
    [
        ([(40 + i, 60 - i) for i in range(8)], "one of 8 sizes"),
        ([(40 + i % 7, 60 - i % 7) for i in range(8)], "the most frequent of 7 sizes"),
        (4 * [(40, 60)] + 4 * [(50, 70)], "one of 2 sizes"),
    ],
)
def test_where_no_size_is_that_of_most_none_is_rarer(
    place: Place, tmp_path: Path, sizes: list[tuple[int, int]], figure: str
) -> None:
    (tmp_path / "good").mkdir()
    for i, size in enumerate(sizes):
        Image.effect_noise(size, 60).save(tmp_path / f"good/{i}.{'bmp' if i == 3 else 'png'}")
    part = checked(place, tmp_path / "good")
    assert f"pixels, {figure}</span>" in part
    told = f"{len(set(sizes))} sizes, from {{}} x {{}} to {{}} x {{}} (width x height): all are"
    least, most = (end(sizes, key=lambda size: size[0] * size[1]) for end in (min, max))
    assert told.format(*least, *most) in part
    # What is rare in something else is named all the same.
    [fold] = re.findall("Which are of a rarer format, depth or colour(.*?)</details>", part)
    assert re.findall("<b>(.*?)</b>", fold) == ["3.bmp"]


def test_copies_of_one_picture_are_not_offered_to_be_learnt(place: Place, tmp_path: Path) -> None:
    write_images(tmp_path / "one", stripes(1, seed=5))
    [file] = (tmp_path / "one").iterdir()
    for i in range(29):
        shutil.copy(file, tmp_path / f"one/copy {i}.png")
    part = checked(place, tmp_path / "one")
    assert "At least two different images that can be read are needed" in part
    assert 'id="fit"' not in part
    write_images(tmp_path / "more", stripes(1, seed=6))
    assert 'id="fit"' in checked(place, tmp_path / "one", tmp_path / "more")


def test_a_model_says_as_how_many_pictures_its_images_count(place: Place, tmp_path: Path) -> None:
    write_images(tmp_path / "good", stripes(20, seed=5))
    for i, file in enumerate(sorted((tmp_path / "good").iterdir())[:5]):
        shutil.copy(file, tmp_path / f"good/copy {i}.png")
    asked = {"set": filled_set(place, tmp_path / "good"), "name": "new", "false_alarms": 0.1}
    job = place.job(place.client.post("/api/v1/jobs/fit", json=asked).json()["id"])
    told = "Learnt from 25 good images (20 different pictures; the others count as copies) in "
    assert told in place.page(f"/parts/job/{job['id']}")


def test_all_of_one_colour_are_taken_out_at_once(place: Place, tmp_path: Path) -> None:
    write_images(tmp_path / "good", stripes(6, seed=5))
    for i in range(24):
        Image.new("L", (24, 24), i).save(tmp_path / f"good/flat {i}.png")
    part = checked(place, tmp_path / "good")
    [flat] = re.findall("Which are of one single colour(.*?)</details>", part)
    assert (flat.count("<img"), flat.count("data-take-out="), "and 4 more" in flat) == (
        20,
        20,
        True,
    )
    [names] = re.findall('data-take-all="(.*?)"', flat)
    names = json.loads(html.unescape(names))
    assert len(names) == 24
    assert all("/" not in name and "flat_" in name for name in names)


def test_images_of_a_rarer_colour_are_named_where_that_is_advised_of(
    place: Place, tmp_path: Path
) -> None:
    write_images(tmp_path / "good", stripes(3, seed=5))
    grey = stripes(1, seed=6)[0]
    write_images(tmp_path / "more", np.stack([grey, grey, 255 - grey], axis=-1)[None])
    shutil.move(next((tmp_path / "more").iterdir()), tmp_path / "good/hue.png")
    key = filled_set(place, tmp_path / "good")
    job = place.client.post("/api/v1/jobs/check", json={"set": key}).json()
    found = place.job(job["id"])["result"]
    assert [words.sent_as(path) for path in found["unusual"]["in colour"]] == ["hue.png"]
    part = place.page(f"/parts/check/{job['id']}")
    assert "Grey and colour images are mixed" in part
    [fold] = re.findall("Which are of a rarer format, depth or colour(.*?)</details>", part)
    assert re.findall("<b>(.*?)</b>", fold) == ["hue.png"]
    assert fold.count("data-take-out=") == 1


@pytest.mark.parametrize("name", ["%2e%2e%2fmodels", "%2Fetc%2Fpasswd", "x.png", "%00"])
def test_only_what_is_in_a_set_is_taken_out(place: Place, images: Path, name: str) -> None:
    key = filled_set(place, images / "normal")
    answer = place.client.delete(f"/api/v1/sets/{key}/images/{name}")
    assert answer.status_code in (404, 405, 422)
    assert place.service.sets.count(key) == 8


def test_a_name_may_have_blanks_around_it_and_that_of_a_deleted_model_says_so(
    place: Place, tmp_path: Path
) -> None:
    write_images(tmp_path / "good", stripes(12, seed=5))
    key = filled_set(place, tmp_path / "good")

    def part() -> str:
        job = place.client.post("/api/v1/jobs/check", json={"set": key}).json()
        assert place.job(job["id"])["state"] == "done"
        return html.unescape(place.page(f"/parts/check/{job['id']}"))

    for text in (part(), place.page("/models")):
        [pattern] = re.findall(r'pattern="([^"]*)"', text)
        for name in ("few", "-x", "a._.b", "_"):
            assert re.fullmatch(pattern, f" {name} ")
            assert check_name(name, ()) == name
        for name in ("few.", ".few", "..", " "):
            assert not re.fullmatch(pattern, name)
            with pytest.raises(InputError, match="no space or point at its ends"):
                check_name(name, ())
        assert text.count("points, - and _, with no point at its ends") == 2
    assert 'data-deleted="{}"' in part()
    job = place.client.post("/api/v1/jobs/fit", json={"name": "stripes", "set": key}).json()
    assert place.client.delete(f"/api/v1/jobs/{job['id']}").is_success
    until(lambda: place.service.runner._running is None)
    assert place.client.delete("/api/v1/models/stripes").is_success
    assert 'data-deleted="{"stripes": 2}"' in part()
    assert "A model stripes was deleted, and can be got back on the page Models: this" in part()
    assert "this makes version 2 of it." in part()


def test_what_was_asked_for_before_is_kept_after_a_cancelled_fit(
    place: Place, tmp_path: Path
) -> None:
    write_images(tmp_path / "good", stripes(12, seed=5))
    key = filled_set(place, tmp_path / "good")

    def part() -> str:
        job = place.client.post("/api/v1/jobs/check", json={"set": key}).json()
        assert place.job(job["id"])["state"] == "done"
        return place.page(f"/parts/check/{job['id']}")

    assert 'value="parts"' in part()
    asked = {"name": "solar cells", "set": key, "rows": "patches", "false_alarms": 0.1}
    job = place.client.post("/api/v1/jobs/fit", json=asked).json()
    place.client.delete(f"/api/v1/jobs/{job['id']}")
    until(lambda: place.service.runner._running is None)
    text = part()
    assert 'value="solar cells"' in text
    assert 'value="patches" checked' in text
    assert 'value="" checked' not in text
    assert '<option value="0.1" data-needs="9" data-rate="10\u00a0%" selected>' in text


def looked_at(place: Place, tmp_path: Path, n: int) -> str:
    """What the page Learn says of a set, as if it had n images."""
    write_images(tmp_path / "good", stripes(3, seed=5))
    key = filled_set(place, tmp_path / "good")
    job = place.job(place.client.post("/api/v1/jobs/check", json={"set": key}).json()["id"])
    with place.service.database.write() as connection:
        connection.execute("UPDATE job SET result = json_set(result, '$.images', ?)", (n,))
    return place.page(f"/parts/check/{job['id']}")


@pytest.mark.parametrize(
    ("n", "said"),
    [
        (98, "1 in 100 (needs 99 images, 110 for the best look at small spots; here are 98)"),
        (99, "1 in 100 (110 images give a better look at small spots; here are 99)"),
        (109, "1 in 100 (110 images give a better look at small spots; here are 109)"),
        (110, "1 in 100"),
    ],
)
def test_as_many_images_are_asked_for_as_the_command_asks_for(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int, said: str
) -> None:
    text = looked_at(place, tmp_path, n)
    found = re.findall(
        r'<option value="0.01" data-needs="99" data-rate="[^"]*"( disabled)?>(.*?)</option>', text
    )
    [(disabled, told)] = found
    assert (bool(disabled), told) == (n < 99, said)
    if n < 99:
        with pytest.raises(
            InputError, match=r"at least 99 different images \(110 for the best look at"
        ):
            make_plan(n, 0.01)
    else:
        assert make_plan(n, 0.01).false_alarms == 0.01


@pytest.mark.parametrize(
    ("n", "said"),
    [
        (12, "As few as these 12 images allow (50 images give {}12)"),
        (26, "1 in 20 (50 images give {}26)"),
        (49, "1 in 20 (50 images give {}49)"),
        (50, "1 in 20"),
    ],
)
def test_the_usual_rate_says_when_more_images_look_better_at_small_spots(
    place: Place, tmp_path: Path, n: int, said: str
) -> None:
    text = looked_at(place, tmp_path, n)
    [told] = re.findall(r'<option value="" [^>]*>(.*?)</option>', text)
    assert told == said.format("a better look at small spots; here are ")
    plan = make_plan(n, None)
    assert can_whiten(plan, deal(np.arange(n), plan, 0, None)) == (n >= 50)


def test_the_list_of_models_says_which_versions_wait(
    place: Place, model_file: Path, tmp_path: Path
) -> None:
    assert "Newer, and not in use" not in place.page("/models")
    for rate in (0.1, 0.2):
        content = another(model_file, tmp_path, rate)
        place.client.put("/api/v1/models/stripes/file", content=content, headers=RAW)
    assert "Newer, and not in use: versions 2, 3." in place.page("/models")
    place.client.post("/api/v1/models/stripes/take", json={"version": 3})
    assert "Newer, and not in use" not in place.page("/models")


def test_patches_in_tiles_are_learnt_scored_and_learn_more(
    start: Callable[..., Place], tmp_path: Path
) -> None:
    place = start(model=False)
    write_images(tmp_path / "good", stripes(6, seed=5, side=96))
    write_images(tmp_path / "new", stripes(2, seed=6, side=128))
    how = {"rows": "patches", "tiles": 64}
    asked = {"name": "stripes", "set": filled_set(place, tmp_path / "good"), **how}
    job = place.job(place.client.post("/api/v1/jobs/fit", json=asked).json()["id"])
    assert (job["state"], job["error"]) == ("done", None)
    own = Detector(rows="patches", tiles=64).fit(tmp_path / "good")
    [model] = place.client.get("/api/v1/models").json()["models"]
    assert model["model_sha256"] == own.save(tmp_path / "own.oneclass")
    for file in sorted((tmp_path / "new").iterdir()):
        [said] = place.score(file).json()["predictions"]
        [explained] = own.explain([file])
        own_word = explained.prediction
        assert (said["score"], said["p_value"]) == (own_word.score, own_word.p_value)
        answer = place.client.get(f"/api/v1/predictions/{said['id']}/heatmap.npy")
        np.testing.assert_array_equal(np.load(BytesIO(answer.content)), explained.anomaly_map)
    reviewed = {"verdict": "false_alarm"}
    place.client.post(f"/api/v1/predictions/{said['id']}/review", json=reviewed)
    update = place.client.post("/api/v1/models/stripes/update", json={"yes": True}).json()
    job = place.job(update["id"])
    assert (job["state"], job["error"], job["result"]["added"]) == ("done", None, 1)
    assert job["done"] == job["total"] > 0


def test_learning_says_what_it_does_where_nothing_is_counted(
    start: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = start(model=False)
    jobs = place.service.runner.jobs
    write_images(tmp_path / "good", stripes(24, seed=5))
    number = filled_set(place, tmp_path / "good")
    own, shown = jobs.stage, dict[str, str]()

    def stage(job: int, said: str) -> None:
        own(job, said)
        shown[said] = html.unescape(place.page(f"/parts/job/{job}"))
        assert place.client.get(f"/api/v1/jobs/{job}").json()["stage"] == said

    monkeypatch.setattr(jobs, "stage", stage)
    asked = {"name": "new", "set": number, "rows": "patches"}
    ended = place.job(place.client.post("/api/v1/jobs/fit", json=asked).json()["id"])
    assert (ended["state"], ended["error"], ended["stage"]) == ("done", None, None)
    assert {"learning from patches", "writing the model"} <= set(shown)
    assert "learning from patches, part 10 of 10" in shown
    for said, part in shown.items():
        what, comma, rest = said.partition(", part ")
        assert (words.STAGES.get(what, what) + comma + rest).capitalize() in part
        assert "value=" not in part.partition("<progress")[2].partition(">")[0]


@pytest.mark.parametrize("total", [0, 1, 17])
def test_a_job_that_runs_is_never_shown_as_whole(total: int) -> None:
    for done, stage in product(range(total + 1), (None, "looking for near-copies")):
        began = time.time() - 30
        job = {"kind": "fit", "done": done, "total": total, "stage": stage, "started": began}
        assert words.counted(job) == (stage is None and done < total)
        told = words.doing(job)
        assert (f"{done} of {count(total, 'image')}" in told) == words.counted(job)
        assert ("left" in told) == (words.counted(job) and done >= 10)
        assert ("left to look at them; then it learns" in told) == ("left" in told)
        assert "then it learns" not in words.doing({**job, "kind": "check"})
        looking = "Looking for pictures that are nearly the same, 30 seconds so far"
        assert told.startswith(looking) == (stage is not None)


def test_a_fit_that_cannot_be_says_why(start: Callable[..., Place], tmp_path: Path) -> None:
    place = start(model=False)
    write_images(tmp_path / "one", stripes(2, seed=5))
    number = filled_set(place, tmp_path / "one")
    asked = {"name": "x", "set": number, "false_alarms": 0.01}
    job = place.client.post("/api/v1/jobs/fit", json=asked).json()
    ended = place.job(job["id"])
    assert ended["state"] == "failed"
    assert "the rate of false alarms is 1 %" in ended["error"]
    assert "Give a higher rate" in ended["error"]
    assert place.client.get("/api/v1/models").json() == {"models": []}


def test_a_set_of_one_image_is_told_to_grow_before_a_job_is_made(
    start: Callable[..., Place], tmp_path: Path
) -> None:
    place = start(model=False)
    write_images(tmp_path / "one", stripes(1, seed=5))
    asked = {"name": "x", "set": filled_set(place, tmp_path / "one")}
    answer = place.client.post("/api/v1/jobs/fit", json=asked)
    assert answer.status_code == 422
    assert "holds 1 image: at least 2" in answer.json()["message"]
    assert place.client.get("/api/v1/jobs").json()["jobs"] == []


def test_only_images_come_into_a_set(place: Place) -> None:
    number = place.client.post("/api/v1/sets").json()["id"]
    answer = place.client.post(f"/api/v1/sets/{number}/images", content=b"no", headers=RAW)
    assert (answer.status_code, answer.json()["error"]) == (422, "not_an_image")
    for wrong in ("0" * 16, "..", "%2e%2e%2fmodels", "x"):
        answer = place.client.post(f"/api/v1/sets/{wrong}/images", content=b"no", headers=RAW)
        assert answer.status_code in (404, 422)
    assert place.client.delete(f"/api/v1/sets/{number}").json() == {"done": True}


def test_a_name_of_an_image_leads_nowhere_else(place: Place, images: Path) -> None:
    number = place.client.post("/api/v1/sets").json()["id"]
    content = next((images / "normal").iterdir()).read_bytes()
    for name in ("../../x.png", "..", "/etc/passwd", "%2e%2e%2fy.png", "a%00b", "x" * 400, ""):
        headers = {**RAW, "X-File-Name": name}
        answer = place.client.post(
            f"/api/v1/sets/{number}/images", content=content, headers=headers
        )
        assert answer.status_code == 200
    folder = place.service.sets.folder(number)
    assert len(list(folder.iterdir())) == 7
    assert all(file.is_file() for file in folder.iterdir())


def test_a_running_job_is_cancelled(start: Callable[..., Place], tmp_path: Path) -> None:
    place = start(model=False)
    write_images(tmp_path / "many", stripes(30, seed=5))
    asked = [{"name": "x", "set": filled_set(place, tmp_path / "many")} for _ in range(2)]
    first, second = (place.client.post("/api/v1/jobs/fit", json=one).json() for one in asked)
    assert place.client.delete(f"/api/v1/jobs/{second['id']}").json()["state"] == "cancelled"
    until(lambda: place.client.get(f"/api/v1/jobs/{first['id']}").json()["state"] == "running")
    assert place.client.delete(f"/api/v1/jobs/{first['id']}").json()["state"] == "cancelled"
    assert place.job(first["id"])["state"] == "cancelled"
    assert place.client.delete(f"/api/v1/jobs/{first['id']}").status_code == 409
    until(lambda: place.service.runner._running is None)
    assert place.client.get("/api/v1/models").json() == {"models": []}


def test_a_fit_that_is_cancelled_as_it_ends_keeps_its_images_and_makes_no_model(
    start: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = start(model=False)
    write_images(tmp_path / "good", stripes(20, seed=5))
    key = filled_set(place, tmp_path / "good")
    runner, program = place.service.runner, place.service.runner._program
    ended = threading.Event()

    def cancelled_at_last(number: int, request: dict[str, Any]) -> dict[str, Any] | None:
        said = program(number, request)
        assert said is not None
        assert place.client.delete(f"/api/v1/jobs/{number}").json()["state"] == "cancelled"
        ended.set()
        return said

    monkeypatch.setattr(runner, "_program", cancelled_at_last)
    job = place.client.post("/api/v1/jobs/fit", json={"name": "x", "set": key}).json()
    assert ended.wait(60)
    monkeypatch.setattr(runner, "_program", program)
    check = place.client.post("/api/v1/jobs/check", json={"set": key}).json()  # runs behind it
    assert place.job(check["id"])["result"]["images"] == 20
    assert place.job(job["id"])["state"] == "cancelled"
    assert place.client.get("/api/v1/models").json() == {"models": []}
    assert not list(place.service.settings.data.rglob("*job-*"))


def test_jobs_wait_only_so_long(start: Callable[..., Place], tmp_path: Path) -> None:
    place = start(limits=Limits(jobs=0))
    number = place.client.post("/api/v1/sets").json()["id"]
    answer = place.client.post("/api/v1/jobs/check", json={"set": number})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")


def test_false_alarms_are_learnt_compared_taken_and_taken_back(
    place: Place, images: Path, tmp_path: Path
) -> None:
    write_images(tmp_path / "false", stripes(3, seed=11, upright=False))
    review_all(place, tmp_path / "false", "false_alarm")
    review_all(place, images / "odd", "real")
    lessons = place.page("/parts/lessons?model=stripes")
    assert "Learn 3 good pictures" in lessons
    job = place.client.post("/api/v1/models/stripes/update", json={}).json()
    assert "id" in job, job
    ended = place.job(job["id"])
    assert (ended["state"], ended["error"]) == ("done", None)
    assert (ended["result"]["added"], ended["result"]["number"]) == (3, 2)

    versions = place.client.get("/api/v1/models/stripes").json()["versions"]
    assert [(v["version"], v["serves"], v["n_learnt"]) for v in versions] == [
        (2, False, 3),
        (1, True, 0),
    ]
    compared = {row["id"]: row for row in place.service.reviews.compared(2, 0.05)}
    assert len(compared) == 9
    assert sum(row["learnt"] for row in compared.values()) == 3
    lessons = place.page("/parts/lessons?model=stripes")
    assert "A new version is ready" in lessons
    assert "Version 2 has learnt what you called good." in lessons
    assert "can be learnt" not in lessons

    def in_use() -> Any:
        return place.score(next((images / "normal").iterdir())).json()["version"]

    assert in_use() == 1
    for version in (2, 1):
        answer = place.client.post("/api/v1/models/stripes/take", json={"version": version})
        assert answer.json()["version"] == version
        assert in_use() == version
    # Taken back: what version 2 had learnt can be learnt again.
    assert len(place.service.lessons("stripes")) == 3
    place.client.post("/api/v1/models/stripes/take", json={"version": 2})
    assert place.service.lessons("stripes") == []
    answer = place.client.post("/api/v1/models/stripes/update", json={})
    assert (answer.status_code, answer.json()["error"]) == (409, "nothing_to_learn")
    taken = [row["number"] for row in place.service.versions.taken("stripes")]
    assert taken == [2, 1, 2, 1]


def test_the_new_version_is_that_of_the_command(
    place: Place, model_file: Path, tmp_path: Path
) -> None:
    from oneclass import load

    write_images(tmp_path / "false", stripes(3, seed=11, upright=False))
    review_all(place, tmp_path / "false", "false_alarm")
    place.job(place.client.post("/api/v1/models/stripes/update", json={}).json()["id"])
    own = load(model_file, threads=1)
    own.update(tmp_path / "false")
    served = place.client.get("/api/v1/models/stripes").json()["versions"][0]
    assert served["model_sha256"] == own.save(tmp_path / "own.oneclass")


def test_a_verdict_is_taken_back_and_nothing_is_overwritten(place: Place, images: Path) -> None:
    number = place.score(next((images / "odd").iterdir())).json()["predictions"][0]["id"]
    for verdict in ("false_alarm", "real", None, None):
        place.client.post(f"/api/v1/predictions/{number}/review", json={"verdict": verdict})
    assert place.client.get(f"/api/v1/predictions/{number}").json()["review"] is None
    said = [row["verdict"] for row in place.service.reviews.of(number)]
    assert said == [None, "false_alarm", None, "real", "false_alarm"]
    [count] = place.client.get("/api/v1/models/stripes/monitor").json()["counts"]
    assert (count["images"], count["false_alarms"], count["real"]) == (1, 0, 0)
    wrong = place.client.post(f"/api/v1/predictions/{number}/review", json={"verdict": "yes"})
    assert wrong.status_code == 422
    assert (
        place.client.post("/api/v1/predictions/99/review", json={"verdict": None}).status_code
        == 404
    )


def test_rows_sent_as_a_model_are_told_without_a_place_of_the_server(
    place: Place, model_file: Path
) -> None:
    rows = model_file.with_name(model_file.name + ".rows").read_bytes()
    answer = place.client.put("/api/v1/models/new/file", content=rows, headers=RAW)
    assert answer.status_code == 422
    told = "Give the model beside it, whose name is the same without .rows."
    assert answer.json()["message"].startswith("the model: refused: it is no model, but the rows ")
    assert answer.json()["message"].endswith(told)


def test_a_model_without_rows_cannot_learn_more(
    start: Callable[..., Place], model_file: Path, images: Path
) -> None:
    place = start(model=False)
    content = model_file.read_bytes()
    made = place.client.put("/api/v1/models/stripes/file", content=content, headers=RAW)
    assert made.json()["serves"]
    review_all(place, images / "odd", "false_alarm")
    answer = place.client.post("/api/v1/models/stripes/update", json={})
    assert (answer.status_code, answer.json()["error"]) == (409, "cannot_learn")


@pytest.mark.parametrize("content", [b"", b"nonsense" * 100])
def test_what_is_no_model_is_refused(place: Place, content: bytes) -> None:
    answer = place.client.put("/api/v1/models/other/file", content=content, headers=RAW)
    assert (answer.status_code, answer.json()["error"]) == (422, "unusable")
    assert str(place.service.settings.data) not in answer.json()["message"]
    gone = place.client.get("/api/v1/models/other")
    assert gone.status_code == 404
    assert "the page /models lists those that there are." in gone.json()["message"]
    assert place.client.get("/models").status_code == 200


@pytest.mark.parametrize("kind", ["picture", "text"])
def test_what_is_no_model_is_told_in_words_for_people(
    place: Place, images: Path, kind: str
) -> None:
    content = next(images.glob("odd/*.png")).read_bytes() if kind == "picture" else b"it's" * 99
    answer = place.client.put("/api/v1/models/other/file", content=content, headers=RAW)
    told = answer.json()["message"]
    assert answer.status_code == 422
    assert "b'" not in told
    assert 'b"' not in told
    assert ("is a picture (PNG), not a model file" in told) == (kind == "picture")
    assert ("it is no oneclass model" in told) == (kind == "text")


def test_a_model_file_that_is_here_already_is_not_taken_in_twice(
    place: Place, model_file: Path, tmp_path: Path
) -> None:
    put, address = place.client.put, "/api/v1/models/stripes/file"
    [first] = place.client.get("/api/v1/models/stripes").json()["versions"]
    assert put(address, content=model_file.read_bytes(), headers=RAW).json() == first
    other = another(model_file, tmp_path, 0.1)
    made = [put(address, content=other, headers=RAW).json() for _ in range(2)]
    assert [(one["version"], one["serves"]) for one in made] == [(2, False)] * 2
    twin = put("/api/v1/models/twin/file", content=other, headers=RAW).json()
    assert (twin["version"], twin["serves"]) == (1, True)  # another name asks for another model
    assert len(list(place.service.library.folder.glob("*.oneclass"))) == 3


def test_names_that_differ_only_in_capitals_are_refused(
    place: Place, model_file: Path, tmp_path: Path
) -> None:
    content = model_file.read_bytes()
    answer = place.client.put("/api/v1/models/Stripes/file", content=content, headers=RAW)
    write_images(tmp_path / "good", stripes(2, seed=5))
    asked = {"name": "STRIPES", "set": filled_set(place, tmp_path / "good")}
    for one in (answer, place.client.post("/api/v1/jobs/fit", json=asked)):
        assert one.status_code == 422
        assert "there is a model 'stripes', which differs only in capitals" in one.json()["message"]
    place.client.delete("/api/v1/models/stripes")
    answer = place.client.put("/api/v1/models/Stripes/file", content=content, headers=RAW)
    assert answer.json()["serves"]


def test_names_of_what_is_being_learnt_count_as_taken(
    place: Place, model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place.service.jobs, "next", lambda: None)  # they wait
    write_images(tmp_path / "good", stripes(2, seed=5))

    def asked(name: str) -> Any:
        given = {"name": name, "set": filled_set(place, tmp_path / "good")}
        return place.client.post("/api/v1/jobs/fit", json=given)

    assert asked("parts").is_success
    assert asked("parts").is_success
    upload = place.client.put(
        "/api/v1/models/PARTS/file", content=model_file.read_bytes(), headers=RAW
    )
    for answer in (asked("Parts"), upload):
        assert answer.status_code == 422
        assert "there is a model 'parts', which differs only" in answer.json()["message"]
    # Two that were asked for at the same moment: the second one to be taken in is refused.
    with pytest.raises(InputError, match="differs only in capitals"):
        place.service.library.take_in(model_file, "STRIPES", origin="fit")


def test_a_deleted_model_does_not_come_back_beside_one_that_capitals_alone_tell_from_it(
    place: Place, model_file: Path
) -> None:
    number = place.client.delete("/api/v1/models/stripes").json()["id"]
    content = model_file.read_bytes()
    assert place.client.put("/api/v1/models/Stripes/file", content=content, headers=RAW).is_success
    answer = place.client.post(f"/api/v1/deleted/{number}/restore")
    assert (answer.status_code, answer.json()["error"]) == (422, "unusable")
    assert place.service.versions.names() == ["Stripes"]
    place.client.delete("/api/v1/models/Stripes")
    assert place.client.post(f"/api/v1/deleted/{number}/restore").is_success


def test_what_a_version_that_waits_has_learnt_is_not_learnt_again(
    place: Place, tmp_path: Path
) -> None:
    write_images(tmp_path / "false", stripes(3, seed=11, upright=False))
    review_all(place, tmp_path / "false", "false_alarm")
    update = "/api/v1/models/stripes/update"
    first, again = (place.client.post(update, json={"yes": True}).json()["id"] for _ in range(2))
    assert again == first
    place.job(first)
    answer = place.client.post(update, json={"yes": True})
    assert (answer.status_code, answer.json()["error"]) == (409, "nothing_to_learn")
    assert "version 2 has learnt these pictures already" in answer.json()["message"]
    # Another choice of them is another version; so is one more false alarm.
    [lesson, *_] = place.service.lessons("stripes")
    some = place.client.post(update, json={"yes": True, "predictions": [lesson.id]})
    assert place.job(some.json()["id"])["result"]["number"] == 3
    answer = place.client.post(update, json={"yes": True, "predictions": [lesson.id]})
    assert (answer.status_code, answer.json()["error"]) == (409, "nothing_to_learn")
    assert "version 3 has learnt these pictures already" in answer.json()["message"]
    write_images(tmp_path / "more", stripes(1, seed=12, upright=False))
    review_all(place, tmp_path / "more", "false_alarm")
    assert place.client.post(update, json={"yes": True}).is_success


def test_of_updates_asked_for_at_once_one_is_queued(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path / "false", stripes(3, seed=11, upright=False))
    review_all(place, tmp_path / "false", "false_alarm")
    monkeypatch.setattr(place.service.jobs, "next", lambda: None)  # none of them begins
    lessons, update = place.service.lessons("stripes"), "/api/v1/models/stripes/update"
    unfinished, both = place.service.jobs.unfinished, threading.Barrier(2)

    def slowly() -> list[dict[str, Any]]:
        found = unfinished()
        with suppress(threading.BrokenBarrierError):
            both.wait(0.5)  # until the other has looked, too, if it may
        return found

    monkeypatch.setattr(place.service.jobs, "unfinished", slowly)
    asked = [{"yes": True, "predictions": [lesson.id]} for lesson in lessons[:2]]
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda one: place.client.post(update, json=one), asked))
    [queued] = [job for job in unfinished() if job["kind"] == "update"]
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    [refused] = [answer.json() for answer in answers if answer.status_code == 409]
    assert refused["error"] == "updating"
    assert f"job {queued['id']} learns other pictures for stripes" in refused["message"]
    # The same again is the job that waits; all of them are others.
    again = [place.client.post(update, json=one) for one in (*asked, {"yes": True})]
    assert sorted(answer.status_code for answer in again) == [200, 409, 409]


def test_a_model_with_a_network_of_its_own_is_told_what_a_server_has(
    place: Place, model_file: Path
) -> None:
    """Nobody who uploads can put a file beside it, or give the server an option."""
    card, arrays, _ = modelfile.read(model_file)
    card["representation"]["backbone"] = {"name": "own", "sha256": "0" * 64}
    modelfile.write(model_file.with_name("own.oneclass"), card, arrays)
    content = model_file.with_name("own.oneclass").read_bytes()
    answer = place.client.put("/api/v1/models/own/file", content=content, headers=RAW)
    assert answer.status_code == 422
    assert "its own network, 'own', and a server has" in answer.json()["message"]
    assert "--backbone" not in answer.json()["message"]


def test_a_method_that_is_not_for_an_address_is_told_which_is(place: Place) -> None:
    answer = place.client.put("/api/v1/predictions/1/review", json={"verdict": "real"})
    assert answer.status_code == 405
    assert answer.json()["message"] == "PUT is not for this address; it takes POST."


def test_a_damaged_model_is_refused(place: Place, model_file: Path) -> None:
    content = bytearray(model_file.read_bytes())
    content[len(content) // 2] ^= 1
    answer = place.client.put("/api/v1/models/other/file", content=bytes(content), headers=RAW)
    assert answer.status_code == 422


@pytest.mark.parametrize("name", ["..", "a%2Fb", "%00", "-%20", "é", "x" * 61])
def test_names_of_models_are_plain(place: Place, model_file: Path, name: str) -> None:
    content = model_file.read_bytes()
    answer = place.client.put(f"/api/v1/models/{name}/file", content=content, headers=RAW)
    assert answer.status_code in (404, 405, 422)
    assert len(list(place.service.library.folder.glob("*.oneclass"))) == 1


def test_the_monitor_counts_what_each_rate_would_have_called(place: Place, images: Path) -> None:
    p_values = [
        place.score(file).json()["predictions"][0]["p_value"] for file in images.glob("*/*.png")
    ]
    said = place.client.get("/api/v1/models/stripes/monitor").json()
    assert said["last"] == len(p_values) == sum(said["scored"])
    assert sum(said["normal"]) == 40
    assert said["false_alarms"] in [rate["false_alarms"] for rate in said["rates"]]
    for rate in said["rates"]:
        assert rate["called"] == sum(p <= rate["false_alarms"] for p in p_values)
    thresholds = [rate["threshold"] for rate in said["rates"]]
    assert thresholds == sorted(thresholds, reverse=True)


def test_no_file_where_the_server_was_started_stands_for_a_module(tmp_path: Path) -> None:
    """Jobs are programs of their own, in the folder that somebody happened to be in."""
    for name in ("json", "types", "numpy", "oneclass"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('not this one')", encoding="utf-8")
    python, *options, _, module = PROGRAM
    command = [python, *options, "-c", f"import json, numpy, {module}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
