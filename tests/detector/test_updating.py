"""More normal images, or fewer, give the model of a fresh fit; the old images are not needed."""

from __future__ import annotations

import errno
import os
import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from conftest import stripes, write_images
from oneclass import Detector, InputError, ModelFileError, StorageError, load
from oneclass.conformal.calibration import Calibration
from oneclass.detector import updating
from oneclass.detector.files import modelfile
from oneclass.detector.files.replacing import stamp, unchanged
from oneclass.detector.files.training_rows import TrainingRows, rows_file
from oneclass.detector.predictions import Prediction

SMALL = {"size": (64, 64), "layer": "block_4", "grid": 2}


def same(a: Detector, b: Detector) -> None:
    new = [*stripes(10, seed=50), *stripes(10, seed=51, upright=False)]
    one, two = a.score(new), b.score(new)
    np.testing.assert_allclose(one.scores, two.scores, atol=2e-6)
    assert [p.p_value for p in one] == pytest.approx([p.p_value for p in two], abs=0.03)
    assert a.card["fit"]["images_sha256"] == b.card["fit"]["images_sha256"]
    assert a.card["calibration"] == b.card["calibration"]
    assert a.heat_scale == pytest.approx(b.heat_scale, rel=1e-3)
    for e, f in zip(a.explain(new), b.explain(new), strict=True):
        np.testing.assert_allclose(e.anomaly_map, f.anomaly_map, atol=2e-6)  # type: ignore[union-attr]


@pytest.mark.parametrize("n_halfspaces", [1, 4, None])
def test_updating_is_fitting_to_all_images(n_halfspaces: int | None, tmp_path: Path) -> None:
    images = stripes(60, seed=1)
    write_images(tmp_path / "old", images[:45])
    fitted = Detector(**SMALL, n_halfspaces=n_halfspaces).fit(tmp_path / "old")
    fitted.save(tmp_path / "m", rows=True)
    shutil.rmtree(tmp_path / "old")
    loaded = load(tmp_path / "m")
    did = loaded.update(images[45:])
    assert (did.added, did.known, did.forgotten, did.errors) == (15, 0, 0, ())
    fresh = Detector(**SMALL, n_halfspaces=n_halfspaces).fit(images)
    same(loaded, fresh)
    assert loaded.card["fit"]["largest_dual_gap"] <= 1e-6
    assert len(loaded.card["fit"]["images_sha256"]) == 64


def test_forgetting_is_fitting_without_them(tmp_path: Path) -> None:
    images = stripes(50, seed=2)
    detector = Detector(**SMALL).fit(images)
    paths = write_images(tmp_path / "bad", images[:8])
    did = detector.update(forget=[*paths, *write_images(tmp_path / "new", stripes(1, seed=9))])
    assert did.forgotten == 8
    assert [error.reason for error in did.errors] == ["not_learnt"]
    same(detector, Detector(**SMALL).fit(images[8:]))


def test_images_that_look_like_no_normal_one_are_warned_of(tmp_path: Path) -> None:
    detector = Detector(**SMALL).fit(stripes(30, seed=3))
    odd = write_images(tmp_path / "new", stripes(4, seed=4, upright=False))
    with pytest.warns(UserWarning, match="4 images learnt as normal were far odder") as caught:
        did = detector.update([*odd, *write_images(tmp_path / "more", stripes(3, seed=5))])
    assert sorted(prediction.path for prediction in did.odd) == list(map(str, odd))
    [told] = [str(one.message) for one in caught if "far odder" in str(one.message)]
    assert f"{did.odd[0].path}, {did.odd[1].path}, {did.odd[2].path} and 1 more. If" in told
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector.update(odd)  # known by now


def test_images_known_already_count_once() -> None:
    images = stripes(30, seed=3)
    detector = Detector(**SMALL).fit(images)
    before = detector.card
    did = detector.update(images[:5])
    assert (did.added, did.known) == (0, 5)
    assert detector.card["fit"]["images_sha256"] == before["fit"]["images_sha256"]


def test_an_update_that_changes_nothing_learns_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = stripes(20, seed=3)
    detector = Detector(**SMALL).fit(images)
    before, scores = detector.card, detector.score(images).scores

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("nothing has changed, yet it learns")

    monkeypatch.setattr(updating, "learn", refuse)
    did = detector.update(images[:5], forget=[tmp_path / "it.png"])
    assert (did.added, did.known, did.forgotten) == (0, 5, 0)
    assert [error.reason for error in did.errors] == ["missing"]
    assert detector.card == before
    np.testing.assert_array_equal(detector.score(images).scores, scores)


def test_an_updated_model_can_be_updated_again(tmp_path: Path) -> None:
    images = stripes(40, seed=4)
    Detector(**SMALL).fit(images[:20]).save(tmp_path / "m", rows=True)
    for start in (20, 30):
        detector = load(tmp_path / "m")
        assert detector.update(images[start : start + 10]).added == 10
        detector.save(tmp_path / "m", rows=True)
    same(load(tmp_path / "m"), Detector(**SMALL).fit(images))


def test_what_cannot_be_updated_says_why(tmp_path: Path) -> None:
    images = stripes(20, seed=5)
    with pytest.raises(InputError, match="not fitted"):
        Detector().update(images)
    detector = Detector(**SMALL).fit(images)
    detector.save(tmp_path / "m")
    with pytest.raises(ModelFileError, match=r"\(m\.rows\).*fit again with all images"):
        load(tmp_path / "m").update(images)
    with pytest.raises(InputError, match="only 1 of 20 normal images would be left"):
        detector.update(forget=images[1:])
    assert detector.card["fit"]["n_images"] == 20


def test_what_is_saved_over_another_model_keeps_it_with_its_rows(tmp_path: Path) -> None:
    file, before = tmp_path / "m", tmp_path / "m.previous"
    first = Detector(**SMALL).fit(stripes(20, seed=6))
    digest = first.save(file, rows=True)
    assert first.save(file, rows=True) == digest
    assert not before.exists()  # the same again keeps nothing
    Detector(**SMALL).fit(stripes(20, seed=7)).save(file)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "m",
        "m.previous",
        "m.previous.rows",
    ]
    assert load(before).digest == digest
    assert load(before).update(stripes(3, seed=8)).added == 3
    with pytest.raises(
        ModelFileError, match=r"m\.previous, the model that was there before, still"
    ):
        load(file).update(stripes(3, seed=8))
    third = Detector(**SMALL).fit(stripes(20, seed=8))
    third.save(file, backup=False)
    assert load(before).digest == digest


@pytest.mark.parametrize("backup", [True, False])
@pytest.mark.parametrize("filled", [TrainingRows, modelfile])
def test_a_disk_that_fills_up_leaves_the_model_its_rows_and_the_one_before(
    filled: Any, backup: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def contents() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    file = tmp_path / "m"
    Detector(**SMALL).fit(stripes(20, seed=6)).save(file, rows=True)
    detector = load(file)
    detector.update(stripes(3, seed=7))
    detector.save(file, rows=True)
    before = contents()
    assert sorted(before) == ["m", "m.previous", "m.previous.rows", "m.rows"]
    detector.update(stripes(3, seed=8))
    real = filled.write_to

    def full(*given: Any) -> None:
        real(*given)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(filled, "write_to", full)
        with pytest.raises(StorageError, match="Nothing was left half-written"):
            detector.save(file, rows=True, backup=backup)
    assert contents() == before
    assert load(file).update(stripes(3, seed=9)).added == 3
    detector.save(file, rows=True, backup=backup)
    assert load(file).update(stripes(3, seed=9)).added == 3


def test_of_two_that_change_one_model_the_second_is_refused_and_nothing_is_lost(
    tmp_path: Path,
) -> None:
    file, images = tmp_path / "m", stripes(40, seed=6)
    fitted = Detector(**SMALL).fit(images[:20])
    digest = fitted.save(file, rows=True)
    one, two, three = load(file), load(file), load(file)
    one.update(images[20:30])
    two.update(images[30:])
    written = one.save(file, rows=True)
    for late in (two, fitted):
        with pytest.raises(ModelFileError, match=r"m: it was changed while this ran.* Nothing was"):
            late.save(file, rows=True)
    with pytest.raises(ModelFileError, match="was changed while this ran"):
        three.update(images[30:])
    assert (load(file).digest, load(tmp_path / "m.previous").digest) == (written, digest)
    assert load(file).update(images).added == 10
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "m",
        "m.previous",
        "m.previous.rows",
        "m.rows",
    ]
    two.save(tmp_path / "n", rows=True)
    one.update(images[30:])
    one.save(file, rows=True)  # what it wrote itself is still there
    file.unlink()
    one.save(file)  # nothing can be lost


@pytest.mark.linux
def test_a_model_that_is_being_written_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "m"
    fitted = Detector(**SMALL).fit(stripes(20, seed=6))
    fitted.save(file)
    with unchanged(file, stamp(file)):
        with pytest.raises(ModelFileError, match="is being written by another process"):
            fitted.save(file)
        Detector(**SMALL).fit(stripes(20, seed=7)).save(tmp_path / "new")
        (tmp_path / "new").replace(file)
    with pytest.raises(ModelFileError, match="was changed"):
        fitted.save(file)


def test_where_nothing_can_be_locked_models_are_still_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl = pytest.importorskip("fcntl")
    fitted = Detector(**SMALL).fit(stripes(20, seed=6))
    fitted.save(tmp_path / "m")

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = (tmp_path / "m").stat().st_ino
    fitted.save(tmp_path / "m")
    assert (tmp_path / "m").stat().st_ino != before


def test_a_loaded_model_saved_over_its_own_file_keeps_its_rows(tmp_path: Path) -> None:
    Detector(**SMALL).fit(stripes(20, seed=6)).save(tmp_path / "m", rows=True)
    load(tmp_path / "m", unclear=0.5).save(tmp_path / "m")
    assert (tmp_path / "m.previous").exists()
    detector = load(tmp_path / "m")
    assert detector.update(stripes(3, seed=8)).added == 3
    detector.save(tmp_path / "m")  # without the new rows, the old ones are not beside it
    assert not rows_file(tmp_path / "m").exists()


def test_rows_of_another_model_or_damaged_ones_are_refused(tmp_path: Path) -> None:
    Detector(**SMALL).fit(stripes(20, seed=6)).save(tmp_path / "a", rows=True)
    Detector(**SMALL).fit(stripes(20, seed=7)).save(tmp_path / "b", rows=True)
    shutil.copy(rows_file(tmp_path / "a"), rows_file(tmp_path / "b"))
    with pytest.raises(ModelFileError, match="another model"):
        load(tmp_path / "b").update(stripes(3, seed=8))
    content = bytearray(rows_file(tmp_path / "a").read_bytes())
    content[len(content) // 2] ^= 1
    rows_file(tmp_path / "a").write_bytes(content)
    with pytest.raises(ModelFileError, match="damaged"):
        load(tmp_path / "a").update(stripes(3, seed=8))


def test_the_rows_name_what_made_them(tmp_path: Path) -> None:
    detector = Detector(**SMALL).fit(stripes(20, seed=6))
    detector.save(tmp_path / "m", rows=True)
    card, arrays = modelfile.open_rows(rows_file(tmp_path / "m"))
    assert card["representation"] == detector.card["representation"]
    assert arrays["rows"].shape == (20, 160)
    assert arrays["digests"].shape == (20, 4)
    for read in (load, modelfile.read):
        with pytest.raises(ModelFileError, match=r"the rows of a model's images.* beside it: .*m$"):
            read(rows_file(tmp_path / "m"))


@pytest.mark.parametrize(("rate", "limit"), [(0.05, 1.42), (0.5, 1.42), (0.02, 1.48)])
def test_one_odd_image_among_the_normal_ones_does_not_let_all_pass(
    rate: float, limit: float
) -> None:
    """Were it the measure, only what is beyond 2.3 would be asked about."""
    scores = np.append(np.arange(100) / 100, 1.4)  # in the middle .5
    model: Any = SimpleNamespace(calibration=Calibration(scores), false_alarms=rate)
    assert updating.far_from(model) == pytest.approx(limit)
    new = [Prediction(str(score), score, 0.01, is_anomaly=True) for score in (1.39, 1.6, 2.2)]
    assert [p.score for p in updating.far_odder(new, model)] == [2.2, 1.6]
    tame: Any = SimpleNamespace(calibration=Calibration(scores[:100]), false_alarms=0.05)
    assert updating.far_from(tame) == pytest.approx(2 * 0.95 - 0.495)
