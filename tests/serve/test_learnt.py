"""Pictures that a model learnt from: said wherever their verdicts are, and counted nowhere."""

from __future__ import annotations

import csv
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from conftest import stripes, write_images
from oneclass.serve.records import migrations
from oneclass.serve.records.database import Database
from serving import RAW, Place, filled_set

MODEL = "/api/v1/models/stripes"
SAID = "The model learnt from this picture as good, so its verdict proves nothing"


@pytest.fixture
def taught(tmp_path: Path) -> list[Path]:
    """Three of the pictures that the model learnt from."""
    write_images(tmp_path / "taught", stripes(40, seed=1)[:3])
    return sorted((tmp_path / "taught").iterdir())


def scored(place: Place, file: Path) -> dict[str, Any]:
    answer: dict[str, Any] = place.score(file).json()
    return {**answer["predictions"][0], "warning": answer["learnt"]}


def monitor(place: Place) -> dict[str, Any]:
    answer: dict[str, Any] = place.client.get(f"{MODEL}/monitor").json()
    return answer


def say(place: Place, number: int, verdict: str | None) -> None:
    asked = {"verdict": verdict}
    assert place.client.post(f"/api/v1/predictions/{number}/review", json=asked).is_success


def test_a_picture_that_was_learnt_says_so_wherever_its_verdict_is(
    place: Place, images: Path, taught: list[Path]
) -> None:
    new = scored(place, next((images / "odd").iterdir()))
    assert (new["learnt"], new["warning"]) == (False, None)
    one = scored(place, taught[0])
    assert one["learnt"] is True
    assert one["warning"].startswith("this image is one that the model learnt from as normal")
    assert place.client.get(f"/api/v1/predictions/{one['id']}").json()["learnt"] is True
    assert place.page("/score?model=stripes").count(SAID) == 1
    # Said once, it is true before the first image is sent, and after.
    assert "a button that is here once you have sent an image" in place.page("/score")
    assert SAID in place.page(f"/p/{one['id']}")
    assert SAID in place.page(f"/parts/review?model=stripes&at={one['id']}")
    assert SAID not in place.page(f"/p/{new['id']}")
    table = csv.DictReader(place.client.get(f"{MODEL}/results.csv").text.splitlines())
    assert [row["learnt"] for row in table] == ["", "true"]
    asked = {"predictions": [new["id"], one["id"]]}
    some = place.client.post("/api/v1/predictions.csv", json=asked).text
    # As the command line writes it: nothing is said of others, since models of before do not know.
    assert [row["learnt"] for row in csv.DictReader(some.splitlines())] == ["", "true"]
    lines = place.client.post(
        f"{MODEL}/score",
        content=taught[1].read_bytes(),
        headers={**RAW, "Accept": "application/x-ndjson"},
    )
    assert lines.json()["learnt"] is True


def test_many_at_once_have_one_warning(place: Place, images: Path, taught: list[Path]) -> None:
    files = [*taught, next((images / "odd").iterdir())]
    form = [("images", (file.name, file.read_bytes(), "image/png")) for file in files]
    answer = place.client.post(f"{MODEL}/score", files=form).json()
    assert answer["learnt"].startswith("3 of these 4 images are ones that the model learnt from")


def test_a_report_says_which_were_learnt(place: Place, images: Path, taught: list[Path]) -> None:
    pytest.importorskip("matplotlib")
    for file in (*taught, *sorted((images / "odd").iterdir())[:2]):
        scored(place, file)
    job = place.job(place.client.post(f"{MODEL}/report", json={}).json()["id"])
    page = place.client.get(f"/api/v1/jobs/{job['id']}/report.html").text
    assert "3 of these 5 images are ones that the model learnt from as normal" in page


def test_what_was_learnt_is_in_no_share(place: Place, images: Path, taught: list[Path]) -> None:
    scored(place, taught[0])
    told = monitor(place)
    assert (told["counts"], told["learnt"], told["last"]) == ([], 1, 0)
    odd = scored(place, next((images / "odd").iterdir()))
    learnt = [scored(place, file) for file in (*taught[1:], taught[1])]
    told = monitor(place)
    [count] = told["counts"]
    assert (count["images"], told["learnt"], told["again"], told["last"]) == (1, 3, 1, 1)
    # Nor is what people say of them, be they called odd or not.
    with place.service.database.write() as connection:
        connection.execute("UPDATE prediction SET is_anomaly = 1 WHERE id = ?", (learnt[0]["id"],))
    for one in (odd, *learnt[:2]):
        say(place, one["id"], "real")
    told = monitor(place)
    [count] = told["counts"]
    assert (count["real"], count["missed"], count["reviews"]) == (1, 0, 1)
    assert told["observed"]["images"] == 0
    rate = max(told["rates"], key=lambda one: float(one["false_alarms"]))
    listed = place.page(f"/score?model=stripes&rate={rate['false_alarms']}")
    assert listed.count("data-id=") == rate["called"]


def test_a_comparison_leaves_out_what_both_versions_had_learnt(
    place: Place, images: Path, taught: list[Path], tmp_path: Path
) -> None:
    odd = sorted((images / "odd").iterdir())[:3]
    for file, said in ((odd[0], "real"), (odd[1], "false_alarm"), (taught[0], "real")):
        say(place, scored(place, file)["id"], said)
    place.job(place.client.post(f"{MODEL}/update", json={"yes": True}).json()["id"])
    text = place.page("/parts/lessons?model=stripes")
    assert ">1 really odd, or missed<" in text
    assert "1 picture left out: version 2 has just learnt it." in text
    assert "1 picture left out: version 1 learnt it" in text
    # The false alarm is one that the new version has learnt from, and no longer counts for it.
    place.client.post(f"{MODEL}/take", json={"version": 2})
    before = monitor(place)
    assert scored(place, odd[1])["learnt"] is True
    told = monitor(place)
    assert told["learnt"] == before["learnt"] + 1
    assert told["counts"] == before["counts"]
    say(place, scored(place, odd[2])["id"], "false_alarm")
    place.job(place.client.post(f"{MODEL}/update", json={"yes": True}).json()["id"])
    text = place.page("/parts/lessons?model=stripes")
    assert "1 picture left out: version 3 has just learnt it." in text
    assert "1 picture left out: version 2 learnt it, and" in text  # the other one was forgotten


def test_only_what_the_version_in_use_has_not_learnt_is_offered(
    place: Place, images: Path, taught: list[Path], tmp_path: Path
) -> None:
    odd = sorted((images / "odd").iterdir())
    for file in (odd[0], taught[0]):  # one that it learnt from the start can be called odd, too
        say(place, scored(place, file)["id"], "false_alarm")
    text = place.page("/parts/lessons?model=stripes")
    assert "1 picture that you called good can be learnt, " in text
    assert len(place.service.lessons("stripes")) == 1
    job = place.job(place.client.post(f"{MODEL}/update", json={"yes": True}).json()["id"])
    assert job["result"]["added"] == 1
    text = place.page("/parts/lessons?model=stripes")
    assert "has learnt 1 picture that you called good. Version 2 is not" in text
    assert "1 picture left out: version 1 learnt it," in text
    # A version that is learnt from a folder in which another one lies has learnt that one as well.
    say(place, scored(place, odd[1])["id"], "false_alarm")
    write_images(tmp_path / "good", stripes(30, seed=5))
    shutil.copy(odd[0], tmp_path / "good" / "as good.png")
    asked = {"name": "stripes", "set": filled_set(place, tmp_path / "good")}
    place.job(place.client.post("/api/v1/jobs/fit", json=asked).json()["id"])
    offered = {lesson.image for lesson in place.service.lessons("stripes")}
    assert offered == {sha256(file.read_bytes()).hexdigest() for file in (odd[1], taught[0])}
    assert "2 pictures that you called good can be learnt" in place.page(
        "/parts/lessons?model=stripes"
    )


def test_of_records_and_models_of_before_nobody_knows(
    place: Place, taught: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    one = scored(place, taught[0])
    with place.service.database.write() as connection:
        connection.execute("UPDATE prediction SET learnt = NULL")
    assert place.client.get(f"/api/v1/predictions/{one['id']}").json()["learnt"] is None
    assert SAID not in place.page(f"/p/{one['id']}")
    version = place.service.versions.named("stripes")
    assert version is not None
    model = place.service.library.detector(version).model
    object.__setattr__(model, "learnt", None)
    assert scored(place, taught[1])["learnt"] is None
    with monkeypatch.context() as before:
        before.setattr("oneclass.serve.records.database.MIGRATIONS", migrations.MIGRATIONS[:9])
        Database(tmp_path / "old").close()
    rows = Database(tmp_path / "old").rows("SELECT name FROM pragma_table_info('prediction')")
    assert "learnt" in {row["name"] for row in rows}


def test_what_a_version_that_was_learnt_anew_has_learnt_is_known_without_a_look_at_pictures(
    place: Place, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = sorted((images / "odd").iterdir())[:3]
    for file, said in zip(odd, ("false_alarm", "false_alarm", "real"), strict=True):
        say(place, scored(place, file)["id"], said)
    write_images(tmp_path / "good", stripes(30, seed=5))
    for file in (odd[0], odd[2]):
        shutil.copy(file, tmp_path / "good" / f"as good {file.name}")
    number = filled_set(place, tmp_path / "good")
    anyway = [file.name for file in place.service.sets.folder(number).iterdir()]
    asked = {"name": "stripes", "set": number, "anyway": anyway}
    assert place.job(place.client.post("/api/v1/jobs/fit", json=asked).json()["id"])["result"]
    monkeypatch.setattr("oneclass.serve.work.lessons.knows", lambda *_: 1 / 0)
    [lesson] = place.service.lessons("stripes")
    assert lesson.image == sha256(odd[1].read_bytes()).hexdigest()
    version = place.service.versions.named("stripes", 2)
    assert version is not None
    learnt = place.service.taught.anomalies(version)
    assert learnt.keys() == {sha256(odd[2].read_bytes()).hexdigest()}
