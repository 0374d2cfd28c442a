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
    with threadpool_limits(2):
        assert blas_threads() == {2}
        yield


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
    assert seen == [1, -1]


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
