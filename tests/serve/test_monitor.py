"""What the page Monitor counts: of the same images, and by the rates that verdicts went by."""

from __future__ import annotations

import html
import re
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import stripes, write_images
from oneclass import Detector
from oneclass.conformal.drift import drift
from oneclass.serve.api.monitor import rates
from oneclass.serve.records import migrations, retention
from oneclass.serve.records.database import FILE, Database
from oneclass.serve.records.predictions import Made
from serving import RAW, Place, another

MODEL = "/api/v1/models/stripes"


def monitor(place: Place) -> dict[str, Any]:
    answer: dict[str, Any] = place.client.get(f"{MODEL}/monitor").json()
    return answer


def test_the_share_of_good_images_called_odd_is_of_the_same_images(
    place: Place, images: Path
) -> None:
    files = [*sorted((images / "normal").iterdir()), *sorted((images / "odd").iterdir())]
    scored = [place.score(file).json()["predictions"][0] for file in files]
    fine = [one["id"] for one in scored if one["verdict"] == "fine"]
    odd = [one["id"] for one in scored if one["verdict"] == "anomaly"]
    assert len(odd) >= 5
    assert len(fine) >= 4
    said = {odd[0]: "real", odd[1]: "false_alarm", odd[2]: "unsure"}
    said |= {fine[0]: "real", fine[1]: "unsure"}
    for number, verdict in said.items():
        asked = {"verdict": verdict}
        assert place.client.post(f"/api/v1/predictions/{number}/review", json=asked).is_success
    observed = monitor(place)["observed"]
    # By hand: the good ones are those that look good but the missed one, and the false alarm.
    assert observed == {
        "images": len(fine) - 1 + 1,
        "called": 1,
        "undecided": len(odd) - 2,
        "unsure": 1,
        "removed": 0,
        "reviews": len(said),
        "promised": pytest.approx(0.05),
    }


def test_what_is_removed_is_not_said_to_wait_nor_to_have_never_been(
    place: Place, images: Path
) -> None:
    assert place.client.put(f"{MODEL}/rate", json={"false_alarms": 0.999}).is_success
    numbers = [
        place.score(file).json()["predictions"][0]["id"]
        for file in sorted((images / "odd").iterdir())[:5]
    ]
    review = "/api/v1/predictions/{}/review"
    for number, verdict in zip(numbers, ("false_alarm", "unsure"), strict=False):
        place.client.post(review.format(number), json={"verdict": verdict})
    with place.service.database.write() as connection:
        connection.execute("UPDATE prediction SET at = at - 3600 WHERE id <= ?", (numbers[3],))
        connection.execute("UPDATE hour SET images = 4, anomalies = 4, hour = hour - 1")
        connection.execute(
            "INSERT INTO hour (version_id, hour, images, anomalies, seconds, slowest) "
            "SELECT version_id, hour + 1, 1, 1, 0, 0 FROM hour"
        )

    def told() -> tuple[int, int, int, str | None]:
        said = monitor(place)
        seen = said["observed"]
        return seen["undecided"], seen["unsure"], seen["removed"], said["why_none"]

    # Some of an hour, all of that hour, and all that there is.
    [middle, last] = [
        place.service.database.value("SELECT at FROM prediction WHERE id = ?", (number,))
        for number in (numbers[2], numbers[4])
    ]
    assert told() == (4, 1, 0, None)
    retention.forget_predictions(place.service.database, middle)
    assert told() == (4, 0, 1, None)
    retention.forget_predictions(place.service.database, last)
    assert told() == (4, 0, 3, None)
    assert len(in_review(place)) == 1
    retention.forget_predictions(place.service.database, last + 1)
    assert told() == (4, 0, 4, "removed")
    answer = place.client.post(f"{MODEL}/report", json={})
    assert "version 1 of stripes has no verdicts left, as --keep removed them: " in answer.text


def test_why_there_are_no_last_pictures(place: Place, tmp_path: Path) -> None:
    assert monitor(place)["why_none"] == "nothing"
    [*_, learnt] = sorted(write_images(tmp_path / "learnt", stripes(40, seed=1)))
    assert place.score(learnt).json()["predictions"][0]["learnt"]
    assert monitor(place)["why_none"] == "learnt"
    retention.forget_predictions(place.service.database, time.time() + 1)
    assert monitor(place)["why_none"] == "removed"


def test_another_rate_makes_no_other_promise_of_what_was_said(place: Place, images: Path) -> None:
    assert monitor(place)["observed"]["promised"] is None
    for file in sorted((images / "odd").iterdir())[:3]:
        place.score(file)
    assert place.client.put(f"{MODEL}/rate", json={"false_alarms": 0.25}).is_success
    told = monitor(place)
    assert told["false_alarms"] == 0.25
    assert told["observed"]["promised"] == pytest.approx(0.05)
    place.score(next((images / "normal").iterdir()))
    [count] = monitor(place)["counts"]
    assert count["promised"] == pytest.approx((3 * 0.05 + 0.25) / 4)


def test_a_database_of_before_learns_what_was_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr("oneclass.serve.records.database.MIGRATIONS", migrations.MIGRATIONS[:4])
        Database(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute(
            "INSERT INTO version (name, number, digest, origin, card, false_alarms, at) "
            "VALUES ('parts', 1, 'ab', 'fit', '{}', 0.5, 0)"
        )
        for at, rate in ((3600, 0.1), (7199, 0.2), (7200, 0.4)):
            connection.execute(
                "INSERT INTO prediction (at, version_id, source, path, image, score, p_value, "
                "is_anomaly, false_alarms, seconds) VALUES (?, 1, 'api', '', '', 0, 1, 0, ?, 0)",
                (at, rate),
            )
        for hour, n in ((1, 2), (2, 1), (3, 5)):  # the predictions of the last hour are gone
            connection.execute(
                "INSERT INTO hour (version_id, hour, images, anomalies, seconds, slowest) "
                "VALUES (1, ?, ?, 0, 0, 0)",
                (hour, n),
            )
    connection.close()
    rows = Database(tmp_path).rows("SELECT promised FROM hour ORDER BY hour")
    assert [row["promised"] for row in rows] == pytest.approx([0.3, 0.4, 2.5])


KILLED = """
import os, signal, sys
from pathlib import Path
from oneclass.serve.records import database

class Connection(database.sqlite3.Connection):
    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        after = int(sys.argv[2])
        self.set_progress_handler(lambda: os.kill(os.getpid(), signal.SIGKILL), after)

connect = database.sqlite3.connect
database.sqlite3.connect = lambda *args, **more: connect(*args, factory=Connection, **more)
database.Database(Path(sys.argv[1]))
"""
"""Brings a database up to date, and is killed after so many of SQLite's own instructions."""


def before_promises(folder: Path, monkeypatch: pytest.MonkeyPatch, n: int) -> None:
    """A database of four steps, of n predictions and their hours."""
    with monkeypatch.context() as before:
        before.setattr("oneclass.serve.records.database.MIGRATIONS", migrations.MIGRATIONS[:4])
        Database(folder).close()
    with closing(sqlite3.connect(folder / FILE)) as connection, connection:
        connection.execute(
            "INSERT INTO version (name, number, digest, origin, card, false_alarms, at) "
            "VALUES ('parts', 1, 'ab', 'fit', '{\"false_alarms\": 0.05}', 0.05, 0)"
        )
        connection.execute(
            "INSERT INTO taken (name, version_id, at, who) VALUES ('parts', 1, 0, '')"
        )
        connection.execute(
            "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ? - 1) "
            "INSERT INTO prediction (at, version_id, source, path, image, score, p_value, "
            "is_anomaly, false_alarms, seconds) "
            "SELECT i * 36.0, 1, 'api', '', '', 0, 1, 0, 0.02, 0 FROM n",
            (n,),
        )
        connection.execute(
            "INSERT INTO hour (version_id, hour, images, anomalies, seconds, slowest) "
            "SELECT version_id, CAST(at / 3600 AS INTEGER), count(*), 0, 0, 0 FROM prediction "
            "GROUP BY 1, 2"
        )


def test_a_database_that_is_killed_while_it_is_brought_up_to_date_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_promises(tmp_path, monkeypatch, 3000)
    for after in (200, 5000, 20_000):
        code = subprocess.run(
            [sys.executable, "-c", KILLED, str(tmp_path), str(after)], check=False
        ).returncode
        assert code == -signal.SIGKILL
        with closing(sqlite3.connect(tmp_path / FILE)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (4,)
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert connection.execute("SELECT count(*) FROM prediction").fetchone() == (3000,)
    rows = Database(tmp_path).rows("SELECT images, promised FROM hour")
    assert len(rows) == 30
    assert [row["promised"] for row in rows] == pytest.approx([100 * 0.02] * 30)


def test_a_database_is_brought_up_to_date_by_going_through_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten times the predictions are ten times the work, not a hundred times: a million take 1 s."""
    took = []
    for n in (3000, 30_000):
        folder = tmp_path / str(n)
        folder.mkdir()
        before_promises(folder, monkeypatch, n)
        steps = [0]

        def count(steps: list[int] = steps) -> None:
            steps[0] += 1

        with closing(sqlite3.connect(folder / FILE)) as connection:
            connection.set_progress_handler(count, 1000)
            for script in migrations.MIGRATIONS[4:]:
                connection.executescript(script)
        took.append(steps[0])
    assert 0 < took[1] < 15 * took[0]


def test_another_rate_stands_in_the_history(place: Place) -> None:
    assert place.client.put(f"{MODEL}/rate", json={"false_alarms": 0.15}).is_success
    assert place.client.put(f"{MODEL}/rate", json={"false_alarms": 0.15}).is_success  # no change
    assert place.client.post(f"{MODEL}/take", json={"version": 1}).is_success
    rows = place.service.versions.taken("stripes")
    assert [(row["number"], row["false_alarms"]) for row in rows] == [
        (1, 0.15),
        (1, 0.15),
        (1, 0.05),
    ]
    assert [row["who"] for row in rows] == ["this machine", "this machine", "test"]
    table = html.unescape(place.page("/models/stripes")).partition("Which was in use when")[2]
    told = re.findall(r"<td>([^<]*)</td>", table)
    assert [told[2], told[6], told[3], told[7]] == [
        "15\u00a0% (3 in 20)",
        "5\u00a0% (1 in 20)",
        "somebody at this computer",
        "test",
    ]


def test_another_rate_is_no_decision_against_a_version_that_waits(place: Place) -> None:
    versions = place.service.versions
    first = versions.decided("stripes")
    place.client.put(f"{MODEL}/rate", json={"false_alarms": 0.15})
    assert versions.decided("stripes") == first
    place.client.post(f"{MODEL}/take", json={"version": 1})
    assert versions.decided("stripes") > first


def test_a_history_of_before_knows_the_rate_only_where_it_was_never_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before_promises(tmp_path, monkeypatch, 1)
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute(
            "INSERT INTO version (name, number, digest, origin, card, false_alarms, at) "
            "VALUES ('parts', 2, 'cd', 'fit', '{\"false_alarms\": 0.05}', 0.1, 0)"
        )
        connection.execute(
            "INSERT INTO taken (name, version_id, at, who) VALUES ('parts', 2, 1, '')"
        )
    rows = Database(tmp_path).rows("SELECT false_alarms FROM taken ORDER BY id")
    assert [row["false_alarms"] for row in rows] == [0.05, None]


@pytest.mark.parametrize(
    ("n", "rate", "offered"),
    [
        (40, 0.05, [0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5]),
        (40, 0.195, [0.03, 0.05, 0.1, 0.15, 0.195, 0.2, 0.3, 0.5]),
        (99, 0.05, [0.01, 0.02, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5]),
        (9, 0.1, [0.1, 0.2, 0.3, 0.5]),  # 15 % calls what 10 % calls
        (1, 0.5, [0.5]),
    ],
)
def test_rates_to_choose_from_are_round_and_differ(
    place: Place, n: int, rate: float, offered: list[float]
) -> None:
    [version] = place.service.versions.serving()
    version = replace(version, false_alarms=rate)
    scores = np.random.default_rng(n).normal(size=n)
    # The p-values of the held-out images themselves, each against all.
    p_values = np.array([(1 + np.sum(scores >= score)) / (n + 1) for score in scores])
    found = rates(scores, p_values, version)
    assert [one.false_alarms for one in found] == offered
    for one in found:
        assert one.called == np.sum(scores > one.threshold)
        assert one.false_alarms in (rate, *map(float, offered))
    assert len({one.threshold for one in found}) == len(found)


def test_no_rate_is_offered_at_which_none_is_unclear(three: Place) -> None:
    told = three.client.get("/api/v1/models/three/monitor").json()
    assert max(one["false_alarms"] for one in told["rates"]) == 0.5 < told["unclear"]
    [version] = [one for one in three.service.versions.serving() if one.name == "three"]
    version = replace(version, card={**version.card, "unclear": 0.2})
    offered = [one.false_alarms for one in rates(np.arange(40.0), np.empty(0), version)]
    assert offered == [0.03, 0.05, 0.1, 0.15]


def test_a_rate_that_is_set_is_no_drift(place: Place, tmp_path: Path) -> None:
    write_images(tmp_path / "good", stripes(30, seed=2))
    for file in sorted((tmp_path / "good").iterdir()):
        place.score(file)
    assert monitor(place)["drift"] is None
    assert place.client.put(f"{MODEL}/rate", json={"false_alarms": 0.9}).is_success
    told = monitor(place)
    [called] = [one["called"] for one in told["rates"] if one["false_alarms"] == 0.9]
    assert called > 15
    assert told["drift"] is None  # as their verdicts stand
    for file in sorted((tmp_path / "good").iterdir()):
        place.score(file)
    told = monitor(place)
    assert told["counts"][0]["anomalies"] > 15
    assert told["drift"] is None  # no more than was asked for


def test_what_to_do_about_drift_ends_its_sentences() -> None:
    """monitor.js leaves these ends out, as its own advice says the same."""
    all_odd = drift(np.full(100, 0.01), 0.05, 100)
    many_low = drift(np.full(100, 0.06), 0.05, 100)
    assert all_odd is not None
    assert many_low is not None
    assert "? Learn again " in all_odd
    assert "no longer holds, so learn again " in many_low


def test_the_same_picture_counts_once_for_each_version(
    place: Place, images: Path, model_file: Path, tmp_path: Path
) -> None:
    odd, fine = (sorted((images / kind).iterdir()) for kind in ("odd", "normal"))
    assert monitor(place)["again"] == 0
    first, *again = [place.score(odd[0]).json()["predictions"][0]["id"] for _ in range(3)]
    place.score(fine[0])
    place.score(fine[0], **{"X-File-Name": "another name.png"})
    told = monitor(place)
    [count] = told["counts"]
    assert (count["images"], count["anomalies"], told["again"]) == (2, 1, 3)
    assert count["promised"] == pytest.approx(0.05)
    assert (told["last"], sum(told["scored"])) == (2, 2)
    # What is said of one that came again is said of the one that counts.
    said = {"verdict": "false_alarm"}
    place.client.post(f"/api/v1/predictions/{again[0]}/review", json=said)
    reviews = {
        n: place.client.get(f"/api/v1/predictions/{n}").json()["review"] for n in range(1, 4)
    }
    assert reviews == {first: "false_alarm", again[0]: "false_alarm", again[1]: "false_alarm"}
    [count] = monitor(place)["counts"]
    assert (count["false_alarms"], count["reviews"]) == (1, 1)
    observed = monitor(place)["observed"]
    assert (observed["images"], observed["called"], observed["undecided"]) == (2, 1, 0)
    place.client.post(f"/api/v1/predictions/{again[1]}/review", json={"verdict": "unsure"})
    [count] = monitor(place)["counts"]
    assert (count["false_alarms"], count["reviews"]) == (0, 1)
    for number in again:
        place.client.post(f"/api/v1/predictions/{number}/review", json={"verdict": None})
    [count] = monitor(place)["counts"]
    assert (count["false_alarms"], count["reviews"]) == (0, 0)
    # A list of what a rate would call has as many as are counted.
    rate = max(told["rates"], key=lambda one: float(one["false_alarms"]))
    listed = place.page(f"/score?model=stripes&rate={rate['false_alarms']}")
    assert len(re.findall(r'data-id="\d+"', listed)) == rate["called"] == 1
    assert place.page("/score?model=stripes").count("data-id=") == 5
    # Another version says it for the first time.
    content = another(model_file, tmp_path, 0.2)
    place.client.put(f"{MODEL}/file", content=content, headers=RAW)
    place.client.post(f"{MODEL}/take", json={"version": 2})
    place.score(odd[0])
    told = monitor(place)
    assert sum(count["images"] for count in told["counts"]) == 3
    assert (told["last"], told["again"]) == (1, 3)
    # The page says by which they are counted, whichever is in use.
    assert (told["version"], told["versions"]) == (2, [1, 2])
    place.client.post(f"{MODEL}/take", json={"version": 1})
    told = monitor(place)
    assert (told["version"], told["versions"]) == (1, [1, 2])
    assert sum(count["images"] for count in told["counts"]) == 3


def test_an_hour_in_which_all_came_again_is_no_count(place: Place, images: Path) -> None:
    file = next((images / "odd").iterdir())
    place.score(file)
    with place.service.database.write() as connection:
        connection.execute("UPDATE hour SET hour = hour - 30")
        connection.execute("UPDATE prediction SET at = at - 30 * 3600")
    place.score(file)
    told = monitor(place)
    [count] = told["counts"]
    assert (count["images"], told["again"]) == (1, 1)


def test_pictures_whose_digests_begin_alike_are_told_apart(place: Place, images: Path) -> None:
    first, second = (
        place.score(file).json()["predictions"][0]["id"]
        for file in sorted((images / "odd").iterdir())[:2]
    )
    with place.service.database.write() as connection:
        for number in (first, second):
            image = "0" * 8 + f"{number:056}"
            connection.execute("UPDATE prediction SET image = ? WHERE id = ?", (image, number))
    made = place.service.predictions.one(second)
    assert made is not None
    facts = {field.name: made[field.name] for field in fields(Made)}
    with place.service.database.write() as connection:
        place.service.predictions.add(Made(**{**facts, "image": "0" * 64}), connection)
        place.service.predictions.add(Made(**facts), connection)
    rows = place.service.database.rows("SELECT again FROM prediction ORDER BY id")
    assert [row["again"] for row in rows] == [0, 0, 0, 1]


def rate_that_calls(place: Place, file: Path) -> tuple[float, float]:
    """Two rates of false alarms: one that does not call a picture odd, and one that does."""
    p_value: float = place.score(file).json()["predictions"][0]["p_value"]
    with place.service.database.write() as connection:
        for table in ("prediction", "hour"):
            connection.execute(f"DELETE FROM {table}")
    return p_value * 0.99, p_value


def set_rate(place: Place, rate: float) -> None:
    assert place.client.put(f"{MODEL}/rate", json={"false_alarms": rate}).is_success


def in_review(place: Place) -> list[int]:
    """The pictures that wait in Review, each skipped to see the next; as many as it says."""
    found: list[int] = []
    while True:
        before = f"&before={found[-1]}" if found else ""
        page = place.page(f"/parts/review?model=stripes{before}")
        shown = re.search(r'data-id="(\d+)"', page)
        if shown is None:
            assert place.service.predictions.waiting().get("stripes", 0) == len(found)
            return found
        found.append(int(shown[1]))


def test_review_and_monitor_go_by_the_rate_in_force_when_a_picture_came_last(
    place: Place, images: Path
) -> None:
    file = sorted((images / "normal").iterdir())[0]
    low, high = rate_that_calls(place, file)

    def counted() -> tuple[int, int, float]:
        told = monitor(place)
        [count] = told["counts"]
        assert (count["images"], told["last"]) == (1, 1)
        return count["anomalies"], told["again"], count["promised"]

    set_rate(place, low)
    first = place.score(file).json()["predictions"][0]["id"]
    assert (in_review(place), counted()) == ([], (0, 0, pytest.approx(low)))
    set_rate(place, high)  # another rate alone changes neither
    assert (in_review(place), counted()) == ([], (0, 0, pytest.approx(low)))
    second = place.score(file).json()["predictions"][0]["id"]
    assert (in_review(place), counted()) == ([second], (1, 1, pytest.approx(high)))
    set_rate(place, low)
    third = place.score(file).json()["predictions"][0]["id"]
    assert (in_review(place), counted()) == ([], (0, 2, pytest.approx(low)))
    place.score(file)  # at the same rate it is one that came again
    assert (in_review(place), counted()) == ([], (0, 3, pytest.approx(low)))
    set_rate(place, high)
    last = place.score(file).json()["predictions"][0]["id"]
    assert (in_review(place), counted()) == ([last], (1, 4, pytest.approx(high)))
    # What is said of any of them counts by the verdict that counts.
    said = {"verdict": "false_alarm"}
    place.client.post(f"/api/v1/predictions/{third}/review", json=said)
    assert (in_review(place), monitor(place)["counts"][0]["false_alarms"]) == ([], 1)
    assert monitor(place)["observed"]["called"] == 1
    set_rate(place, low)
    place.score(file)
    [count] = monitor(place)["counts"]
    assert (count["anomalies"], count["false_alarms"], count["reviews"]) == (0, 0, 1)
    assert monitor(place)["observed"]["called"] == 0
    assert first < second


def test_a_verdict_that_was_let_go_hides_no_later_one(place: Place, images: Path) -> None:
    file = sorted((images / "normal").iterdir())[0]
    low, high = rate_that_calls(place, file)
    set_rate(place, high)
    first, again = (place.score(file).json()["predictions"][0]["id"] for _ in range(2))
    with place.service.database.write() as connection:
        connection.execute("DELETE FROM prediction WHERE id = ?", (first,))
    assert in_review(place) == [again]
    set_rate(place, low)
    place.score(file)
    assert in_review(place) == []
    assert monitor(place)["counts"][0]["anomalies"] == 1  # that of the one that was let go
    assert low < high


def test_why_the_slider_ends_and_what_was_set_is_told_as_long_as_it_is_so(
    place: Place, tmp_path: Path
) -> None:
    text = html.unescape(place.page("/monitor"))
    assert "No rate below 2.44\u00a0% (1 in 41) can be had: version 1 has 40 good images to" in text
    assert "2\u00a0% (1 in 50) takes 49 different pictures, 9 more than these: " in text
    assert "The rate that was set" not in text
    few = Detector(backbone="greyscale", threads=1, false_alarms=0.2).fit(list(stripes(20, seed=1)))
    few.save(tmp_path / "few.oneclass")
    content = (tmp_path / "few.oneclass").read_bytes()
    assert place.client.put(f"{MODEL}/file", content=content, headers=RAW).is_success
    assert place.client.put(f"{MODEL}/rate", json={"false_alarms": 0.03}).is_success
    waits = html.unescape(place.page("/models/stripes"))
    assert (
        "its rate would be 4.76\u00a0%, the nearest that it supports to the 3\u00a0% that" in waits
    )
    assert place.client.post(f"{MODEL}/take", json={"version": 2}).is_success
    for page in ("/monitor", "/parts/rate"):
        text = html.unescape(place.page(page))
        assert (
            "The rate that was set is 3\u00a0%; version 2 goes by 4.76\u00a0%, the nearest" in text
        )
    card = html.unescape(place.page("/models/stripes"))
    assert (
        "now its rate is 4.76\u00a0%, the nearest that it supports to the 3\u00a0% that was set"
        in card
    )


def test_which_was_in_use_when_has_a_row_where_something_changed(
    place: Place, model_file: Path, tmp_path: Path
) -> None:
    content = another(model_file, tmp_path, 0.1)
    assert place.client.put(f"{MODEL}/file", content=content, headers=RAW).is_success
    for number in (1, 2, 2):  # kept; used; used once more in another window
        assert place.client.post(f"{MODEL}/take", json={"version": number}).is_success
    assert place.client.put(f"{MODEL}/rate", json={"false_alarms": 0.2}).is_success
    table = html.unescape(place.page("/models/stripes")).partition("Which was in use when")[2]
    rows = re.findall(r"</td><td>(\d)</td><td>(\d+)\u00a0%", table)
    assert rows == [("2", "20"), ("2", "10"), ("1", "5")]
