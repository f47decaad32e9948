"""anomalib's PatchCore or PaDiM on the pictures of a job; runs in the environment of bench_peers.

    python peers_anomalib.py JOB.json

Imports nothing of oneclass: the job tells all, and scores, maps and costs go to a file.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

import numpy as np
import timm
import torch
from anomalib.data import Folder, PredictDataset
from anomalib.engine import Engine
from anomalib.models import Padim, Patchcore
from anomalib.pre_processing import PreProcessor
from torch import nn
from torchvision.transforms.v2 import Compose, Normalize, Resize

torch.set_num_threads(1)
NETWORK, LAYERS = "tf_efficientnet_lite0", ["blocks.2", "blocks.4"]
"""block_4 and block_10 of the embedded network: the ends of these stages."""


def load_weights(network: nn.Module, weights: list[np.ndarray]) -> None:
    """Convolutions with their biases into pairs of convolution and batch normalisation, in order.

    The normalisation becomes the bias alone: mean 0, variance 1 less the epsilon, weight 1.
    """
    pairs = iter(zip(weights[::2], weights[1::2], strict=True))
    bias = None
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            weight, bias = next(pairs)
            assert module.weight.shape == weight.shape, (module, weight.shape)
            module.weight.data = torch.from_numpy(weight)
        elif isinstance(module, nn.BatchNorm2d) and bias is not None:
            module.weight.data.fill_(1)
            module.bias.data = torch.from_numpy(bias)
            module.running_mean.fill_(0)
            module.running_var.fill_(1 - module.eps)
            bias = None


def peak_megabytes() -> float:
    told = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s*(\d+) kB", told)[0]) * 1024 / 1e6


def make_model(job: dict) -> nn.Module:
    side = (job["side"], job["side"])
    steps = Compose([Resize(side, antialias=True), Normalize(job["mean"], job["std"])])
    given = {
        "backbone": NETWORK, "layers": LAYERS, "pre_trained": False, "post_processor": False,
        "evaluator": False, "visualizer": False, "pre_processor": PreProcessor(transform=steps),
    }  # fmt: skip
    if job["method"] == "patchcore":
        model = Patchcore(coreset_sampling_ratio=0.01, **given)
    else:
        model = Padim(n_features=100, **given)
    extractor = model.model.feature_extractor.feature_extractor
    with np.load(job["weights"]) as file:
        load_weights(extractor, [file[f"{i:03}"] for i in range(len(file.files))])
    check(extractor.eval(), job)
    return model


def check(extractor: nn.Module, job: dict) -> None:
    """The network gives the maps that the embedded one gave for the same input."""
    with np.load(job["example"]) as file, torch.no_grad():
        found = extractor(torch.from_numpy(file["input"]))
        for name, theirs in zip(("block_4", "block_10"), found, strict=True):
            ours = file[name]
            worst = np.abs(theirs.numpy() - ours).max() / np.abs(ours).max()
            print(f"{name}: largest difference {worst:.1e} of the largest value", flush=True)
            assert worst < 1e-3, name


def learnt_bytes(model: nn.Module) -> int:
    """What the fit has learnt: the bank, or means and covariances; without the network."""
    core = model.model
    if hasattr(core, "gaussian"):
        parts = [core.gaussian.mean, core.gaussian.inv_covariance]
    else:
        parts = [core.memory_bank]
    return sum(part.element_size() * part.nelement() for part in parts)


def main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    torch.manual_seed(job["seed"])
    model = make_model(job)
    data = Folder(
        name="peers", normal_dir=job["train"], train_batch_size=8, num_workers=0,
        test_split_mode="none", val_split_mode="none",
    )  # fmt: skip
    engine = Engine(
        max_epochs=1, limit_val_batches=0, accelerator="cpu", devices=1, logger=False,
        enable_progress_bar=False, default_root_dir=job["out"],
    )  # fmt: skip
    start = time.process_time()
    engine.fit(model=model, datamodule=data)
    fitted = time.process_time() - start
    tests = PredictDataset(path=Path(job["test"]))
    start = time.process_time()
    batches = engine.predict(model=model, dataset=tests)
    seconds = time.process_time() - start
    scores, maps = {}, {}
    for batch in batches:
        for path, score, grid in zip(
            batch.image_path, batch.pred_score, batch.anomaly_map, strict=True
        ):
            scores[Path(path).name] = float(score)
            maps[Path(path).name] = grid.squeeze().numpy().astype(np.float32)
    np.savez(job["result"], **maps)
    told = {
        "scores": scores,
        "fit_cpu_seconds": fitted,
        "cpu_ms_an_image": 1000 * seconds / len(scores),
        "peak_megabytes": peak_megabytes(),
        "learnt_kilobytes": learnt_bytes(model) / 1e3,
        "versions": {"torch": torch.__version__, "timm": timm.__version__},
    }
    Path(job["result"]).with_suffix(".json").write_text(json.dumps(told))


if __name__ == "__main__":
    main()
