"""Being told to stop, in a process of its own."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from conftest import stripes, write_images

pytestmark = pytest.mark.linux  # signals as other processes send them

pytestmark = pytest.mark.linux
NUMBERS = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, n)]
HEAD = """\
import os, signal, sys, time
import click
from oneclass.cli.talk import console
from oneclass.system.host import signals

@click.command()
def work():
"""
TAIL = """
sys.argv = ["oneclass"]
sys.exit(console.run(work))
"""
READY = "print('ready', flush=True)"


def started(body: str, *before: str) -> subprocess.Popen[str]:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    process = subprocess.Popen(
        [*before, sys.executable, "-c", HEAD + lines + TAIL],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_signal_ends_with_its_exit_code(number: signal.Signals) -> None:
    process = started(f"{READY}; time.sleep(60)")
    process.send_signal(number)
    _, said = process.communicate(timeout=20)
    assert process.returncode == 128 + number
    assert said.strip() == "interrupted."


def test_the_exit_code_is_that_of_the_signal_wherever_it_came() -> None:
    """Python itself ends by SIGINT after any KeyboardInterrupt in a text that it ran."""
    process = started("exec(\"print('ready', flush=True); time.sleep(60)\")")
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert (process.returncode, said.strip()) == (143, "interrupted.")


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_the_second_ends_at_once(second: signal.Signals) -> None:
    stubborn = f"try:\n    {READY}; time.sleep(60)\nfinally:\n    print('still', flush=True)"
    stubborn += "\n    time.sleep(60)"
    process = started(stubborn)
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None
    assert process.stdout.readline() == "still\n"
    time.sleep(0.3)
    process.send_signal(second)
    process.communicate(timeout=5)
    assert process.returncode == -second


def test_the_same_signal_sent_twice_at_once_is_one() -> None:
    """As `timeout` does: to its child, and to the group that the child is in."""
    process = started(
        f"try:\n    {READY}; time.sleep(60)\nfinally:\n    time.sleep(0.5); print('done')"
    )
    for _ in range(2):
        process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 143
    assert out == "done\n"


def test_what_is_being_written_is_written_whole() -> None:
    body = f"""\
{READY}
with signals.shielded():
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(0.2)
    print('written', flush=True)
print('never')"""
    process = started(body)
    out, said = process.communicate(timeout=20)
    assert (process.returncode, out, said.strip()) == (143, "written\n", "interrupted.")


def test_a_signal_that_was_ignored_from_the_start_stays_ignored() -> None:
    process = started(f"{READY}; time.sleep(0.5); print('done')", "nohup")
    process.send_signal(signal.SIGHUP)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "done\n")


@pytest.mark.parametrize(
    ("error", "code"), [("InputError", 143), ("ModelFileError", 143), ("StorageError", 5)]
)
def test_what_a_signal_makes_fail_is_no_error_of_its_own(error: str, code: int) -> None:
    """A package that is being imported turns the interruption into an error of another kind."""
    body = f"""\
from oneclass import errors
try:
    {READY}; time.sleep(60)
except KeyboardInterrupt:
    raise errors.{error}("it cannot be opened") from None"""
    process = started(body)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=20)
    assert process.returncode == code
    assert said.strip() == ("interrupted." if code == 143 else "error: it cannot be opened")


@pytest.mark.parametrize("command", ["fit", "check"])
def test_a_long_command_leaves_nothing_half_written(tmp_path: Path, command: str) -> None:
    write_images(tmp_path / "normal", stripes(1500, seed=1))
    words = {
        "fit": ["fit", "normal", "-o", "m.oneclass", "--cache", "c"],
        "check": ["check", "normal"],
    }
    with subprocess.Popen(
        [sys.executable, "-m", "oneclass", *words[command]],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while process.poll() is None and not _handles_sigterm(process.pid):
            time.sleep(0.01)
        time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert "interrupted." in said
    assert "Traceback" not in said
    assert not (tmp_path / "m.oneclass").exists()
    assert not list(tmp_path.rglob("*.part"))


def _handles_sigterm(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)
