"""Templates, and what every page gets to show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from oneclass import __version__
from oneclass.conformal.calibration import fewest_images
from oneclass.detector.predictions import odds
from oneclass.images import SUFFIXES
from oneclass.images.sounding import BAD
from oneclass.images.special import readable
from oneclass.serve.records.predictions import RECENT
from oneclass.serve.web import words
from oneclass.serve.web.asking import service_of
from oneclass.serve.web.dependencies import Choice
from oneclass.system.names import count, plural, some_names, unbroken

STATIC = Path(__file__).parents[1] / "static"
ABOUT_ONE = ("score", "watch", "review", "monitor")
"""Those that are about one model, which the menu leads on to from a page that is about it."""
TABS = (
    ("score", "Score"),
    ("learn", "Learn"),
    ("watch", "Watch"),
    ("review", "Review"),
    ("monitor", "Monitor"),
    ("models", "Models"),
)


def _formats() -> str:
    """The formats of images that can be read here, in words."""
    *names, last = readable()
    return f"{', '.join(names)} or {last}"


def linked(message: str, prefix: str) -> Markup:
    """A message in which a page that it names, such as `the page /models`, is a link there."""
    pages = "|".join(key for key, _ in TABS)
    address = rf'the page <a href="{escape(prefix)}/\1">/\1</a>'
    return Markup(re.sub(rf"the page /({pages})\b(?!/)", address, str(escape(message)), flags=re.I))


def environment() -> Environment:
    """The templates; whatever comes from outside is escaped, and a missing name is an error."""
    made = Environment(
        loader=PackageLoader("oneclass.serve", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        name: getattr(words, name)
        for name in (
            "percent",
            "when",
            "counted",
            "doing",
            "span",
            "size",
            "short",
            "with_folder",
            "within",
            "sent_as",
            "for_people",
            "with_chances",
            "advice",
            "unusable",
            "other_depth",
        )
    }
    made.filters |= {
        "count": count,
        "plural": plural,
        "some": some_names,
        "unbroken": unbroken,
    }  # Jinja's own count is also length
    made.globals |= {
        "odds": odds,
        "fewest_images": fewest_images,
        "chance": words.chance,
        "offered": words.OFFERED,
        "depths": words.DEPTHS,
        "plainer": words.PLAINER,
        "fell_short": words.fell_short,
        "rests_on_one": words.rests_on_one,
        "unclear_from": words.unclear_from,
        "short_rate": words.short_rate,
        "lacks": words.lacks,
        "missing_of": words.missing_of,
        "reviewed": words.reviewed,
        "origins": words.ORIGINS,
        "rates_from": words.RATES_FROM,
    }
    made.globals |= {"recent": RECENT, "found_words": words.FOUND, "job_titles": words.JOB_TITLES}
    made.globals["learnt_from_it"] = words.LEARNT
    made.filters |= {"whom": words.whom, "linked": linked}
    made.globals |= {"suffixes": sorted(SUFFIXES), "formats": _formats()}
    made.globals["sounds_bad"] = BAD.pattern.removeprefix("(?i)")  # browsers know no flags within
    made.globals |= {"about_one": ABOUT_ONE}
    made.globals |= {"promise": words.promise, "tabs": TABS, "version_of_package": __version__}
    return made


TEMPLATES = environment()


def page(request: Request, template: str, about: Choice | None = None, /, **facts: Any) -> Response:
    """A page or a part of one.

    Args:
        request: that asks for it.
        template: its file.
        about: the models to choose from, and the chosen one, where the page is about one.
        facts: what else it shows; `here` is the model that it is about, where there is no choice.
    """
    service, state = service_of(request), request.scope["state"]
    tab = template.partition(".")[0]
    # Watch tells of all models: one is meant there only where the address names it.
    named = tab in ABOUT_ONE and (tab != "watch" or "model" in request.query_params)
    chosen = about.chosen if about is not None and named else None
    holder = state["holder"]
    text = TEMPLATES.get_template(template).render(
        {
            "prefix": service.settings.prefix,
            "csrf": state["csrf"],
            "holder": holder,
            "can": holder.scopes if holder else frozenset(),
            "tab": tab,
            "here": chosen.name if chosen else None,
            **({} if about is None else vars(about)),
            **facts,
        }
    )
    return Response(text, media_type="text/html")
