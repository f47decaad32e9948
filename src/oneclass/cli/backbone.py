"""`oneclass backbone`: what networks there are, what they are made of, and getting others."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from oneclass.cli.talk.console import if_stopped, print_data, progress, say
from oneclass.cli.talk.parameters import Here, Numbers, OneOf, Size, network_option
from oneclass.cli.talk.writing import keeping_previous
from oneclass.errors import InputError
from oneclass.system.host.portable import as_typed
from oneclass.system.names import count

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(short_help="List, show, pull, import and export networks.")
def backbone() -> None:
    """List, show, pull, import and export networks whose layers become rows.

    \b
    oneclass backbone list                            what is there?
    oneclass backbone pull vgg-f                      get a published one
    oneclass backbone import net.mat -o net.onnx      convert one
    oneclass backbone show net.onnx                   layers, shapes, costs
    oneclass fit good/ -o m.oneclass --backbone net.onnx --layer P5
    """


def described(command: Callable[..., Any]) -> Callable[..., Any]:
    """What a user may say of a network."""
    options = (
        click.option("--name", help="Of the backbone.  [default: the output file's]"),
        click.option("--size", type=Size(), metavar="HxW", help="Of the input, in pixels."),
        click.option(
            "--mean", type=Numbers(), help="Subtracted, in units of [0, 1]; one, or one a channel."
        ),
        click.option("--std", type=Numbers(), help="Divided by, in the same units; likewise."),
        click.option(
            "--interpolation",
            type=OneOf(["nearest", "bilinear", "bicubic", "lanczos"]),
            help="Of the resizing.  [default: bilinear]",
        ),
        click.option("--licence", help="Of the weights."),
        click.option("--source", help="Where the weights come from."),
        click.option(
            "--layer",
            "layers",
            multiple=True,
            metavar="NAME",
            help="To name as a layer: a tensor of an ONNX file, or a part of a torch module; may "
            "be given again.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@backbone.command("list", short_help="Which networks have a name.")
@as_json
def list_(as_json: bool) -> int:
    """List the networks that have a name: embedded, pulled, or to be pulled."""
    from oneclass.backbones.facts import backbones

    found = backbones()
    if as_json:
        print_data(json.dumps(found, indent=2))
        return 0
    for entry in found:
        place = entry["file"] or f"not here; pull gets {entry['megabytes']} MB"
        print_data(f"{entry['name']:<20} {entry['what']}\n{'':<20} {place}")
    say(
        "Any ONNX file is a backbone, too, once 'oneclass backbone import' knows its preprocessing."
    )
    return 0


@backbone.command(short_help="Show a network's layers and costs.")
@click.argument("name", metavar="NAME|FILE")
@as_json
def show(name: str, as_json: bool) -> int:
    """Show a network's record, each layer's shape and cost, and the paper's shorthand."""
    from oneclass.backbones import Backbone
    from oneclass.backbones.facts import backbone_facts, backbone_text

    facts = backbone_facts(Backbone.open(name))
    print_data(json.dumps(facts, indent=2) if as_json else backbone_text(facts))
    return 0


@backbone.command(short_help="Get a published network.")
@click.argument("name")
@click.option("--from", "url", metavar="URL", help="Another place of the very same file.")
def pull(name: str, url: str | None) -> int:
    """Download the published network NAME (see list) and convert it.

    The download can be broken off and goes on where it was; the MD5 of the file is checked. Needs
    the extra matconvnet.
    """
    from oneclass.backbones.catalogue import LICENCE
    from oneclass.backbones.importing import pull_network

    kept = "what came is kept: the same command goes on from there."
    with if_stopped(lambda: kept), progress(f"pull {name}", unit="B") as show_bytes:
        file = pull_network(name, url=url, progress=show_bytes)
    say(f"licence: {LICENCE}.")
    say(f"{file}: ready. For example:")
    words = ["fit", "NORMAL", "-o", "model.oneclass", "--backbone", name, "--layer", "P5"]
    say(f"    oneclass {as_typed(words)}")
    return 0


@backbone.command("import", short_help="Convert a MatConvNet or an ONNX file.")
@click.argument("file", type=Here(), metavar="FILE.mat|FILE.onnx")
@network_option("FILE.onnx")
@described
@click.option(
    "--crop",
    is_flag=True,
    help="Resize images larger by a .mat network's border and cut that off.  "
    "[default: the whole image is seen]",
)
def import_(file: str, out: str, **said: Any) -> int:
    """Turn MatConvNet's SimpleNN file, or any ONNX file, into a backbone.

    A .mat says itself what its network expects (needs the extra matconvnet). Of an ONNX file that
    does not, give --size, --mean and --std as they were in training.
    """
    from oneclass.backbones.importing import ImportOptions, import_network

    if os.path.realpath(file) == os.path.realpath(out):
        raise InputError(
            f"-o {out}: that is the file to import, which would be lost. Give another name."
        )
    with keeping_previous(Path(out)):
        made = import_network(Path(file), Path(out), ImportOptions(**said))
    say(f"{out}: {count(len(made.layers), 'layer')}, {', '.join(made.layers)}. Next:")
    words = ["fit", "NORMAL_DIR", "-o", "model.oneclass", "--backbone", out, "--layer", _deep(made)]
    say(f"    oneclass {as_typed(words)}")
    return 0


@backbone.command(short_help="Turn a torch module into a backbone.")
@click.argument("module", metavar="PACKAGE.MODULE:NAME")
@network_option("FILE.onnx")
@click.option(
    "--weights", type=Here(), metavar="FILE", help="A .safetensors file, or a state dict of torch."
)
@described
def export(module: str, out: str, weights: str | None, **said: Any) -> int:
    """Turn the torch module PACKAGE.MODULE:NAME, or what that function returns, into a backbone.

    Its outermost parts become the layers, or the parts that --layer names. ONNX Runtime must
    compute what torch does. Needs the extra train.
    """
    from oneclass.auxiliary import require_torch

    require_torch("exporting")
    from oneclass.auxiliary.export import export_module
    from oneclass.backbones import Backbone, Preprocessing
    from oneclass.backbones.importing import ImportOptions, checked_preprocessing
    from oneclass.backbones.onnx_file import ONNX_START
    from oneclass.system.files import check_replaces, check_writable

    options = ImportOptions(**said)
    preprocessing = Preprocessing.from_json(checked_preprocessing({}, options))
    check_writable(Path(out), ".onnx")
    check_replaces(Path(out), "ONNX file", ONNX_START)
    record = {
        "name": options.name or Path(out).stem,
        "licence": options.licence or "",
        "source": options.source or f"torch module {module}",
    }
    with keeping_previous(Path(out)):
        parity = export_module(
            module,
            Path(out),
            preprocessing,
            weights=None if weights is None else Path(weights),
            layers=options.layers,
            record=record,
        )
    made = Backbone.open(Path(out))
    say(f"{out}: {count(len(made.layers), 'layer')}, {', '.join(made.layers)}.")
    say(f"ONNX Runtime and torch agree within {parity:.0e}.")
    return 0


def _deep(made: Any) -> str:
    """The last layer that has a map: a reasonable first try."""
    mapped = [name for name, shape in made.shapes().items() if len(shape) == 3]
    return str((mapped or made.layers)[-1])
