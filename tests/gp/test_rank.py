import numpy as np
import pytest

from kompot.gp.features import fit_features
from kompot.gp.kernels import Matern52
from kompot.gp.rank import RankEstimate, estimate_rank


@pytest.fixture(scope="module")
def states():
    rng = np.random.default_rng(0)
    t = rng.random((12_000, 1)) * 3
    return np.hstack([np.sin(t), np.cos(2 * t), t]) + 0.05 * rng.standard_normal((12_000, 3))


def test_few_cells_have_the_very_rank_of_a_run(states):
    kernel, some = Matern52(2.0), states[:3000]
    run = fit_features(some, kernel, rng=np.random.default_rng(7))
    found = estimate_rank(some, kernel, rng=np.random.default_rng(7))
    assert found == RankEstimate(run.rank, run.rank, run.rank, 3000)


@pytest.mark.parametrize("length_scale", [8.0, 2.0])
def test_the_rank_of_many_cells_is_in_the_range(states, length_scale):
    kernel = Matern52(length_scale)
    run = fit_features(states, kernel, max_rank=5000, rng=np.random.default_rng(1)).rank
    found = estimate_rank(states, kernel, max_rank=5000, rng=np.random.default_rng(2))
    assert found.low <= run <= found.high <= found.bound == 5000


def test_a_rank_that_is_not_reached_is_extrapolated(states):
    kernel, some = Matern52(0.3), states[:2500]
    run = fit_features(some, kernel, tol=1e-5, rng=np.random.default_rng(1)).rank
    found = estimate_rank(some, kernel, tol=1e-5, rng=np.random.default_rng(2))
    assert run > 800
    assert found.low <= run <= found.high
    assert 0.7 * run < found.rank < 1.6 * run


def test_the_rank_is_at_most_that_asked_for(states):
    found = estimate_rank(states, Matern52(2.0), max_rank=20, rng=np.random.default_rng(0))
    assert found == RankEstimate(20, 20, 20, 20)
    few = estimate_rank(states[:5], Matern52(0.01), tol=0.0, rng=np.random.default_rng(0))
    assert few.rank == few.bound == 5
