"""The row store changes no result, whatever is in it, whoever writes it, whatever fails."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from conftest import stripes, write_images
from oneclass import Detector, InputError, images, load
from oneclass.backbones import LayerSession
from oneclass.images import reading
from oneclass.rows import store
from oneclass.rows.cache import kinds, prune
from oneclass.rows.shards import read_manifest, write_shard
from oneclass.rows.store import RowStore

NETWORK = {"layer": "block_4", "grid": 2, "size": (64, 64), "n_halfspaces": 2}
GREY = {"backbone": "greyscale", "size": (12, 12), "n_halfspaces": 2}
RECORD = {"kind": "test"}


def content(number: int) -> bytes:
    return number.to_bytes(32, "little")


def row(number: int, width: int = 5) -> np.ndarray:
    return np.random.default_rng(number).normal(size=width).astype(np.float32)


def filled(folder: Path, numbers: range, each: int = 4) -> None:
    """Shards of `each` rows."""
    for start in range(numbers.start, numbers.stop, each):
        rows = RowStore(folder, RECORD)
        for number in range(start, min(start + each, numbers.stop)):
            rows.put(content(number), row(number), content(number + 1000))
        rows.flush()


def check(folder: Path, numbers: range) -> int:
    """How many rows are there; those that are, are right."""
    rows = RowStore(folder, RECORD)
    found = [(n, got) for n in numbers if (got := rows.get(content(n)))]
    for number, (values, digest) in found:
        np.testing.assert_array_equal(values, row(number), strict=True)
        assert digest == content(number + 1000)
    return len(found)


def fit(images: Any, cache: Path | None, **settings: Any) -> Detector:
    return Detector(**{**NETWORK, **settings}, cache=cache).fit(images)


def digest(detector: Detector, folder: Path) -> str:
    return detector.save(folder / "any.oneclass", rows=True)


def shards_of(cache: Path) -> list[Path]:
    return sorted(cache.glob("*/*.npy"))


@pytest.fixture
def small_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few rows fill one."""
    monkeypatch.setattr(store, "SHARD_BYTES", 3000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_images(tmp_path / "normal", stripes(30, seed=1))
    return tmp_path / "normal"


def forbid_work(patch: pytest.MonkeyPatch) -> None:
    """No image may be decoded; the network may only look at a blank one, to tell its shapes."""
    real = LayerSession.__call__

    def blank_only(self: LayerSession, batch: np.ndarray) -> list[np.ndarray]:
        assert not batch.any(), "the network ran"
        return real(self, batch)

    def no_decoding(*args: object, **more: object) -> None:
        raise AssertionError("an image was decoded")

    patch.setattr(LayerSession, "__call__", blank_only)
    patch.setattr(reading, "read", no_decoding)


@pytest.mark.parametrize(
    "settings", [{}, {"row_dtype": "float16"}, GREY | {"layer": None, "grid": None}]
)
def test_a_second_fit_decodes_nothing_and_gives_the_same_file(
    folder: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    plain = digest(fit(folder, None, **settings), tmp_path)
    cold = fit(folder, tmp_path / "cache", **settings)
    assert (cold.cache_use.found, cold.cache_use.computed) == (0, 30)  # type: ignore[union-attr]
    with pytest.MonkeyPatch.context() as patch:
        forbid_work(patch)
        with pytest.raises(AssertionError, match=r"decoded|ran"):
            fit(folder, None, **settings)
        warm = fit(folder, tmp_path / "cache", **settings)
    assert (warm.cache_use.found, warm.cache_use.computed) == (30, 0)  # type: ignore[union-attr]
    assert {digest(d, tmp_path) for d in (cold, warm)} == {plain}


@pytest.mark.parametrize("rows", ["image", "patches"])
def test_half_precision_takes_half_the_room_and_says_nearly_the_same(
    folder: Path, tmp_path: Path, rows: str
) -> None:
    sizes, scores = {}, {}
    for dtype in ("float16", "float32"):
        settings = {"rows": rows, "row_dtype": dtype, "grid": 4 if rows == "patches" else 2}
        fitted = fit(folder, tmp_path / dtype, **settings)
        fitted.save(tmp_path / f"{dtype}.oneclass", rows=True)
        again = load(tmp_path / f"{dtype}.oneclass")
        assert again.row_dtype == dtype
        new = stripes(10, seed=2)
        assert list(again.score(new)) == list(fitted.score(new))
        scores[dtype] = np.array([p.score for p in again.score(new)])
        sizes[dtype] = sum(kind.bytes for kind in kinds(tmp_path / dtype))
        assert {str(np.load(shard).dtype) for shard in shards_of(tmp_path / dtype)} == {dtype}
    assert sizes["float16"] < 0.7 * sizes["float32"]  # the manifests are as long
    assert np.abs(scores["float16"] - scores["float32"]).max() < 2e-3
    assert not np.array_equal(scores["float16"], scores["float32"])


def test_half_precision_rows_can_be_learnt_on(folder: Path, tmp_path: Path) -> None:
    settings = {"row_dtype": "float16", "n_halfspaces": 1}
    fit(folder, None, **settings).save(tmp_path / "m.oneclass", rows=True)
    detector = load(tmp_path / "m.oneclass")
    more = stripes(10, seed=5)
    assert detector.update(more).added == 10
    write_images(tmp_path / "more", more)
    fresh = fit([folder, tmp_path / "more"], None, **settings)
    assert fresh.card["fit"]["images_sha256"] == detector.card["fit"]["images_sha256"]
    expected = [p.score for p in fresh.score(stripes(5, seed=6))]
    found = [p.score for p in detector.score(stripes(5, seed=6))]
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_deep_images_are_not_decoded_again_either(tmp_path: Path, dtype: type) -> None:
    (tmp_path / "deep").mkdir()
    for i, image in enumerate(stripes(20, seed=3)):
        Image.fromarray((image * dtype(16)).astype(dtype)).save(tmp_path / f"deep/{i}.tif")
    plain = digest(fit(tmp_path / "deep", None), tmp_path)
    cold = digest(fit(tmp_path / "deep", tmp_path / "cache"), tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        forbid_work(patch)
        warm = digest(fit(tmp_path / "deep", tmp_path / "cache"), tmp_path)
    assert plain == cold == warm


def test_a_brighter_image_changes_the_scale_and_so_all_rows(tmp_path: Path) -> None:
    deep = stripes(20, seed=3).astype(np.uint16) * 16
    (tmp_path / "deep").mkdir()
    for i, image in enumerate(deep):
        Image.fromarray(image).save(tmp_path / f"deep/{i}.tif")
    fit(tmp_path / "deep", tmp_path / "cache")
    Image.fromarray(deep[0] * 2).save(tmp_path / "deep/bright.tif")
    more = fit(tmp_path / "deep", tmp_path / "cache")
    assert more.cache_use.found == 0  # type: ignore[union-attr]
    assert digest(more, tmp_path) == digest(fit(tmp_path / "deep", None), tmp_path)


def test_scoring_and_updating_use_it_too(folder: Path, tmp_path: Path) -> None:
    fit(folder, None).save(tmp_path / "m", rows=True)
    write_images(tmp_path / "new", stripes(8, seed=2))
    expected = load(tmp_path / "m").score(tmp_path / "new")
    load(tmp_path / "m", cache=tmp_path / "cache").score(tmp_path / "new")
    with pytest.MonkeyPatch.context() as patch:
        forbid_work(patch)
        warm = load(tmp_path / "m", cache=tmp_path / "cache")
        assert warm.score(tmp_path / "new") == expected
        assert warm.update(tmp_path / "new").added == 8
    plain = load(tmp_path / "m")
    plain.update(tmp_path / "new")
    assert digest(plain, tmp_path) == digest(warm, tmp_path)


@pytest.mark.usefixtures("small_shards")
@pytest.mark.parametrize("seed", range(4))
def test_any_state_of_the_cache_any_order_and_any_threads_give_the_same_file(
    folder: Path, tmp_path: Path, seed: int
) -> None:
    random = np.random.default_rng(seed)
    paths = sorted(folder.iterdir())
    expected = digest(fit(paths, None), tmp_path)
    cache = tmp_path / "cache"
    fit(random.permutation(paths)[: random.integers(2, 30)].tolist(), cache)
    for path in shards_of(cache):
        hurt(path, random)
    again = fit(random.permutation(paths).tolist(), cache, threads=int(random.integers(1, 5)))
    assert digest(again, tmp_path) == expected


def hurt(path: Path, random: np.random.Generator) -> None:
    """Nothing, a flipped bit, a cut, more bytes, or no file; of the rows or of their manifest."""
    victim = path if random.random() < 0.5 else path.with_suffix(".json")
    data = bytearray(victim.read_bytes())
    what = random.integers(5)
    if what == 1:
        data[random.integers(len(data))] ^= 1 << random.integers(8)
    elif what == 2:
        del data[random.integers(len(data)) :]
    elif what == 3:
        data += b"more"
    victim.write_bytes(data)
    if what == 4:
        victim.unlink()


def test_one_flipped_bit_anywhere_is_found_and_computed_again(tmp_path: Path) -> None:
    for seed in range(60):
        random = np.random.default_rng(seed)
        cache = tmp_path / str(seed)
        filled(cache, range(8))
        victim = random.choice(sorted((cache / store.folder_name(RECORD)).glob("[0-9a-f]*.*")))
        data = bytearray(victim.read_bytes())
        data[random.integers(len(data))] ^= 1 << random.integers(8)
        victim.write_bytes(data)
        rows = RowStore(cache, RECORD)
        found = sum(rows.get(content(n)) is not None for n in range(8))
        assert (found, rows.use.damaged) == (4, 1)
        assert check(cache, range(8)) == 4
        assert RowStore(cache, RECORD).use.damaged == 0  # it was thrown away


def test_a_manifest_whose_rows_are_gone_misleads_only_once(tmp_path: Path) -> None:
    filled(tmp_path, range(4))
    shards_of(tmp_path)[0].unlink()
    assert check(tmp_path, range(4)) == 0
    assert list(tmp_path.glob("*/*.json")) == [tmp_path / store.folder_name(RECORD) / store.RECORD]
    filled(tmp_path, range(4))
    assert check(tmp_path, range(4)) == 4


def test_a_file_that_changes_while_it_is_read_is_not_kept(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = images.read
    other = write_images(tmp_path / "other", stripes(1, seed=9))[0]

    def swapping(path: Path, **how: Any) -> np.ndarray:
        pixels = real(path, **how)
        shutil.copy(other, path)
        return pixels

    with monkeypatch.context() as patch:
        patch.setattr(reading, "read", swapping)
        fit(folder, tmp_path / "cache")
    assert shards_of(tmp_path / "cache") == []


def test_images_that_cannot_be_read_are_tried_again(folder: Path, tmp_path: Path) -> None:
    broken = folder / "000.png"
    whole = broken.read_bytes()
    broken.write_bytes(whole[:100])
    assert len(fit(folder, tmp_path / "cache").errors) == 1
    broken.write_bytes(whole)
    assert fit(folder, tmp_path / "cache").errors == ()


def test_kinds_are_kept_apart(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    for settings in ({}, {"layer": "block_5"}, {"size": (48, 64)}, {"grid": 1}):
        assert fit(folder, cache, **settings).cache_use.found == 0  # type: ignore[union-attr]
    assert [kind.rows for kind in kinds(cache)] == [30] * 4
    assert {kind.name for kind in kinds(cache)} >= {
        "pretrained_layers efficientnet-lite0 block_4@2",
        "pretrained_layers efficientnet-lite0 block_5@2",
    }


class FailingDisk:
    """The k-th request of the system, of those that write, and all later ones fail."""

    CALLS = ("open", "fdopen", "fsync", "mkdir", "replace")

    def __init__(self, patch: pytest.MonkeyPatch, k: int, number: int = errno.ENOSPC) -> None:
        self.left, self.failed, self.number = k, False, number
        for name in self.CALLS:
            patch.setattr(os, name, self.wrapped(getattr(os, name)))

    def wrapped(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            self.left -= 1
            if self.left < 0:
                self.failed = True
                if real.__name__ == "fdopen":
                    os.close(args[0])
                raise OSError(self.number, os.strerror(self.number))
            return real(*args, **more)

        return call


def test_a_full_disk_at_every_write_costs_the_fit_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SHARD_BYTES", 30 * 12 * 12 * 4 // 3)  # three shards
    plain = digest(fit(folder, None, **GREY, layer=None, grid=None), tmp_path)
    for k in range(100):
        cache = tmp_path / f"cache{k}"
        with pytest.MonkeyPatch.context() as patch:
            disk = FailingDisk(patch, k)
            detector = fit(folder, cache, **GREY, layer=None, grid=None)
        use = detector.cache_use
        assert use is not None
        assert digest(detector, tmp_path) == plain
        if not disk.failed:
            break
        if use.stopped is not None:  # only the folder's own fsync comes after the last write
            assert "No space left on device" in use.stopped
        again = fit(folder, cache, **GREY, layer=None, grid=None)
        assert digest(again, tmp_path) == plain
        assert again.cache_use.damaged == 0  # type: ignore[union-attr]
        assert not list(cache.glob("*/.oneclass-*"))
    assert 15 < k < 99
    assert use.stopped is None


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_a_folder_that_may_only_be_read_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    filled(tmp_path, range(8))
    rows = RowStore(tmp_path, RECORD)
    with monkeypatch.context() as patch:
        FailingDisk(patch, 0, number)
        rows.put(content(9), row(9), content(1009))
        rows.flush()
    assert rows.use.stopped == f"cannot write {tmp_path}: {os.strerror(number)}"
    assert check(tmp_path, range(10)) == 8


def test_a_place_for_no_cache_is_refused_before_any_work(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"cache .*file: it is no folder.*'none'"):
        fit(folder, tmp_path / "file")


def command(folder: Path, out: str, *more: str) -> list[str]:
    words = ("-m", "oneclass", "fit", folder, "-o", folder.parent / out, "--cache")
    size = ("--backbone", "greyscale", "--size", "24", "--threads", "1")
    return [sys.executable, *map(str, (*words, folder.parent / "cache", *size, *more))]


KILLED = """
import sys
from oneclass.rows import store
from oneclass.__main__ import main
store.SHARD_BYTES = 5000
sys.argv = ["oneclass", *sys.argv[1:]]
sys.exit(main())
"""


def test_kill_at_random_points_then_the_same_command_gives_the_same_model(
    folder: Path, tmp_path: Path
) -> None:
    write_images(folder, stripes(120, seed=5, side=40))
    expected = digest(fit(folder, None, **GREY | {"size": (24, 24)}, layer=None, grid=None),
                      tmp_path)  # fmt: skip
    words = [sys.executable, "-c", KILLED, *command(folder, "m", "--halfspaces", "2")[3:]]
    random = np.random.default_rng(0)
    killed = 0
    for _ in range(6):
        process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        started = time.monotonic()
        while not list((tmp_path / "cache").glob("*/*")) and time.monotonic() - started < 20:
            time.sleep(0.002)
        time.sleep(random.uniform(0, 0.03))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        (tmp_path / "m").unlink(missing_ok=True)
        if random.random() < 0.5:
            for path in shards_of(tmp_path / "cache")[::2]:
                path.with_suffix(".json").unlink(missing_ok=True)
    assert killed >= 3
    done = subprocess.run(words, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "damaged" not in done.stderr
    assert load(tmp_path / "m").digest == expected


def test_two_processes_fill_one_store(folder: Path, tmp_path: Path) -> None:
    running = [subprocess.Popen(command(folder, f"m{i}"), stderr=subprocess.PIPE) for i in (0, 1)]
    for process in running:
        _, told = process.communicate(timeout=60)
        assert process.returncode == 0, told
    assert (tmp_path / "m0").read_bytes() == (tmp_path / "m1").read_bytes()
    third = fit(folder, tmp_path / "cache", **GREY | {"size": (24, 24)}, layer=None, grid=None)
    assert third.cache_use.found == 30  # type: ignore[union-attr]


def test_writers_see_each_others_rows_and_readers_take_the_union(tmp_path: Path) -> None:
    one, two = RowStore(tmp_path, RECORD), RowStore(tmp_path, RECORD)
    for number in range(10):
        (one, two)[number % 2].put(content(number), row(number), content(number + 1000))
    one.put(content(1), row(1), content(1001))
    one.flush()
    two.flush()
    assert check(tmp_path, range(12)) == 10


@pytest.mark.linux
def test_what_is_not_ours_is_left_alone_and_does_no_harm(tmp_path: Path) -> None:
    filled(tmp_path, range(8))
    kind = tmp_path / store.folder_name(RECORD)
    (kind / "notes.json").write_text("{}")
    (kind / f"{'a' * 32}.json").mkdir()
    os.mkfifo(kind / f"{'b' * 32}.json")
    (tmp_path / "thesis.npy").write_bytes(b"dear")
    (tmp_path / ("c" * 64)).symlink_to(tmp_path / "elsewhere")
    (kind / f"{'d' * 32}.json").write_text('{"manifest_sha256": []}')
    assert RowStore(tmp_path, RECORD).use.damaged == 1
    assert check(tmp_path, range(8)) == 8
    prune(tmp_path, most_bytes=0)
    assert (tmp_path / "thesis.npy").read_bytes() == b"dear"
    assert (kind / "notes.json").exists()
    assert check(tmp_path, range(8)) == 0


def test_a_manifest_of_senseless_content_is_no_crash(tmp_path: Path) -> None:
    shard = write_shard(tmp_path, [(content(1), content(2), row(1))])
    for text in ("", "[]", "null", "3", "{}", '{"manifest_sha256": 1}', "[" * 5000, "\udcff"):
        shard.manifest.write_bytes(text.encode("utf-8", "surrogateescape"))
        with pytest.raises(ValueError):  # noqa: PT011
            read_manifest(shard.manifest)


def test_prune_removes_what_was_used_longest_ago(tmp_path: Path) -> None:
    filled(tmp_path, range(20), each=4)
    every = [shard for kind in kinds(tmp_path) for shard in kind.shards]
    for shard in every:
        first = int.from_bytes(shard.keys[0], "little")
        os.utime(shard.manifest, (0, time.time() - 86400 * (20 - first)))
    size = sum(p.stat().st_size for p in tmp_path.glob("*/*") if p.name != store.RECORD)
    assert prune(tmp_path).shards == 0
    assert prune(tmp_path, unused_for=86400 * 17).shards == 1
    assert check(tmp_path, range(4)) == 0
    assert prune(tmp_path, most_bytes=size * 3 // 5).shards == 1
    assert check(tmp_path, range(4, 8)) == 0
    assert check(tmp_path, range(8, 20)) == 12
    assert prune(tmp_path, most_bytes=0).shards == 3
    assert list(tmp_path.iterdir()) == []


def test_using_rows_keeps_them_from_being_pruned(tmp_path: Path) -> None:
    filled(tmp_path, range(8))
    for manifest in tmp_path.glob("*/*.json"):
        os.utime(manifest, (0, 0))
    assert RowStore(tmp_path, RECORD).get(content(5))
    assert prune(tmp_path, unused_for=3600).shards == 1
    assert check(tmp_path, range(8)) == 4


def test_prune_removes_damage_and_what_killed_writers_left(tmp_path: Path) -> None:
    filled(tmp_path, range(12))
    bad, alone, fresh = shards_of(tmp_path)
    bad.write_bytes(bad.read_bytes()[:-1] + b"\0\0")
    for path in (alone, fresh):
        path.with_suffix(".json").unlink()
    part = bad.with_name(".oneclass-x.part")
    part.touch()
    for path in (alone, part):
        os.utime(path, (0, 0))
    done = prune(tmp_path)
    assert (done.shards, done.leftovers) == (0, 2)
    assert fresh.exists()  # its writer may be about to write the manifest
    assert prune(tmp_path, damaged=True).shards == 1


def test_the_commands(folder: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "ONECLASS_CACHE": str(tmp_path / "cache")}

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        whole = [sys.executable, "-m", "oneclass", *map(str, words)]
        return subprocess.run(whole, capture_output=True, text=True, env=environment, check=False)

    grey = ("--backbone", "greyscale", "--size", "8")
    assert "cache: 0 of 30 rows found" in run("fit", folder, "-o", tmp_path / "m", *grey).stderr
    assert "cache: 30 of 30 rows found" in run("fit", folder, "-o", tmp_path / "m", *grey).stderr
    off = run("fit", folder, "-o", tmp_path / "m", *grey, "--cache", "none")
    assert "cache" not in off.stderr
    told = run("cache", "info")
    assert told.returncode == 0
    assert "30 rows" in told.stdout
    assert "greyscale" in told.stdout
    assert '"rows": 30' in run("cache", "info", "--json").stdout
    assert run("cache", "prune", "--max-size", "lots").returncode == 2
    assert "removed 0 files of rows and" in run("cache", "prune", "--older-than", "30d").stderr
    assert "removed 1 file of rows " in run("cache", "prune", "--max-size", "0B").stderr
    assert "no such folder" in run("cache", "info", tmp_path / "nowhere").stderr
    (tmp_path / "empty").mkdir()
    told = run("cache", "info", tmp_path / "empty").stderr
    assert f"no rows are kept in {tmp_path / 'empty'}. Is it one that 'oneclass" in told
