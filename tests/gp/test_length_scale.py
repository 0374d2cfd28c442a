import numpy as np
import pytest
from scipy.spatial.distance import cdist

from kompot.gp import estimate_length_scale, nearest_distinct_distances


def brute_force(states):
    distances = cdist(states, states)
    distances[distances == 0] = np.inf
    return distances.min(axis=1)


@pytest.mark.parametrize("n_dims", [1, 3, 10, 30])
def test_neighbors_are_exact(n_dims, rng):
    states = rng.normal(size=(200, n_dims))
    np.testing.assert_allclose(nearest_distinct_distances(states), brute_force(states), rtol=1e-9)


def test_copies_of_a_cell_are_ignored(rng):
    states = rng.normal(size=(50, 2))
    copies = np.vstack([states, states[:20], states[:5]])
    expected = brute_force(states)
    np.testing.assert_allclose(
        nearest_distinct_distances(copies), np.r_[expected, expected[:20], expected[:5]]
    )


def test_length_scale_is_the_stated_formula(rng):
    states = rng.normal(size=(300, 4))
    expected = 10 * np.exp(np.log(brute_force(states)).mean() + 3)
    assert estimate_length_scale(states) == pytest.approx(expected, rel=1e-12)
    assert estimate_length_scale(states, 2.5) == pytest.approx(expected / 4, rel=1e-12)


def test_length_scale_is_equivariant(rng):
    """It scales with the embedding and ignores shifts and the order of cells."""
    states = rng.normal(size=(300, 4))
    base = estimate_length_scale(states)
    assert estimate_length_scale(7.0 * states + 3.0) == pytest.approx(7 * base, rel=1e-9)
    order = rng.permutation(300)
    assert estimate_length_scale(states[order]) == pytest.approx(base, rel=1e-12)


def test_a_subset_of_queries_estimates_the_same_scale_in_any_order(rng):
    states = rng.normal(size=(4000, 3))
    subset = estimate_length_scale(states, max_queries=1000)
    assert subset == pytest.approx(estimate_length_scale(states), rel=0.05)
    order = rng.permutation(4000)
    assert estimate_length_scale(states[order], max_queries=1000) == pytest.approx(subset, rel=1e-9)


def test_one_place_is_refused_with_a_remedy():
    with pytest.raises(ValueError, match=r"all 5 cells have the same state\. Give `ls`"):
        estimate_length_scale(np.ones((5, 3)))


def test_distances_too_small_for_squares_stay_positive():
    states = np.array([[0.0], [1e-200], [1.0]])
    distances = nearest_distinct_distances(states)
    assert (distances > 0).all()
