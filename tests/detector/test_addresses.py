"""Models, their rows and their images behind addresses: the same as in folders."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from oneclass import Detector, InputError, ModelFileError, load
from oneclass.results.heatmaps import HeatmapFolder
from oneclass.results.runs import read_run, record_of, write_run
from oneclass.system.files import whole_file
from oneclass.system.places import place

pytest.importorskip("fsspec")
SMALL: dict[str, Any] = {"layer": "block_2", "grid": 2, "size": (32, 32)}


@pytest.fixture
def root() -> Path:
    return place(f"memory://{uuid4().hex}")


def sent(folder: Path, there: Path) -> Path:
    for file in folder.iterdir():
        with whole_file(there / file.name) as out:
            out.write(file.read_bytes())
    return there


def test_heatmaps_are_not_put_among_pictures_at_an_address(
    root: Path, image_folder: Callable[..., Path]
) -> None:
    there = sent(image_folder("normal", 3, seed=1), root / "normal")
    with pytest.raises(InputError, match=r"--heatmaps is memory://.*/normal: 000\.png lies there"):
        HeatmapFolder(there)
    HeatmapFolder(root / "other").finish()
    with whole_file(there / "index.csv") as index:
        index.write(b"path\n")
    HeatmapFolder(there)  # heatmaps were put there before


def test_fit_score_and_update_are_those_of_a_folder(
    root: Path, image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    normal, more = image_folder("normal", 24, seed=1), image_folder("more", 6, seed=2)
    (normal / "cut.png").write_bytes((normal / "003.png").read_bytes()[:90])
    here = Detector(**SMALL).fit(normal)
    there = Detector(**SMALL).fit(str(sent(normal, root / "normal")))
    model, address = tmp_path / "model", str(root / "models/parts.oneclass")
    assert here.save(model, rows=True) == there.save(address, rows=True)
    assert [e.reason for e in there.errors] == [e.reason for e in here.errors] == ["truncated"]
    assert there.errors[0].name == f"{root}/normal/cut.png"
    assert place(address).read_bytes() == model.read_bytes()
    again, once = load(address), load(model)
    sent(more, root / "more")
    scored = again.score(f"{root}/more/"), once.score(more)
    assert [(p.score, p.p_value) for p in scored[0]] == [(p.score, p.p_value) for p in scored[1]]
    assert scored[0][0].path == f"{root}/more/000.png"
    assert again.update(f"{root}/more").added == once.update(more).added == 6
    assert again.save(address) == once.save(model)
    assert str(there.folders[0].path) == f"{root}/normal"


def test_the_cache_knows_what_was_fetched(
    root: Path, image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    normal = image_folder("normal", 24, seed=1)
    Detector(**SMALL, cache=tmp_path / "cache").fit(normal)
    there = Detector(**SMALL, cache=tmp_path / "cache").fit(str(sent(normal, root / "normal")))
    assert (there.cache_use.found, there.cache_use.computed) == (24, 0)
    with pytest.raises(InputError, match=r"cache is 's3://b/rows'.*folder of this machine"):
        Detector(cache="s3://b/rows")


def test_runs_are_written_there_and_read_back(
    root: Path, image_folder: Callable[..., Path]
) -> None:
    from datetime import UTC, datetime

    normal = image_folder("normal", 24, seed=1)
    detector = Detector(**SMALL).fit(normal)
    detector.save(str(root / "model"))
    found = detector.score(normal)
    record = record_of(
        detector, found.predictions, found.errors, started=datetime.now(UTC), finished=True
    )
    write_run(root / "run", found.predictions, found.errors, record)
    assert sorted(name for name, _ in root.joinpath("run").entries()) == [
        "errors.csv", "predictions.csv", "predictions.jsonl", "run.json"
    ]  # fmt: skip
    assert read_run(root / "run").predictions == found.predictions


def test_models_that_are_not_there_or_damaged_are_refused(root: Path) -> None:
    with pytest.raises(ModelFileError, match=r"model memory://.*/none: cannot be read: there is"):
        load(str(root / "none"))
    with whole_file(root / "bad") as file:
        file.write(b"ONECLASS" + bytes(100))
    with pytest.raises(ModelFileError, match=r"memory://.*/bad: refused"):
        load(str(root / "bad"))


def test_images_are_fetched_while_others_are_worked_on(
    root: Path, image_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = pytest.importorskip("fsspec.implementations.memory").MemoryFileSystem
    there = sent(image_folder("normal", 24, seed=1), root / "normal")
    fetch, lock, now, most = memory.cat_file, threading.Lock(), [0], [0]

    def slowly(*given: Any, **more: Any) -> bytes:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.02)
        with lock:
            now[0] -= 1
        content: bytes = fetch(*given, **more)
        return content

    monkeypatch.setattr(memory, "cat_file", slowly)
    Detector(**SMALL, threads=1).fit(str(there))
    assert 2 <= most[0] <= 4
