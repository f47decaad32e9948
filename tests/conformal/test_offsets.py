"""One offset for all half-spaces, found without asking all of every row."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from oneclass.conformal import offsets
from oneclass.conformal.offsets import least_margins, with_one_offset
from oneclass.conformal.union import Union
from oneclass.conformal.whitening import learn_whitening, root, seen
from oneclass.rows import ArrayRows
from oneclass.svm import fit_halfspaces


def parts_of(seed, n_parts, scales):
    random = np.random.default_rng(seed)
    centres = random.random((6, 10)) + 0.2
    sizes = random.integers(8, 60, n_parts)
    drawn = [centres[random.integers(6, size=n)] + 0.1 * random.normal(size=(n, 10)) for n in sizes]
    if scales:
        drawn = [rows * 10 ** random.uniform(-2, 2, (len(rows), 1)) for rows in drawn]
    return [rows.astype(np.float32) for rows in drawn]


def fitted(samples, whitened):
    """Half-spaces of each part, and the rows as they see them."""
    whitening = learn_whitening(ArrayRows(np.concatenate(samples))) if whitened else None
    given = samples
    if whitening is not None:
        stretch = root(whitening)
        given = [seen(rows, whitening, rows.shape[1]) @ stretch for rows in samples]
    given = [ArrayRows(rows) for rows in given]
    fits = [fit_halfspaces(rows, 3, nu=0.2) for rows in given]
    coef = np.concatenate([fit.coef for fit in fits])
    coef /= np.linalg.norm(coef, axis=1)[:, None]
    if whitening is not None:
        coef = coef @ stretch
    union = Union(coef.astype(np.float32), np.zeros(len(coef)), 1, True, whitening)
    return union, [least_margins(rows, fit) for rows, fit in zip(given, fits, strict=True)]


@given(
    st.integers(0, 10_000),
    st.integers(1, 4),
    st.booleans(),
    st.booleans(),
    st.sampled_from([0.01, 0.1, 0.3, 0.5, 1.0]),
)
@settings(max_examples=60, deadline=None)
def test_the_offset_is_the_quantile_of_what_all_half_spaces_say(seed, n_parts, scales, white, nu):
    samples = parts_of(seed, n_parts, scales)
    union, least = fitted(samples, white)
    best = np.concatenate([-union.row_scores(rows) for rows in samples])
    assert (np.concatenate(least) <= best).all()
    found = with_one_offset(union, [ArrayRows(rows) for rows in samples], least, nu).offset
    assert (found == found[0]).all()
    place = min(int(nu * len(best)), len(best) - 1)
    assert found[0] == pytest.approx(np.sort(best)[place], rel=1e-5)


def test_rows_that_lie_well_inside_are_not_asked_about(monkeypatch):
    samples = parts_of(0, 4, False)
    union, least = fitted(samples, True)
    asked, plain = [], offsets._best

    def counted(union, rows):
        asked.extend(one.n_rows for one in rows)
        return plain(union, rows)

    monkeypatch.setattr(offsets, "_best", counted)
    with_one_offset(union, [ArrayRows(rows) for rows in samples], least, 0.05)
    assert sum(asked) < sum(map(len, samples)) / 2


@pytest.mark.parametrize("n", [3, 30, 37, 120, 300])
def test_the_bits_do_not_depend_on_the_threads_of_products(n):
    random = np.random.default_rng(n)
    coef = random.normal(size=(510, 152)).astype(np.float32)
    coef /= np.linalg.norm(coef, axis=1)[:, None]
    union = Union(coef, np.zeros(510), 1, True, None)
    rows = ArrayRows(random.random((n, 152), np.float32))
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            found.append(offsets._best(union, [rows]))
    np.testing.assert_array_equal(*found)
