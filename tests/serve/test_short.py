"""A model that learnt from copies has fewer pictures to measure by, and says so."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import stripes, write_images
from oneclass import Detector
from oneclass.serve.web import words
from serving import RAW, Place, filled_set


def text_of(place: Place, address: str) -> str:
    """What a page says, on one line and with plain spaces."""
    told = html.unescape(re.sub(r"<[^>]+>", "", place.page(address)))
    return re.sub(r"\s+", " ", told.replace("\u00a0", " "))


def learnt(place: Place, folder: Path, pictures: int, images: int, **more: Any) -> dict[str, Any]:
    """A fit of so many images, of which only so many are different pictures."""
    made = stripes(pictures, seed=5)
    write_images(folder, np.concatenate([made, made[: images - pictures]]))
    asked = {"name": "few", "set": filled_set(place, folder), "rows": "image", **more}
    job = place.job(place.client.post("/api/v1/jobs/fit", json=asked).json()["id"])
    assert job["state"] == "done", job["error"]
    return job


def test_that_copies_cost_the_usual_rate_is_said_wherever_the_rate_is(
    start: Callable[..., Place], tmp_path: Path
) -> None:
    place = start(model=False)
    job = learnt(place, tmp_path / "good", 15, 22)
    short = (
        "5 % could not be had, since of the 22 images only 15 are different pictures (the others "
        "count as copies): 4 more different pictures are needed."
    )
    assert short in text_of(place, f"/parts/job/{job['id']}")
    card = text_of(place, "/models/few")
    assert short in card
    assert "22 good images (15 different pictures; the others count as copies), learnt for" in card
    assert "they support no rate below 6.25 % (1 in 16)" in card
    monitor = text_of(place, "/monitor?model=few")
    assert (
        "No rate below 6.25 % (1 in 16) can be had: version 1 has 15 good images to measure by, "
        "since of the 22 that it learnt from only 15 are different pictures (the others count as "
        "copies). 5 % (1 in 20) takes 19 different pictures, 4 more than these: learn anew from "
        "these and the new ones together, and ask for that rate there."
    ) in monitor
    write_images(tmp_path / "two", stripes(2, seed=6))
    key = filled_set(place, tmp_path / "two")
    check = place.client.post("/api/v1/jobs/check", json={"set": key}).json()
    place.job(check["id"])
    assert 'data-images="22" data-pictures="15"' in place.page(f"/parts/check/{check['id']}")


@pytest.mark.parametrize(
    ("n", "told"),
    [
        (15, "5 % (1 in 20) takes 19 different pictures, 4 more than these: "),
        (60, "1 % (1 in 100) takes 99 different pictures, 39 more than these: "),
        (270, "0.1 % (1 in 1,000) takes 999 different pictures, 729 more than these: "),
        (999, ""),
    ],
)
def test_the_lower_rate_that_monitor_names_is_one_that_learn_offers(
    place: Place, tmp_path: Path, n: int, told: str
) -> None:
    card = place.service.versions.serving()[0].card
    card["calibration"] |= {"n_held_out": n, "lowest_false_alarms": 1 / (n + 1)}
    card["fit"] |= {"n_images": n, "n_pictures": n}
    with place.service.database.write() as connection:
        connection.execute("UPDATE version SET card = ?", (json.dumps(card),))
    monitor = text_of(place, "/monitor")
    assert f"No rate below {words.percent(1 / (n + 1))}".replace("\u00a0", " ") in monitor
    assert told in monitor
    assert ("learn anew" in monitor) == bool(told)
    write_images(tmp_path / "two", stripes(2, seed=6))
    key = filled_set(place, tmp_path / "two")
    check = place.client.post("/api/v1/jobs/check", json={"set": key}).json()
    place.job(check["id"])
    part = place.page(f"/parts/check/{check['id']}")
    if offered := re.search(r"1 in ([\d,]+)\) takes", monitor):
        rates = [float(rate) for rate in re.findall(r'<option value="([\d.]+)"', part)]
        assert 1 / float(offered[1].replace(",", "")) in [0.05, *rates]


@pytest.mark.parametrize(
    ("pictures", "images", "rate", "said"),
    [
        (18, 19, None, "of the 19 images only 18 are different pictures (the other one counts as a "
         "copy): 1 more different picture is needed."),
        (15, 15, None, "5 % could not be had of 15 images: 4 more different pictures are needed."),
        (19, 22, None, ""),
        (15, 22, 0.1, ""),
    ],
)  # fmt: skip
def test_what_is_short_is_counted(
    place: Place, tmp_path: Path, pictures: int, images: int, rate: float | None, said: str
) -> None:
    learnt(place, tmp_path / "good", pictures, images, false_alarms=rate)
    version = place.service.versions.named("few")
    assert version is not None
    told = words.fell_short(version).replace("\u00a0", " ")
    assert told.endswith(said)
    assert bool(told) == bool(said)


def test_the_lowest_rate_is_rounded_one_way_on_pages(place: Place, tmp_path: Path) -> None:
    few = Detector(backbone="greyscale", threads=1).fit(list(stripes(18, seed=1)))
    few.save(tmp_path / "few.oneclass")
    content = (tmp_path / "few.oneclass").read_bytes()
    assert place.client.put("/api/v1/models/few/file", content=content, headers=RAW).is_success
    for page in ("/monitor?model=few", "/parts/rate?model=few", "/models/few"):
        told = text_of(place, page)
        assert "5.26 % (1 in 19)" in told
        assert "5.27" not in told
    # What a program is told can be asked for.
    refused = place.client.put("/api/v1/models/few/rate", json={"false_alarms": 0.0526})
    assert "support 5.27 % to below 100 %" in refused.json()["message"]
    assert place.client.put("/api/v1/models/few/rate", json={"false_alarms": 0.0527}).is_success


@pytest.mark.parametrize(("n", "told"), [(30, True), (39, False)])
def test_the_page_says_where_one_image_decides_the_threshold(
    place: Place, tmp_path: Path, n: int, told: bool
) -> None:
    Detector(backbone="greyscale", threads=1).fit(list(stripes(n, seed=1))).save(tmp_path / "m")
    content = (tmp_path / "m").read_bytes()
    assert place.client.put("/api/v1/models/one/file", content=content, headers=RAW).is_success
    for page in ("/parts/promise?model=one", "/models/one"):
        said = f"odder than the oddest of {n} good images: one odd picture among them decides"
        assert (said in text_of(place, page)) == told


def test_a_server_advises_nobody_to_give_it_a_list(place: Place) -> None:
    key = place.client.post("/api/v1/sets").json()["id"]
    content = b"good/000.png\ngood/001.png\n"
    headers = {**RAW, "X-File-Name": "list.png"}
    for address in (f"/api/v1/sets/{key}/images", "/api/v1/models/stripes/score"):
        told = place.client.post(address, content=content, headers=headers).json()["message"]
        assert "leave it out" in told
        assert "list of images" not in told
