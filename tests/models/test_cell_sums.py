import numpy as np
import psutil
import pytest

from kompot.gp.features import fit_features
from kompot.gp.kernels import make_kernel
from kompot.memory import availability
from kompot.models import cell_sums


class Stored:
    """Expression in a store, which counts how often it is read."""

    is_streamed = True

    def __init__(self, values):
        self.values, self.shape, self.n_read = values, values.shape, 0
        self.row_bytes = 8 * values.shape[1]

    def stream(self, plan):
        self.n_read += 1
        yield from ((number, self.values[cells]) for number, cells in enumerate(plan))


@pytest.mark.parametrize(("left", "n_passes"), [(2**40, 1), (2**18, 4)])
def test_passes_over_a_store_are_as_many_as_the_limit_of_the_process_asks_for(
    rng, monkeypatch, left, n_passes
):
    states, values = rng.normal(size=(80, 2)), rng.normal(size=(80, 5))
    features = fit_features(states, make_kernel("matern52", 3.0), tol=1e-4, rng=rng)
    sample = np.arange(80) % 4
    machine = psutil.virtual_memory()._replace(available=2**45)
    monkeypatch.setattr(availability.psutil, "virtual_memory", lambda: machine)
    monkeypatch.setattr(availability, "memory_limit", lambda _root: [(left, 0)])  # of a container
    stored = Stored(values)
    sums = list(cell_sums.sums_by_sample(features, states, [stored], sample))
    assert stored.n_read == n_passes
    for number, one in enumerate(sums):
        np.testing.assert_allclose(
            one.statistics.cross, features(states[sample == number]).T @ values[sample == number]
        )
