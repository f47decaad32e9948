"""Outside text, plots and the packages' own templates, on their way into a page."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template

from oneclass import __version__


def text(given: str) -> str:
    """Outside text for the inside of an element or an attribute."""
    return escape(given.encode("utf-8", "backslashreplace").decode(), quote=True)


def asset(name: str) -> str:
    """A file of this package, as text."""
    return (resources.files("oneclass.report") / name).read_text(encoding="utf-8")


def whole_page(
    headline: str,
    lead: str,
    *,
    eyebrow: str,
    figures: str,
    banners: Sequence[str],
    sections: Sequence[str],
    **more: str,
) -> str:
    """A self-contained page.

    Args:
        headline, lead: outside text, as `banners` are.
        eyebrow, figures: markup.
        banners: warnings above everything else.
        sections: markup; empty ones are left out.
        more: `made_from` and `script`, markup, and `sources` and `scripts`, what the page's policy
            allows besides its own style.
    """
    parts = {"made_from": "", "script": "", "sources": "", "scripts": "", **more}
    return Template(asset("page.html")).substitute(
        parts,
        title=text(f"{headline} - oneclass"),
        style=asset("style.css").rstrip(),
        eyebrow=eyebrow,
        headline=text(headline),
        lead=text(lead),
        figures=figures,
        banners="".join(f'<p class="banner">{text(banner)}</p>' for banner in banners),
        sections="\n".join(section for section in sections if section),
        version=text(__version__),
    )


def figure(title: str, svg: str, caption: str) -> str:
    """A plot with its heading and what to see in it."""
    return (
        f'<figure class="plot"><h3>{text(title)}</h3>{svg}'
        f"<figcaption>{text(caption)}</figcaption></figure>"
    )


def definitions(lines: Sequence[tuple[str, str]]) -> str:
    """Names and what they stand for, one below the other."""
    return "<dl>" + "".join(f"<dt>{text(a)}</dt><dd>{text(b)}</dd>" for a, b in lines) + "</dl>"
