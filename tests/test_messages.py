"""What messages name exists: commands, options, extras, pages, and public names of Python."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import oneclass
from oneclass.cli import cli
from oneclass.system.host.portable import as_typed

SOURCE = Path(oneclass.__file__).parent
ROOT = SOURCE.parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OF_OTHERS = {"--scheduler-file", "--inputs-as-nchw"}
"""Options of other programs: `dask scheduler`, tf2onnx."""


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Every text of a module but its docstrings; what an f-string fills in is `{}`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docs = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in node.values
    }
    left_out = docs | inside
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield (
                node.lineno,
                "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "{}"
                    for part in node.values
                ),
            )
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in left_out
        ):
            yield node.lineno, node.value


MESSAGES = [
    (f"{path.relative_to(SOURCE)}:{line}", text)
    for path in sorted(SOURCE.rglob("*.py"))
    for line, text in texts(path)
    if " " in text
]


def commands(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    yield name, command
    for inner, one in getattr(command, "commands", {}).items():
        yield from commands(one, f"{name} {inner}".strip())


COMMANDS = dict(commands(cli))
OPTIONS = {
    option
    for command in COMMANDS.values()
    for parameter in command.params
    if isinstance(parameter, click.Option)
    for option in (*parameter.opts, *parameter.secondary_opts)
} | {"--help"}


def found(pattern: str) -> list[tuple[str, str]]:
    """(place, match) of all messages; a test that looks at nothing proves nothing."""
    hits = [(place, hit) for place, text in MESSAGES for hit in re.findall(pattern, text)]
    assert hits
    return hits


def test_there_are_messages() -> None:
    assert len(MESSAGES) > 1000


def test_every_option_exists() -> None:
    named = found(r"(?<![\w-])--[a-z][a-z0-9-]+(?![\w\[:-])")
    unknown = [(place, name) for place, name in named if name not in OPTIONS | OF_OTHERS]
    assert unknown == []


def test_a_command_in_quotes_exists_and_has_the_options_beside_it() -> None:
    for place, text in found(r"'oneclass ([^']+)'"):
        words = text.split()
        name = max(
            (" ".join(words[:n]) for n in (1, 2, 3) if " ".join(words[:n]) in COMMANDS),
            key=len,
            default=None,
        )
        assert name is not None, (place, text)
        own = {option for p in COMMANDS[name].params for option in p.opts}
        assert {word for word in words if word.startswith("-")} <= own, (place, text)


def test_every_extra_is_in_pyproject() -> None:
    extras = PROJECT["optional-dependencies"]
    tree = [ast.parse(path.read_text(encoding="utf-8")) for path in SOURCE.rglob("*.py")]
    asked = [
        node.args[0].value
        for module in tree
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", None) == "pip_install"
        and isinstance(node.args[0], ast.Constant)
    ]
    assert len(asked) > 8
    assert set(asked) <= set(extras)
    assert all(name in extras for _, name in found(r"the extra ([a-z]+)\b"))


def test_what_is_to_be_installed_is_named_by_its_own_packages() -> None:
    """The package may come from a folder or a wheel, and pip need not find it under its name."""
    told = [(place, text) for place, text in MESSAGES if re.search(r"pip install .?oneclass", text)]
    assert [place.split(":")[0] for place, _ in told] == ["system/host/machine.py"]


def test_every_page_exists() -> None:
    for place, page in found(r"\bdocs/[\w/]+\.md"):
        assert (ROOT / page).is_file(), place


def test_every_name_of_python_exists() -> None:
    for place, name in found(r"\b(Detector\.\w+|oneclass\.svm\.\w+)"):
        owner, _, attribute = name.rpartition(".")
        home = oneclass.Detector if owner == "Detector" else __import__("oneclass.svm").svm
        assert hasattr(home, attribute), place


@pytest.mark.parametrize("words", [["score", "m.oneclass", "my pictures"]])
def test_a_command_that_is_shown_can_be_pasted(words: list[str]) -> None:
    import shlex

    assert shlex.split(as_typed(words)) == words


def test_a_command_with_a_path_in_it_can_be_pasted() -> None:
    """Paths have blanks: in a message they stand in a command only as `as_typed` writes them."""
    names = "oneclass|python3?|npm|dask"
    pasted = [
        (place, text) for place, text in MESSAGES if re.search(rf"'({names}) [^']*\{{\}}", text)
    ]
    fixed = ("backbone pull {}", "npm pack onnxruntime-web@{}")
    assert [p for p in pasted if not any(one in p[1] for one in fixed)] == []
