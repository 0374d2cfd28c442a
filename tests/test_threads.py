import os
from threading import Barrier, Thread

import numpy as np
import pytest
from scipy import linalg  # noqa: F401 loads a BLAS whose threads can be counted
from threadpoolctl import threadpool_info, threadpool_limits

from kompot import threads
from kompot.gp import nearest_distinct_distances


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture
def _two_threads():
    """Two in linear algebra, as where nobody has set a number."""
    found = threadpool_limits(2)
    with threadpool_limits(None):  # since version 3.8 other threads may set a number after this
        assert blas_threads() == {2}
    yield
    with found:
        pass


@pytest.mark.usefixtures("_two_threads")
def test_limit_holds_inside_and_is_lifted_after(rng, monkeypatch):
    seen = []
    import kompot.gp.neighbors as module

    class Tree(module.KDTree):
        def query(self, *args, **options):
            seen.append(options["workers"])
            return super().query(*args, **options)

    monkeypatch.setattr(module, "KDTree", Tree)
    states = rng.normal(size=(50, 2))
    with threads.limited(1):
        assert blas_threads() == {1}
        one = nearest_distinct_distances(states)
    assert blas_threads() == {2}
    np.testing.assert_array_equal(nearest_distinct_distances(states), one)
    assert seen == [1, threads.number()]


@pytest.mark.usefixtures("_two_threads")
@pytest.mark.parametrize("n_threads", [1, 3])
def test_batches_are_all_done_on_single_threads(n_threads):
    done = np.zeros(20)
    inside = []

    def work(i):
        done[i] += 1
        inside.append(blas_threads())

    with threads.limited(n_threads):
        assert len(list(threads.map_batches(work, range(20)))) == 20
    assert (done == 1).all()
    assert set(map(frozenset, inside)) == {frozenset({1})}


def test_an_error_in_a_batch_is_raised_and_cancels_the_rest():
    seen = []

    def work(i):
        seen.append(i)
        if i == 3:
            raise KeyboardInterrupt

    with threads.limited(1), pytest.raises(KeyboardInterrupt):
        list(threads.map_batches(work, range(10_000)))
    assert len(seen) < 10_000


def omp_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"}


@pytest.mark.usefixtures("_two_threads")
@pytest.mark.parametrize("using", [threads.single_threaded_products, lambda: threads.limited(1)])
def test_overlapping_uses_in_threads_restore_what_was_found(using):
    first_in, second_in, first_out = (Barrier(2, timeout=60) for _ in range(3))
    seen, own = [], []

    def first():
        with using():
            first_in.wait()
            second_in.wait()
        first_out.wait()

    def second():
        found = omp_threads()
        first_in.wait()
        with using():
            second_in.wait()
            first_out.wait()
            seen.append(blas_threads() | omp_threads())
        own.append((found, omp_threads()))

    both = [Thread(target=first), Thread(target=second)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert seen == [{1}]
    assert blas_threads() == {2}
    assert own[0][0] == own[0][1]


@pytest.mark.usefixtures("_two_threads")
def test_nested_limits_hold_the_least_and_look_for_libraries_once(monkeypatch):
    looked = []

    class Controller(threads.ThreadpoolController):
        def __init__(self):
            looked.append(1)
            super().__init__()

    monkeypatch.setattr(threads, "ThreadpoolController", Controller)
    with threads.limited(1):
        with threads.limited(3), threads.single_threaded_products():
            assert blas_threads() == {1}
        assert blas_threads() == {1}
    assert blas_threads() == {2}
    assert len(looked) == 1


@pytest.mark.usefixtures("_two_threads")
def test_an_unfinished_generator_leaves_no_limit_behind():
    with threads.limited(2):
        unfinished = threads.map_batches(lambda i: i, range(10))
        assert next(unfinished) == 0
        assert blas_threads() == {1}
        unfinished.close()
        assert blas_threads() == {2}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen here")
def test_number_is_that_of_the_cores_of_the_process():
    found = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(found)})
    try:
        assert threads.number() == 1
    finally:
        os.sched_setaffinity(0, found)
    assert threads.number() == len(found)
