"""Scoring over HTTP: the numbers of `oneclass score`, whatever way the images come."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from commands import oneclass
from damage import write_damaged
from oneclass import load
from oneclass.errors import StorageError
from oneclass.serve.api.schemas import ScoredOut
from oneclass.serve.records.predictions import Filter
from oneclass.serve.settings import Limits
from oneclass.serve.web.bodies import SMALL
from oneclass.serve.work import drawing
from serving import RAW, Place, another

LINES = {"Accept": "application/x-ndjson"}


def files_of(images: Path) -> list[Path]:
    return sorted(images.glob("*/*.png"))


def test_the_lines_are_those_of_the_command(place: Place, images: Path, model_file: Path) -> None:
    for folder in ("normal", "odd"):
        files = sorted((images / folder).iterdir())
        names = [file.name for file in files]
        done = oneclass("score", model_file, *names, "--json", cwd=images / folder)
        assert "".join(place.score(file, **LINES).text for file in files) == done.stdout


@pytest.mark.parametrize("name", [b"St%C3%BCck%201.png", "Stück 1.png".encode(), b"St\xfcck 1.png"])
def test_a_picture_is_called_as_its_header_says(place: Place, images: Path, name: bytes) -> None:
    answer = place.client.post(
        "/api/v1/models/stripes/score",
        content=files_of(images)[0].read_bytes(),
        headers={b"Content-Type": b"image/png", b"X-File-Name": name},
    )
    assert answer.json()["predictions"][0]["path"] == "Stück 1.png"


def test_a_model_with_three_verdicts_says_the_third(
    three: Place, images: Path, tmp_path: Path
) -> None:
    place, file = three, tmp_path / "three.oneclass"
    address = "/api/v1/models/three/score"
    said: list[dict[str, Any]] = []
    for folder in ("normal", "odd"):
        names = [image.name for image in sorted((images / folder).iterdir())]
        done = oneclass("score", file, *names, "--json", cwd=images / folder)
        for name, line in zip(names, done.stdout.splitlines(), strict=True):
            content, headers = (images / folder / name).read_bytes(), {**RAW, "X-File-Name": name}
            lines = place.client.post(address, content=content, headers={**headers, **LINES}).text
            assert lines == f"{line}\n"
            answer = place.client.post(address, content=content, headers=headers).json()
            said += answer["predictions"]
            assert said[-1]["verdict"] == json.loads(line)["verdict"]
    assert {one["verdict"] for one in said} == {"anomaly", "unclear", "fine"}
    tiles = place.page("/parts/tiles?model=three")
    for one in said:
        kept = place.client.get(f"/api/v1/predictions/{one['id']}").json()
        assert kept["verdict"] == one["verdict"]
        word = {"anomaly": "odd", "unclear": "unclear", "fine": "looks good"}[one["verdict"]]
        assert (
            f">{word}</span>" in tiles.partition(f'data-id="{one["id"]}"')[2].partition("</li>")[0]
        )
        assert f">{word.capitalize()}</span>" in place.page(f"/p/{one['id']}")
    assert "up to 70\xa0% they are unclear" in place.page("/models/three")
    answer = place.client.put("/api/v1/models/three/rate", json={"false_alarms": 0.7})
    assert (answer.status_code, "unclear" in answer.json()["message"]) == (422, True)
    answer = place.client.put("/api/v1/models/three/rate", json={"false_alarms": 0.5})
    assert answer.status_code == 200
    assert place.client.post(address, content=content, headers=RAW).status_code == 200


def test_multipart_and_paths_give_the_same_as_raw_bytes(place: Place, images: Path) -> None:
    files = files_of(images)
    raw = [place.score(file).json()["predictions"][0] for file in files]
    parts = [("files", (file.name, file.read_bytes(), "image/png")) for file in files]
    form = place.client.post("/api/v1/models/stripes/score", files=parts).json()
    for file in files:
        (place.roots / f"{file.parent.name}-{file.name}").write_bytes(file.read_bytes())
    paths = [str(place.roots / f"{file.parent.name}-{file.name}") for file in files]
    named = place.client.post("/api/v1/models/stripes/score", json={"paths": paths}).json()
    for answer in (form, named):
        assert answer["errors"] == []
        assert ScoredOut.model_validate(answer).model_dump() == answer
        for one, other in zip(raw, answer["predictions"], strict=True):
            assert (one["score"], one["p_value"]) == (other["score"], other["p_value"])
    assert [p["path"] for p in named["predictions"]] == paths
    assert sum(p["is_anomaly"] for p in raw) >= 5


def test_many_clients_at_once_get_their_own_answers(place: Place, images: Path) -> None:
    files = files_of(images)
    expected = {file: place.score(file).json()["predictions"][0]["score"] for file in files}
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda file: (file, place.score(file).json()), files * 6))
    for file, answer in answers:
        assert answer["predictions"][0]["score"] == expected[file]
        assert answer["predictions"][0]["path"] == file.name


@pytest.mark.parametrize("extra", [-1, 0, 1, 3 * SMALL])
def test_bodies_too_large_for_memory_give_the_same(
    place: Place, images: Path, tmp_path: Path, extra: int
) -> None:
    content = files_of(images)[0].read_bytes()
    file = tmp_path / "padded.png"
    file.write_bytes(content + b"\0" * (SMALL + extra - len(content)))
    one, other = (place.score(f).json()["predictions"][0] for f in (files_of(images)[0], file))
    assert (one["score"], one["p_value"]) == (other["score"], other["p_value"])
    kept = place.service.keeping.place(sha256(file.read_bytes()).hexdigest())
    assert kept.read_bytes() == file.read_bytes()


def test_what_cannot_be_recorded_is_not_answered(
    place: Place, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = files_of(images)[0]

    def full(*_: object) -> int:
        raise StorageError("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(place.service.scorer._predictions, "add", full)
        assert place.score(file).status_code == 507
    assert place.service.scorer.waiting == 0
    assert place.score(file).status_code == 200  # the threads went on
    assert place.service.predictions.listed(Filter())[0]["id"] == 1


@pytest.mark.parametrize("version", ["", "x", "1.5", "-1", "9" * 30, "²"])
def test_a_version_that_is_none_is_refused(place: Place, images: Path, version: str) -> None:
    content = files_of(images)[0].read_bytes()
    address = f"/api/v1/models/stripes/score?version={version}"
    answer = place.client.post(address, content=content, headers=RAW)
    assert answer.status_code in (404, 422)


def test_every_answer_is_in_the_database_with_its_model(place: Place, images: Path) -> None:
    answers = [place.score(file).json() for file in files_of(images)]
    listed = place.client.get("/api/v1/predictions?limit=200").json()["predictions"]
    by_id = {one["id"]: one for one in listed}
    for answer in answers:
        one = by_id[answer["predictions"][0]["id"]]
        assert one["model_sha256"] == answer["model_sha256"]
        assert one["score"] == answer["predictions"][0]["score"]
        assert one["at"] > 1.6e9
        assert one["seconds"] >= 0
    assert sorted(by_id) == sorted(by_id, reverse=True)[::-1]


def test_damaged_images_are_told_apart_and_stop_nothing(
    place: Place, images: Path, tmp_path: Path
) -> None:
    expected = write_damaged(tmp_path / "bad", 60)
    good = files_of(images)[0]
    parts = [("files", (f.name, f.read_bytes())) for f in [*expected, good]]
    answer = place.client.post("/api/v1/models/stripes/score", files=parts)
    assert answer.status_code == 200
    said = {error["path"]: error["reason"] for error in answer.json()["errors"]}
    for file, reasons in expected.items():
        assert said[file.name] in reasons
    assert [p["path"] for p in answer.json()["predictions"]] == [good.name]
    lines = place.client.post("/api/v1/models/stripes/score", files=parts, headers=LINES).text
    first, *others = map(json.loads, lines.splitlines())
    assert (first["path"], first["is_anomaly"]) == (good.name, good.parent.name == "odd")
    assert others == answer.json()["errors"]
    assert not any("is_anomaly" in one for one in others)
    for file, reasons in list(expected.items())[:20]:
        alone = place.score(file)
        assert alone.status_code == 422
        assert alone.json()["error"] in reasons


def test_a_large_picture_is_refused_by_its_header(
    start: Callable[..., Place], images: Path
) -> None:
    place = start(limits=Limits(pixels=500))
    answer = place.score(files_of(images)[0])
    assert (answer.status_code, answer.json()["error"]) == (422, "too_large")
    assert "--max-pixels" in answer.json()["message"]


@pytest.mark.parametrize("way", ["raw", "form"])
def test_too_many_bytes_are_refused(start: Callable[..., Place], images: Path, way: str) -> None:
    place = start(limits=Limits(image_bytes=300, body_bytes=100_000))
    file = files_of(images)[0]
    if way == "raw":
        answer = place.score(file)
        assert (answer.status_code, answer.json()["error"]) == (413, "too_large")
    else:
        parts = {"files": (file.name, file.read_bytes())}
        answer = place.client.post("/api/v1/models/stripes/score", files=parts)
        assert (answer.status_code, answer.json()["error"]) == (422, "too_large")
    body = b"x" * 200_000
    headers = {"Content-Type": "application/octet-stream"}
    answer = place.client.post("/api/v1/models/stripes/score", content=body, headers=headers)
    assert answer.status_code == 413
    assert not list((place.service.keeping.folder / "arriving").iterdir())


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{}", "application/json", 422),
        (b'{"paths": []}', "application/json", 422),
        (b"not json", "application/json", 422),
        (b"x", "text/plain", 415),
        (b"x", "multipart/form-data", 400),
        (b"--a\r\n", "multipart/form-data; boundary=a", 422),
        (b"", "application/octet-stream", 422),
    ],
)
def test_bodies_that_make_no_sense(place: Place, body: bytes, kind: str, status: int) -> None:
    answer = place.client.post(
        "/api/v1/models/stripes/score", content=body, headers={"Content-Type": kind}
    )
    assert answer.status_code == status
    assert set(answer.json()) == {"error", "message"}


def test_no_path_outside_of_the_folders_is_read(place: Place, tmp_path: Path, images: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(files_of(images)[0].read_bytes())
    (place.roots / "link.png").symlink_to(secret)
    (place.roots / "inside.png").symlink_to(place.roots / "real.png")
    (place.roots / "real.png").write_bytes(secret.read_bytes())
    wrong = [
        str(secret),
        str(place.roots / "../secret.png"),
        str(place.roots / "link.png"),
        str(place.roots),
        "/dev/zero",
        "/proc/self/environ",
        "a\0b",
        "x" * 5000,
        "relative.png",
    ]
    paths = [*wrong, str(place.roots / "inside.png")]
    answer = place.client.post("/api/v1/models/stripes/score", json={"paths": paths}).json()
    assert [error["path"] for error in answer["errors"]] == wrong
    assert all("secret" not in error["detail"] for error in answer["errors"])
    assert [p["path"] for p in answer["predictions"]] == [str(place.roots / "inside.png")]


def test_an_older_version_scores_when_asked(
    place: Place, images: Path, model_file: Path, tmp_path: Path
) -> None:
    content = another(model_file, tmp_path, 0.1)
    made = place.client.put(
        "/api/v1/models/stripes/file",
        content=content,
        headers={"Content-Type": "application/octet-stream"},
    ).json()
    assert (made["version"], made["serves"]) == (2, False)
    file = files_of(images)[0].read_bytes()
    headers = {"Content-Type": "image/png"}
    for number in (1, 2):
        address = f"/api/v1/models/stripes/score?version={number}"
        assert place.client.post(address, content=file, headers=headers).json()["version"] == number
    address = "/api/v1/models/stripes/score?version=3"
    assert place.client.post(address, content=file, headers=headers).status_code == 404


def test_the_rate_moves_verdicts_and_not_numbers(place: Place, images: Path) -> None:
    file = files_of(images)[0]
    before = place.score(file).json()["predictions"][0]
    assert not before["is_anomaly"]
    rate = {"false_alarms": 0.999}
    assert place.client.put("/api/v1/models/stripes/rate", json=rate).status_code == 200
    after = place.score(file).json()
    assert after["false_alarms"] == 0.999
    assert after["predictions"][0]["is_anomaly"]
    assert after["predictions"][0]["p_value"] == before["p_value"]
    for wrong in (0.0001, 0, 1, -1):
        answer = place.client.put("/api/v1/models/stripes/rate", json={"false_alarms": wrong})
        assert answer.status_code == 422
    page = place.client.get("/models/stripes").text
    assert "learnt for 5\xa0% false alarms; now its rate is 99.9\xa0%.</p>" in page


def test_pictures_and_maps_of_a_prediction(place: Place, images: Path, model_file: Path) -> None:
    from oneclass.detector.heat import Explanation

    file = next((images / "odd").iterdir())
    number = place.score(file).json()["predictions"][0]["id"]
    address = f"/api/v1/predictions/{number}"
    [explained] = load(model_file).explain([file])
    assert isinstance(explained, Explanation)
    array = np.load(
        io.BytesIO(place.client.get(f"/api/v1/predictions/{number}/heatmap.npy").content)
    )
    assert (array == explained.anomaly_map).all()
    for drawn, mode in (
        (f"/api/v1/predictions/{number}/picture.png", "RGB"),
        (f"/api/v1/predictions/{number}/heatmap.png", "RGB"),
        (f"/api/v1/predictions/{number}/heat.png", "RGBA"),
    ):
        answer = place.client.get(drawn)
        assert answer.headers["content-type"] == "image/png"
        assert Image.open(io.BytesIO(answer.content)).mode == mode
    assert place.client.get(f"{address}/picture.png?large=true").status_code == 200
    place.service.keeping.place(place.client.get(address).json()["image_sha256"]).unlink()
    gone = place.client.get(f"{address}/picture.png")
    assert (gone.status_code, gone.json()["error"]) == (404, "image_gone")


def test_lists_go_on_where_they_ended(place: Place, images: Path) -> None:
    for file in files_of(images):
        place.score(file)
    seen: list[int] = []
    address = "/api/v1/predictions?limit=5"
    while True:
        page = place.client.get(address).json()
        seen += [one["id"] for one in page["predictions"]]
        if page["next"] is None:
            break
        address = f"/api/v1/predictions?limit=5&before={page['next']}"
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == len(files_of(images))
    odd = place.client.get("/api/v1/predictions?only_anomalies=true").json()["predictions"]
    assert odd
    assert all(one["is_anomaly"] for one in odd)
    assert json.dumps(odd)


def test_boxes_hold_what_is_odd_the_oddest_first() -> None:
    heat = np.zeros((4, 8))
    heat[0, 0], heat[2:, 4:6], heat[1, 1] = 2, 3, 1.5
    found = [(b.left, b.top, b.width, b.height) for b in drawing.boxes(heat, 1.0)]
    assert found == [(0.5, 0.5, 0.25, 0.5), (0, 0, 0.25, 0.5)]
    dots = np.zeros((9, 9))
    dots[::2, ::2] = 2
    assert len(drawing.boxes(dots, 1.0, most=3)) == 3
    assert drawing.boxes(heat, 3.0) == []


def test_a_file_may_be_named_by_its_place_in_a_folder_that_may_be_read(
    start: Callable[..., Place], images: Path, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    place = start(folders=(images, tmp_path / "other", images / "odd/.."))
    assert place.service.roots == (images, tmp_path / "other"), "each is named once"
    (tmp_path / "secret.png").write_bytes(next((images / "odd").iterdir()).read_bytes())
    name = f"odd/{sorted((images / 'odd').iterdir())[0].name}"

    def score(*paths: str) -> Any:
        return place.client.post(
            "/api/v1/models/stripes/score", json={"paths": [*paths, str(images / name)]}
        ).json()

    found = score(name)
    assert [one["path"] for one in found["predictions"]] == [name, str(images / name)]
    assert found["predictions"][0]["score"] == found["predictions"][1]["score"]
    refused = score("nix.png", "../secret.png", "x" * 4000)["errors"]
    assert {one["reason"] for one in refused} <= {"missing", "unreadable"}
    assert len(refused) == 3
    (tmp_path / "other/odd").mkdir()
    (tmp_path / "other" / name).write_bytes((images / name).read_bytes())
    [error] = score(name)["errors"]
    assert "in more than one of the folders" in error["detail"]


def test_more_images_than_a_request_may_have_are_too_many_however_they_come(
    place: Place, images: Path
) -> None:
    content = next((images / "odd").iterdir()).read_bytes()
    most = place.service.limits.images
    files = [("files", (f"{i}.png", content)) for i in range(most + 1)]
    form = place.client.post("/api/v1/models/stripes/score", files=files)
    paths = ["a.png"] * (most + 1)
    named = place.client.post("/api/v1/models/stripes/score", json={"paths": paths})
    for answer in (form, named):
        assert (answer.status_code, answer.json()["error"]) == (413, "too_large")
        assert f"more than {most} images" in answer.json()["message"]
