"""The report in a browser, by the keyboard alone; skipped without playwright or chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from conftest import stripes, write_images
from oneclass import load
from oneclass.report.labels import Truth
from pages import page_of, record

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra test-browser")
CHROMIUM = os.environ.get("ONECLASS_CHROMIUM") or shutil.which("chromium")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as driver:
        made = driver.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield made
        made.close()


@pytest.fixture(scope="module")
def report(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 images in two folders with names that collide; the last of the good ones is an anomaly."""
    folder = tmp_path_factory.mktemp("report")
    odd = stripes(6, seed=3, upright=False)
    good = np.concatenate([stripes(23, seed=2), odd[:1]])
    paths = [*write_images(folder / "good", good), *write_images(folder / "bad", odd)]
    truth = Truth({str(path): path.parent.name == "bad" for path in paths})
    run = record(load(model, unclear=0.4), folder, paths)
    page_of(model, run, labels=lambda _: truth)
    return run / "report.html"


@pytest.fixture(params=[(1440, "light"), (390, "dark")], ids=["wide", "narrow"])
def page(request: Any, browser: Browser, report: Path) -> Iterator[Page]:
    width, scheme = request.param
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda told: problems.append(told.text))
    page.goto(report.as_uri())
    yield page
    assert problems == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    page.close()


def tab_to(page: Page, selector: str) -> None:
    for _ in range(80):
        if page.evaluate("s => document.activeElement.matches(s)", selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab never came to {selector}")


def shown(page: Page) -> list[str]:
    names = "[...document.querySelectorAll('.tile:not([hidden]) bdi')].map(e => e.textContent)"
    return list(page.evaluate(names))


def test_enlarged_and_back_by_the_keyboard(page: Page) -> None:
    tab_to(page, "button.frame")
    first, second = shown(page)[:2]
    page.keyboard.press("Enter")
    assert page.inner_text("#large-name").endswith(first)
    assert page.locator("#large .stack").count() == 2
    assert page.locator("#large .heat").count() == 1
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#large-name").endswith(second)
    page.keyboard.press("Escape")
    assert not page.evaluate("document.getElementById('large').open")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == f"Enlarge {second}"


def test_a_few_more_are_not_hidden_behind_a_click(
    page: Page, browser: Browser, model: Path, tmp_path: Path
) -> None:
    assert len(shown(page)) == 30
    assert not page.locator("#more").is_visible()
    run = record(load(model), tmp_path, write_images(tmp_path / "many", stripes(41, seed=2)))
    page_of(model, run)
    many = browser.new_page()
    many.goto((run / "report.html").as_uri())
    assert len(shown(many)) == 28
    many.get_by_text("Show all 41").click()
    assert len(shown(many)) == 41
    assert not many.locator("#more").is_visible()
    many.close()


def test_pictures_keep_their_shape_when_they_are_enlarged(page: Page) -> None:
    page.locator("button.frame").first.click()
    box = page.locator("#large .stack img").first.bounding_box()
    assert box is not None
    assert box["width"] == pytest.approx(box["height"], rel=0.02)  # stripes are square
    assert box["width"] > 200


def test_no_picture_covers_its_name(browser: Browser, model: Path, tmp_path: Path) -> None:
    """Of whatever shape it is, and however wide the page is."""
    shapes = [(24, 24), (24, 26), (26, 24), (24, 36), (24, 200), (200, 24), (100, 120)]
    rng = np.random.default_rng(0)
    paths = [
        write_images(tmp_path / f"{h}x{w}", rng.integers(0, 255, (1, h, w), np.uint8))[0]
        for h, w in shapes
    ]
    run = record(load(model), tmp_path, paths)
    page_of(model, run)
    for width in (360, 560, 820, 1440):
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.goto((run / "report.html").as_uri())
        for heat in ("beside", "over", "off"):
            page.select_option("#heat", heat)
            for stack in page.locator(".stack").all():
                if not stack.is_visible():
                    continue
                box, frame = stack.bounding_box(), stack.locator("xpath=..").bounding_box()
                assert box is not None
                assert frame is not None
                assert box["y"] >= frame["y"] - 1
                assert box["y"] + box["height"] <= frame["y"] + frame["height"] + 1
                image = stack.locator("img").first
                ratio = int(str(image.get_attribute("width"))) / int(
                    str(image.get_attribute("height"))
                )
                if min(box["width"], box["height"]) > 20:
                    assert box["width"] / box["height"] == pytest.approx(ratio, rel=0.05)
        page.close()


def test_a_command_is_not_broken_inside_an_option(page: Page) -> None:
    lines = page.locator("#model pre span")
    assert any(word.startswith("--layer ") for word in lines.all_inner_texts())
    for span in lines.all():
        box = span.bounding_box()
        assert box is not None
        assert box["height"] < 40, span.inner_text()  # one line


def test_mistakes_and_folders_are_filtered(page: Page) -> None:
    page.select_option("#verdict", "false-alarm")
    assert "good/023.png" in [name if "/" in name else f"good/{name}" for name in shown(page)]
    assert not any(name.startswith("bad/") for name in shown(page))
    page.select_option("#verdict", "all")
    page.locator("button.link", has_text="bad").click()
    assert sorted(shown(page)) == [f"bad/{i:03}.png" for i in range(6)]
    page.select_option("#verdict", "missed")
    page.fill("#find", "nothing is called so")
    assert shown(page) == []
    assert page.locator("#none-left").is_visible()


@pytest.mark.parametrize("wanted", ["003", "bad/003.png", r"bad\003", "{path}", " bad/003.PNG "])
def test_an_image_is_found_by_its_name_and_by_its_path(page: Page, wanted: str) -> None:
    paths = page.locator("#rows tbody tr").evaluate_all("all => all.map((e) => e.dataset.name)")
    [path] = [path for path in paths if path.endswith("bad/003.png")]
    page.fill("#find", wanted.format(path=path))
    assert "bad/003.png" in shown(page)
    assert len(shown(page)) == (2 if wanted == "003" else 1)


def test_a_whole_path_finds_an_image_of_which_the_report_tells_less(page: Page) -> None:
    rename = "(e) => { e.dataset.name = 'bad/part04.jpg (5)'; }"  # as a server's report calls one
    page.locator("#tiles li").last.evaluate(rename)
    for wanted in ("/srv/in/bad/part04.jpg", "bad/part04.jpg", "part04.jpg (5)"):
        page.fill("#find", wanted)
        assert len(shown(page)) == 1
    page.fill("#find", "/srv/in/worse/part04.jpg")
    assert shown(page) == []


def test_heat_beside_over_and_off_and_its_opacity(page: Page) -> None:
    copies = page.locator(".tile:not([hidden]) .copy")
    assert copies.first.is_visible()
    page.select_option("#heat", "over")
    assert not copies.first.is_visible()
    heat = page.locator(".tile .heat").first
    assert heat.is_visible()
    page.locator(".opacity").first.focus()
    page.keyboard.press("Home")
    assert page.evaluate("e => getComputedStyle(e).opacity", heat.element_handle()) == "0"
    page.select_option("#heat", "off")
    assert not heat.is_visible()
