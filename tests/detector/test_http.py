"""Images, lists and models behind http://, from a server of this machine.

Needs the extra `test-remote`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from oneclass import Detector, InputError, ModelFileError, load

pytest.importorskip("aiohttp", reason="needs the extra test-remote")
SMALL: dict[str, Any] = {"layer": "block_2", "grid": 2, "size": (32, 32)}


class Quiet(SimpleHTTPRequestHandler):
    """Files of a folder; what lies below private/ is forbidden."""

    def log_message(self, *_: object) -> None:
        """Nothing."""

    def do_GET(self) -> None:
        if self.path.startswith("/private/"):
            self.send_error(403)
        else:
            super().do_GET()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    handler = partial(Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as made:
        thread = threading.Thread(target=made.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()
        thread.join()


def test_a_list_and_a_model_on_a_web_server(
    server: str, image_folder: Callable[..., Path], tmp_path: Path
) -> None:
    normal = image_folder("normal", 24, seed=1)
    names = [file.name for file in sorted(normal.iterdir())]
    lines = [f"normal/{name}" for name in names]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    here = Detector(**SMALL).fit(normal)
    there = Detector(**SMALL).fit(f"{server}/list.txt")
    assert here.save(tmp_path / "model") == there.save(tmp_path / "there")
    given = [f"{server}/normal/000.png?size=1", f"{server}/none.png", f"{server}/private/a.png"]
    found = load(f"{server}/model").score(given)
    assert [p.path for p in found.predictions] == given[:1]
    assert found.predictions[0].score == here.score(normal / "000.png").predictions[0].score
    assert [(e.name, e.reason) for e in found.errors] == [
        (given[1], "missing"),
        (given[2], "unreadable"),
    ]
    assert "access is refused" in found.errors[1].detail


def test_what_is_not_there_and_what_cannot_be_written(
    server: str, image_folder: Callable[..., Path]
) -> None:
    with pytest.raises(ModelFileError, match=r"/none: cannot be read: there is nothing"):
        load(f"{server}/none")
    detector = Detector(**SMALL).fit(image_folder("normal", 24, seed=1))
    with pytest.raises(InputError, match="are written to s3://"):
        detector.save(f"{server}/model")
