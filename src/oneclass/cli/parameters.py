"""Kinds of values that several commands take."""

from __future__ import annotations

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
