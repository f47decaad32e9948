"""Categories and settings, one after the other; what fails stops nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oneclass.cluster.traffic import Traffic
from oneclass.detector.settings import Settings
from oneclass.errors import OneclassError
from oneclass.evaluation.cells import Cell
from oneclass.evaluation.keeping import KeptCells, digest_of_cell, digest_of_files
from oneclass.evaluation.layout import read_category
from oneclass.evaluation.measuring import Show, measure, words


@dataclass(frozen=True)
class Problem:
    """A category, or one of its settings, that could not be evaluated.

    Attributes:
        category: its name.
        setting: the words that make it; empty where no setting can.
        error: why not.
    """

    category: str
    setting: str
    error: OneclassError

    @property
    def sentence(self) -> str:
        with_what = f" with {self.setting}" if self.setting else ""
        return f"{self.category}{with_what}: {self.error}"


@dataclass(frozen=True)
class Evaluation:
    """What is known until now.

    Attributes:
        cells: in the order of the categories, and of the settings within.
        problems: what could not be evaluated.
    """

    cells: Sequence[Cell]
    problems: Sequence[Problem]

    @property
    def categories(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cell.category for cell in self.cells))

    @property
    def settings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(cell.setting for cell in self.cells))


def evaluate(
    categories: Mapping[str, Path],
    settings: Sequence[Settings],
    kept: KeptCells | None,
    show: Show,
    traffic: list[Traffic] | None = None,
) -> Iterator[Cell | Problem]:
    """Measure every category with every setting.

    Args:
        categories: folders by name, from `layout.find`.
        settings: of the detector.
        kept: where finished cells are kept and looked for; None for nowhere.
        show: begins to show progress.
        traffic: where each pass of a cluster adds what it sent.

    Raises:
        StorageError: a finished cell cannot be kept.
    """
    for name, folder in categories.items():
        try:
            category = read_category(name, folder)
            files = digest_of_files(category) if kept else ""
        except OneclassError as error:
            yield Problem(name, "", error)
            continue
        for one in settings:
            digest = digest_of_cell(category, files, one) if kept else ""
            found = kept.get(digest) if kept else None
            if found is None:
                try:
                    found = measure(category, one, show, traffic)
                except OneclassError as error:
                    yield Problem(name, words(one), error)
                    continue
                if kept:
                    found = kept.put(found, digest)
            yield found
