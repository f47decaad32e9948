"""The scikit-learn estimators keep scikit-learn's contract and the solver's answers."""

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

import oneclass.svm
from oneclass.errors import InputError
from oneclass.svm import HalfspaceUnion, LinearOneClassSVM, fit_halfspaces, nu_path
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


@pytest.mark.parametrize("same", [np.int64(3), np.uint8(3), np.int32(3)])
def test_equal_numbers_are_equal_seeds(same):
    rows = make_rows(0, 60, 6)
    expected = HalfspaceUnion(4, random_state=3).fit(rows)
    np.testing.assert_array_equal(
        HalfspaceUnion(4, random_state=same).fit(rows).coef_, expected.coef_
    )
    np.testing.assert_array_equal(fit_halfspaces(rows, 4, nu=0.5, seed=same).coef, expected.coef_)


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_a_generator_is_drawn_from(make):
    rows = make_rows(0, 60, 6)
    models = [HalfspaceUnion(9, random_state=make(3)).fit(rows) for _ in range(2)]
    np.testing.assert_array_equal(models[0].coef_, models[1].coef_)
    generator = make(3)
    labels = [HalfspaceUnion(9, random_state=generator).fit(rows).labels_ for _ in range(2)]
    assert not np.array_equal(*labels)


def test_without_a_random_state_numpys_own_decides():
    rows, found = make_rows(0, 60, 6), []
    kept = np.random.get_state()  # noqa: NPY002 - the global state is what is tested
    try:
        for _ in range(2):
            np.random.seed(5)  # noqa: NPY002
            found.append(HalfspaceUnion(9, random_state=None).fit(rows))
    finally:
        np.random.set_state(kept)  # noqa: NPY002
    np.testing.assert_array_equal(found[0].coef_, found[1].coef_)


@pytest.mark.parametrize("state", [-1, 0.5, "0", [1]])
def test_what_is_no_random_state_is_refused(state):
    with pytest.raises(InputError, match=r"random_state: .*; expected an integer of at least 0"):
        HalfspaceUnion(4, random_state=state).fit(make_rows(0))
    with pytest.raises(InputError, match="seed: "):
        fit_halfspaces(make_rows(0), 4, seed=state)


def copies(model):
    yield copy.copy(model)
    yield copy.deepcopy(model)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        yield pickle.loads(pickle.dumps(model, protocol))


@pytest.mark.parametrize(
    "model",
    [
        LinearOneClassSVM(nu=0.3, tol=1e-5),
        HalfspaceUnion(3, nu=0.3, random_state=np.random.default_rng(0)),
        HalfspaceUnion(3, nu=0.3, random_state=np.random.RandomState(0)),
    ],
)
def test_estimators_are_copied_cloned_and_pickled_before_and_after_a_fit(model):
    rows, new = make_rows(0, 100, 6), make_rows(1, 30, 6)
    for fresh in (clone(model), *copies(model)):
        assert fresh.get_params().keys() == model.get_params().keys()
        with pytest.raises(NotFittedError):
            fresh.predict(new)
    fitted = clone(model).fit(rows)
    expected = clone(model).fit(rows)
    for same in copies(fitted):
        assert vars(same).keys() == vars(expected).keys()
        np.testing.assert_array_equal(same.coef_, expected.coef_)
        np.testing.assert_array_equal(same.decision_function(new), expected.decision_function(new))
        same.fit(make_rows(2, 50, 6))  # a copy is its own
        np.testing.assert_array_equal(fitted.coef_, expected.coef_)
    with pytest.raises(NotFittedError):
        clone(fitted).predict(new)


@pytest.mark.parametrize("result", [nu_path(make_rows(0), [0.5]), fit_halfspaces(make_rows(0), 3)])
def test_results_are_copied_and_pickled(result):
    for same in copies(result):
        assert type(same) is type(result)
        np.testing.assert_array_equal(same.coef, result.coef)
        assert same.message == result.message


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
    assert 'pip install "scikit-learn>=' in done.stdout, done.stderr


@pytest.mark.parametrize("package", ["oneclass", "oneclass.svm"])
def test_without_scikit_learn_a_star_brings_all_that_can_be_had(package):
    done = run(
        "import sys; sys.modules['sklearn'] = None; sys.modules['sklearn.base'] = None\n"
        f"from {package} import *\n"
        "print(nu_path.__name__, 'LinearOneClassSVM' in globals())\n"
        f"from {package} import LinearOneClassSVM\n"
    )
    assert done.stdout == "nu_path False\n", done.stderr
    assert 'pip install "scikit-learn>=' in done.stderr


def test_public_names_are_what_can_be_imported():
    assert set(dir(oneclass.svm)) - set(oneclass.svm.__all__) == {
        "HalfspaceUnion",
        "LinearOneClassSVM",
    }
    for name in dir(oneclass.svm):
        assert getattr(oneclass.svm, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        oneclass.svm.nothing  # noqa: B018
