"""The page Review: a version that waits, a version that would miss some, the same picture again."""

from __future__ import annotations

import csv
import html
import json
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from conftest import stripes, write_images
from oneclass import Detector, load
from oneclass.serve.records import migrations
from oneclass.serve.records.database import FILE, Database
from oneclass.serve.records.predictions import Filter, _conditions
from serving import RAW, Place, another, filled_set, until

MODEL = "/api/v1/models/stripes"
LESSONS = "/parts/lessons?model=stripes"


def say(place: Place, number: int, verdict: str | None) -> None:
    asked = {"verdict": verdict}
    assert place.client.post(f"/api/v1/predictions/{number}/review", json=asked).is_success


def scored(place: Place, file: Path) -> int:
    number: int = place.score(file).json()["predictions"][0]["id"]
    return number


@pytest.fixture
def learnt(place: Place, images: Path, tmp_path: Path) -> Place:
    """Version 2, which has learnt three false alarms, waits to be used."""
    for file in sorted((images / "odd").iterdir())[:2]:
        say(place, scored(place, file), "real")
    write_images(tmp_path / "false", stripes(3, seed=11, upright=False))
    for file in sorted((tmp_path / "false").iterdir()):
        say(place, scored(place, file), "false_alarm")
    job = place.job(place.client.post(f"{MODEL}/update", json={"yes": True}).json()["id"])
    assert job["result"]["number"] == 2
    return place


def judged(place: Place, p_value: float) -> None:
    """Let version 2 say this of the really odd ones."""
    with place.service.database.write() as connection:
        connection.execute("UPDATE compared SET p_value = ? WHERE learnt = 0", (p_value,))


def buttons(text: str) -> list[tuple[bool, str]]:
    """(main, words) of those that choose a version."""
    found = re.findall(r'<button type="button"( class="main")? data-take="\d+"[^>]*>(.*?)<', text)
    return [(bool(main), words) for main, words in found]


def test_a_version_that_waits_is_told_whatever_came_since(
    learnt: Place, model_file: Path, tmp_path: Path
) -> None:
    judged(learnt, 0.001)
    content = another(model_file, tmp_path, 0.1)
    assert learnt.client.put(f"{MODEL}/file", content=content, headers=RAW).json()["version"] == 3
    text = learnt.page(LESSONS)
    assert "Version 2 has learnt what you called good." in text
    assert "has learnt 3 pictures that you called good. Version 2 is not in use yet." in text
    assert "counts once" not in text
    assert "can be learnt" not in text
    assert buttons(text) == [(True, "Use version 2"), (False, "Keep version 1")]


def test_a_picture_that_was_sent_twice_is_learnt_and_counted_once(
    learnt: Place, tmp_path: Path
) -> None:
    write_images(tmp_path / "more", stripes(2, seed=12, upright=False))
    one, other = sorted((tmp_path / "more").iterdir())
    for file in (one, other, one):
        say(learnt, scored(learnt, file), "false_alarm")
    learnt.client.post(f"{MODEL}/take", json={"version": 2})
    job = learnt.job(learnt.client.post(f"{MODEL}/update", json={"yes": True}).json()["id"])
    assert (job["result"]["number"], job["result"]["added"]) == (3, 2)
    text = learnt.page(LESSONS)
    assert (
        "Version 3 has learnt 2 pictures that you called good. Version 3 is not in use yet." in text
    )
    assert "2 pictures left out: version 3 has just learnt them." in text
    assert "2 pictures left out: version 3 has just learnt them." in learnt.page("/models/stripes")


def test_what_somebody_else_said_meanwhile_is_not_overwritten(place: Place, images: Path) -> None:
    number = scored(place, next((images / "odd").iterdir()))
    address = f"/api/v1/predictions/{number}/review"

    def answer(verdict: str | None, seen: str | None) -> int:
        return place.client.post(address, json={"verdict": verdict, "seen": seen}).status_code

    def said() -> str | None:
        row = place.service.predictions.one(number)
        assert row is not None
        review: str | None = row["review"]
        return review

    assert 'data-review=""' in place.page("/review")
    assert (answer("real", None), said()) == (200, "real")
    assert (answer("real", None), said()) == (200, "real")  # no new word of the same person
    refused = place.client.post(address, json={"verdict": "false_alarm", "seen": None})
    assert (refused.status_code, said()) == (409, "real")
    message = refused.json()["message"]
    assert message.startswith("somebody at this computer said “really odd” meanwhile, so yours is")
    assert 'data-review="real"' in place.page(f"/p/{number}")
    assert (answer("false_alarm", "real"), said()) == (200, "false_alarm")  # seen, and not shared
    assert (answer(None, "real"), said()) == (409, "false_alarm")
    assert (answer(None, "false_alarm"), said()) == (200, "real")
    assert (answer(None, "real"), said()) == (200, None)
    assert (answer("unsure", "false_alarm"), said()) == (409, None)
    say(place, number, "unsure")  # a program that does not say what it saw
    assert said() == "unsure"


def test_the_same_picture_is_not_offered_twice(learnt: Place, tmp_path: Path) -> None:
    again = sorted((tmp_path / "false").iterdir())[0]
    number = scored(learnt, again)
    review = learnt.page(f"/parts/review?model=stripes&at={number}")
    before = (
        r'The same picture was reviewed before: <a href="/p/\d+">(good|good \(a false alarm\))</a>'
    )
    assert re.search(before, review)
    assert verdicts(learnt, number) == ["false_alarm"]
    assert "can be learnt" not in learnt.page(LESSONS)
    learnt.client.post(f"{MODEL}/take", json={"version": 2})
    assert learnt.service.lessons("stripes") == []


def test_a_new_picture_has_not_been_reviewed_before(place: Place, images: Path) -> None:
    first, second = [scored(place, file) for file in sorted((images / "odd").iterdir())[:2]]
    say(place, first, "real")
    assert "same picture" not in place.page(f"/parts/review?model=stripes&at={second}")
    assert "same picture" not in place.page(f"/parts/review?model=stripes&at={first}")


def test_a_version_that_would_miss_some_is_not_the_main_choice(learnt: Place) -> None:
    judged(learnt, 1.0)
    text = learnt.page(LESSONS)
    assert "Version 2 would miss 2 that you called really odd" in text
    assert buttons(text) == [(True, "Keep version 1"), (False, "Use version 2 all the same")]
    learnt.client.post(f"{MODEL}/take", json={"version": 1})
    text = learnt.page(LESSONS)
    assert buttons(text) == []
    assert "Version 2 has learnt what you called good. Version 2 is not in use" in text
    assert "can be learnt" not in text
    # One of them was bad: now there is something else to learn.
    say(learnt, learnt.service.lessons("stripes")[0].id, "real")
    assert "2 pictures that you called good can be learnt" in learnt.page(LESSONS)


def test_a_version_that_would_miss_some_is_asked_about_and_names_them_in_use(
    learnt: Place, images: Path
) -> None:
    def taking(version: int) -> str:
        return learnt.client.get(f"/parts/taking/stripes/{version}").text

    judged(learnt, 1.0)
    first, second = (file.name for file in sorted((images / "odd").iterdir())[:2])
    assert taking(2) == (
        f"Version 2 would miss 2 pictures that you called really odd: {first}, {second}.\n\n"
        "Use version 2 all the same?"
    )
    assert 'data-take="2" data-name="stripes" data-warned>' in learnt.page(LESSONS)
    assert "data-warned" not in learnt.page("/models/stripes")
    assert "misses" not in learnt.page(LESSONS)
    learnt.client.post(f"{MODEL}/take", json={"version": 2})
    text = html.unescape(re.sub("<.*?>", "", learnt.page(LESSONS)))
    assert f"Version 2 misses 2 pictures that you called really odd: {first}, {second}." in text
    assert [taking(1), taking(2)] == ["", ""]
    assert learnt.client.get("/parts/taking/stripes/9").status_code == 404
    # What the one in use misses, too, speaks against no other.
    learnt.client.post(f"{MODEL}/take", json={"version": 1})
    assert "would miss 2 pictures" in taking(2)
    with learnt.service.database.write() as connection:
        connection.execute("UPDATE compared SET before = 1.0 WHERE learnt = 0")
    assert taking(2) == ""


def test_after_the_last_one_no_count_is_left_over(place: Place, images: Path) -> None:
    number = scored(place, next((images / "odd").iterdir()))
    assert 'data-waiting="1"' in place.page("/parts/review?model=stripes")
    say(place, number, "real")
    part = place.page("/parts/review?model=stripes")
    assert "Nothing waits for stripes" in part
    assert 'data-waiting="0"' in part


def test_unsure_ones_can_be_looked_at_again(place: Place, images: Path) -> None:
    number = scored(place, next((images / "odd").iterdir()))
    assert "Look again" not in place.page(LESSONS)
    say(place, number, "unsure")
    part = place.page(LESSONS)
    assert "Look again at the unsure one<" in part
    assert f'href="/p/{number}"' in part
    say(place, number, "real")
    assert "Look again" not in place.page(LESSONS)


def test_what_was_said_leads_to_those_it_was_said_of(learnt: Place, images: Path) -> None:
    odd = sorted((images / "odd").iterdir())
    text = learnt.page(LESSONS)
    address = "/score?model=stripes&amp;review="
    assert re.findall(rf'href="{re.escape(address)}(\w+)"><b>(\d+)<', text) == [
        ("real", "2"),
        ("false_alarm", "3"),
    ]
    assert "<b>0</b><span>unsure</span>" in text
    real = learnt.page(address.replace("&amp;", "&") + "real")
    assert "Only those that you called really odd, or missed." in real
    assert {file.name for file in odd[:2]} == set(re.findall(r"<bdi .*?>(.*?)</bdi>", real))
    # The same list beside a picture, in its next part, and with only the odd ones.
    assert 'data-review="real"' in real
    assert set(re.findall(r'href="/p/\d+\?(.*?)"', real)) == {"review=real"}
    false = "/parts/tiles?model=stripes&review=false_alarm"
    assert learnt.page(false).count("data-id") == 3
    assert learnt.page(f"{false}&only=true").count("data-id") == 2  # one was called good
    assert "You called none so." in learnt.page("/score?model=stripes&review=unsure")
    assert learnt.client.get("/score?model=stripes&review=good").status_code == 422


def verdicts(place: Place, *numbers: int) -> list[str | None]:
    """What stands of predictions, the same in what is asked, listed and exported."""
    found = [
        place.client.get(f"/api/v1/predictions/{number}").json()["review"] for number in numbers
    ]
    table = place.client.get(f"{MODEL}/results.csv").text.splitlines()
    exported = {int(row["id"]): row["review"] or None for row in csv.DictReader(table)}
    assert [exported[number] for number in numbers] == found
    return found


def observed(place: Place) -> tuple[int, int]:
    counts = place.client.get(f"{MODEL}/monitor").json()["counts"]
    return sum(one["false_alarms"] for one in counts), sum(one["real"] for one in counts)


def test_the_newest_judgement_of_a_picture_holds_wherever_it_was_seen(
    place: Place, images: Path, tmp_path: Path
) -> None:
    file, other = sorted((images / "odd").iterdir())[:2]
    first = scored(place, file)
    say(place, first, "false_alarm")
    copy = tmp_path / "under another name.png"
    shutil.copy(file, copy)
    second, apart = scored(place, copy), scored(place, other)
    say(place, apart, "false_alarm")
    assert [one.id for one in place.service.lessons("stripes")] == [second, apart]
    say(place, second, "real")
    assert verdicts(place, first, second, apart) == ["real", "real", "false_alarm"]
    assert [one.id for one in place.service.lessons("stripes")] == [apart]
    assert place.service.reviews.counts("stripes") == {"real": 1, "false_alarm": 1, "unsure": 0}
    assert observed(place) == (1, 1)  # the same picture counts once
    text = place.page(f"/p/{first}")
    assert f'said of the <a href="/p/{second}">same picture</a>' in text
    # Taken back: what was said of the first one holds again, for both.
    say(place, second, None)
    assert verdicts(place, first, second) == ["false_alarm", "false_alarm"]
    assert observed(place) == (2, 0)
    text = place.page(f"/p/{first}")
    assert "said of the" not in text
    assert "<dd>good (a false alarm), " in text
    text = place.page(f"/p/{second}")
    assert f'said of the <a href="/p/{first}">same picture</a>' in text
    assert "taken back" not in text
    # The newest holds, and is taken back, whichever of them it is said of.
    say(place, first, "unsure")
    assert verdicts(place, first, second) == ["unsure", "unsure"]
    assert [one.id for one in place.service.lessons("stripes")] == [apart]
    assert observed(place) == (1, 0)
    say(place, second, None)
    assert verdicts(place, first, second) == ["false_alarm", "false_alarm"]
    say(place, second, None)
    assert verdicts(place, first, second) == [None, None]
    assert "<dd>taken back, " in place.page(f"/p/{second}")
    say(place, second, None)  # nothing is left
    assert verdicts(place, first, second) == [None, None]


def test_each_word_that_is_taken_back_leads_to_the_one_before(place: Place, images: Path) -> None:
    number = scored(place, next((images / "odd").iterdir()))
    words = ["real", "false_alarm", "unsure"]
    for word in words:
        say(place, number, word)
    for word in (*words[1::-1], None):
        say(place, number, None)
        assert verdicts(place, number) == [word]
        assert ("Take it back" in place.page(f"/p/{number}")) == (word is not None)


def test_a_word_outlives_the_verdict_that_it_was_said_of(place: Place, images: Path) -> None:
    file = next((images / "odd").iterdir())
    first = scored(place, file)
    second = scored(place, file)
    say(place, second, "real")
    say(place, first, "false_alarm")
    say(place, second, "unsure")
    with place.service.database.write() as connection:
        connection.execute("DELETE FROM prediction WHERE id = ?", (first,))
    for word in ("false_alarm", "real", None):
        say(place, second, None)
        assert verdicts(place, second) == [word]


def test_a_judgement_is_of_one_model(three: Place, images: Path) -> None:
    file = next((images / "odd").iterdir())
    own = scored(three, file)
    answer = three.client.post("/api/v1/models/three/score", content=file.read_bytes(), headers=RAW)
    others = answer.json()["predictions"][0]["id"]
    say(three, own, "false_alarm")
    say(three, others, "real")
    assert verdicts(three, own) == ["false_alarm"]


def test_what_is_called_really_odd_while_an_update_waits_is_not_learnt(
    place: Place, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = sorted((images / "odd").iterdir())[:2]
    numbers = [scored(place, file) for file in files]
    for number in numbers:
        say(place, number, "false_alarm")
    jobs = place.service.jobs
    with monkeypatch.context() as waits:
        waits.setattr(jobs, "next", lambda: None)
        job = place.client.post(f"{MODEL}/update", json={"yes": True}).json()["id"]
        say(place, numbers[0], "real")
    ended = place.job(job)
    assert (ended["state"], ended["result"]["added"]) == ("done", 1)
    learnt = [row["id"] for row in place.service.reviews.compared(2, 0.05) if row["learnt"]]
    assert learnt == numbers[1:]
    say(place, numbers[1], "false_alarm")
    with monkeypatch.context() as waits:
        waits.setattr(jobs, "next", lambda: None)
        asked = {"yes": True, "predictions": numbers}
        say(place, numbers[0], "false_alarm")
        job = place.client.post(f"{MODEL}/update", json=asked).json()["id"]
        for number in numbers:
            say(place, number, "real")
    ended = place.job(job)
    assert ended["state"] == "failed"
    assert "none of them is called good any more" in ended["error"]


def test_judgements_of_before_that_differ_are_brought_to_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr("oneclass.serve.records.database.MIGRATIONS", migrations.MIGRATIONS[:6])
        Database(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        for number, name in ((1, "a"), (2, "a"), (3, "b")):
            connection.execute(
                "INSERT INTO version (id, name, number, digest, origin, card, false_alarms, at) "
                "VALUES (?, ?, ?, 'x', 'fit', '{}', 0.05, 0)",
                (number, name, number),
            )
            connection.execute(
                "INSERT INTO hour (version_id, hour, images, anomalies, seconds, slowest, "
                "false_alarms) VALUES (?, 0, 2, 2, 0, 0, 1)",
                (number,),
            )
        said = [(1, 1, "p"), (2, 2, "p"), (3, 3, "p"), (4, 1, "q"), (5, 1, "r")]
        for number, version, image in said:
            connection.execute(
                "INSERT INTO prediction (id, at, version_id, source, path, image, score, p_value, "
                "is_anomaly, false_alarms, seconds, review) "
                "VALUES (?, 0, ?, '', '', ?, 0, 0, 1, 0, 0, ?)",
                (number, version, image, None if image == "r" else "false_alarm"),
            )
            connection.execute(
                "INSERT INTO review (prediction_id, verdict, at, who) VALUES (?, ?, 0, 'w')",
                (number, None if image == "r" else "false_alarm"),
            )
        connection.execute("UPDATE prediction SET review = 'real' WHERE id = 2")
        connection.execute("UPDATE hour SET false_alarms = 0, real = 1 WHERE version_id = 2")
        connection.execute(
            "INSERT INTO review (prediction_id, verdict, at, who) VALUES (2, 'real', 0, 'w')"
        )
    database = Database(tmp_path)
    rows = database.rows("SELECT review FROM prediction ORDER BY id")
    assert [row[0] for row in rows] == ["real", "real", "false_alarm", "false_alarm", None]
    hours = database.rows("SELECT false_alarms, real FROM hour ORDER BY version_id")
    assert [tuple(row) for row in hours] == [(0, 1), (0, 1), (1, 0)]
    last = database.rows("SELECT verdict, who, said_of FROM review WHERE prediction_id = 1")[-1]
    assert tuple(last) == ("real", "w", 2)
    database.close()


def table(text: str) -> dict[str, tuple[int, int]]:
    """Of the comparison on a page: what a line is of, and its two numbers."""
    lines = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', text)
    return {
        title: (int(one), int(other))
        for title, cells in lines
        for one, other in re.findall(r">(\d+)</td><td[^>]*>(\d+)<", cells)
    }


def called_odd(place: Place, version: int, files: list[Path]) -> int:
    """By the model file of a version itself."""
    file = place.service.library.folder / f"stripes-{version}.oneclass"
    return sum(prediction.is_anomaly for prediction in load(file, threads=1).score(files))


def test_what_either_version_has_learnt_is_left_out_and_before_is_by_the_one_before(
    learnt: Place, images: Path, tmp_path: Path
) -> None:
    real = sorted((images / "odd").iterdir())[:2]
    first = sorted((tmp_path / "false").iterdir())
    assert called_odd(learnt, 1, first) > called_odd(learnt, 2, first)
    learnt.client.post(f"{MODEL}/take", json={"version": 2})
    rng = np.random.default_rng(5)
    noisy = (stripes(3, seed=21) + rng.normal(0, 40, (3, 24, 24))).clip(0, 255).astype(np.uint8)
    write_images(tmp_path / "second", noisy)
    second = sorted((tmp_path / "second").iterdir())
    numbers = [scored(learnt, file) for file in second]
    for number in numbers:
        say(learnt, number, "false_alarm")
    asked = {"yes": True, "predictions": numbers[1:]}
    job = learnt.job(learnt.client.post(f"{MODEL}/update", json=asked).json()["id"])
    assert (job["result"]["number"], job["done"]) == (3, job["total"])

    def both(files: list[Path]) -> tuple[int, int]:
        return called_odd(learnt, 2, files), called_odd(learnt, 3, files)

    text = learnt.page(LESSONS)
    assert table(text) == {
        "2 really odd, or missed": both(real),
        "1 good": both(second[:1]),
    }
    earlier = '<p class="muted">3 pictures left out: version 2 learnt them, and what a model says'
    assert earlier in text
    just = "2 pictures left out: version 3 has just learnt them."
    assert just in text
    still = called_odd(learnt, 3, second[1:])
    assert (f"{just} Version 3 calls {still} of them odd all the same." in text) == bool(still)
    assert "called odd by version 2, before<" in text
    assert "called odd by version 3, the new one<" in text
    versions = learnt.page("/models/stripes")
    assert "3 pictures left out: version 2 learnt them" in versions
    assert "called odd by version 1, before<" in versions
    # Both by the rate in force.
    assert learnt.client.put(f"{MODEL}/rate", json={"false_alarms": 0.99}).is_success
    text = learnt.page(LESSONS)
    assert table(text)["2 really odd, or missed"] == (2, 2)
    assert f"{just} Version 3 calls 2 of them odd all the same." in text
    assert "Both at 99\u00a0% false alarms, the rate that was set." in text


def taken(place: Place, version: int) -> tuple[float, str]:
    said = place.client.post(f"{MODEL}/take", json={"version": version}).json()
    assert said["serves"]
    return said["false_alarms"], said["rate_from"]


def set_to(place: Place, rate: float) -> None:
    assert place.client.put(f"{MODEL}/rate", json={"false_alarms": rate}).is_success


def test_a_rate_that_was_set_is_the_models_and_goes_on_with_another_version(
    learnt: Place,
) -> None:
    text = learnt.page(LESSONS)
    assert "Both at 5\u00a0% false alarms, the rate that version 2 was learnt for." in text
    set_to(learnt, 0.3)
    assert "Both at 30\u00a0% false alarms, the rate that was set." in learnt.page(LESSONS)
    assert "in use, its rate would be 30\u00a0%" in learnt.page("/models/stripes")
    assert taken(learnt, 2) == (0.3, "set")
    assert "(3 in 10)" in learnt.page("/score")
    set_to(learnt, 0.1)
    assert "in use, its rate would be 10\u00a0%" in learnt.page("/models/stripes")
    assert taken(learnt, 1) == (0.1, "set")  # not the 30 % that it had
    assert taken(learnt, 1) == (0.1, "set")
    set_to(learnt, 0.05)
    assert taken(learnt, 2) == (0.05, "set")
    rates = [row["false_alarms"] for row in learnt.service.versions.taken("stripes")]
    assert rates == [0.05, 0.05, 0.1, 0.1, 0.1, 0.3, 0.3, 0.05]


def test_a_rate_that_a_version_does_not_support_becomes_the_nearest(
    learnt: Place, tmp_path: Path, model_file: Path
) -> None:
    Detector(backbone="greyscale", threads=1, false_alarms=0.2).fit(list(stripes(20, seed=1))).save(
        tmp_path / "few.oneclass"
    )
    load(model_file, unclear=0.2).save(tmp_path / "three.oneclass")
    for name in ("few", "three"):
        content = (tmp_path / f"{name}.oneclass").read_bytes()
        assert learnt.client.put(f"{MODEL}/file", content=content, headers=RAW).is_success
    assert taken(learnt, 3) == (0.2, "learnt")  # none was set: each by its own
    assert taken(learnt, 1) == (0.05, "learnt")
    set_to(learnt, 0.03)
    lowest = learnt.service.versions.named("stripes", 3).lowest_rate
    assert lowest > 0.03
    assert taken(learnt, 3) == (lowest, "nearest")
    assert learnt.score(next((tmp_path / "false").iterdir())).is_success
    assert taken(learnt, 2) == (0.03, "set")  # what was set is not forgotten
    set_to(learnt, 0.3)
    assert taken(learnt, 4) == (0.05, "nearest")  # below its unclear ones


def test_a_version_that_is_learnt_anew_goes_by_the_rate_that_was_asked_for(
    learnt: Place, tmp_path: Path
) -> None:
    set_to(learnt, 0.3)
    write_images(tmp_path / "good", stripes(30, seed=5))
    asked = {"name": "stripes", "set": filled_set(learnt, tmp_path / "good"), "false_alarms": 0.1}
    assert taken(learnt, 2) == (0.3, "set")
    check = learnt.client.post("/api/v1/jobs/check", json={"set": asked["set"]}).json()["id"]
    assert learnt.job(check)["state"] == "done"
    text = learnt.page(f"/parts/check/{check}")
    told = 'data-version="2" data-rate="30\u00a0%" data-from="set" data-learnt-for="5\u00a0%"'
    assert f'<option value="stripes" data-next="3" {told} ' in text
    assert '<option value="0.1" data-needs="9" data-rate="10\u00a0%">' in text
    told = '<option value="" data-needs="19" data-rate="5\u00a0%">1 in 20 (50 images give a better'
    assert told in text
    assert learnt.job(learnt.client.post("/api/v1/jobs/fit", json=asked).json()["id"])["result"]
    assert learnt.service.versions.named("stripes").false_alarms == 0.1
    assert taken(learnt, 2) == (0.05, "learnt")
    assert taken(learnt, 3) == (0.1, "learnt")


def test_what_the_version_before_says_is_not_made_up_where_it_was_not_asked(
    learnt: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    [known, unknown, *_] = [row["id"] for row in learnt.service.reviews.compared(2, 0.05)]
    with learnt.service.database.write() as connection:
        connection.execute("UPDATE compared SET before = NULL WHERE prediction_id = ?", (unknown,))
    text = learnt.page(LESSONS)
    assert next(iter(table(text))) == "1 really odd, or missed"
    assert (
        "1 more picture that was reviewed is not in the table: what version 1 says of it was not"
        in text
    )
    # A database of before knows it of what that version itself had said.
    with learnt.service.database.write() as connection:
        connection.execute("UPDATE prediction SET version_id = 2 WHERE id = ?", (unknown,))
        connection.execute("ALTER TABLE compared DROP COLUMN before")
        for statement in migrations.EIGHTH.split(";\n"):
            connection.execute(statement)
    rows = {row["id"]: row["before_odd"] for row in learnt.service.reviews.compared(2, 0.05)}
    assert rows[known] == 1
    assert rows[unknown] is None


def test_what_was_reviewed_says_how_many_wait_of_each_model(three: Place, images: Path) -> None:
    number = scored(three, next((images / "odd").iterdir()))

    def waiting() -> dict[str, int]:
        [told] = re.findall('data-waiting-of="(.*?)"', three.page(LESSONS))
        counts: dict[str, int] = json.loads(html.unescape(told))
        return counts

    assert waiting() == {"stripes": 1}
    say(three, number, "real")
    assert waiting() == {}


def test_what_a_download_goes_by_is_said_where_that_is_not_the_rate_in_force(
    learnt: Place,
) -> None:
    said = r"goes by 5\u00a0%: <code>oneclass score --false-alarms (\S+)</code> judges as (.*?)\."
    assert not re.search(said, learnt.page("/models/stripes"))
    set_to(learnt, 0.3)
    assert re.findall(said, learnt.page("/models/stripes")) == [
        ("0.3", "here once it is in use"),
        ("0.3", "here"),
    ]


def test_a_page_hears_of_another_rate_or_version_and_can_ask_for_what_is_promised_now(
    learnt: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def promised() -> tuple[str, str]:
        part = learnt.page("/parts/promise?model=stripes")
        [found] = re.findall(r'data-version="(\d)">Of 100 good images, about (\d+) are', part)
        assert part.strip() in learnt.page("/score")
        return found

    told: list[str] = []
    monkeypatch.setattr(
        learnt.service.events, "tell", lambda kind, **facts: told.append(facts.get("name", ""))
    )
    assert promised() == ("1", "5")
    set_to(learnt, 0.3)
    assert promised() == ("1", "30")
    taken(learnt, 2)
    assert promised() == ("2", "30")
    assert told == ["stripes", "stripes"]
    write_images(tmp_path / "good", stripes(30, seed=5))
    asked = {"name": "stripes", "set": filled_set(learnt, tmp_path / "good")}
    learnt.job(learnt.client.post("/api/v1/jobs/fit", json=asked).json()["id"])
    until(lambda: told.count("stripes") == 3)
    assert promised() == ("3", "5")


def is_odd(place: Place, number: int) -> bool:
    odd: bool = place.client.get(f"/api/v1/predictions/{number}").json()["is_anomaly"]
    return odd


def test_what_was_said_of_a_picture_goes_for_what_other_versions_say_of_it_later(
    learnt: Place, images: Path
) -> None:
    files = sorted((images / "odd").iterdir())
    bad, doubted, good = files[0], files[2], files[3]
    say(learnt, scored(learnt, doubted), "unsure")
    first = scored(learnt, good)
    say(learnt, first, "false_alarm")
    learnt.client.post(f"{MODEL}/take", json={"version": 2})
    waiting = learnt.service.predictions.waiting()
    before = learnt.client.get(f"{MODEL}/monitor").json()["observed"]
    again = [scored(learnt, file) for file in (bad, doubted, good)]
    assert verdicts(learnt, *again) == ["real", "unsure", "false_alarm"]
    assert learnt.service.predictions.waiting() == waiting
    told = learnt.client.get(f"{MODEL}/monitor").json()["observed"]
    assert told["reviews"] == before["reviews"] + 3
    # The bad one is no good one; the doubted one is in neither number while it is called odd.
    odd = [number for number in again if is_odd(learnt, number)]
    assert told["called"] == before["called"] + (again[2] in odd)
    assert told["images"] == before["images"] + 1 + (again[1] not in odd)
    page = learnt.page(f"/p/{again[2]}")
    assert "The same picture was reviewed before" in page
    assert f'said of the <a href="/p/{first}">same picture</a>' in page
    # It stands until it is taken back.
    say(learnt, first, None)
    assert verdicts(learnt, first, again[2]) == [None, None]
    assert scored(learnt, good) not in [one.id for one in learnt.service.lessons("stripes")]


def test_a_missed_one_is_missed_by_a_later_version_too(place: Place, images: Path) -> None:
    file = next((images / "odd").iterdir())
    say(place, scored(place, file), "real")
    assert place.client.put(f"{MODEL}/rate", json={"false_alarms": 0.03}).is_success
    with place.service.database.write() as connection:
        connection.execute("UPDATE prediction SET is_anomaly = 0, version_id = 1")
        connection.execute("UPDATE hour SET real = 0, anomalies = 0")
    say(place, 1, "real")
    [count] = place.client.get(f"{MODEL}/monitor").json()["counts"]
    assert (count["missed"], count["images"]) == (1, 1)
    assert "bad, and missed" in place.page("/p/1")
    say(place, 1, "false_alarm")
    assert "<dd>good, " in place.page("/p/1")


def test_once_one_judgement_is_taken_back_the_one_before_goes_for_all_again(
    place: Place, images: Path
) -> None:
    file = next((images / "odd").iterdir())
    first = scored(place, file)
    say(place, first, "false_alarm")
    second = scored(place, file)
    say(place, second, "real")
    third = scored(place, file)
    assert verdicts(place, first, second, third) == ["real"] * 3
    say(place, second, None)
    assert verdicts(place, first, second, third) == ["false_alarm"] * 3
    assert verdicts(place, scored(place, file)) == ["false_alarm"]


def test_what_was_reviewed_is_counted_in_pictures(place: Place, images: Path) -> None:
    file, other = sorted((images / "odd").iterdir())[:2]
    numbers = [scored(place, one) for one in (file, file, other)]
    assert place.service.predictions.waiting() == {"stripes": 2}
    say(place, numbers[0], "unsure")
    assert place.service.predictions.waiting() == {"stripes": 1}
    part = place.page(LESSONS)
    assert "<b>1</b><span>unsure</span>" in part
    assert "Look again at the unsure one<" in part
    assert re.findall(r'class="tile"><a href="/p/(\d+)"', part) == [str(numbers[1])]
    listed = place.page("/score?model=stripes&review=unsure")
    assert re.findall(r'data-id="(\d+)"', listed) == [str(numbers[1])]
    with place.service.database.write() as connection:  # as by another rate
        connection.execute("UPDATE prediction SET is_anomaly = 0 WHERE id = ?", (numbers[1],))
    listed = place.page("/score?model=stripes&review=unsure&only=true")
    assert re.findall(r'data-id="(\d+)"', listed) == [str(numbers[0])]
    say(place, numbers[1], "false_alarm")
    assert [one.ids for one in place.service.lessons("stripes")] == [frozenset(numbers[:2])]
    asked = {"yes": True, "predictions": numbers[1:2]}
    job = place.job(place.client.post(f"{MODEL}/update", json=asked).json()["id"])
    assert job["result"]["added"] == 1
    assert "1 picture left out: version 2 has just learnt it." in place.page(LESSONS)


def test_judgements_of_before_are_given_to_what_came_later(
    place: Place, images: Path, model_file: Path, tmp_path: Path
) -> None:
    file, other = sorted((images / "odd").iterdir())[:2]
    say(place, scored(place, file), "real")
    place.client.put(f"{MODEL}/file", content=another(model_file, tmp_path, 0.2), headers=RAW)
    place.client.post(f"{MODEL}/take", json={"version": 2})
    later, apart = scored(place, file), scored(place, other)
    with place.service.database.write() as connection:  # as it was before
        connection.execute("DELETE FROM review WHERE prediction_id = ?", (later,))
        connection.execute("UPDATE prediction SET review = NULL WHERE id = ?", (later,))
        connection.execute("UPDATE hour SET real = 0 WHERE version_id = 2")
        connection.execute("DROP INDEX prediction_copies")
        for statement in migrations.ELEVENTH.split(";\n"):
            connection.execute(statement)
    assert verdicts(place, 1, later, apart) == ["real", "real", None]
    assert observed(place) == (0, 2)
    say(place, 1, None)
    assert verdicts(place, 1, later) == [None, None]
    assert observed(place) == (0, 0)


def test_a_picture_that_was_skipped_does_not_come_again_as_its_copy(
    place: Place, images: Path, model_file: Path, tmp_path: Path
) -> None:
    one, other, third = sorted((images / "odd").iterdir())[:3]
    oldest, copy = scored(place, one), scored(place, one)
    between = scored(place, other)
    content = another(model_file, tmp_path, 0.2)
    place.client.put(f"{MODEL}/file", content=content, headers=RAW)
    place.client.post(f"{MODEL}/take", json={"version": 2})
    newest = scored(place, one)  # by another version

    def shown(more: str = "") -> int | None:
        found = re.search(r'data-id="(\d+)"', place.page(f"/parts/review?model=stripes{more}"))
        return None if found is None else int(found[1])

    assert [shown(), shown(f"&before={newest}")] == [newest, between]
    assert shown(f"&before={between}") is None
    # What waits is counted in pictures, as they are shown.
    assert place.service.predictions.waiting() == {"stripes": 2}
    assert "The rest was skipped" in place.page(f"/parts/review?model=stripes&before={between}")
    # Said of one of them, it is said of all; taken back, the picture waits again, once.
    say(place, copy, "real")
    assert [shown(), shown(f"&before={between}")] == [between, None]
    say(place, copy, None)
    assert [shown(), shown(f"&before={newest}")] == [newest, between]
    # One that is not called odd any more does not hide an older one that is.
    with place.service.database.write() as connection:
        connection.execute("UPDATE prediction SET is_anomaly = 0 WHERE id = ?", (newest,))
    assert [shown(), shown(f"&before={between}")] == [between, copy]
    assert shown(f"&before={copy}") is None
    assert oldest < copy
    assert scored(place, third) == shown()


def test_pictures_that_wait_are_found_by_their_index(place: Place) -> None:
    """A copy is looked for among those of its picture alone, and from its own place on."""
    wanted = Filter("stripes", noticed=True, review="none", limit=1, pictures=True)
    where, values = _conditions(wanted)
    plan = place.service.database.rows(
        f"EXPLAIN QUERY PLAN SELECT p.id FROM prediction p WHERE {where} ORDER BY p.id DESC", values
    )
    told = " ".join(row["detail"] for row in plan)
    assert "USING INDEX prediction_same (<expr>=? AND version_id=? AND rowid>?)" in told


def test_what_was_skipped_is_counted_in_words(place: Place, images: Path) -> None:
    for n, told in ((1, "1 picture still waits."), (2, "2 pictures still wait.")):
        scored(place, sorted((images / "odd").iterdir())[n])
        assert told in place.page("/parts/review?model=stripes&before=1")


def renamed(file: Path, folder: Path, name: str) -> Path:
    folder.mkdir(exist_ok=True)
    return Path(shutil.copy(file, folder / name))


def test_a_picture_is_named_as_it_came_last(learnt: Place, images: Path, tmp_path: Path) -> None:
    real = sorted((images / "odd").iterdir())[:2]
    judged(learnt, 1.0)
    number = scored(learnt, renamed(real[0], tmp_path / "new", "monday.png"))
    text = learnt.page(LESSONS)
    link = f'<a href="/p/{number}" title="monday.png">monday.png</a>'
    assert f"would miss 2 that you called really odd: {link}" in text
    # What can be learnt, and what was learnt as good and is really odd.
    other, *_ = sorted((tmp_path / "false").iterdir())[2:]
    learnt.client.post(f"{MODEL}/take", json={"version": 2})
    write_images(tmp_path / "more", stripes(1, seed=12, upright=False))
    [file] = (tmp_path / "more").iterdir()
    say(learnt, scored(learnt, file), "false_alarm")
    number = scored(learnt, renamed(file, tmp_path / "new", "tuesday.png"))
    assert [(one.id, one.path) for one in learnt.service.lessons("stripes")] == [
        (number, "tuesday.png")
    ]
    number = scored(learnt, renamed(other, tmp_path / "new", "wednesday.png"))
    say(learnt, number, "real")
    assert f'<a href="/p/{number}" title="wednesday.png">wednesday.png</a>' in learnt.page(LESSONS)
    # And once the next version was learnt without it.
    number = scored(learnt, renamed(other, tmp_path / "new", "thursday.png"))
    job = learnt.job(learnt.client.post(f"{MODEL}/update", json={"yes": True}).json()["id"])
    assert job["result"]["left_out"] == ["thursday.png"]
    number = scored(learnt, renamed(other, tmp_path / "new", "friday.png"))
    assert f'<a href="/p/{number}" title="friday.png">friday.png</a>' in learnt.page(LESSONS)


def left_out(text: str) -> int:
    return sum(map(int, re.findall(r">(\d+) pictures? left out: ", text)))


def test_each_reviewed_picture_is_in_one_row_of_the_comparison_or_left_out_with_a_reason(
    place: Place, images: Path, tmp_path: Path
) -> None:
    odd = sorted((images / "odd").iterdir())
    write_images(tmp_path / "false", stripes(4, seed=11, upright=False))
    good = sorted((tmp_path / "false").iterdir())
    numbers = [scored(place, file) for file in (*odd, *good)]
    verdicts = ("real", "real", "real", "real", "unsure", "unsure")
    for number, verdict in zip(numbers, (*verdicts, *["false_alarm"] * 4), strict=True):
        say(place, number, verdict)
    place.service.keeping.place(place.service.predictions.one(numbers[3])["image"]).unlink()
    asked = {"yes": True, "predictions": numbers[-2:]}
    assert place.job(place.client.post(f"{MODEL}/update", json=asked).json()["id"])["result"]

    def told() -> tuple[list[str], str]:
        text = html.unescape(place.page(LESSONS))
        rows = list(table(text))
        assert sum(int(row.split()[0]) for row in rows) + left_out(text) == len(numbers)
        return rows, text

    rows, text = told()
    assert rows[0] == "3 really odd, or missed"
    assert "2 pictures left out: you are unsure of them, so no verdict on them is right" in text
    assert "1 picture left out: when version 2 was learnt, it was no longer kept, could not" in text
    # What was said since changes the reason, and nothing falls out.
    say(place, numbers[0], "unsure")
    say(place, numbers[1], None)
    say(place, numbers[4], "real")
    rows, text = told()
    assert rows[0] == "1 really odd, or missed"
    assert "2 pictures left out: you are unsure of them" in text
    assert "1 picture left out: what was said of it has been taken back since." in text
    assert "1 picture left out: you were unsure of it when version 2 was learnt, and have" in text
    # What came later was not reviewed then.
    say(place, scored(place, sorted((images / "normal").iterdir())[0]), "unsure")
    assert told()[0] == rows
    # Nor does anything fall out where the version before is deleted.
    assert place.client.post("/api/v1/models/stripes/take", json={"version": 2}).is_success

    def said() -> list[str]:
        return re.findall("[^>]* left out: [^<]*", place.page("/models/stripes"))

    before = said()
    assert len(before) == 5
    assert place.client.delete("/api/v1/models/stripes/versions/1").is_success
    assert said() == before
