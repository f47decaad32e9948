"""The images of a run by folder, and by kind of anomaly: how many of each were called what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from oneclass.detector.predictions import Prediction
from oneclass.report.labels import Truth
from oneclass.report.markup import section, text
from oneclass.system.names import natural_key, percent, plain, told_apart

MOST_GROUPS = 200


class Groups:
    """Folders, where the images come from several, and kinds, where labels name some.

    Args:
        predictions: of the run.
        truth: what is known of the images.
    """

    def __init__(self, predictions: Sequence[Prediction], truth: Truth) -> None:
        self._truth = truth
        self._unclear = any(p.is_unclear for p in predictions)
        folders: dict[str, list[Prediction]] = {}
        kinds: dict[str, list[Prediction]] = {}
        for p in predictions:
            folders.setdefault(str(Path(p.path).parent), []).append(p)
            if kind := truth.kinds.get(p.path):
                kinds.setdefault(kind, []).append(p)
        shown = dict(zip(folders, told_apart(list(folders)), strict=True))
        some = folders if 1 < len(folders) <= MOST_GROUPS else {}
        self.folders = _in_order({shown[name]: members for name, members in some.items()})
        self.kinds = _in_order(kinds if len(kinds) <= MOST_GROUPS else {})
        self._n_folders, self._n_kinds = len(folders), len(kinds)
        self._of: dict[str, list[str]] = {}
        for letter, groups in (("f", self.folders), ("k", self.kinds)):
            for number, members in enumerate(groups.values()):
                for p in members:
                    self._of.setdefault(p.path, []).append(f"{letter}{number}")

    def of(self, path: str) -> str:
        """The groups of an image, as the page's script knows them: `f0 k2`."""
        return " ".join(self._of.get(path, ()))

    def options(self) -> str:
        """What a list to filter by offers."""
        found = ""
        for letter, what, groups in (("f", "Folder", self.folders), ("k", "Kind", self.kinds)):
            inside = "".join(
                f'<option value="{letter}{number}">{text(plain(name))}</option>'
                for number, name in enumerate(groups)
            )
            found += f'<optgroup label="{what}">{inside}</optgroup>' if inside else ""
        return found

    def sections(self) -> list[str]:
        """A table of the folders, and one of the kinds."""
        return [
            section(
                "folders",
                "By folder",
                self._table("folder", self.folders) or _too_many("folders", self._n_folders),
            ),
            section(
                "kinds",
                "By kind of anomaly",
                self._table("kind", self.kinds) or _too_many("kinds", self._n_kinds),
            ),
        ]

    def _table(self, what: str, groups: Mapping[str, list[Prediction]]) -> str:
        """A table with a line a group; those of a kind are anomalies all."""
        if not groups:
            return ""
        letter, mixed = what[0], bool(self._truth) and what == "folder"
        heads = ["images", "called anomalies", *(["unclear"] if self._unclear else [])]
        heads += ["false alarms", "anomalies found"] if mixed else []
        cells = "".join(f'<th class="number">{head}</th>' for head in heads)
        rows = "".join(
            f'<tr><td><button type="button" class="link" data-group="{letter}{number}">'
            f"<bdi>{text(plain(name))}</bdi></button></td>"
            + "".join(
                f'<td class="number">{cell}</td>' for cell in self._cells(members, mixed=mixed)
            )
            + "</tr>"
            for number, (name, members) in enumerate(groups.items())
        )
        return (
            '<div class="scroll" tabindex="0"><table>'
            f"<thead><tr><th>{what}</th>{cells}</tr></thead><tbody>{rows}</tbody></table></div>"
        )

    def _cells(self, members: Sequence[Prediction], *, mixed: bool) -> list[str]:
        called = [p for p in members if p.is_anomaly]
        cells = [f"{len(members):,}", _share(len(called), len(members))]
        if self._unclear:
            cells.append(_share(sum(p.is_unclear for p in members), len(members)))
        if mixed:
            normal, odd = self._truth.apart(members)
            cells += [_share(sum(p.is_anomaly for p in some), len(some)) for some in (normal, odd)]
        return cells


def _too_many(what: str, n: int) -> str:
    """Why there is no table; empty where there are not too many for one."""
    if n <= MOST_GROUPS:
        return ""
    return (
        f"<p>They come from {n:,} {what}; no more than {MOST_GROUPS} are listed, or offered as a "
        "filter. For such a table, report on fewer of them at a time.</p>"
    )


def _in_order(groups: Mapping[str, list[Prediction]]) -> dict[str, list[Prediction]]:
    return {name: groups[name] for name in sorted(groups, key=natural_key)}


def _share(some: int, of: int) -> str:
    return f"{some:,} of {of:,} ({percent(some / of)})" if of else "-"
