"""Models that older versions wrote load, and score to the same bits."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copy
from typing import Any

import numpy as np
import pytest

from detector.old_models import FOLDER, MODELS, made_on, new, normal, said_by
from oneclass import load

RECORD: dict[str, Any] = json.loads((FOLDER / "said.json").read_text(encoding="utf-8"))
ELSEWHERE = {"grey": 1e-12, "grey16": 1e-12, "grey-split": 1e-12, "float16": 1e-3, "both": 1e-3}
"""Of the largest value: elsewhere other instructions may add up in another order, and change the
last bits, and a row's last float16 bit may turn over. All other rows are float32."""
FLOAT32 = 1e-6
ANEW = {"patches"}
"""Whose rows are made by ONNX Runtime since, which adds up in another order than NumPy did."""


def numbers(hexadecimal: list[str]) -> np.ndarray:
    return np.array([float.fromhex(number) for number in hexadecimal])


def test_every_model_has_its_record() -> None:
    assert RECORD["said"].keys() == MODELS.keys()
    assert {path.stem for path in FOLDER.glob("*.oneclass")} == MODELS.keys()


@pytest.mark.parametrize("name", MODELS)
def test_an_old_model_says_what_it_said(name: str) -> None:
    told, said = dict(RECORD["said"][name]), said_by(load(FOLDER / f"{name}.oneclass"), name)
    same_machine = told.pop("made_on", RECORD["made_on"]) == made_on()
    assert said.keys() == told.keys()
    assert said["anomalies"] == told["anomalies"]
    assert set(said["anomalies"]) == {False, True}
    if same_machine and name not in ANEW:
        assert said == told
    for key in said.keys() & {"scores", "map"}:
        expected = numbers(told[key])
        tolerance = ELSEWHERE.get(name, FLOAT32) * np.abs(expected).max()
        np.testing.assert_allclose(numbers(said[key]), expected, rtol=0, atol=tolerance)


def test_an_old_model_learns_more(tmp_path: Path) -> None:
    for suffix in ("oneclass", "oneclass.rows"):
        copy(FOLDER / f"float16.{suffix}", tmp_path)
    detector = load(tmp_path / "float16.oneclass")
    update = detector.update(new("float16")[:4], forget=normal("float16", 1))
    assert (update.added, update.known, update.forgotten, update.errors) == (4, 0, 1, ())
    assert detector.card["fit"]["n_images"] == 27
