"""What messages name exists: commands, options, extras, pages, and public names of Python."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
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
        own = {option for p in COMMANDS[name].params for option in p.opts} | {"--help"}
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


def test_nothing_names_a_page_that_is_not_installed() -> None:
    """The pages are in the source; who installed a wheel does not have them."""
    shown = [*MESSAGES, *((name, command.help or "") for name, command in COMMANDS.items())]
    web = [*SOURCE.rglob("*.html"), *SOURCE.rglob("*.js")]
    shown += [(str(path), path.read_text(encoding="utf-8")) for path in web]
    assert len(shown) > len(MESSAGES) + len(COMMANDS)
    pages = r"\b(docs|examples|benchmarks|tools)/\w|\b(CONTRIBUTING|CHANGELOG)\b"
    assert [(place, text) for place, text in shown if re.search(pages, text)] == []


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
    fixed = ("backbone pull {}", "npm pack onnxruntime-web@{}", "dask worker {}")
    assert [p for p in pasted if not any(one in p[1] for one in fixed)] == []


CLUSTER = {"fit", "score", "update", "check", "compare", "evaluate", "paper"}
DETECTOR = {"fit", "score", "update", "compare", "evaluate", "report", "export", "verify", "serve"}
BACKBONE = {name for name in COMMANDS if name.startswith("backbone")}
SERVE = {name for name in COMMANDS if name.startswith("serve")}
RAISED_BY = {
    "auxiliary": {"train", "backbone export"},
    "backbones": DETECTOR | BACKBONE,
    "cluster": CLUSTER,
    "conformal": DETECTOR,
    "datasets": {"paper", "demo"},
    "detector": DETECTOR,
    "evaluation": {"evaluate"},
    "export": {"export", "verify"},
    "paper": {"paper"},
    "report": {"report"},
    "representations": DETECTOR,
    "results": {"score", "report", "compare"},
    "serve": SERVE,
}
"""Commands that a room works for: what it advises is an option of one of these."""


def of_command(place: str) -> set[str]:
    """The commands that can say what stands at a place of the source; all where any can."""
    parts = place.partition(":")[0].removesuffix(".py").split("/")
    if parts[0] != "cli":
        return RAISED_BY.get(parts[0], set(COMMANDS))
    name = parts[-1]
    own = {one for one in COMMANDS if one.split(" ")[0] == name}
    return own or set(COMMANDS)


def test_every_option_is_one_of_a_command_that_can_name_it() -> None:
    """Options inside a quoted command are that command's, which another test looks at."""
    looked, wrong = 0, []
    for place, text in MESSAGES:
        plain = re.sub(r"'oneclass fit' with --[a-z-]+|'(oneclass|dask|npm) [^']*'", "", text)
        for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+(?![\w\[:-])", plain):
            if option in OF_OTHERS or place.startswith("cli/__init__"):
                continue
            theirs = {
                name
                for command in of_command(place)
                for p in COMMANDS[command].params
                for name in (*p.opts, *p.secondary_opts)
            }
            wrong += [(place, option)] * (option not in theirs | {"--help"})
            looked += 1
    assert looked > 100
    assert wrong == []


def test_the_rooms_that_name_options_are_known() -> None:
    rooms = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert set(RAISED_BY) <= rooms
    assert set().union(*RAISED_BY.values()) <= set(COMMANDS)


def test_every_verb_exists() -> None:
    """Outside of quotes, too: `oneclass fit`, in a help text or a sentence."""
    verbs = {name.split(" ")[0] for name in COMMANDS if name}
    prose = {"again", "belongs", "heatmap", "is", "model", "reads", "that"}
    hits = found(r"(?<![\w./-])oneclass ([a-z]+)\b")
    assert [hit for hit in hits if hit[1] not in verbs | prose] == []


def packages_of(extra: str) -> set[str]:
    """Names of what an extra installs, in small letters with dashes."""
    names = set()
    for line in PROJECT["optional-dependencies"][extra]:
        if inner := re.match(r"oneclass\[([\w,-]+)\]", line):
            names |= {name for one in inner[1].split(",") for name in packages_of(one)}
        elif name := re.match(r"[\w-]+", line):
            names.add(name[0].lower().replace("_", "-"))
    return names


def test_an_extra_brings_the_package_that_a_message_misses() -> None:
    calls = r"the package ([a-z_]+).*?pip_install\('([a-z0-9]+)'\)"
    missed = []
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                missed += [(path.name, *hit) for hit in re.findall(calls, ast.unparse(node))]
    assert len(missed) > 8
    for place, package, extra in missed:
        assert package.replace("_", "-") in packages_of(extra), (place, package, extra)


def test_who_reads_images_has_the_threads_that_are_to_be_fewer() -> None:
    """`MORE_MEMORY` and the end of a command without memory name --threads."""
    images = {"check", "compare", "evaluate", "export", "fit", "report", "score", "serve"}
    images |= {"train", "update", "verify"}
    without = {
        name for name in images if all("--threads" not in p.opts for p in COMMANDS[name].params)
    }
    assert without == set()


@pytest.mark.parametrize(
    "call",
    [
        "from choose_defaults import xray; xray(there)",
        "from choose_defaults import mnist; mnist(there)",
        "from bench_export import unpack; unpack(there / 'deeppcb.tar', there)",
        "import os; os.environ['ONECLASS_UNPACKED'] = os.environ['ONECLASS_DATA'] = str(there); "
        "from near_copies import pictures_of; pictures_of('tiles')",
    ],
)
def test_benchmarks_end_in_one_line_where_data_are_missing(tmp_path: Path, call: str) -> None:
    code = f"from pathlib import Path; there = Path({str(tmp_path)!r}); {call}"
    place = Path(__file__).parent.parent / "benchmarks"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert f"is missing: looked for {tmp_path}" in done.stderr
