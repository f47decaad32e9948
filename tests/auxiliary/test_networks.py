"""Male-5045 is the network of the paper's Table 2."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from oneclass import InputError
from oneclass.auxiliary.networks import (
    MALE_5045,
    head_of,
    initialise,
    make_network,
    male_5045,
)
from oneclass.auxiliary.recipes import PRESETS, preset
from oneclass.backbones.table_2 import TABLE_2

SHAPES = {  # worked out by hand from the shorthand
    "C1": (32, 100, 100),
    "C2": (64, 100, 100),
    "P2": (64, 50, 50),
    "C3": (64, 50, 50),
    "C4": (128, 50, 50),
    "P4": (128, 25, 25),
    "C5": (96, 25, 25),
    "C6": (256, 25, 25),
    "P6": (256, 13, 13),
    "C7": (160, 13, 13),
    "C8": (320, 13, 13),
    "P8": (320, 7, 7),
    "FC9": (5045,),
}


def test_every_layer_has_the_shape_of_the_shorthand() -> None:
    x = torch.zeros(1, 1, 100, 100)
    found = {}
    for name, layer in male_5045(5045).eval().named_children():
        x = layer(x)
        found[name] = tuple(x.shape[1:])
    assert found == SHAPES
    assert list(found) == [
        kind + number for kind, number in re.findall(r"(C|P|FC)_(\d+)", TABLE_2[MALE_5045])
    ]


def test_every_filter_stride_and_padding_is_that_of_the_shorthand() -> None:
    modules = dict(male_5045(5045).named_modules())
    for kind, number, text in re.findall(r"\b(C|P)_(\d+)\(([\d, ]+)\)", TABLE_2[MALE_5045]):
        numbers = [int(n) for n in text.split(",")]
        if kind == "C":
            conv = modules[f"C{number}.0"]
            given = [conv.out_channels, conv.kernel_size[0], conv.stride[0], conv.padding[0]]
            assert given == numbers
            assert isinstance(modules[f"C{number}.1"], nn.BatchNorm2d)
            assert isinstance(modules[f"C{number}.2"], nn.ReLU)
        else:
            pool = modules[f"P{number}"]
            assert isinstance(pool, nn.MaxPool2d)
            assert [pool.kernel_size, pool.stride, pool.padding] == numbers
    assert sum(isinstance(m, nn.ReLU) for m in modules.values()) == 8  # none behind FC9


@pytest.mark.parametrize("size", [(48, 48), (52, 100), (100, 100)])
@pytest.mark.parametrize("channels", [1, 3])
def test_other_inputs_and_numbers_of_classes(size: tuple[int, int], channels: int) -> None:
    network = male_5045(7, channels=channels, size=size).eval()
    assert network(torch.zeros(2, channels, *size)).shape == (2, 7)


def test_an_input_that_is_too_small_is_refused() -> None:
    with pytest.raises(InputError, match="at least 48 x 48"):
        male_5045(5, size=(47, 100))


def test_the_paper_s_initialisation_is_standard_normal() -> None:
    network = male_5045(50)
    initialise(network, "normal", seed=3)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            assert abs(float(module.weight.detach().mean())) < 0.1
            assert abs(float(module.weight.detach().std()) - 1) < 0.1
            assert module.bias is None or not module.bias.any()


def test_the_same_seed_draws_the_same_weights() -> None:
    first, second, other = (male_5045(5, size=(52, 52)) for _ in range(3))
    initialise(first, "he", seed=1)
    initialise(second, "he", seed=1)
    initialise(other, "he", seed=2)
    assert torch.equal(first.C3[0].weight, second.C3[0].weight)
    assert not torch.equal(first.C3[0].weight, other.C3[0].weight)
    assert head_of(first) is first.FC9[1]


def test_the_paper_s_recipe() -> None:
    recipe = PRESETS["paper"]
    assert (recipe.epochs, recipe.momentum, recipe.weight_decay) == (300, 0.9, 5e-4)
    assert (recipe.initialisation, recipe.head_rate) == ("normal", 1)
    rates = [recipe.rate((epoch + 0.5) / 300) for epoch in range(300)]
    assert rates == pytest.approx([1e-2] * 150 + [1e-3] * 75 + [1e-4] * 75)


@pytest.mark.parametrize("name", PRESETS)
def test_rates_are_positive_and_the_largest_is_the_recipe_s(name: str) -> None:
    recipe = preset(name)
    rates = [recipe.rate(i / 1000) for i in range(1000)]
    assert min(rates) > 0
    assert max(rates) == pytest.approx(recipe.learning_rate, rel=1e-3)
    with pytest.raises(InputError, match="expected one of paper, quick"):
        preset("slow")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tiny", "there is no ':' in it"),
        ("tiny:absent", "has no attribute 'absent'"),
        ("no.such.module:make", "No module named"),
        ("tiny:nothing", "gave a int; expected a torch.nn.Module"),
        ("tiny:wrong", r"gave \(1, 4\) for one image; expected \(1, 3\)"),
    ],
)
def test_what_is_no_network_is_refused(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_network(name, 3, channels=1, size=(16, 16))


def test_a_network_that_cannot_take_the_images_is_refused() -> None:
    with pytest.raises(InputError, match="cannot take images of 3 x 16 x 16"):
        make_network("tiny:make", 3, channels=3, size=(16, 16))
