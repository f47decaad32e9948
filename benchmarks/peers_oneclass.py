"""oneclass on the pictures of a job of bench_peers: scores, maps and costs go to a file."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from oneclass import Detector, ImageError
from svm_clock import peak_bytes


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    side = job["side"] and (job["side"], job["side"])
    detector = Detector(rows=job["rows"], size=side, seed=job["seed"], threads=1)
    start = time.process_time()
    detector.fit(job["train"])
    fitted = time.process_time() - start
    start = time.process_time()
    found = list(detector.explain(job["test"]))
    seconds = time.process_time() - start
    scores, maps = {}, {}
    for one in found:
        assert not isinstance(one, ImageError), one
        name = Path(one.prediction.path).name
        scores[name], maps[name] = one.prediction.score, one.anomaly_map.astype(np.float32)
    np.savez(job["result"], **maps)
    model = Path(job["out"]) / "model.oneclass"
    detector.save(model)
    told = {
        "scores": scores,
        "fit_cpu_seconds": fitted,
        "cpu_ms_an_image": 1000 * seconds / len(scores),
        "peak_megabytes": peak_bytes() / 1e6,
        "learnt_kilobytes": model.stat().st_size / 1e3,
    }
    Path(job["result"]).with_suffix(".json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()
