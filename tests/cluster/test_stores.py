"""Images, models and results in stores of this machine that fail and are slow.

Needs the extra `test-remote`; Azure's also Azurite.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from commands import oneclass as command
from conftest import stripes, write_images
from oneclass import Detector, ModelFileError, load
from oneclass.cluster import connected, extraction
from oneclass.system import places
from oneclass.system.places import Remote, check_can_write, place
from store_doubles import STORES, Store

fsspec = pytest.importorskip("fsspec", reason="needs the extra test-remote")
pytest.importorskip("werkzeug", reason="needs the extra test-remote")

SMALL: dict[str, Any] = {"layer": "block_2", "grid": 2, "size": (32, 32)}
OPTIONS = ["--layer", "block_2@2", "--size", "32"]
# The packages for gs and az leave sessions to the end of the program.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning"),
]


@pytest.fixture(scope="module")
def normal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images") / "normal"
    write_images(folder, stripes(40, seed=1))
    (folder / "cut.png").write_bytes((folder / "003.png").read_bytes()[:90])
    return folder


@pytest.fixture(scope="module", params=list(STORES))
def server(request: pytest.FixtureRequest, normal: Path) -> Iterator[Store]:
    with STORES[request.param]() as store, pytest.MonkeyPatch.context() as patch:
        for name, value in store.environment.items():
            patch.setenv(name, value)
        quick_to_ask_again(patch)
        files = fsspec.filesystem(store.scheme)
        if store.scheme != "gs":  # that one is born with it
            files.mkdir("images")
        for file in normal.iterdir():
            files.put_file(str(file), f"images/normal/{file.name}")
        yield store
        type(files).clear_instance_cache()


def quick_to_ask_again(patch: pytest.MonkeyPatch) -> None:
    """Azure's package waits for 15 seconds before it asks again."""
    if azure := sys.modules.get("azure.storage.blob._shared.policies_async"):
        patch.setattr(azure.ExponentialRetry, "get_backoff_time", lambda *_: 0.1)


@pytest.fixture
def store(server: Store) -> Iterator[Store]:
    yield server
    server.trouble.end()


@pytest.fixture(scope="module")
def expected(normal: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("model") / "here.oneclass"
    Detector(**SMALL).fit(normal).save(file, rows=True)
    return file


def at(store: Store, key: str) -> Remote:
    found = place(f"{store.scheme}://images/{key}")
    assert isinstance(found, Remote)
    return found


@pytest.mark.parametrize(("every", "seconds"), [(0, 0.0), (7, 0.0), (0, 0.05)])
def test_a_fit_from_a_store_is_that_of_the_folder(
    store: Store, expected: Path, every: int, seconds: float
) -> None:
    trouble = store.trouble
    trouble.every, trouble.seconds, before = every, seconds, trouble.failed
    there = Detector(**SMALL).fit(str(at(store, "normal")))
    there.save(at(store, "models/parts.oneclass"), rows=True)
    trouble.end()
    assert (trouble.failed - before >= 10) == bool(every)
    assert at(store, "models/parts.oneclass").read_bytes() == expected.read_bytes()
    assert [(e.name, e.reason) for e in there.errors] == [
        (str(at(store, "normal/cut.png")), "truncated")
    ]


def test_workers_fetch_images_themselves(
    store: Store, expected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extraction, "IMAGES_A_TASK", 3)
    with connected("local:2") as client:
        client.run(_quick_there)
        store.trouble.every = 7
        there = Detector(**SMALL, cluster=client).fit(str(at(store, "normal")) + "/")
    store.trouble.end()
    there.save(tmp_path / "there.oneclass")
    assert (tmp_path / "there.oneclass").read_bytes() == expected.read_bytes()


def _quick_there() -> None:
    import contextlib
    import importlib

    with contextlib.suppress(ImportError):
        azure = importlib.import_module("azure.storage.blob._shared.policies_async")
        azure.ExponentialRetry.get_backoff_time = lambda *_: 0.1


def test_an_image_is_fetched_once_to_be_scored(store: Store, expected: Path) -> None:
    store.trouble.counted.clear()
    found = load(expected).score(str(at(store, "normal/*.png"))).predictions
    assert len(found) == 40
    told = [one for one in store.trouble.counted if one.startswith("GET") and ".png" in one]
    gets = [one for one in told if "*" not in one]  # gs asks whether a file has the pattern's name
    assert len(gets) == 41


def test_what_cannot_be_had_is_a_row_in_errors(
    store: Store, expected: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("oneclass.system.stores.PAUSES", (0.0,))
    lines = [str(at(store, "normal/000.png")), str(at(store, "none.png"))]
    lines.append(f"{store.scheme}://nobucket/none.png")
    found = load(expected).score(lines)
    assert [p.path for p in found.predictions] == lines[:1]
    assert [(e.name, e.reason) for e in found.errors] == [(name, "missing") for name in lines[1:]]
    monkeypatch.setattr(places, "TIMEOUT", 1)
    store.trouble.seconds = 4
    (error,) = load(expected).score(lines[:1]).errors
    assert (error.reason, "cannot be fetched" in error.detail) == ("unreadable", True)


def test_a_refusal_is_told_at_once(store: Store, expected: Path) -> None:
    image, before = at(store, "normal/000.png"), len(store.trouble.counted)
    store.trouble.every, store.trouble.kinds = 1, (403,)
    (error,) = load(expected).score([str(image)]).errors
    assert (error.reason, "access is refused" in error.detail) == ("unreadable", True)
    assert len(store.trouble.counted) - before <= 2, "nobody asks again"
    with pytest.raises(ModelFileError, match="access is refused"):
        load(str(image))
    with pytest.raises(PermissionError, match="access is refused"):
        check_can_write(at(store, "models/new.oneclass"))


def test_a_large_file_comes_back_whole(store: Store, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(content := os.urandom(12 << 20))
    file = at(store, "large")
    file.take(str(tmp_path / "large"))
    assert file.stat().st_size == len(content)
    assert file.read_bytes() == content
    with file.open("rb") as opened:
        assert opened.read() == content
    (tmp_path / "large").write_bytes(b"")
    file.take(str(tmp_path / "large"))
    assert (file.read_bytes(), file.is_file()) == (b"", True)
    with places.reading_as_needed(file) as opened:
        assert opened.read() == b""
    file.unlink()
    assert not file.exists()


def test_a_file_that_fails_to_arrive_leaves_what_was_there(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = at(store, "kept")
    (tmp_path / "kept").write_bytes(b"old")
    file.take(str(tmp_path / "kept"))
    (tmp_path / "kept").write_bytes(os.urandom(12 << 20))
    store.trouble.every, store.trouble.kinds = 1, (403,)
    with pytest.raises(OSError, match="refused"):
        file.take(str(tmp_path / "kept"))
    store.trouble.end()
    assert file.read_bytes() == b"old"
    assert not at(store, ".oneclass-probe").exists()


@pytest.mark.linux
def test_a_place_where_nobody_answers_is_an_error_and_no_wait(
    store: Store, expected: Path, tmp_path: Path
) -> None:
    environment = {**os.environ, **store.nowhere}
    program = (
        "import sys\n"
        "from oneclass.system import places, stores\n"
        "stores.PAUSES, places.TIMEOUT = (0.0,), 2\n"
        "from oneclass.__main__ import main\n"
        "main()\n"
    )
    images = tmp_path / "list.txt"
    images.write_text(f"{at(store, 'normal/000.png')}\n")
    words = ["score", str(expected), str(images), "-o", str(tmp_path / "run")]
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 3, done.stderr
    assert "Traceback" not in done.stderr
    told = read(tmp_path / "run/errors.csv")[1]
    assert told[1] == "unreadable"
    assert "in 2 tries" in told[2], told


def read(file: Path) -> list[list[str]]:
    return list(csv.reader(file.read_text().splitlines()))


@pytest.mark.linux
def test_the_command_line_reads_and_writes_there(
    store: Store, normal: Path, expected: Path, tmp_path: Path
) -> None:
    model, out = str(at(store, "cli/parts.oneclass")), str(at(store, "cli/run"))
    images = str(at(store, "normal"))
    done = command("fit", f"{images}/", "-o", model, *OPTIONS)
    assert done.returncode == 3, done.stderr
    assert f"{model}: learnt 40 normal images" in done.stderr
    done = command("score", model, f"{images}/", "-o", out)
    assert done.returncode == 3, done.stderr
    assert f"{out}/predictions.csv" in done.stderr
    assert "Could not" not in done.stderr, "only oneclass speaks"
    here = command("score", str(expected), str(normal), "-o", str(tmp_path))
    assert here.returncode == 3
    there = read(place(f"{out}/predictions.csv"))
    assert [line[1:] for line in there] == [line[1:] for line in read(tmp_path / "predictions.csv")]
    assert there[1][0] == f"{images}/000.png"
    assert read(place(f"{out}/errors.csv"))[1][:2] == [f"{images}/cut.png", "truncated"]
    options = ["-o", f"{out}/parts", "--parquet", "--cluster", "local:2"]
    for _ in range(2):
        done = command("score", model, f"{images}/", *options)
        assert done.returncode == 3, done.stderr
    names = sorted(name for name, _ in place(f"{out}/parts/predictions").entries())
    assert names == ["000000000000-000000000041.parquet", "_parts.json"]
    missing = command("score", str(at(store, "cli/none")), str(normal))
    assert (missing.returncode, "there is nothing" in missing.stderr) == (4, True)
    assert command("info", model).returncode == 0


def test_without_a_key_it_is_refused_and_not_called_unknown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    azure = pytest.importorskip("adlfs", reason="needs the extra test-remote")
    for name in [name for name in os.environ if name.startswith("AZURE_STORAGE")]:
        monkeypatch.delenv(name)
    azure.AzureBlobFileSystem.clear_instance_cache()
    with pytest.raises(PermissionError, match=r"access is refused: .*account_name"):
        place("az://images/none").stat()
