"""Kinds of values that several commands take."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from oneclass.cli.talk.console import say
from oneclass.detector import settings
from oneclass.errors import InputError
from oneclass.system.host.portable import as_typed, few_typed
from oneclass.system.names import did_you_mean, percent
from oneclass.system.places import Remote, is_address, place

LARGE = 0.2
"""A share of normal images from which on percents may have been meant."""


INPUTS, FOLDERS = "INPUT...", "FOLDER..."
"""How an option is shown that takes several inputs, or several folders."""


class Size(click.ParamType[tuple[int, int]]):
    """`64` or `48x64` (height x width)."""

    name = "HxW"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        parts = str(value).lower().split("x")
        if len(parts) in (1, 2) and all(part.isdecimal() and int(part) > 0 for part in parts):
            return int(parts[0]), int(parts[-1])
        raise click.BadParameter(
            f"{value!r}: expected HEIGHTxWIDTH in pixels, such as 64x64, or one number for both; "
            "each above 0.",
            ctx,
            param,
        )


class OneOf(click.Choice[str]):
    """One word of several; of a near miss it is said which was meant."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """As click says it, with the word that was meant."""
        told = super().get_invalid_choice_message(value, ctx)
        return told + did_you_mean(str(value), self.choices)


class Here(click.Path):
    """A path of this machine, where no address will do; file:///folder/file is one, too."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if is_address(value):
            given, value = value, place(value)
            if isinstance(value, Remote):
                raise click.BadParameter(
                    f"{given}: expected a path of this machine, or of a network folder. Images, "
                    "models and results of 'oneclass score' may lie at addresses; copy all else "
                    "to a folder and give that, or write to a folder and copy from there.",
                    ctx,
                    param,
                )
            value = str(value)
        return super().convert(value, param, ctx)


class Share(click.ParamType[float]):
    """`0.01` or `1%`."""

    name = "SHARE"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        text = str(value).strip()
        try:
            share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            share = -1.0
        if 0 < share < 1:
            if share >= LARGE and not text.endswith("%"):
                read = f"{param.opts[-1]} {text}" if param is not None else text
                say(f"note: {read} is {percent(share)}; for {text} %, write {text}%.")
            return share
        if re.fullmatch(r"\d*,\d+ ?%?", text):
            hint = f" Write {text.replace(',', '.')}, with a point."
        else:
            hint = self._without_percent(text, share)
        expected = "expected a share above 0 and below 1, such as 0.01 or 1%."
        raise click.BadParameter(f"{value!r}: {expected}{hint}", param=param, ctx=ctx)

    def _without_percent(self, text: str, share: float) -> str:
        """What to write for a number that was meant in percent; else nothing."""
        return (
            f" For {text} %, write {text}% or {share / 100:g}."
            if 1 <= share < 100 and not text.endswith("%")
            else ""
        )


class Numbers(click.ParamType[tuple[float, ...]]):
    """`0.5` or `0.485,0.456,0.406`: one number, or one a channel."""

    name = "N,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, ...]:
        try:
            return tuple(float(part) for part in str(value).split(","))
        except ValueError:
            raise click.BadParameter(
                f"{value!r}: expected numbers with commas between them, such as 0.485,0.456,0.406.",
                ctx,
                param,
            ) from None


class Quantity(click.ParamType[float]):
    """A number and its unit, such as `5GB` or `30d`.

    Args:
        name: in the help.
        units: what each unit is worth.
        example: for the message.
    """

    def __init__(self, name: str, units: Mapping[str, float], example: str) -> None:
        self.name, self.units, self.example = name, units, example

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]+)", str(value).strip().lower())
        if match and match[2] in self.units:
            return float(match[1]) * self.units[match[2]]
        units = ", ".join(self.units)
        raise click.BadParameter(
            f"{value!r}: expected a number and one of {units}, such as {self.example}.", ctx, param
        )


BYTES = Quantity("SIZE", {"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12}, "5GB")
DURATION = Quantity("TIME", {"s": 1, "min": 60, "h": 3600, "d": 86400}, "30d")


class TakingInputs(click.Command):
    """A command whose options for images or folders take all that follows, up to the next option.

    A shell makes many words of a pattern such as lot/NG_*, and all of them are meant; click would
    take the first, and the others for the command's own images.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        taking = {
            name
            for param in self.params
            if isinstance(param, click.Option)
            and param.multiple
            and param.metavar in (INPUTS, FOLDERS)
            for name in param.opts
        }
        given, option, has_one = list[str](), "", False
        for at, word in enumerate(args):
            if word == "--":
                given += args[at:]
                break
            if word.startswith("-") and word != "-":
                option, has_one = (word if word in taking else ""), False
            elif option:
                given += [option] * has_one
                has_one = True
            given.append(word)
        return super().parse_args(ctx, given)


def names_a_file(ending: str) -> Callable[[click.Context, click.Parameter, Any], Any]:
    """A callback of options for files to write: `new/` is meant as a folder, there or not.

    Nor may a file be named as those of the other kind are, a model as a network or the reverse.

    Args:
        ending: of such a file's name, for the advice.
    """

    def checked(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        if value is not None and str(value).endswith(("/", os.sep)):
            raise click.BadParameter(
                f"{value!r} ends as a folder's name, and a file is to be written. Give a file "
                f"name, too, such as {value}NAME{ending}.",
                ctx,
                param,
            )
        if value is not None and (wrong := misnamed(str(value), ending)):
            raise click.BadParameter(wrong, ctx, param)
        return value

    return checked


def network_option(metavar: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option -o of commands that write a backbone."""
    return click.option(
        "-o",
        "--out",
        required=True,
        type=Here(),
        metavar=metavar,
        callback=names_a_file(".onnx"),
        help="Backbone file to write.",
    )


NAMED = {".oneclass": "a model", ".onnx": "an ONNX file"}
"""What files are whose names end so."""


def misnamed(name: str, ending: str) -> str | None:
    """What is wrong with a name that ends as those of the other kind of file do.

    Args:
        name: of the file to write.
        ending: that such a file's name has; empty of a folder.
    """
    for other, kind in NAMED.items():
        if name.lower().endswith(other) and other != ending:
            right = f"a name that ends in {ending}" if ending else "the name of a folder"
            return f"{name!r} is called as {kind} is. Give {right}."
    return None


TYPES: Mapping[str, click.ParamType[Any] | type] = {
    "rows": OneOf(settings.ROWS),
    "grid": int,
    "size": Size(),
    "tiles": int,
    "nu": float,
    "n_halfspaces": int,
    "false_alarms": Share(),
    "seed": int,
    "threads": int,
    "runtime": OneOf((settings.AUTO, *settings.RUNTIMES)),
    "precision": OneOf((settings.AUTO, *settings.PRECISIONS)),
    "row_dtype": OneOf(settings.ROW_DTYPES),
}
"""How a setting is read from a word; what is not here is a text."""
METAVARS = {
    "size": "HxW",
    "tiles": "SIDE",
    "cache": "DIR|none",
    "cluster": "ADDRESS|local:N",
    "layer": "LAYERS",
}


def setting_option(
    name: str, *, sentence: str | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option of one setting, with the sentence and the default that are written there.

    Args:
        name: of the setting.
        sentence: another one, where that says too much.
    """
    setting = settings.BY_NAME[name]
    unset = f"  [default: {setting.unset}]" if setting.unset else ""
    more: dict[str, Any] = {"show_default": True} if setting.default is not None else {}
    if name == "cache":
        more = {"envvar": "ONECLASS_CACHE", "show_envvar": True}

    def checked(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
        """Refused here, a value is told with the option's name and not with Python's."""
        given = None if (name, value) == ("cache", "none") else value
        setting.check(setting.flag, given)
        if name == "cache" and given is not None:
            from oneclass.results.folders import check_cache_folder

            check_cache_folder(Path(given))
        return given

    return click.option(
        setting.flag,
        type=TYPES.get(name, str),
        metavar=METAVARS.get(name),
        default=setting.default,
        help=(sentence or setting.help) + unset,
        callback=checked,
        **more,
    )


def setting_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """All settings, in their order."""
    return _with(command, [setting.name for setting in settings.SETTINGS])


def machine_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What every command takes that makes rows with a model: threads, runtime, cache, cluster."""
    return _with(command, ["threads", "runtime", "precision", "cache", "cluster"])


def _with(command: Callable[..., Any], names: Sequence[str]) -> Callable[..., Any]:
    for name in reversed(names):
        command = setting_option(name)(command)
    return command


def check_order(command: str, model: str, others: Sequence[str]) -> None:
    """Refuse arguments that were given the wrong way round, and show the right one.

    Raises:
        InputError: MODEL is a folder or a picture, and another argument is a model file.
    """
    from oneclass.detector.files.modelfile import is_model

    models = [other for other in others if is_model(Path(other))]
    if models and not is_model(Path(model)):
        rest = [model, *(other for other in others if other not in models[:1])]
        raise InputError(
            f"{model} is no model file, but {models[0]} is: the model comes first. "
            f"Try: oneclass {as_typed([command, models[0], *few_typed(rest)])}"
        )
