"""The command line: a thin shell over the public names.

Data goes to stdout; progress, summaries and errors go to stderr. Each command is a file; what it
needs is imported inside its function, so that --help is instant.
"""

from __future__ import annotations

import warnings
from typing import Any

import click

from oneclass import __version__
from oneclass.cli.backbone import backbone
from oneclass.cli.cache import cache
from oneclass.cli.demo import demo
from oneclass.cli.export import export
from oneclass.cli.fit import fit
from oneclass.cli.look import check, info
from oneclass.cli.measuring.compare import compare
from oneclass.cli.measuring.evaluate import evaluate
from oneclass.cli.measuring.paper import paper
from oneclass.cli.report import report
from oneclass.cli.score import score
from oneclass.cli.serve import serve
from oneclass.cli.talk.slips import OTHER_WORDS, as_ours, on_help, on_missing, on_option
from oneclass.cli.train import train
from oneclass.cli.update import update
from oneclass.cli.verify import verify

EXIT_CODES = """\b
Exit codes:
    0  fine
    1  a bug of oneclass
    2  wrong usage, or unusable input
    3  some images could not be read; everything else was done and written
    4  model file refused
    5  disk or memory full
    6  a download failed
    7  the cluster failed
   10  anomaly found (only with --fail-on-anomaly)
   11  an exported model differs (only from verify and export --int8)
  130  interrupted by Ctrl-C; 143 by SIGTERM, 129 by SIGHUP"""


class Commands(click.Group):
    """The commands, with a hint for those who know them by another name."""

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        found = super().get_command(ctx, name)
        if found is None and name in OTHER_WORDS:
            ctx.fail(f"No such command {name!r}. It is called {OTHER_WORDS[name]!r} here.")
        return found

    def invoke(self, ctx: click.Context) -> Any:
        given = ctx.args  # what follows the first word; click forgets it on the way
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            about = on_option(error.option_name, error.ctx or ctx)
            no_such = f"No such option {error.option_name!r}.{about}"
            raise click.UsageError(no_such, error.ctx) from None
        except click.NoSuchCommand as error:
            if error.command_name != "help":
                raise
            group = [ctx.invoked_subcommand] if error.ctx not in (None, ctx) else []
            told = on_help([*filter(None, group), *given])
            raise click.UsageError(told, error.ctx) from None
        except click.MissingParameter as error:
            example = on_missing(error)
            if example is None:
                raise
            raise click.UsageError(f"{error.format_message()} {example}", error.ctx) from None


@click.group(
    cls=Commands,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"], "token_normalize_func": as_ours},
)
@click.version_option(__version__, prog_name="oneclass")
def cli() -> None:
    """Learn what normal images look like, and say how odd a new image is.

    \b
    oneclass check good_parts/                         what is in a folder?
    oneclass fit good_parts/ -o parts.oneclass         learn from normal images alone
    oneclass score parts.oneclass new_parts/ -o run/   score others
    oneclass report parts.oneclass run/                see them on a page

    \b
    Small defects:                    looked for from 256 pixels on; fit --tiles 640
                                      for pictures far larger than that
    Other ways of looking:            compare good_parts/
    A page in a browser:              serve

    \b
    Words:
      score        how odd an image is: larger is odder
      anomaly      an image whose score is above the threshold; else it is fine
      threshold    drawn so that few normal images are above it: 1 in 20, or --false-alarms
      false alarm  a normal image that is called an anomaly
      p-value      the share of normal images that look at least as odd as this one
      backbone     the network that turns an image into numbers; it comes along
      row          those numbers, of an image or of one of its patches
    """
    # What Detector and Predictions warn a program of, the commands say in words of their own.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"oneclass\.")


for command in (
    fit,
    compare,
    evaluate,
    score,
    report,
    export,
    verify,
    update,
    serve,
    train,
    backbone,
    cache,
    info,
    check,
    paper,
    demo,
):
    cli.add_command(command)
