"""Which column of the paper's Table 3 a representation is compared with, and what that says."""

from __future__ import annotations

from collections.abc import Iterable

from oneclass.paper.tables import TABLE_1, printed
from oneclass.representations import GREYSCALE

PAPERS_OWN = {
    f"{prefix}vgg-{size}": f"VGG-{size.upper()}"
    for prefix in ("", "imagenet-matconvnet-")
    for size in "fm"
}
"""Names of files that are taken for the paper's networks."""


def paper_column(representation: str, task: int) -> str | None:
    """The column of Table 3 for a representation, or None where the paper has no such figure.

    By the layer's name: P5, FC6, FC7 and FC8 are compared with VGG-F's, or with VGG-M's where the
    network's name says so; P8 and FC9 with those of Male-5045.
    """
    network, _, layer = representation.rpartition(":")
    if representation == GREYSCALE:
        column = "GS"
    elif layer in ("P8", "FC9"):
        column = f"MALE-5045 {layer}"
    else:
        column = f"VGG-{'M' if 'vgg-m' in network.lower() else 'F'} {layer}"
    return column if printed(column, TABLE_1[task - 1]) else None


def stand_ins(found: Iterable[tuple[str, int]]) -> list[str]:
    """For each representation a sentence on what of the paper it is compared with.

    Args:
        found: (representation, task) pairs.
    """
    columns: dict[str, str | None] = {}
    for representation, task in found:
        columns[representation] = columns.get(representation) or paper_column(representation, task)
    return [_sentence(*pair) for pair in columns.items() if pair[0] != GREYSCALE]


def _sentence(representation: str, column: str | None) -> str:
    network, _, layer = representation.rpartition(":")
    if column is None:
        return f"{representation} has no counterpart in the paper."
    if PAPERS_OWN.get(network.lower()) == column.split()[0]:
        return f"{network} {layer} is taken for the paper's {column}, by the network's name."
    return f"{network} {layer} stands in for {column}."
