"""Orders of cells that depend on their states alone, and some of them taken evenly."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["evenly_spaced", "in_order", "lexicographic_order"]


def lexicographic_order(states: NDArray[np.float64]) -> NDArray[np.intp]:
    """Order of cells by their states alone, so that the order they come in does not matter.

    Parameters
    ----------
    states
        Cell states, ``(n_cells, n_dims)``.
    """
    if not states.shape[1]:
        return np.arange(len(states))
    order = np.argsort(states[:, 0], kind="stable")
    first = states[order, 0]
    return order if (first[1:] != first[:-1]).all() else np.lexsort(states.T[::-1])


def evenly_spaced(n: int, most: int) -> NDArray[np.intp]:
    """At most so many of the numbers 0 to ``n - 1``, increasing; all if they are no more."""
    return np.linspace(0, n - 1, min(n, most)).astype(np.intp)


def in_order(values: NDArray[np.float64], rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Values of cells in increasing order of their rows.

    >>> in_order(np.array([0.5, 0.2, 0.9]), np.array([7, 3, 5]))
    array([0.2, 0.9, 0.5])
    """
    return values[np.argsort(rows, kind="stable")]
