"""Networks to train: Male-5045 of the paper's Table 2, or any torch module by its import path."""

from __future__ import annotations

import importlib
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from oneclass.errors import InputError

MALE_5045 = "male-5045"
MALE_5045_TABLE_2 = (
    "GS-I(100, 100, 1)-C_1(32, 3, 1, 1)-C_2(64, 3, 1, 1)-P_2(2, 2, 0)-C_3(64, 3, 1, 1)-"
    "C_4(128, 3, 1, 1)-P_4(2, 2, 0)-C_5(96, 3, 1, 1)-C_6(256, 3, 1, 1)-P_6(2, 2, 1)-"
    "C_7(160, 3, 1, 1)-C_8(320, 3, 1, 1)-P_8(7, 1, 0)-FC_9(5045)"
)
"""C(filters, size, stride, padding), P(size, stride, padding), FC(units)."""

_LAYER = re.compile(r"(C|P|FC)_(\d+)\(([\d, ]+)\)")


def male_5045(
    n_classes: int, *, channels: int = 1, size: tuple[int, int] = (100, 100)
) -> nn.Module:
    """The paper's network, for any number of classes; its layers are named C1 ... P8, FC9.

    Each convolution is followed by batch normalisation and a rectifier, and C1 ... C8 are what
    comes out behind these; the pools take the maximum; FC9 gives one logit a class.

    Args:
        n_classes: sub-categories to tell apart.
        channels: of the input: 1 for grey, 3 for colour.
        size: (height, width) of the input; at least 48 pixels a side, for P8 to have an output.

    Raises:
        InputError: the input is too small.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    height, width = size
    for kind, number, text in _LAYER.findall(MALE_5045_TABLE_2):
        numbers = [int(n) for n in text.split(",")]
        if kind == "FC":
            linear = nn.Linear(channels * height * width, n_classes)
            layers[f"FC{number}"] = nn.Sequential(nn.Flatten(), linear)
            break
        *filters, side, stride, padding = numbers
        height, width = ((n + 2 * padding - side) // stride + 1 for n in (height, width))
        if min(height, width) < 1:
            raise InputError(
                f"size {size}: too small for {MALE_5045}, whose last pool needs 7 positions a "
                "side. Choose at least 48 x 48 pixels (the paper's size is 100 x 100)."
            )
        if kind == "P":
            layers[f"P{number}"] = nn.MaxPool2d(side, stride, padding)
        else:
            # Batch normalisation takes the mean away, so a bias before it would do nothing.
            conv = nn.Conv2d(channels, filters[0], side, stride, padding, bias=False)
            layers[f"C{number}"] = nn.Sequential(conv, nn.BatchNorm2d(filters[0]), nn.ReLU())
            channels = filters[0]
    return nn.Sequential(layers)


def make_network(name: str, n_classes: int, *, channels: int, size: tuple[int, int]) -> nn.Module:
    """Male-5045, or what the function `package.module:function` returns for `n_classes`.

    Args:
        name: "male-5045", or the import path of a function or class.
        n_classes: its only argument, where it is an import path.
        channels: of the input.
        size: (height, width) of the input.

    Raises:
        InputError: there is nothing at the import path; it gives no torch module, or one that
            cannot take such images or does not give one number a class.
    """
    if name == MALE_5045:
        network = male_5045(n_classes, channels=channels, size=size)
    else:
        network = _imported(name)(n_classes)
        if not isinstance(network, nn.Module):
            raise InputError(
                f"network {name}: gave a {type(network).__name__}; expected a torch.nn.Module."
            )
    _check_output(name, network, n_classes, (channels, *size))
    return network


def initialise(network: nn.Module, how: str, *, seed: int) -> None:
    """Draw the weights of convolutions and linear layers anew, with biases 0.

    Args:
        network: changed in place.
        how: see `Recipe.initialisation`.
        seed: of the draw.
    """
    if how == "own":
        return
    generator = torch.Generator().manual_seed(seed)
    head = head_of(network)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan_in = module.weight[0].numel()
            std = 1.0 if how == "normal" else (2 / fan_in) ** 0.5
            if how == "he" and module is head:
                std /= 10
            nn.init.normal_(module.weight, 0, std, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def head_of(network: nn.Module) -> nn.Module | None:
    """The last linear layer, which gives the logits."""
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    return linear[-1] if linear else None


def _imported(path: str) -> Callable[[int], Any]:
    module, colon, attribute = path.partition(":")
    try:
        if not colon:
            raise ImportError("there is no ':' in it")
        found: Callable[[int], Any] = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"network {path!r}: {error}. Expected {MALE_5045!r}, or package.module:function, where "
            "the function takes the number of classes and returns a torch module."
        ) from error
    return found


def _check_output(name: str, network: nn.Module, n_classes: int, shape: tuple[int, ...]) -> None:
    was_training = network.training
    try:
        with torch.no_grad():
            out = network.eval()(torch.zeros(1, *shape))
    except (RuntimeError, ValueError, TypeError) as error:
        first = str(error).partition("\n")[0]
        raise InputError(
            f"network {name}: cannot take images of {' x '.join(map(str, shape))} ({first}). "
            "Choose another --size, or --colour / --grey."
        ) from error
    finally:
        network.train(was_training)
    if not isinstance(out, torch.Tensor) or out.shape != (1, n_classes):
        given = tuple(out.shape) if isinstance(out, torch.Tensor) else type(out).__name__
        raise InputError(
            f"network {name}: gave {given} for one image; expected (1, {n_classes}), one number a "
            "sub-category."
        )
