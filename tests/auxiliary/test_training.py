"""Training as a user runs it: it learns, it is exported, it survives being killed."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import stripes, write_images
from oneclass.auxiliary import checkpoint
from oneclass.backbones import Backbone

HERE = Path(__file__).parents[1]
TINY = ("--network", "tiny:make", "--size", "16", "--batch", "8", "--threads", "1")
TINY += ("--learning-rate", "0.02")


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "oneclass", *map(str, words)]


def environment(**more: str) -> dict[str, str]:
    paths = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **more}


def train(*words: str | Path, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command("train", *words),
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env=environment(**env),
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sub-categories that are easy to tell apart."""
    place = tmp_path_factory.mktemp("train")
    write_images(place / "normal/upright", stripes(40, seed=1, side=16))
    write_images(place / "normal/lying", stripes(40, seed=2, side=16, upright=False))
    return place


@pytest.fixture(scope="module")
def whole(place: Path) -> bytes:
    """The backbone of a run that nothing interrupted."""
    done = train("normal", "-o", "whole.onnx", *TINY, "--epochs", "6", cwd=place)
    assert done.returncode == 0, done.stderr
    return (place / "whole.onnx").read_bytes()


def test_it_learns_and_says_so(place: Path, whole: bytes) -> None:
    lines = (place / "whole.onnx.run/metrics.jsonl").read_text().splitlines()
    history = [json.loads(line) for line in lines]
    assert [record["epoch"] for record in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1]["loss"] < history[0]["loss"]
    assert history[-1]["held_out_accuracy"] == 1
    assert not (place / "whole.onnx.run/pixels.npy").exists()


def test_the_whole_recipe_in_the_documentation_begins_on_a_processor(tmp_path: Path) -> None:
    page = (HERE.parent / "docs/training.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^ {4}oneclass train (.*--preset paper.*)$", page, re.MULTILINE)
    words = line.replace("--device cuda", "--device cpu --epochs 2 --batch 8").split()
    for name in ("anton", "bert"):
        seed = len(name)
        write_images(tmp_path / "faces/male" / name, stripes(8, seed, upright=seed == 4))
    done = train(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    backbone = Backbone.open(tmp_path / "male.onnx")
    assert {"P6", "C8", "P8", "FC9"} <= set(backbone.layers)
    assert len((tmp_path / "male.onnx.run/metrics.jsonl").read_text().splitlines()) == 2


def test_the_file_is_a_backbone_with_its_origin(place: Path, whole: bytes) -> None:
    import onnx

    backbone = Backbone.open(place / "whole.onnx")
    assert backbone.layers == ("C1", "P1", "FC2")
    assert backbone.shapes() == {"C1": (8, 16, 16), "P1": (8, 4, 4), "FC2": (2,)}
    model = onnx.load_model_from_string(whole)
    record = json.loads({p.key: p.value for p in model.metadata_props}["oneclass"])
    assert record["classes"] == ["lying", "upright"]
    assert record["training"]["images"] == 72
    assert record["training"]["held_out"] == 8
    assert record["training"]["settings"]["preset"] == "quick"
    assert len(record["training"]["settings"]["data_sha256"]) == 64
    assert len(record["training"]["history"]) == 6


def test_the_exported_network_computes_what_torch_does(place: Path, whole: bytes) -> None:
    import tiny

    folder = place / "whole.onnx.run"
    network = tiny.make(2)
    checkpoint.read_into(folder, checkpoint.read_record(folder), network)
    images = np.random.default_rng(0).normal(size=(5, 1, 16, 16)).astype(np.float32)
    x = torch.from_numpy(images)
    found = Backbone.open(place / "whole.onnx").session(("C1", "P1", "FC2"))(images)
    with torch.no_grad():
        for layer, values in zip(network.eval().children(), found, strict=True):
            x = layer(x)
            np.testing.assert_allclose(values, x.numpy(), atol=1e-5)


def test_fit_takes_it_like_any_other_backbone(place: Path, whole: bytes) -> None:
    words = ("fit", "normal", "-o", "m.oneclass", "--backbone", "whole.onnx", "--layer", "P1")
    done = subprocess.run(command(*words), cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_report_shows_the_training(place: Path, whole: bytes) -> None:
    steps = (
        ("fit", "normal", "-o", "r.oneclass", "--backbone", "whole.onnx", "--layer", "P1"),
        ("score", "r.oneclass", "normal/lying", "-o", "run", "--backbone", "whole.onnx"),
        ("report", "r.oneclass", "run", "--backbone", "whole.onnx"),
    )
    for words in steps:
        done = subprocess.run(
            command(*words), cwd=place, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    page = (place / "run/report.html").read_text(encoding="utf-8")
    assert "to tell 2 sub-categories apart" in page
    assert 'id="training-' in page


def test_the_same_command_gives_the_same_bytes(place: Path, whole: bytes) -> None:
    (place / "again").mkdir()
    done = train("normal", "-o", "again/whole.onnx", *TINY, "--epochs", "6", cwd=place)
    assert done.returncode == 0, done.stderr
    assert (place / "again/whole.onnx").read_bytes() == whole


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_any_point_and_resumed_it_ends_with_the_same_bytes(
    place: Path, whole: bytes, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    out = place / f"killed{seed}"
    out.mkdir()
    words = ("normal", "-o", out / "whole.onnx", *TINY, "--epochs", "6")
    killed = 0
    for _ in range(40):
        with subprocess.Popen(
            command("train", *words, "--resume", "--checkpoint-every", "0"),
            cwd=place,
            stderr=subprocess.DEVNULL,
            env=environment(),
        ) as process:
            try:
                process.wait(float(rng.uniform(2.5, 5)) if killed < 4 else 120)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                killed += 1
        if process.returncode == 0:
            break
    assert (out / "whole.onnx").read_bytes() == whole
    expected = (place / "whole.onnx.run/metrics.jsonl").read_text().splitlines()
    found = (out / "whole.onnx.run/metrics.jsonl").read_text().splitlines()
    for a, b in zip(expected, found, strict=True):
        first, second = json.loads(a), json.loads(b)
        first.pop("seconds")
        second.pop("seconds")
        assert first == second


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_keeps_its_last_step(
    place: Path, whole: bytes, number: signal.Signals
) -> None:
    out = place / f"stopped{number}"
    out.mkdir()
    words = ("normal", "-o", out / "whole.onnx", *TINY, "--epochs", "6")
    with subprocess.Popen(
        command("train", *words), cwd=place, stderr=subprocess.PIPE, text=True, env=environment()
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch 1/"):
                process.send_signal(number)
                break
        rest = process.stderr.read()
    assert process.returncode == 128 + number
    assert "interrupted: " in rest
    assert "the same command with --resume goes on from there." in rest
    assert not (out / "whole.onnx").exists()
    assert checkpoint.exists(out / "whole.onnx.run")
    done = train(*words, "--resume", cwd=place)
    assert done.returncode == 0, done.stderr
    assert (out / "whole.onnx").read_bytes() == whole


def test_a_run_is_not_overwritten_unless_that_is_asked_for(place: Path, whole: bytes) -> None:
    words = ("normal", "-o", "whole.onnx", *TINY, "--epochs", "6")
    done = train(*words, cwd=place)
    assert done.returncode == 2
    assert "holds a run already" in done.stderr
    done = train(*words, "--resume", cwd=place)  # a finished run is exported once more
    assert done.returncode == 0, done.stderr
    assert (place / "whole.onnx").read_bytes() == whole


def test_a_network_that_is_written_over_is_kept(place: Path, whole: bytes) -> None:
    (place / "other.onnx").write_bytes(whole)
    done = train("normal", "-o", "other.onnx", *TINY, "--epochs", "1", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "what was in other.onnx before is kept as other.onnx.previous.\n" in done.stderr
    assert (place / "other.onnx.previous").read_bytes() == whole


def test_other_data_or_settings_are_refused_by_name(place: Path, whole: bytes) -> None:
    words = ("-o", "whole.onnx", *TINY, "--resume")
    done = train("normal", *words, "--epochs", "7", "--seed", "3", cwd=place)
    assert done.returncode == 2
    assert "epochs was 6 and is now 7; seed was 0 and is now 3" in done.stderr
    write_images(place / "other/a", stripes(40, seed=1, side=16))
    write_images(place / "other/b", stripes(40, seed=5, side=16))
    done = train("other", *words, "--epochs", "6", cwd=place)
    assert done.returncode == 2
    assert "data_sha256 was" in done.stderr


@pytest.mark.parametrize("damage", ["flipped", "gone", "no json", "version"])
def test_a_damaged_checkpoint_is_refused(
    place: Path, whole: bytes, damage: str, tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(place / "whole.onnx.run", tmp_path / "whole.onnx.run")
    folder = tmp_path / "whole.onnx.run"
    (tensors,) = folder.glob("*.safetensors")
    if damage == "flipped":
        data = bytearray(tensors.read_bytes())
        data[-5] ^= 1
        tensors.write_bytes(bytes(data))
    elif damage == "gone":
        tensors.unlink()
    elif damage == "no json":
        (folder / checkpoint.FILE).write_text("{")
    else:
        record = json.loads((folder / checkpoint.FILE).read_text())
        (folder / checkpoint.FILE).write_text(json.dumps({**record, "version": 99}))
    words = (place / "normal", "-o", "whole.onnx", *TINY, "--epochs", "6", "--resume")
    done = train(*words, cwd=tmp_path)
    assert done.returncode == 4, done.stderr
    assert "--restart" in done.stderr


def test_a_loss_that_is_no_number_keeps_the_last_good_checkpoint(place: Path) -> None:
    out = place / "poisoned"
    out.mkdir()
    words = ("normal", "-o", out / "n.onnx", "--network", "tiny:Poisoned", "--size", "16")
    more = ("--batch", "8", "--epochs", "4")
    done = train(*words, *more, cwd=place, POISONED_FROM="20")
    assert done.returncode == 2
    assert "training diverged in epoch 3" in done.stderr
    assert "The last good checkpoint is kept" in done.stderr
    assert not (out / "n.onnx").exists()
    record = checkpoint.read_record(out / "n.onnx.run")
    assert record["position"]["epoch"] == 2
    done = train(*words, *more, "--resume", cwd=place, POISONED_FROM="1000")
    assert done.returncode == 0, done.stderr


def test_too_little_memory_names_the_batch_to_try(place: Path) -> None:
    words = ("normal", "-o", "h.onnx", "--network", "tiny:Hungry", "--size", "16", "--batch", "16")
    done = train(*words, cwd=place)
    assert done.returncode == 5
    assert "try --batch 8" in done.stderr


def test_unreadable_images_are_listed_and_small_sub_categories_named(place: Path) -> None:
    import shutil

    shutil.copytree(place / "normal", place / "mixed")
    write_images(place / "mixed/single", stripes(1, seed=9, side=16))
    (place / "mixed/lying/003.png").write_bytes(b"")
    done = train("mixed", "-o", "mixed.onnx", *TINY, "--epochs", "1", cwd=place)
    assert done.returncode == 3, done.stderr
    assert "1 of 3 sub-categories has fewer than 2 images and is left out: single" in done.stderr
    assert "003.png" in done.stderr
    assert (place / "mixed.onnx").exists()


def test_one_sub_category_is_refused(place: Path) -> None:
    write_images(place / "one/only", stripes(5, seed=9, side=16))
    done = train("one", "-o", "one.onnx", *TINY, cwd=place)
    assert done.returncode == 2
    assert "found 1 sub-category" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--preset", "slow"), "expected one of paper, quick"),
        (("--epochs", "0"), "--epochs is 0: expected a number above 0"),
        (("--min-images", "0"), "--min-images is 0: expected a number above 0"),
        (("--checkpoint-every", "nan"), "--checkpoint-every is nan: expected a number of seconds"),
        (("--device", "tpu9"), "device 'tpu9' cannot be used"),
        (("--labels", "x.csv", "--auto-subcategories", "2"), "exclude each other"),
        (("--size", "20", "--network", "male-5045"), "at least 48 x 48 pixels"),
        (("--batch", "1"), "--batch is 1, and a step needs at least 2 images: expected 2"),
    ],
)
def test_wrong_settings_are_refused(place: Path, words: tuple[str, ...], message: str) -> None:
    done = train("normal", "-o", "wrong.onnx", *TINY, *words, "--restart", cwd=place)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert not (place / "wrong.onnx").exists()


def test_what_is_to_be_done_next_can_be_done_as_it_stands(place: Path) -> None:
    table = "".join(f"lost/{n}.png,upright\n" for n in range(5))
    table += "".join(
        f"{kind}/{n:03d}.png,{kind}\n" for kind in ("upright", "lying") for n in range(9)
    )
    (place / "labels.csv").write_text("path,label\n" + table, encoding="utf-8")
    words = ("normal", "-o", "next.onnx", *TINY, "--epochs", "1", "--labels", "labels.csv")
    done = train(*words, cwd=place)
    assert done.returncode == 3, done.stderr
    assert "2 more (2 x missing)\n" in done.stderr, "oneclass check looks at no table of labels"
    shown = done.stderr.rstrip().rpartition("\n    oneclass ")[2]
    fitted = subprocess.run(
        command(*shlex.split(shown)), cwd=place, capture_output=True, text=True, check=False
    )
    assert fitted.returncode == 0, fitted.stderr


def test_two_processes_learn_what_one_does(place: Path) -> None:
    words = ("normal", "--network", "tiny:plain", "--size", "16", "--batch", "8", "--epochs", "2")
    exact = ("--precision", "fp32", "--threads", "1", "--device", "cpu")
    done = train(*words, *exact, "-o", "single.onnx", cwd=place)
    assert done.returncode == 0, done.stderr
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    port = ["--rdzv-backend", "c10d", "--rdzv-endpoint", "localhost:0", "-m", "oneclass", "train"]
    done = subprocess.run(
        [*launch, *port, *words, *exact, "-o", "double.onnx"],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    image = np.random.default_rng(0).normal(size=(4, 1, 16, 16)).astype(np.float32)
    single, double = (
        Backbone.open(place / f"{name}.onnx").session(("FC2",))(image)[0]
        for name in ("single", "double")
    )
    np.testing.assert_allclose(single, double, rtol=1e-3, atol=1e-4)
    assert done.stderr.count("epoch 2/2") == 1  # one process talks


def test_without_torch_the_error_says_what_to_install(place: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.argv[0] = 'oneclass';"
        "from oneclass.__main__ import main; sys.exit(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "train", "normal", "-o", "x.onnx"],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert 'pip install "onnx>=' in done.stderr
    assert '"torch==' in done.stderr
