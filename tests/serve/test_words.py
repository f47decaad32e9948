"""What the pages say, to people who were told nothing else."""

from __future__ import annotations

import html
import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from shutil import which

import numpy as np
import pytest
from PIL import Image

from conftest import stripes, write_images
from oneclass import Detector
from oneclass.errors import ImageError
from oneclass.images import read
from oneclass.images.check import check
from oneclass.serve.api.monitor import ROUND
from oneclass.serve.records.jobs import CANCELLED
from oneclass.serve.web import facts, words
from oneclass.serve.work import drawing
from serving import RAW, Place, another, filled_set

DOCS = Path(__file__).parents[2] / "docs"
SOURCE = Path(__file__).parents[2] / "src/oneclass"


def test_a_short_rate_judges_as_the_whole_one_does(place: Place) -> None:
    [version] = place.service.versions.serving()
    for n in (*range(2, 130), 999, 4321):
        p_values = [(k + 1) / (n + 1) for k in range(n + 1)]
        card = version.card | {"calibration": version.card["calibration"] | {"n_held_out": n}}
        for rate in (*p_values[: n // 2], 0.05, 1 / 3, 2 / 3, 0.1234567):
            short = words.short_rate(replace(version, false_alarms=rate, card=card))
            alike = [[p <= one for p in p_values] for one in (rate, float(short))]
            assert alike[0] == alike[1], (n, rate, short)
            assert float(short) == pytest.approx(rate, rel=0.01)
            assert len(short) <= 8, (n, rate, short)
    rates = {1 / 76: "0.0132", 0.05: "0.05", 1 / 20: "0.05", 0.013157894736842105: "0.0132"}
    card = version.card | {"calibration": version.card["calibration"] | {"n_held_out": 75}}
    for rate, short in rates.items():
        assert words.short_rate(replace(version, false_alarms=rate, card=card)) == short


def test_a_report_is_offered_where_it_can_be_written(
    place: Place, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.score(next(images.glob("*/*.png")))
    for there in (True, False):
        monkeypatch.setattr(
            facts, "find_spec", lambda name, there=there: object() if there else None
        )
        text = html.unescape(place.page("/models/stripes"))
        assert ("Write a report" in text) == there
        assert ('pip install ".[serve,report]"' in text) == (not there)
    assert 'pip install ".[serve,report]"' in (DOCS / "operator.md").read_text(encoding="utf-8")


def said(place: Place, number: int, verdict: str | None) -> None:
    asked = {"verdict": verdict}
    assert place.client.post(f"/api/v1/predictions/{number}/review", json=asked).status_code == 200


def test_a_bad_one_that_was_called_good_is_marked_and_counted(place: Place, images: Path) -> None:
    made = [place.score(file).json()["predictions"][0] for file in sorted(images.glob("*/*.png"))]
    fine = [one["id"] for one in made if one["verdict"] == "fine"]
    odd = next(one["id"] for one in made if one["verdict"] == "anomaly")
    page = place.page(f"/p/{fine[0]}")
    assert "It is bad: missed" in page
    assert 'data-say="false_alarm"' not in page
    assert 'data-say=""' not in page
    assert "Good <kbd>G" in place.page(f"/p/{odd}")

    def counted() -> dict[str, int]:
        [count] = place.client.get("/api/v1/models/stripes/monitor").json()["counts"]
        return {name: count[name] for name in ("images", "real", "false_alarms", "missed")}

    said(place, fine[0], "real")
    said(place, fine[1], "real")
    said(place, fine[2], "unsure")
    said(place, odd, "real")
    assert counted() == {"images": 14, "real": 1, "false_alarms": 0, "missed": 2}
    assert "reviewed: bad, and missed" in place.page("/score")
    assert "bad, and missed" in place.page(f"/p/{fine[0]}")
    said(place, fine[0], None)
    assert counted()["missed"] == 1
    assert place.client.get("/api/v1/models/stripes/monitor?days=60").json()["counts"][0]["missed"]


def test_a_name_that_is_used_already_makes_a_version_that_is_told(
    place: Place, tmp_path: Path
) -> None:
    write_images(tmp_path / "good", stripes(4, seed=5))
    number = filled_set(place, tmp_path / "good")
    check = place.client.post("/api/v1/jobs/check", json={"set": number}).json()
    assert place.job(check["id"])["state"] == "done"
    part = place.page(f"/parts/check/{check['id']}")
    assert '<option value="stripes" data-next="2" ' in part
    assert "You will find the model again under this name: letters without" in part
    jobs = place.service.jobs
    request = {"folder": str(tmp_path), "settings": {}}
    lost = jobs.add("fit", "stripes", request)
    jobs.end(lost, CANCELLED)
    link = '<a href="/learn">'
    assert link in place.page(f"/parts/job/{lost}")
    job = place.client.post("/api/v1/jobs/fit", json={"name": "stripes", "set": number}).json()
    assert place.job(job["id"])["state"] == "done"
    part = place.page(f"/parts/job/{job['id']}")
    assert "Version 2 of stripes is in use now." in part
    assert link not in part


def test_only_a_version_that_was_used_is_gone_back_to(
    place: Place, model_file: Path, tmp_path: Path
) -> None:
    for number in (2, 3):
        content = another(model_file, tmp_path, 0.1 * number)
        made = place.client.put("/api/v1/models/stripes/file", content=content, headers=RAW).json()
        assert (made["version"], made["serves"]) == (number, False)
    place.client.post("/api/v1/models/stripes/take", json={"version": 3})
    text = place.page("/models/stripes")
    assert "Go back to version 1<" in text
    assert "Use version 2<" in text


def test_the_check_offers_more_and_another_start(
    start: Callable[..., Place], tmp_path: Path
) -> None:
    place = start(model=False)
    write_images(tmp_path / "good", stripes(1, seed=5))
    number = filled_set(place, tmp_path / "good")
    check = place.client.post("/api/v1/jobs/check", json={"set": number}).json()
    assert place.job(check["id"])["state"] == "done"
    part = html.unescape(place.page(f"/parts/check/{check['id']}"))
    assert "data-start-over" in part
    assert "Images that you drop now are added to these." in part
    assert "Add more above." in part


def test_pages_open_with_the_model_that_was_used_last(
    place: Place, model_file: Path, images: Path, tmp_path: Path
) -> None:
    def opened(tab: str) -> str:
        [name] = re.findall(
            r"<option[^>]* selected>(\w+)(?: \(\d+ waiting\))?</option>", place.page(f"/{tab}")
        )
        return str(name)

    for name in ("zeta", "alpha"):
        content = model_file.read_bytes()
        place.client.put(f"/api/v1/models/{name}/file", content=content, headers=RAW)
    tabs = ("score", "review", "watch")
    assert [opened(tab) for tab in tabs] == ["alpha"] * 3
    place.score(next(images.glob("odd/*.png")))
    assert [opened(tab) for tab in tabs] == ["stripes"] * 3
    content = another(model_file, tmp_path, 0.1)
    place.client.put("/api/v1/models/zeta/file", content=content, headers=RAW)
    assert [opened(tab) for tab in tabs] == ["zeta", "stripes", "zeta"]  # one has some to review
    assert 'data-model="zeta"' in place.page("/monitor")
    assert 'data-model="alpha"' in place.page("/monitor?model=alpha")


def test_words_on_a_verdict_stay_those_of_its_version(
    place: Place, images: Path, tmp_path: Path
) -> None:
    place.score(next((images / "odd").iterdir()))
    [before] = re.findall(r'<span class="odds">([A-Z].*?)</span>', place.page("/score"))
    Detector(backbone="greyscale", threads=1).fit(list(stripes(20, seed=1))).save(
        tmp_path / "other.oneclass"
    )
    content = (tmp_path / "other.oneclass").read_bytes()
    place.client.put("/api/v1/models/stripes/file", content=content, headers=RAW)
    place.client.post("/api/v1/models/stripes/take", json={"version": 2})
    assert place.service.versions.named("stripes").card["calibration"]["n_held_out"] == 20
    assert before in place.page("/score")
    assert "by those that come into use after it" in place.page("/monitor")


def test_a_chance_says_what_its_percent_say() -> None:
    for rate in ROUND:
        [(n, of)] = re.findall(r"^(\d) in ([\d,]+)$", words.chance(rate))
        assert int(n) / int(of.replace(",", "")) == pytest.approx(rate, rel=0.005)
    assert words.chance(0.195) == "about 1 in 5"
    assert words.chance(0.03) == "3 in 100"
    assert words.chance(0.02) == "1 in 50"


CHANCES = {
    0.4: "2 in 5",
    0.5: "1 in 2",
    0.52: "about 5 in 10",
    0.75: "3 in 4",
    0.9: "about 9 in 10",
    0.949: "about 9 in 10",
    0.95: "nearly all",
    0.999: "nearly all",
}


def test_a_chance_above_a_half_is_not_one_in_one() -> None:
    assert {rate: words.chance(rate) for rate in CHANCES} == CHANCES


@pytest.mark.skipif(not which("node"), reason="Node.js runs the page's own script")
def test_the_pages_script_says_the_same_chance() -> None:
    script = (SOURCE / "serve/static/monitor.js").read_text(encoding="utf-8")
    start = script.index("const chance = ")
    own = script[start : script.index("const oneIn")]
    asked = f"{own} console.log(JSON.stringify({list(CHANCES)}.map(chance)))"
    done = subprocess.run(["node", "-e", asked], capture_output=True, check=True, text=True)
    assert json.loads(done.stdout) == list(CHANCES.values())


def test_what_jobs_call_their_stages_is_what_the_pages_know() -> None:
    """Else a page would show the words of those who know how learning is done."""
    files = [file for room in ("conformal", "detector") for file in (SOURCE / room).glob("*.py")]
    source = "".join(file.read_text(encoding="utf-8") for file in files)
    for stage in words.STAGES:
        assert f'"{stage}"' in source


def test_advice_on_few_or_like_images_is_in_words_of_the_page(tmp_path: Path) -> None:
    for n, told in ((1, 0), (2, 1), (18, 1), (19, 0)):
        write_images(tmp_path / str(n), stripes(n, seed=n))
        found = check(tmp_path / str(n)).to_json()
        advice = words.advice(found)
        assert sum("first impression" in sentence for sentence in advice) == told
        assert "threshold" not in "".join(advice)
        assert "oneclass" not in "".join(advice)
        assert ("1 image is too few: at least two" in "".join(advice)) == (n == 1)
    [image] = stripes(1, seed=3)
    write_images(tmp_path / "near", np.stack([image, np.minimum(image + 1, 255), image // 2]))
    found = check(tmp_path / "near").to_json()
    # Learning compares more closely, so nothing is promised of what it will count.
    found = {
        **found,
        "advice": ["2 of the images look like only 1 picture"],
        "near_copies": [[1, 2]],
    }
    [told] = words.advice(found)
    assert told.startswith("At a first look, 2 of the images show nearly the same as another one.")
    assert "it may find more such pictures, or fewer, and counts those that it finds once" in told
    assert "all is well" not in told


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        (1 / 11.6, "Of 1,000 good images, about 86 are called odd by mistake (about 1 in 12)."),
        (0.15, "Of 100 good images, about 15 are called odd by mistake (3 in 20)."),
        (1 / 41, "Of 1,000 good images, about 24 are called odd by mistake (1 in 41)."),
        (0.2, "Of 100 good images, about 20 are called odd by mistake (1 in 5)."),
        (0.05, "Of 100 good images, about 5 are called odd by mistake (1 in 20)."),
        (0.01, "Of 100 good images, about 1 is called odd by mistake (1 in 100)."),
        (0.002, "Of 1,000 good images, about 2 are called odd by mistake (1 in 500)."),
        (1 / 5000, "Of 10,000 good images, about 2 are called odd by mistake (1 in 5,000)."),
    ],
)
def test_a_promise_is_in_whole_images(place: Place, rate: float, said: str) -> None:
    [version] = place.service.versions.serving()
    assert words.promise(replace(version, false_alarms=rate)) == said


def test_a_file_that_is_no_image_is_told_of_without_its_bytes(tmp_path: Path) -> None:
    for start in (b"hello 'x'", b"\x00\xff\"'\\", b"it's"):
        file = tmp_path / "no.png"
        file.write_bytes(start * 20)
        with pytest.raises(ImageError) as caught:
            read(file)
        told = words.for_people(caught.value.detail)
        assert "begins with" in caught.value.detail
        assert "begins with" not in told
        assert told.startswith("its content is no image of a known kind; PNG")


DETAILS = {
    "its pixels are uint16, the model is for uint8 (0 to 255): convert it, or fit a model on such "
    "images": "its pixels have 16 bits, the model is for 8 bits (0 to 255): convert it, or learn a "
    "model from such images",
    "its pixels are fractions, taken as float32, the model is for uint16": (
        "its pixels are fractions, the model is for 16 bits"
    ),
    "it is no image (it begins with b'hello')": "it is no image",
}


@pytest.mark.skipif(not which("node"), reason="Node.js runs the page's own script")
def test_the_pages_script_calls_what_is_wrong_as_the_server_does(place: Place) -> None:
    script = (SOURCE / "serve/static/app.js").read_text(encoding="utf-8")
    start = script.index("forPeople: ")
    own = script[start : script.index("\n\n", start)].replace("forPeople:", "const said =", 1)
    [plainer] = re.findall('data-plainer="(.*?)"', place.page("/learn"))
    document = json.dumps({"body": {"dataset": {"plainer": html.unescape(plainer)}}})
    asked = (
        f"const document = {document}; {own[:-1]}; "
        f"console.log(JSON.stringify({json.dumps(list(DETAILS))}.map(said)))"
    )
    done = subprocess.run(["node", "-e", asked], capture_output=True, check=True, text=True)
    assert json.loads(done.stdout) == list(DETAILS.values())


@pytest.mark.parametrize("start", [b"ONECLASS", b"path,score\n", b"PK\x03\x04"])
def test_what_is_wrong_with_a_file_names_no_command(tmp_path: Path, start: bytes) -> None:
    file = tmp_path / "no.png"
    file.write_bytes(start + b"x" * 100)
    with pytest.raises(ImageError) as caught:
        read(file)
    assert "'oneclass" not in words.for_people(caught.value.detail)


def of_two_depths(place: Place, good: Path, n: int, n_deep: int) -> tuple[str, str]:
    """A set of images of 8 and of 16 bits, and what the page Learn says of it."""
    write_images(good, stripes(n, seed=5))
    for i, image in enumerate(stripes(n_deep, seed=6)):
        Image.fromarray(image.astype(np.uint16) * 257).save(good / f"deep_{i}.png")
    key = filled_set(place, good)
    check = place.client.post("/api/v1/jobs/check", json={"set": key}).json()
    assert place.job(check["id"])["state"] == "done"
    return key, html.unescape(place.page(f"/parts/check/{check['id']}"))


def test_images_of_another_bit_depth_are_told_before_and_after_learning(
    start: Callable[..., Place], tmp_path: Path
) -> None:
    assert {detail: words.for_people(detail) for detail in DETAILS} == DETAILS
    place = start(model=False)
    key, part = of_two_depths(place, tmp_path / "good", 24, 7)
    assert "<b>24</b><span>images can be used</span>" in part
    assert "<b>7</b><span>of another bit depth, left out</span>" in part
    assert "24 images have 8 bits, but 7 have 16 bits: a model is for one bit depth" in part
    assert "<li>of 16 bits<" in part
    assert "Learn from 24 images" in part
    job = place.client.post("/api/v1/jobs/fit", json={"name": "x", "set": key}).json()
    assert place.job(job["id"])["state"] == "done"
    answer = html.unescape(place.page(f"/parts/job/{job['id']}"))
    assert "7 images could not be used:" in answer
    first = ", ".join(f"<b>deep_{i}.png</b>" for i in range(5))
    why = "their pixels have 16 bits, where the others have 8 bits."
    assert f"<li>{first} and 2 more: {why}</li>" in answer
    for text in (part, answer):
        assert "--all" not in text
        assert "uint" not in text


def test_as_many_images_of_one_bit_depth_as_of_another_teach_nothing(
    start: Callable[..., Place], tmp_path: Path
) -> None:
    place = start(model=False)
    key, part = of_two_depths(place, tmp_path / "good", 3, 3)
    assert "so nothing can be learnt from them together. Give those of one alone." in part
    job = place.client.post("/api/v1/jobs/fit", json={"name": "x", "set": key}).json()
    assert place.job(job["id"])["state"] == "failed"
    answer = html.unescape(place.page(f"/parts/job/{job['id']}"))
    assert "3 images have 8 bits and 3 have 16 bits: a model is for one bit depth. Give" in answer
    for text in (part, answer):
        assert "'oneclass check'" not in text
        assert "uint" not in text


def test_learning_that_fails_says_why_in_words_of_the_page(place: Place, tmp_path: Path) -> None:
    write_images(tmp_path / "good", stripes(24, seed=5))
    asked = {
        "name": "few",
        "set": filled_set(place, tmp_path / "good"),
        "false_alarms": 0.01,
        "rows": "both",
    }
    job = place.job(place.client.post("/api/v1/jobs/fit", json=asked).json()["id"])
    text = html.unescape(place.page(f"/parts/job/{job['id']}"))
    assert "the rate of false alarms is 1 % (1 in 100), but 24 good images" in text
    assert "support no rate below 4 % (1 in 25)" in text
    assert "or learn from at least 99 different images (110 for the best look at small" in text
    for word in ("patches", "fit with", "normal"):
        assert word not in text
    told = {"0 % of 100 %": "0 % of 100 %", "3 %": "3 % (3 in 100)", "1.34 %": "1.34 % (1 in 75)"}
    assert {one: words.with_chances(one) for one in told} == told


def test_odd_as_a_whole_without_a_box_says_why(
    place: Place, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = place.score(next((images / "odd").iterdir())).json()["predictions"][0]["id"]
    monkeypatch.setattr(facts.drawing, "map_of", lambda *_: np.zeros((4, 4)))
    for found in ([], [drawing.Box(0, 0, 0.5, 0.5)]):
        monkeypatch.setattr(facts.drawing, "boxes", lambda *_, found=found: found)
        assert ("There is no box" in place.page(f"/p/{number}")) == (not found)
