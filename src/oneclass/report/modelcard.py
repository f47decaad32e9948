"""What the model is made of, line by line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from oneclass.backbones import EMBEDDED_SHA256
from oneclass.backbones.catalogue import PUBLISHED
from oneclass.conformal.guarantee import HELD_OUT, spread
from oneclass.detector.files.information import learnt_from, looks_at
from oneclass.detector.settings import GREYSCALE, as_options, of_card
from oneclass.rows.layers import Layers
from oneclass.system.names import count, percent

NU = "the largest share of images that may lie outside their half-space while it is learnt"
HALFSPACES = "flat boundaries; what lies inside one of them looks normal"
GAP = "which bounds how far the half-spaces are from the exact ones"


def lines(card: dict[str, Any], model: Path, digest: str) -> list[tuple[str, str]]:
    """(name, text) pairs: data, representation, fit, certificate, guarantee, digests.

    Args:
        card: of the model.
        model: its file.
        digest: of the file's content, in hex.
    """
    fit, calibration = card["fit"], card["calibration"]
    lowest = calibration["lowest_false_alarms"]
    found = [
        ("Model", f"{model.name}, SHA-256 {digest} (without its last 32 bytes, which hold it)"),
        ("Learnt from", f"{learnt_from(card)}, SHA-256 {fit['images_sha256']}"),
        ("Way of looking", looks_at(card)),
        *_representation(card["representation"]),
        ("Pixels", _pixels(card["pixel_scale"])),
        ("nu", f"{fit['nu']:g}, {NU}"),
        ("Half-spaces", f"{fit['n_halfspaces']}, {HALFSPACES}"),
        ("Certificate", f"largest relative duality gap {fit['largest_dual_gap']:.1e}, {GAP}"),
        ("Promised false alarms", f"{percent(card['false_alarms'])} of normal images"),
        *([("Unclear", _unclear(card))] if card.get("unclear") else []),
        (
            "Calibration",
            f"{_method(calibration['method'])}, "
            f"{count(calibration['n_held_out'], 'held-out image')} {HELD_OUT}; so many support "
            f"no rate below {percent(lowest)} (1 in {round(1 / lowest):,})",
        ),
        *([("Promise", calibration["promise"])] if "promise" in calibration else []),
        *([("Its own rate", told)] if (told := spread(card)) else []),
        ("Proven", calibration["guarantee"]),
        ("Seed", str(fit["seed"])),
        ("Made by", f"oneclass {card['oneclass']}"),
    ]
    return [*found, *(("Note", warning) for warning in fit["warnings"])]


def fit_command(card: dict[str, Any], model: Path, scored: Sequence[str] = ()) -> list[str]:
    """The command that makes this model again from the same images.

    Args:
        card: of the model.
        model: its file.
        scored: words of the command that scored, which may name the file of the backbone.
    """
    settings = of_card(card)
    name = settings["backbone"]
    if name not in {GREYSCALE, *EMBEDDED_SHA256, *PUBLISHED}:  # its file, as `load` looks for it
        settings["backbone"] = _given(scored, "--backbone") or f"{name}.onnx"
    return ["oneclass", "fit", "NORMAL_IMAGES/", "-o", model.name, *as_options(settings)]


def _given(words: Sequence[str], option: str) -> str | None:
    """What a command gives for an option; None where it gives nothing."""
    for word, after in zip(words, [*words[1:], None], strict=True):
        if word == option:
            return after
        if word.startswith(f"{option}="):
            return word.removeprefix(f"{option}=")
    return None


def _representation(record: dict[str, Any]) -> list[tuple[str, str]]:
    if record["kind"] == GREYSCALE:
        return []
    backbone = record["backbone"]
    licence = backbone["licence"] or "licence not stated"
    layers = str(Layers.from_json(record["layers"]))
    if whole := record.get("whole"):
        layers = f"{layers} of patches, {Layers.from_json(whole['layers'])} of whole images"
    return [
        ("Backbone", f"{backbone['name']} ({licence}), SHA-256 {backbone['sha256']}"),
        ("Layers", layers),
    ]


def _pixels(scale: dict[str, Any]) -> str:
    return f"{scale['depth']}; {scale['low']:g} to {scale['high']:g} become intensity 0 to 1"


def _unclear(card: dict[str, Any]) -> str:
    low, high = percent(card["false_alarms"]), percent(card["unclear"])
    return f"images with p-values from {low} to {high}"


def _method(name: str) -> str:
    known = {
        "split": "split conformal",
        "parts": "by parts, each image judged by what the others had learnt",
        "cross": "cross-conformal (CV+)",
    }
    return known.get(name, name)
