"""Files as the examples read them: to the pixels of oneclass's own reader, or refused as there.

The graph is given pixels. What makes them of files has to turn, composite and refuse as
`images.read` does.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from commands import oneclass
from conftest import stripes
from elsewhere import (
    GIVEN,
    ORIENTATION,
    clear_files,
    colours,
    of_three_channels,
    refused_files,
    turned_files,
)
from oneclass import Detector, ImageError, images, load
from oneclass.export.assembly import onnx_model
from oneclass.images.sources import gather

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The function of the example that reads a file."""
    monkeypatch.syspath_prepend(EXAMPLES)
    import onnxruntime_only

    return onnxruntime_only.read


def judged(model: Path, *paths: Path) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, EXAMPLES / "onnxruntime_only.py", model, *paths]
    return subprocess.run(program, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("make", [turned_files, clear_files])
def test_the_example_reads_files_to_the_pixels_of_the_reader(
    read: Any, tmp_path: Path, make: Any
) -> None:
    for path in make(tmp_path):
        np.testing.assert_array_equal(read(path), of_three_channels(path), err_msg=path.name)


def test_an_mpo_is_its_first_picture(read: Any, tmp_path: Path) -> None:
    two = [Image.fromarray(colours(seed)) for seed in (0, 1)]
    two[0].save(tmp_path / "stereo.mpo", save_all=True, append_images=two[1:])
    path = tmp_path / "stereo.mpo"
    np.testing.assert_array_equal(read(path), of_three_channels(path))


def test_the_example_gives_turned_files_the_verdicts_of_the_detector(
    model: Path, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    paths = [tmp_path / f"{i}.png" for i in range(6)]
    for path, image in zip(paths, stripes(6, seed=5), strict=True):
        Image.fromarray(np.rot90(image).copy()).save(path, exif=exif)
    done = judged(model.with_suffix(".onnx"), *paths)
    expected = load(model).score(list(map(str, paths)))
    found = [line.split(",")[-1] for line in done.stdout.splitlines() if line[0] != " "]
    assert found == [one.verdict for one in expected]
    assert "fine" in found, "turned back they are as those that were learnt"


def test_the_example_refuses_what_score_refuses_and_judges_the_others(
    model: Path, tmp_path: Path
) -> None:
    (tmp_path / "refused").mkdir()
    refused = refused_files(tmp_path / "refused")
    Image.new("RGB", (40, 40), (9, 9, 9)).save(tmp_path / "covered.png")
    refused[tmp_path / "covered.png"] = "all of it has one colour"
    refused[tmp_path / "none.png"] = "[Errno 2] No such file"
    fine = tmp_path / "fine.png"
    Image.fromarray(stripes(1, seed=5)[0]).save(fine)
    own = load(model).score_each(gather(list(map(str, refused))))
    assert all(isinstance(one, ImageError) for one in own)
    done = judged(model.with_suffix(".onnx"), *refused, fine)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert len(lines) == len(refused), done.stderr
    for line, (path, why) in zip(lines, refused.items(), strict=True):
        assert line.startswith(f"{path}: cannot be judged: {why}")
    assert done.stdout.startswith(f"{fine},")


def test_one_colour_is_judged_between_those_that_were_learnt(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)
    from onnxruntime_only import check

    grey = np.full((4, 4, 3), 9, np.uint8)
    for learnt, known in (
        ([], False),
        ([[9.0] * 3], True),
        ([[5.0] * 3, [20.0] * 3], True),
        ([[10.0] * 3, [20.0] * 3], False),
        (None, True),
    ):
        fit = {} if learnt is None else {"one_colour": learnt}
        record = {"size": None, "card": {"fit": fit}}
        if known:
            check(grey, record)
        else:
            with pytest.raises(ValueError, match="one colour"):
                check(grey, record)
    with pytest.raises(ValueError, match="it has 3 x 4 pixels, and the model takes 6 x 5"):
        check(grey[:, :3], {"size": [5, 6], "card": {"fit": {}}})


def test_the_example_says_in_a_sentence_which_models_it_does_not_take(tmp_path: Path) -> None:
    deep = stripes(30, seed=1).astype(np.uint16) * 200
    file = tmp_path / "deep.onnx"
    file.write_bytes(onnx_model(Detector(size=(64, 64)).fit(deep)))
    done = judged(file, tmp_path / "a.png")
    said = f"{file}: takes uint16 images, NHWC; this program gives uint8, NHWC\n"
    assert (done.returncode, done.stderr) == (1, said)
    done = judged(tmp_path / "none.onnx", tmp_path / "a.png")
    assert done.returncode == 1
    assert f"{tmp_path / 'none.onnx'}: is no model that 'oneclass export' wrote: " in done.stderr
    assert "Traceback" not in done.stderr


def test_verify_says_that_reading_is_not_compared(model: Path, tmp_path: Path) -> None:
    Image.fromarray(stripes(1, seed=5)[0]).save(tmp_path / "fine.png")
    done = oneclass("verify", model.with_suffix(".onnx"), model, tmp_path / "fine.png")
    assert done.returncode == 0, done.stderr
    assert "not compared: how files are read." in done.stderr


def test_a_pictures_ppm_is_what_the_documentation_makes_of_it(tmp_path: Path) -> None:
    told = (EXAMPLES.parent / "docs" / "export.md").read_text(encoding="utf-8")
    line = next(line for line in told.splitlines() if "save('part.ppm')" in line)
    program = line.split('"')[1]
    shutil.copy(EXAMPLES / "onnxruntime_only.py", tmp_path)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    Image.fromarray(colours()).save(tmp_path / "part.png", exif=exif)
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    np.testing.assert_array_equal(
        images.read(tmp_path / "part.ppm"), images.read(tmp_path / "part.png")
    )


needs_node = pytest.mark.skipif(
    not shutil.which("node") or Path(GIVEN or "").parent.name != "node_modules",
    reason="no Node here, or the runtime was not installed by npm",
)


@needs_node
def test_the_node_example_says_in_a_line_that_a_model_is_none(model: Path, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(Path(str(GIVEN)).parent)
    shutil.copy(EXAMPLES / "node.mjs", tmp_path)
    (tmp_path / "cut.onnx").write_bytes(model.with_suffix(".onnx").read_bytes()[:999])
    for name in ("none.onnx", "cut.onnx"):
        done = subprocess.run(
            ["node", "node.mjs", name, "a.pgm"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr.count("\n")) == (1, 1), done.stderr
        assert done.stderr.startswith(f"{name}: is no model that 'oneclass export' wrote: ")


@needs_node
def test_the_node_example_tells_every_file(model: Path, tmp_path: Path) -> None:
    (tmp_path / "node_modules").symlink_to(Path(str(GIVEN)).parent)
    shutil.copy(EXAMPLES / "node.mjs", tmp_path)
    for name, image in zip("ab", stripes(2, seed=5), strict=True):
        Image.fromarray(image).save(tmp_path / f"{name}.pgm")
    (tmp_path / "cut.pgm").write_bytes((tmp_path / "a.pgm").read_bytes()[:50])
    (tmp_path / "zero.pgm").write_bytes(b"")
    names = ["zero.pgm", "a.pgm", "cut.pgm", "none.pgm", "b.pgm"]
    done = subprocess.run(
        ["node", "node.mjs", model.with_suffix(".onnx"), *names],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert [line.split(",")[0] for line in done.stdout.splitlines()] == ["a.pgm", "b.pgm"]
    zero, cut, none = done.stderr.splitlines()
    assert zero == "zero.pgm: no binary PPM or PGM of 8 bits"
    assert cut == "cut.pgm: ends before its last pixel"
    assert none.startswith("none.pgm: ENOENT")
