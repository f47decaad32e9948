"""The scikit-learn estimators keep scikit-learn's contract and the solver's answers."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

import oneclass.svm
from oneclass.errors import InputError
from oneclass.svm import HalfspaceUnion, LinearOneClassSVM, nu_path
from svm.oracles import Pieces, make_rows


# Some checks fit rows around the origin, where no half-space exists; saying so is a warning.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@parametrize_with_checks(
    [LinearOneClassSVM(), HalfspaceUnion(), HalfspaceUnion(n_halfspaces=3, nu=0.2)]
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def test_the_estimator_is_the_path_at_one_nu():
    rows = make_rows(0, 200, 6)
    model, path = LinearOneClassSVM(nu=0.2).fit(rows), nu_path(rows, [0.2])
    np.testing.assert_array_equal(model.coef_, path.coef)
    assert model.offset_ == path.offset[0]
    assert model.dual_gap_ == path.dual_gap[0]
    assert model.n_iter_ == path.n_passes
    assert model.status_ == ("converged",)
    np.testing.assert_allclose(model.score_samples(rows), rows @ path.coef[0])
    np.testing.assert_allclose(
        model.decision_function(rows), model.score_samples(rows) - model.offset_
    )
    assert np.mean(model.predict(rows) == -1) <= 0.2


def test_one_halfspace_equals_the_linear_svm():
    rows, new = make_rows(0, 200, 6), make_rows(1, 50, 6)
    union, single = HalfspaceUnion(nu=0.3).fit(rows), LinearOneClassSVM(nu=0.3).fit(rows)
    np.testing.assert_array_equal(union.coef_, single.coef_)
    np.testing.assert_allclose(union.decision_function(new), single.decision_function(new))


def test_labels_are_sub_categories():
    rows = make_rows(0, 60, 6)
    labels = np.arange(60) % 3
    model = HalfspaceUnion(nu=0.3).fit(rows, labels=labels)
    assert model.coef_.shape == (3, 6)
    np.testing.assert_array_equal(model.labels_, labels)


@pytest.mark.parametrize("model", [LinearOneClassSVM(nu=0.3), HalfspaceUnion(3, nu=0.3)])
def test_rows_on_disk_and_in_blocks_give_the_same_model(model, tmp_path):
    rows = make_rows(0, 300, 6, np.float32)
    path = tmp_path / "rows.npy"
    np.save(path, rows)
    expected = clone(model).fit(rows)
    for source in (np.load(path, mmap_mode="r"), Pieces(rows, [7, 100])):
        found = clone(model).fit(source)
        np.testing.assert_array_equal(found.coef_, expected.coef_)
        np.testing.assert_array_equal(found.predict(source), expected.predict(rows))
        assert found.n_features_in_ == 6


def test_a_random_state_object_is_drawn_from():
    rows = make_rows(0, 60, 6)
    models = [HalfspaceUnion(4, random_state=np.random.RandomState(3)).fit(rows) for _ in range(2)]
    np.testing.assert_array_equal(models[0].coef_, models[1].coef_)


def test_what_did_not_converge_is_a_warning_with_the_advice():
    rows = make_rows(0, 300, 30)
    with pytest.warns(ConvergenceWarning, match="raise max_passes"):
        LinearOneClassSVM(nu=0.05, max_passes=2).fit(rows)
    with pytest.warns(ConvergenceWarning, match="No half-space"):
        LinearOneClassSVM(nu=0.1).fit(np.random.default_rng(0).standard_normal((100, 2)))


def test_errors_are_value_errors():
    with pytest.raises(InputError, match="nu: 2"):
        LinearOneClassSVM(nu=2).fit(make_rows(0))
    with pytest.raises(NotFittedError):
        HalfspaceUnion().predict(make_rows(0))


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_the_core_loads_neither_scikit_learn_nor_scipy():
    done = run(
        "import sys, numpy as np; from oneclass.svm import nu_path, fit_halfspaces, "
        "halfspace_scores as s; X = np.eye(3) + 1; nu_path(X, [0.5]); f = fit_halfspaces(X, 2); "
        "s(X, f.coef, f.offset); print([m for m in ('sklearn', 'scipy') if m in sys.modules])"
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_without_scikit_learn_the_error_says_what_to_install():
    done = run(
        "import sys; sys.modules['sklearn'] = None; sys.modules['sklearn.base'] = None\n"
        "from oneclass.errors import MissingDependencyError\n"
        "import oneclass.svm\n"
        "try: oneclass.svm.LinearOneClassSVM\n"
        "except MissingDependencyError as error: print(error)"
    )
    assert 'pip install "oneclass[sklearn]"' in done.stdout, done.stderr


def test_public_names_are_what_can_be_imported():
    assert dir(oneclass.svm) == oneclass.svm.__all__
    for name in oneclass.svm.__all__:
        assert getattr(oneclass.svm, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        oneclass.svm.nothing  # noqa: B018
