"""Networks in int8: what they moved is told, and beyond a limit there is no file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from commands import oneclass
from conftest import stripes, write_images
from oneclass import Detector
from oneclass.export import quantising
from oneclass.export.quantising import LEAST, MOST, _halves, _moved
from oneclass.export.running import open_exported
from oneclass.export.verifying import Difference
from oneclass.images.sources import Sources

needs_nncf = pytest.mark.skipif(find_spec("nncf") is None, reason="needs the extra int8")


def different(score: float, exported: bool = False, own: bool = False) -> Difference:
    return Difference("a.png", score, 0.0, (exported, own), near=False, anomaly_map=None)


def test_what_moved_is_counted_and_no_number_is_the_worst() -> None:
    found = [different(x / 10) for x in range(-9, 10)]
    moved = _moved(7, [*found, different(float("nan"), exported=True)])
    assert (moved.calibrated_on, moved.measured_on) == (7, 20)
    assert moved.median == pytest.approx(0.5)
    assert moved.nine_in_ten == pytest.approx(0.9)
    assert moved.largest == np.inf
    assert (moved.verdicts, moved.alarms, moved.own_alarms) == (1, 1, 0)


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_nine_in_ten_are_within_what_is_told_for_nine_in_ten(share: float) -> None:
    apart = np.where(np.arange(40) < 40 * share, 5.0, 0.1)
    told = _moved(1, [different(x) for x in apart]).nine_in_ten
    assert (apart <= told).mean() >= 0.9
    assert told == (5.0 if share > 0.1 else 0.1)


@pytest.mark.parametrize("n", [0, 1, 2, 21, 200, 1001])
def test_no_image_is_calibrated_on_and_measured_on(n: int) -> None:
    given = Sources(
        [np.full((2, 2), i % 250, np.uint8) for i in range(n)], [str(i) for i in range(n)]
    )
    first, second = (half.names for half in _halves(given))
    assert not set(first) & set(second)
    assert len(first) + len(second) == min(n, 2 * MOST)
    assert 0 <= len(first) - len(second) <= 1


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("int8")
    Detector(size=(96, 96)).fit(stripes(40, seed=1)).save(place / "parts.oneclass")
    write_images(place / "normal", stripes(4 * LEAST, seed=2))
    return place


def export(
    place: Path, out: Path, *words: str | Path, model: str = "parts"
) -> subprocess.CompletedProcess[str]:
    file = place / f"{model}.oneclass"
    return oneclass("export", file, "-o", out, "--format", "openvino", *words)


@needs_nncf
@pytest.mark.parametrize("rows", ["image", "both", "one_pass"])
def test_int8_is_smaller_and_stays_within_the_limit(place: Path, tmp_path: Path, rows: str) -> None:
    if rows != "image":
        side = 96 if rows == "both" else 224
        both = Detector(size=(side, side), rows="both").fit(stripes(40, seed=1))
        both.save(place / f"{rows}.oneclass")
    model = "parts" if rows == "image" else rows
    (place / "normal/broken.png").write_bytes(b"no image")
    plain = export(place, tmp_path / "plain.xml", model=model)
    done = export(
        place, tmp_path / "int8.xml", "--int8", place / "normal", "--int8-limit", "1", model=model
    )
    assert plain.returncode == 0, plain.stderr
    assert done.returncode == 3, done.stderr
    assert "broken.png" in done.stderr
    assert "int8, calibrated on 20 images, moved the scores of 20 others" in done.stderr
    assert f"oneclass verify {tmp_path}/int8.xml {place}/{model}.oneclass IMAGES --tolerance 1" in (
        done.stderr
    )
    sizes = [(tmp_path / f"{name}.bin").stat().st_size for name in ("int8", "plain")]
    assert sizes[0] < 0.5 * sizes[1]
    told = open_exported(tmp_path / "int8.xml").record["int8"]
    assert 0 < told["median"] <= told["nine_in_ten"] <= told["largest"]
    # What was told of images that it was not calibrated on holds for others of the kind.
    write_images(tmp_path / "more", stripes(10, seed=3))
    words = ("--tolerance", str(4 * told["largest"]))
    seen = oneclass(
        "verify", tmp_path / "int8.xml", place / f"{model}.oneclass", tmp_path / "more", *words
    )
    assert seen.returncode == 0, seen.stdout + seen.stderr
    assert "map, shares" in seen.stdout


@needs_nncf
def test_beyond_the_limit_nothing_is_written(place: Path, tmp_path: Path) -> None:
    words = ("--int8", place / "normal", "--int8-limit", "1e-6")
    done = export(place, tmp_path / "parts.xml", *words)
    assert done.returncode == 11, done.stderr
    assert "not written" in done.stderr
    assert "beyond the limit of 1e-06" in done.stderr
    assert list(tmp_path.iterdir()) == []


@needs_nncf
def test_too_few_images_and_no_network_are_refused(
    place: Path, tmp_path: Path, image_folder: Callable[..., Path]
) -> None:
    done = export(
        place, tmp_path / "parts.xml", "--int8", image_folder("few", 2 * LEAST - 1, seed=2)
    )
    assert done.returncode == 2
    assert "19 images can be read; expected 20 or more" in done.stderr
    done = export(place, tmp_path / "parts.xml", "--int8", tmp_path / "nowhere")
    assert done.returncode == 2, done.stderr
    assert "0 images can be read" in done.stderr
    assert "nowhere: there is no such file or folder; check the path [missing]" in done.stderr
    Detector(backbone="greyscale", size=(9, 9)).fit(stripes(20, seed=1)).save(
        place / "grey.oneclass"
    )
    done = export(place, tmp_path / "grey.xml", "--int8", place / "normal", model="grey")
    assert done.returncode == 2
    assert "has no network" in done.stderr
    assert not list(tmp_path.glob("*.xml"))


@needs_nncf
def test_nncf_comes_without_what_reports_its_use() -> None:
    program = (
        "import sys; from oneclass.system import offline; offline.nncf(); "
        "print('openvino_telemetry' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_without_nncf_the_line_that_installs_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    monkeypatch.setitem(sys.modules, "openvino", sys)  # any module: it is not asked for more
    with pytest.raises(quantising.MissingDependencyError, match=r'pip install "(nncf|oneclass)'):
        quantising._package()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--int8", "normal"), "--int8 is for --format openvino"),
        (("--format", "openvino", "--int8-limit", "1"), "is for --int8 IMAGES"),
        (("--format", "openvino", "--int8", "normal", "--int8-limit", "0"), "above 0"),
        (("--format", "openvino", "--int8", "normal", "--int8-limit", "nan"), "above 0"),
        (("--format", "web", "--int8", "normal"), "--int8 is for --format openvino"),
    ],
)
def test_options_that_do_not_go_together(
    place: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    done = oneclass("export", place / "parts.oneclass", "-o", tmp_path / "parts.xml", *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert list(tmp_path.iterdir()) == []
