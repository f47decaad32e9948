"""Reports on what a version said: those of `oneclass report`, of the predictions that are kept."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from oneclass.serve.records.jobs import CANCELLED
from oneclass.serve.web.words import percent
from oneclass.serve.work.jobs.reports import FORGOTTEN, MOST_FOLDERS, Reports, folders_of, names_of
from serving import RAW, Place

pytest.importorskip("matplotlib", reason="needs the extra report")


def written(place: Place, name: str = "stripes", **asked: Any) -> dict[str, Any]:
    answer = place.client.post(f"/api/v1/models/{name}/report", json=asked)
    assert answer.status_code == 200, answer.text
    assert answer.json()["kind"] == "report"
    return place.job(answer.json()["id"])


def page_of(place: Place, job: dict[str, Any]) -> Any:
    return place.client.get(f"/api/v1/jobs/{job['id']}/report.html")


def test_a_report_shows_what_was_scored(three: Place, images: Path) -> None:
    verdicts = []
    for file in sorted(images.glob("*/*.png")):
        answer = three.client.post(
            "/api/v1/models/three/score",
            content=file.read_bytes(),
            headers={**RAW, "X-File-Name": "same%2Fname&<b>.png"},
        )
        verdicts.append(answer.json()["predictions"][0]["verdict"])
    job = written(three, "three")
    assert (job["state"], job["error"]) == ("done", None)
    assert (job["result"]["images"], job["result"]["shown"]) == (14, 14)
    answer = page_of(three, job)
    assert "attachment" in answer.headers["content-disposition"]
    text = answer.text
    assert len(answer.content) == job["result"]["bytes"]
    assert len(set(re.findall(r'data-name="same/name&amp;&lt;b&gt;\.png \(\d+\)"', text))) == 14
    assert "<b>.png" not in text
    for verdict in ("anomaly", "unclear"):
        assert len(re.findall(rf'data-verdict="{verdict}"', text)) >= verdicts.count(verdict) > 0
    shown = three.page(f"/parts/job/{job['id']}")
    assert "The report calls an anomaly what is odd here, and fine what looks good." in shown
    assert "odd is called <em>anomaly</em>" in three.page("/score?model=three")
    link = f'href="/api/v1/jobs/{job["id"]}/report.html"'
    assert link in shown
    for where in ("/models/three", "/score?model=three", "/monitor?model=three"):
        back = three.page(where)  # for who went away and comes back
        assert link in back
        assert re.search('id="written">The last report .* on 14 images that version 1 scored', back)
        other = where.replace("three", "stripes")
        assert link not in three.page(other)
    assert 'data-replaces="written"' in shown  # there is a newer one then
    [file] = three.service.reports.file(job["id"]).parent.iterdir()
    assert file == three.service.reports.file(job["id"])
    file.unlink()
    assert link not in three.page("/models/three")


@pytest.mark.parametrize("path", ["/models/three", "/score?model=three", "/monitor?model=three"])
def test_a_report_that_is_being_written_is_where_it_can_be_begun(three: Place, path: str) -> None:
    three.service.runner.take_no_more()
    job = three.service.jobs.add("report", "three", {"version_id": 2, "number": 1})
    progress = f'<div hx-get="/parts/job/{job}" hx-trigger="load" hx-swap="outerHTML"></div>'
    assert progress in three.page(path)
    assert progress not in three.page(path.replace("three", "stripes"))
    three.service.jobs.end(job, CANCELLED)
    assert progress not in three.page(path)


def test_a_report_speaks_of_the_model_and_of_files_in_words_for_people(
    place: Place, images: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        place.score(next(images.glob("odd/*.png")))
    (tmp_path / "broken.png").write_text("not a picture", encoding="utf-8")
    place.score(tmp_path / "broken.png")
    text = page_of(place, written(place)).text
    page = re.sub(r"<(script|style)>.*?</\1>", "", text, flags=re.DOTALL)
    assert "oneclass report on stripes, version 1<" in page
    numbers = re.findall(r'<tr [^>]*data-name="[^"]* \((\d+)\)"', page)
    assert len(set(numbers)) == 2
    assert "the number behind it is that of the verdict" in page
    for number in numbers:
        assert place.client.get(f"/p/{number}").status_code == 200
    assert "broken.png" in page
    assert "not an image" in page
    for word in ("not_an_image", "b&#x27;", "b&#39;", "b'", "tmp"):
        assert word not in re.sub(r'"data:[^"]*"', "", page), word
    assert re.search(r"scored \d{4}-\d\d-\d\d \d\d:\d\d( to \d\d:\d\d)? UTC<", page)
    assert "and <code>verdicts</code>" in page


def test_a_report_tells_images_by_the_folders_that_they_were_sent_in(
    place: Place, images: Path
) -> None:
    for folder in "abc":
        for kind, name in (("normal", "part1.png"), ("odd", "part2.png")):
            file = next((images / kind).iterdir())
            place.score(file, **{"X-File-Name": f"weird%2F{folder}%2F{name}"})
    place.score(file, **{"X-File-Name": "alone.png"})
    job = written(place)
    assert job["result"]["shown"] == 7
    text = page_of(place, job).text
    table = text[text.index("By folder") :]
    lines = re.findall(r"<bdi>([^<]*)</bdi></button></td><td class=\"number\">(\d+)<", table)
    assert sorted(lines) == [(".", "1"), ("a", "2"), ("b", "2"), ("c", "2")]
    offered = re.search(r'<optgroup label="Folder">(.*?)</optgroup>', text)
    assert offered
    assert re.findall(r">([^<]+)</option>", offered[1]) == [".", "a", "b", "c"]
    tiles = re.findall(r'<bdi title="([^"]*)">([^<]*)</bdi>', text)
    parts = {f"weird/{f}/part{i}.png": f"{f}/part{i}.png" for f in "abc" for i in (1, 2)}
    assert dict(tiles) == {**parts, "alone.png": "alone.png"}
    rows = re.findall(r'<tr [^>]*data-name="([^"]*)".*?<bdi title="([^"]*)">([^<]*)</bdi>', text)
    assert {(path, path, name) for path, name in tiles} == set(rows)
    assert "the number behind it" not in text  # none has one


def test_images_are_called_as_on_the_pages_and_each_by_another_name() -> None:
    given = ["bad/part04.jpg", "good/32/part10.jpg", r"bad\part04.jpg", "part27.jpg", "x (4)"]
    assert names_of([(path, number) for number, path in enumerate(given)]) == [
        "bad/part04.jpg (0)",
        "good/32/part10.jpg",
        "bad/part04.jpg (2)",
        "part27.jpg",
        "x (4) (4)",
    ]
    assert names_of([("x", 4), ("x", 5), ("x (4)", 6)]) == ["x (4)", "x (5)", "x (4) (6)"]


def test_folders_of_images_are_told_as_far_as_they_are_a_readers_business() -> None:
    assert folders_of(["a/b/c.png", r"a\b\d.png", "e.png", "x//y/<z>/f.png"]) == [
        ["a", "b"],
        ["a", "b"],
        [],
        ["x", "y", "<z>"],
    ]
    # Of whole ones only what differs: where a server keeps its files is no reader's business.
    assert folders_of(["/srv/in/a/1.png", "/srv/in/b/c/2.png", "up/3.png"]) == [
        ["a"],
        ["b", "c"],
        ["up"],
    ]
    assert folders_of(["/srv/in/1.png", r"C:\parts\1.png"]) == [["srv", "in"], ["C:", "parts"]]
    # As on the pages, that of one that all share is named.
    assert folders_of(["/srv/in/1.png", "/srv/in/2.png"]) == [["in"], ["in"]]
    assert folders_of(["/srv/in/1.png", "/srv/in/a/2.png"]) == [["in"], ["in", "a"]]
    assert folders_of(["/1.png", "/2.png"]) == [[], []]
    [deep] = folders_of([f"first/{'x' * 300}/{'y' * 60}/last/1.png"])
    assert deep == ["y" * 60, "last"]
    assert len("/".join(deep)) <= MOST_FOLDERS


def test_a_report_says_from_when_to_when_images_came(place: Place, images: Path) -> None:
    for file in sorted(images.glob("odd/*.png"))[:2]:
        place.score(file)
    with place.service.database.write() as connection:
        connection.execute("UPDATE prediction SET at = 1794268800 + 284 * (id - 1)")
    text = page_of(place, written(place)).text
    assert re.search(r", 2026-11-10 00:00 to 00:04 UTC<", text)
    assert "284" not in re.sub(r'"data:[^"]*"', "", text)


def test_verdicts_stand_as_they_were_given_and_lost_images_are_counted(
    place: Place, images: Path
) -> None:
    files = sorted(images.glob("*/*.png"))
    made = [place.score(file).json()["predictions"][0] for file in files[:9]]
    rate = sorted(one["p_value"] for one in made)[6]
    change = {"false_alarms": rate}
    assert place.client.put("/api/v1/models/stripes/rate", json=change).status_code == 200
    text = page_of(place, written(place)).text
    assert f"Since the last image the rate of false alarms was set to {percent(rate)}" in text
    made += [place.score(file).json()["predictions"][0] for file in files[9:]]
    names = names_of([(one["path"], one["id"]) for one in made])
    for gone, left in ((3, 11), (14, 0)):
        for one in made[:gone]:
            image = place.client.get(f"/api/v1/predictions/{one['id']}").json()["image_sha256"]
            place.service.keeping.place(image).unlink(missing_ok=True)
        job = written(place, version=1)
        assert (job["result"]["images"], job["result"]["shown"]) == (14, left)
        text = page_of(place, job).text
        assert f"{sum(one['is_anomaly'] for one in made)} of 14 images" in text
        assert f"given: 5 at {percent(rate)}, 9 at {percent(0.05)}. The lines in" in text
        n = 9 * 0.05 + 5 * rate  # 3 and more are told without a fraction
        low, high = sorted([0.05, rate])
        assert (
            f"If all 14 were normal, about {n:.0f} would be called anomalies all the same, by the "
            f"rates that they were scored at: {percent(low)} to {percent(high)}."
        ) in text
        assert "Since the last image" not in text
        rows = re.findall(r'<tr data-verdict="(\w+)" data-name="([^"]*)"', text)
        assert {name: verdict for verdict, name in rows} == {
            name: one["verdict"] for name, one in zip(names, made, strict=True)
        }


def test_drift_is_of_verdicts_as_they_were_given(place: Place, images: Path) -> None:
    for file in 2 * sorted(images.glob("*/*.png")):
        last = place.score(file).json()["predictions"][0]["id"]
    with place.service.database.write() as connection:
        connection.execute("UPDATE prediction SET p_value = 0.2, is_anomaly = 0")
        later = "UPDATE prediction SET false_alarms = 0.5, is_anomaly = 1 WHERE id = ?"
        connection.execute(later, (last,))
    text = page_of(place, written(place)).text
    assert "1 of 28 images is an anomaly" in text
    assert "the images that passed look odder as a whole" in text
    assert "Of these 27, 27 are as odd as only 4 of 27" in text
    assert "28 of 28" not in text


def test_what_people_said_stands_beside_the_verdicts(place: Place, images: Path) -> None:
    made = [place.score(file).json()["predictions"][0] for file in sorted(images.glob("*/*.png"))]
    odd = [one["id"] for one in made if one["is_anomaly"]]
    fine = [one["id"] for one in made if not one["is_anomaly"]]
    said = {odd[0]: "false_alarm", odd[1]: "real", odd[2]: "unsure", fine[0]: "real"}
    for number, verdict in said.items():
        place.client.post(f"/api/v1/predictions/{number}/review", json={"verdict": verdict})
    text = page_of(place, written(place)).text
    words = dict(
        zip(said, ("good (a false alarm)", "really odd", "unsure", "bad, and missed"), strict=True)
    )
    found = re.findall(r'<tr [^>]*data-name="([^"]*)"[^>]*data-said="([^"]*)"', text)
    ids = [one["id"] for one in made]
    named = dict(zip(names_of([(one["path"], one["id"]) for one in made]), ids, strict=True))
    assert {named[name]: word for name, word in found} == words
    assert text.count('<span class="verdict said">') == 4
    for word in words.values():
        assert f'<option value="said {word}">Reviewed: {word}</option>' in text
    assert "reviewed by people: " in text
    assert "Against the labels" not in text  # what was looked at is no sample
    assert "false alarms among" not in text
    assert "rate of false alarms was" not in text


def test_pictures_that_came_again_are_told(place: Place, images: Path) -> None:
    odd = sorted((images / "odd").iterdir())[:2]
    for file in odd:
        place.score(file)
    assert "sent again" not in page_of(place, written(place)).text
    place.score(odd[0])
    text = page_of(place, written(place)).text
    assert "1 of these 3 images is the same file as another one here, sent again" in text


def test_what_cannot_be_reported_says_so(
    start: Callable[..., Place], images: Path, tmp_path: Path
) -> None:
    place = start()
    none = place.client.post("/api/v1/models/stripes/report", json={})
    assert (none.status_code, none.json()["error"]) == (409, "nothing_to_report")
    assert place.client.post("/api/v1/models/no/report", json={}).status_code == 404
    place.score(next(images.glob("*/*.png")))
    assert (
        place.client.post("/api/v1/models/stripes/report", json={"version": 9}).status_code == 404
    )
    check = place.client.post(
        "/api/v1/jobs/check", json={"set": place.client.post("/api/v1/sets").json()["id"]}
    ).json()
    for number in (check["id"], 99):
        assert place.client.get(f"/api/v1/jobs/{number}/report.html").status_code == 404
    reports: Reports = place.service.reports
    old, new = reports.file(7), reports.file(8)
    for file in (old, new):
        file.write_text("x", encoding="utf-8")
    os.utime(old, (time.time() - FORGOTTEN - 1,) * 2)
    reports.tidy()
    assert (old.exists(), new.exists()) == (False, True)
