"""The paper's tables as data, its protocol, and the command that runs it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import oneclass
from conftest import stripes, write_images
from oneclass import InputError
from oneclass.datasets import DataSet
from oneclass.paper.experiment import short_name
from oneclass.paper.protocol import NUS, draw, measure, used_by
from oneclass.paper.rows import extract_rows
from oneclass.paper.tables import TABLE_1, TABLE_3, TASK_7, Task, printed
from oneclass.representations import Greyscale
from oneclass.statistics import auroc, bootstrap_interval, wilcoxon

AVERAGES = {  # as printed below the six tasks
    "GS": 0.4979, "VGG-F P5": 0.9040, "VGG-F FC6": 0.8607, "VGG-F FC7": 0.8610,
    "VGG-F FC8": 0.8578, "VGG-M P5": 0.8557, "VGG-M FC6": 0.7620, "VGG-M FC7": 0.7784,
    "VGG-M FC8": 0.7672,
}  # fmt: skip


@pytest.mark.parametrize("column", TABLE_3)
def test_the_printed_averages_are_those_of_the_printed_cells(column: str) -> None:
    means = [mean for mean, _ in TABLE_3[column]]
    assert len(means) == 6
    assert np.mean(means) == pytest.approx(AVERAGES[column], abs=6e-5)


def test_table_1() -> None:
    assert [task.number for task in TABLE_1] == [1, 2, 3, 4, 5, 6, 7]
    assert {task.n_train for task in TABLE_1[:6]} == {2048}
    assert {task.n_test for task in TABLE_1[:6]} == {512}
    assert (TABLE_1[6].n_train, TABLE_1[6].n_test) == (20_180, 2500)
    assert not any(set(task.normal) & set(task.anomaly) for task in TABLE_1)
    assert printed("VGG-F P5", TABLE_1[3]) == (0.7662, 0.0120)
    assert printed("MALE-5045 P8", TABLE_1[6]) == TASK_7["MALE-5045 P8"]
    assert printed("MALE-5045 P8", TABLE_1[0]) is None


def test_the_nus_are_21_evenly_spaced_ones() -> None:
    assert len(NUS) == 21
    assert (NUS[0], NUS[-1]) == (0.01, 0.99)
    assert np.ptp(np.diff(NUS)) < 1e-12


def data(n_normal: int, n_anomaly: int) -> DataSet:
    images = np.concatenate(
        [stripes(n_normal, seed=1, side=6), stripes(n_anomaly, seed=2, upright=False, side=6)]
    )
    labels = np.repeat(["empty", "non-empty"], [n_normal, n_anomaly])
    return DataSet("X-RAY", images, labels, "some.")


TASK = Task(5, "X-RAY-1", "X-RAY", ("empty",), ("non-empty",), 200, 50)


@pytest.mark.parametrize("seed", range(5))
def test_draws_are_disjoint_and_of_the_right_classes(seed: int) -> None:
    given = data(600, 80)
    drawn = draw(TASK, given, trials=3, seed=seed)
    assert [len(train) for train in drawn.train] == [200, 200, 200]
    assert len(drawn.normal) == len(drawn.anomalous) == 50
    for train in drawn.train:
        assert len(set(train)) == 200
        assert not set(train) & set(drawn.normal)
        assert set(given.labels[train]) == {"empty"}
    assert set(given.labels[drawn.anomalous]) == {"non-empty"}
    assert not np.array_equal(np.sort(drawn.train[0]), np.sort(drawn.train[1]))
    again = draw(TASK, given, trials=3, seed=seed)
    assert all(np.array_equal(a, b) for a, b in zip(drawn.train, again.train, strict=True))
    assert not np.array_equal(drawn.normal, draw(TASK, given, trials=3, seed=seed + 1).normal)


def test_fewer_trials_draw_the_same_test_set_and_first_training_sets() -> None:
    given = data(600, 80)
    one, three = (draw(TASK, given, trials=n, seed=0) for n in (1, 3))
    np.testing.assert_array_equal(one.normal, three.normal)
    np.testing.assert_array_equal(one.train[0], three.train[0])


def test_sizes_shrink_with_the_data() -> None:
    drawn = draw(TASK, data(120, 1000), trials=2, seed=0)
    assert len(drawn.normal) == 40
    assert len(drawn.train[0]) == 64
    with pytest.raises(InputError, match=r"task 5, X-RAY-1: 30 normal and 100 anomalous images"):
        draw(TASK, data(30, 100), trials=2, seed=0)


def test_a_cell_is_the_mean_over_nu_of_an_independent_solver() -> None:
    from sklearn.svm import OneClassSVM

    given = data(300, 60)
    drawn = draw(Task(5, "", "X-RAY", ("empty",), ("non-empty",), 60, 40), given, trials=2, seed=0)
    used = used_by([drawn])
    (rows,), passed = extract_rows(given.images, used, Greyscale((6, 6)))
    cell = measure(drawn, "greyscale", rows, used, passed)
    flat = given.images.reshape(len(given.images), -1) / 255
    expected = []
    for train in drawn.train:
        by_nu = []
        for nu in NUS:
            svm = OneClassSVM(kernel="linear", nu=nu, tol=1e-10).fit(flat[train])
            scores = [
                -svm.decision_function(flat[part]) for part in (drawn.normal, drawn.anomalous)
            ]
            by_nu.append(auroc(*scores))
        expected.append(np.mean(by_nu))
    assert cell.trials == pytest.approx(expected, abs=2e-3)
    assert cell.gap < 1e-6
    assert (cell.n_train, cell.n_test) == (60, 40)
    assert cell.mean == pytest.approx(np.mean(cell.by_nu))


def test_rows_of_layers_are_of_unit_length_and_pass_the_network_once() -> None:
    from oneclass.backbones import Backbone
    from oneclass.representations import SeparateLayers

    network = Backbone.open("efficientnet-lite0")
    given = data(20, 5)
    both = SeparateLayers(network, [("block_2", 2), ("pool", None)], size=(32, 32))
    used = np.array([1, 7, 20])
    found, _ = extract_rows(given.images, used, both)
    for rows, layer in zip(found, both.layers, strict=True):
        alone = SeparateLayers(network, [layer], size=(32, 32))
        (expected,), _ = extract_rows(given.images, used, alone)
        np.testing.assert_allclose(rows, expected, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


def test_rows_are_the_same_with_and_without_a_cache(tmp_path: Path) -> None:
    from oneclass.backbones import Backbone
    from oneclass.representations import SeparateLayers

    network = Backbone.open("efficientnet-lite0")
    layers = SeparateLayers(network, [("block_2", 2), ("pool", None)], size=(32, 32))
    given, used = data(40, 5), np.arange(3, 45)
    plain, without = extract_rows(given.images, used, layers)
    first, made = extract_rows(given.images, used[:30], layers, cache=tmp_path)
    second, found = extract_rows(given.images, used, layers, cache=tmp_path)
    for rows, some, again in zip(plain, first, second, strict=True):
        np.testing.assert_array_equal(rows, again)
        np.testing.assert_array_equal(rows[:30], some)
    assert without.cache is None
    assert (made.cache.found, made.cache.computed) == (0, 30)
    assert (found.cache.found, found.cache.computed) == (30, 12)
    assert found.images == 42


def test_an_image_without_a_row_is_told() -> None:
    from oneclass.backbones import Backbone
    from oneclass.representations import SeparateLayers

    images = data(20, 5).images
    images[7] = 255

    class Dead(SeparateLayers):
        def compute(self, batch: Any) -> Any:
            white = np.array([np.ptp(image) < 1e-3 for image in batch])
            return [values * ~white[:, None] for values in super().compute(batch)]

    layers = Dead(Backbone.open("efficientnet-lite0"), [("pool", None)], size=(32, 32))
    with pytest.raises(InputError, match="image 7 of the data set has no row: every unit"):
        extract_rows(images, np.array([1, 3, 7, 9]), layers)


def test_names_in_the_tables_are_short() -> None:
    assert short_name("efficientnet-lite0") == "efficientnet-lite0"
    assert short_name("some/deep/alexnet.onnx") == "alexnet"


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("n", [3, 6, 7])
def test_wilcoxon_is_scipys_exact_test(seed: int, n: int) -> None:
    from scipy.stats import wilcoxon as scipys

    differences = np.random.default_rng(seed).normal(0.3, 1, n)
    p, smallest = wilcoxon(differences)
    assert p == pytest.approx(scipys(differences, method="exact").pvalue)
    assert smallest == 2 / 2**n
    assert p >= smallest


def test_wilcoxon_counts_all_signs_where_sizes_are_equal() -> None:
    differences = np.array([1.0, 1.0, -2.0, 3.0, 0.0])
    ranks = np.array([1.5, 1.5, 3.0, 4.0])
    signs = np.array(np.meshgrid(*[[0, 1]] * 4)).reshape(4, -1)
    sums = ranks @ signs
    seen = min(6 - 0 + 1, 3)  # ranks of the negative ones: 3
    expected = min(1, 2 * np.mean(sums <= seen))
    assert wilcoxon(differences)[0] == pytest.approx(expected)
    assert wilcoxon(np.arange(1.0, 7.0)) == (2 / 64, 2 / 64)  # the paper's 0.03
    with pytest.raises(InputError, match="not 0"):
        wilcoxon(np.zeros(3))


def test_the_bootstrap_interval_holds_the_mean() -> None:
    values = np.random.default_rng(0).normal(1, 1, 40)
    low, high = bootstrap_interval(values)
    assert low < values.mean() < high
    assert high - low == pytest.approx(4 * values.std() / 40**0.5, rel=0.2)


def figures_of(table: str) -> str:
    """A table without the seconds that it took."""
    return table[: table.index("| task | representation | network |")]


class TestCommand:
    def xray(self, folder: Path) -> Path:
        file = folder / "x.npz"
        images = data(150, 90).images.repeat(2, axis=1).repeat(6, axis=2)[:, :9, :32]
        np.savez(file, **{"empty": images[:150], "non-empty": images[150:]})
        return file

    def test_it_prints_the_table_and_writes_it(self, tmp_path: Path) -> None:
        words = ("paper", "--xray", self.xray(tmp_path), "--tasks", "5,6", "-o", "out")
        done = oneclass(*words, "--representation", "greyscale", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "X-ray: 150 empty, 90 non-empty" in done.stderr
        assert "| 6 X-RAY-2 | greyscale | " in done.stdout
        assert "0.0358 ± 0.0128 (GS)" in done.stdout
        assert (tmp_path / "out/table.md").read_text() == done.stdout
        assert "<h3>6 X-RAY-2</h3><svg" in (tmp_path / "out/table.html").read_text()
        record = json.loads((tmp_path / "out/results.json").read_text())
        assert [c["task"] for c in record["cells"]] == [5, 6]
        assert len(record["cells"][0]["by_nu"]) == 21
        assert record["largest_dual_gap"] < 1e-5
        assert record["settings"]["tasks"] == [5, 6]
        assert record["settings"]["data"]["X-RAY"].startswith("X-ray: 150 empty, 90 non-empty")
        assert record["cells"][0]["network"]["images"] == 239
        assert record["cells"][0]["network"]["images_per_second"] > 1
        again = oneclass(*words, "--representation", "greyscale", cwd=tmp_path)
        assert figures_of(again.stdout) == figures_of(done.stdout)

    @pytest.mark.parametrize("name", ["table.md", "table.html", "results.json"])
    def test_no_table_of_somebody_else_is_lost(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_text("mine")
        done = oneclass("paper", "--tasks", "5", "-o", ".", cwd=tmp_path)
        assert done.returncode == 2
        assert f"cannot write {name}: what is there already is no table of" in done.stderr
        assert (tmp_path / name).read_text() == "mine"

    def test_xray_images_are_simulated_where_there_are_none(self, tmp_path: Path) -> None:
        words = ("paper", "--tasks", "5,6", "--trials", "2", "--representation", "greyscale")
        done = oneclass(*words, "-o", "out", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        lines = done.stdout.splitlines()
        assert "| 5 X-RAY-1 (simulated) | greyscale | 0.9" in lines[2]
        assert "| 6 X-RAY-2 (simulated) | greyscale | 0.0" in lines[3]
        assert "| 2048 | 512 + 512 |" in lines[3]
        assert "average of 2 (2 simulated)" in lines[4]
        assert "X-RAY: simulated images" in done.stdout
        cells = json.loads((tmp_path / "out/results.json").read_text())["cells"]
        assert [cell["simulated"] for cell in cells] == [True, True]
        again = oneclass(*words, "--xray", "simulated", cwd=tmp_path)
        assert figures_of(again.stdout) == figures_of(done.stdout)

    def test_only_what_the_tasks_need_is_loaded(self, tmp_path: Path) -> None:
        words = ("--mnist", "nowhere", "--xray", self.xray(tmp_path), "--tasks", "5")
        done = oneclass("paper", *words, "--representation", "greyscale", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "MNIST" not in done.stdout + done.stderr

    def test_what_other_data_gave_is_on_disk_when_some_cannot_be_used(self, tmp_path: Path) -> None:
        words = ("--mnist", "nowhere", "--xray", self.xray(tmp_path), "--tasks", "1,5,6")
        words += ("--representation", "greyscale", "-o", "out")
        done = oneclass("paper", *words, cwd=tmp_path)
        assert done.returncode == 2
        assert "MNIST in nowhere" in done.stderr.splitlines()[-1]
        record = json.loads((tmp_path / "out/results.json").read_text())
        assert [c["task"] for c in record["cells"]] == [5, 6]

    def test_too_few_images_for_one_task_do_not_stop_the_other(self, tmp_path: Path) -> None:
        images = np.concatenate([stripes(150, seed=1), stripes(30, seed=2, upright=False)])
        for name, some in (("empty", images[:150]), ("non-empty", images[150:])):
            write_images(tmp_path / "x" / name, some)
        words = ("--xray", "x", "--tasks", "5,6", "--representation", "greyscale", "-o", "out")
        done = oneclass("paper", *words, cwd=tmp_path)
        assert done.returncode == 2
        problem = "error: task 6, X-RAY-2: 30 normal and 150 anomalous images are too few."
        assert done.stderr.splitlines()[-1].startswith(problem)
        assert "| 5 X-RAY-1 | greyscale |" in (tmp_path / "out/table.md").read_text()

    def test_the_figures_are_the_same_with_a_cache(self, tmp_path: Path) -> None:
        words = ("--xray", self.xray(tmp_path), "--tasks", "5,6", "--trials", "1")
        words += ("--representation", "efficientnet-lite0:block_2@2")
        plain, first, second = (
            oneclass("paper", *words, *more, cwd=tmp_path)
            for more in ((), ("--cache", "c"), ("--cache", "c"))
        )
        assert plain.returncode == first.returncode == second.returncode == 0, plain.stderr
        figures = figures_of(plain.stdout)
        assert figures == figures_of(first.stdout) == figures_of(second.stdout)
        assert "(218 from the cache)" in second.stdout
        assert "0 of 218 rows found" in first.stderr
        assert "218 of 218 rows found, 0 computed" in second.stderr

    def test_the_figures_are_the_same_on_a_cluster(self, tmp_path: Path) -> None:
        words = ("--xray", self.xray(tmp_path), "--tasks", "5,6", "--trials", "1")
        words += ("--representation", "efficientnet-lite0:block_2@2")
        here = oneclass("paper", *words, cwd=tmp_path)
        there = oneclass("paper", *words, "--cluster", "local:1", cwd=tmp_path)
        assert here.returncode == there.returncode == 0, there.stderr
        assert figures_of(there.stdout) == figures_of(here.stdout)
        assert re.search(r"cluster: images: \d+\.\d\d MB sent", there.stderr)

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (("--tasks", "8"), "task '8': expected numbers from 1 to 7"),
            (("--tasks", "7"), "task 7 needs CASIA images"),
            (("--trials", "0"), "trials is 0"),
            (("--seed", "-1"), "seed is -1: expected at least 0"),
            (("--mnist", "nowhere", "--tasks", "1"), "cannot be read"),
            (("--xray", "nowhere", "--tasks", "5"), "nowhere: no such folder"),
            (("--faces", "nowhere", "--tasks", "7"), "nowhere: no such folder"),
            (("--sexes", "list.csv"), "Give the folder of the faces, too"),
            (("--representation", "vgg-f"), "expected greyscale, or BACKBONE:LAYER"),
            (("--representation", "efficientnet-lite0:P5"), "has no such layer"),
            (("--representation", "none.onnx:P5"), "nor an existing ONNX file"),
            (("--representation", "greyscale", "--representation", "greyscale"), "given twice"),
        ],
    )
    def test_mistakes_are_refused(
        self, tmp_path: Path, words: tuple[str, ...], message: str
    ) -> None:
        done = oneclass("paper", *words, cwd=tmp_path)
        assert done.returncode == 2, done.stderr
        assert message in done.stderr
