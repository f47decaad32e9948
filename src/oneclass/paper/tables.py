"""The paper's Table 1, the seven tasks, and Table 3, the figures that it prints, as data."""

from __future__ import annotations

from dataclasses import dataclass

ODD, EVEN = ("1", "3", "5", "7", "9"), ("0", "2", "4", "6", "8")


@dataclass(frozen=True)
class Task:
    """One line of Table 1, with the numbers of section 4.

    Attributes:
        number, name: as printed.
        data: the data set's name.
        normal, anomaly: the labels of the two classes.
        n_train: normal images of a trial's training set.
        n_test: normal images, and as many anomalies, of the test set.
    """

    number: int
    name: str
    data: str
    normal: tuple[str, ...]
    anomaly: tuple[str, ...]
    n_train: int = 2048
    n_test: int = 512


TABLE_1 = (
    Task(1, "MNIST-1", "MNIST", ("5",), ("2",)),
    Task(2, "MNIST-2", "MNIST", ("5",), EVEN),
    Task(3, "MNIST-3", "MNIST", ODD, ("2",)),
    Task(4, "MNIST-4", "MNIST", ODD, EVEN),
    Task(5, "X-RAY-1", "X-RAY", ("empty",), ("non-empty",)),
    Task(6, "X-RAY-2", "X-RAY", ("non-empty",), ("empty",)),
    Task(7, "CASIA", "CASIA", ("male",), ("female",), 20_180, 2500),
)

# Mean AUROC and its standard deviation over three trials, tasks 1 to 6.
TABLE_3 = {
    "GS": (
        (0.5809, 0.0436), (0.5089, 0.0298), (0.4321, 0.0189),
        (0.4315, 0.0089), (0.9983, 0.0000), (0.0358, 0.0128),
    ),
    "VGG-F P5": (
        (0.9382, 0.0066), (0.8833, 0.0138), (0.8500, 0.0072),
        (0.7662, 0.0120), (0.9988, 0.0001), (0.9874, 0.0028),
    ),
    "VGG-F FC6": (
        (0.8494, 0.0182), (0.8948, 0.0150), (0.7207, 0.0148),
        (0.7151, 0.0061), (0.9992, 0.0000), (0.9847, 0.0034),
    ),
    "VGG-F FC7": (
        (0.8395, 0.0187), (0.9074, 0.0141), (0.7000, 0.0150),
        (0.7357, 0.0072), (0.9992, 0.0000), (0.9842, 0.0047),
    ),
    "VGG-F FC8": (
        (0.8604, 0.0104), (0.9239, 0.0051), (0.6652, 0.0217),
        (0.7240, 0.0033), (0.9989, 0.0000), (0.9744, 0.0050),
    ),
    "VGG-M P5": (
        (0.8933, 0.0148), (0.8543, 0.0144), (0.8196, 0.0224),
        (0.7593, 0.0174), (0.9977, 0.0001), (0.8099, 0.0557),
    ),
    "VGG-M FC6": (
        (0.7519, 0.0131), (0.8179, 0.0016), (0.5604, 0.0828),
        (0.5110, 0.0546), (0.9967, 0.0000), (0.9342, 0.0031),
    ),
    "VGG-M FC7": (
        (0.7904, 0.0131), (0.8461, 0.0015), (0.5704, 0.0881),
        (0.5201, 0.0486), (0.9978, 0.0001), (0.9455, 0.0027),
    ),
    "VGG-M FC8": (
        (0.7925, 0.0194), (0.8313, 0.0043), (0.5679, 0.0741),
        (0.4911, 0.0449), (0.9977, 0.0000), (0.9225, 0.0027),
    ),
}  # fmt: skip
TASK_7 = {
    "GS": (0.4404, 0.0033),
    "VGG-F P5": (0.5456, 0.0014),
    "VGG-M P5": (0.4961, 0.0067),
    "MALE-5045 P8": (0.7849, 0.0032),
    "MALE-5045 FC9": (0.7166, 0.0964),
}


def printed(column: str, task: Task) -> tuple[float, float] | None:
    """Mean and standard deviation that the paper prints, where it has that cell."""
    if task.number == 7:
        return TASK_7.get(column)
    return TABLE_3[column][task.number - 1] if column in TABLE_3 else None
