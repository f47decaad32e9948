"""Names, defaults and sentences of the settings are written once, and all doors tell them."""

from __future__ import annotations

import inspect
import shlex
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


def test_new_settings_hold_for_the_next_fit_alone() -> None:
    detector = Detector(backbone="greyscale").fit(stripes(20, seed=1))
    before = detector.card
    detector.set_params(nu=0.5)
    assert detector.card == before


def test_what_a_model_has_learnt_by_is_not_set_afterwards() -> None:
    detector = Detector(nu=0.2)
    with pytest.raises(AttributeError, match=r"set_params\(nu=7\) sets it for the next fit"):
        detector.nu = 7
    assert detector.set_params(nu=0.3).nu == 0.3
