"""What the pages say, to people who were told nothing else."""

from __future__ import annotations

import html
from pathlib import Path

import pytest

from oneclass.serve.web import facts
from serving import Place

DOCS = Path(__file__).parents[2] / "docs"


def test_a_report_is_offered_where_it_can_be_written(
    place: Place, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.score(next(images.glob("*/*.png")))
    for there in (True, False):
        monkeypatch.setattr(
            facts, "find_spec", lambda name, there=there: object() if there else None
        )
        text = html.unescape(place.page("/models/stripes"))
        assert ("Write a report" in text) == there
        assert ('pip install ".[serve,report]"' in text) == (not there)
    assert 'pip install ".[serve,report]"' in (DOCS / "operator.md").read_text(encoding="utf-8")
