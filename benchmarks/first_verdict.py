"""How long the pages take from an empty folder to a first verdict, with no pause between clicks.

    python benchmarks/first_verdict.py

The demo's digits are the images: `oneclass serve` starts in a folder that is not there yet, its
page takes the good ones, looks at them, learns (whole parts) and scores one other image. Prints the
seconds of each step on the wall clock; a person's reading and clicking comes on top of them.

Needs the extras serve, demo and test-browser, and chromium.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from oneclass.datasets.demonstration import write_digits
from serve_load import Server

PATIENCE = 300_000
"""Milliseconds that a step may take."""


class Clock:
    """Prints how long each step took."""

    def __init__(self) -> None:
        self._began = self._last = time.perf_counter()

    def tell(self, step: str) -> None:
        """End a step."""
        now = time.perf_counter()
        print(f"{now - self._last:7.1f} s  {step}")
        self._last = now

    def end(self) -> None:
        """Say how long all of it took."""
        print(f"{self._last - self._began:7.1f} s  all of it")


def go_through(page: Page, address: str, good: list[str], new: str, clock: Clock) -> None:
    """What a person does, without pauses."""
    page.goto(address)
    page.set_input_files("#files", good)
    page.locator("#fit").wait_for(timeout=PATIENCE)
    clock.tell(f"{len(good)} images are sent and looked at")
    page.click("#fit button[type=submit]")
    page.locator(".card.done .button.main").click(timeout=PATIENCE)
    clock.tell("the model is learnt")
    page.set_input_files("#files", new)
    page.locator("#tiles .tile .verdict").wait_for(timeout=PATIENCE)
    clock.tell("the first verdict is there")


def main() -> None:
    """Make the images, start the server, and go through its pages."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--chromium", default=shutil.which("chromium"), help="its program")
    chromium = parser.parse_args().chromium
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        images = Path(folder)
        write_digits(images, seed=0)
        good = [str(file) for file in sorted((images / "normal").iterdir())]
        new = str(next(file for file in sorted(images.glob("incoming/*/*")) if file.is_file()))
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        clock = Clock()
        server = Server(images / "data")
        server.wait()
        clock.tell("the server answers")
        go_through(page, f"http://127.0.0.1:{server.port}/", good, new, clock)
        clock.end()
        browser.close()
        server.end()


if __name__ == "__main__":
    main()
