import numpy as np
import pytest
from scipy.spatial.distance import cdist

from kompot.gp import estimate_length_scale, nearest_distinct_distances
from kompot.gp.neighbors import find_neighborhoods


def brute_force(states):
    distances = cdist(states, states)
    distances[distances == 0] = np.inf
    return distances.min(axis=1)


@pytest.mark.parametrize("n_dims", [1, 3, 10, 30])
def test_neighbors_are_exact(n_dims, rng):
    states = rng.normal(size=(200, n_dims))
    np.testing.assert_allclose(nearest_distinct_distances(states), brute_force(states), rtol=1e-9)


@pytest.mark.parametrize("n_dims", [2, 15, 16, 50])
def test_copies_of_a_cell_are_ignored(rng, n_dims):
    states = rng.normal(size=(50, n_dims))
    copies = np.vstack([states, states[:20], states[:5]])
    expected = brute_force(states)
    expected = np.r_[expected, expected[:20], expected[:5]]
    np.testing.assert_allclose(nearest_distinct_distances(copies), expected)
    np.testing.assert_allclose(find_neighborhoods(copies, 3).nearest_distances, expected)
    some = np.arange(0, 75, 7)
    np.testing.assert_allclose(nearest_distinct_distances(copies, some), expected[some])


@pytest.mark.parametrize("seed", range(6))
def test_one_copy_in_a_wide_embedding_is_ignored(seed):
    """Products of squares give it a small distance, above zero for some of these."""
    states = np.random.default_rng(seed).normal(size=(300, 50))
    found = nearest_distinct_distances(np.vstack([states, states[:1]]))
    np.testing.assert_allclose(found, np.r_[brute_force(states), found[0]])


@pytest.mark.parametrize("n_dims", [3, 30])
def test_cells_in_one_place_have_no_neighbor(n_dims):
    assert np.isinf(nearest_distinct_distances(np.ones((4, n_dims)))).all()
    assert np.isinf(find_neighborhoods(np.ones((4, n_dims)), 2).nearest_distances).all()


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


@pytest.mark.parametrize("n_dims", [3, 50])
def test_neighbours_keep_their_digits(rng, n_dims):
    """Near copies of cells, and cells far from the origin, also by brute force."""
    states = rng.normal(size=(200, n_dims))
    near = np.vstack([states, states[:10] * (1 + 1e-12)])
    expected = 1e-12 * np.linalg.norm(states[:10], axis=1)
    np.testing.assert_allclose(nearest_distinct_distances(near)[:10], expected, rtol=1e-2)
    np.testing.assert_allclose(
        nearest_distinct_distances(states + 2.0**30), nearest_distinct_distances(states), rtol=1e-5
    )
    found = find_neighborhoods(near, 3)
    assert (np.diff(found.distances, axis=1) >= 0).all()
    assert (found.neighbors != np.arange(210)[:, None]).all()
