import numpy as np
import pytest
from scipy.spatial.distance import pdist

from kompot.gp.local_dimension import fractal_dimension


def test_equals_the_slope_in_each_neighborhood(rng):
    states = rng.normal(size=(60, 3))
    slopes = []
    for cell in states:
        nearest = states[np.argsort(np.linalg.norm(states - cell, axis=1))[:10]]
        distances = np.sort(pdist(nearest))
        ranks = np.arange(1, len(distances) + 1)
        slopes.append(np.polyfit(np.log(distances), np.log(ranks), 1)[0])
    assert fractal_dimension(states) == pytest.approx(np.mean(slopes))


@pytest.mark.parametrize(("d", "low", "high"), [(1, 0.75, 0.95), (2, 1.35, 1.65), (5, 2.5, 3.3)])
def test_flat_patches_in_ten_dimensions(rng, d, low, high):
    """Ten cells see less than the dimension, more so the higher it is."""
    turn = np.linalg.qr(rng.normal(size=(10, 10)))[0]
    states = np.pad(rng.uniform(size=(3000, d)), ((0, 0), (0, 10 - d))) @ turn
    assert low < fractal_dimension(states) < high


def test_order_scale_shift_and_copies_do_not_matter(rng):
    states = rng.normal(size=(800, 3))
    expected = fractal_dimension(states)
    assert fractal_dimension(rng.permutation(states)) == expected
    assert fractal_dimension(7 * states + 3) == pytest.approx(expected)
    assert fractal_dimension(np.vstack([states, states[:99]])) == expected


@pytest.mark.parametrize("n_cells", [1, 2])
def test_too_few_cells_for_a_slope_give_the_columns(rng, n_cells):
    assert fractal_dimension(rng.normal(size=(n_cells, 4))) == 4.0


def test_three_cells_have_a_slope():
    assert fractal_dimension(np.array([[0.0], [1.0], [3.0]])) > 0


def test_states_that_are_all_as_far_apart_have_no_slope():
    assert fractal_dimension(np.eye(3)[np.arange(30) % 3]) == 3.0
