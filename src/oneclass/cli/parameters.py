"""Kinds of values that several commands take."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import click


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
            f"{value!r}: expected HEIGHTxWIDTH in pixels, such as 64x64, or one number.", ctx, param
        )


class OrAuto(click.ParamType[Any]):
    """A number of one kind, or the word auto."""

    def __init__(self, kind: type[int] | type[float]) -> None:
        self.kind = kind
        self.name = f"{kind.__name__}|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return "auto" if value == "auto" else self.kind(value)
        except ValueError:
            what = "a whole number" if self.kind is int else "a number"
            raise click.BadParameter(f"{value!r}: expected {what}, or auto.", ctx, param) from None


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


def runtime_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--runtime` and `--precision`, the same for every command that makes rows."""
    runtime = click.option(
        "--runtime",
        type=click.Choice(["auto", "onnxruntime", "openvino"]),
        default="auto",
        show_default=True,
        help="What computes the network; auto is ONNX Runtime, or the one that the model is of.",
    )
    precision = click.option(
        "--precision",
        type=click.Choice(["auto", "fp32", "bf16"]),
        default="auto",
        show_default=True,
        help="Of the network's arithmetic; bf16 needs OpenVINO. Models are scored as fitted.",
    )
    return runtime(precision(command))


def cache_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--cache`, the same for every command that makes rows."""
    return click.option(
        "--cache",
        envvar="ONECLASS_CACHE",
        show_envvar=True,
        metavar="DIR|none",
        callback=lambda ctx, param, value: None if value == "none" else value,
        help="Folder that keeps the rows of images, so that none passes the network twice.  "
        "[default: none]",
    )(command)
