"""How the command line talks: sentences and progress on stderr, and errors as exit codes."""

from __future__ import annotations

import io
import os
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import IO, TYPE_CHECKING, NoReturn

import click

from oneclass.cli.talk.showing import Bar, Lines, Nothing, Shown
from oneclass.errors import ImageError, OneclassError, StorageError
from oneclass.system.files import FULL
from oneclass.system.host import signals
from oneclass.system.host.portable import is_broken_pipe, use_unicode
from oneclass.system.names import count, plain, some_names

if TYPE_CHECKING:
    from oneclass.cluster.traffic import Traffic
    from oneclass.images.sources import Sources
    from oneclass.rows.store import CacheUse

BUG, USAGE, UNREADABLE, ANOMALY, DIFFERENT = 1, 2, 3, 10, 11
OF_MODEL = ("bit_depth", "row_zero", "row_not_finite", "one_colour")
"""Reasons of images that can be read, and that a model cannot judge."""
SHOWN_ERRORS = 3


def say(sentence: str) -> None:
    """One line for people, on stderr; where nobody can read it, nothing is lost."""
    with suppress(OSError):
        click.echo(sentence, err=True)


def print_data(text: str) -> bool:
    """One line of data on stdout; False once nobody reads it any more, as behind `| head`."""
    try:
        click.echo(text)
    except OSError as error:
        if not is_broken_pipe(error):
            raise
        # From here on into nothing, so that Python's own flush at the end does not fail either.
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, sys.stdout.fileno())
        return False
    return True


def is_terminal(stream: IO[str] | None) -> bool:
    """Whether a standard stream is open and a terminal."""
    return stream is not None and stream.isatty()


def say_errors(
    errors: Sequence[ImageError],
    *,
    listed_in: str | None = None,
    kept_back: str | None = None,
    checkable: bool = True,
    of_model: bool = False,
) -> None:
    """Tell what leads nowhere, how many images could not be used, and why the first could not.

    Args:
        errors: one an image.
        listed_in: the file that names them all.
        kept_back: the folder that would have that file, and in which another run was kept.
        checkable: whether `oneclass check` looks at the same files; it reads no table of labels.
        of_model: whether a depth is wrong for a model, of which `oneclass check` knows nothing.
    """
    nowhere = [error for error in errors if error.reason == "missing"]
    images = [error for error in errors if error.reason != "missing"]
    where = partial(
        _where_all,
        listed_in=listed_in,
        kept_back=kept_back,
        checkable=checkable,
        of_model=of_model,
    )
    if nowhere:
        _say_some("no such file or folder:", nowhere, where)
    if images:
        _say_some(f"{count(len(images), 'image')} could not be used:", images, where)


def _say_some(
    heading: str, errors: Sequence[ImageError], where_all: Callable[[Sequence[ImageError]], str]
) -> None:
    say(heading)
    for error in errors[:SHOWN_ERRORS]:
        say(f"  {plain(str(error))}")
    if len(errors) > SHOWN_ERRORS:
        rest = errors[SHOWN_ERRORS:]
        kinds = ", ".join(
            f"{n} x {reason}" for reason, n in Counter(e.reason for e in rest).items()
        )
        where = where_all(rest)
        say(f"  ... and {len(rest)} more ({kinds}){'; ' * bool(where)}{where}")


def _where_all(
    errors: Sequence[ImageError],
    *,
    listed_in: str | None,
    kept_back: str | None,
    checkable: bool,
    of_model: bool,
) -> str:
    """Where all of these are named; nothing where no command names them."""
    from oneclass.images import REASONS

    if listed_in:
        return f"see {listed_in}"
    if kept_back:
        return (
            f"the same command with another folder than {plain(kept_back)} behind -o names them "
            "all in its errors.csv"
        )
    if not checkable:
        return ""
    known = REASONS if of_model else (*REASONS, "bit_depth", "one_colour")
    if all(error.reason in known for error in errors):
        return "'oneclass check --all' names them all"
    if of_model and all(error.reason in (*REASONS, *OF_MODEL) for error in errors):
        return "'oneclass score MODEL IMAGES -o RUN' names them all in RUN/errors.csv"
    if any(error.reason in REASONS for error in errors):
        return "'oneclass check --all' names those that cannot be read"
    return ""


def say_ignored(ignored: Mapping[str, int]) -> None:
    """Tell how many files in folders were not taken for images."""
    if ignored:
        kinds = ", ".join(
            f"{n} {plain(suffix) or 'without ending'}" for suffix, n in ignored.items()
        )
        say(f"{count(sum(ignored.values()), 'file')} in folders not taken for images: {kinds}.")


def say_passed_over(sources: Sources) -> None:
    """Tell what of the inputs was no image or gave none, and what was given more than once."""
    say_ignored(sources.ignored)
    if sources.empty:
        say(f"no image in {some_names(sources.empty)}.")
    if again := list(dict.fromkeys(map(str, sources.repeated))):
        say(f"given more than once, and counted once: {some_names(again)}.")


def say_cache(use: CacheUse | None) -> None:
    """Tell what a cache was good for."""
    if use is None:
        return
    rows = use.found + use.computed
    if rows:
        say(f"cache: {use.found} of {count(rows, 'row')} found, {use.computed} computed.")
    if use.damaged:
        say(
            f"cache: {count(use.damaged, 'damaged file')} of rows thrown away, and nothing taken "
            "of what was in them."
        )
    if use.stopped:
        say(f"cache: {use.stopped}. No more rows were kept; the result is not affected.")


def say_traffic(passes: Sequence[Traffic]) -> None:
    """Tell what went to a cluster and came back, pass by pass."""
    for one in passes:
        say(
            f"cluster: {one.what}: {one.out / 1e6:.2f} MB sent, {one.back / 1e6:.2f} MB came back, "
            f"{count(one.rounds, 'task')}, {one.seconds:.1f} s."
        )


def say_times(start: float | None, wall: Mapping[str, float], inside: Mapping[str, float]) -> None:
    """Tell where the time went.

    Args:
        start: seconds until the command began, None where unknown.
        wall: seconds by what happened one after the other.
        inside: seconds by stage of the last of these, added up over threads.
    """
    whole = {"start of Python": start, **wall} if start is not None else dict(wall)
    say(f"time: {sum(whole.values()):.2f} s")
    for name, seconds in whole.items():
        say(f"  {seconds:7.3f} s  {name}")
    for stage, seconds in inside.items():
        say(f"  {seconds:11.3f} s  {stage}")


def progress(what: str, *, unit: str = "image", quiet: bool = False) -> Shown:
    """A context that shows progress on stderr: a bar in a terminal, elsewhere a line now and then.

    Bytes, the unit "B", are shown in thousands and millions.

    Gives what is called with (done, in all) and, if there is something to add, a note; its method
    `stage` names what has no count.
    """
    if quiet or sys.stderr is None:
        return Nothing(what, unit)
    return Bar(what, unit) if is_terminal(sys.stderr) else Lines(what, unit)


@contextmanager
def if_stopped(told: Callable[[], str]) -> Iterator[None]:
    """Where a signal ends what is in here, tell what became of it behind `interrupted: `."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) or signals.received():
            error.add_note(told())
        raise


def run(command: click.Command) -> int:
    """Run the command line; every way to fail ends in one sentence and its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            use_unicode(stream)
    signals.forget()
    with signals.handled(_interrupt):
        return _run(command)


def _interrupt() -> NoReturn:
    raise KeyboardInterrupt


def _run(command: click.Command) -> int:
    try:
        code = command.main(prog_name="oneclass", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.ClickException as error:
        error.show()
        return USAGE
    except (click.Abort, KeyboardInterrupt) as stop:
        _say_interrupted(stop)
        return signals.exit_code()
    except OneclassError as error:
        if signals.received() and not isinstance(error, StorageError):
            _say_interrupted(error)  # what was being imported or opened tells it in its own way
            return signals.exit_code()
        say(f"error: {plain(str(error))}")
        return error.exit_code
    except MemoryError:
        say(
            "error: out of memory. Use fewer threads (--threads 1, where the command has it), a "
            "machine or container with more memory, or a model of fewer columns (a pooling grid, "
            "a smaller layer)."
        )
        return StorageError.exit_code
    except Exception as error:
        if signals.received():  # in the middle of an import, one comes out as another error
            _say_interrupted(error)
            return signals.exit_code()
        if isinstance(error, OSError) and error.errno in FULL:
            say(f"error: cannot write the output: {error.strerror}. Free some space there.")
            return StorageError.exit_code
        traceback.print_exc()
        say("error: this is a bug of oneclass; please report it with the lines above.")
        return BUG


def _say_interrupted(error: BaseException) -> None:
    """That a signal came, and what became of the work; click puts an error around the first one."""
    notes = [note for one in (error, error.__cause__) for note in getattr(one, "__notes__", ())]
    say(f"interrupted: {plain(' '.join(notes))}" if notes else "interrupted.")
