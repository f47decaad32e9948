"""How much memory a container leaves, and large pieces one after the other."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from commands import oneclass
from conftest import stripes, write_images
from oneclass.system.host import memory, workers
from oneclass.system.host.memory import Room, available

GIB = 2**30
MEMINFO = "MemTotal: 64000000 kB\nMemFree: 1 kB\nMemAvailable:   8388608 kB\n"


def tree(root: Path, **files: str) -> Path:
    for name, text in {"proc/meminfo": MEMINFO, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def version_2(limit: str, used: int, cached: int, folder: str = "a/b") -> dict[str, str]:
    place = f"sys/fs/cgroup/{folder}/memory"
    return {
        "proc/self/cgroup": "0::/a/b\n",
        f"{place}.max": f"{limit}\n",
        f"{place}.current": f"{used}\n",
        f"{place}.stat": f"anon 5\ninactive_file {cached}\nfile 7\n",
    }


def version_1(limit: int, used: int, cached: int) -> dict[str, str]:
    place = "sys/fs/cgroup/memory/docker/1/memory"
    return {
        "proc/self/cgroup": "11:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n",
        f"{place}.limit_in_bytes": f"{limit}\n",
        f"{place}.usage_in_bytes": f"{used}\n",
        f"{place}.stat": f"cache 1\ntotal_inactive_file {cached}\n",
    }


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 8 * GIB),
        (version_2(str(2 * GIB), GIB, GIB // 2), 3 * GIB // 2),
        (version_2("max", GIB, 0), 8 * GIB),
        (version_2(str(GIB), 2 * GIB, 0), 0),
        (version_2("max", GIB, 0) | version_2(str(3 * GIB), GIB, 0, "a"), 2 * GIB),
        (version_1(2 * GIB, GIB, GIB // 4), 5 * GIB // 4),
        (version_1(9223372036854771712, GIB, 0), 8 * GIB),
        ({"proc/self/cgroup": "junk\n0::/../..\n"}, 8 * GIB),
    ],
    ids=["machine", "v2", "v2 max", "v2 over", "v2 above", "v1", "v1 none", "junk"],
)
def test_the_least_of_all_limits_counts(
    tmp_path: Path, files: dict[str, str], expected: int
) -> None:
    assert available(tree(tmp_path, **files)) == expected


def test_nothing_known_is_no_limit(tmp_path: Path) -> None:
    assert available(tmp_path) is None


def test_little_memory_means_few_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_cores", lambda: 64)
    monkeypatch.setattr(workers, "quotas", lambda root: [])
    for free, expected in ((None, 64), (100 * GIB, 64), (GIB, 8), (0, 1)):
        monkeypatch.setattr(workers, "available", lambda free=free: free)
        assert workers.worker_count() == expected
        assert workers.worker_count(5) == min(5, expected)


@pytest.mark.parametrize(("free", "most"), [(10 * GIB, 4), (3 * GIB, 2), (0, 1)])
def test_large_pieces_wait_for_room(free: int, most: int) -> None:
    room, lock, inside, peak = Room(lambda: free), threading.Lock(), [0], [0]

    def work() -> None:
        with room.of(GIB):
            with lock:
                inside[0] += 1
                peak[0] = max(peak[0], inside[0])
            time.sleep(0.02)
            with lock:
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert inside == [0]
    assert peak[0] <= most
    with room.of(memory.SMALL):  # small ones never wait
        pass


def test_an_error_inside_gives_the_room_back() -> None:
    room = Room(lambda: 0)
    for _ in range(2):
        with pytest.raises(MemoryError), room.of(GIB):
            raise MemoryError


def few_bytes() -> None:
    import resource  # only Linux and macOS have it

    resource.setrlimit(resource.RLIMIT_AS, (900_000 << 10, 900_000 << 10))


@pytest.mark.linux
def test_many_threads_on_large_images_in_little_memory(tmp_path: Path) -> None:
    """99 megapixels each: one after the other they fit, side by side they do not."""
    write_images(tmp_path / "normal", stripes(20, seed=1))
    (tmp_path / "new").mkdir()
    large = np.zeros((9900, 10000), np.uint8)
    for i in range(3):
        large[::2] = i + 1
        Image.fromarray(large).save(tmp_path / f"new/{i}.png", compress_level=1)
    words = ("--layer", "block_4", "--grid", "2", "--size", "64")
    assert oneclass("fit", "normal", "-o", "m.oneclass", *words, cwd=tmp_path).returncode == 0
    done = oneclass(
        *("score", "m.oneclass", "new", "-o", "run", "--threads", "3"),
        cwd=tmp_path, preexec_fn=few_bytes,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "run/run.json").read_text())["scored"] == 3


@pytest.mark.linux
def test_more_threads_than_the_memory_grants_are_no_bug(tmp_path: Path) -> None:
    write_images(tmp_path / "normal", stripes(300, seed=1))
    words = ("fit", "normal", "-o", "m.oneclass", "--threads", "64", "--size", "64")
    done = oneclass(*words, cwd=tmp_path, preexec_fn=few_bytes)
    assert done.returncode == 0, done.stderr


def test_memory_that_does_not_suffice_costs_that_image_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from oneclass import Detector, ImageError
    from oneclass.representations import layers

    images = list(stripes(20, seed=1))
    detector = Detector(layer="block_4", grid=2, size=(64, 64), threads=2).fit(images)
    compute = layers.PretrainedLayers.compute
    bad = images[3]

    def hungry(self: layers.PretrainedLayers, planes: np.ndarray) -> np.ndarray:
        if any(np.array_equal(plane, wanted) for plane in planes):
            raise MemoryError
        return compute(self, planes)

    wanted = np.empty(detector.model.representation.prepared_shape, np.float32)
    detector.model.representation.prepare(bad, detector.model.scale, wanted)
    monkeypatch.setattr(layers.PretrainedLayers, "compute", hungry)
    results = list(
        detector.score_each(__import__("oneclass.images.sources", fromlist=["x"]).gather(images))
    )
    failed = [i for i, result in enumerate(results) if isinstance(result, ImageError)]
    assert failed == [3]
    assert results[3].reason == "too_large"
    assert "--threads 1" in results[3].detail


@pytest.mark.linux
def test_the_peak_is_that_of_the_block_alone() -> None:
    # In a process of its own: an old one may have room that was freed and not given back.
    code = """
import numpy as np
from oneclass.system.host.memory import Peak
with Peak() as before:
    np.ones(60_000_000, np.uint8).sum()
with Peak() as after:
    pass
print(before.megabytes, after.megabytes)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = done.stdout.split()
    if "None" in (before, after):
        pytest.skip("this system does not let the peak begin anew")
    assert 55 < float(before) - float(after) < 120


def test_where_nothing_tells_the_peak_is_unknown(tmp_path: Path) -> None:
    with memory.Peak(tmp_path) as peak:
        pass
    assert peak.megabytes is None
