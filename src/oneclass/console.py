"""How the command line talks: sentences and progress on stderr, and errors as exit codes."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import click

from oneclass.errors import ImageError, OneclassError, StorageError

BUG, USAGE, UNREADABLE, ANOMALY, INTERRUPTED = 1, 2, 3, 10, 130
SHOWN_ERRORS = 3


def say(sentence: str) -> None:
    """One line for people, on stderr."""
    click.echo(sentence, err=True)


def count(n: int, one: str, many: str | None = None) -> str:
    """`3 images`, `1 image`."""
    return f"{n} {one if n == 1 else many or one + 's'}"


def say_errors(errors: Sequence[ImageError], *, listed_in: str | None = None) -> None:
    """Tell how many images could not be used, and why the first of them could not."""
    if not errors:
        return
    say(f"{count(len(errors), 'image')} could not be used:")
    for error in errors[:SHOWN_ERRORS]:
        say(f"  {error}")
    if len(errors) > SHOWN_ERRORS:
        rest = f"see {listed_in}" if listed_in else "'oneclass check' lists them all"
        say(f"  ... and {len(errors) - SHOWN_ERRORS} more; {rest}")


@contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr, with rate and time left; silent unless that is a terminal.

    Yields a function of (done, in all).
    """
    if quiet or not sys.stderr.isatty():
        yield lambda done, total: None
        return
    from tqdm import tqdm

    with tqdm(desc=what, unit="image", file=sys.stderr, leave=False, dynamic_ncols=True) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield show


def run(command: click.Command) -> int:
    """Run the command line; every way to fail ends in one sentence and its exit code."""
    try:
        code = command.main(prog_name="oneclass", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        say("interrupted.")
        return INTERRUPTED
    except OneclassError as error:
        say(f"error: {error}")
        return error.exit_code
    except MemoryError:
        say("error: out of memory. Use a pooling grid, a smaller layer, or fewer images.")
        return StorageError.exit_code
    except BrokenPipeError:
        # The reader of stdout went away, as `| head` does; keep Python's own flush from failing.
        sys.stdout = None
        return 0
    except Exception:
        traceback.print_exc()
        say("error: this is a bug of oneclass; please report it with the lines above.")
        return BUG
    return code if isinstance(code, int) else 0
