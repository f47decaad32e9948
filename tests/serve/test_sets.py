"""What was sent and not learnt from is kept for a while, and can be gone on with."""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from conftest import stripes, write_images
from oneclass.serve.work.drawing import small_of
from oneclass.serve.work.jobs.arrivals import JUST_NOW
from oneclass.serve.work.jobs.sets import FORGOTTEN
from serving import RAW, Place, filled_set, until


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


def test_sets_that_wait_are_told_apart_by_their_first_images(place: Place, tmp_path: Path) -> None:
    for name in ("left", "right"):
        write_images(tmp_path / name, stripes(5, seed=5))
        for file in (tmp_path / name).iterdir():
            file.rename(file.with_name(f"{name} {file.name}"))
        filled_set(place, tmp_path / name)
    page = place.page("/learn")
    for name, one in zip(("right", "left"), listed(place), strict=True):
        assert len(one["first"]) == 3
        assert [f"<b>{name}_{n:03}.png</b>" in page for n in range(4)] == [True, True, True, False]
        address = f"/api/v1/sets/{one['id']}/images/{one['first'][0]}/picture.png"
        assert f'src="{address}"' in page
        assert place.client.get(address).is_success


def sent(place: Place, number: str, content: bytes, name: str) -> int:
    headers = {**RAW, "X-File-Name": quote(name)}
    answer = place.client.post(f"/api/v1/sets/{number}/images", content=content, headers=headers)
    return answer.status_code


def quiet(place: Place, number: str) -> None:
    """As a set is a while after its last image came."""
    notes = place.service.sets.folder(number).with_name(f"{number}.jsonl")
    os.utime(notes, (time.time() - 2 * JUST_NOW,) * 2)


def test_what_there_was_no_room_for_is_missing_at_once(place: Place, images: Path) -> None:
    content = next((images / "normal").iterdir()).read_bytes()
    number = place.client.post("/api/v1/sets").json()["id"]
    address = f"/api/v1/sets/{number}/expected"
    assert place.client.put(address, json={"names": ["a.png", "b.png"]}).is_success
    assert sent(place, number, content, "a.png") == 200
    assert place.client.put(address, json={"names": ["b.png"], "ended": True}).is_success
    [one] = listed(place)
    assert (one["missing"], one["arriving"]) == (["b.png"], False)
    assert "<p>1 of 2 images arrived, the last one today" in place.page("/learn")


def test_a_set_that_another_window_removed_is_gone_by_a_word_of_its_own(
    place: Place, images: Path
) -> None:
    content = next((images / "normal").iterdir()).read_bytes()
    number = place.client.post("/api/v1/sets").json()["id"]
    place.client.delete(f"/api/v1/sets/{number}")
    for method, path in (
        ("POST", f"/api/v1/sets/{number}/images"),
        ("DELETE", f"/api/v1/sets/{number}"),
        ("DELETE", f"/api/v1/sets/{number}/images/a.png"),
    ):
        more = {"content": content, "headers": {**RAW, "X-File-Name": "a.png"}}
        answer = place.client.request(method, path, **(more if method == "POST" else {}))
        assert (answer.status_code, answer.json()["error"]) == (422, "no_set")
    answer = place.client.post("/api/v1/jobs/check", json={"set": number})
    assert (answer.status_code, answer.json()["error"]) == (422, "no_set")
    assert "it was removed, or learnt from" in answer.json()["message"]


def test_what_did_not_arrive_is_told_to_who_comes_back(place: Place, images: Path) -> None:
    content = next((images / "normal").iterdir()).read_bytes()
    number = place.client.post("/api/v1/sets").json()["id"]

    def expect(*names: str) -> int:
        asked = {"names": names}
        return place.client.put(f"/api/v1/sets/{number}/expected", json=asked).status_code

    assert sent(place, number, content, "of before.png") == 200
    twice = ["all/a.png", "all/b/a.png", "all/b/a.png", "all/ä <b>.png", "no.png", "of before.png"]
    assert expect(*twice) == 200
    for name in ("all/b/a.png", "all/a.png"):
        assert sent(place, number, content, name) == 200
    assert sent(place, number, b"no image", "no.png") == 422  # who sent it was told
    [one] = listed(place)
    assert one["missing"] == ["all/b/a.png", "all/ä <b>.png", "of before.png"]
    assert one["arriving"]
    text = place.page("/learn")
    assert "These are being sent just now, it seems from another window: 3 images are still" in text
    assert "missing" not in text
    quiet(place, number)
    assert not listed(place)[0]["arriving"]
    text = place.page("/learn")
    assert "<p>3 of 6 images arrived, the last one today" in text
    told = (
        "3 images are missing, since the page was left while they were sent, or there was no room "
        "for them: "
    )
    assert f"{told}all/b/a.png, all/ä &lt;b&gt;.png, of before.png. To add them, go on" in text
    assert expect(*(f"{i}.png" for i in range(7))) == 200
    quiet(place, number)
    assert "0.png, 1.png, 2.png, 3.png, 4.png and 2 more. To add" in place.page("/learn")
    assert expect() == 200  # all were sent
    assert listed(place)[0]["missing"] == []
    assert "<p>3 images, sent today" in place.page("/learn")
    assert place.client.put("/api/v1/sets/nothing/expected", json={"names": []}).status_code == 422
    assert (
        place.client.put(f"/api/v1/sets/{number}/expected", json={"names": [1]}).status_code == 422
    )
    # It goes with the set, whoever removes that.
    folder = place.service.sets.folder(number).parent
    assert len(list(folder.iterdir())) == 2
    assert place.client.delete(f"/api/v1/sets/{number}").is_success
    assert list(folder.iterdir()) == []


def test_folders_that_speak_of_defects_are_known_again(place: Place, images: Path) -> None:
    content = next((images / "normal").iterdir()).read_bytes()
    number = place.client.post("/api/v1/sets").json()["id"]
    for name in ("defects/good/a.png", "all/scratch/b.png", "all\\NG\\c.png", "bad/d.png", "e.png"):
        assert sent(place, number, content, name) == 200
    [one] = listed(place)
    named = {folder: [name[14:] for name in files] for folder, files in one["folders"].items()}
    assert named == {"scratch": ["b.png"], "NG": ["c.png"], "bad": ["d.png"]}
    for files in one["folders"].values():
        address = f"/api/v1/sets/{number}/images/{files[0]}"
        assert place.client.delete(address).is_success
    assert listed(place)[0]["folders"] == {}
    assert listed(place)[0]["images"] == 2


def test_notes_that_a_kill_cut_off_are_read_as_far_as_they_go(place: Place, images: Path) -> None:
    content = next((images / "normal").iterdir()).read_bytes()
    number = place.client.post("/api/v1/sets").json()["id"]
    place.client.put(f"/api/v1/sets/{number}/expected", json={"names": ["a.png", "b.png"]})
    sent(place, number, content, "a.png")
    folder = place.service.sets.folder(number)
    with folder.with_name(f"{number}.jsonl").open("a") as notes:
        notes.write('{"file": "00')
    assert listed(place)[0]["missing"] == ["b.png"]


def picture_at(place: Place, address: str) -> Image.Image:
    answer = place.client.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png"), answer.text
    return Image.open(BytesIO(answer.content))


def test_images_that_look_alike_are_shown(place: Place, tmp_path: Path) -> None:
    write_images(tmp_path / "good", stripes(6, seed=5))
    [first, *_] = sorted((tmp_path / "good").iterdir())
    shutil.copy(first, first.with_name("a copy & more.png"))
    Image.new("L", (800, 400), 90).save(tmp_path / "good/z wide.png")
    number = filled_set(place, tmp_path / "good")
    job = place.job(place.client.post("/api/v1/jobs/check", json={"set": number}).json()["id"])
    text = place.page(f"/parts/check/{job['id']}")
    shown = [html.unescape(address) for address in re.findall(r'<img src="(.*?)"', text)]
    # The wide one, of a rarer size and of one colour, and the two that are one.
    assert len(shown) == 4
    assert shown[0] == shown[1]
    assert "2 with the same pixels" in text
    assert picture_at(place, shown[0]).size == (256, 128)
    one, other = (np.asarray(picture_at(place, address)) for address in shown[2:])
    np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(one, np.asarray(Image.open(first)))
    # Its name is its whole address: one that was taken out has none.
    assert place.client.delete(shown[0].removesuffix("/picture.png")).is_success
    assert place.client.get(shown[0]).status_code == 422


@pytest.mark.parametrize(
    "pixels",
    [
        np.full((30, 40), 4095, np.uint16),
        np.arange(1200, dtype=np.uint16).reshape(30, 40) * 3,
        np.full((30, 40), -2.5, np.float32),
        np.linspace(-1, 7, 1200, dtype=np.float32).reshape(30, 40),
        np.zeros((1, 1), np.uint8),
    ],
)
def test_an_image_of_any_depth_has_a_small_picture(tmp_path: Path, pixels: NDArray[Any]) -> None:
    Image.fromarray(pixels).save(tmp_path / "one.tif")
    with Image.open(BytesIO(small_of(tmp_path / "one.tif", "one.tif"))) as small:
        assert small.size == pixels.shape[::-1]
        assert small.mode == "L"
        seen = np.asarray(small).astype(int)
    rises = np.diff(seen.ravel())
    assert (rises >= 0).all()  # as the pixels do
    assert seen.max() - seen.min() > 200 or pixels.min() == pixels.max()


@pytest.mark.parametrize(
    "name",
    [
        "../oneclass.sqlite",
        "..%2Foneclass.sqlite",
        "%2E%2E%2F%2E%2E%2Foneclass.sqlite",
        "..%5Coneclass.sqlite",
        "%2Fetc%2Fpasswd",
        "..",
        ".",
        "%00",
        "nothing.png",
    ],
)
def test_only_what_lies_in_a_set_is_shown(place: Place, tmp_path: Path, name: str) -> None:
    write_images(tmp_path / "good", stripes(2, seed=5))
    number, other = (filled_set(place, tmp_path / "good") for _ in range(2))
    secret = place.service.sets.folder(number).parent / "secret.png"
    shutil.copy(next((tmp_path / "good").iterdir()), secret)
    [theirs, *_] = place.service.sets.folder(other).iterdir()
    for asked in (name, "..%2Fsecret.png", f"..%2F{other}%2F{theirs.name}", theirs.name):
        answer = place.client.get(f"/api/v1/sets/{number}/images/{asked}/picture.png")
        assert answer.status_code in (404, 405, 422), (asked, answer.text)
        assert answer.headers["content-type"] == "application/json"
    for key in ("..", "%2E%2E", number[:-1], f"{number}%2F..%2F{other}"):
        answer = place.client.get(f"/api/v1/sets/{key}/images/{theirs.name}/picture.png")
        assert answer.status_code in (404, 422), (key, answer.text)


def test_a_check_names_folders_that_speak_of_defects_as_long_as_their_images_are_there(
    place: Place, images: Path
) -> None:
    number = place.client.post("/api/v1/sets").json()["id"]
    for i, file in enumerate(sorted(images.glob("*/*.png"))[:12]):
        name = f"parts/{'scratches' if i < 2 else 'fine'}/{file.name}"
        place.client.post(
            f"/api/v1/sets/{number}/images",
            content=file.read_bytes(),
            headers={**RAW, "X-File-Name": name},
        )

    def told() -> str:
        check = place.client.post("/api/v1/jobs/check", json={"set": number}).json()
        assert place.job(check["id"])["state"] == "done"
        return place.page(f"/parts/check/{check['id']}")

    remark = "come from a folder <b>scratches</b>, which speaks of defects"
    assert f"2 images {remark}" in told()
    assert f"2 images {remark}" in place.page("/learn")
    assert "Nothing is amiss" not in told()
    [files] = listed(place)[0]["folders"].values()
    assert all(f'data-take-out="{name}"' in told() for name in files)
    for name in files:
        place.client.delete(f"/api/v1/sets/{number}/images/{quote(name)}")
    assert "scratches" not in told()
    assert "scratches" not in place.page("/learn")


def test_a_check_shows_which_are_of_one_colour_and_does_not_say_that_unreadable_ones_are_learnt(
    place: Place, images: Path, tmp_path: Path
) -> None:
    normal = sorted(images.glob("normal/*.png"))
    write_images(tmp_path / "flat", np.full((1, 24, 24), 9, np.uint8))
    whole = BytesIO()
    Image.effect_noise((200, 200), 90).save(whole, "JPEG")
    number = place.client.post("/api/v1/sets").json()["id"]
    for name, content in (
        *((file.name, file.read_bytes()) for file in normal),
        ("flat.png", next((tmp_path / "flat").iterdir()).read_bytes()),
        ("broken.jpg", whole.getvalue()[:3000]),
    ):
        headers = {**RAW, "X-File-Name": name}
        place.client.post(f"/api/v1/sets/{number}/images", content=content, headers=headers)
    check = place.client.post("/api/v1/jobs/check", json={"set": number}).json()
    result = place.job(check["id"])["result"]
    assert [Path(error["path"]).name[-10:] for error in result["errors"]] == ["broken.jpg"]
    told = place.page(f"/parts/check/{check['id']}")
    assert "<b>broken.jpg</b>: " in told
    assert "speaks of defects" not in told
    [which] = re.findall(r"Which are of one single colour</summary>(.*?)</details>", told)
    assert "<b>flat.png</b>" in which


def test_a_check_says_what_is_missing_and_not_that_nothing_is_amiss(
    place: Place, images: Path
) -> None:
    files = sorted(images.glob("normal/*.png"))
    number = place.client.post("/api/v1/sets").json()["id"]
    names = [f"good/{file.name}" for file in files]
    asked = {"names": names}
    assert place.client.put(f"/api/v1/sets/{number}/expected", json=asked).is_success

    def send(name: str, file: Path) -> None:
        headers = {**RAW, "X-File-Name": name}
        content = file.read_bytes()
        place.client.post(f"/api/v1/sets/{number}/images", content=content, headers=headers)

    def told() -> str:
        check = place.client.post("/api/v1/jobs/check", json={"set": number}).json()
        assert place.job(check["id"])["state"] == "done"
        return place.page(f"/parts/check/{check['id']}")

    send(names[0], files[0])
    assert "At least two images that can be read are needed" in told()
    assert "Nothing is amiss" not in told()
    send(names[1], files[1])
    assert "6 images are still to come: these are being sent just now" in told()
    quiet(place, number)
    assert "6 images are still missing, since the page was left" in told()
    assert f"{', '.join(names[2:7])} and 1 more. Choose the same" in told()
    assert "Nothing is amiss" not in told()
    assert place.client.put(f"/api/v1/sets/{number}/expected", json={"names": []}).is_success
    assert "still missing" not in told()


def test_whoever_has_a_set_that_another_page_learns_from_is_told_where_that_is(
    start: Callable[..., Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = start(model=False)
    write_images(tmp_path / "good", stripes(30, seed=5))
    number = filled_set(place, tmp_path / "good")
    with monkeypatch.context() as waits:
        waits.setattr(place.service.jobs, "next", lambda: None)
        job = place.client.post("/api/v1/jobs/fit", json={"name": "one", "set": number}).json()

        def refused() -> list[str]:
            answers = [
                place.client.post("/api/v1/jobs/fit", json={"name": "two", "set": number}),
                place.client.post("/api/v1/jobs/check", json={"set": number}),
            ]
            assert [(one.status_code, one.json()["error"]) for one in answers] == [
                (409, "learnt_from")
            ] * 2
            return [one.json()["message"] for one in answers]

        for told in refused():
            assert "are being learnt already, as one: the page Learn shows" in told
    assert place.job(job["id"])["state"] == "done"
    for told in refused():
        assert "have been learnt already, as one: they are in /models/one." in told
    assert len(place.client.get("/api/v1/jobs").json()["jobs"]) == 1
    unknown = place.client.post("/api/v1/jobs/check", json={"set": "0" * 16})
    assert "there is no set" in unknown.json()["message"]


def test_what_a_set_has_already_is_known_by_name_and_size(place: Place, images: Path) -> None:
    content = next((images / "normal").iterdir()).read_bytes()
    key = place.client.post("/api/v1/sets").json()["id"]
    for name in ("good/a.png", "good/b.png"):
        assert sent(place, key, content, name) == 200
    sent(place, key, b"no image", "good/c.png")

    def expected(**asked: Any) -> Any:
        return place.client.put(f"/api/v1/sets/{key}/expected", json=asked)

    names, n = ["other/a.png", "good/b.png", "good/a.png", "good/c.png"], len(content)
    assert expected(names=names, bytes=[n, n, n + 1, 8]).json()["known"] == [1]
    assert listed(place)[0]["missing"] == []
    assert expected(names=names[:1], bytes=[n]).json()["known"] == []
    assert listed(place)[0]["missing"] == names[:1]
    assert expected(names=names).json()["known"] == []  # sizes were not given
    assert expected(names=names, bytes=[n]).status_code == 422
    [a, _] = sorted(place.service.sets.folder(key).iterdir())
    place.client.delete(f"/api/v1/sets/{key}/images/{a.name}")
    assert expected(names=["good/a.png", "good/b.png"], bytes=[n, n]).json()["known"] == [1]


def test_names_that_speak_of_defects_are_told_as_they_were_given_and_all_of_them(
    place: Place, tmp_path: Path
) -> None:
    write_images(tmp_path / "good", stripes(46, seed=5))
    number = place.client.post("/api/v1/sets").json()["id"]
    names = [
        *(f"line 3/bad {i:02}.png" if i < 12 else f"line 3/cell {i}.png" for i in range(30)),
        *(f"crack rig/bad {i:02}.png" for i in range(4)),
        *(f"ok/crack {i}.png" for i in range(12)),  # most of a folder are called so
    ]
    names[0] = "line 3/a bad <1>.png"
    for name, file in zip(names, sorted((tmp_path / "good").iterdir()), strict=True):
        assert sent(place, number, file.read_bytes(), f"all/{name}") == 200
    [one] = listed(place)
    assert len(one["files"]) == 12
    assert [len(files) for files in one["folders"].values()] == [4]

    def checked() -> str:
        job = place.client.post("/api/v1/jobs/check", json={"set": number}).json()
        assert place.job(job["id"])["state"] == "done"
        return place.page(f"/parts/check/{job['id']}")

    text = checked()
    assert str(tmp_path) not in text
    assert "sets/" not in re.sub(r'src="[^"]*"', "", text)
    told = (
        "12 images have names that speak of defects: <b>a bad &lt;1&gt;.png</b>, "
        "<b>line 3/bad 01.png</b>, "
    )
    assert told in text
    assert "</b> and 2 more. All of the set is learnt as good: take out what is not." in text
    fold = text.split("Which have names that speak of defects")[1].split("</details>")[0]
    assert fold.count("data-take-out=") == 12
    everything = html.unescape(re.findall('data-take-all="(.*?)"', fold)[0])
    assert json.loads(everything) == one["files"]
    assert "Take all 12 out" in fold
    for file in one["files"][2:]:
        assert place.client.delete(f"/api/v1/sets/{number}/images/{file}").is_success
    assert "2 images have names that speak of defects" in checked()
    asked = {"name": "parts", "set": number}
    job = place.job(place.client.post("/api/v1/jobs/fit", json=asked).json()["id"])
    assert job["result"]["n_suspect"] == len(job["result"]["suspect"]) == 6
    text = place.page(f"/parts/job/{job['id']}")
    assert (
        "6 images with names that speak of defects were learnt as good: <b>a bad &lt;1&gt;" in text
    )


def test_what_a_set_calls_its_files_speaks_of_nothing(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda n: "0bad12" if n == 3 else "0" * 2 * n)
    write_images(tmp_path / "good", stripes(1, seed=5))
    [file] = (tmp_path / "good").iterdir()
    number = place.client.post("/api/v1/sets").json()["id"]
    assert sent(place, number, file.read_bytes(), "cell.png") == 200
    monkeypatch.setattr("secrets.token_hex", lambda n: "123456"[: 2 * n])
    assert sent(place, number, file.read_bytes(), "cell2.png") == 200
    job = place.client.post("/api/v1/jobs/check", json={"set": number}).json()
    place.job(job["id"])
    assert "of defects" not in place.page(f"/parts/check/{job['id']}")


def test_the_same_pictures_sent_again_are_known_by_their_bytes(
    start: Callable[..., Place], tmp_path: Path
) -> None:
    place = start(model=False)
    write_images(tmp_path / "good", stripes(20, seed=5))
    write_images(tmp_path / "other", stripes(20, seed=6))

    def all_sent(key: str) -> Any:
        asked: dict[str, Any] = {"names": []}
        return place.client.put(f"/api/v1/sets/{key}/expected", json=asked).json()["same"]

    first = filled_set(place, tmp_path / "good")
    assert all_sent(first) is None
    for file in (tmp_path / "good").iterdir():
        file.rename(file.with_name(f"called {file.name}"))
    again, other = (filled_set(place, tmp_path / name) for name in ("good", "other"))
    told = all_sent(again)
    assert (told["id"], told["images"], told["learning"]) == (first, 20, None)
    assert time.time() - 60 < told["at"] <= time.time()
    # Of two that are sent at once the first one stays, so that not both are given up.
    assert all_sent(first) is None
    assert all_sent(other) is None
    # As a server of before noted it, without a digest.
    notes = place.service.sets.folder(first).with_suffix(".jsonl")
    notes.write_text(re.sub(', "sha256": "[^"]*"', "", notes.read_text()), encoding="utf-8")
    assert all_sent(again)["id"] == first
    job = place.client.post("/api/v1/jobs/fit", json={"name": "parts", "set": first}).json()
    if place.client.get(f"/api/v1/jobs/{job['id']}").json()["state"] in ("queued", "running"):
        assert all_sent(again)["learning"] == "parts"
    assert place.job(job["id"])["state"] == "done"
    assert all_sent(again) is None  # that one is used up


def test_pictures_of_a_set_count_as_often_as_it_has_them(place: Place, images: Path) -> None:
    a, b = (file.read_bytes() for file in sorted((images / "normal").iterdir())[:2])
    keys = [place.client.post("/api/v1/sets").json()["id"] for _ in range(2)]
    for key, contents in zip(keys, ((a, a, b), (a, b, b)), strict=True):
        for i, content in enumerate(contents):
            assert sent(place, key, content, f"{i}.png") == 200
    asked: dict[str, Any] = {"names": []}
    assert place.client.put(f"/api/v1/sets/{keys[1]}/expected", json=asked).json()["same"] is None
