"""Seconds by stage."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from conftest import stripes
from oneclass import Detector
from oneclass.system.host.portable import process_age
from oneclass.system.stages import Stages


def test_times_of_a_stage_are_added_up_over_threads() -> None:
    stages = Stages()

    def nap(stage: str) -> None:
        with stages.measure(stage):
            time.sleep(0.02)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(nap, ["a", "b", "a", "a"]))
    assert set(stages.seconds) == {"a", "b"}
    assert stages.seconds["a"] >= 0.06
    assert stages.seconds["b"] >= 0.02


def test_a_stage_that_fails_counts() -> None:
    stages = Stages()
    with pytest.raises(ZeroDivisionError), stages.measure("a"):
        _ = 1 / 0
    assert "a" in stages.seconds


@pytest.mark.linux
def test_a_process_grows_older() -> None:
    first = process_age()
    time.sleep(0.05)
    second = process_age()
    assert first is not None
    assert second is not None
    assert 0.02 < second - first < 5


def test_scoring_tells_its_stages() -> None:
    detector = Detector(backbone="greyscale", n_halfspaces=1).fit(stripes(20, seed=1))
    assert detector.stages.seconds == {}
    detector.score(stripes(4, seed=2))
    stages = {"read and decode", "resize", "digest", "network", "score"}
    assert set(detector.stages.seconds) == stages
    assert all(seconds > 0 for seconds in detector.stages.seconds.values())
