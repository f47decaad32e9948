"""Networks to train: Male-5045 of the paper's Table 2, or any torch module by its import path."""

from __future__ import annotations

import importlib
import re
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from oneclass.backbones.table_2 import TABLE_2
from oneclass.errors import InputError

MALE_5045 = "male-5045"
FOR_TRAINING = (
    f"{MALE_5045!r}, or package.module:function, where the function takes the number of classes "
    "and returns a torch module"
)
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
    for kind, number, text in _LAYER.findall(TABLE_2[MALE_5045]):
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
        network = _called(name, _imported(name, FOR_TRAINING), n_classes)
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


def made_by(path: str) -> nn.Module:
    """The torch module at an import path, or what the function there returns.

    Args:
        path: `package.module:name`; modules in the working directory count, too.

    Raises:
        InputError: there is nothing, or something else.
    """
    found = _imported(path, "package.module:name, a torch module or what returns one")
    network = found if isinstance(found, nn.Module) or not callable(found) else _called(path, found)
    if not isinstance(network, nn.Module):
        raise InputError(
            f"module {path}: gave a {type(network).__name__}; expected a torch.nn.Module, or a "
            "function without arguments that returns one."
        )
    return network


def _imported(path: str, expected: str) -> Any:
    module, colon, attribute = path.partition(":")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)  # as with `python -m`: users keep their network beside them
    try:
        if not colon:
            raise ImportError("there is no ':' in it")
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise InputError(f"network {path!r}: {error}. Expected {expected}.") from error


def _called(path: str, function: Any, *given: int) -> Any:
    """What a user's function gives; it may raise anything."""
    try:
        return function(*given)
    except Exception as error:
        told = " ".join(str(error).split()) or type(error).__name__
        what = "with the number of classes" if given else "without arguments"
        raise InputError(
            f"network {path}: calling it {what} failed ({told}). Give the path of a function that "
            "can be called so, as package.module:function."
        ) from error


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
