"""Outside text, plots and the packages' own templates, on their way into a page."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template

from oneclass import __version__
from oneclass.system.names import plain, spelt_out, unbroken


def text(given: str) -> str:
    """Outside text for the inside of an element or an attribute."""
    return escape(spelt_out(given), quote=True)


def prose(given: str) -> str:
    """A sentence for the inside of an element; no line ends between a number and its %."""
    return text(unbroken(given))


def asset(name: str) -> str:
    """A file of this package, as text."""
    return (resources.files("oneclass.report") / name).read_text(encoding="utf-8")


def whole_page(
    headline: str,
    lead: str,
    *,
    eyebrow: str,
    figures: Sequence[tuple[str, str, str]],
    banners: Sequence[str],
    sections: Sequence[str],
    hidden: str = "",
    made_from: str = "",
    images: bool = False,
    script: str = "",
) -> str:
    """A self-contained page.

    Args:
        headline, lead: outside text, as `banners` are.
        eyebrow: markup.
        figures: (kind, number, what it counts), outside text; the kind is "alarm" or nothing.
        banners: warnings above everything else.
        sections: markup; empty ones are left out.
        hidden: markup above all others, for a later program to show.
        made_from: markup for the footer.
        images: whether the page's policy allows images that travel inside it.
        script: the one script that the policy allows.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return Template(asset("page.html")).substitute(
        made_from=made_from,
        hidden=hidden,
        sources="img-src data:; " if images else "",
        scripts=f"; script-src 'sha256-{digest}'" if script else "",
        script=f"<script>{script}</script>\n" if script else "",
        title=text(f"{headline} - oneclass"),
        style=asset("style.css").rstrip(),
        eyebrow=eyebrow,
        headline=prose(headline),
        lead=prose(lead),
        figures="".join(map(_figure_of_the_head, figures)),
        banners="".join(f'<p class="banner">{prose(banner)}</p>' for banner in banners),
        sections="\n".join(section for section in sections if section),
        version=text(__version__),
    )


def _figure_of_the_head(parts: tuple[str, str, str]) -> str:
    kind, number, what = map(prose, parts)
    shown = f' class="{kind}"' if kind else ""
    return f"<li{shown}><b>{number}</b><span>{what}</span></li>"


def section(name: str, title: str, content: str) -> str:
    """A part of the page under its heading; nothing where there is no content."""
    return content and f'<section id="{name}"><h2>{text(title)}</h2>{content}</section>'


def figure(title: str, svg: str, caption: str) -> str:
    """A plot with its heading and what to see in it."""
    return (
        f'<figure class="plot"><h3>{text(title)}</h3>{svg}'
        f"<figcaption>{prose(caption)}</figcaption></figure>"
    )


def command(words: Sequence[str]) -> str:
    """A command as somebody would type it; where the line is too long, no option is torn apart."""
    parts: list[list[str]] = []
    for word in words:
        if parts and parts[-1][-1].startswith("-") and not word.startswith("-"):
            parts[-1].append(word)  # an option's value
        else:
            parts.append([word])
    return " ".join(f"<span>{text(plain(shlex.join(part)))}</span>" for part in parts)


def definitions(lines: Sequence[tuple[str, str]]) -> str:
    """Names and what they stand for, one below the other."""
    return "<dl>" + "".join(f"<dt>{text(a)}</dt><dd>{prose(b)}</dd>" for a, b in lines) + "</dl>"
