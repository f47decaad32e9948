"""Section 4 of the paper: what is drawn, fitted and averaged.

For each task a test set is drawn once: normal images and as many anomalies. Three times a training
set of normal images is drawn from the others. The linear one-class SVM is fitted for 21 evenly
spaced nu in [0.01, 0.99], and the AUROC on the test set is averaged over them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oneclass.datasets import DataSet
from oneclass.errors import InputError
from oneclass.paper.rows import Pass
from oneclass.paper.tables import TABLE_1, Task
from oneclass.statistics import auroc
from oneclass.svm import nu_path
from oneclass.system.arrays import Indices, Planes

NUS = np.linspace(0.01, 0.99, 21)
FEWEST = 20


@dataclass(frozen=True)
class Draw:
    """The images of one task: indices into its data set.

    Attributes:
        task: which.
        train: of each trial.
        normal, anomalous: of the test set, the same for all trials.
        simulated: whether the images were computed.
    """

    task: Task
    train: tuple[Indices, ...]
    normal: Indices
    anomalous: Indices
    simulated: bool

    @property
    def used(self) -> Indices:
        """Every image that the task needs, once, ascending."""
        return np.unique(np.concatenate([*self.train, self.normal, self.anomalous]))


@dataclass(frozen=True)
class Cell:
    """One task with one representation.

    Attributes:
        task: its number in Table 1.
        representation: as it was asked for.
        trials: the AUROC of each trial, averaged over nu.
        by_nu: (21,) AUROC at each nu, averaged over the trials.
        n_train, n_test: the numbers drawn; `n_test` normal images and as many anomalies.
        gap: the largest relative duality gap of all fits.
        seconds: of fitting and scoring, the network left out.
        network: what the rows took, for all tasks and layers of the data set and network together.
        simulated: whether the images were computed.
    """

    task: int
    representation: str
    trials: tuple[float, ...]
    by_nu: tuple[float, ...]
    n_train: int
    n_test: int
    gap: float
    seconds: float
    network: Pass
    simulated: bool

    @property
    def title(self) -> str:
        """The task's number and name, and whether its images were computed."""
        name = f"{self.task} {TABLE_1[self.task - 1].name}"
        return f"{name} (simulated)" if self.simulated else name

    @property
    def mean(self) -> float:
        return float(np.mean(self.trials))

    @property
    def std(self) -> float:
        """Of the sample, with n - 1 in the denominator; the paper does not say which."""
        return float(np.std(self.trials, ddof=1)) if len(self.trials) > 1 else 0.0


def draw(task: Task, data: DataSet, *, trials: int, seed: int) -> Draw:
    """Draw a task's images; fewer than the paper's where the data set has fewer.

    With too few images for the paper's numbers, the test set takes at most a third of the normal
    images, and each training set four fifths of the others, so that trials differ.

    Raises:
        InputError: the data set has too few images for it.
    """
    rng = np.random.default_rng([seed, task.number])
    normal, anomalous = (
        rng.permutation(np.flatnonzero(np.isin(data.labels, labels)))
        for labels in (task.normal, task.anomaly)
    )
    n_test = min(task.n_test, len(anomalous), len(normal) // 3)
    rest = normal[n_test:]
    n_train = task.n_train if len(rest) > task.n_train else int(0.8 * len(rest))
    if n_test < FEWEST or n_train < FEWEST:
        raise InputError(
            f"task {task.number}, {task.name}: {len(normal)} normal and {len(anomalous)} anomalous "
            f"images are too few. At least {4 * FEWEST} and {FEWEST} are needed; the paper drew "
            f"{task.n_train + task.n_test} and {task.n_test}. Add images, or name other tasks."
        )
    train = tuple(rng.choice(rest, n_train, replace=False) for _ in range(trials))
    return Draw(task, train, normal[:n_test], anomalous[:n_test], data.simulated)


def measure(drawn: Draw, name: str, rows: Planes, used: Indices, network: Pass) -> Cell:
    """Fit and score one task with the rows of one representation.

    Args:
        drawn: the task's images.
        name: of the representation.
        rows: (m, d) of the images `used`, which hold the task's.
        used: (m,) ascending indices.
        network: what making the rows took.
    """
    began = time.perf_counter()

    def of(indices: Indices) -> Planes:
        return rows[np.searchsorted(used, indices)]

    tables, gaps = [], []
    normal, anomalous = of(drawn.normal), of(drawn.anomalous)
    for train in drawn.train:
        path = nu_path(of(train), NUS)
        weights = path.coef.T.astype(np.float32)
        inside, outside = (-(part @ weights).astype(np.float64) for part in (normal, anomalous))
        tables.append([auroc(inside[:, i], outside[:, i]) for i in range(len(NUS))])
        gaps.append(float(path.dual_gap.max()))
    table = np.array(tables)
    return Cell(
        drawn.task.number,
        name,
        tuple(table.mean(axis=1).tolist()),
        tuple(table.mean(axis=0).tolist()),
        len(drawn.train[0]),
        len(drawn.normal),
        max(gaps),
        time.perf_counter() - began,
        network,
        drawn.simulated,
    )


def used_by(draws: Sequence[Draw]) -> Indices:
    """The images that several tasks of one data set need, each once, ascending."""
    return np.unique(np.concatenate([d.used for d in draws]))
