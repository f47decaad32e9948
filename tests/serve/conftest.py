"""A server in this process with a small model, asked without a network."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("fastapi", reason="needs the extra serve")

from starlette.testclient import TestClient

from conftest import stripes, write_images
from oneclass import Detector, load
from oneclass.serve.records.versions import Versions
from oneclass.serve.settings import Limits, Settings
from oneclass.serve.web.app import make_app
from oneclass.serve.work.library import Library
from oneclass.serve.work.service import Service
from serving import HERE, RAW, Place, Running


@pytest.fixture(scope="session")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A grey-scale model of upright stripes, with its rows."""
    file = tmp_path_factory.mktemp("serve") / "stripes.oneclass"
    detector = Detector(backbone="greyscale", threads=1)
    detector.fit(list(stripes(40, seed=1))).save(file, rows=True)
    return file


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of normal and of odd images."""
    folder = tmp_path_factory.mktemp("images")
    write_images(folder / "normal", stripes(8, seed=2))
    noise = np.random.default_rng(3).integers(0, 2, (6, 24, 24)) * 255
    write_images(folder / "odd", noise.astype(np.uint8))
    return folder


@pytest.fixture
def start(tmp_path: Path, model_file: Path) -> Iterator[Callable[..., Place]]:
    """Start servers with settings of a test's own; the model is in them unless told."""
    began: list[TestClient] = []

    def begin(
        *, model: bool = True, limits: Limits | None = None, data: str = "data", **more: Any
    ) -> Place:
        roots = tmp_path / "roots"
        roots.mkdir(exist_ok=True)
        settings = Settings(
            tmp_path / data,
            threads=1,
            limits=limits or Limits(),
            **{"folders": (roots,), **more},
        )
        service = Service(settings)
        if model and not service.versions.serving():
            copy = tmp_path / "copy.oneclass"
            for suffix in ("", ".rows"):
                source = model_file.with_name(model_file.name + suffix)
                copy.with_name(copy.name + suffix).write_bytes(source.read_bytes())
            version = service.library.take_in(copy, "stripes", origin="fit")
            service.versions.take(version, who="test")
        client = TestClient(make_app(service), base_url=HERE, follow_redirects=False)
        client.__enter__()
        began.append(client)
        return Place(service, client, roots)

    yield begin
    for client in began:
        client.__exit__(None, None, None)


@pytest.fixture
def place(start: Callable[..., Place]) -> Place:
    return start()


@pytest.fixture
def three(place: Place, model_file: Path, tmp_path: Path) -> Place:
    """With a second model, `three`, which calls more than every other normal image unclear."""
    file = tmp_path / "three.oneclass"
    load(model_file, unclear=0.7).save(file)
    place.client.put("/api/v1/models/three/file", content=file.read_bytes(), headers=RAW)
    return place


@pytest.fixture
def data(tmp_path: Path, model_file: Path) -> Path:
    """A data folder with the model."""
    service = Service(Settings(tmp_path / "data", threads=1))
    copy = tmp_path / "copy.oneclass"
    copy.write_bytes(model_file.read_bytes())
    version = Library(tmp_path / "data/models", Versions(service.database), 1).take_in(
        copy, "stripes", origin="fit"
    )
    service.versions.take(version, who="test")
    service.database.close()
    return tmp_path / "data"


@pytest.fixture
def run(data: Path) -> Iterator[Callable[..., Running]]:
    began: list[Running] = []

    def begin(**limits: Any) -> Running:
        began.append(Running(data, **limits))
        return began[-1]

    yield begin
    for one in began:
        if one.process.poll() is None:
            one.end(signal.SIGKILL)
