"""Images, models and results on S3, from a server of this machine that fails and is slow.

Needs the extra `test-remote`.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commands import oneclass as command
from conftest import stripes, write_images
from oneclass import Detector, load
from oneclass.cluster import connected, extraction
from oneclass.system import places
from oneclass.system.places import place
from s3_double import Trouble, s3_server

pytest.importorskip("s3fs", reason="needs the extra test-remote")
pytest.importorskip("moto", reason="needs the extra test-remote")


SMALL: dict[str, Any] = {"layer": "block_2", "grid": 2, "size": (32, 32)}
OPTIONS = ["--layer", "block_2@2", "--size", "32"]


@pytest.fixture(scope="module")
def server() -> Iterator[Trouble]:
    with s3_server() as (address, trouble), pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            patch.setenv(name, value)
        import s3fs

        s3fs.S3FileSystem().mkdir("images")
        yield trouble


@pytest.fixture
def trouble(server: Trouble) -> Iterator[Trouble]:
    yield server
    server.every, server.seconds = 0, 0.0


@pytest.fixture(scope="module")
def normal(server: Trouble, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images") / "normal"
    write_images(folder, stripes(40, seed=1))
    (folder / "cut.png").write_bytes((folder / "003.png").read_bytes()[:90])
    import s3fs

    s3fs.S3FileSystem().put(str(folder), "images/normal", recursive=True)
    return folder


@pytest.fixture(scope="module")
def expected(normal: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("model") / "here.oneclass"
    Detector(**SMALL).fit(normal).save(file, rows=True)
    return file


@pytest.mark.parametrize(("every", "seconds"), [(0, 0.0), (7, 0.0), (0, 0.05)])
def test_a_fit_from_s3_is_that_of_the_folder(
    trouble: Trouble, expected: Path, every: int, seconds: float
) -> None:
    trouble.every, trouble.seconds, before = every, seconds, trouble.failed
    there = Detector(**SMALL).fit("s3://images/normal")
    there.save("s3://images/models/parts.oneclass", rows=True)
    trouble.every = trouble.seconds = 0
    assert (trouble.failed - before >= 10) == bool(every)
    assert place("s3://images/models/parts.oneclass").read_bytes() == expected.read_bytes()
    assert [(e.name, e.reason) for e in there.errors] == [
        ("s3://images/normal/cut.png", "truncated")
    ]


def test_workers_fetch_images_themselves(
    trouble: Trouble, expected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "IMAGES_A_TASK", 3)
    with connected("local:2") as client:
        trouble.every = 7
        there = Detector(**SMALL, cluster=client).fit("s3://images/normal/")
    trouble.every = 0
    there.save(tmp_path / "there.oneclass")
    assert (tmp_path / "there.oneclass").read_bytes() == expected.read_bytes()


def test_an_image_is_fetched_once_to_be_scored(trouble: Trouble, expected: Path) -> None:
    trouble.counted.clear()
    found = load(expected).score("s3://images/normal/*.png").predictions
    assert len(found) == 40
    gets = [told for told in trouble.counted if told.startswith("GET /images/normal/")]
    assert len(gets) == 41


def test_what_cannot_be_had_is_a_row_in_errors(
    trouble: Trouble, expected: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oneclass.system.stores.PAUSES", (0.0,))
    lines = ["s3://images/normal/000.png", "s3://images/none.png", "s3://nobucket/none.png"]
    found = load(expected).score(lines)
    assert [p.path for p in found.predictions] == lines[:1]
    assert [(e.name, e.reason) for e in found.errors] == [(name, "missing") for name in lines[1:]]
    monkeypatch.setattr(places, "TIMEOUT", 1)
    trouble.seconds = 4
    (error,) = load(expected).score(lines[:1]).errors
    assert (error.reason, "cannot be fetched" in error.detail) == ("unreadable", True)
    trouble.seconds = 0


def read(file: Path) -> list[list[str]]:
    return list(csv.reader(file.read_text().splitlines()))


@pytest.mark.linux
def test_the_command_line_reads_and_writes_there(
    trouble: Trouble, normal: Path, expected: Path, tmp_path: Path
) -> None:
    model, out = "s3://images/cli/parts.oneclass", "s3://images/cli/run"
    done = command("fit", "s3://images/normal/", "-o", model, *OPTIONS)
    assert done.returncode == 3, done.stderr
    assert f"{model}: learnt 40 normal images" in done.stderr
    done = command("score", model, "s3://images/normal/", "-o", out)
    assert done.returncode == 3, done.stderr
    assert f"{out}/predictions.csv" in done.stderr
    here = command("score", str(expected), str(normal), "-o", str(tmp_path))
    assert here.returncode == 3
    there = read(place(f"{out}/predictions.csv"))
    assert [line[1:] for line in there] == [line[1:] for line in read(tmp_path / "predictions.csv")]
    assert there[1][0] == "s3://images/normal/000.png"
    assert read(place(f"{out}/errors.csv"))[1][:2] == ["s3://images/normal/cut.png", "truncated"]
    options = ["-o", f"{out}/parts", "--parquet", "--cluster", "local:2"]
    for _ in range(2):
        done = command("score", model, "s3://images/normal/", *options)
        assert done.returncode == 3, done.stderr
    names = sorted(name for name, _ in place(f"{out}/parts/predictions").entries())
    assert names == ["000000000000-000000000041.parquet", "parts.json"]
    missing = command("score", "s3://images/cli/none", str(normal))
    assert (missing.returncode, "there is nothing" in missing.stderr) == (4, True)
    assert command("info", model).returncode == 0
