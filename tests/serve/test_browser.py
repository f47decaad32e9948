"""The pages in a browser: by the keyboard alone, wide and narrow, with nothing for axe to find.

    apt-get install chromium; make test-browser

Each test is skipped, with the reason, where one of these is missing.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np
import pytest

from conftest import stripes, write_images
from oneclass import load
from oneclass.serve.records import retention
from oneclass.serve.records.database import Database
from oneclass.serve.records.tokens import SCOPES, Tokens
from serving import Running, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page

playwright = pytest.importorskip("playwright.sync_api", reason="needs the extra test-browser")
CHROMIUM = os.environ.get("ONECLASS_CHROMIUM") or shutil.which("chromium")
AXE = Path(
    os.environ.get("ONECLASS_AXE")
    or Path(__file__).parents[2] / "build/axe/node_modules/axe-core/axe.min.js"
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium"),
]
WIDTHS = (1440, 820, 390)
FIRST_VERDICT = 60_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as driver:
        arguments = ["--no-sandbox", "--use-fake-device-for-media-stream"]
        made = driver.chromium.launch(
            executable_path=CHROMIUM, args=[*arguments, "--use-fake-ui-for-media-stream"]
        )
        yield made
        made.close()


class Person:
    """Somebody with a keyboard before a page; keeps what goes wrong and where requests go."""

    def __init__(self, page: Page, server: Running) -> None:
        self.page, self.server = page, server
        self.problems: list[str] = []
        page.on("filechooser", lambda chooser: None)  # from now on, not only when one is expected
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("request", lambda request: self._asked(request.url))
        page.on(
            "response", lambda a: a.status >= 400 and self.problems.append(f"{a.status} {a.url}")
        )

    def _answered(self, status: int, url: str) -> None:
        if status >= 400:
            self.problems.append(f"{status} {url}")

    def _asked(self, url: str) -> None:
        if not url.startswith((self.server.at("/"), "blob:")):
            self.problems.append(f"a request left the server: {url}")

    def go(self, path: str) -> None:
        self.page.goto(self.server.at(path))

    def tab_to(self, selector: str) -> None:
        """Press Tab until an element has the focus."""
        self.page.locator(selector).first.wait_for()
        self.page.wait_for_load_state()
        for _ in range(80):
            if self.page.evaluate("s => !!document.activeElement.matches(s)", selector):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"the keyboard does not reach {selector}")

    def press(self, selector: str, key: str = "Enter") -> None:
        self.tab_to(selector)
        self.page.keyboard.press(key)

    def give(self, files: list[Path]) -> None:
        """Choose files, by the keyboard, too."""
        self.tab_to("#choose-files")
        with self.page.expect_file_chooser() as chooser:
            self.page.keyboard.press("Enter")
        chooser.value.set_files([str(file) for file in files])

    def shown(self) -> str | None:
        """Which prediction is being reviewed."""
        return self.page.locator(".reviewing").get_attribute("data-id")

    def see(self, selector: str) -> None:
        self.page.locator(selector).first.wait_for(timeout=FIRST_VERDICT)
        self.page.wait_for_load_state()


@pytest.fixture
def person(browser: Browser, tmp_path: Path) -> Iterator[Callable[..., Person]]:
    ends: list[Callable[[], Any]] = []

    def begin(width: int, host: str = "127.0.0.1", **more: Any) -> Person:
        (tmp_path / "in").mkdir(exist_ok=True)
        server = Running(tmp_path / "data", folders=[str(tmp_path / "in")], host=host)
        context = browser.new_context(viewport={"width": width, "height": 900}, **more)
        ends.extend((context.close, server.end))
        return Person(context.new_page(), server)

    yield begin
    for end in ends:
        end()


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    write_images(folder / "good", stripes(40, seed=1, side=64))
    write_images(folder / "new", stripes(4, seed=2, side=64))
    noise = np.random.default_rng(3).integers(0, 2, (5, 64, 64)) * 255
    write_images(folder / "odd", noise.astype(np.uint8))
    return folder


def quiet(tmp_path: Path, seconds: float = 60) -> None:
    """As the sets are a while after their last image came; with less than none, while they do."""
    for notes in tmp_path.glob("data/**/*.jsonl"):
        os.utime(notes, (notes.stat().st_mtime - seconds,) * 2)


def answering(page: Page, *, yes: bool) -> list[str]:
    """Answer all that a page asks from now on; the list holds each question once it was asked."""
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.message)
        (dialog.accept if yes else dialog.dismiss)()

    page.on("dialog", answer)
    return asked


def learn(person: Person, pictures: Path) -> None:
    person.go("/")
    assert person.page.url.endswith("/learn")
    person.give(sorted((pictures / "good").iterdir()))
    person.see("#fit")
    person.tab_to("#fit-name")
    person.page.keyboard.press("Control+A")
    person.page.keyboard.type("stripes")
    person.press("#fit button[type=submit]")
    person.see(".card.done .button.main")


def to_score(person: Person) -> None:
    """From the model that was learnt to the page Score, once that takes images."""
    person.press(".card.done .button.main")
    person.page.wait_for_url("**/score?*")
    person.page.locator("#files").wait_for(state="attached")


def score(person: Person, pictures: Path) -> None:
    to_score(person)
    person.give([*sorted((pictures / "new").iterdir()), *sorted((pictures / "odd").iterdir())])
    person.page.locator("#tiles .tile").nth(8).wait_for()
    assert person.page.locator("#tiles .tile.odd").count() >= 5
    person.page.locator("#save").filter(has_text="Save 9 verdicts").wait_for()
    with person.page.expect_download() as table:
        person.press("#save")
    header, *lines = Path(table.value.path()).read_text(encoding="utf-8").splitlines()
    assert header == "path,score,p_value,is_anomaly,learnt"
    names = [line.partition(",")[0] for line in lines]
    assert names == sorted(
        file.name for kind in ("new", "odd") for file in (pictures / kind).iterdir()
    )


@pytest.mark.parametrize("width", [1440, 390])
def test_from_an_empty_folder_to_a_new_version_by_the_keyboard(
    person: Callable[..., Person], pictures: Path, tmp_path: Path, width: int
) -> None:
    one = person(width)
    learn(one, pictures)
    score(one, pictures)

    # What is shown of the list stays so for who comes back to it.
    for key, all_of_them in (("Enter", False), ("Enter", True)):
        one.press("#only", key)
        shown = one.page.locator("#tiles .tile:not(.odd)")
        until(
            lambda shown=shown, n=all_of_them: (
                one.page.wait_for_timeout(50) or n == (shown.count() > 0)
            )
        )
        one.press("#tiles .tile.odd a")
        one.see("[data-stage] .heat")
        one.page.go_back()
        one.see("#tiles .tile")
        assert one.page.locator(f"#only[aria-pressed={str(not all_of_them).lower()}]").count() == 1
        assert (shown.count() > 0) == all_of_them
    one.press("#tiles .tile.odd a")
    one.see("[data-stage] .heat")
    sizes = [
        one.page.locator(f"[data-stage] {part}").bounding_box() for part in (".whole", ".heat")
    ]
    assert sizes[0] == sizes[1]
    assert sizes[0] is not None
    assert min(width - 100, 300) < sizes[0]["width"] == sizes[0]["height"]
    assert not one.page.locator(".boxes").is_visible()
    one.page.keyboard.press("b")
    assert one.page.locator("[data-stage].show-boxes").count() == 1
    one.page.keyboard.press("h")
    assert one.page.locator("[data-stage].hide-heat").count() == 1
    assert not one.page.locator(".look .ramp-key").is_visible()  # of colours that are off
    here = one.page.url
    for key, leads in (("ArrowRight", True), ("ArrowLeft", False)):
        with one.page.expect_navigation():
            one.page.keyboard.press(key)
        assert (one.page.url != here) == leads
        one.see("[data-stage].show-boxes.hide-heat")
    # What is drawn stays so after a judgement, and after that is taken back.
    for key in "gz":
        with one.page.expect_navigation():
            one.page.keyboard.press(key)
        one.see("[data-stage].show-boxes.hide-heat")
        assert one.page.locator("[data-layer=boxes][aria-pressed=true]").count() == 1
        assert one.page.locator("[data-layer=heat][aria-pressed=false]").count() == 1
    one.page.keyboard.press("h")
    one.see("[data-stage] .heat")
    one.see(".look .ramp-key")

    one.press("nav a[href^='/review']")
    one.see(".reviewing")
    assert one.page.locator("#lessons a").count() == 0
    for key in "grf":
        before = one.shown()
        one.page.keyboard.press(key)
        until(lambda before=before: one.shown() != before)
    for key, told in (("z", "Taken back."), ("s", ""), ("z", "Back at the one before.")):
        before = one.shown()
        one.page.keyboard.press(key)
        until(lambda before=before: one.shown() != before)
        one.page.wait_for_function(
            "told => document.getElementById('say').textContent.trim() === told", arg=told
        )
    one.page.keyboard.press("f")
    one.page.locator("#say p").wait_for(state="detached", timeout=3000)
    one.page.locator("#lessons").filter(
        has_text="2 pictures that you called good can be learnt"
    ).wait_for()
    figures = one.page.locator("#lessons .figures a").all_text_contents()
    assert ["".join(text.split()) for text in figures] == ["1reallyodd,ormissed", "2good"]
    one.press("[data-yes], #learn-more")
    until(lambda: one.page.evaluate("document.activeElement.id") == "lessons")
    one.see(".compare [data-take='2']")
    assert one.page.locator("#say p").count() == 0  # what was said of the job has gone with it
    with one.page.expect_navigation():
        one.press(".compare [data-take='2']")
    one.page.locator("#lessons p").filter(has_text="All that you called good is learnt").wait_for()

    one.press("nav a[href='/models']")
    one.press(".cards h2 a")
    assert "Version 2 is in use" in one.page.locator(".lead").inner_text()
    with one.page.expect_navigation():
        one.press("[data-take='1']")
    one.page.locator(".lead").filter(has_text="Version 1 is in use").wait_for()
    one.page.once("dialog", lambda asked: asked.accept())
    with one.page.expect_navigation():
        one.press("[data-version='2']")
    one.page.locator("#say p").filter(has_text="Version 2 of stripes is deleted").wait_for()
    assert one.page.locator(".versions > li").count() == 1
    one.press("[data-report='1']")
    one.see("#reporting a.main")
    with one.page.expect_download() as report:
        one.press("#reporting a.main")
    assert b"anomalies" in Path(report.value.path()).read_bytes()

    one.press("nav a[href^='/monitor']")
    one.see("#chart-scores canvas")
    one.page.locator("#monitor-figures", has_text="were called odd: 3 reviews").wait_for()
    one.page.locator("#counted", has_text="counting what looks good as good (3 reviews)").wait_for(
        state="attached"
    )
    one.tab_to("#rate")
    one.page.keyboard.press("End")
    one.press("#rate-use")
    one.page.locator("#say p").filter(has_text="From now on").wait_for()

    one.press("nav a[href^='/watch']")
    shutil.copy(next((pictures / "new").iterdir()), tmp_path / "in")
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.message)
        (dialog.accept if len(asked) > 1 else dialog.dismiss)()

    one.page.on("dialog", answer)
    one.press("#new-watch button[type=submit]")
    until(lambda: one.page.wait_for_timeout(50) or asked)
    one.page.wait_for_timeout(300)
    assert one.page.locator("#watches .card").count() == 0
    one.press("#new-watch button[type=submit]")
    one.see("#watches .card")
    told = (
        "1 image is in this folder that was not scored by such a watch yet: it is scored first, "
        "then each that arrives. Watch it?"
    )
    assert asked == [told, told]
    one.page.remove_listener("dialog", answer)
    shutil.copy(next((pictures / "odd").iterdir()), tmp_path / "in")
    one.page.locator("#watches .figures li.alarm").first.wait_for(timeout=20_000)
    one.press("[data-state=paused]")
    one.see("[data-state=on]")
    until(lambda: one.page.evaluate("document.activeElement.textContent") == "Go on")
    one.page.once("dialog", lambda asked: asked.accept())
    one.press("[data-unwatch]")
    one.see("#ended")
    until(lambda: one.page.evaluate("document.activeElement.id") == "watch-folder")
    assert one.problems == []


def test_a_batch_is_there_again_for_who_comes_back_from_a_picture(
    person: Callable[..., Person], pictures: Path
) -> None:
    one = person(1280)
    learn(one, pictures)
    file = one.server.at("/api/v1/models/stripes/versions/1/file")
    with urllib.request.urlopen(file, timeout=20) as answer:
        copy = urllib.request.Request(
            one.server.at("/api/v1/models/other/file"),
            data=answer.read(),
            headers={"Content-Type": "application/octet-stream"},
            method="PUT",
        )
    urllib.request.urlopen(copy, timeout=20).close()
    score(one, pictures)
    told = one.page.locator("#summary").inner_text()
    assert told.startswith("Of 9 images that you sent, 5 are odd")
    back: list[Callable[[], Any]] = [
        lambda: one.press(".back a"),
        one.page.go_back,
        lambda: one.press("nav a[href^='/score']"),
        lambda: one.go("/score?model=stripes"),
    ]
    for come_back in back:
        one.press("#tiles .tile a")
        one.see("[data-stage]")
        come_back()
        one.page.locator("#save", has_text="Save 9 verdicts as CSV").wait_for()
        assert one.page.locator("#summary").inner_text() == told
        with one.page.expect_download() as table:
            one.press("#save")
        assert len(Path(table.value.path()).read_text(encoding="utf-8").splitlines()) == 10
    # It is of one model, and of no list of others; the next batch takes its place.
    for other in ("/score?model=other", "/score?model=stripes&review=real"):
        one.go(other)
        one.see("#nothing")
        assert not one.page.locator("#save").is_visible()
        assert one.page.locator("#summary").inner_text() == ""
    one.go("/score?model=stripes")
    one.page.locator("#save", has_text="Save 9 verdicts as CSV").wait_for()
    one.give([next((pictures / "odd").iterdir())])
    one.page.locator("#save", has_text="Save 1 verdict as CSV").wait_for()
    assert (
        one.page.locator("#summary").inner_text().startswith("Of 1 image that you sent, 1 is odd")
    )
    one.press("#tiles .tile a")
    one.see("[data-stage]")
    one.page.go_back()
    one.page.locator("#save", has_text="Save 1 verdict as CSV").wait_for()
    assert one.problems == []


@pytest.mark.parametrize("beside", [True, False])
def test_what_was_left_out_of_a_batch_is_there_again_with_it(
    person: Callable[..., Person], pictures: Path, tmp_path: Path, beside: bool
) -> None:
    one = person(1280)
    learn(one, pictures)
    to_score(one)
    good, cut = next((pictures / "new").iterdir()), tmp_path / "broken.png"
    cut.write_bytes(good.read_bytes()[:-40])
    one.give([*([good] if beside else []), cut])
    one.page.locator("#summary", has_text="has no verdict; the list above says why").wait_for()
    told = one.page.locator("#upload-out, #upload-errors").all_inner_texts()
    assert "broken.png was left out: " in told[1]
    one.page.reload()
    for come_back in (lambda: one.go("/score?model=stripes"), lambda: None):
        come_back()
        one.page.locator("#upload-errors").wait_for()
        assert one.page.locator("#upload-out, #upload-errors").all_inner_texts() == told
        assert "the list above says why" in one.page.locator("#summary").inner_text()
    one.give([good])
    one.page.locator("#save", has_text="Save 1 verdict as CSV").wait_for()
    assert not one.page.locator("#upload-errors").is_visible()


def test_pictures_of_a_folder_are_named_with_the_folders_that_they_are_in(
    person: Callable[..., Person], pictures: Path, tmp_path: Path
) -> None:
    one = person(1280)
    learn(one, pictures)
    weird = tmp_path / "weird"
    for folder, file in zip("ab", sorted((pictures / "odd").iterdir()), strict=False):
        (weird / folder).mkdir(parents=True)
        shutil.copy(file, weird / folder / "part1.png")
    (weird / "a" / "part2.png").write_bytes(b"\x89PNG cut off")
    (weird / "b" / "notes.txt").write_text("no image", encoding="utf-8")
    to_score(one)
    one.page.locator("#folder").set_input_files(weird)
    one.page.locator("#save", has_text="Save 2 verdicts as CSV").wait_for()
    names = one.page.locator("#tiles .tile bdi")
    until(lambda: one.page.wait_for_timeout(50) or names.count() == 2)
    assert sorted(names.all_inner_texts()) == ["a/part1.png", "b/part1.png"]
    assert names.first.get_attribute("title") in ("weird/a/part1.png", "weird/b/part1.png")
    one.page.locator("#upload-errors li").nth(1).wait_for()
    left_out = one.page.locator("#upload-errors li b")
    assert sorted(left_out.all_inner_texts()) == ["a/part2.png", "b/notes.txt"]
    assert left_out.first.get_attribute("title") in ("weird/a/part2.png", "weird/b/notes.txt")


def test_a_token_opens_the_pages(person: Callable[..., Person], tmp_path: Path) -> None:
    database = Database(tmp_path / "data")
    token = Tokens(database).make("line 3", list(SCOPES))
    looks = Tokens(database).make("guest", ["read"])
    database.close()
    one = person(1280, host="0.0.0.0")
    one.go("/learn?from=mail")
    assert "/login?next=" in one.page.url
    one.press("#token", "x")
    one.press("button.main")
    one.page.locator("[role=alert]", has_text="This token is not, or no longer, good.").wait_for()
    one.tab_to("#token")
    one.page.keyboard.type(token)
    one.page.keyboard.press("Enter")
    one.see("#choose-files")
    assert one.page.url == one.server.at("/learn?from=mail")
    one.press(".out button")
    one.see("#token")
    one.go("/learn")
    assert "/login?next=" in one.page.url
    one.page.locator("#token").fill(looks)
    one.press("button.main")
    one.page.locator(".banner", has_text="Your token is not for learning.").wait_for()
    assert one.problems == [f"401 {one.server.at('/login')}"]  # the wrong token


def test_a_camera_gives_a_picture(person: Callable[..., Person], pictures: Path) -> None:
    one = person(390, permissions=["camera"])
    learn(one, pictures)
    to_score(one)
    one.press("#camera-open")
    one.see("#camera-shoot")
    one.press("#camera-shoot")
    one.see("#tiles .tile")
    assert "camera" in one.page.locator("#tiles .tile bdi").first.inner_text()
    one.press("#camera-close")
    assert one.problems == []


def test_what_is_left_out_or_looks_alike_is_named(
    person: Callable[..., Person], pictures: Path, tmp_path: Path
) -> None:
    first, *others = sorted((pictures / "good").iterdir())
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "parts.ZIP").write_bytes(b"PK")
    shutil.copy(first, tmp_path / "twin.png")
    one = person(390)
    one.go("/learn")
    beside = [tmp_path / "notes.txt", tmp_path / "parts.ZIP"]
    one.give([*beside, tmp_path / "twin.png", first, *others[:20]])
    one.see("#fit")
    left_out = one.page.locator("#upload-errors li").all_inner_texts()
    assert left_out == [
        "notes.txt was left out: its name is not one of an image.",
        "parts.ZIP was left out: it is an archive. Unpack it, and give the folder.",
    ]
    one.press("#checked summary")
    alike = one.page.locator("#checked details li b")
    assert alike.all_inner_texts() == [first.name, "twin.png"]
    one.press("#checked [data-take-out]")
    one.page.locator("#fit button").filter(has_text="Learn from 21 images").wait_for()
    one.give(beside)
    assert one.page.locator("#upload-errors li").all_inner_texts() == left_out
    assert one.problems == []


FULL = json.dumps({"error": "disk_full", "message": "the data folder holds all that it may."})


def test_all_that_is_left_out_is_counted_and_can_be_seen(
    person: Callable[..., Person], pictures: Path, tmp_path: Path
) -> None:
    one = person(360)
    learn(one, pictures)
    for i in range(60):
        (tmp_path / f"k{i:02}.jpg").write_bytes(b"\xff\xd8\xff\xe0 cut off")
    to_score(one)
    one.give([*sorted(tmp_path.glob("k*.jpg")), next((pictures / "new").iterdir())])
    why = "60 of the 61 images have no verdict; the list above says why."
    told = one.page.locator("#summary", has_text=why)
    told.wait_for()
    assert told.inner_text().startswith("Of 1 image that you sent, ")
    assert one.page.locator("#upload-out").inner_text() == "60 of the 61 images were left out:"
    lines = one.page.locator("#upload-errors > li, #upload-more li")
    assert lines.count() == 60
    assert not lines.last.is_visible()
    one.press("#upload-more summary")
    assert lines.last.is_visible()
    assert one.page.locator("#upload-more summary").inner_text() == "And 30 more"
    one.give([next((pictures / "new").iterdir())])
    one.page.locator("#save", has_text="Save 2 verdicts").wait_for()
    assert "no verdict" not in one.page.locator("#summary").inner_text()
    assert not one.page.locator("#upload-out").is_visible()
    assert not one.page.locator("#upload-more").is_visible()


def test_what_there_was_no_room_for_is_told_and_is_missing_later(
    person: Callable[..., Person], pictures: Path
) -> None:
    one = person(1400)
    kept: list[Any] = []

    def some(route: Any) -> None:
        if len(kept) < 4:
            kept.append(None)
            route.continue_()
        else:
            route.fulfill(status=507, body=FULL, content_type="application/json")

    one.go("/learn")
    one.page.route("**/sets/*/images", some)
    one.give(sorted((pictures / "good").iterdir()))
    one.page.locator("#checked .banner", has_text="36 images are still missing").wait_for()
    assert one.page.locator("#upload-out").inner_text() == "36 of the 40 images were left out:"
    assert one.page.locator("#upload-more summary").text_content() == "And 6 more"
    one.go("/learn")
    told = one.page.locator("#waiting").inner_text()
    assert "4 of 40 images arrived" in told
    assert "36 images are missing, since the page was left while they were sent, or there" in told

    # Where nothing can be begun, why stays there.
    full = {"status": 507, "body": FULL, "content_type": "application/json"}
    one.page.route("**/api/v1/sets", lambda route: route.fulfill(**full))
    one.give(sorted((pictures / "good").iterdir()))
    told = one.page.locator("#checked [role=alert]", has_text="The data folder holds all")
    told.wait_for()
    one.page.wait_for_timeout(7000)  # longer than other words stay
    assert told.is_visible()


def test_who_looks_on_while_another_window_sends_is_told_so(
    person: Callable[..., Person], pictures: Path, tmp_path: Path
) -> None:
    one = person(1400)
    held: list[Any] = []

    def some(route: Any) -> None:
        held.append(route)
        if len(held) <= 12:
            route.continue_()

    one.go("/learn")
    one.page.route("**/sets/*/images", some)
    one.give(sorted((pictures / "good").iterdir()))
    one.page.locator("#upload-text", has_text="12 of 40 images sent").wait_for()
    quiet(tmp_path, -60)
    other = one.page.context.new_page()
    other.set_viewport_size({"width": 360, "height": 740})
    other.goto(one.server.at("/learn"))
    told = other.locator("#waiting .banner", has_text="being sent just now, it seems from another")
    told.wait_for()
    assert "28 images are still to come" in told.inner_text()
    asked = answering(other, yes=True)
    other.locator("[data-drop-set]").click()
    other.locator("#waiting").wait_for(state="detached")
    assert asked == [
        "They are being sent just now, it seems from another window: removing them ends that. "
        "Remove these 12 images? They would have to be sent again."
    ]
    for route in held[12:]:
        route.continue_()
    one.page.unroute("**/sets/*/images")
    gone = one.page.locator("#checked [role=alert]", has_text="removed meanwhile, or learnt from")
    gone.wait_for()
    assert "Choose the same folder or files again" in gone.inner_text()
    assert gone.evaluate("e => e.getBoundingClientRect().bottom <= innerHeight")
    assert one.page.locator("#upload-errors li").count() == 0
    one.give(sorted((pictures / "good").iterdir()))
    one.page.locator("#fit button", has_text="Learn from 40 images").wait_for()
    other.close()


DROPPED = """async (content) => {
  const file = (path) => ({
    isFile: true, fullPath: path,
    file: (done) => done(new File([Uint8Array.from(content)], path.split("/").pop())),
  });
  const folder = (path, all) => ({
    isFile: false, fullPath: path,
    createReader: () => {
      const left = [all, []];
      return { readEntries: (done) => done(left.shift()) };
    },
  });
  const parts = folder("/parts", [
    folder("/parts/monday", [file("/parts/monday/a.png"), folder("/parts/monday/late", [])]),
    folder("/parts/tuesday", [
      folder("/parts/tuesday/early", []), folder("/parts/tuesday/late", []),
    ]),
    file("/parts/b.png"),
  ]);
  const event = new Event("drop", { bubbles: true });
  event.dataTransfer = { types: ["Files"], items: [{ webkitGetAsEntry: () => parts }], files: [] };
  document.getElementById("drop").dispatchEvent(event);
}"""
"""Drops a folder with others in it, three of which are empty; no test can drop a real one."""


@pytest.mark.parametrize("tab", ["learn", "score"])
def test_empty_folders_beside_others_are_named(
    person: Callable[..., Person], pictures: Path, tab: str
) -> None:
    one = person(390)
    if tab == "score":
        learn(one, pictures)
    one.go(f"/{tab}")
    content = next((pictures / "good").iterdir()).read_bytes()
    sent: list[str] = []
    one.page.on("request", lambda asked: sent.append(asked.headers.get("x-file-name", "")))
    one.page.evaluate(DROPPED, list(content))
    one.see("#checked .figures" if tab == "learn" else "#tiles .tile")
    one.page.locator("#uploading").wait_for(state="hidden")
    names = sorted(unquote(name) for name in sent if name)
    assert names == ["parts/b.png", "parts/monday/a.png"]  # as of a folder that was chosen
    assert one.page.locator("#upload-errors li").all_inner_texts() == [
        "parts/monday/late was left out: there is nothing in this folder.",
        "parts/tuesday was left out: there is nothing in this folder.",
    ]
    assert one.problems == []


def test_look_alikes_are_shown_and_taken_out_one_after_the_other(
    person: Callable[..., Person], pictures: Path, tmp_path: Path
) -> None:
    first, *others = sorted((pictures / "good").iterdir())
    twins = [Path(shutil.copy(first, tmp_path / f"twin{i}.png")) for i in range(3)]
    one = person(390)
    one.go("/learn")
    one.give([*twins, first, *others[:20]])
    one.see("#fit")
    one.press("#checked summary")
    shown = one.page.locator(".alike img")
    for n in (4, 3, 2):
        assert shown.count() == n
        until(lambda n=n: shown.evaluate_all("all => all.every((i) => i.naturalWidth == 64)"))
        one.press("#checked [data-take-out]")
        one.page.locator("#fit button").filter(has_text=f"from {20 + n - 1} images").wait_for()
        # What was open is open again, and has the focus, while there are others.
        assert one.page.evaluate("document.activeElement.matches('[open] > summary')") == (n > 2)
    assert one.page.locator(".alike").count() == 0
    assert one.problems == []


def test_older_verdicts_are_gone_on_to(person: Callable[..., Person], pictures: Path) -> None:
    one = person(1440)
    learn(one, pictures)
    score(one, pictures)
    one.give(sorted((pictures / "good").iterdir()))
    one.page.locator("#tiles .tile").nth(48).wait_for()
    one.go("/score")
    assert one.page.locator("#tiles .tile").count() == 48
    one.press(".more button")
    one.page.locator("#tiles .tile").nth(48).wait_for()
    here = "[...document.querySelectorAll('#tiles .tile > a')].indexOf(document.activeElement)"
    until(lambda: one.page.evaluate(here) == 48)
    assert one.problems == []


HIDDEN = """() => {
  const [one, tabs] = [document.activeElement, document.querySelector("nav")];
  const [box, top] = [one.getBoundingClientRect(), tabs.getBoundingClientRect().top];
  const ring = getComputedStyle(one).outlineStyle;
  const seen = box.bottom <= top && box.top >= 0 && ring == "solid";
  if (one == document.body || tabs.contains(one) || seen) return null;
  return `${one.outerHTML.slice(0, 80)}: ${box.top} to ${box.bottom} of ${top}, ${ring}`;
}"""


def test_what_has_the_focus_stands_above_the_tabs(
    person: Callable[..., Person], pictures: Path
) -> None:
    one = person(390)
    learn(one, pictures)
    score(one, pictures)
    for path in ("score", "review", "models/stripes", "models", "watch", "monitor", "learn"):
        one.go(f"/{path}")
        one.page.wait_for_timeout(400)
        for key in ("Tab", "Shift+Tab"):
            for _ in range(30):
                one.page.keyboard.press(key)
                hidden = one.page.evaluate(HIDDEN)
                assert hidden is None, (path, key, hidden)
    assert one.problems == []


def test_learning_is_cancelled(person: Callable[..., Person], pictures: Path) -> None:
    one = person(1440)
    one.go("/learn")
    one.give(sorted((pictures / "good").iterdir()) * 5)
    one.see("#fit")
    one.press("#fit button[type=submit]")
    one.press("[data-cancel]")
    one.page.locator(".banner").filter(has_text="was cancelled").wait_for()
    # The button that had the focus is gone: what came of it has it.
    assert one.page.evaluate("document.activeElement.matches('.banner')")
    one.page.locator("#say p").wait_for(state="detached", timeout=1000)  # it was about the job
    one.press("[data-go-on]")
    one.see("#fit")
    one.press("#fit button[type=submit]")
    one.press("[data-cancel]")
    one.page.locator(".banner").filter(has_text="200 images that you sent are kept").wait_for()
    assert one.problems == []


def test_what_was_sent_is_gone_on_with_after_the_page_was_left(
    person: Callable[..., Person], pictures: Path
) -> None:
    one = person(390)
    one.go("/learn")
    one.give(sorted((pictures / "good").iterdir()))
    one.see("#fit")
    one.go("/learn")
    one.press("#waiting [data-go-on]")
    one.see("#fit")
    assert "Learn from 40 images" in one.page.locator("#fit button[type=submit]").inner_text()
    one.go("/learn")
    one.page.once("dialog", lambda asked: asked.accept())
    one.press("#waiting [data-drop-set]")
    one.page.locator("#waiting").wait_for(state="detached")
    assert one.problems == []


def test_a_report_of_nothing_leads_to_the_page_of_the_model(
    person: Callable[..., Person], pictures: Path
) -> None:
    one = person(390)
    learn(one, pictures)
    one.go("/score")
    one.press("[data-report]")
    link = one.page.locator("#say a")
    link.wait_for()
    told = one.page.locator("#say").inner_text()
    assert told.endswith("is reported on the model's page, /models/stripes.")
    link.click()
    one.page.wait_for_url("**/models/stripes")


def test_who_starts_over_with_others_keeps_what_was_sent(
    person: Callable[..., Person], pictures: Path
) -> None:
    one = person(390)
    one.go("/learn")
    one.give(sorted((pictures / "good").iterdir())[:20])
    one.see("#fit")
    one.press("[data-start-over]")
    one.page.locator("#waiting", has_text="20 images, sent").wait_for()
    one.page.locator("#say", has_text="What was sent is kept, see below").wait_for()
    assert one.page.locator("#fit").count() == 0
    assert one.page.evaluate("document.activeElement.id") == "choose-folder"
    one.give(sorted((pictures / "good").iterdir())[20:])
    one.page.locator("#fit button", has_text="Learn from 20 images").wait_for()
    one.press("[data-start-over]")
    one.page.locator("#waiting > ul > li").nth(1).wait_for()
    one.press("#waiting [data-go-on]")
    one.page.locator("#fit button", has_text="Learn from 20 images").wait_for()
    assert one.problems == []


def test_the_same_pictures_dropped_again_make_no_second_set(
    person: Callable[..., Person], pictures: Path
) -> None:
    one = person(390)
    one.go("/learn")
    one.give(sorted((pictures / "good").iterdir()))
    one.see("#fit")
    one.go("/learn")
    one.give(sorted((pictures / "good").iterdir()))
    one.see("#fit")
    told = one.page.locator("#same-set").inner_text()
    assert told.startswith("These 40 images are the set that was sent on ")
    assert "already, byte for byte. No second copy was kept: you go on with that set." in told
    one.go("/learn")
    assert one.page.locator("#waiting li[data-set]").count() == 1
    # Other pictures are another set, and nothing is said.
    one.give(sorted((pictures / "new").iterdir()))
    one.see("#fit")
    assert one.page.locator("#same-set").count() == 0
    one.go("/learn")
    assert one.page.locator("#waiting li[data-set]").count() == 2
    assert one.problems == []


def test_a_model_is_deleted_once_it_was_asked_for_and_got_back(
    person: Callable[..., Person], pictures: Path
) -> None:
    one = person(820)
    learn(one, pictures)
    one.go("/models/stripes")
    one.page.once("dialog", lambda asked: asked.dismiss())
    one.press("[data-delete]")
    one.page.wait_for_timeout(300)
    assert one.page.url.endswith("/models/stripes")
    one.page.once("dialog", lambda asked: asked.accept())
    with one.page.expect_navigation():
        one.press("[data-delete]")
    one.see("[data-restore]")
    assert one.page.locator(".cards").count() == 0
    with one.page.expect_navigation():
        one.press("[data-restore]")
    told = "Version 1 of stripes is back. Version 1 is in use."
    one.page.locator("#say p", has_text=told).wait_for()
    one.see(".cards h2 a")
    assert one.page.locator("[data-restore]").count() == 0
    assert one.problems == []


@pytest.mark.skipif(not AXE.exists(), reason=f"needs axe-core at {AXE}")
def test_axe_finds_nothing(person: Callable[..., Person], pictures: Path, browser: Browser) -> None:
    one = person(1440)
    learn(one, pictures)
    score(one, pictures)
    script = AXE.read_text(encoding="utf-8")
    found = []
    number = one.page.locator("#tiles .tile.odd").first.get_attribute("data-id")
    paths = ["learn", "score", "review", "monitor", "watch", "models", "models/stripes", "login"]
    for width in WIDTHS:
        for scheme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True
            )
            page = context.new_page()
            for path in [*paths, f"p/{number}", "no-such-page"]:
                page.goto(one.server.at(f"/{path}"))
                page.wait_for_timeout(400)
                page.evaluate(script)
                said = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
                found += [(width, scheme, path, v["id"]) for v in said["violations"]]
                if page.evaluate("document.documentElement.scrollWidth") > width:
                    found.append((width, scheme, path, "wider than the screen"))
            context.close()
    assert found == []


def test_a_button_says_what_is_under_way_and_takes_no_second_press(
    person: Callable[..., Person], pictures: Path
) -> None:
    one = person(1440)
    learn(one, pictures)
    score(one, pictures)
    rate = one.server.at("/api/v1/models/stripes/rate")
    held: list[Any] = []
    one.page.route(rate, lambda route: held.append(route))
    one.press("nav a[href^='/monitor']")
    one.see("#chart-scores canvas")
    one.tab_to("#rate")
    one.page.keyboard.press("End")
    one.press("#rate-use")
    use = one.page.locator("#rate-use[aria-disabled=true]")
    use.filter(has_text="Putting it into use").wait_for()
    one.page.locator("#say p").filter(has_text="Putting it into use").wait_for()
    one.page.keyboard.press("Enter")
    use.click(force=True)
    until(lambda: one.page.wait_for_timeout(50) or held)
    assert len(held) == 1
    assert one.page.evaluate("document.activeElement.id") == "rate-use"
    held.pop().continue_()
    one.page.locator("#say p").filter(has_text="From now on").wait_for()
    one.page.locator("#rate-use:not([aria-disabled])").filter(has_text="Use this").wait_for()

    one.page.route("**/report", lambda route: route.abort())
    one.go("/models/stripes")
    one.press("[data-report='1']")
    one.page.locator("#say p").filter(has_text="The server does not answer").wait_for()
    assert one.page.locator("[data-report='1']").inner_text() == "Write a report"
    assert one.page.evaluate("document.activeElement.dataset.report") == "1"
    assert one.problems == []


def test_a_version_says_that_it_is_taken_into_use(
    person: Callable[..., Person], pictures: Path, tmp_path: Path
) -> None:
    one = person(390)
    learn(one, pictures)
    content = model_file(one)
    file = tmp_path / "more.oneclass"
    file.write_bytes(content)
    load(file, false_alarms=0.2).save(file)
    one.go("/models")
    (tmp_path / "notes.txt").write_text("no model" * 99)
    one.page.set_input_files("#model-file", tmp_path / "notes.txt")
    one.page.fill("#model-name", "others")
    one.press("#upload-model [type=submit]")
    one.page.locator("#model-problem", has_text="notes.txt: it is").wait_for()
    assert one.problems.pop().startswith("422")
    one.page.set_input_files("#model-file", file)
    one.page.fill("#model-name", "stripes")
    asked: list[str] = []
    one.page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    with one.page.expect_navigation():
        one.press("#upload-model [type=submit]")
    assert asked == [
        "more.oneclass learnt 40 good images, for 20\u00a0% false alarms. Version 1 of stripes, in "
        "use, learnt 40 good images, and goes by 5\u00a0%.\n\nThere is a model stripes already. "
        "Take this file in as a new version of it? It is not used before you say so."
    ]
    held: list[Any] = []
    one.page.route("**/take", lambda route: held.append(route))
    one.press("[data-take='2']")
    taking = "Taking version 2 into use"
    one.page.locator("[data-take='2'][aria-disabled=true]").filter(has_text=taking).wait_for()
    one.page.locator("#say[role=status] p").filter(has_text=taking).wait_for()
    until(lambda: one.page.wait_for_timeout(50) or held)
    with one.page.expect_navigation():
        held.pop().continue_()
    said = "Version 2 of stripes is in use now, at 20\u00a0%, the rate that it was learnt for."
    one.page.locator("#say p").filter(has_text=said).wait_for()
    assert one.problems == []


def test_what_speaks_against_a_version_is_asked_before_it_is_in_use(
    person: Callable[..., Person], pictures: Path, tmp_path: Path
) -> None:
    one = person(1280)
    learn(one, pictures)
    file = tmp_path / "more.oneclass"
    file.write_bytes(model_file(one))
    load(file, false_alarms=0.2).save(file)
    send(one.server.at("/api/v1/models/stripes/file"), file, "PUT")
    to_score(one)
    one.give([min((pictures / "good").iterdir())])
    one.press("#tiles .tile a")
    one.press("[data-say=real]")
    one.page.locator("#say p", has_text="Noted.").wait_for()
    one.go("/models/stripes")
    asked: list[str] = []
    one.page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    one.press("[data-take='2']")
    until(lambda: one.page.wait_for_timeout(50) or asked)
    assert asked == [
        "Version 2 has learnt 1 picture as good that you called really odd: 000.png.\n\n"
        "Use version 2 all the same?"
    ]
    one.page.locator("[data-take='2']", has_text="Use version 2").wait_for()
    assert one.page.locator(".lead", has_text="Version 1 is in use.").is_visible()
    one.page.once("dialog", lambda dialog: dialog.accept())
    with one.page.expect_navigation():
        one.press("[data-take='2']")
    one.page.locator(".lead", has_text="Version 2 is in use.").wait_for()
    assert one.problems == []


def test_a_file_that_is_refused_is_not_said_to_become_a_version(
    person: Callable[..., Person], pictures: Path, tmp_path: Path
) -> None:
    one = person(390)
    learn(one, pictures)
    file = tmp_path / "stripes.oneclass"
    file.write_bytes(model_file(one))
    picture = tmp_path / "stripes.png"
    shutil.copy(next((pictures / "odd").iterdir()), picture)
    one.go("/models")
    help_text, becomes = one.page.locator("#model-name-help"), "the file becomes a new version of"
    asked: list[str] = []
    one.page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    for given, told in (
        (file, "stripes.oneclass is version 1 of stripes already, byte for byte."),
        (picture, "stripes.png: the file is a picture (PNG), not a model file."),
    ):
        one.page.set_input_files("#model-file", given)
        one.page.fill("#model-name", "stripes")
        help_text.filter(has_text=becomes).wait_for()
        one.press("#upload-model [type=submit]")
        one.page.locator("#model-problem", has_text=told).wait_for()
        assert help_text.get_attribute("class") == "muted small"
        assert becomes not in str(help_text.text_content())
    assert [problem.split()[0] for problem in one.problems] == ["422"]
    # What is no model file has learnt nothing.
    assert asked[1].startswith("There is a model stripes already.")
    # Another name may do: of that attempt nothing is said yet.
    one.page.fill("#model-name", "others")
    one.page.locator("#model-problem").wait_for(state="hidden")
    assert becomes not in str(help_text.text_content())
    one.page.fill("#model-name", "stripes")
    help_text.filter(has_text=becomes).wait_for()


def test_a_chart_is_an_image_whose_numbers_are_in_a_table(
    person: Callable[..., Person], pictures: Path
) -> None:
    one = person(1440)
    learn(one, pictures)
    score(one, pictures)
    one.go("/monitor")
    one.see("#chart-scores canvas")
    for key in ("time", "scores"):
        chart = one.page.locator(f"#chart-{key}[role=img]")
        assert "in the table below" in (chart.get_attribute("aria-label") or "")
        about = chart.get_attribute("aria-describedby")
        assert one.page.locator(f"#{about}").inner_text()
        one.press(f"details:has(#table-{key}) > summary")
        one.tab_to(f".scroll:has(#table-{key})")
    for key, at, first in (
        ("time", "At", "Called odd, of all images"),
        ("scores", "Score", "Good images"),
    ):
        lines = one.page.locator(f"#chart-{key} .u-legend tr")
        assert [lines.nth(i).is_visible() for i in (0, 1)] == [False, True]
        assert lines.nth(1).locator("th").inner_text().strip() == first
        one.page.locator(f"#chart-{key} .u-over").hover()
        lines.filter(has_text=re.compile(rf"^{at}\s*[\d-]")).wait_for()
        one.page.locator("h1").hover()
    heads = one.page.locator("#table-scores th").all_inner_texts()
    assert heads == ["Score from", "to", "Good images", "Images scored here"]
    lines = [
        line.split("\t") for line in one.page.locator("#table-scores tr").all_inner_texts()[1:]
    ]
    assert len(lines) > 10
    assert all(lines[i][1] == lines[i + 1][0] for i in range(len(lines) - 1))
    assert lines[-1][1] == "any"
    for column in (2, 3):
        shares = [float(line[column].split()[0]) for line in lines]
        assert abs(sum(shares) - 100) < 0.05 * len(lines) + 0.1
    assert one.problems == []


def test_while_the_server_is_gone_it_is_said_and_waited_for(
    person: Callable[..., Person], pictures: Path
) -> None:
    one = person(1280)
    learn(one, pictures)
    to_score(one)
    one.page.route("**/api/v1/models/stripes/score", lambda route: route.abort())
    one.give(sorted((pictures / "new").iterdir()))
    said = one.page.locator("#say", has_text="This page goes on by itself once it does.")
    said.wait_for()
    one.page.wait_for_timeout(7000)  # longer than other words stay
    assert said.is_visible()
    assert one.page.locator("#upload-errors li").count() == 0
    one.page.unroute("**/api/v1/models/stripes/score")
    one.page.locator("#save").filter(has_text="Save 4 verdicts").wait_for()
    assert one.page.locator("#say").text_content() == ""
    assert one.problems == []


def test_who_leaves_or_stops_while_images_are_sent_is_told(
    person: Callable[..., Person], pictures: Path
) -> None:
    one = person(1280)
    learn(one, pictures)
    to_score(one)
    one.page.route("**/api/v1/models/stripes/score", lambda route: None)  # it takes long
    one.give(sorted((pictures / "new").iterdir()))
    one.see("#uploading")
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    one.page.on("dialog", stay)
    one.page.locator("nav a", has_text="Monitor").click(no_wait_after=True)
    until(lambda: one.page.wait_for_timeout(50) or asked)
    assert asked == ["beforeunload"]
    assert "/score" in one.page.url
    one.press("#upload-stop")
    told = "Stopped: all 4 images have no verdict."
    one.page.locator("#summary", has_text=told).wait_for()
    one.go("/monitor")  # nothing is on its way any more
    assert asked == ["beforeunload"]
    assert one.problems == []


def slowly(one: Person, address: str, seconds: float) -> None:
    """Each answer from this address takes a while, as a large picture's does."""

    def after(route: Any) -> None:
        one.page.wait_for_timeout(1000 * seconds)
        route.continue_()

    one.page.route(address, after)


def test_files_may_fall_anywhere_on_the_page_but_not_its_own_pictures(
    person: Callable[..., Person], pictures: Path
) -> None:
    one = person(1280)
    learn(one, pictures)
    to_score(one)
    content = base64.b64encode((pictures / "odd" / "000.png").read_bytes()).decode()
    given = one.page.evaluate_handle(
        """async (content) => {
            const held = new DataTransfer();
            const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
            held.items.add(new File([bytes], "fallen.png", { type: "image/png" }));
            return held;
        }""",
        content,
    )
    moved = {"dataTransfer": given}
    for kind in ("dragstart", "drop", "dragend"):
        one.page.dispatch_event("h1", kind, moved)
    assert not one.page.locator("#uploading, .tile").first.is_visible()
    one.page.dispatch_event("h1", "drop", moved)
    one.page.locator(".tile", has_text="fallen.png").wait_for()
    assert one.page.locator(".tile").count() == 1
    about_colours = one.page.locator("p.ramp-key")
    for seen in (True, False, True):
        assert (about_colours.is_visible(), one.page.locator(".tile .heat").is_visible()) == (
            seen,
            seen,
        )
        one.page.click("#heat")


def test_what_is_given_while_others_are_sent_is_sent_after_them(
    person: Callable[..., Person], pictures: Path, tmp_path: Path
) -> None:
    one = person(1280)
    (tmp_path / "cut.png").write_bytes((pictures / "new" / "000.png").read_bytes()[:60])
    (tmp_path / "notes.txt").write_text("")
    one.go("/learn")
    slowly(one, "**/sets/*/images", 0.05)
    good, new, odd = (sorted((pictures / part).iterdir()) for part in ("good", "new", "odd"))
    files = one.page.locator("#files")
    files.set_input_files([*good, tmp_path / "cut.png"])
    one.see("#uploading")
    files.set_input_files([*new, tmp_path / "notes.txt"])
    told = "4 more images: sent as soon as those before are."
    one.page.locator("#say", has_text=told).wait_for()
    one.page.locator("#checked .figures", has_text="44images can be used").wait_for()
    left = one.page.locator("#upload-errors")
    assert [name in (left.text_content() or "") for name in ("cut.png", "notes.txt")] == [True] * 2
    one.page.unroute("**/sets/*/images")
    one.page.fill("#fit-name", "stripes")
    one.press("#fit button[type=submit]")
    one.see(".card.done .button.main")

    to_score(one)
    slowly(one, "**/api/v1/models/stripes/score", 0.05)
    files = one.page.locator("#files")
    files.set_input_files([*good[:30], tmp_path / "cut.png"])
    one.see("#uploading")
    for more in ([*new, tmp_path / "notes.txt"], [tmp_path / "notes.txt"], odd):
        files.set_input_files(more)
    one.page.locator("#save").filter(has_text="Save 39 verdicts").wait_for()
    summary = one.page.locator("#summary", has_text="Of 39 images that you sent, ")
    summary.filter(has_text="1 of the 40 images has no verdict; the list above").wait_for()
    assert (left.text_content() or "").count("notes.txt") == 2
    out = "1 of the 40 images and 2 other files were left out:"
    assert one.page.locator("#upload-out").text_content() == out
    one.problems = [said for said in one.problems if not said.startswith("422")]
    assert one.problems == []


def test_stop_ends_what_waits_too_and_blames_no_picture(
    person: Callable[..., Person], pictures: Path
) -> None:
    one = person(1280)
    learn(one, pictures)
    to_score(one)
    one.page.evaluate(
        """() => {
          const fetched = window.fetch;
          window.fetch = (path, options = {}) => options.method !== "POST" ? fetched(path, options)
            : Promise.resolve(new Response(new ReadableStream({ start(stream) {
              options.signal.addEventListener("abort", () => stream.error(options.signal.reason));
            } }), { headers: { "Content-Type": "application/json" } }));
        }"""
    )  # the answer has begun, and its end is still to come
    files = one.page.locator("#files")
    files.set_input_files(sorted((pictures / "new").iterdir()))
    one.see("#uploading")
    files.set_input_files(sorted((pictures / "odd").iterdir()))
    one.page.locator("#say", has_text="5 more images").wait_for()
    one.press("#upload-stop")
    one.page.locator("#summary", has_text="Stopped: all 4 images have no verdict.").wait_for()
    told = "Stopped; what you gave after these is not sent, either."
    one.page.locator("#say", has_text=told).wait_for()
    assert one.page.locator("#uploading").is_hidden()
    assert one.page.locator("#upload-errors li").count() == 0
    assert one.problems == []


def test_stop_keeps_what_was_here_before_and_what_is_on_its_way(
    person: Callable[..., Person], pictures: Path, tmp_path: Path
) -> None:
    one = person(1280)
    one.go("/learn")
    good = sorted((pictures / "good").iterdir())
    more = write_images(tmp_path / "more", stripes(30, seed=9, side=64))
    files = one.page.locator("#files")
    files.set_input_files(good)
    one.page.locator("#checked .figures", has_text="40images can be used").wait_for()
    slowly(one, "**/sets/*/images", 0.2)
    files.set_input_files(more)
    one.see("#uploading")
    one.page.wait_for_timeout(900)
    one.press("#upload-stop")
    told = "Stopped. Nothing of what you gave last is kept; the images of before are."
    one.page.locator("#say", has_text=told).wait_for()
    one.page.locator("#checked .figures", has_text="40images can be used").wait_for()
    one.page.unroute("**/sets/*/images")
    one.page.fill("#fit-name", "stripes")
    one.press("#fit button[type=submit]")
    one.see(".card.done .button.main")

    to_score(one)
    slowly(one, "**/api/v1/models/stripes/score", 0.2)
    files = one.page.locator("#files")
    files.set_input_files(more)
    one.page.locator("#save").filter(has_text="verdict").wait_for()
    one.press("#upload-stop")
    summary = one.page.locator("#summary", has_text="Stopped: ")
    summary.wait_for()
    kept = int((one.page.locator("#save").text_content() or "").split()[1])
    assert f"Stopped: {30 - kept} of the 30 images have no verdict." in (
        summary.text_content() or ""
    )
    one.page.reload()
    assert one.page.locator("#tiles .tile").count() == kept  # the server has no more than is said
    assert one.problems == []


def test_who_leaves_while_images_are_sent_finds_how_many_have_no_verdict(
    person: Callable[..., Person], pictures: Path
) -> None:
    one = person(1280)
    learn(one, pictures)
    to_score(one)
    slowly(one, "**/api/v1/models/stripes/score", 0.3)
    files = one.page.locator("#files")
    files.set_input_files(sorted((pictures / "good").iterdir()))
    one.see("#uploading")
    files.set_input_files(sorted((pictures / "odd").iterdir()))
    one.page.locator("#save").filter(has_text="verdict").wait_for()
    one.page.once("dialog", lambda asked: asked.accept())
    one.page.reload()
    kept = int((one.page.locator("#save").text_content() or "").split()[1])
    told = f"You left this page while they were sent: {45 - kept} of the 45 images have no verdict"
    assert told in (one.page.locator("#summary").text_content() or "")


def test_folders_that_sound_like_defects_are_asked_about(
    person: Callable[..., Person], tmp_path: Path
) -> None:
    one = person(1280)
    write_images(tmp_path / "defects" / "fine", stripes(6, seed=1, side=64))
    write_images(tmp_path / "defects" / "scratch", stripes(3, seed=2, side=64))
    asked = answering(one.page, yes=False)
    one.go("/learn")
    one.page.locator("#folder").set_input_files(tmp_path / "defects")
    one.page.locator("#checked .figures", has_text="6images can be used").wait_for()
    [message] = asked
    assert message.startswith("3 images are in folders whose names speak of defects: scratch. All")
    one.page.locator("#folder").set_input_files(tmp_path / "defects" / "fine")
    one.page.locator("#checked .figures", has_text="12images can be used").wait_for()
    assert len(asked) == 1
    assert one.problems == []


def test_what_a_set_has_is_not_sent_again_and_who_comes_second_is_told(
    person: Callable[..., Person], tmp_path: Path
) -> None:
    one = person(1280)
    write_images(tmp_path / "good", stripes(30, seed=1, side=64))
    write_images(tmp_path / "all" / "scratches", stripes(6, seed=2, side=64))
    one.go("/learn")
    one.page.once("dialog", lambda asked: asked.dismiss())
    one.page.locator("#folder").set_input_files(tmp_path / "all")
    one.page.locator("#say p", has_text="6 images left out: none is left to be sent.").wait_for()
    one.page.locator("#folder").set_input_files(tmp_path / "good")
    one.page.locator("#checked .figures", has_text="30images can be used").wait_for()
    write_images(tmp_path / "good" / "more", stripes(2, seed=3, side=64))
    told: list[str] = []

    def accept(dialog: Dialog) -> None:
        told.append(dialog.message)
        dialog.accept()

    one.page.once("dialog", accept)
    one.page.locator("#folder").set_input_files(tmp_path / "good")
    one.page.locator("#checked .figures", has_text="32images can be used").wait_for()
    assert told[0].startswith("30 of these 32 images are here already, by folder, name and size.")

    other = one.page.context.new_page()
    other.goto(one.server.at("/learn"))
    other.locator("[data-go-on]").click()
    other.locator("#fit [type=submit]").wait_for()
    one.page.fill("#fit-name", "first")
    one.press("#fit [type=submit]")
    one.page.locator("#learning .done").wait_for()
    other.locator("#fit [type=submit]").click()
    other.locator("#checked .banner", has_text="have been learnt already, as first").wait_for()
    assert other.locator("#fit").count() == 0

    # The rate is changed in one window: the other one promises it.
    other.goto(one.server.at("/score"))
    other.locator("#promise", has_text="Of 100 good images, about 5 are").wait_for()
    one.page.evaluate("page.ask('PUT', '/api/v1/models/first/rate', { false_alarms: 0.3 })")
    other.locator("#promise", has_text="Of 100 good images, about 30 are").wait_for()
    other.close()


def test_a_folder_given_again_after_an_interruption_is_gone_on_with(
    person: Callable[..., Person], tmp_path: Path
) -> None:
    one = person(1440)
    write_images(tmp_path / "fine", stripes(24, seed=1, side=64))
    asked: list[str] = []
    held: list[Any] = []

    def answer(dialog: Dialog) -> None:
        if dialog.type == "confirm":
            asked.append(dialog.message)
        dialog.accept()

    def some(route: Any) -> None:
        if len(held) < 18:
            held.append(None)
            route.continue_()

    one.page.on("dialog", answer)
    one.page.route("**/sets/*/images", some)
    one.go("/learn")
    one.page.locator("#folder").set_input_files(tmp_path / "fine")
    one.page.locator("#upload-text", has_text="18 of 24 images sent").wait_for()
    one.go("/learn")
    quiet(tmp_path)
    one.page.unroute("**/sets/*/images")
    one.page.locator("#waiting [data-go-on]").click()
    one.page.locator("#checked .banner", has_text="6 images are still missing").wait_for()
    one.go("/learn")
    one.page.locator("#folder").set_input_files(tmp_path / "fine")
    one.page.locator("#checked .figures", has_text="24images can be used").wait_for()
    assert asked == [
        "18 of the 24 images were sent before the page was left, and are here. OK goes on with "
        "them: only the 6 that are missing are sent. Cancel sends all anew, as a set of its own."
    ]
    assert one.page.locator("#checked .banner", has_text="missing").count() == 0
    one.page.locator("#fit-name").fill("few ")
    one.press("#fit [type=submit]")
    one.see("#learning .done")
    one.go("/learn")
    one.see("#learnt")  # few; and another one after it
    one.page.locator("#folder").set_input_files(tmp_path / "fine")
    one.page.locator("#fit-name").wait_for()
    one.page.locator("#fit-name").fill("more")
    one.press("#fit [type=submit]")
    one.page.locator("#learning .done", has_text="The model more is ready").wait_for()
    assert one.page.locator("#learnt").count() == 0
    one.page.remove_listener("dialog", answer)
    assert one.problems == []


def test_who_left_while_good_images_were_sent_is_told_what_is_missing(
    person: Callable[..., Person], tmp_path: Path
) -> None:
    one = person(390)
    write_images(tmp_path / "all" / "fine", stripes(20, seed=1, side=64))
    write_images(tmp_path / "all" / "scratch", stripes(4, seed=2, side=64))
    asked: list[str] = []
    yes = [True, True, False]  # to send them, to leave the page, and to leave the odd ones out

    def answer(dialog: Dialog) -> None:
        asked.append(f"{dialog.type} {dialog.message}")
        (dialog.accept if yes.pop(0) else dialog.dismiss)()

    held: list[Any] = []

    def slowly(route: Any) -> None:
        if "fine" in route.request.headers["x-file-name"] and len(held) < 18:
            held.append(None)
            route.continue_()
        elif "scratch" in route.request.headers["x-file-name"]:
            route.continue_()

    one.page.on("dialog", answer)
    one.page.route("**/sets/*/images", slowly)
    one.go("/learn")
    one.page.locator("#folder").set_input_files(tmp_path / "all")
    one.page.locator("#upload-text", has_text="22 of 24 images sent").wait_for()
    quiet(tmp_path, -60)
    one.go("/learn")
    assert "2 images are still to come." in one.page.locator("#waiting .banner").last.inner_text()
    quiet(tmp_path, 120)
    one.page.locator("#waiting .banner", has_text="are missing").wait_for()  # by itself
    one.page.unroute("**/sets/*/images")
    told = one.page.locator("#waiting li").first.inner_text()
    assert told.startswith("22 of 24 images arrived, the last one today")
    missing = "all/fine/018.png, all/fine/019.png"
    assert f"sent, or there was no room for them: {missing}. To add them" in told
    one.press("#waiting [data-go-on]")
    one.page.locator("#checked .figures", has_text="18images can be used").wait_for()
    assert [message.partition(" ")[0] for message in asked] == [
        "confirm",
        "beforeunload",
        "confirm",
    ]
    assert asked[0] == asked[2]
    assert asked[2].startswith("confirm 4 images are in folders whose names speak of defects: scr")
    one.page.locator("#folder").set_input_files(tmp_path / "all")
    one.page.locator("#checked .figures", has_text="20images can be used").wait_for()
    assert len(asked) == 3
    assert one.problems == []


def test_a_report_on_score_stands_above_the_verdicts_and_is_there_for_who_comes_back(
    person: Callable[..., Person], pictures: Path
) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra report")
    one = person(1280)
    learn(one, pictures)
    score(one, pictures)
    one.go("/score?model=stripes")
    one.press("[data-report='1']")
    one.see("#reporting a.main")
    assert one.page.evaluate(
        "document.querySelector('#reporting').compareDocumentPosition("
        "document.querySelector('#tiles')) === Node.DOCUMENT_POSITION_FOLLOWING"
    )
    for path in ("/monitor?model=stripes", "/score?model=stripes"):
        one.go(path)
        assert "The last report was written today" in one.page.locator("#written").inner_text()
    assert one.problems == []


def test_what_another_window_changed_is_in_the_question_before_learning(
    person: Callable[..., Person], pictures: Path
) -> None:
    one = person(1280)
    one.go("/learn")
    one.give(sorted((pictures / "good").iterdir()))
    one.see("#fit")
    one.page.fill("#fit-name", "stripes")
    other = Person(one.page.context.new_page(), one.server)
    other.go("/learn")
    other.give(sorted((pictures / "good").iterdir())[:30])
    other.see("#fit")
    other.page.fill("#fit-name", "stripes")  # which nobody had when it was typed before
    other.press("#fit button[type=submit]")
    other.see(".card.done .button.main")
    asked: list[str] = []
    one.page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))

    def press() -> str:
        before = len(asked)
        one.press("#fit button[type=submit]")
        until(lambda: one.page.wait_for_timeout(50) or len(asked) > before)
        one.page.locator("#fit button[type=submit]:not([aria-disabled=true])").wait_for()
        return asked[-1]

    assert press().startswith("Version 2 of stripes will be learnt from these images alone, and ")
    assert "This makes version 2 of stripes" in one.page.locator("#name-help").inner_text()
    other.page.evaluate("page.ask('PUT', '/api/v1/models/stripes/rate', { false_alarms: 0.3 })")
    assert "False alarms of good images: 30\u00a0% now, the rate that was set." in press()
    other.page.evaluate("page.ask('DELETE', '/api/v1/models/stripes')")
    assert press() == (
        "A model stripes was deleted, and can be got back on the page Models: this makes version "
        "2 of it.\n\nGo on?"
    )
    assert one.page.locator("#fit").is_visible()  # nothing has begun
    assert one.problems == []


def test_a_name_that_is_there_already_is_asked_about(
    person: Callable[..., Person], pictures: Path
) -> None:
    one = person(1280)
    learn(one, pictures)
    one.go("/learn")
    one.give(sorted((pictures / "good").iterdir()))
    one.see("#fit")
    one.tab_to("#fit-name")
    one.page.keyboard.press("Control+A")
    one.page.keyboard.type("stripes")
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.message)
        if len(asked) == 1:
            dialog.dismiss()
        else:
            dialog.accept()

    one.page.on("dialog", answer)
    one.press("#fit button[type=submit]")
    one.page.wait_for_timeout(500)
    assert asked[0].endswith(
        "instead of version 1.\n\nFalse alarms of good images: 5\u00a0% now, the rate that it was "
        "learnt for. With version 2 it is what you chose, 5\u00a0%, if at least 19 of these images "
        "count as different pictures; with fewer it is as near to that as they allow. Back at "
        "version 1, it would be 5\u00a0% again.\n\nGo on?"
    )
    copies = one.page.evaluate(
        "alsoRate({ value: 'x', dataset: { version: 1, next: 2, images: '35', pictures: '18' } }, "
        "{ value: '', dataset: { needs: 19, rate: '5 %' } })"
    )
    assert (
        "With version 2 it is what you chose, 5 %, if at least 19 of these images count as "
        "different pictures (of the 35 that version 1 learnt from only 18 did); with fewer it is "
        "as near to that as they allow."
    ) in copies
    # A rate that was set ends.
    one.page.evaluate("page.ask('PUT', '/api/v1/models/stripes/rate', { false_alarms: 0.3 })")
    one.go("/learn")
    one.page.locator("[data-go-on]").click()
    one.see("#fit")
    one.page.fill("#fit-name", "stripes")
    one.page.select_option("#fit-rate", "0.1")
    assert one.page.locator("#fit").is_visible()  # nothing has begun
    one.press("#fit button[type=submit]")
    one.page.locator(".working").wait_for()
    gone = one.page.locator("#say", has_text="The server does not answer.")
    one.page.route("**/parts/job/*", lambda route: route.abort())
    gone.wait_for()
    one.page.unroute("**/parts/job/*")
    one.see(".card.done .button.main")
    assert one.page.locator("#say").text_content() == ""
    told = "Version 2 of stripes will be learnt from these images alone, and used at once"
    assert [message.startswith(told) for message in asked] == [True, True]
    assert (
        "False alarms of good images: 30\u00a0% now, the rate that was set. With version 2 it is "
        "what you chose, 10\u00a0%, if at least 9 of these images count as different pictures; "
        "with fewer nothing is learnt. The one that was set ends with that. Back at version 1, it "
        "would be 5\u00a0%, the rate that it was learnt for, not 30\u00a0%."
    ) in asked[1]
    one.go("/models/stripes")
    one.press("[data-take]")
    one.page.locator("#say", has_text="is in use now, at 5\u00a0%, the rate that it was").wait_for()
    assert one.problems == []


def test_one_alone_is_not_one_of_the_one(
    person: Callable[..., Person], pictures: Path, tmp_path: Path
) -> None:
    one = person(1280)
    learn(one, pictures)
    words = [
        one.page.evaluate("([n, all]) => page.someOf(n, all, 'image')", numbers)
        for numbers in ([1, 1], [1, 8], [8, 8])
    ]
    assert words == ["the image", "1 of the 8 images", "all 8 images"]
    one.go("/score")
    one.give([next((pictures / "new").iterdir())])
    one.page.locator("#tiles .tile").wait_for()
    one.page.evaluate("page.ask('POST', '/api/v1/predictions/1/review', { verdict: 'real' })")
    one.go("/monitor")
    one.page.locator("#would", has_text="The only image that version 1 scored would ").wait_for()
    one.page.locator("#histogram-about", has_text="and the only image that it scored").wait_for()
    missed = one.page.locator("#monitor-figures li", has_text="missed")
    assert missed.inner_text() == "1\nbad one missed"
    one.press("#monitor > details summary")
    assert "Missed: not called odd, but marked as bad." in one.page.locator("#counted").inner_text()
    # A set of one image, and the same again.
    one.go("/learn")
    asked = answering(one.page, yes=False)
    for n in (1, 2):
        one.give([next((pictures / "good").iterdir())])
        one.page.locator("#checked .figures b", has_text=f"{n}").first.wait_for()
    assert asked == [
        "This image is here already, by folder, name and size. OK sends none; Cancel sends it "
        "again."
    ]
    assert one.problems == []


def test_a_name_that_speaks_of_defects_is_taken_out_alone_or_with_all_others(
    person: Callable[..., Person], pictures: Path, tmp_path: Path
) -> None:
    for i, file in enumerate(sorted((pictures / "good").iterdir())[:4]):
        shutil.copy(file, tmp_path / f"bad {i}.png")
    one = person(390)
    one.go("/learn")
    one.give([*sorted(tmp_path.glob("bad*")), *sorted((pictures / "good").iterdir())[4:]])
    one.page.locator("#fit button", has_text="Learn from 40 images").wait_for()
    one.page.locator("#checked summary", has_text="names that speak of defects").click()
    names = one.page.locator("#checked details[open] b")
    assert names.all_inner_texts() == [f"bad {i}.png" for i in range(4)]
    one.press("#checked details[open] [data-take-out]")
    one.page.locator("#fit button", has_text="Learn from 39 images").wait_for()
    assert names.all_inner_texts() == [f"bad {i}.png" for i in range(1, 4)]
    assert one.page.locator("[data-take-all]").inner_text() == "Take all 3 out"
    one.press("#checked details[open] [data-take-all]")
    one.page.locator("#fit button", has_text="Learn from 36 images").wait_for()
    assert "of defects" not in one.page.locator("#checked").inner_text()
    assert one.problems == []


def test_what_is_really_odd_is_learnt_if_it_is_ticked(
    person: Callable[..., Person], pictures: Path, tmp_path: Path
) -> None:
    one = person(1280)
    learn(one, pictures)
    bad = sorted((pictures / "good").iterdir())[:2]
    one.go("/score")
    one.give(bad)
    one.page.locator("#tiles .tile").nth(1).wait_for()
    for number in (1, 2):
        address = f"/api/v1/predictions/{number}/review"
        one.page.evaluate(f"page.ask('POST', '{address}', {{ verdict: 'real' }})")
    one.go("/review")
    one.press("[data-anyway]", "Space")
    one.press("#learn-more")
    told = "Version 2 was learnt without 1 picture that you called really odd"
    one.page.locator(".compare", has_text=told).wait_for(timeout=FIRST_VERDICT)
    again = "Version 2 has learnt 1 picture as good that you called really odd"
    assert again in one.page.locator(".compare").inner_text()
    # The same from a folder.
    one.go("/learn")
    scratch = Path(shutil.copy(next((pictures / "new").iterdir()), tmp_path / "scratch.png"))
    one.give([*sorted((pictures / "good").iterdir()), scratch])
    one.page.locator("#fit button", has_text="Learn from 39 images").wait_for()
    one.press("[name=anyway]", "Space")
    one.page.locator("#fit button", has_text="Learn from 40 images").wait_for()
    rates = one.page.locator("#fit-rate option")
    rates.filter(has_text="here are 40").first.wait_for(state="attached")
    assert rates.filter(has_text="here are 39").count() == 0
    # What is ticked stays so where another one is taken out.
    one.page.locator("#checked summary", has_text="names that speak of defects").click()
    one.page.locator("[data-take-out]").first.click()
    one.page.locator("#fit button", has_text="Learn from 39 images").wait_for()
    assert one.page.locator("[name=anyway]").first.is_checked()
    one.page.fill("#fit-name", "others")
    one.press("#fit button[type=submit]")
    left_out = "others was learnt without 1 image that somebody called really odd"
    one.page.locator(".card.done", has_text=left_out).wait_for(timeout=FIRST_VERDICT)
    assert "Learnt from 39 good images" in one.page.locator(".card.done").inner_text()
    assert one.problems == []


def test_two_people_review_the_same_picture(person: Callable[..., Person], pictures: Path) -> None:
    one = person(1280)
    learn(one, pictures)
    score(one, pictures)
    one.go("/review")
    one.see(".reviewing")
    number = one.shown()
    page = one.page.context.new_page()
    page.goto(one.server.at("/review"))
    page.locator(f'.reviewing[data-id="{number}"]').wait_for()
    one.page.keyboard.press("r")
    one.page.locator(f'.reviewing:not([data-id="{number}"])').wait_for()
    page.keyboard.press("f")
    page.locator("#say", has_text="said “really odd” meanwhile, so yours is not noted").wait_for()
    there = page.locator(f'.reviewing[data-id="{number}"] .real')
    assert there.get_attribute("aria-pressed") == "true"
    page.keyboard.press("f")  # seen, and not shared
    page.locator(f'.reviewing:not([data-id="{number}"])').wait_for()
    one.page.keyboard.press("z")
    one.page.locator("#say", has_text="said “good (a false alarm)” meanwhile").wait_for()
    page.close()


def test_watch_it_bears_a_double_click(
    person: Callable[..., Person], pictures: Path, tmp_path: Path
) -> None:
    one = person(360)
    learn(one, pictures)
    one.go("/watch")
    shutil.copy(next((pictures / "new").iterdir()), tmp_path / "in")
    asked = answering(one.page, yes=True)
    one.page.locator("#new-watch [type=submit]").dblclick()
    one.see("#watches .card")
    one.page.locator("#say p", has_text="is watched from now on").wait_for()
    one.page.wait_for_timeout(500)
    assert len(asked) == 1
    assert "already" not in one.page.locator("#say").inner_text()
    assert one.page.locator("#new-watch [type=submit]").inner_text() == "Watch it"
    assert one.problems == []


def test_a_watch_in_another_says_that_pictures_are_scored_twice(
    person: Callable[..., Person], pictures: Path, tmp_path: Path
) -> None:
    one = person(360)
    learn(one, pictures)
    one.go("/watch")
    (tmp_path / "in/inner").mkdir()
    (tmp_path / "in/link").symlink_to(pictures)
    asked = answering(one.page, yes=True)
    one.press("#new-watch [type=submit]")
    one.page.locator("#say p", has_text="is watched from now on").wait_for()
    led = "1 link leads out of the folders that this server may read: it is not followed. "
    assert asked == [f"{led}Watch it?"]
    one.page.locator("#watch-folder").fill("inner")
    one.press("#new-watch [type=submit]")
    told = (
        "1 other watch of this folder, or of one in it or around it, has the same model: each "
        "picture in both is scored once for each of them."
    )
    one.page.locator("#say p", has_text=told).wait_for()
    assert one.problems == []


@pytest.mark.parametrize("width", [360, 375, 1400])
def test_what_a_button_of_review_says_stays_whole(
    person: Callable[..., Person], pictures: Path, width: int
) -> None:
    one = person(width)
    learn(one, pictures)
    score(one, pictures)
    one.go("/review")
    one.see(".reviewing")
    for button in one.page.locator(".judge button").all():
        lines = """e => {
            const range = document.createRange();
            range.selectNodeContents(e.firstChild);
            return range.getClientRects().length;
        }"""
        assert button.evaluate(lines) == 1
        assert button.evaluate("e => e.scrollWidth <= e.clientWidth + 1")
    assert one.page.evaluate("document.documentElement.scrollWidth") <= width
    assert one.problems == []


def model_file(one: Person) -> bytes:
    """The file of the model that `learn` made."""
    return one.page.request.get(one.server.at("/api/v1/models/stripes/versions/1/file")).body()


def send(address: str, file: Path, method: str = "POST") -> None:
    """A file, as a program sends it."""
    request = urllib.request.Request(address, file.read_bytes(), method=method)
    request.add_header("Content-Type", "application/octet-stream")
    urllib.request.urlopen(request, timeout=20).close()


def test_review_stays_with_its_model_when_a_version_is_taken(
    person: Callable[..., Person], pictures: Path, tmp_path: Path
) -> None:
    one = person(360)
    learn(one, pictures)
    model = tmp_path / "other.oneclass"
    model.write_bytes(model_file(one))
    send(one.server.at("/api/v1/models/other/file"), model, "PUT")
    one.go("/score?model=stripes")
    one.give(sorted((pictures / "odd").iterdir()))
    one.page.locator("#save", has_text="Save 5 verdicts").wait_for()
    one.go("/review")
    n = int(one.page.locator("p[data-waiting]").inner_text().split()[0])
    for _ in range(n):
        shown = one.shown()
        one.page.keyboard.press("g")
        until(lambda shown=shown: one.page.locator(f'.reviewing[data-id="{shown}"]').count() == 0)
    one.see("[data-none]")
    assert one.page.locator("#queue h2").inner_text() == "Nothing waits for stripes"
    # Meanwhile more waits of another model.
    send(one.server.at("/api/v1/models/other/score"), next((pictures / "odd").iterdir()))
    one.press("[data-yes], #learn-more")
    one.see(".compare [data-take='2']")
    with one.page.expect_navigation():
        one.page.locator(".compare [data-take='2']").click()
    told = "Version 2 of stripes is in use now, at "
    one.page.locator("#say p", has_text=told).wait_for()
    assert one.page.locator("#queue").get_attribute("data-model") == "stripes"
    assert one.page.locator(".reviewing").count() == 0
    assert one.page.evaluate("scrollY") == 0
    one.press("#queue a[href$='model=other']")
    one.see(".reviewing")
    one.press("nav a[href^='/score']")
    one.see("#tiles")
    assert one.page.locator("#tiles").get_attribute("data-model") == "other"
    assert one.problems == []


def test_another_window_of_review_is_brought_up_to_date(
    person: Callable[..., Person], pictures: Path, tmp_path: Path
) -> None:
    one = person(1280)
    learn(one, pictures)
    score(one, pictures)
    one.go("/review")
    one.see(".reviewing")
    waiting = one.page.locator(".reviewing p[data-waiting]")
    n = int(waiting.inner_text().split()[0])
    other = one.page.context.new_page()
    other.goto(one.server.at("/review"))
    other.locator("#lessons .figures").wait_for()
    one.page.keyboard.press("r")
    counted = other.locator(".reviewing p[data-waiting]").filter(has_text=f"{n - 1} waiting")
    counted.wait_for()
    other.locator("#lessons .figures", has_text="1really odd").wait_for()

    # A picture that waits while another one is shown as the last is shown then.
    for _ in range(n - 1):
        shown = one.shown()
        one.page.keyboard.press("r")
        until(lambda shown=shown: one.page.locator(f'.reviewing[data-id="{shown}"]').count() == 0)
    one.see("[data-none]")
    # What was said of the others goes for them when they come again: this is a new one.
    noise = np.random.default_rng(9).integers(0, 2, (1, 24, 24)) * 255
    write_images(tmp_path / "new", noise.astype(np.uint8))
    one.server.score(next((tmp_path / "new").iterdir()).read_bytes())
    one.see(".reviewing")

    # The model is deleted in one window: the other one says so, and notes nothing.
    number = one.shown()
    one.page.route("**/api/v1/events", lambda route: route.abort())
    one.page.reload()
    one.see(".reviewing")
    other.goto(one.server.at("/models/stripes"))
    other.once("dialog", lambda asked: asked.accept())
    with other.expect_navigation():
        other.locator("[data-delete]").click()
    one.page.keyboard.press("r")
    one.page.locator("#queue h2", has_text="stripes is gone").wait_for()
    told = one.page.locator("#queue").inner_text()
    assert "was deleted today" in told
    assert "The page Models gets it back until" in told
    assert "POST" not in told
    assert one.page.evaluate("document.activeElement.tagName") == "H2"
    said = one.server.get(f"/api/v1/predictions/{number}")[1]
    assert json.loads(said)["review"] is None
    other.close()


def test_a_part_that_is_refused_is_told_as_long_as_it_is(
    person: Callable[..., Person], pictures: Path
) -> None:
    one = person(390)
    learn(one, pictures)
    one.go("/watch")
    told = "You are not logged in any more. Load this page again."
    body = json.dumps({"error": "no_token", "message": told.replace("You", "you")})
    one.page.route("**/parts/watches", lambda route: route.fulfill(status=401, body=body))
    said = one.page.locator("#say p", has_text=told)
    said.wait_for()
    one.page.wait_for_timeout(7000)  # longer than other words stay
    assert said.is_visible()
    one.page.unroute("**/parts/watches")
    said.wait_for(state="detached")


def test_a_model_that_is_gone_is_told_once_for_all_images(
    person: Callable[..., Person], pictures: Path
) -> None:
    one = person(1280)
    learn(one, pictures)
    to_score(one)
    one.see("#drop")
    monitor = one.page.context.new_page()
    monitor.goto(one.server.at("/monitor"))
    monitor.locator("#monitor-figures li").first.wait_for()
    delete = urllib.request.Request(one.server.at("/api/v1/models/stripes"), method="DELETE")
    urllib.request.urlopen(delete, timeout=10).close()
    monitor.select_option("#days", "31")
    told = monitor.locator("#say p", has_text="was deleted today")
    told.wait_for()
    assert told.inner_text().startswith("The model stripes")
    monitor.close()
    one.give(sorted((pictures / "good").iterdir()))
    said = one.page.locator("#summary", has_text="All 40 images have no verdict.")
    said.wait_for()
    text = said.inner_text()
    assert text.startswith("The model stripes was deleted today")
    assert (text.count("was deleted"), text.count("POST")) == (1, 0)
    assert one.page.locator("#upload-errors li").count() == 0
    assert len(one.problems) <= 4  # those that were on their way


def test_the_monitor_says_of_which_version_its_figures_are(
    person: Callable[..., Person], pictures: Path
) -> None:
    one = person(1280)
    learn(one, pictures)
    score(one, pictures)
    one.go("/monitor")
    one.page.locator("#would", has_text="Of the last 9 images that version 1 scored").wait_for()
    figures = one.page.locator("#monitor-figures")
    assert re.search(r"9images scored\d+called odd", figures.text_content() or "")
    # Once something is reviewed, what is undecided stands below the figures.
    assert one.page.locator("#undecided").is_hidden()
    number = one.page.evaluate(
        "page.ask('GET', '/api/v1/predictions?model=stripes&noticed=true')"
        ".then((said) => said.predictions[0].id)"
    )
    address = f"/api/v1/predictions/{number}/review"
    one.page.evaluate(f"page.ask('POST', '{address}', {{ verdict: 'false_alarm' }})")
    one.page.locator("#undecided", has_text="called odd").wait_for()
    told = r"(\d) images called odd are undecided \(\1 waiting in Review\): were all good, \d of 9 "
    undecided = one.page.locator("#undecided").inner_text()
    assert re.match(f"{told}good images would have been called odd, ", undecided)
    one.go("/learn")
    one.give(sorted((pictures / "good").iterdir()))
    one.see("#fit")
    one.tab_to("#fit-name")
    one.page.keyboard.press("Control+A")
    one.page.keyboard.type("stripes")
    one.page.on("dialog", lambda dialog: dialog.accept())
    one.press("#fit button[type=submit]")
    one.see(".card.done .button.main")
    one.go("/monitor")
    one.page.locator("#would", has_text="Version 2 has scored nothing here yet").wait_for()
    assert "9images scored by version 1" in (figures.text_content() or "")
    about = one.page.locator("#histogram-about").text_content() or ""
    assert about.startswith("Version 2: good images that were held back when it learnt, filled;")
    assert "it has scored nothing here yet. What lies right" in about
    one.go("/score")
    one.give(sorted((pictures / "odd").iterdir()))
    one.page.locator("#save").filter(has_text="Save 5 verdicts").wait_for()
    one.go("/models/stripes")
    one.press("button[data-take='1']")
    one.see("button[data-take='2']")
    one.go("/monitor")
    one.page.locator("#would", has_text="Of the last 9 images that version 1 scored").wait_for()
    assert "14images scored by version 1 or 2" in (figures.text_content() or "")
    counted = one.page.locator("#counted")
    assert "by whichever version was in use then: 1 or 2." in (counted.text_content() or "")
    # Each can be read at a glance, on a phone, too: a number on one line, and few words.
    one.page.set_viewport_size({"width": 360, "height": 740})
    for tile in figures.locator("li").all():
        height = "e => Math.round(e.clientHeight / parseFloat(getComputedStyle(e).lineHeight))"
        assert tile.locator("b").evaluate(height) == 1
        assert tile.locator("span").evaluate(height) <= 3
    assert one.problems == []


def test_the_monitor_says_what_was_removed(
    person: Callable[..., Person], pictures: Path, tmp_path: Path
) -> None:
    one = person(1280)
    learn(one, pictures)
    score(one, pictures)
    asked = "/api/v1/predictions?model=stripes&noticed=true"
    number = one.page.evaluate(f"page.ask('GET', '{asked}').then((said) => said.predictions[0].id)")
    address = f"/api/v1/predictions/{number}/review"
    one.page.evaluate(f"page.ask('POST', '{address}', {{ verdict: 'false_alarm' }})")
    database = Database(tmp_path / "data")
    retention.forget_predictions(database, time.time())
    database.close()
    one.go("/monitor")
    told = r"(\d) images called odd are undecided \(\1 can no longer be reviewed: --keep removed "
    one.page.locator("#undecided", has_text=re.compile(told)).wait_for()
    left = "has no single verdicts left: --keep removed them"
    one.page.locator("#would", has_text=f"Version 1 {left}, so nothing can be said").wait_for()
    one.page.locator("#histogram-about", has_text=f"; it {left}. What lies right").wait_for()
    assert one.problems == []


def test_an_unclear_one_that_is_bad_is_no_alarm(
    person: Callable[..., Person], pictures: Path, tmp_path: Path
) -> None:
    one = person(1280)
    learn(one, pictures)
    file = tmp_path / "three.oneclass"
    file.write_bytes(model_file(one))
    load(file, unclear=0.9).save(tmp_path / "unclear.oneclass")
    send(one.server.at("/api/v1/models/three/file"), tmp_path / "unclear.oneclass", "PUT")
    for picture in sorted((pictures / "new").iterdir()):
        send(one.server.at("/api/v1/models/three/score"), picture)
    asked = "/api/v1/predictions?model=three&noticed=true"
    made = one.page.evaluate(f"page.ask('GET', '{asked}').then((said) => said.predictions)")
    number = next(each["id"] for each in made if each["verdict"] == "unclear")
    address = f"/api/v1/predictions/{number}/review"
    one.page.evaluate(f"page.ask('POST', '{address}', {{ verdict: 'real' }})")
    one.go("/monitor?model=three")
    figures = one.page.locator("#monitor-figures")
    assert "; 1 of them bad" in figures.locator("li", has_text="unclear").inner_text()
    assert not figures.locator("li", has_text="missed").count()
    counted = one.page.locator("#counted").text_content() or ""
    assert "1 was marked as bad: neither good nor missed." in counted
    assert "counting what looks good or is unclear as good (1 review)" in counted
    assert one.problems == []


HIDE = """hidden => {
    Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_a_window_that_nobody_sees_holds_no_connection_and_is_up_to_date_when_seen(
    person: Callable[..., Person], pictures: Path
) -> None:
    one = person(1440)
    learn(one, pictures)
    name = one.page.url  # of the page of jobs
    behind = []
    for path in ("/", "/review", "/monitor", "/", "/review", "/", "/"):
        other = one.page.context.new_page()
        other.goto(one.server.at(path))
        other.wait_for_load_state()
        other.evaluate(HIDE, True)
        behind.append(other)
    # A browser has six connections to one server.
    one.page.goto(name, timeout=10_000)
    one.see("h1")
    score_page = behind[0]
    assert not score_page.locator("#tiles .tile").count()
    one.server.score(next((pictures / "odd").iterdir()).read_bytes())
    score_page.evaluate(HIDE, False)
    score_page.locator("#tiles .tile").wait_for()
    behind[1].evaluate(HIDE, False)
    behind[1].locator(".reviewing").wait_for()
    for other in behind:
        other.close()
