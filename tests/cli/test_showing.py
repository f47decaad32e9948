"""Progress tells the truth: it ends when the work ends, and no long silence where nobody looks."""

from __future__ import annotations

import io
import re
import sys
import time

import numpy as np
import pytest

from conftest import stripes
from oneclass import Detector
from oneclass.cli.talk import showing
from oneclass.cli.talk.console import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "BEAT", 0.02)
    monkeypatch.setattr(showing, "FIRST_LINE", 0.1)


@pytest.mark.usefixtures("quick")
class TestLines:
    def test_a_long_stage_is_told_while_the_work_says_nothing(
        self, capsys: pytest.CaptureFixture
    ) -> None:
        with progress("fit") as show:
            show.stage("learning")
            time.sleep(0.5)
        lines = capsys.readouterr().err.splitlines()
        assert lines
        assert all(line.startswith("fit: learning (0 s in all)") for line in lines)

    def test_silences_grow(self, capsys: pytest.CaptureFixture) -> None:
        with progress("fit"):
            time.sleep(1.0)
        assert 2 <= len(capsys.readouterr().err.splitlines()) <= 5

    def test_what_is_counted_is_told_with_its_end(self, capsys: pytest.CaptureFixture) -> None:
        with progress("score") as show:
            show(3, 1200, "so far")
            time.sleep(0.3)
        assert "score: 3 of 1,200 images, so far (0 s)" in capsys.readouterr().err

    def test_what_is_counted_has_the_name_of_its_stage(self, capsys: pytest.CaptureFixture) -> None:
        with progress("compare") as show:
            show.stage("patches: reading images")
            show(3, 9)
            time.sleep(0.3)
        assert "compare: patches: reading images, 3 of 9 images (0 s)" in capsys.readouterr().err

    def test_all_of_them_is_not_the_end(self, capsys: pytest.CaptureFixture) -> None:
        with progress("report") as show:
            show(7, 7)
            time.sleep(0.3)
        told = capsys.readouterr().err
        assert "7 of 7" not in told
        assert f"report: {showing.FINISHING} (0 s in all)" in told

    def test_it_ends_with_an_error_too(self, capsys: pytest.CaptureFixture) -> None:
        with pytest.raises(ZeroDivisionError), progress("fit"):
            _ = 1 / 0
        capsys.readouterr()
        time.sleep(0.2)
        assert capsys.readouterr().err == ""


def test_a_short_command_says_nothing(capsys: pytest.CaptureFixture) -> None:
    with progress("fit") as show:
        show(1, 2)
        show.stage("learning")
    assert capsys.readouterr().err == ""


def test_a_stream_that_nobody_reads_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "BEAT", 0.01)
    monkeypatch.setattr(showing, "FIRST_LINE", 0.0)
    closed = io.StringIO()
    closed.close()
    shown = showing.Lines("fit", "image")
    monkeypatch.setattr(sys, "stderr", closed)
    with shown:
        time.sleep(0.1)
        assert shown._thread.is_alive()
    assert not shown._thread.is_alive()


@pytest.mark.usefixtures("quick")
def test_a_terminal_sees_a_clock_after_the_last_image(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress("fit") as show:
        show.stage("reading images")
        for done in range(1, 4):
            show(done, 3)
        show.stage("learning from patches")
        before = len(terminal.getvalue())
        time.sleep(0.2)
        after = terminal.getvalue()[before:]
    assert "\rfit: learning from patches, 0 s" in after
    assert "fit: reading images:   0%" in terminal.getvalue()
    assert "100%" not in after
    assert "3/3" not in after
    assert terminal.getvalue().endswith("\r")


def test_room_is_made_for_other_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress("compare") as show:
        for step in (lambda: show(1, 3), lambda: show.stage("learning"), lambda: None):
            step()
            show.clear()
            last = terminal.getvalue().rsplit("\r", 2)
            assert terminal.getvalue().endswith("\r")
            assert last[1].strip() == ""


def test_quiet_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress("score", quiet=True) as show:
        show(1, 2)
        show.stage("more")
    assert terminal.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.9, "59 s"), (151, "2 min 31 s"), (3725, "1 h 2 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert showing.duration(seconds) == text


@pytest.mark.parametrize(
    ("n", "unit", "text"),
    [
        (1200, "image", "1,200"),
        (12, "B", "12 B"),
        (1200, "B", "1.2 kB"),
        (2_500_000_000, "B", "2.5 GB"),
    ],
)
def test_amounts(n: int, unit: str, text: str) -> None:
    assert showing.amount(n, unit) == text


def test_a_fit_tells_what_it_does_after_the_last_image() -> None:
    told: list[object] = []
    Detector(backbone="greyscale", n_halfspaces=2).fit(
        stripes(20, seed=1), progress=lambda done, total: told.append(done), stage=told.append
    )
    last = told.index(20)
    assert told[:3] == ["looking at the images' sizes", "reading images", 1]
    assert told[last + 1 :] == [
        "looking for near-copies",
        "learning from whole images",
        *(f"learning from whole images, part {n} of 2" for n in (1, 2)),
        *(f"measuring how odd normal images are, part {n} of 2" for n in (1, 2)),
        "measuring how odd normal images are",
        "comparing folders",
    ]


@pytest.mark.usefixtures("quick")
def test_of_steps_that_are_counted_the_time_left_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = showing.Steps()
    monkeypatch.setattr(time, "monotonic", lambda: 100.0)
    for name, now, left in (
        ("learning, part 1 of 10", 10.0, ""),
        ("learning, part 2 of 10", 40.0, ", about 3 min 30 s left"),
        ("learning, part 4 of 10", 70.0, ", about 1 min 50 s left"),
        ("measuring, part 1 of 10", 100.0, ""),
        ("learning, part 5 of 10", 100.0, ""),  # another time, from another beginning
        ("learning", 100.0, ""),
    ):
        steps.begin(name, now)
        assert steps.left() == left, name
    monkeypatch.undo()
    monkeypatch.setattr(showing, "BEAT", 0.02)
    monkeypatch.setattr(showing, "FIRST_LINE", 0.1)
    with progress("fit") as show:
        show.stage("learning, part 1 of 9")
        time.sleep(0.6)
        show.stage("learning, part 2 of 9")
        time.sleep(0.6)
    told = capsys.readouterr().err
    assert re.search(r"fit: learning, part 2 of 9, about [34] s left \([01] s in all\)", told)


def test_a_fit_of_both_names_both() -> None:
    told: list[str] = []
    images = np.kron(stripes(6, seed=1), np.ones((1, 10, 10), np.uint8))
    detector = Detector(rows="both", size=(64, 64))
    detector.fit(images, stage=told.append)
    assert told.index("learning from whole images") < told.index("learning from patches")
    detector.update(images[:1] // 2, stage=told.append)
    assert told.count("learning from patches") == 2
    assert "learning from patches, part 6 of 6" in told


def test_nothing_is_shown_and_no_time_passes_while_somebody_is_asked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(showing, "BEAT", 0.001)
    with showing.Bar("update", "image") as show:
        show.stage("reading images")
        with show.aside():
            capsys.readouterr()
            time.sleep(0.2)
            assert capsys.readouterr().err == ""
        assert show.seconds() < 0.2
        time.sleep(0.02)
    assert "reading images" in capsys.readouterr().err
