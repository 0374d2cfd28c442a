"""Which cell states can be computed with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FARTHEST", "usable_states"]

FARTHEST = 1e150
"""Coordinates from here on are refused: squares of larger ones would overflow."""


def usable_states(states: NDArray[Any]) -> NDArray[np.bool_]:
    """Which cells have a state of finite numbers below :data:`FARTHEST`.

    Parameters
    ----------
    states
        Cell states, ``(n_cells, n_dims)``.

    Returns
    -------
    A mask, ``(n_cells,)``.
    """
    usable: NDArray[np.bool_] = (np.abs(states) < FARTHEST).all(axis=1)
    return usable
