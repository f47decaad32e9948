"""The images of the page, and the table of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from string import Template

from oneclass.detector.predictions import Prediction
from oneclass.report.markup import asset, text
from oneclass.report.tiles import Tile
from oneclass.system.names import plain

MOST_ROWS = 5000


def images(tiles: list[Tile], predictions: Sequence[Prediction]) -> str:
    """The section with the tiles, what sorts and filters them, and the table."""
    if not predictions:
        return ""
    n = len(predictions)
    shown = "All of them" if len(tiles) == n else f"The oddest and the least odd of {n:,}"
    which = "" if n == 1 else f"{shown}, the oddest first."
    heat = any(tile.heat for tile in tiles)
    return Template(asset("images.html")).substitute(
        which=which,
        key=asset("heat_key.html") if heat else "",
        without_heat="" if heat else "This model's layers have no map, so there are no heatmaps.",
        heat="" if heat else "hidden",
        tiles="".join(map(_tile, tiles)),
        n_tiles=f"{len(tiles):,}",
        table=_table(predictions),
    )


def _tile(tile: Tile) -> str:
    p = tile.prediction
    kind = "anomaly" if p.is_anomaly else "normal"
    name = text(plain(p.path))
    if tile.image is None:
        inside = f'<span class="missing">not shown: {text(plain(tile.problem))}</span>'
    else:
        width, height = tile.size
        shape = "wide" if width > 1.05 * height else "small" if max(tile.size) < 64 else ""
        heat = f'<img class="heat" src="{tile.heat}" alt="">' if tile.heat else ""
        inside = (
            f'<span class="stack"><img class="{shape}" src="{tile.image}" width="{width}" '
            f'height="{height}" alt="{text(plain(Path(p.path).name))}">{heat}</span>'
        )
    return (
        f'<li class="tile {kind}" data-rank="{tile.rank}" data-verdict="{kind}" data-name="{name}">'
        f'<div class="frame">{inside}</div><div class="about">'
        f'<bdi title="{name}">{text(plain(Path(p.path).name))}</bdi>'
        f'<span class="odds">{_odds(p.p_value)}</span>'
        f'<span class="odds">score {p.score:.3g}</span>'
        f'<span class="verdict {kind}">{kind}</span></div></li>'
    )


def _odds(p_value: float) -> str:
    return f"1 in {1 / p_value:,.0f}" if p_value < 0.5 else "ordinary"


def _table(predictions: Sequence[Prediction]) -> str:
    ranked = sorted(predictions, key=lambda p: -p.score)[:MOST_ROWS]
    what = (
        ("The image as a table" if len(ranked) == 1 else f"All {len(ranked):,} images as a table")
        if len(ranked) == len(predictions)
        else f"The {len(ranked):,} oddest as a table; predictions.csv has all"
    )
    rows = "".join(
        f'<tr data-name="{text(plain(p.path))}" data-verdict="{_kind(p)}">'
        f'<td class="number">{rank}</td>'
        f"<td><bdi>{text(plain(p.path))}</bdi></td><td>{_kind(p)}</td>"
        f'<td class="number" data-value="{p.score!r}">{p.score:.4g}</td>'
        f'<td class="number" data-value="{p.p_value!r}">{p.p_value:.3g}</td></tr>'
        for rank, p in enumerate(ranked, 1)
    )
    return (
        f'<details><summary>{what}</summary><div class="scroll"><table id="rows"><thead><tr>'
        '<th class="number">rank</th><th>image</th><th>verdict</th><th class="number">score</th>'
        f'<th class="number">p-value</th></tr></thead><tbody>{rows}</tbody></table></div></details>'
    )


def _kind(prediction: Prediction) -> str:
    return "anomaly" if prediction.is_anomaly else "normal"
