"""`oneclass serve`: a page and a service over HTTP."""

from __future__ import annotations

import time
import webbrowser
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from oneclass.cli.talk.console import print_data, say
from oneclass.cli.talk.parameters import BYTES, DURATION, Here, OneOf
from oneclass.errors import InputError, MissingDependencyError
from oneclass.system.host.portable import as_typed
from oneclass.system.names import count

if TYPE_CHECKING:
    from socket import socket as Socket  # noqa: N812

    from oneclass.serve.records.database import Database
    from oneclass.serve.settings import Settings

NEEDED = ("fastapi", "httptools", "uvicorn", "jinja2", "python_multipart")
DATA = click.option(
    "--data",
    default="oneclass-data",
    show_default=True,
    type=Here(path_type=Path, file_okay=False),
    help="Folder of all that the server keeps.",
)


@click.group(invoke_without_command=True, short_help="Open a page to learn and score in a browser.")
@DATA
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", default=8717, show_default=True, help="Port to listen at; 0 for any.")
@click.option("--url", help="Address by which a proxy shows it, such as https://line.example/odd.")
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    help="Another name that it is reached by; may be given again.",
)
@click.option(
    "--folder",
    "folders",
    multiple=True,
    type=Here(path_type=Path),
    help="Folder whose files may be scored by path, and watched; may be given again.",
)
@click.option("--threads", type=int, help="Threads to use.  [default: all cores]")
@click.option(
    "--keep-images", type=BYTES, default="10GB", show_default=True, help="Room for images."
)
@click.option(
    "--keep",
    type=DURATION,
    help="Age at which predictions and their images go, such as 365d.  [default: never]",
)
@click.option(
    "--max-pixels",
    type=int,
    default=24_000_000,
    show_default=True,
    help="Pixels that one image may have.",
)
@click.option("--open/--no-open", "open_page", default=None, help="Open the page in a browser.")
@click.pass_context
def serve(
    context: click.Context,
    data: Path,
    host: str,
    port: int,
    url: str | None,
    hosts: tuple[str, ...],
    folders: tuple[Path, ...],
    threads: int | None,
    keep_images: float,
    keep: float | None,
    max_pixels: int,
    open_page: bool | None,
) -> int | None:
    """Open a page to learn and score in a browser, and a service for programs.

    Only this machine can reach it, unless --host or --url says otherwise; then everybody needs a
    token. Ctrl-C ends it, after what it is doing.
    """
    if context.invoked_subcommand is not None:
        return None
    require_packages()
    from oneclass.serve.settings import Limits, Settings

    settings = Settings(
        data,
        host,
        port,
        url,
        hosts,
        folders,
        threads,
        keep_images,
        keep,
        replace(Limits(), pixels=max_pixels),
    )
    return run(settings, open_page=open_page)


@serve.command(short_help="Write all predictions as a table.")
@click.argument("file", type=Here(path_type=Path, dir_okay=False))
@DATA
def export(file: Path, data: Path) -> int:
    """Write all predictions, with model, time and review, to FILE: .csv, or .parquet (pyarrow)."""
    from oneclass.serve.records import export as exports

    exports.check_name(file)
    database, before = open_database(data), file.exists()
    n = exports.export(database, file)
    say(f"{count(n, 'prediction is', 'predictions are')} in {file}.")
    if before:
        say(f"what was in {file} before, a table, was replaced.")
    return 0


@serve.group(short_help="Say who may use a server that others can reach.")
def token() -> None:
    """Say who may use a server that others can reach."""


@token.command("add", short_help="Make a token for NAME, and print it.")
@click.argument("name")
@DATA
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=OneOf(["read", "score", "review", "learn"]),
    help="What it may do, several times if need be; people need read beside the others, since "
    "every page does.  [default: all]",
)
@click.option(
    "--expires", type=DURATION, help="When it ends, such as 90d or 12h.  [default: never]"
)
@click.pass_context
def add_token(
    context: click.Context, name: str, data: Path, scopes: tuple[str, ...], expires: float | None
) -> int:
    """Make a token for NAME, and print it: this once, since only its digest is kept.

    A program that only sends images needs --scope score alone; a person who reviews needs
    --scope read --scope review, since every page needs read.

    Before the first start it makes the folder of --data, if that is given.
    """
    from oneclass.serve.records.database import FILE, Database
    from oneclass.serve.records.tokens import SCOPES, Tokens, check_name

    check_name(name)  # before there is a database
    new = not (data / FILE).exists()
    if new and context.get_parameter_source("data") is ParameterSource.DEFAULT:
        words = ["oneclass", "serve", "token", "add", name, "--data", str(data)]
        words += [word for scope in scopes for word in ("--scope", scope)]
        words += [] if expires is None else ["--expires", _as_given(expires)]
        raise _nothing_kept(data, f" To begin a new one there: {as_typed(words)}")
    made = Tokens(Database(data)).make(name, scopes or SCOPES, expires)
    if new:
        say(f"{data.absolute()} was made.")
    if scopes and "read" not in scopes:
        say(
            "for programs alone: without --scope read it opens no page. For a person, remove it "
            "and make one that has read beside the others."
        )
    say(f"this token opens the server that keeps everything in {data.absolute()}:")
    print_data(made)
    return 0


def _as_given(seconds: float) -> str:
    """A duration as --expires takes it, in the largest unit of which it is whole: 12h, 90d."""
    for unit, worth in sorted(DURATION.units.items(), key=lambda one: -one[1]):
        if seconds % worth == 0:
            return f"{seconds / worth:.0f}{unit}"
    return f"{seconds:f}s"


@token.command("list", short_help="List tokens, their scopes and last use.")
@DATA
def list_tokens(data: Path) -> int:
    """List the names of tokens, what they may do, and when they were last used."""
    from oneclass.serve.records.tokens import Tokens
    from oneclass.serve.web.words import when

    rows = Tokens(open_database(data)).all()
    if not rows:
        say("there is no token; 'oneclass serve token add NAME' makes one.")
    for row in rows:
        ends = row["until"]
        word = "expired" if ends is not None and ends <= time.time() else "until"
        until = "" if ends is None else f", {word} {when(ends)}"
        print_data(f"{row['name']}: {row['scopes']}; last used {when(row['used'])}{until}")
    return 0


@token.command("remove")
@click.argument("name")
@DATA
def remove_token(name: str, data: Path) -> int:
    """Make the token of NAME worthless, at once."""
    from oneclass.serve.records.tokens import Tokens

    Tokens(open_database(data)).remove(name)
    say(f"removed: the token of {name} opens nothing any more.")
    return 0


def open_database(data: Path) -> Database:
    """The database of a data folder, which a server may have open, too.

    Raises:
        InputError: there is none; a mistyped name would otherwise give an empty table.
    """
    from oneclass.serve.records.database import FILE, Database

    if not (data / FILE).exists():
        raise _nothing_kept(data)
    return Database(data)


def _nothing_kept(data: Path, more: str = "") -> InputError:
    """That there is no data folder at a place; and `more` that can be done, a blank first."""
    return InputError(
        f"no server has kept anything in {data.absolute()}, and nothing was made there. Go to the "
        "folder where 'oneclass serve' was started, or give --data FOLDER, which it names when it "
        f"starts.{more}"
    )


def run(settings: Settings, *, open_page: bool | None) -> int:
    """Serve until somebody ends it; what is refused leaves no data folder behind."""
    from oneclass.serve.listening import bound
    from oneclass.serve.records.database import FILE, only_server
    from oneclass.serve.records.tokens import no_token

    if not settings.open and not (settings.data / FILE).exists():
        raise no_token(settings)
    with bound(settings) as socket, only_server(settings.data):
        return _run(settings, socket, open_page=open_page)


def _run(settings: Settings, socket: Socket, *, open_page: bool | None) -> int:
    from oneclass.serve.work.service import Service

    service = Service(settings)
    service.check_tokens()
    service.scorer.get_ready()  # while the rest is imported

    from oneclass.serve.web.server import make_server
    from oneclass.system.host.blas import one_blas_thread

    server = make_server(service, say)
    port = socket.getsockname()[1]
    address = settings.address(port)
    kept = settings.data.absolute()
    say(f"oneclass is at {address} and keeps everything in {kept}; Ctrl-C ends it.")
    if elsewhere := settings.elsewhere(port):
        say(elsewhere)
    if open_page:
        webbrowser.open(address)
    with one_blas_thread():  # images are scored by many threads
        server.run([socket])
    say("ended; nothing is lost.")
    return 0


def require_packages() -> None:
    """Say what to install, rather than what could not be imported.

    Raises:
        MissingDependencyError: a package of the extra `serve` is not there.
    """
    from importlib.util import find_spec

    from oneclass.system.host.machine import pip_install

    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise MissingDependencyError(
            f"oneclass serve needs {', '.join(missing)}, not installed: {pip_install('serve')}"
        )
