"""Models are deleted with a record, not while they are needed, and can be got back."""

from __future__ import annotations

import html
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from conftest import stripes, write_images
from oneclass.serve.records import migrations
from oneclass.serve.records.database import FILE, Database
from oneclass.serve.records.deletions import KEPT, Deletions
from oneclass.serve.records.export import of_model
from oneclass.serve.records.versions import Versions
from serving import HERE, RAW, Place, another, filled_set, until

MODEL = "/api/v1/models/stripes"


def names_in(folder: Path) -> set[str]:
    return {file.name for file in folder.iterdir() if file.is_file()}


def deleted(place: Place) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = place.client.get("/api/v1/deleted").json()["deleted"]
    return found


def test_a_deleted_model_is_got_back_as_it_was(place: Place, images: Path) -> None:
    number = place.score(next((images / "odd").iterdir())).json()["predictions"][0]["id"]
    folder = place.service.library.folder
    before, score = names_in(folder), place.client.get(f"/api/v1/predictions/{number}").json()
    rate = {"false_alarms": 0.2}
    assert place.client.put(f"{MODEL}/rate", json=rate).is_success
    card = place.client.get(MODEL).json()

    gone = place.client.delete(MODEL).json()
    assert (gone["model"], gone["versions"], gone["who"]) == ("stripes", 1, "this machine")
    assert gone["until"] - gone["at"] == pytest.approx(KEPT)
    assert deleted(place) == [gone]
    assert names_in(folder) == set()
    assert names_in(folder / "deleted") == before
    assert place.client.get("/api/v1/models").json() == {"models": []}
    for address in (MODEL, f"{MODEL}/monitor", f"{MODEL}/results.csv"):
        answer = place.client.get(address)
        assert (answer.status_code, answer.json()["error"]) == (404, "deleted")
        assert "was deleted today" in answer.json()["message"]
        assert f"/api/v1/deleted/{gone['id']}/restore" in answer.json()["message"]
    assert place.score(next((images / "odd").iterdir())).json()["error"] == "deleted"
    assert place.client.delete(MODEL).status_code == 404
    assert place.service.predictions.waiting() == {}
    for page in ("/learn", "/score", "/review", "/monitor", "/watch", "/models", "/"):
        assert place.client.get(page).status_code in (200, 303)
        assert "no model yet" not in place.page(page)
    for page in ("/score", "/review", "/monitor", "/watch"):
        told = re.sub("<[^>]*>", "", place.page(page))
        assert "There is no model any more: stripes was deleted today" in told
        assert "The page Models gets it back until" in told
    assert "get back below what was deleted" in place.page("/models")
    assert place.client.get("/").headers["location"] == "/models"
    # What it said is still there, and drawn.
    assert place.client.get(f"/api/v1/predictions/{number}").json() == score
    assert place.client.get(f"/api/v1/predictions/{number}/heat.png").status_code == 200
    assert "stripes (deleted)" in place.page(f"/p/{number}")
    assert f'data-restore="{gone["id"]}"' in place.page("/models")

    back = place.client.post(f"/api/v1/deleted/{gone['id']}/restore")
    assert back.json() == card == place.client.get(MODEL).json()
    assert names_in(folder) == before
    assert deleted(place) == []
    assert place.client.post(f"/api/v1/deleted/{gone['id']}/restore").status_code == 404
    assert place.service.predictions.waiting() == {"stripes": 1}
    [row] = place.service.database.rows("SELECT * FROM deletion")
    assert (row["who"], row["back_who"], row["gone"]) == ("this machine", "this machine", None)
    assert place.service.library.can_learn(place.service.versions.of("stripes")[0])


def test_where_all_models_were_deleted_each_is_named(place: Place, model_file: Path) -> None:
    for name in ("b", "c", "d"):
        content = model_file.read_bytes()
        place.client.put(f"/api/v1/models/{name}/file", content=content, headers=RAW)
    for name in ("b", "stripes", "c", "d"):
        assert "no model any more" not in place.page("/score")
        place.client.delete(f"/api/v1/models/{name}")
    told = " ".join(re.sub("<[^>]*>", "", place.page("/score")).split())
    assert "any more: d, c, stripes and 1 more were deleted, the last one today" in told
    assert "The page Models gets them back, and says until when." in told


def test_a_model_that_is_needed_is_not_deleted_and_says_what_for(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"folder": str(place.roots), "model": "stripes"}
    watch = place.client.post("/api/v1/watches", json=asked).json()["id"]
    for state in ("on", "paused"):
        place.client.patch(f"/api/v1/watches/{watch}", json={"state": state})
        answer = place.client.delete(MODEL)
        assert (answer.status_code, answer.json()["error"]) == (409, "in_use")
        assert f"{place.roots} is watched with it (watch {watch})" in answer.json()["message"]
        text = place.page("/models/stripes")
        assert f"{place.roots} is watched with it" in text
        assert "data-delete" not in text
    place.client.delete(f"/api/v1/watches/{watch}")
    assert 'data-delete="stripes"' in place.page("/models/stripes")

    monkeypatch.setattr(place.service.runner, "_one", lambda job: until(lambda: done, 60))
    done: list[int] = []
    write_images(tmp_path / "good", stripes(3, seed=5))
    fit = {"name": "stripes", "set": filled_set(place, tmp_path / "good")}
    job = place.client.post("/api/v1/jobs/fit", json=fit).json()["id"]
    answer = place.client.delete(MODEL)
    assert answer.status_code == 409
    told = f"learning stripes (job {job}) has not ended"
    assert answer.json()["message"] == (
        f"stripes is not deleted: {told}. End that first: stop watching, or press Cancel where a "
        "job's progress is shown."
    )
    assert f"stripes is in use: {told}. The model can be deleted" in place.page("/models/stripes")
    place.client.delete(f"/api/v1/jobs/{job}")
    done.append(1)
    assert place.client.delete(MODEL).status_code == 200


def test_one_learnt_meanwhile_goes_on_beside_those_that_come_back(
    place: Place, model_file: Path, images: Path
) -> None:
    place.score(next((images / "odd").iterdir()))
    [old] = [place.client.delete(MODEL).json()]
    made = place.client.put(f"{MODEL}/file", content=model_file.read_bytes(), headers=RAW).json()
    assert (made["version"], made["serves"]) == (2, True)
    # What the deleted one said is none of the new one's.
    assert place.service.predictions.waiting() == {}
    assert len(b"".join(of_model(place.service.database, "stripes")).splitlines()) == 1
    assert 'class="tile' not in place.page("/score?model=stripes").partition('id="tiles"')[2]
    assert place.client.get(f"{MODEL}/monitor").json()["counts"] == []
    new = place.client.delete(MODEL).json()
    assert [one["id"] for one in deleted(place)] == [new["id"], old["id"]]

    def serving() -> list[tuple[int, bool]]:
        versions = place.client.get(MODEL).json()["versions"]
        return [(one["version"], one["serves"]) for one in versions]

    def history() -> list[int]:
        return [row["number"] for row in place.service.versions.taken("stripes")]

    assert history() == [2, 1]
    place.client.post(f"/api/v1/deleted/{old['id']}/restore")
    assert (serving(), history()) == ([(1, True)], [1, 2, 1])
    # What is in use stays in use, whichever comes back.
    place.client.post(f"/api/v1/deleted/{new['id']}/restore")
    assert (serving(), history()) == ([(2, False), (1, True)], [1, 2, 1])


def test_what_is_in_use_stays_so_where_its_history_says_nothing_of_it(
    place: Place, model_file: Path
) -> None:
    """As servers of before left it: version 1 was got back without a row of that."""
    old = place.client.delete(MODEL).json()
    place.client.put(f"{MODEL}/file", content=model_file.read_bytes(), headers=RAW)
    new = place.client.delete(MODEL).json()
    place.service.deleting.deletions.take_back(old["id"], who="test")
    place.service.versions.forget()
    assert [version.number for version in place.service.versions.serving()] == [1]
    place.client.post(f"/api/v1/deleted/{new['id']}/restore")
    assert [version.number for version in place.service.versions.serving()] == [1]
    assert [row["number"] for row in place.service.versions.taken("stripes")] == [1, 2, 1]


def names_of_buttons(text: str) -> list[str]:
    """What a screen reader says of a page's buttons, and of links that look like some."""
    found = re.findall(r'<(?:button|a class="button)\b([^>]*)>(.*?)</(?:button|a)>', text)
    labels = [re.search('aria-label="(.*?)"', attributes) for attributes, _ in found]
    return [label[1] if label else word for label, (_, word) in zip(labels, found, strict=True)]


def test_no_two_buttons_of_a_page_have_the_same_name(
    two: Place, model_file: Path, tmp_path: Path, images: Path
) -> None:
    for number, rate in ((3, 0.3), (4, 0.4), (5, 0.5)):
        content = another(model_file, tmp_path, rate)
        two.client.put(f"{MODEL}/file", content=content, headers=RAW)
        two.client.post(
            f"{MODEL}/score?version={number}",
            content=next((images / "odd").iterdir()).read_bytes(),
            headers=RAW,
        )
    names = names_of_buttons(two.page("/models/stripes"))
    assert len(names) > 12
    assert sorted(names) == sorted(set(names))
    assert {"Download version 3", "Write a report on version 4"} <= set(names)
    two.client.put("/api/v1/models/more/file", content=model_file.read_bytes(), headers=RAW)
    names = names_of_buttons(two.page("/models"))
    assert sorted(names) == sorted(set(names))
    two.client.delete(f"{MODEL}/versions/3")
    two.client.post(f"{MODEL}/take", json={"version": 5})
    two.client.delete(f"{MODEL}/versions/1")
    two.client.delete(MODEL)
    text = two.page("/models")
    names = names_of_buttons(text)
    assert [name for name in names if name.startswith("Get ")] == [
        "Get versions 2, 4, 5 of stripes back",
        "Get version 1 of stripes back",
        "Get version 3 of stripes back",
    ]
    assert re.findall('data-said="(.*?)"', text) == [
        "Versions 2, 4, 5 of stripes are back.",
        "Version 1 of stripes is back.",
        "Version 3 of stripes is back.",
    ]


def test_when_its_time_is_over_the_files_go_and_the_numbers_stay(
    place: Place, images: Path
) -> None:
    number = place.score(next((images / "odd").iterdir())).json()["predictions"][0]["id"]
    gone = place.client.delete(MODEL).json()
    place.service.tidy()
    folder = place.service.library.folder
    assert names_in(folder / "deleted")
    with place.service.database.write() as connection:
        connection.execute("UPDATE deletion SET until = 1")
    place.service.tidy()
    assert names_in(folder / "deleted") == names_in(folder) == set()
    assert deleted(place) == []
    assert place.client.post(f"/api/v1/deleted/{gone['id']}/restore").status_code == 404
    answer = place.client.get(MODEL)
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
    assert place.client.get(f"/api/v1/predictions/{number}").status_code == 200
    drawn = place.client.get(f"/api/v1/predictions/{number}/picture.png")
    assert (drawn.status_code, drawn.json()["error"]) == (404, "model_gone")
    assert "The model was deleted" in place.page(f"/p/{number}")
    assert place.service.database.value("SELECT gone FROM deletion") > 0


@pytest.mark.parametrize("moved", ["none", "model", "rows"])
def test_a_kill_between_record_and_files_is_no_harm(
    start: Callable[..., Place], images: Path, moved: str
) -> None:
    place = start()
    number = place.score(next((images / "odd").iterdir())).json()["predictions"][0]["id"]
    folder = place.service.library.folder
    [version] = place.service.versions.of("stripes")
    deletion = place.service.deleting.deletions.add("stripes", who="test")
    place.service.versions.forget()
    for what, suffix in (("model", ""), ("rows", ".rows")):
        if moved == what:
            name = version.file + suffix
            (folder / name).rename(folder / "deleted" / name)
    assert place.client.get(f"/api/v1/predictions/{number}/heat.png").status_code == 200
    assert place.client.post(f"/api/v1/deleted/{deletion}/restore").status_code == 200
    assert names_in(folder) == {version.file, version.file + ".rows"}
    assert place.score(next((images / "odd").iterdir())).status_code == 200


def test_a_folder_of_before_has_all_its_models(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.MonkeyPatch.context() as before:
        before.setattr("oneclass.serve.records.database.MIGRATIONS", migrations.MIGRATIONS[:3])
        Database(tmp_path / "old").close()
    with closing(sqlite3.connect(tmp_path / "old" / FILE)) as connection, connection:
        connection.execute(
            "INSERT INTO version (name, number, digest, origin, card, false_alarms, at) "
            "VALUES ('a', 1, 'x', 'fit', '{}', 0.05, 0)"
        )
        connection.execute("INSERT INTO taken (name, version_id, at, who) VALUES ('a', 1, 0, 'w')")
    database = Database(tmp_path / "old")
    [version] = Versions(database).serving()
    assert (version.name, version.deletion_id) == ("a", None)
    assert Deletions(database).all() == []
    database.close()


@pytest.fixture
def two(place: Place, model_file: Path, tmp_path: Path) -> Place:
    """The model with a second version, which is not in use."""
    content = another(model_file, tmp_path, 0.2)
    assert place.client.put(f"{MODEL}/file", content=content, headers=RAW).json()["version"] == 2
    return place


def test_one_version_is_deleted_and_got_back(two: Place, images: Path) -> None:
    old = two.client.post(
        f"{MODEL}/score?version=2",
        content=next((images / "odd").iterdir()).read_bytes(),
        headers=RAW,
    ).json()["predictions"][0]["id"]
    folder, card = two.service.library.folder, two.client.get(MODEL).json()
    before = names_in(folder)
    assert 'data-delete="stripes" data-version="2" data-lost="' in two.page("/models/stripes")
    gone = two.client.delete("/api/v1/models/stripes/versions/2").json()
    assert (gone["model"], gone["versions"], gone["numbers"]) == ("stripes", 1, [2])
    assert names_in(folder / "deleted") == {"stripes-2.oneclass"}
    assert [one["version"] for one in two.client.get(MODEL).json()["versions"]] == [1]
    assert two.score(next((images / "odd").iterdir())).is_success
    answer = two.client.get(f"{MODEL}/versions/2/file")
    assert (answer.status_code, answer.json()["error"]) == (404, "deleted")
    assert "version 2 of stripes was deleted today" in answer.json()["message"]
    assert two.client.delete(f"{MODEL}/versions/2").status_code == 404
    assert two.client.delete(f"{MODEL}/versions/3").json()["error"] == "not_found"
    text = two.page("/models")
    assert "<b>stripes</b>, version 2: deleted today" in text
    assert ">Get version 2 of stripes back<" in text
    assert two.client.get(f"/api/v1/predictions/{old}/picture.png").is_success
    assert two.client.post(f"/api/v1/deleted/{gone['id']}/restore").json() == card
    assert names_in(folder) == before


def test_what_is_lost_with_a_version_is_said_before_it_is_deleted(two: Place, images: Path) -> None:
    both, alone = sorted((images / "odd").iterdir())[:2]

    def lost() -> str:
        text = html.unescape(two.page("/models/stripes"))
        [found] = re.findall(r'data-version="2" data-lost="(.*?)">Delete version 2<', text)
        return str(found)

    def said() -> tuple[dict[str, int], int]:
        rows = two.client.get(f"{MODEL}/results.csv").text.splitlines()
        return two.service.reviews.counts("stripes"), len(rows) - 1

    assert "There is no verdict of version 2 that could go; the other versions stay." in lost()
    for file in (both, alone):
        made = two.client.post(
            f"{MODEL}/score?version=2", content=file.read_bytes(), headers=RAW
        ).json()["predictions"]
        asked = {"verdict": "false_alarm"}
        two.client.post(f"/api/v1/predictions/{made[0]['id']}/review", json=asked)
    two.score(both)
    assert said() == ({"real": 0, "false_alarm": 2, "unsure": 0}, 3)
    assert lost().startswith(
        "What version 2 said goes from lists, tables, Review and Monitor, and with it what you "
        "said of pictures that no other version has judged. What you said of all others stays"
    )
    assert (
        "can be got back with all of this; then its files are removed for good, and only then is"
        in lost()
    )
    gone = two.client.delete("/api/v1/models/stripes/versions/2").json()
    assert said() == ({"real": 0, "false_alarm": 1, "unsure": 0}, 1)
    assert "<dd>good (a false alarm), today" in two.page("/p/3")
    two.client.post(f"/api/v1/deleted/{gone['id']}/restore")
    assert said() == ({"real": 0, "false_alarm": 2, "unsure": 0}, 3)


def test_the_version_in_use_is_not_deleted(two: Place) -> None:
    def refused(number: int) -> str:
        answer = two.client.delete(f"{MODEL}/versions/{number}")
        assert (answer.status_code, answer.json()["error"]) == (409, "in_use")
        return str(answer.json()["message"])

    assert "version 1 of stripes is not deleted: it scores now." in refused(1)
    assert 'data-version="1"' not in two.page("/models/stripes")
    two.client.post(f"{MODEL}/take", json={"version": 2})
    refused(2)
    # One that is taken between the look and the deletion is not deleted, either.
    assert two.service.deleting.delete("stripes", who="test", number=2) is None
    assert deleted(two) == []
    assert two.client.delete(f"{MODEL}/versions/1").is_success
    refused(2)
    assert [one["version"] for one in two.client.get(MODEL).json()["versions"]] == [2]


def test_a_version_that_a_job_needs_is_not_deleted(
    two: Place, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = next((images / "odd").iterdir()).read_bytes()
    assert two.client.post(f"{MODEL}/score?version=2", content=content, headers=RAW).is_success
    monkeypatch.setattr(two.service.jobs, "next", lambda: None)
    job = two.client.post(f"{MODEL}/report", json={"version": 2}).json()["id"]
    answer = two.client.delete(f"{MODEL}/versions/2")
    assert (answer.status_code, answer.json()["error"]) == (409, "in_use")
    assert f"writing a report on stripes (job {job}) has not ended" in answer.json()["message"]
    assert two.client.delete(f"/api/v1/jobs/{job}").is_success
    assert two.client.delete(f"{MODEL}/versions/2").is_success


def test_a_version_that_is_got_back_alone_is_in_use(two: Place) -> None:
    """It was never in use, and the one that was is deleted since."""
    version = two.client.delete(f"{MODEL}/versions/2").json()["id"]
    model = two.client.delete(MODEL).json()
    assert model["numbers"] == [1]
    assert two.client.post(f"/api/v1/deleted/{version}/restore").is_success
    [one] = two.client.get(MODEL).json()["versions"]
    assert (one["version"], one["serves"]) == (2, True)
    assert "Version 2 is in use." in two.page("/models/stripes")
    assert two.client.post(f"/api/v1/deleted/{model['id']}/restore").is_success
    assert {v["version"]: v["serves"] for v in two.client.get(MODEL).json()["versions"]} == {
        1: False,
        2: True,
    }


def test_of_a_deleted_model_nothing_is_noted_that_nobody_would_see(
    two: Place, images: Path
) -> None:
    number = two.score(next((images / "odd").iterdir())).json()["predictions"][0]["id"]
    address = f"/api/v1/predictions/{number}/review"

    def refused() -> str:
        answer = two.client.post(address, json={"verdict": "real", "seen": None})
        assert (answer.status_code, answer.json()["error"]) == (404, "deleted")
        assert two.service.reviews.of(number) == []
        text = two.page(f"/p/{number}")
        assert 'id="judge"' not in text
        assert "The model, or this version of it, was deleted: what you say of its" in text
        return str(answer.json()["message"])

    assert 'id="judge"' in two.page(f"/p/{number}")
    two.client.post(f"{MODEL}/take", json={"version": 2})
    version = two.client.delete(f"{MODEL}/versions/1").json()["id"]
    assert refused().startswith("version 1 of stripes was deleted today")
    two.client.post(f"/api/v1/deleted/{version}/restore")
    model = two.client.delete(MODEL).json()["id"]
    assert refused().startswith("the model stripes was deleted today")
    two.client.post(f"/api/v1/deleted/{model}/restore")
    assert two.client.post(address, json={"verdict": "real", "seen": None}).is_success


def test_a_person_is_told_of_a_deleted_model_in_words(place: Place, images: Path) -> None:
    place.client.delete(MODEL)
    file = next((images / "odd").iterdir())
    csrf = re.findall('name="csrf" content="(.*?)"', place.client.get("/models").text)[0]
    own = {"Origin": HERE, "X-CSRF-Token": csrf}
    answers = [place.score(file, **own), place.client.get(f"{MODEL}/monitor", headers=own)]
    page = place.client.get("/review?model=stripes", headers={"Accept": "text/html"}).text
    for told in (*(answer.json()["message"] for answer in answers), html.unescape(page)):
        assert "model stripes was deleted today" in told
        assert "by somebody at this computer. The page Models gets it back until" in told
        assert "POST" not in told.partition("model stripes was")[2]
