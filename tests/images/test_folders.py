"""Inputs -> files: what a person may give on a command line, and what may lie in a folder."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneclass.images.folders import SUFFIXES, expand
from oneclass.system.names import natural_key


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def names(folder: Path, *inputs: str | Path, stdin: bytes = b"") -> list[str]:
    listing = expand(inputs, stdin=io.BytesIO(stdin))
    assert listing.errors == ()
    return [os.path.relpath(path, folder) for path in listing.paths]


def test_a_folder_is_walked_in_natural_order(tmp_path: Path) -> None:
    touch(
        tmp_path, "i10.png", "i2.PNG", "i1.jpeg", "b/2.tif", "b/c/1.webp", "a/9.bmp", "no.csv", "x"
    )
    assert names(tmp_path, tmp_path) == [
        "i1.jpeg", "i2.PNG", "i10.png", "a/9.bmp", "b/2.tif", "b/c/1.webp",
    ]  # fmt: skip
    assert dict(expand([tmp_path]).ignored) == {".csv": 1, "": 1}


def test_hidden_and_system_files_are_passed_over(tmp_path: Path) -> None:
    touch(
        tmp_path, ".h.png", ".git/a.png", "__MACOSX/._a.png", "__MACOSX/b.png", "Thumbs.db", "a.png"
    )
    assert names(tmp_path, tmp_path) == ["a.png"]
    assert dict(expand([tmp_path]).ignored) == {}


def test_every_suffix_in_any_case(tmp_path: Path) -> None:
    touch(tmp_path, *(f"a{suffix}" for suffix in SUFFIXES), *(f"b{s.upper()}" for s in SUFFIXES))
    assert len(names(tmp_path, tmp_path)) == 2 * len(SUFFIXES)


def test_a_named_file_is_taken_whatever_its_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "scan.xyz", ".hidden")
    assert names(tmp_path, tmp_path / "scan.xyz", tmp_path / ".hidden") == ["scan.xyz", ".hidden"]


@pytest.mark.linux
def test_each_file_once_and_inputs_in_their_order(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png", "c/d.png")
    (tmp_path / "link.png").symlink_to("a.png")
    given_twice = (tmp_path / "c", tmp_path / "b.png", tmp_path, f"{tmp_path}/c/../b.png")
    assert names(tmp_path, *given_twice) == ["c/d.png", "b.png", "a.png"]


def test_a_lone_path_is_a_list_of_one(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    assert [*expand(tmp_path).paths] == [*expand(str(tmp_path)).paths] == [tmp_path / "a.png"]


@pytest.mark.linux
def test_links_in_circles_end(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "b/2.png")
    (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a" / "b").symlink_to(tmp_path / "b", target_is_directory=True)
    (tmp_path / "b" / "a").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "b" / "self").symlink_to("self")
    assert names(tmp_path, tmp_path) == ["a/1.png", "a/b/2.png"]
    assert names(tmp_path, f"{tmp_path}/**/*.png") == ["a/1.png", "a/b/2.png"]


@pytest.mark.linux
def test_a_broken_link_is_listed_so_that_reading_it_reports_it(tmp_path: Path) -> None:
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    assert names(tmp_path, tmp_path) == ["gone.png"]
    assert names(tmp_path, tmp_path / "gone.png") == ["gone.png"]


def test_folders_nested_hundreds_deep(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*"d" * 400)
    os.makedirs(deep)  # noqa: PTH103 -- Path.mkdir goes deeper into Python's stack
    touch(deep, "a.png")
    assert len(expand([tmp_path]).paths) == 1


GLOBS = ("a1.png", "a2.jpg", "a.csv", "s/a3.png", "s/t/a4.png", "s/t/.a5.png", "n/good/x.png")


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.png", ["a1.png"]),
        ("a?.*", ["a1.png", "a2.jpg"]),
        ("[ab]1.png", ["a1.png"]),
        ("*", ["a1.png", "a2.jpg", "n/good/x.png", "s/a3.png", "s/t/a4.png"]),
        ("**", ["a1.png", "a2.jpg", "n/good/x.png", "s/a3.png", "s/t/a4.png"]),
        ("**/*.png", ["a1.png", "n/good/x.png", "s/a3.png", "s/t/a4.png"]),
        ("s/**/*.png", ["s/a3.png", "s/t/a4.png"]),
        ("**/t/*", ["s/t/a4.png"]),
        ("**/good", ["n/good/x.png"]),
        ("*/**/a4.png", ["s/t/a4.png"]),
    ],
)
def test_globs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, expected: list[str]
) -> None:
    touch(tmp_path, *GLOBS)
    assert names(tmp_path, f"{tmp_path}/{pattern}") == expected
    monkeypatch.chdir(tmp_path)
    assert [str(path) for path in expand([pattern]).paths] == expected


def test_a_real_name_comes_before_a_pattern(tmp_path: Path) -> None:
    touch(tmp_path, "a[1].png", "a1.png", "what?.png", "d[1]/x.png")
    assert names(tmp_path, tmp_path / "a[1].png") == ["a[1].png"]
    assert names(tmp_path, tmp_path / "what?.png") == ["what?.png"]
    assert names(tmp_path, tmp_path / "d[1]") == ["d[1]/x.png"]


def test_what_leads_nowhere_is_an_error_and_stops_nothing(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    listing = expand([tmp_path / "no.png", f"{tmp_path}/*.gif", "a\0b", tmp_path])
    assert [path.name for path in listing.paths] == ["a.png"]
    assert [error.reason for error in listing.errors] == ["missing"] * 3
    assert "pattern" in listing.errors[1].detail


def test_an_empty_folder_and_no_input_are_no_errors(tmp_path: Path) -> None:
    assert [*expand([tmp_path]).paths] == [*expand([]).paths] == []


ODD = ["new\nline.png", 'com,ma "and" quote\'s.png', "-dash.png", " space .png", "#hash.png",
       "ümläut.png", os.fsdecode(b"not-\xff-utf8.png")]  # fmt: skip


def test_odd_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, *ODD)
    assert sorted(names(tmp_path, tmp_path)) == sorted(ODD)
    monkeypatch.chdir(tmp_path)
    stdin = b"\0".join(os.fsencode(name) for name in ODD) + b"\0"
    assert names(tmp_path, "-", stdin=stdin) == ODD
    by_line = ODD[1:]
    assert names(tmp_path, "-", stdin=b"\n".join(map(os.fsencode, by_line))) == by_line


def test_a_list_is_relative_to_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path, "data/a.png", "data/b.png", "data/s/c.png", "a.png", "away.png")
    text = f"# a comment\r\n\r\na.png\r\n{tmp_path}/away.png\n   \ns\n*.png\nno.png\nlist.txt"
    (tmp_path / "data" / "list.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    monkeypatch.chdir(tmp_path)
    listing = expand(["data/list.txt"])
    found = [os.path.relpath(path, tmp_path) for path in listing.paths]
    assert found == ["data/a.png", "away.png", "data/s/c.png", "data/b.png"]
    assert [error.path for error in listing.errors] == [Path("data/no.png")]
    assert str(Path("data/list.txt")) in listing.errors[0].detail


def test_a_path_named_dash_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "-")
    monkeypatch.chdir(tmp_path)
    assert names(tmp_path, Path("-")) == names(tmp_path, "./-") == ["-"]


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=8))
def test_natural_order_is_total_and_sorts_numbers_by_value(texts: list[str]) -> None:
    backwards = texts[::-1]
    assert sorted(texts, key=natural_key) == sorted(backwards, key=natural_key)
    assert natural_key("x9") < natural_key("x10") < natural_key("X011")


def test_neither_pillow_nor_numpy_is_loaded() -> None:
    code = (
        "import sys, oneclass.images.folders;"
        "print(*{'PIL', 'numpy', 'torch', 'onnxruntime'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert done.stdout.strip() == b""


LISTED = "0000.png\r\nsub/ä1.png\r\n"


def test_what_standard_input_names_in_vain_says_where_it_was_named() -> None:
    (error,) = expand(["-"], stdin=io.BytesIO(b"gone.png\n")).errors
    assert error.detail.endswith("(standard input names it)")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"])
@pytest.mark.parametrize("by", ["list", "stdin"])
def test_a_list_in_another_encoding(tmp_path: Path, encoding: str, by: str) -> None:
    """What PowerShell's > writes; with its mark it is read, and without one refused whole."""
    touch(tmp_path, "0000.png", "0002.png", "sub/ä1.png", "sub/b.png", "0/a.png", "p/b.png")
    marked = encoding in ("utf-16", "utf-32", "utf-8-sig")
    data = LISTED.encode(encoding)
    if by == "list":
        (tmp_path / "list.txt").write_bytes(data)
        listing = expand([tmp_path / "list.txt"])
    else:
        listing = expand(["-"], stdin=io.BytesIO(data.replace(b"sub", b"sub")))
    if not marked:
        assert [*listing.paths] == []
        assert [error.reason for error in listing.errors] == ["unreadable"]
        assert "UTF-8" in listing.errors[0].detail
    elif by == "list":
        assert [os.path.relpath(path, tmp_path) for path in listing.paths] == LISTED.split()
    else:
        assert [str(error.path) for error in listing.errors] == LISTED.split()


@pytest.mark.parametrize(
    "entry",
    [
        ".",
        "/",
        "./",
        "..",
        "../..",
        "//",
        " . ",
        "*",
        "**",
        "C:\\",
        "/tmp/..",
        "s/..",
        "./s/../",
        "s/../*",
        "file:///",
        "file:///tmp/..",
    ],
)
@pytest.mark.parametrize("end", ["\n", "\0"])
def test_a_list_never_asks_for_everything(tmp_path: Path, entry: str, end: str) -> None:
    touch(tmp_path, "a.png", "s/b.png")
    (tmp_path / "list.txt").write_text(f"{entry}{end}s/b.png{end}")
    listing = expand([tmp_path / "list.txt"])
    assert [path.name for path in listing.paths] == ["b.png"]
    assert [error.reason for error in listing.errors] == ["not_a_file"]
    assert repr(entry) in listing.errors[0].detail


@pytest.mark.linux
def test_a_list_never_asks_for_the_root_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "all").symlink_to("/")
    touch(tmp_path, "a.png")
    (tmp_path / "list.txt").write_text("all\n/proc/self/root\na.png\n")
    listing = expand([tmp_path / "list.txt"])
    assert [path.name for path in listing.paths] == ["a.png"]
    assert [error.reason for error in listing.errors] == ["not_a_file"] * 2


def test_the_end_that_dos_adds_is_no_entry(tmp_path: Path) -> None:
    touch(tmp_path, "a.png")
    (tmp_path / "list.txt").write_bytes(b"a.png\r\n\x1a")
    listing = expand([tmp_path / "list.txt"])
    assert ([path.name for path in listing.paths], listing.errors) == (["a.png"], ())


@pytest.mark.linux
def test_one_stray_zero_at_the_end_of_a_proper_list(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png", "c\nd.png")
    for data in (
        b"a.png\nb.png\n\0",
        b"a.png\nb.png\0",
        b"a.png\r\nb.png\r\n\0\0",
        b"a.png\0b.png",
    ):
        (tmp_path / "list.txt").write_bytes(data)
        assert names(tmp_path, tmp_path / "list.txt") == ["a.png", "b.png"], data
    (tmp_path / "list.txt").write_bytes(b"c\nd.png\0")
    assert names(tmp_path, tmp_path / "list.txt") == ["c\nd.png"]


@pytest.mark.parametrize(
    "junk",
    [
        b"a.png\n\x00b.png\n",
        b"a\x00\x00b",
        b"\x00a.png",
        bytes(range(256)) * 40,
        b"a\n\xff.\x00png\nb\n",
        b"a\nb\x00\nb\n",
    ],
)
def test_junk_with_zeros_is_refused_whole(tmp_path: Path, junk: bytes) -> None:
    touch(tmp_path, "a.png", "a", "b")
    (tmp_path / "list.txt").write_bytes(junk)
    listing = expand([tmp_path / "list.txt"])
    assert [*listing.paths] == []
    assert [error.reason for error in listing.errors] == ["unreadable"]


def test_between_zeros_nothing_is_a_pattern(tmp_path: Path) -> None:
    touch(tmp_path, "a1.png", "a2.png")
    (tmp_path / "list.txt").write_bytes(b"a*.png\0a1.png\0")
    listing = expand([tmp_path / "list.txt"])
    assert [path.name for path in listing.paths] == ["a1.png"]
    assert [error.reason for error in listing.errors] == ["missing"]


@pytest.mark.linux
@pytest.mark.parametrize(
    ("entry", "advice"),
    [
        ('"a.png"', "without the quotes"),
        ("s\\a.png", "write / instead"),
        ("straße.png".encode("latin-1"), "save the list as UTF-8"),
        ("~/a.png", "write the folder out"),
        ("s3:/bucket/a.png", "two slashes"),
        ("no.png", "check the path"),
        ("a.png,good", "and nothing else in it"),
        ("a.png\tgood", "and nothing else in it"),
        ('["a.png","b.png"]', "and nothing else in it"),
        ("b.png\ra.png", "line end"),
        ("\u202aa.png", "invisible character"),
        ("a.png\u200b", "invisible character"),
        ("[x]*.png", "check it"),
    ],
)
def test_what_to_do_about_an_entry_that_leads_nowhere(
    tmp_path: Path, entry: str | bytes, advice: str
) -> None:
    (tmp_path / "list.txt").write_bytes(entry.encode() if isinstance(entry, str) else entry)
    if "\r" not in str(entry):  # alone, it separates
        (error,) = expand([tmp_path / "list.txt"]).errors
        assert error.reason == "missing"
        assert advice in error.detail
    if isinstance(entry, str):
        assert advice in expand([entry]).errors[0].detail


@pytest.mark.linux
@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
def test_two_spellings_of_one_letter_are_one_name(tmp_path: Path, on_disk: str) -> None:
    """macOS takes an ü apart into two characters; lists made elsewhere do not."""
    touch(tmp_path, normalize(on_disk, "prüf/stück.png"))
    for form in ("NFC", "NFD"):
        (tmp_path / "list.txt").write_text(normalize(form, "prüf/stück.png"))
        found = names(tmp_path, tmp_path / "list.txt", tmp_path / normalize(form, "prüf"))
        assert found == [normalize(on_disk, "prüf/stück.png")]
        assert names(tmp_path, tmp_path / normalize(form, "prüf/st?ck*.png".replace("?", "ü"))) == [
            normalize(on_disk, "prüf/stück.png")
        ]


@pytest.mark.linux
def test_each_folder_on_the_way_may_be_spelt_in_its_own_way(tmp_path: Path) -> None:
    """As where a Mac's pictures are copied into a folder that was made elsewhere."""
    there = f"{normalize('NFC', 'prüf')}/{normalize('NFD', 'größe')}/{normalize('NFC', 'ü.png')}"
    touch(tmp_path, there)
    for form in ("NFC", "NFD"):
        assert names(tmp_path, tmp_path / normalize(form, "prüf/größe/ü.png")) == [there]
        assert names(tmp_path, tmp_path / normalize(form, "prüf/größe")) == [there]
    (error,) = expand([tmp_path / "prüf/grüße/ü.png"]).errors
    assert error.reason == "missing"


def test_lists_with_the_line_ends_of_old_macs(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b.png")
    (tmp_path / "list.txt").write_bytes(b"a.png\rb.png\r")
    assert names(tmp_path, tmp_path / "list.txt") == ["a.png", "b.png"]


@given(st.binary(max_size=200))
def test_no_bytes_for_a_list_ask_for_more_than_they_name(data: bytes) -> None:
    from oneclass.images.lists import entries, is_everything

    with suppress(ValueError):
        found, _ = entries(data, Path("/nonexistent"), comments=True)
        assert all(entry for entry in found)
        assert all(is_everything(entry) or entry.strip("./\\*? \t\r\n\v\f") for entry in found)


def test_files_named_more_than_once_are_told_and_overlaps_are_not(tmp_path: Path) -> None:
    place = touch(tmp_path, "a.png", "b.png", "c.png")
    a, b = str(place / "a.png"), str(place / "b.png")

    def again(*inputs: str | Path) -> list[str]:
        return [path.name for path in expand(inputs).repeated]

    assert again(a, b, a, place / "x" / ".." / "a.png") == ["a.png"]
    (place / "x").mkdir()
    assert again(a, b, a, place / "x" / ".." / "a.png") == ["a.png", "a.png"]
    assert again(place, a, b) == again(a, place) == again(place, place / "*.png") == []
    assert again(place, a, a) == ["a.png"]
    (place / "list.txt").write_text("a.png\nb.png\na.png\n")
    assert again(place / "list.txt") == ["a.png"]


def test_folders_that_hold_no_image_are_told(tmp_path: Path) -> None:
    place = touch(tmp_path, "good/a.png", "notes/a.csv")
    (place / "empty").mkdir()
    (place / "list.txt").write_text("good\nempty\n")

    def empty(*names: str) -> list[str]:
        return [Path(name).name for name in expand([place / name for name in names]).empty]

    assert empty("good", "empty", "notes", "good") == ["empty", "notes"]
    assert empty("list.txt", "list.txt", "good/a.png") == []
    assert empty("missing", "*/*.csv") == ["*.csv"]
