"""What the page Monitor counts: of the same images, and by the rates that verdicts went by."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from oneclass.conformal.drift import drift
from oneclass.serve.records import migrations
from oneclass.serve.records.database import FILE, Database
from serving import Place

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
        "reviews": len(said),
        "promised": pytest.approx(0.05),
    }


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


def test_what_to_do_about_drift_ends_its_sentences() -> None:
    """monitor.js leaves these ends out, as its own advice says the same."""
    all_odd = drift(np.full(100, 0.01), 0.05, 100)
    many_low = drift(np.full(100, 0.06), 0.05, 100)
    assert all_odd is not None
    assert many_low is not None
    assert "? Learn again " in all_odd
    assert "no longer holds, so learn again " in many_low
