"""What `oneclass info` tells: of a model, plainly and in detail, and of this installation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from oneclass.backbones import EMBEDDED_SHA256, Backbone
from oneclass.conformal.calibration import Calibration, threshold_rank
from oneclass.conformal.guarantee import HELD_OUT, spread
from oneclass.detector.files import modelfile
from oneclass.detector.predictions import digits
from oneclass.detector.settings import BOTH, GREYSCALE, IMAGE, PATCHES, VIEWS
from oneclass.images.checking.sizes import ends, from_json
from oneclass.rows.layers import Layer
from oneclass.system.host.machine import environment
from oneclass.system.host.portable import as_typed, typed_again
from oneclass.system.names import count, percent, percent_up, plural

OTHERS = {IMAGE: "whole images alone", PATCHES: "patches alone", BOTH: "both together"}
"""What `--rows` may be, in words."""

ARRAYS = {
    "calm": "what normal images look like at each place of a heatmap",
    "coef": "the half-spaces: their directions",
    "heat_scale": "what the colours of heatmaps go by",
    "learnt": "the beginnings of the digests of the images that it learnt from",
    "level": "what nearly all patches of an image have in common, which is not held against it",
    "normal_peaks": "the largest heatmap value of each held-out normal image",
    "normal_scores": "the score of each held-out normal image",
    "offset": "the half-spaces: their distances",
    "whitening": "how differences between patches are weighed",
    "whole_coef": "the half-spaces of whole images: their directions",
    "whole_offset": "the half-spaces of whole images: their distances",
    "whole_weight": "of the whole image's score beside that of the patches",
}
"""What the arrays of a model are, in words; docs/modelfile.md has more."""


def model_card(file: Path) -> dict[str, Any]:
    """The card of a model file, its digest, the sizes of its arrays, and this environment.

    Needs neither the backbone nor a network runtime.

    Raises:
        ModelFileError: the file is refused.
    """
    card, arrays, digest = modelfile.read(file)
    return {
        "file": str(file),
        "sha256": digest,
        "bytes": file.stat().st_size,
        **card,
        "arrays": {
            name: f"{array.dtype} {' x '.join(map(str, array.shape))}"
            for name, array in sorted(arrays.items())
        },
        "environment": environment(),
    }


def detail(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A card for people: nothing twice, nothing empty, and each array with what it is.

    Args:
        facts: as `model_card` gives them.
    """
    found = {name: _filled(value) for name, value in facts.items()}
    found["fit"].pop("sizes", None)  # its sentence has them
    made = dict(found["representation"])
    if whole := made.pop("whole", None):
        made["whole images, else as above"] = _other(whole, made)
    arrays = {
        name: f"{told} ({ARRAYS[name]})" if name in ARRAYS else told
        for name, told in found["arrays"].items()
        if "0" not in told.split(" ")
    }
    digest = f"{found['sha256']} (without the last 32 bytes, which hold it)"
    found |= {"sha256": digest, "representation": made, "arrays": arrays}
    return {name: value for name, value in found.items() if value != {}}


def _filled(value: Any) -> Any:
    """Without what says nothing; a size says which way round it is."""
    if not isinstance(value, dict):
        return value
    found = {k: _filled(v) for k, v in value.items() if v is not None and v != []}
    if "size" in found:
        found["size"] = _pixels(*found["size"])
    return found


def _other(some: Mapping[str, Any], than: Mapping[str, Any]) -> dict[str, Any]:
    """What is not the same in the second, all the way down."""
    found = {}
    for name, value in some.items():
        before = than.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            value = _other(value, before)
        if value not in (before, {}):
            found[name] = value
    return found


def plainly(file: Path) -> list[str]:
    """What a model is, in a few sentences.

    Raises:
        ModelFileError: the file is refused.
    """
    card, arrays, _ = modelfile.read(file)
    try:
        scores, peaks = (
            np.sort(np.asarray(arrays.get(name, ()), np.float64))
            for name in ("normal_scores", "normal_peaks")
        )
        rate = card["false_alarms"]
        place = Calibration(peaks).threshold(rate) if len(peaks) else None
        return summary(card, Calibration(scores).threshold(rate), place)
    except (KeyError, TypeError, ValueError, IndexError):
        return []  # of a version that wrote other cards: the details have what there is


def installation() -> dict[str, Any]:
    """Versions, processor, and for each embedded backbone its record and its layers' shapes."""
    backbones = {name: _backbone(name) for name in EMBEDDED_SHA256}
    return {"environment": environment(), "backbones": backbones}


def _backbone(name: str) -> dict[str, Any]:
    backbone = Backbone.open(name)
    shapes = {layer: " x ".join(map(str, shape)) for layer, shape in backbone.shapes().items()}
    return {**backbone.spec.to_json(), "layers": shapes}


def outline(facts: Any, indent: str = "") -> str:
    """Nested facts as indented `name: value` lines."""
    lines = []
    for name, value in facts.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}:", outline(value, indent + "  ")]
        elif isinstance(value, (list, tuple)):
            lines.append(f"{indent}{name}: {', '.join(_figure(v) for v in value) or 'none'}")
        else:
            lines.append(f"{indent}{name}: {_figure(value)}")
    return "\n".join(lines)


def _figure(value: Any) -> str:
    if isinstance(value, dict):  # a layer and its grid, written as --layer takes it
        return str(Layer(**value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def looks_at(card: Mapping[str, Any]) -> str:
    """A sentence on what the model looks at, and how large."""
    made = card["representation"]
    if made["kind"] == GREYSCALE:
        return f"It looks at the raw pixels of whole images, resized to {_size(made)}."
    through = f"through {made['backbone']['name']}"
    tiles = made.get("tiles")
    cut = f" in tiles of {tiles[1]} x {tiles[0]}," if tiles else ""
    view = VIEWS.get(made["kind"], IMAGE)
    if view == BOTH and _size(made["whole"]) == _size(made):
        return (
            f"It looks at whole images and at their patches, resized to {_size(made)}, {through}."
        )
    if view == BOTH:
        return (
            f"It looks at whole images, resized to {_size(made['whole'])}, and at their "
            f"patches, the images resized to {_size(made)},{cut} {through}."
        )
    what = "patches of the images" if view == PATCHES else "whole images"
    return f"It looks at {what}, resized to {_size(made)},{cut} {through}."


def _size(made: Mapping[str, Any]) -> str:
    return _pixels(*made["preprocessing"]["size"])


def _pixels(height: int, width: int) -> str:
    which = " (width x height)" if width != height else ""
    return f"{width} x {height} pixels{which}"


def not_tried(
    card: Mapping[str, Any],
    images: Sequence[str] = ("FOLDER",),
    *,
    comparable: bool = True,
    enough: bool = True,
) -> str | None:
    """A sentence on the ways of looking that a fit to these images left aside.

    None for raw pixels.

    Args:
        card: of the model.
        images: what it was fitted to, as it was typed.
        comparable: whether `compare` would fit as that fit did, but for tiles.
        enough: whether these are so many that `compare` can hold some back.
    """
    kind = card["representation"]["kind"]
    if kind == GREYSCALE:
        return None
    chosen = VIEWS.get(kind, IMAGE)
    rest = [f"{words} (--rows {word})" for word, words in OTHERS.items() if word != chosen]
    if card["representation"].get("tiles"):  # which compare has none of
        return f"Not tried: {' and '.join(rest)}, and no tiles: a fit each."
    if not comparable:
        return f"Not tried with these settings: {' and '.join(rest)}: a fit each."
    if not enough:
        return f"Not tried: {' and '.join(rest)}: a fit each."
    command = as_typed(["oneclass", "compare", *typed_again(images)])
    return f"Not tried: {' and '.join(rest)}. To see them side by side: {command}"


def rests_on_one(n_held_out: int, rate: float) -> str | None:
    """A sentence where the threshold is the score of the oddest held-out normal image alone."""
    if threshold_rank(n_held_out, rate) != 1:
        return None
    return (
        f"at {percent(rate)} the threshold is the score of the oddest of "
        f"{count(n_held_out, 'held-out normal image')} {HELD_OUT}, so one odd "
        "picture among them decides. More normal images, or a higher rate, make it firmer."
    )


def learnt_from(card: Mapping[str, Any]) -> str:
    """How many normal images a model has learnt, and of how many pictures, if those are fewer."""
    n_images = card["fit"]["n_images"]
    n_pictures = card["fit"].get("n_pictures", n_images)
    of = (
        f" of about {n_pictures:,} different {plural(n_pictures, 'picture')}"
        if n_pictures < n_images
        else ""
    )
    return f"{n_images:,} normal images{of}"


def compared_with(card: Mapping[str, Any], n: int) -> str:
    """A sentence on the normal images behind the p-values of `n` images."""
    held_out, n_images = card["calibration"]["n_held_out"], card["fit"]["n_images"]
    they = plural(n, "It is", "They are")
    if held_out == n_images:
        return (
            f"{they} compared with the model's {n_images:,} normal (good) images, each judged by "
            "what was learnt from the others."
        )
    rest = n_images - held_out
    copies = plural(rest, "is a copy", "are copies")
    return (
        f"{they} compared with {held_out:,} of the model's {n_images:,} normal (good) images, each "
        f"judged by what was learnt from others. The other {rest:,} only taught it, or {copies}."
    )


def summary(card: Mapping[str, Any], threshold: float, of_places: float | None = None) -> list[str]:
    """The sentences with which `oneclass info` begins.

    Args:
        card: of the model.
        threshold: of its scores.
        of_places: the threshold of what heatmaps hold; None without heatmaps.
    """
    calibration = card["calibration"]
    promise = calibration.get("promise") or calibration["guarantee"]
    lowest, n_held_out = calibration["lowest_false_alarms"], calibration["n_held_out"]
    share = percent(card["false_alarms"])
    places = (
        "A place of an image is marked as odd if its value in the heatmap is above "
        f"{digits(of_places)}; about {share} of normal images, or fewer, have such a place."
        if of_places is not None
        else ""
    )
    told = rests_on_one(n_held_out, card["false_alarms"])
    sentences = [
        f"It has learnt {learnt_from(card)}{_sizes(card)}, {_depth(card['pixel_scale']['depth'])}.",
        looks_at(card),
        f"An image is called an anomaly if its score is above {digits(threshold)}. {promise}",
        spread(card) or "",
        places,
        f"The lowest rate of false alarms that its {count(n_held_out, 'held-out image')} "
        f"{HELD_OUT} {plural(n_held_out, 'supports', 'support')} is {percent_up(lowest)}.",
        f"{told[0].upper()}{told[1:]}" if told else "",
    ]
    return [sentence for sentence in sentences if sentence]


def _sizes(card: Mapping[str, Any]) -> str:
    sizes = from_json(card)
    return f", {ends(sizes)} pixels large" if sizes else ""


def _depth(depth: str) -> str:
    words = {
        "uint8": "whose pixels have 8 bits a channel",
        "uint16": "whose pixels have 16 bits a channel",
    }
    return words.get(depth, "whose pixels are fractions")
