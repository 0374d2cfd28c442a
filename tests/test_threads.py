import numpy as np
from scipy import linalg  # noqa: F401 loads a BLAS whose threads can be counted
from threadpoolctl import threadpool_info

from kompot import threads
from kompot.gp import nearest_distinct_distances


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


def test_limit_holds_inside_and_is_lifted_after(rng, monkeypatch):
    before = blas_threads()
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
    assert blas_threads() == before
    np.testing.assert_array_equal(nearest_distinct_distances(states), one)
    assert seen == [1, -1]
