"""One self-contained HTML page about a scoring run.

    page         puts the parts together
    gallery      the images, and the table of all of them
    tiles        images and their heat, small enough to travel inside the page
    plots        vector plots (matplotlib, extra: report)
    labels       what the truth was, where somebody knows it
    words        of labels: which mean normal, and which an anomaly
    modelcard    what the model is made of, line by line
    markup       outside text and the package's own templates, on their way into the page

The page loads nothing from anywhere: a content security policy in it forbids that. Every text that
comes from outside is escaped where it enters the page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oneclass.system.lazy import load_on_use

if TYPE_CHECKING:
    from oneclass.report.page import write_report

__all__ = ["write_report"]

# Loaded on first use: a command's --help needs the words of labels, but no numpy.
__getattr__, __dir__ = load_on_use(__name__, {"write_report": "page"}, __all__)
