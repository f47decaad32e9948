"""Names, defaults and sentences of the settings are written once, and all doors tell them."""

from __future__ import annotations

import copy
import inspect
import pickle
import shlex
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pytest
from numpy.typing import NDArray

from conftest import stripes
from oneclass import Detector, InputError, backbones, load, representations
from oneclass.backbones import runtimes
from oneclass.cli import cli
from oneclass.detector import settings

ROOT = Path(__file__).parents[2]
FIT = {option.name: option for option in cli.commands["fit"].params}


@pytest.mark.parametrize("setting", settings.SETTINGS, ids=lambda s: s.name)
def test_python_and_the_command_line_have_the_same_settings(setting: settings.Setting) -> None:
    parameter = inspect.signature(Detector).parameters[setting.name]
    assert parameter.default == setting.default
    assert setting.help in " ".join(str(Detector.__init__.__doc__).split())
    option = FIT[setting.option or setting.name]
    assert isinstance(option, click.Option)
    assert option.opts == [setting.flag]
    assert str(option.help).startswith(setting.help)
    assert setting.unset in str(option.help)
    context = click.Context(cli.commands["fit"])
    assert option.get_default(context) == setting.default


@pytest.mark.parametrize("setting", settings.SETTINGS, ids=lambda s: s.name)
def test_the_documentation_says_the_same_sentence(setting: settings.Setting) -> None:
    page = (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    section = page.split("## oneclass fit\n")[1].split("\n## ")[0]
    row = next(line for line in section.splitlines() if line.startswith(f"| `{setting.flag}` |"))
    assert setting.help in row
    assert setting.unset in row


def test_no_option_and_no_argument_is_left_over() -> None:
    names = {s.name for s in settings.SETTINGS}
    assert set(inspect.signature(Detector).parameters) == names
    own = {"normal", "out", "keep_rows", "no_backup", "help"}
    assert set(FIT) - own == {s.option or s.name for s in settings.SETTINGS}


def test_words_are_those_of_the_rooms_below() -> None:
    assert settings.AUTO == backbones.AUTO
    assert settings.DEFAULT_BACKBONE == backbones.DEFAULT
    assert settings.RUNTIMES == runtimes.RUNTIMES
    assert settings.PRECISIONS == runtimes.PRECISIONS
    assert settings.ROW_DTYPES == representations.ROW_DTYPES
    assert (settings.GREYSCALE, settings.PATCHES) == (
        representations.GREYSCALE,
        representations.PATCHES,
    )


def test_one_number_is_a_square() -> None:
    assert Detector(size=64).size == (64, 64)
    assert Detector(size=np.int64(32)).size == (32, 32)


@pytest.mark.parametrize(
    "given",
    [
        {"layer": "block_4@2", "size": (64, 48), "row_dtype": "float16", "runtime": "onnxruntime"},
        {"rows": "patches", "layer": "block_2+block_4", "size": (32, 32), "n_halfspaces": 3},
        {"backbone": "greyscale", "nu": 0.3, "seed": 5, "false_alarms": 0.2},
    ],
)
def test_the_card_gives_back_the_settings(
    given: dict, normal_images: NDArray[np.uint8], tmp_path: Path
) -> None:
    digest = Detector(**given).fit(normal_images).save(tmp_path / "m")
    card = load(tmp_path / "m").card
    again = Detector(**settings.of_card(card))
    assert again.fit(normal_images).save(tmp_path / "again") == digest
    words = settings.as_options(settings.of_card(card))
    context = cli.commands["fit"].make_context("fit", ["images", "-o", "x", *words])
    taken = {s.name: context.params[s.option or s.name] for s in settings.SETTINGS}
    assert Detector(**taken).fit(normal_images).save(tmp_path / "words") == digest
    assert shlex.join(words) == " ".join(words)


def test_scikit_learn_clones_a_detector() -> None:
    base = pytest.importorskip("sklearn.base")
    detector = Detector(nu=np.float32(0.5), size=[64, 48], cache="somewhere")
    copy = base.clone(detector)
    assert copy.get_params() == detector.get_params()
    assert copy.set_params(nu=0.25).nu == 0.25
    assert detector.nu == 0.5


def test_settings_are_changed_all_or_none() -> None:
    detector = Detector()
    with pytest.raises(InputError, match="seed is -1"):
        detector.set_params(nu=0.5, seed=-1)
    assert detector.nu == 0.1
    with pytest.raises(InputError, match="colour is no setting: expected one of backbone, rows"):
        detector.set_params(colour=1)
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        _ = detector.colour


@pytest.mark.parametrize(
    ("name", "meant"),
    [("threshold", "false_alarms"), ("contamination", "false_alarms"), ("n_jobs", "threads")],
)
def test_settings_by_other_names_are_told_by_ours(name: str, meant: str) -> None:
    with pytest.raises(TypeError, match=rf"{name} is no setting: .* Did you mean {meant}\?"):
        Detector(**{name: 1})


def test_no_setting_is_guessed_that_is_not_near() -> None:
    with pytest.raises(TypeError) as refused:
        Detector(**{"kernel": "rbf"})
    assert "Did you mean" not in str(refused.value)


def test_new_settings_hold_for_the_next_fit_alone() -> None:
    detector = Detector(backbone="greyscale").fit(stripes(20, seed=1))
    before = detector.card
    detector.set_params(nu=0.5)
    assert detector.card == before


def test_an_attribute_is_a_setting_and_is_checked_as_one() -> None:
    detector = Detector()
    detector.size = 64
    assert detector.size == detector.settings.size == (64, 64)
    with pytest.raises(InputError, match="nu is 7: expected"):
        detector.nu = 7
    assert detector.nu == 0.1
    with pytest.raises(AttributeError, match=r"false_alarm is no setting.*mean false_alarms\?"):
        detector.false_alarm = 0.1
    with pytest.raises(AttributeError, match="nuu"):
        detector.nuu = 3
    with pytest.raises(AttributeError, match=r"threshold is no setting: .*load\(file, false"):
        detector.threshold = 0.5
    with pytest.raises(AttributeError, match="score_threshold is read off what was learnt"):
        detector.score_threshold = 0.5
    detector._mark = 1  # what begins so is nobody's business
    with pytest.raises(AttributeError, match=r"no attribute 'n_halfspace'. Did you mean n_halfsp"):
        _ = detector.n_halfspace


def test_a_subclass_has_attributes_that_it_declares() -> None:
    class Mine(Detector):
        line: str = ""

    mine = Mine(nu=0.2)
    mine.line = "left"
    assert (mine.line, mine.nu) == ("left", 0.2)


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))])
def test_a_rate_that_is_set_on_a_fitted_detector_holds_from_the_next_fit_and_says_so(
    how: Callable[[Detector], Detector],
) -> None:
    detector = Detector(backbone="greyscale").fit(stripes(40, seed=1))
    odd = detector.score(stripes(40, seed=2))
    with pytest.warns(UserWarning, match=r"goes by 5 %, as before. oneclass\.load\(") as caught:
        detector.false_alarms = 0.3
    assert caught[0].filename == __file__
    detector.nu, detector.threads = 0.2, 1  # as scikit-learn's: for the next fit
    other = how(detector)
    assert other.score(stripes(40, seed=2)) == odd
    assert (other.false_alarms, other.nu, other.threads) == (0.3, 0.2, 1)
    assert other.fit(stripes(40, seed=1)).card["false_alarms"] == 0.3


@pytest.mark.parametrize("name", ["resnet50", Path("nowhere.onnx")])
def test_a_backbone_that_is_not_there_is_refused_at_once(name: str | Path) -> None:
    with pytest.raises(InputError, match=r"(resnet50|nowhere.onnx)'.* neither an embedded"):
        Detector(backbone=name)
    detector = Detector()
    with pytest.raises(InputError, match="neither an embedded"):
        detector.backbone = name
    assert detector.backbone == settings.DEFAULT_BACKBONE
    with pytest.raises(InputError, match=r"ONNX file\. Check the spelling or the path\."):
        Detector(backbone=name)
    with pytest.raises(InputError, match=r"ONNX file\. Did you mean efficientnet-lite0\?"):
        Detector(backbone="efficentnet")


def test_settings_may_be_changed_where_the_backbone_is_gone(tmp_path: Path) -> None:
    network = tmp_path / "n.onnx"
    network.touch()
    detector = Detector(backbone=network)
    network.unlink()
    assert detector.set_params(nu=0.5).nu == 0.5
