"""Pictures of another size or format than those that a model learnt from are told apart."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from conftest import stripes, write_images
from oneclass.serve.work.jobs.kinds import measured, unlike
from serving import RAW, Place, filled_set


def picture(folder: Path, width: int, height: int, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)
    Image.fromarray(noise).save(folder / name)
    return folder / name


@pytest.mark.parametrize(
    ("width", "height", "name", "said"),
    [
        (30, 40, "a.png", ""),
        (33, 44, "a.png", ""),
        (27, 36, "a.png", "27 x 36 pixels instead of 30 x 40"),
        (30, 80, "a.png", "30 x 80 pixels instead of 30 x 40"),
        (30, 40, "a.jpg", "JPEG instead of PNG"),
        (60, 80, "a.bmp", "60 x 80 pixels instead of 30 x 40, BMP instead of PNG"),
    ],
)
def test_how_a_picture_differs(
    tmp_path: Path, width: int, height: int, name: str, said: str
) -> None:
    learnt = measured([picture(tmp_path / "good", 30, 40, f"{i}.png") for i in range(3)])
    assert learnt == {"width": [30, 30], "height": [40, 40], "formats": ["PNG"]}
    assert unlike(learnt, picture(tmp_path, width, height, name)) == said


def test_mixed_pictures_leave_more_room_and_files_that_are_none_say_nothing(tmp_path: Path) -> None:
    files = [picture(tmp_path, 30, 40, "a.png"), picture(tmp_path, 60, 50, "b.jpg")]
    (tmp_path / "c.png").write_bytes(b"no picture")
    learnt = measured([*files, tmp_path / "c.png"])
    assert unlike(learnt, picture(tmp_path, 45, 45, "d.jpg")) == ""
    assert unlike(learnt, picture(tmp_path, 90, 45, "e.png")) == (
        "90 x 45 pixels instead of (30 to 60) x (40 to 50)"
    )
    assert unlike(learnt, tmp_path / "c.png") == ""
    assert unlike({}, files[0]) == ""
    assert measured([tmp_path / "c.png"]) == {}


def test_a_picture_of_another_kind_has_a_note_on_its_card(place: Place, tmp_path: Path) -> None:
    write_images(tmp_path / "good", stripes(24, seed=5))
    asked = {"name": "new", "set": filled_set(place, tmp_path / "good"), "rows": "image"}
    job = place.job(place.client.post("/api/v1/jobs/fit", json=asked).json()["id"])
    assert "kinds" not in job["result"]

    def scored(content: bytes, model: str) -> int:
        answer = place.client.post(f"/api/v1/models/{model}/score", content=content, headers=RAW)
        number: int = answer.json()["predictions"][0]["id"]
        return number

    large = io.BytesIO()
    Image.fromarray(stripes(1, seed=6)[0]).resize((96, 48)).save(large, "JPEG")
    other = scored(large.getvalue(), "new")
    usual = scored(next((tmp_path / "good").iterdir()).read_bytes(), "new")
    note = "96 x 48 pixels instead of 24 x 24, JPEG instead of PNG"
    assert place.page("/score?model=new").count(note) == 1
    assert note in place.page(f"/p/{other}")
    assert "instead of" not in place.page(f"/p/{usual}")
    if place.service.predictions.one(other)["is_anomaly"]:
        assert note in place.page("/review?model=new")
    # A model that came as a file does not say what it learnt from.
    assert note not in place.page(f"/p/{scored(large.getvalue(), 'stripes')}")
