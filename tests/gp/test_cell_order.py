import numpy as np
import pytest

from kompot.gp.cell_order import evenly_spaced, lexicographic_order


def test_order_of_cells_depends_on_their_states_alone(rng):
    states = rng.integers(0, 3, size=(60, 3)).astype(float)
    shuffled = states[rng.permutation(60)]
    expected = np.array(sorted(map(tuple, states)))
    np.testing.assert_array_equal(states[lexicographic_order(states)], expected)
    np.testing.assert_array_equal(shuffled[lexicographic_order(shuffled)], expected)


@pytest.mark.parametrize(("n", "most"), [(1, 5), (7, 7), (7, 9), (100, 7), (40_000, 5000)])
def test_evenly_spaced_numbers_reach_both_ends(n, most):
    found = evenly_spaced(n, most)
    assert len(found) == min(n, most)
    assert found[0] == 0
    assert found[-1] == n - 1
    gaps = np.diff(found)
    if len(gaps):
        assert gaps.min() >= 1
        assert gaps.max() <= gaps.min() + 1
