"""What `oneclass backbone` tells: the networks that have names, and what each is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from oneclass.backbones import EMBEDDED_SHA256, Backbone
from oneclass.backbones.anatomy import shorthand, take_apart
from oneclass.backbones.catalogue import PUBLISHED, pulled_file
from oneclass.backbones.table_2 import TABLE_2


def backbones() -> list[dict[str, Any]]:
    """Every network that has a name: the embedded ones, and those that can be pulled."""
    embedded = [
        {"name": name, "what": Backbone.open(name).spec.source, "file": "embedded"}
        for name in EMBEDDED_SHA256
    ]
    pulled = [
        {
            "name": name,
            "what": published.what,
            "file": str(pulled_file(name)) if pulled_file(name).is_file() else None,
            "url": published.url,
            "md5": published.md5,
            "megabytes": published.megabytes,
        }
        for name, published in PUBLISHED.items()
    ]
    return embedded + pulled


def backbone_facts(backbone: Backbone) -> dict[str, Any]:
    """A network's record, and each layer's shape and cost.

    Raises:
        ModelFileError: the network does not run.
    """
    facts = take_apart(backbone)
    return {
        **backbone.spec.to_json(),
        "mean_image": bool(backbone.record.get("mean_image")),
        "table_2": shorthand(backbone, facts),
        "table_2_as_printed": TABLE_2.get(backbone.spec.name, ""),
        "classes": len(backbone.record.get("classes") or ()),
        "parameters": sum(fact.parameters for fact in facts),
        "multiply_adds": sum(fact.multiply_adds for fact in facts),
        "layers": [asdict(fact) for fact in facts],
    }


def backbone_text(facts: dict[str, Any]) -> str:
    """The facts of `backbone_facts` for people."""
    size = facts["preprocessing"]["size"]
    mean = f"{_numbers(facts['preprocessing']['mean'])} (of 0 to 1)"
    if facts["mean_image"]:
        mean = "an image, subtracted inside the network"
    lines = [
        f"name:           {facts['name']}",
        f"SHA-256:        {facts['sha256']}",
        f"licence:        {facts['licence'] or 'not told'}",
        f"source:         {facts['source'] or 'not told'}",
        f"input:          {size[1]} x {size[0]} pixels, "
        f"{'grey' if len(facts['preprocessing']['mean']) == 1 else 'RGB'}, "
        f"{facts['preprocessing']['interpolation']} resizing",
        f"mean:           {mean}",
        f"std:            {_numbers(facts['preprocessing']['std'])}",
        f"classes:        {facts['classes'] or 'not told'}",
    ]
    if facts["table_2"]:
        lines.append(f"in short:       {facts['table_2']}")
    if facts["table_2_as_printed"]:
        lines.append(f"in the paper:   {facts['table_2_as_printed']}")
    head = ("layer", "shape", "parameters", "multiply-adds", "so far")
    rows, done = [], 0
    for layer in facts["layers"]:
        done += layer["multiply_adds"]
        share = f"{100 * done / max(facts['multiply_adds'], 1):.0f} %"
        costs = (f"{layer['parameters']:,}", f"{layer['multiply_adds'] / 1e6:,.1f} M", share)
        rows.append((layer["name"], " x ".join(map(str, layer["shape"])), *costs))
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    table = [
        "  ".join(
            text.ljust(width) if i < 2 else text.rjust(width)
            for i, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in [head, *rows]
    ]
    total = f"{facts['parameters']:,} parameters, {facts['multiply_adds'] / 1e6:,.1f} M in all"
    return "\n".join([*lines, "", *table, "", total])


def _numbers(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
