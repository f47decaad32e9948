"""Beside verdicts: tables to save, neighbours, what waits, and what cannot learn."""

from __future__ import annotations

import csv
import html
import re
from pathlib import Path
from typing import Any

import pytest

from oneclass import load
from oneclass.images import SUFFIXES
from oneclass.results.runs import write_run
from oneclass.serve.records.predictions import Filter, Predictions
from serving import RAW, Place, another

TABLE = "/api/v1/predictions.csv"


def score_all(place: Place, folder: Path, model: str = "stripes") -> list[int]:
    """The ids of the predictions of what lies in a folder and below."""
    found = []
    for file in sorted(folder.rglob("*.png")):
        answer = place.client.post(
            f"/api/v1/models/{model}/score",
            content=file.read_bytes(),
            headers={**RAW, "X-File-Name": str(file.relative_to(folder)).replace("/", "%2F")},
        )
        found.append(answer.json()["predictions"][0]["id"])
    return found


@pytest.mark.parametrize("model", ["stripes", "three"])
def test_a_batch_is_saved_as_the_command_writes_it(
    three: Place, model_file: Path, images: Path, tmp_path: Path, model: str
) -> None:
    numbers = score_all(three, images, model)
    files = sorted(images.rglob("*.png"))
    detector = load(model_file, threads=1, unclear=0.7 if model == "three" else None)
    predictions = list(detector.score(files))
    folder = tmp_path / "run"
    record = {"unclear": 0} if model == "three" else {}
    write_run(folder, predictions, [], {**record, "scored": len(files), "errors": 0})
    own = (folder / "predictions.csv").read_text(encoding="utf-8")
    own = own.replace(f"{images}/", "")
    answer = three.client.post(TABLE, json={"predictions": numbers})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.text == own
    backwards = three.client.post(TABLE, json={"predictions": numbers[::-1]}).text
    assert backwards.splitlines()[1:] == own.splitlines()[:0:-1]


def test_a_table_of_nothing_or_of_what_is_not_there_is_refused(place: Place, images: Path) -> None:
    [number, *_] = score_all(place, images)
    missing = place.client.post(TABLE, json={"predictions": [number, 999]})
    assert (missing.status_code, missing.json()["error"]) == (404, "not_found")
    assert "prediction 999" in missing.json()["message"]
    for wrong in ([], [-1], ["x"], [2**63], None):
        assert place.client.post(TABLE, json={"predictions": wrong}).status_code == 422


def test_a_table_of_a_model_has_no_line_of_another(three: Place, images: Path) -> None:
    score_all(three, images / "odd", "three")
    numbers = score_all(three, images / "normal")
    text = three.client.get("/api/v1/models/stripes/results.csv").text
    rows = list(csv.DictReader(text.splitlines()))
    assert [int(row["id"]) for row in rows] == numbers
    assert list(rows[0])[:4] == ["path", "score", "p_value", "is_anomaly"]
    assert three.client.get("/api/v1/models/no/results.csv").status_code == 404
    assert "/api/v1/models/stripes/results.csv" in three.page("/score?model=stripes")


def test_a_picture_leads_to_its_neighbours_in_the_list_it_was_opened_from(
    place: Place, images: Path
) -> None:
    numbers = score_all(place, images)
    odd = [
        one["id"]
        for one in place.client.get("/api/v1/predictions?only_anomalies=true").json()["predictions"]
    ]
    assert 1 < len(odd) < len(numbers)
    for query, walked in (("", numbers[::-1]), ("?only=true", odd)):
        for i, number in enumerate(walked):
            text = place.page(f"/p/{number}{query}")
            steps = re.findall(r'href="/p/(\d+)([^"]*)" aria-keyshortcuts="(\w+)"', text)
            expected = []
            if i:
                expected.append((str(walked[i - 1]), query, "ArrowLeft"))
            if i + 1 < len(walked):
                expected.append((str(walked[i + 1]), query, "ArrowRight"))
            assert steps == expected
    listed = place.page("/score?only=true")
    assert re.findall(r'href="/p/(\d+)\?only=true"', listed) == [str(number) for number in odd]


def test_a_picture_is_named_with_its_folder_wherever_it_is_named(
    place: Place, images: Path
) -> None:
    """Two folders may each have a part1.jpg."""
    odd = sorted((images / "odd").iterdir())
    for file, folder in zip(odd, ("a", "b", "c"), strict=False):
        place.score(file, **{"X-File-Name": f"weird%2F{folder}%2Fpart1.jpg"})
    for verdict, number in (("unsure", 1), ("real", 2)):
        place.client.post(f"/api/v1/predictions/{number}/review", json={"verdict": verdict})
    tiles = place.page("/score")
    for folder in "abc":
        assert f'<bdi title="weird/{folder}/part1.jpg">{folder}/part1.jpg</bdi>' in tiles
    alone = place.page("/p/2")
    assert "<title>b/part1.jpg" in alone
    assert '<h1><bdi title="weird/b/part1.jpg">b/part1.jpg</bdi></h1>' in alone
    assert 'alt="b/part1.jpg"' in alone
    assert '<bdi title="weird/c/part1.jpg">c/part1.jpg</bdi></h2>' in place.page("/review")
    lessons = place.page("/parts/lessons?model=stripes")
    assert '<bdi title="weird/a/part1.jpg">a/part1.jpg</bdi>' in lessons
    place.score(odd[4], **{"X-File-Name": r"D:%5Cline%5Ctwo%5Cpart2.jpg"})
    place.score(odd[5], **{"X-File-Name": "alone.jpg"})
    tiles = place.page("/score")
    assert ">two/part2.jpg</bdi>" in tiles
    assert '<bdi title="alone.jpg">alone.jpg</bdi>' in tiles


def test_what_a_rate_would_call_odd_is_what_the_monitor_counts(
    place: Place, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    score_all(place, images)
    p_values = {
        one["id"]: one["p_value"]
        for one in place.client.get("/api/v1/predictions").json()["predictions"]
    }
    for rate in place.client.get("/api/v1/models/stripes/monitor").json()["rates"]:
        text = place.page(f"/score?model=stripes&rate={rate['false_alarms']}")
        shown = [int(number) for number in re.findall(r'data-id="(\d+)"', text)]
        called = {number for number, p in p_values.items() if p <= rate["false_alarms"]}
        assert set(shown) == called
        assert len(shown) == rate["called"]
        assert "would call odd" in text
        for number in shown[:2]:
            address = html.unescape(re.findall(rf'href="(/p/{number}\?[^"]*)"', text)[0])
            assert "ArrowRight" in place.page(address) or len(shown) == 1 or number == shown[-1]
    monkeypatch.setattr("oneclass.serve.records.predictions.RECENT", 3)
    predictions = Predictions(place.service.database)
    rows = predictions.listed(Filter("stripes", at_rate=(1, 0.999)))
    last = sorted(p_values)[-3:]
    assert [row["id"] for row in rows] == [i for i in last[::-1] if p_values[i] <= 0.999]


def test_a_list_of_odd_ones_that_is_empty_says_that_none_was(place: Place, images: Path) -> None:
    assert ">Nothing has been scored yet." in place.page("/score")
    number = next(
        said["id"]
        for file in images.glob("normal/*.png")
        if not (said := place.score(file).json()["predictions"][0])["is_anomaly"]
    )
    with place.service.database.write() as connection:
        connection.execute("DELETE FROM prediction WHERE id != ?", (number,))
    assert ">None was called odd." in place.page("/score?only=true")


def test_reviews_begin_with_a_model_that_has_some_waiting(three: Place, images: Path) -> None:
    score_all(three, images / "odd")
    score_all(three, images / "normal", "three")
    waiting = three.service.predictions.waiting()
    assert waiting["stripes"] > 1
    for _ in range(waiting.get("three", 0)):
        [row] = three.service.predictions.listed(
            Filter("three", noticed=True, review="none", limit=1)
        )
        said = {"verdict": "unsure"}
        assert three.client.post(f"/api/v1/predictions/{row['id']}/review", json=said).is_success
    assert three.service.versions.last_used() == "three"
    text = three.page("/review")
    assert 'data-model="stripes"' in text
    assert f"stripes ({waiting['stripes']} waiting)" in text
    assert "three (0 waiting)" in text
    asked = three.page("/review?model=three")
    assert 'data-model="three"' in asked
    assert f'href="/review?model=stripes">stripes: {waiting["stripes"]} waiting' in asked
    assert "waiting)" not in three.page("/score")


def test_the_menu_leads_on_to_the_same_model(three: Place, images: Path) -> None:
    score_all(three, images / "odd", "three")
    [newest, *_] = three.service.predictions.listed(Filter("three"))
    number = newest["id"]
    score_all(three, images / "normal")  # stripes is used last

    def menu(path: str) -> set[str]:
        return set(re.findall(r'<a href="(\S+)"[^>]*><svg', three.page(path)))

    of_three = {f"/{key}?model=three" for key in ("score", "watch", "review", "monitor")}
    of_three |= {"/learn", "/models"}
    for path in ("score", "review", "monitor", "watch"):
        assert menu(f"/{path}?model=three") == of_three
    assert menu("/models/three") == menu(f"/p/{number}") == of_three
    assert menu("/score") == {address.replace("three", "stripes") for address in of_three}
    none = {address.partition("?")[0] for address in of_three}
    assert menu("/watch") == menu("/models") == menu("/learn") == none
    assert three.client.delete("/api/v1/models/three").is_success
    assert menu(f"/p/{number}") == none


def test_a_model_that_cannot_learn_says_so_where_it_is_shown(
    place: Place, model_file: Path
) -> None:
    made = place.client.put(
        "/api/v1/models/sent/file", content=model_file.read_bytes(), headers=RAW
    ).json()
    assert not made["can_learn"]
    [own, sent] = sorted(
        place.client.get("/api/v1/models").json()["models"], key=lambda v: v["model"] == "sent"
    )
    assert (own["can_learn"], sent["can_learn"]) == (True, False)
    listed = place.page("/models")
    assert listed.count("can't learn more.") == 1
    assert "can't learn what you call good in Review" in listed  # where it is uploaded
    assert "Version 1 can't learn what you call good: it was uploaded" in place.page("/models/sent")
    assert "Version 1 can't learn what you call good" not in place.page("/models/stripes")
    # Before the first false alarm, too.
    text = place.page("/parts/lessons?model=sent")
    assert "Version 1 can't learn what you call good: it was uploaded" in text
    assert "can be learnt" not in text
    assert "can be learnt" in place.page("/parts/lessons?model=stripes")


def test_what_was_reviewed_before_is_told_wherever_the_same_picture_is(
    place: Place, images: Path
) -> None:
    file = next((images / "odd").iterdir())
    first, second = (place.score(file).json()["predictions"][0]["id"] for _ in range(2))
    said = {"verdict": "real"}
    assert place.client.post(f"/api/v1/predictions/{first}/review", json=said).is_success
    text = place.page("/score?model=stripes")
    assert text.count("reviewed: really odd") == 2
    assert "The same picture was reviewed before" in place.page(f"/p/{second}")
    assert "The same picture was reviewed before" not in place.page(f"/p/{first}")
    assert "Nothing waits for stripes" in place.page("/review")
    with place.service.database.write() as connection:  # records of before may be so
        connection.execute("UPDATE prediction SET review = NULL WHERE id = ?", (second,))
    text = place.page("/score?model=stripes")
    assert text.count("Same picture, reviewed before: really odd") == 1
    assert place.page("/review").count("The same picture was reviewed before") == 1


@pytest.mark.parametrize("path", ["/score", "/monitor", "/models/stripes"])
def test_a_report_is_begun_where_a_person_is(place: Place, images: Path, path: str) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra report")
    score_all(place, images / "odd")
    text = place.page(path)
    assert '<button type="button" data-report="1" data-name="stripes"' in text
    assert "report.js" in text
    assert text.count('id="reporting"') == 1


@pytest.mark.parametrize(
    "path", ["/score", "/monitor", "/review", "/watch", "/parts/tiles", "/parts/lessons"]
)
def test_a_model_that_is_not_there_is_not_another_one(three: Place, path: str) -> None:
    for there in ("three", ""):
        assert three.client.get(f"{path}?model={there}").status_code == 200
    three.client.cookies.clear()  # those of a browser
    assert three.client.delete("/api/v1/models/three").is_success
    for name, told in (("three", "the model three was deleted"), ("nix", "no model named 'nix'")):
        answer = three.client.get(f"{path}?model={name}")
        assert answer.status_code == 404
        assert told in answer.json()["message"]


def test_a_report_of_a_version_that_scored_nothing_says_where_others_are(
    place: Place, images: Path, model_file: Path, tmp_path: Path
) -> None:
    place.score(next((images / "odd").iterdir()))
    content = another(model_file, tmp_path, 0.1)
    assert place.client.put("/api/v1/models/stripes/file", content=content, headers=RAW).is_success
    answer = place.client.post("/api/v1/models/stripes/report", json={"version": 2})
    assert answer.status_code == 409
    assert answer.json()["message"] == (
        "version 2 of stripes has scored nothing yet: score images first. What other versions "
        "scored is reported on the model's page, /models/stripes."
    )


def test_the_page_takes_what_the_server_reads(place: Place) -> None:
    text = place.page("/learn")
    suffixes = re.findall(r'data-suffixes="([^"]*)"', text)[0].split()
    assert set(suffixes) == SUFFIXES
    names = re.findall(r"(PNG, .*) or (PPM)\. Your images stay", text)[0]
    refused = place.client.post(
        "/api/v1/models/stripes/score", content=b"no picture at all", headers=RAW
    ).text
    for name in (*names[0].split(", "), names[1]):
        assert name in refused


def test_verdicts_read_no_card_of_a_version_that_made_none(place: Place, images: Path) -> None:
    numbers = score_all(place, images / "normal")
    held_out = place.service.versions.held_out({1})
    assert held_out == {1: 40}
    assert place.service.versions.held_out(set()) == {}
    with place.service.database.write() as connection:
        connection.execute(
            "INSERT INTO version (name, number, digest, origin, card, false_alarms, at) "
            "VALUES ('stripes', 7, 'x', 'fit', 'no card', 0.05, 0)"
        )
    text = place.page("/score?model=stripes")
    assert len(re.findall(r'data-id="\d+"', text)) == len(numbers)


def test_the_rate_that_was_set_is_asked_for_once_for_all_versions(
    place: Place, model_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = "/api/v1/models/stripes"
    for rate in (0.1, 0.2, 0.3):
        content = another(model_file, tmp_path, rate)
        place.client.put(f"{model}/file", content=content, headers=RAW)
    asked: list[str] = []
    row = place.service.database.row

    def noted(query: str, *values: Any) -> Any:
        asked.append(query)
        return row(query, *values)

    monkeypatch.setattr(place.service.database, "row", noted)
    for told in ("15", "20"):  # a rate that is set is asked for anew
        asked.clear()
        rate = {"false_alarms": float(told) / 100}
        assert place.client.put(f"{model}/rate", json=rate).is_success
        text = html.unescape(place.page("/models/stripes"))
        assert text.count(f"Verdicts go by</dt><dd>{told}\u00a0% false alarms") == 4
        assert sum("history" in query for query in asked) == 1


def test_the_p_value_counts_the_picture_among_those_that_it_was_compared_with(
    place: Place, images: Path
) -> None:
    numbers = score_all(place, images)
    n = place.service.versions.named("stripes").card["calibration"]["n_held_out"]
    for number in numbers:
        text = " ".join(html.unescape(place.page(f"/p/{number}")).split())
        p_value = place.client.get(f"/api/v1/predictions/{number}").json()["p_value"]
        k = round(p_value * (n + 1))
        told = f"of these and the picture itself, {k} of {n + 1} {'is' if k == 1 else 'are'} as odd"
        assert told in text
        assert ("Odder than all 40 good images" in text) == (k == 1)
        assert f"<dd>{n} good images <span" in text
    with place.service.database.write() as connection:
        connection.execute(
            "UPDATE version SET card = json_set(card, '$.fit.n_images', 45) WHERE number = 1"
        )
    place.service.versions._known.clear()
    text = html.unescape(place.page(f"/p/{numbers[0]}"))
    assert "40 good images of the 45" in text
    assert "the others were needed to learn, or look nearly the same as one of these" in text


def test_what_is_said_of_colours_agrees_with_what_is_said_of_boxes(
    place: Place, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [number, *_] = score_all(place, images / "odd")
    boxed = place.page(f"/p/{number}")
    assert "<rect" in boxed
    assert "There is no box to show" not in boxed
    assert "A box on a picture that looks good" not in boxed
    monkeypatch.setattr("oneclass.serve.work.drawing.BOX_FROM", 1e9)
    plain = place.page(f"/p/{number}")
    assert "There is no box to show" in plain
    # A box begins at twice of where colour does; neither says more than that.
    for text in (boxed, plain, place.page("/score")):
        assert "the odder the place; good images may show some pale colour, too" in text
        assert "usually are there" not in text
        assert "the picture as a whole is." not in text
    assert plain.count("the oddest place of 19 in 20 good images") == 2
    for number in score_all(place, images / "normal"):
        text = place.page(f"/p/{number}")
        assert "There is no box to show: no place of this picture is odder" in text
    monkeypatch.setattr("oneclass.serve.work.drawing.BOX_FROM", 1e-9)
    pages = [place.page(f"/p/{one}") for one in score_all(place, images / "normal")]
    good = next(page for page in pages if "Looks good</span>" in page)
    assert "<rect" in good
    assert "A box on a picture that looks good is round a place that is odder than" in good
