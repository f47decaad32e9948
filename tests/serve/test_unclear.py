"""Images that are neither fine nor anomalies: people look at them, and no promise counts them."""

from __future__ import annotations

import csv
import html
import json
import re
import shutil
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from commands import oneclass
from oneclass.serve.records import migrations, retention
from oneclass.serve.records.database import FILE, Database
from oneclass.serve.records.predictions import Filter, Predictions
from serving import RAW, Place, until


def scored(place: Place, images: Path) -> list[dict[str, Any]]:
    """By the model with three verdicts, the normal ones last."""
    answers = [
        place.client.post("/api/v1/models/three/score", content=file.read_bytes(), headers=RAW)
        for folder in ("odd", "normal")
        for file in sorted((images / folder).iterdir())
    ]
    return [answer.json()["predictions"][0] for answer in answers]


def review(place: Place, number: int, verdict: str) -> None:
    asked = {"verdict": verdict}
    assert place.client.post(f"/api/v1/predictions/{number}/review", json=asked).status_code == 200


def test_unclear_images_wait_for_a_person(three: Place, images: Path) -> None:
    made = scored(three, images)
    noticed = [one["id"] for one in made if one["verdict"] != "fine"]
    unclear = [one["id"] for one in made if one["verdict"] == "unclear"]
    assert 0 < len(unclear) < len(noticed) < len(made)
    said = three.client.get("/api/v1/predictions?model=three&noticed=1").json()["predictions"]
    assert [one["id"] for one in said] == noticed[::-1]
    seen = []
    for left in range(len(noticed), 0, -1):
        text = three.page("/parts/review?model=three")
        assert f"{left} waiting" in text
        seen.append(int(re.findall(r'data-id="(\d+)"', text)[0]))
        assert "Good <kbd>G" in text
        review(three, seen[-1], "unsure")
    assert seen == noticed[::-1]
    assert "Nothing waits for three" in three.page("/parts/review?model=three")


def test_good_is_one_word_and_a_false_alarm_what_was_called_odd(three: Place, images: Path) -> None:
    made = scored(three, images)
    for kind, word in (("anomaly", "good (a false alarm)"), ("unclear", "good")):
        number = next(one["id"] for one in made if one["verdict"] == kind)
        for page in ("/parts/review?model=three&at=", "/p/"):
            button = "<button[^>]* data-say=.false_alarm.[^>]*>(.*?) <"
            assert re.findall(button, three.page(f"{page}{number}")) == ["Good"]
        review(three, number, "false_alarm")
        assert f"<dd>{word}, today" in three.page(f"/p/{number}")
        assert f"reviewed: {word}<" in three.page("/score?model=three")
    assert "<b>2</b><span>good</span>" in three.page("/parts/lessons?model=three")
    assert "Only those that you called good." in three.page("/score?model=three&review=false_alarm")
    # One that was called good by the model, marked as missed, can be called good again.
    fine = next(one["id"] for one in made if one["verdict"] == "fine")
    assert 'data-say="false_alarm"' not in three.page(f"/p/{fine}")
    review(three, fine, "real")
    assert 'data-say="false_alarm"' in three.page(f"/p/{fine}")
    review(three, fine, "false_alarm")
    assert "reviewed: good<" in three.page("/parts/tiles?model=three&review=false_alarm")


def test_where_unclear_begins_is_said_beside_what_is_promised(three: Place, images: Path) -> None:
    told = (
        "Called unclear is what is not odd at 5\u00a0%, but would be at 70\u00a0% (about 7 in 10)."
    )
    for page in ("/score?model=three", "/models", "/models/three"):
        assert three.page(page).count(told) == 1
    assert "Called unclear" not in three.page("/score?model=stripes")
    asked = {"folder": str(three.roots), "model": "three"}
    number = three.client.post("/api/v1/watches", json=asked).json()["id"]
    for file in images.glob("*/*.png"):
        shutil.copy(file, three.roots / f"{file.parent.name} {file.name}")
    until(lambda: "<span>unclear</span>" in three.page("/parts/watches"))
    address = f"/score?model=three&amp;watch={number}&amp;only=true#results"
    links = re.findall('<a[^>]* href="(.*?)">(.*?)</a>', three.page("/parts/watches"))
    assert [said for to, said in links if to == address] == ["Show odd or unclear ones"]
    # Where they lead the same is said.
    assert 'aria-pressed="true">Odd or unclear ones</button>' in three.page(
        html.unescape(address.partition("#")[0])
    )


def test_a_promise_of_false_alarms_counts_no_unclear_ones(three: Place, images: Path) -> None:
    made = scored(three, images)
    for verdict in ("anomaly", "unclear"):
        review(three, next(p["id"] for p in made if p["verdict"] == verdict), "false_alarm")
    said = three.client.get("/api/v1/models/three/monitor").json()
    [count] = said["counts"]
    counted = Counter(one["verdict"] for one in made)
    assert said["unclear"] == pytest.approx(0.7)
    assert (count["anomalies"], count["unclear"]) == (counted["anomaly"], counted["unclear"])
    assert count["false_alarms"] == 1
    text = three.client.get("/metrics").text
    assert f'oneclass_images_total{{verdict="unclear"}} {counted["unclear"]}' in text


def test_an_unclear_one_that_is_bad_was_not_missed_nor_is_it_good(
    three: Place, images: Path
) -> None:
    made = scored(three, images)
    for verdict in ("unclear", "fine"):
        review(three, next(p["id"] for p in made if p["verdict"] == verdict), "real")
    said = three.client.get("/api/v1/models/three/monitor").json()
    [count] = said["counts"]
    assert (count["missed"], count["unclear_real"], count["reviews"]) == (1, 1, 2)
    assert said["observed"]["images"] == len(made) - count["anomalies"] - 2


def test_unclear_ones_are_in_the_table_and_kept_like_odd_ones(
    three: Place, images: Path, tmp_path: Path
) -> None:
    made = scored(three, images)
    file = tmp_path / "all.csv"
    done = oneclass("serve", "export", file, "--data", three.service.settings.data)
    assert done.returncode == 0, done.stderr
    with file.open(newline="", encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["verdict"] for row in rows] == [one["verdict"] for one in made]
    database, keeping = three.service.database, three.service.keeping
    odd = database.value("SELECT sum(bytes) FROM image WHERE odd = 1")
    retention.forget_images(database, keeping.place, odd)
    said = three.client.get("/api/v1/predictions?model=three").json()["predictions"]
    assert [one["image_kept"] for one in said] == [one["verdict"] != "fine" for one in said]


def test_older_predictions_get_the_verdict_that_they_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as before:
        before.setattr("oneclass.serve.records.database.MIGRATIONS", migrations.MIGRATIONS[:2])
        Database(tmp_path).close()
    connection = sqlite3.connect(tmp_path / FILE)
    for card in ({}, {"unclear": 0.2}):
        connection.execute(
            "INSERT INTO version (name, number, digest, origin, card, false_alarms, at) "
            "VALUES (?, 1, 'ab', 'fit', ?, 0.05, 0)",
            (str(card), json.dumps(card)),
        )
    cases = [(version, p) for version in (1, 2) for p in (0.01, 0.1, 0.2, 0.5)]
    connection.executemany(
        "INSERT INTO prediction (at, version_id, source, path, image, score, p_value, is_anomaly, "
        "false_alarms, seconds) VALUES (0, ?, 'api', 'a', 'b', 0, ?, ?, 0.05, 0)",
        [(version, p, p <= 0.05) for version, p in cases],
    )
    connection.commit()
    connection.close()
    database = Database(tmp_path)
    found = [bool(row["is_unclear"]) for row in database.rows("SELECT * FROM prediction")]
    assert found == [version == 2 and 0.05 < p <= 0.2 for version, p in cases]
    assert len(Predictions(database).listed(Filter(noticed=True))) == 2 + 2
