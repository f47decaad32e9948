"""Products of workers take one thread each, and whoever comes later gets them back."""

import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from oneclass import Detector
from oneclass.system.host.blas import one_blas_thread


def threads():
    return {pool["num_threads"] for pool in threadpool_info() if "numpy" in pool["filepath"]}


@pytest.fixture(autouse=True)
def two_threads():
    with threadpool_limits(2, user_api="blas"):
        if threads() != {2}:
            pytest.skip("numpy's products have one thread here")
        yield


def test_the_limit_ends_also_where_work_fails():
    with one_blas_thread():
        assert threads() == {1}
        with one_blas_thread():
            assert threads() == {1}
        assert threads() == {1}
    assert threads() == {2}
    with pytest.raises(RuntimeError), one_blas_thread():
        raise RuntimeError
    assert threads() == {2}


def test_other_threads_change_nothing():
    seen = []

    def other():
        with one_blas_thread():
            pass

    with one_blas_thread():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        seen.append(threads())
    assert seen == [{1}]
    assert threads() == {2}


def test_workers_multiply_alone_and_the_solver_does_not(monkeypatch):
    images = list(np.random.default_rng(0).integers(0, 255, (12, 32, 32), np.uint8))
    detector = Detector(backbone="greyscale", size=(8, 8)).fit(images)
    assert threads() == {2}
    seen = []
    judge = type(detector.model).judge
    monkeypatch.setattr(
        type(detector.model), "judge", lambda *a: seen.append(threads()) or judge(*a)
    )
    assert len(detector.score(images)) == 12
    assert seen == [{1}] * 12
    assert threads() == {2}
