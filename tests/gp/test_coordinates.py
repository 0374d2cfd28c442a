import numpy as np
import pytest

from kompot.gp.coordinates import FARTHEST, usable_states
from kompot.gp.landmark_cells import find_landmarks
from kompot.models.arrays import as_states


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, FARTHEST, -FARTHEST, 1e200])
def test_unusable_cells_are_those_that_every_door_refuses(bad):
    states = np.arange(12.0).reshape(4, 3)
    states[2, 1] = bad
    np.testing.assert_array_equal(usable_states(states), [True, True, False, True])
    with pytest.raises(ValueError, match=r"1 of 4 rows \(first: \[2\]\)"):
        as_states(states, "X")
    with pytest.raises(ValueError, match="finite numbers below 1e"):
        find_landmarks(states)


def test_squared_distances_of_usable_states_do_not_overflow():
    far = np.nextafter(FARTHEST, 0.0)
    states = np.array([[far] * 50, [-far] * 50])
    assert usable_states(states).all()
    assert np.isfinite(np.square(states[0] - states[1]).sum())
