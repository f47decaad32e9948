"""MAT files read as scipy reads them, and damaged ones refused."""

from __future__ import annotations

import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from hypothesis import given, settings
from hypothesis import strategies as st

from oneclass.backbones.matconvnet.matfile import Unread, read_mat

TYPES = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "f4", "f8")


def cells(*items: Any) -> Any:
    found = np.empty((1, len(items)), object)
    for i, item in enumerate(items):
        found[0, i] = item
    return found


def everything() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        **{f"a_{t}": (rng.random((2, 3, 4)) * 100).astype(t) for t in TYPES},
        "text": "fünf",
        "empty_text": "",
        "nothing": np.zeros((0, 0)),
        "one": np.array([[3.0]]),
        "inner": {"name": "x", "cells": cells("a", np.eye(2), {"deep": cells("b")})},
        "flag": np.array([[True, False]]),
    }


@pytest.mark.parametrize("compressed", [False, True])
def test_reads_what_scipy_wrote(tmp_path: Path, compressed: bool) -> None:
    written = everything()
    scipy.io.savemat(tmp_path / "x.mat", written, do_compression=compressed)
    found = read_mat(tmp_path / "x.mat")
    assert set(found) == set(written)
    for name in (n for n in written if n.startswith("a_")):
        np.testing.assert_array_equal(found[name], written[name])
        assert found[name].dtype == written[name].dtype
    assert found["text"] == "fünf"
    assert found["empty_text"] == ""
    assert found["nothing"].size == 0
    assert found["one"].shape == (1, 1)
    assert found["flag"].ravel().tolist() == [1, 0]
    inner = found["inner"]
    assert inner["name"] == "x"
    assert inner["cells"][0] == "a"
    np.testing.assert_array_equal(inner["cells"][1], np.eye(2))
    assert inner["cells"][2]["deep"] == ["b"]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=2, max_size=4),
    st.sampled_from(TYPES),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_any_array_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    shape: list[int],
    dtype: str,
    compressed: bool,
    seed: int,
) -> None:
    file = tmp_path_factory.mktemp("mat") / "x.mat"
    array = (np.random.default_rng(seed).random(shape) * 120).astype(dtype)
    scipy.io.savemat(file, {"x": array}, do_compression=compressed)
    reference = scipy.io.loadmat(file)["x"]
    np.testing.assert_array_equal(read_mat(file)["x"], reference)


def test_lines_of_text_and_arrays_of_structs(tmp_path: Path) -> None:
    several = np.array([(1.0, "a"), (2.0, "b")], dtype=[("n", object), ("s", object)])
    scipy.io.savemat(tmp_path / "x.mat", {"lines": np.array(["one", "three"]), "s": several})
    found = read_mat(tmp_path / "x.mat")
    assert found["lines"] == ["one", "three"]
    assert [item["s"] for item in found["s"]] == ["a", "b"]


def test_what_is_not_read_is_marked(tmp_path: Path) -> None:
    import scipy.sparse

    scipy.io.savemat(tmp_path / "x.mat", {"s": scipy.sparse.eye(3, format="csc"), "a": np.eye(2)})
    found = read_mat(tmp_path / "x.mat")
    assert Unread(5) in found.values()
    np.testing.assert_array_equal(found["a"], np.eye(2))


def test_a_big_endian_file_is_read(tmp_path: Path) -> None:
    values = struct.pack(">2d", 1.5, -2.0)
    name = struct.pack(">HH4s", 1, 1, b"x\0\0\0")
    name = struct.pack(">HH", 1, 1) + b"x\0\0\0"
    body = (
        struct.pack(">4I", 6, 8, 6, 0)
        + struct.pack(">2I2i", 5, 8, 1, 2)
        + name
        + struct.pack(">2I", 9, 16)
        + values
    )
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI"
    (tmp_path / "x.mat").write_bytes(head + struct.pack(">2I", 14, len(body)) + body)
    np.testing.assert_array_equal(read_mat(tmp_path / "x.mat")["x"], [[1.5, -2.0]])


def test_version_7_3_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.mat").write_bytes(b"MATLAB 7.3".ljust(512) + b"\x89HDF\r\n\x1a\n" + bytes(500))
    with pytest.raises(ValueError, match=r"7\.3.*-v7"):
        read_mat(tmp_path / "x.mat")


def test_a_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from oneclass.backbones.matconvnet import matfile

    monkeypatch.setattr(matfile, "MOST_BYTES", 1 << 16)
    scipy.io.savemat(tmp_path / "x.mat", {"x": np.zeros((1000, 1000))}, do_compression=True)
    with pytest.raises(ValueError, match="larger than the format allows"):
        read_mat(tmp_path / "x.mat")


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "compressed"])
def content(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    file = tmp_path_factory.mktemp("mat") / "x.mat"
    scipy.io.savemat(file, everything(), do_compression=request.param)
    return file.read_bytes()


def test_any_damage_is_a_value_error_or_harmless(content: bytes, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    file = tmp_path / "x.mat"
    refused = 0
    for _ in range(400):
        damaged = bytearray(content)
        for place in rng.integers(128, len(content), rng.integers(1, 4)):
            damaged[place] = rng.integers(256)
        file.write_bytes(
            damaged[: rng.integers(100, len(content) + 1)] if rng.random() < 0.3 else damaged
        )
        try:
            read_mat(file)
        except (ValueError, OverflowError):
            refused += 1
    assert refused > 100


@given(st.binary(max_size=400))
@settings(deadline=None)
def test_bytes_that_are_no_mat_file(tmp_path_factory: pytest.TempPathFactory, junk: bytes) -> None:
    file = tmp_path_factory.mktemp("mat") / "x.mat"
    file.write_bytes(b"MATLAB".ljust(126) + b"IM" + junk)
    try:
        found = read_mat(file)
    except ValueError:
        return
    assert isinstance(found, dict)


def _element(kind: int, body: bytes) -> bytes:
    return struct.pack("<2I", kind, len(body)) + body + bytes(-len(body) % 8)


def _matrix(kind: int, sides: bytes, *rest: bytes) -> bytes:
    flags = _element(6, struct.pack("<2I", kind, 0))
    return b"MATLAB".ljust(126) + b"IM" + _element(14, flags + sides + b"".join(rest))


HUGE = _element(5, struct.pack("<2i", 2**31 - 1, 1))
NONE = _element(5, struct.pack("<2i", 2**31 - 1, 0))


@pytest.mark.parametrize(
    "content",
    [
        _matrix(2, HUGE, _element(1, b"x"), _element(5, struct.pack("<i", 4)), _element(1, b"")),
        _matrix(4, NONE, _element(1, b"x"), _element(4, b"")),
        _matrix(6, _element(9, struct.pack("<2d", np.inf, 1)), _element(1, b"x")),
        _matrix(1, HUGE, _element(1, b"x")),
    ],
    ids=["structs without fields", "lines without text", "an infinite side", "cells"],
)
def test_a_small_file_takes_no_time_and_no_memory(tmp_path: Path, content: bytes) -> None:
    """Found by a fuzzer: a shape that nothing in the file bounds."""
    (tmp_path / "x.mat").write_bytes(content)
    start = time.perf_counter()
    with suppress(ValueError):
        read_mat(tmp_path / "x.mat")
    assert time.perf_counter() - start < 2
