"""Own condition among nearest neighbours."""

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from kompot.stats.condition_mixing import own_neighbors


@pytest.mark.parametrize("share", [0.5, 0.1])
def test_half_are_own_if_conditions_are_mixed(rng, share):
    states, condition = rng.normal(size=(3000, 3)), (rng.random(3000) < share).astype(int)
    assert own_neighbors(states, condition) == pytest.approx(0.5, abs=0.03)


def test_all_are_own_if_conditions_are_apart(rng):
    condition = rng.integers(2, size=500)
    states = rng.normal(size=(500, 3)) + 20.0 * condition[:, None]
    assert own_neighbors(states, condition) == 1.0


def test_it_agrees_with_another_search(rng):
    condition = np.arange(600) % 2
    states = rng.normal(size=(600, 2)) + 0.8 * condition[:, None]
    found = NearestNeighbors(n_neighbors=16).fit(states).kneighbors(return_distance=False)
    own = (condition[found[:, :15]] == condition[:, None]).mean(axis=1)
    assert own_neighbors(states, condition) == pytest.approx(own.mean())


def test_many_cells_in_a_regular_order_are_a_fair_choice(rng):
    states, condition = rng.normal(size=(30_000, 2)), np.arange(30_000) % 3 // 2
    assert own_neighbors(states, condition) == pytest.approx(0.5, abs=0.03)


def test_few_cells_of_one_condition_among_many_are_found(rng):
    condition = (np.arange(50_000) < 60).astype(int)
    states = rng.normal(size=(50_000, 2)) + 20.0 * condition[:, None]
    assert own_neighbors(states, condition) == 1.0


def test_too_few_cells_say_nothing(rng):
    condition = np.repeat([0, 1], [200, 15])
    assert np.isnan(own_neighbors(rng.normal(size=(215, 2)), condition))
