"""A version that was learnt from reviews beside the one that it grew from, on what was reviewed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from oneclass.serve.records.database import Row
from oneclass.serve.records.reviews import Reviews
from oneclass.serve.records.versions import RateFrom, Version, Versions


def comparison(
    reviews: Reviews, versions: Versions, version: Version, rated: tuple[float, RateFrom]
) -> dict[str, Any] | None:
    """An update beside the version that it grew from, on all that was reviewed before.

    Each picture is in one line, or counted as left out by one reason.

    Args:
        reviews: with what either version said.
        versions: of the model.
        version: the update.
        rated: the rate of false alarms that it goes by once it is in use, and where that is from,
            as `rate_for` tells them: both versions are compared at it.

    Returns:
        None where nothing was compared.
    """
    rate, rate_from = rated
    # A picture counts once, by what stands of it: before, each prediction on it was compared.
    each = sorted(reviews.compared(version.id, rate), key=lambda row: row["review"] is not None)
    rows = sorted({row["image"]: row for row in each}.values(), key=lambda row: row["id"])
    parent = versions.by_id(version.parent_id) if version.parent_id else None
    if not rows or parent is None:
        return None
    known = [row for row in rows if row["before_odd"] is not None]
    # What a version says of a picture that it has learnt from proves nothing of that version.
    taught = [row for row in known if row["before_taught"]]
    learnt = [row for row in known if row["taught"] and not row["before_taught"]]
    new = [row for row in known if not (row["taught"] or row["before_taught"])]
    real = [row for row in new if row["review"] == "real"]
    asked = {row["image"] for row in rows}
    stood = reviews.stood(version.id, version.at)
    apart = [said for image, said in stood.items() if image not in asked]

    def named(some: list[Row]) -> list[dict[str, Any]]:
        """By the names that they came under last, as everywhere else."""
        newest = reviews.newest(version.name, (row["image"] for row in some))
        return [{**row, **newest.get(row["image"], {})} for row in some]

    return {
        "before": parent.number,
        "after": version.number,
        "rate": rate,
        "rate_from": rate_from,
        "at": version.at,
        "real": _beside(real),
        "new": _beside([row for row in new if row["review"] == "false_alarm"]),
        "learnt": _beside(learnt),
        "unknown": len(rows) - len(known),
        "taught": len(taught),
        **_no_row(new, apart),
        "forgotten": named(
            [
                row
                for row in rows
                if row["review"] == "real" and row["before_taught"] and row["taught"] == 0
            ]
        ),
        "anyway": named([row for row in rows if row["review"] == "real" and row["taught"]]),
        "lost": named([row for row in real if row["before_odd"] and not row["odd"]]),
    }


def _no_row(new: list[Row], apart: Iterable[tuple[str, str | None]]) -> dict[str, int]:
    """How many reviewed pictures are in no line of a comparison, by the reason for that.

    Args:
        new: what was compared, and neither version has learnt.
        apart: what was not compared: of each what had been said by then, and what stands now.
    """
    why = Counter(
        {"unsure": "unsure", None: "back"}.get(now, "since" if then == "unsure" else "unasked")
        for then, now in apart
    )
    why.update({"unsure": "unsure", None: "back"}.get(row["review"], "") for row in new)
    return {key: why[key] for key in ("unsure", "back", "since", "unasked")}


def _beside(rows: list[Row]) -> dict[str, int]:
    """How many of reviewed pictures are called odd, by the version before and by the new one."""
    return {
        "n": len(rows),
        "before": sum(row["before_odd"] for row in rows),
        "after": sum(row["odd"] for row in rows),
    }
