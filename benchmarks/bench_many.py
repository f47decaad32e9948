"""The memory of a fit of patches to very many images.

    python benchmarks/bench_many.py [--images 100000] [--rows both] [--size 640] [--update]

The network is left out: it would take hours, and its memory does not depend on the number of
images. In its place stands a quick maker of rows of the same shape, positions of unit length around
some kinds; everything behind it (the sample, the rows on the disk, the fit, the held-out scores) is
what `Detector.fit` does. Prints seconds, the peak of the resident memory, the largest sum of the
temporary files, and the sizes of the model and of its rows.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneclass import Detector
from oneclass.detector.files.training_rows import rows_file
from oneclass.representations import PatchLayers, Representation, WholeAndPatches
from oneclass.system.arrays import Planes, Rows

KINDS, POOL, PIXELS = 60, 20_000, (4, 8)
DONE_EVERY = 5000


class Maker:
    """Rows that a network might have made, from a pool of positions of unit length.

    Args:
        depth: columns of a position.
        width: of the row of a whole image.
    """

    def __init__(self, depth: int, width: int) -> None:
        random = np.random.default_rng(0)
        kinds = np.abs(random.normal(0, 1, (KINDS, depth)))
        pool = kinds[random.integers(KINDS, size=POOL)] + random.normal(0, 0.3, (POOL, depth))
        self._pool = (pool / np.linalg.norm(pool, axis=1, keepdims=True)).astype(np.float16)
        self._whole = np.abs(random.normal(0, 1, (KINDS, width)))

    def patches(self, seed: int, positions: int) -> Rows:
        """(p, d): a stretch of the pool, for speed, with some others in it."""
        random = np.random.default_rng(seed)
        start = int(random.integers(POOL - positions))
        rows = self._pool[start : start + positions].copy()
        some = random.integers(positions, size=positions // 8)
        rows[some] = self._pool[random.integers(POOL, size=len(some))]
        return rows

    def whole(self, seed: int) -> Rows:
        random = np.random.default_rng(seed)
        row = self._whole[seed % KINDS] + random.normal(0, 0.5, self._whole.shape[1])
        return (row / np.linalg.norm(row)).astype(np.float16)


def put_in_place(maker: Maker) -> None:
    """Leave the resizing and the network out: an image's number is its seed."""

    def prepare(self: Any, pixels: Any, scale: Any, out: Planes | None = None) -> Planes:
        planes = np.empty(self.prepared_shape, np.float32) if out is None else out
        planes.reshape(-1)[0] = int.from_bytes(pixels.tobytes()[:3], "little")
        return planes

    def patches(self: PatchLayers, batch: Any) -> Rows:
        positions = self.grid[0] * self.grid[1]
        return np.stack([maker.patches(int(one.flat[0]), positions) for one in batch])

    def both(self: WholeAndPatches, batch: Any) -> Rows:
        rows = patches(self.patches, batch).reshape(len(batch), -1)
        whole = [maker.whole(int(one.flat[0])) for one in batch]
        return np.concatenate([np.stack(whole), rows], axis=1)

    PatchLayers.prepare, WholeAndPatches.prepare = prepare, prepare  # type: ignore[method-assign]
    as_it_is: Any = Representation.compute
    PatchLayers.compute, WholeAndPatches.compute = as_it_is, as_it_is  # type: ignore[method-assign]
    PatchLayers.rows_of, WholeAndPatches.rows_of = patches, both  # type: ignore[method-assign]


def images(n: int, start: int = 0) -> list[NDArray[np.uint8]]:
    """Small pictures, all different."""
    found = []
    for number in range(start, start + n):
        pixels = np.random.default_rng(number).integers(0, 256, PIXELS, np.uint8)
        pixels.reshape(-1)[:3] = list(number.to_bytes(3, "little"))
        found.append(pixels)
    return found


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--rows", choices=["patches", "both"], default="both")
    parser.add_argument("--size", type=int, default=640)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--update", action="store_true", help="learn a tenth more, forget some")
    asked = parser.parse_args()
    put_in_place(Maker(152, 2848))
    detector = Detector(rows=asked.rows, size=asked.size, threads=asked.threads)
    print(f"before: {peak_mb():.0f} MB", flush=True)
    last, begin, used = [0], time.process_time(), [0]

    def progress(done: int, n: int) -> None:
        if done - last[0] >= DONE_EVERY or done == n:
            last[0] = done
            used[0] = max(used[0], temporary_bytes())
            spent = time.process_time() - begin
            print(f"{done} images, {spent:.0f} s, {peak_mb():.0f} MB", flush=True)

    some = images(asked.images)
    detector.fit(some, progress=progress)
    print(
        f"fit of {asked.images} images: {time.process_time() - begin:.0f} s of processor time, "
        f"peak {peak_mb():.0f} MB, {used[0] / 2**30:.1f} GiB in temporary files, "
        f"{detector.model.calibration.n_held_out} held-out scores"
    )
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "m.oneclass"
        detector.save(file, rows=True)
        kept = rows_file(file).stat().st_size
        print(f"model {file.stat().st_size / 1e6:.2f} MB, rows beside it {kept / 2**30:.1f} GiB")
    if asked.update:
        begin = time.process_time()
        more = images(asked.images // 10, asked.images)
        did = detector.update(more, forget=some[: asked.images // 100])
        print(
            f"update: {did.added} more, {did.forgotten} forgotten, "
            f"{time.process_time() - begin:.0f} s, peak {peak_mb():.0f} MB"
        )


def temporary_bytes() -> int:
    """Bytes in this process's open files that have no name."""
    total = 0
    for link in Path("/proc/self/fd").iterdir():
        try:
            if "(deleted)" in str(link.readlink()):
                total += link.stat().st_size
        except OSError:
            continue
    return total


if __name__ == "__main__":
    main()
