"""`oneclass cache`: what the row store holds, and making it smaller."""

from __future__ import annotations

import json
from pathlib import Path

import click

from oneclass.cli.talk.console import print_data, say
from oneclass.cli.talk.parameters import BYTES, DURATION, Here
from oneclass.system.names import count


def _named(ctx: click.Context, param: click.Parameter, value: str | None) -> str:
    """The folder; the usage shows that it may be left out, and only the environment allows that."""
    if value is None:
        raise click.MissingParameter(ctx=ctx, param=param, param_hint="'DIR'")
    return value


folder = click.argument(
    "folder",
    type=Here(),
    metavar="[DIR]",
    envvar="ONECLASS_CACHE",
    required=False,
    callback=_named,
)


@click.group(short_help="Look at the cache of rows, or make it smaller.")
def cache() -> None:
    """Look at the cache of rows that --cache fills, or make it smaller.

    DIR may be left out where the environment variable ONECLASS_CACHE names it.
    """


@cache.command(short_help="Show what is in it.")
@folder
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def info(folder: str, as_json: bool) -> int:
    """Show what is in the cache DIR: kinds of rows, how many, and what they take."""
    from oneclass.rows.cache import kinds

    found = kinds(Path(folder))
    facts = [
        {
            "kind": kind.name,
            "rows": kind.rows,
            "bytes": kind.bytes,
            "shards": len(kind.shards),
            "damaged_manifests": len(kind.damaged),
            "folder": str(kind.folder),
            "record": kind.record,
        }
        for kind in found
    ]
    if as_json:
        print_data(json.dumps(facts, indent=2))
        return 0
    for kind in found:
        print_data(f"{kind.rows:>9} rows {kind.bytes / 1e6:>9.1f} MB  {kind.name}")
    if not found:
        say(f"no rows are kept in {folder}. Is it one that 'oneclass fit --cache DIR' filled?")
        return 0
    say(
        f"{count(sum(k.rows for k in found), 'row')} of {count(len(found), 'kind')}, "
        f"{sum(k.bytes for k in found) / 1e6:.1f} MB."
    )
    return 0


@cache.command(short_help="Make it smaller.")
@folder
@click.option("--older-than", type=DURATION, help="Remove rows not used for so long, such as 30d.")
@click.option(
    "--max-size", type=BYTES, help="Remove rows used longest ago until the rest fits, such as 5GB."
)
@click.option("--damaged", is_flag=True, help="Read all rows; remove those not as written.")
def prune(folder: str, older_than: float | None, max_size: float | None, damaged: bool) -> int:
    """Remove from the cache DIR what killed programs left, and the rows that the options name."""
    from oneclass.rows.cache import prune as remove

    done = remove(
        Path(folder),
        unused_for=older_than,
        most_bytes=None if max_size is None else int(max_size),
        damaged=damaged,
    )
    say(
        f"removed {count(done.shards, 'file')} of rows and "
        f"{count(done.leftovers, 'leftover file')}: {done.bytes / 1e6:.1f} MB."
    )
    return 0
