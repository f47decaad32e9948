"""Freight containers under X-ray, computed: for tasks 5 and 6 where there are no real images.

A linear accelerator shines through a container from the side. What arrives follows Beer and
Lambert's law, I = I0 exp(-sum of mu/rho times areal density), at one energy; a detector counts its
photons. At 2 MeV nearly all materials weaken by weight alone, so a scene is one map of areal
densities in g/cm2 for each material. Scatter and the spectrum are left out.

Coefficients: Hubbell and Seltzer, NIST Standard Reference Database 126, at 2 MeV.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from oneclass.datasets import DataSet
from oneclass.datasets.xray import CLASSES, SIZE
from oneclass.system.arrays import Array

STEEL, ORGANIC = 0.04265, 0.0494
"""Mass attenuation coefficients at 2 MeV of iron, and of water for wood and cargo, cm2/g."""
STEEL_DENSITY, PLYWOOD_DENSITY = 7.87, 0.6
N_EACH = 3072
"""Images of each class: enough for the paper's 2,048 + 512, and for trials that differ."""
FINE = (4, 6)
"""Points down and across in each pixel, so that the corrugation is not lost between them."""
METRES = 0.288
"""The side of a pixel: nine of them for a container of 2.59 m."""
HEIGHT, WIDTH = SIZE[0] * METRES, SIZE[1] * METRES
DEPTH = 235.0
"""What the inside is wide, along the beam, in cm."""
PERIOD, SHEET = 0.278, 0.2
"""Of the corrugated walls: a wave in m, the sheet's thickness in cm."""
PHOTONS, DARK, OPEN_BEAM = 20_000.0, 3e-4, 250
"""Counted in a pixel without anything in the beam; electronic noise as a share of these; and the
grey level of these, with room above for pulses that are brighter."""

Y = ((np.arange(SIZE[0] * FINE[0]) + 0.5) * METRES / FINE[0])[:, None]
X = ((np.arange(SIZE[1] * FINE[1]) + 0.5) * METRES / FINE[1])[None, :]
FLOOR = HEIGHT - 0.17


@dataclass
class Scene:
    """What the beam passes through.

    Attributes:
        steel, organic: areal densities in g/cm2 on the fine grid of `Y` and `X`.
    """

    steel: Array
    organic: Array


def load_simulated_xray(*, seed: int, n_each: int = N_EACH) -> DataSet:
    """Empty and loaded containers, in the paper's size.

    Args:
        seed: of every scene and every photon.
        n_each: images of each class.
    """
    rng = np.random.default_rng([seed, n_each])
    images = [photograph(empty_container(rng), rng) for _ in range(n_each)]
    images += [photograph(loaded_container(rng), rng) for _ in range(n_each)]
    return DataSet(
        "X-RAY",
        np.stack(images),
        np.repeat(CLASSES, n_each),
        f"X-ray: {n_each:,} {CLASSES[0]} and {n_each:,} {CLASSES[1]}, simulated; give --xray "
        "FOLDER for real ones.",
        "simulated images of freight containers, computed from seed "
        f"{seed}, not the paper's 5,120 real ones",
        simulated=True,
    )


def transmission(scene: Scene) -> Array:
    """The share of the beam that arrives, Beer and Lambert's law.

    Returns:
        (9, 32) within [0, 1]: means over the area of each pixel, since a detector adds up light.
    """
    fine = np.exp(-(STEEL * scene.steel + ORGANIC * scene.organic))
    return np.asarray(fine.reshape(SIZE[0], FINE[0], SIZE[1], FINE[1]).mean(axis=(1, 3)))


def photograph(scene: Scene, rng: Generator) -> NDArray[np.uint8]:
    """What the detector reads: (9, 32) uint8.

    Photons are counted (Poisson), the pulses of the source vary from column to column, and the
    electronics add noise of their own.
    """
    dose = rng.normal(1, 0.01) * rng.normal(1, 0.004, SIZE[1])
    counted = rng.poisson(PHOTONS * dose * transmission(scene)) / PHOTONS
    read = counted + rng.normal(0, DARK, SIZE)
    return np.asarray(np.rint(OPEN_BEAM * read).clip(0, 255), np.uint8)


def empty_container(rng: Generator) -> Scene:
    """Walls, roof, floor and furniture, each container a little different."""
    steel = _walls(rng) + _frame(rng)
    organic = np.zeros_like(steel)
    organic += (np.abs(Y - FLOOR - 0.014) < 0.014) * DEPTH * PLYWOOD_DENSITY
    for _ in range(rng.poisson(2)):  # lashing rings, ventilators, labels
        steel += _box(rng.uniform(0, WIDTH), rng.uniform(0.1, FLOOR), 0.12, 0.12) * rng.uniform(
            1, 6
        )
    for _ in range(rng.poisson(0.4)):  # ropes, pallets and packing that were left behind
        wide, high = rng.uniform(0.3, 1.3), rng.uniform(0.05, 0.15)
        organic += _box(rng.uniform(0, WIDTH), FLOOR - high / 2, wide, high) * rng.uniform(1, 12)
    return Scene(steel, organic)


def loaded_container(rng: Generator) -> Scene:
    """An empty container with cargo in it: from nearly nothing to full."""
    scene = empty_container(rng)
    kinds = rng.integers(len(CARGO), size=1 + rng.poisson(1.5))
    # With about 15 g/cm2 below, this is from half a tonne to 25 tonnes in a full container.
    heaviness = 10 ** rng.uniform(-0.8, 0.7)
    cargo = (
        sum(CARGO[kind](rng) * rng.uniform(0.3, 1) for kind in kinds) * _texture(rng) * heaviness
    )
    metal = rng.choice([0.0, 0.1, 1.0], p=[0.6, 0.2, 0.2])
    scene.steel += metal * cargo
    scene.organic += (1 - metal) * cargo
    return scene


def _texture(rng: Generator) -> Array:
    """Goods and the air between them: factors around 1, each for a cell of random size."""
    high, wide = rng.integers(3, 10), rng.integers(4, 24)
    cells = rng.gamma(2, 1 / 2, (math.ceil(Y.size / high), math.ceil(X.size / wide)))
    return np.asarray(np.kron(cells, np.ones((high, wide)))[: Y.size, : X.size], np.float64)


def _walls(rng: Generator) -> Array:
    """Two corrugated walls; the beam diverges, so the far one's waves come out narrower."""
    total = np.zeros_like(Y * X)
    for period in (PERIOD, PERIOD * rng.uniform(0.8, 0.9)):
        wave = (X / period + rng.uniform()) % 1
        flank = (wave % 0.5) > 0.37  # a quarter of each wave is slanted, by about 45 degrees
        total += np.where(flank, math.sqrt(2), 1.0) * SHEET * STEEL_DENSITY * rng.normal(1, 0.03)
    return total


def _frame(rng: Generator) -> Array:
    """Rails at the top and bottom, cross members under the floor, sometimes a post at an end."""
    total = np.zeros_like(Y * X)
    total += (0.06 + rng.uniform(0, 0.04) > Y) * 2.0 * STEEL_DENSITY
    total += (Y > FLOOR + 0.028) * 0.9 * STEEL_DENSITY
    members = (X / 0.3 + rng.uniform()) % 1 < 0.15
    total += (members & (Y > FLOOR + 0.028)) * 8.0 * STEEL_DENSITY
    if rng.uniform() < 0.2:
        wide = rng.uniform(0.15, 0.4)
        post = wide > X if rng.uniform() < 0.5 else WIDTH - wide < X
        total += post * rng.uniform(1.0, 2.4) * STEEL_DENSITY
    return total


def _box(x: float, y: float, wide: float, high: float) -> NDArray[np.bool_]:
    """The points within a rectangle around (x, y)."""
    return (np.abs(X - x) < wide / 2) & (np.abs(Y - y) < high / 2)


def _stacks(rng: Generator) -> Array:
    """Boxes on pallets, stacked, with gaps between the stacks."""
    cargo = np.zeros_like(Y * X)
    x = rng.uniform(0, 1)
    while x < WIDTH:
        wide, high = rng.uniform(0.5, 1.5, 2)
        floors = rng.integers(1, 4)
        for i in range(floors):
            cargo += _box(x + wide / 2, FLOOR - (i + 0.5) * high, wide, high) * rng.uniform(5, 25)
        x += wide + rng.exponential(0.25)
    return cargo * (Y < FLOOR)


def _drums(rng: Generator) -> Array:
    """Upright cylinders in rows: the path through one is a chord."""
    radius, high = rng.uniform(0.25, 0.6), rng.uniform(0.5, 1.8)
    away = (X + rng.uniform(0, 2 * radius)) % (2 * radius) - radius
    chord = 2 * np.sqrt(np.maximum(radius**2 - away**2, 0))
    last = rng.uniform(0.3, 1) * WIDTH
    inside = (Y < FLOOR) & (FLOOR - high < Y) & (last > X)
    return np.asarray(inside * chord * rng.uniform(15, 40))


def _bulk(rng: Generator) -> Array:
    """A heap of grain, scrap or sand, with a wavy surface."""
    waves = sum(
        rng.normal(0, 0.25 / k) * np.sin(k * math.pi * X / WIDTH + rng.uniform(0, 6.3))
        for k in range(1, 6)
    )
    surface = FLOOR - rng.uniform(0.2, 1.6) + waves
    return np.asarray(((surface < Y) & (Y < FLOOR)) * rng.uniform(8, 30))


def _rolls(rng: Generator) -> Array:
    """Cylinders lying along the beam, such as cable drums and tyres: discs with a hole."""
    cargo = np.zeros_like(Y * X)
    for _ in range(rng.integers(1, 7)):
        radius = rng.uniform(0.3, 0.9)
        away = np.hypot(X - rng.uniform(0, WIDTH), Y - FLOOR + radius)
        cargo += ((away < radius) & (away > radius * rng.uniform(0, 0.6))) * rng.uniform(10, 30)
    return cargo


def _machines(rng: Generator) -> Array:
    """Pieces of all sizes, anywhere above the floor."""
    cargo = np.zeros_like(Y * X)
    for _ in range(rng.integers(2, 14)):
        high = rng.uniform(0.1, 1.6)
        piece = _box(
            rng.uniform(0, WIDTH), FLOOR - rng.uniform(0.3, 1.2) * high, rng.exponential(1), high
        )
        cargo += piece * rng.exponential(15)
    return cargo * (Y < FLOOR)


CARGO: tuple[Callable[[Generator], Array], ...] = (_stacks, _drums, _bulk, _rolls, _machines)
