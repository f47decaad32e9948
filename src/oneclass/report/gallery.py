"""The images of the page, and the table of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Template
from typing import Any

from oneclass.detector.files.information import compared_with
from oneclass.detector.predictions import VERDICTS, Prediction, digits, odds
from oneclass.report.groups import Groups
from oneclass.report.labels import FALSE_ALARM, MISSED, Truth
from oneclass.report.markup import asset, text
from oneclass.report.tiles import Tile
from oneclass.system.names import plain, told_apart

MOST_ROWS = 5000
VERDICT_FILTERS = {"anomaly": "Anomalies", "unclear": "Unclear", "fine": "Fine"}
MISTAKE_FILTERS = {"wrong": "Mistakes", FALSE_ALARM: "False alarms", MISSED: "Missed anomalies"}


@dataclass(frozen=True)
class Gallery:
    """What the tiles and the table are made from.

    Attributes:
        predictions: of the run.
        tiles: the images to show; none where pictures were not wanted.
        groups: folders and kinds to filter by.
        truth: what is known of the images.
        card: of the model: which normal images p-values compare with.
        said: what people called some of the images, by their paths.
        served: whether a server scored them: they are called as on its pages then.
        naming: a sentence on how the images are named, where that needs one.
    """

    predictions: Sequence[Prediction]
    tiles: Sequence[Tile]
    groups: Groups
    truth: Truth
    card: Mapping[str, Any]
    said: Mapping[str, str]
    served: bool
    naming: str

    def section(self) -> str:
        """The section with the tiles, what sorts and filters them, and the table."""
        if not self.predictions:
            return ""
        n = len(self.predictions)
        heat = any(tile.heat for tile in self.tiles)
        shown = self.tiles and any(tile.image for tile in self.tiles)
        names = self._names()
        return Template(asset("images.html")).substitute(
            which=self._which(n),
            compared=compared_with(self.card, n),
            naming=text(self.naming),
            key=asset("heat_key.html") if heat else "",
            without_heat="This model's layers have no map, so there are no heatmaps."
            if shown and not heat
            else "",
            heat="" if heat else "hidden",
            verdicts=self._verdicts(),
            groups=self.groups.options(),
            tiles="".join(self._tile(tile, names[tile.prediction.path]) for tile in self.tiles),
            n_tiles=f"{len(self.tiles):,}",
            pictures="" if self.tiles else "hidden",
            table=self._table(names if self.served else {}),
        )

    def _names(self) -> dict[str, str]:
        """Each image as its tile calls it: its name, with folders where names collide; of a server
        with the folder that it is in, as its pages do.
        """
        paths = [p.path for p in self.predictions]
        if self.served:
            return {path: "/".join(path.split("/")[-2:]) for path in paths}
        return dict(zip(paths, told_apart(paths), strict=True))

    def _which(self, n: int) -> str:
        if n == 1:
            return ""
        if not self.tiles:
            return "The pictures were left out."
        some = "The oddest and the least odd" + (", and mistakes," if self.truth else "")
        shown = "All of them" if len(self.tiles) == n else f"{some} of {n:,}"
        return f"{shown}, the oddest first."

    def _verdicts(self) -> str:
        found = {p.verdict for p in self.predictions}
        known = {name: VERDICT_FILTERS[name] for name in VERDICTS if name in found}
        if self.truth:
            known |= MISTAKE_FILTERS
        if self.said:
            known["said"] = "Reviewed"
            known |= {f"said {word}": f"Reviewed: {word}" for word in sorted({*self.said.values()})}
        return "".join(
            f'<option value="{text(value)}">{text(name)}</option>' for value, name in known.items()
        )

    def _data(self, p: Prediction) -> str:
        """What the page's script finds a tile or a row by."""
        wrong = self.truth.mistake(p)
        mark = f' data-wrong="{wrong}"' if wrong else ""
        groups = self.groups.of(p.path)
        within = f' data-groups="{groups}"' if groups else ""
        said = f' data-said="{text(self.said[p.path])}"' if p.path in self.said else ""
        name = text(plain(p.path))
        return f'data-verdict="{p.verdict}" data-name="{name}"{mark}{said}{within}'

    def _tile(self, tile: Tile, name: str) -> str:
        p, n_held_out = tile.prediction, self.card["calibration"]["n_held_out"]
        shown = text(plain(name))
        if tile.image is None:
            inside = f'<span class="missing">not shown: {text(plain(tile.problem))}</span>'
        else:
            width, height = tile.size
            shape = ' class="small"' if max(tile.size) < 64 else ""
            heat = f'<img class="heat" src="{tile.heat}" alt="">' if tile.heat else ""
            inside = (
                f'<span class="stack" style="--ratio: {width / height:.4f}"><img{shape} '
                f'src="{tile.image}" width="{width}" height="{height}" alt="{shown}">{heat}</span>'
            )
        wrong = self.truth.mistake(p)
        mistake = f'<span class="verdict wrong">{wrong.replace("-", " ")}</span>' if wrong else ""
        if p.path in self.said:
            mistake += f'<span class="verdict said">reviewed: {text(self.said[p.path])}</span>'
        frame = "button" if tile.image else "div"
        label = f' type="button" aria-label="Enlarge {shown}"' if tile.image else ""
        return (
            f'<li class="tile {p.verdict}" data-rank="{tile.rank}" {self._data(p)}>'
            f'<{frame} class="frame"{label}>{inside}</{frame}><div class="about">'
            f'<bdi title="{text(plain(p.path))}">{shown}</bdi>'
            f'<span class="odds">{odds(p.p_value, n_held_out, self.card["false_alarms"])}</span>'
            f'<span class="odds">score {digits(p.score)}</span>'
            f'<span class="verdicts"><span class="verdict {p.verdict}">{p.verdict}</span>{mistake}'
            "</span></div></li>"
        )

    def _table(self, names: Mapping[str, str]) -> str:
        """Of all images, by their whole paths or by `names`."""
        ranked = sorted(self.predictions, key=lambda p: -p.score)[:MOST_ROWS]
        if len(ranked) < len(self.predictions):
            what = f"The {len(ranked):,} oddest as a table; predictions.csv has all"
        else:
            what = f"All {len(ranked):,} images as a table"
        what = "The image as a table" if len(self.predictions) == 1 else what
        rows = "".join(
            self._row(rank, p, names.get(p.path, "")) for rank, p in enumerate(ranked, 1)
        )
        truth = ("<th>truth</th>" if self.truth else "") + ("<th>review</th>" if self.said else "")
        return (
            f"<details{'' if self.tiles else ' open'}><summary>{what}</summary>"
            '<div class="scroll" tabindex="0"><table id="rows"><thead><tr>'
            f'<th class="number">rank</th><th>image</th><th>verdict</th>{truth}'
            '<th class="number">score</th><th class="number">p-value</th></tr></thead>'
            f"<tbody>{rows}</tbody></table></div></details>"
        )

    def _row(self, rank: int, p: Prediction, name: str) -> str:
        wrong = self.truth.mistake(p)
        mark = f' <b class="wrong">{wrong.replace("-", " ")}</b>' if wrong else ""
        truth = f"<td>{text(plain(self.truth.word(p.path)))}{mark}</td>" if self.truth else ""
        truth += f"<td>{text(self.said.get(p.path, ''))}</td>" if self.said else ""
        title = f' title="{text(plain(p.path))}"' if name else ""
        return (
            f'<tr {self._data(p)}><td class="number">{rank}</td>'
            f"<td><bdi{title}>{text(plain(name or p.path))}</bdi></td><td>{p.verdict}</td>{truth}"
            f'<td class="number" data-value="{p.score!r}">{digits(p.score)}</td>'
            f'<td class="number" data-value="{p.p_value!r}">{p.p_value:.3g}</td></tr>'
        )
