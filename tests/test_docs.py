"""Every command, option, public name, exit code and reason is documented; links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

import oneclass
from oneclass import errors, images
from oneclass.cli import cli
from oneclass.detector.updating import NOT_LEARNT

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    *ROOT.glob("docs/**/*.md"),
]


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_and_option_is_documented(name: str) -> None:
    page = text_of("docs/commands.md")
    assert f"## oneclass {name}" in page
    section = page.split(f"## oneclass {name}\n")[1].split("\n## ")[0]
    for parameter in cli.commands[name].params:
        check_option(parameter, section)
    for inner, command in getattr(cli.commands[name], "commands", {}).items():
        assert f"oneclass {name} {inner}" in section
        for parameter in command.params:
            check_option(parameter, section)


def check_option(parameter: click.Parameter, section: str) -> None:
    if isinstance(parameter, click.Option):
        assert parameter.help
        for option in parameter.opts:
            assert f"`{option}`" in section, option


@pytest.mark.parametrize("name", sorted(set(dir(oneclass)) - {"__version__"}))
def test_every_public_name_is_documented(name: str) -> None:
    assert f"`{name}" in text_of("docs/python.md")
    assert f"::: oneclass.{name}\n" in text_of("docs/reference.md")
    assert getattr(oneclass, name).__doc__


def test_every_exit_code_and_reason_is_documented() -> None:
    page = text_of("docs/commands.md")
    codes = {c.exit_code for c in vars(errors).values() if hasattr(c, "exit_code")} | {
        0,
        10,
        130,
        143,
    }
    for code in codes:
        assert re.search(rf"^\| {code}[ ,]", page, re.MULTILINE)
    of_model = ("bit_depth", "row_zero", "row_not_finite", "one_colour", NOT_LEARNT)
    for reason in (*images.REASONS, *of_model):
        assert f"`{reason}`" in text_of("docs/images.md"), reason


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_start_in_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from conftest import stripes, write_images

    write_images(tmp_path / "normal", stripes(40, seed=1))
    write_images(tmp_path / "incoming", stripes(6, seed=2, upright=False))
    program = re.search(r"```python\n(.*?)```", text_of("README.md"), re.DOTALL)
    assert program is not None
    assert len(program[1].strip().splitlines()) <= 8
    monkeypatch.chdir(tmp_path)
    exec(compile(program[1], "README.md", "exec"), {})
    assert list(tmp_path.glob("*.oneclass"))


def test_the_changelog_names_this_version() -> None:
    assert f"## {oneclass.__version__}" in text_of("CHANGELOG.md")
