"""The model file: what goes in comes out, and nothing else is accepted."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from oneclass.detector.files import modelfile
from oneclass.errors import ModelFileError

CARD = {"name": "parts", "nu": 0.1, "list": [1, 2, 3], "nested": {"umlaut": "ä"}}
ARRAYS = {
    "coef": np.arange(12, dtype=np.float32).reshape(3, 4),
    "offset": np.array([0.25, -1e300, 5e-324]),
    "empty": np.zeros((0, 4), np.int64),
}


def written(tmp_path: Path) -> Path:
    path = tmp_path / "m.oneclass"
    modelfile.write(path, CARD, ARRAYS)
    return path


def test_round_trip(tmp_path: Path) -> None:
    path = written(tmp_path)
    card, arrays, digest = modelfile.read(path)
    assert card == CARD
    assert digest == hashlib.sha256(path.read_bytes()[:-32]).hexdigest()
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)


arrays_of_all_kinds = st.dictionaries(
    st.text(max_size=8),
    hnp.arrays(
        st.sampled_from([np.float32, np.float64, np.int64]),
        hnp.array_shapes(min_dims=0, max_side=5),
    ),
    max_size=4,
)


@given(
    st.dictionaries(st.text(max_size=5), st.none() | st.floats(allow_nan=False) | st.text()),
    arrays_of_all_kinds,
)
def test_any_card_and_arrays_come_back(tmp_path_factory, card, arrays) -> None:
    if any(isinstance(v, float) and np.isinf(v) for v in card.values()):
        return
    path = tmp_path_factory.mktemp("m") / "m.oneclass"
    modelfile.write(path, card, arrays)
    card_read, arrays_read, _ = modelfile.read(path)
    assert card_read == card
    assert arrays_read.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(arrays_read[name], array)


def content_of(tmp_path: Path, card: Any, arrays: Any) -> bytes:
    digest = modelfile.write(tmp_path / "x.oneclass", card, arrays)
    content = (tmp_path / "x.oneclass").read_bytes()
    assert content[-32:].hex() == digest
    return content


def test_same_content_same_bytes(tmp_path: Path) -> None:
    shuffled = dict(reversed(ARRAYS.items()))
    turned = dict(reversed(CARD.items()))
    assert content_of(tmp_path, CARD, ARRAYS) == content_of(tmp_path, turned, shuffled)


def test_arrays_in_any_memory_order_give_the_same_bytes(tmp_path: Path) -> None:
    coef = np.asfortranarray(ARRAYS["coef"]).astype(">f4")
    expected = content_of(tmp_path, CARD, ARRAYS)
    assert content_of(tmp_path, CARD, {**ARRAYS, "coef": coef}) == expected


def test_pieces_of_any_length_give_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = content_of(tmp_path, CARD, ARRAYS)
    for length in (1, 7, 64, 1000):
        monkeypatch.setattr(modelfile, "PIECE_BYTES", length)
        assert content_of(tmp_path, CARD, ARRAYS) == expected


def test_arrays_begin_at_multiples_of_64(tmp_path: Path) -> None:
    content = written(tmp_path).read_bytes()
    assert content.index(ARRAYS["coef"].tobytes()) % 64 == 0


def test_every_flipped_bit_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    good = path.read_bytes()
    for at in range(len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[at] ^= 1 << bit
            path.write_bytes(bad)
            with pytest.raises(ModelFileError, match="refused"):
                modelfile.read(path)


def test_every_truncation_and_an_appended_byte_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    good = path.read_bytes()
    for content in (*(good[:length] for length in range(len(good))), good + b"\0"):
        path.write_bytes(content)
        with pytest.raises(ModelFileError, match="refused"):
            modelfile.read(path)


def resealed(body: bytes) -> bytes:
    return body + hashlib.sha256(body).digest()


def test_another_format_version_says_so(tmp_path: Path) -> None:
    path = written(tmp_path)
    body = bytearray(path.read_bytes()[:-32])
    body[8:12] = struct.pack("<I", 99)
    path.write_bytes(resealed(bytes(body)))
    with pytest.raises(
        ModelFileError, match="format version 99; this oneclass reads versions 3 and 4"
    ):
        modelfile.read(path)


@pytest.mark.parametrize(
    "text",
    [
        b"{}",
        b"nonsense",
        b"[]",
        b"[" * 100_000,
        b'{"arrays": [{"name": "a", "dtype": "<f4", "shape": [1e999], "offset": 0}], "card": {}}',
        b'{"arrays": [{"name": "a", "dtype": "|O", "shape": [1], "offset": 0}], "card": {}}',
        b'{"arrays": [{"name": "a", "dtype": "<f4", "shape": [999], "offset": 0}], "card": {}}',
        b'{"arrays": [{"name": "a", "dtype": "<f4", "shape": [1], "offset": -8}], "card": {}}',
        b'{"arrays": [{"name": "a", "dtype": "<f4", "shape": [-1], "offset": 0}], "card": {}}',
    ],
)
def test_a_sealed_file_with_senseless_content_is_refused(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "m.oneclass"
    path.write_bytes(
        resealed(
            modelfile.HEAD.pack(modelfile.MAGIC, modelfile.VERSION, len(text)) + text + bytes(64)
        )
    )
    with pytest.raises(ModelFileError, match="no oneclass model"):
        modelfile.read(path)


def test_missing_file_and_other_files(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="nowhere"):
        modelfile.read(tmp_path / "nowhere")
    with pytest.raises(ModelFileError, match="cannot be read"):
        modelfile.read(tmp_path)
    other = tmp_path / "photo.png"
    other.write_bytes(b"\x89PNG" + bytes(100))
    with pytest.raises(ModelFileError, match="no oneclass model"):
        modelfile.read(other)


def test_a_folder_and_an_exported_model_are_told_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="the model stands before the images"):
        modelfile.read(tmp_path)
    exported = tmp_path / "m.onnx"
    exported.write_bytes(b"\x08\x08\x12\x08oneclass" + bytes(100))
    with pytest.raises(ModelFileError, match="Give the model itself") as error:
        modelfile.read(exported)
    assert "damaged" not in str(error.value)


def test_reading_needs_numpy_alone(tmp_path: Path) -> None:
    path = written(tmp_path)
    program = (
        "import sys, pathlib; from oneclass.detector.files import modelfile\n"
        "modelfile.read(pathlib.Path(sys.argv[1]))\n"
        "print([m for m in ('torch', 'onnxruntime', 'sklearn', 'PIL') if m in sys.modules])"
    )
    command = [sys.executable, "-c", program, str(path)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


def test_all_arrays_of_a_file_share_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "m.oneclass"
    modelfile.write(path, CARD, {str(i): np.full(100_000, i, np.float32) for i in range(10)})
    tracemalloc.start()
    _, arrays, _ = modelfile.read(path)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1.1 * path.stat().st_size
    assert peak < 2.2 * path.stat().st_size  # a piece of at most 8 MiB is hashed at a time
    assert all((arrays[str(i)] == i).all() for i in range(10))
    assert not any(array.flags.writeable for array in arrays.values())


def test_rows_stay_in_their_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modelfile, "PIECE_BYTES", 1 << 16)
    path, other = tmp_path / "m.rows", tmp_path / "n.rows"
    rows = np.random.default_rng(0).standard_normal((2000, 500)).astype(np.float16)
    words = np.arange(8000).reshape(2000, 4)
    modelfile.write(path, CARD, {"rows": rows, "digests": words})
    tracemalloc.start()
    card, sources = modelfile.open_rows(path)
    modelfile.write(other, card, sources)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < path.stat().st_size / 4
    assert card == CARD
    assert other.read_bytes() == path.read_bytes()
    np.testing.assert_array_equal(sources["rows"].take([7, 3]), rows[[7, 3]])
    np.testing.assert_array_equal(sources["digests"].take(range(2000)), words)


def test_damaged_rows_are_refused_like_damaged_models(tmp_path: Path) -> None:
    path = tmp_path / "m.rows"
    modelfile.write(path, CARD, {"rows": ARRAYS["coef"]})
    good = path.read_bytes()
    for at in range(0, len(good), 7):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with pytest.raises(ModelFileError) as in_place:
            modelfile.open_rows(path)
        with pytest.raises(ModelFileError) as in_memory:
            modelfile.read(path)
        assert str(in_place.value) == str(in_memory.value)
