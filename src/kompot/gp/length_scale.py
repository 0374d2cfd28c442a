"""How far apart two cell states must be before their expression is unrelated."""

import numpy as np
from numpy.typing import NDArray

from kompot.gp.cell_order import evenly_spaced, lexicographic_order
from kompot.gp.neighbors import nearest_distinct_distances
from kompot.settings.checks import PARAM_SCHEMES, choice

__all__ = ["estimate_length_scale", "length_scale_by_scheme", "length_scale_of_distances"]

Array = NDArray[np.float64]


def estimate_length_scale(states: Array, ls_factor: float = 10.0, max_queries: int = 5000) -> float:
    r"""Length scale from the spacing of the cells.

    :math:`\ell = c \exp(3 + \frac1n \sum_i \log d_i)` with :math:`d_i` the distance of cell
    :math:`i` to its nearest distinct cell and :math:`c` = ``ls_factor``: the heuristic of Mellon
    (Otto et al. 2024, *Nature Methods* 21, 1185) times a factor.

    Parameters
    ----------
    states
        Cell states, ``(n_cells, n_dims)``.
    ls_factor
        Multiple of the heuristic, positive.
    max_queries
        Above this many cells the mean runs over so many cells, evenly spaced in lexicographic
        order (so that the order of the cells does not matter). Neighbours are sought among all.

    Raises
    ------
    ValueError
        If all cells are in one place.
    """
    n_cells = len(states)
    queries = None
    if n_cells > max_queries:
        queries = lexicographic_order(states)[evenly_spaced(n_cells, max_queries)]
    distances = nearest_distinct_distances(states, queries)
    if not np.isfinite(distances).all():
        msg = (
            f"The length scale cannot be estimated: all {n_cells} cells have the same state. "
            "Give `ls`, or an embedding in which cells differ."
        )
        raise ValueError(msg)
    return length_scale_of_distances(distances, ls_factor)


def length_scale_of_distances(distances: Array, ls_factor: float) -> float:
    r"""The heuristic :math:`c \exp(3 + \frac1n \sum_i \log d_i)` of distances ``(n_cells,)``."""
    return float(ls_factor * np.exp(np.log(distances).mean() + 3.0))


def length_scale_by_scheme(
    states: Array, condition: NDArray[np.intp], scheme: str, ls_factor: float = 10.0
) -> float:
    """Length scale that two conditions share.

    Parameters
    ----------
    states
        Cell states, ``(n_cells, n_dims)``.
    condition
        0 or 1 for each cell, ``(n_cells,)``.
    scheme
        From which cells it is estimated: ``"condition1"``, ``"condition2"``, ``"pooled"`` (all), or
        ``"symmetric"`` (geometric mean of both, weighted by their numbers of cells).
    ls_factor
        Multiple of the heuristic, positive.
    """
    choice("param_scheme", scheme, PARAM_SCHEMES)
    if scheme == "pooled":
        return estimate_length_scale(states, ls_factor)
    if scheme == "symmetric":
        scales = [estimate_length_scale(states[condition == c], ls_factor) for c in (0, 1)]
        sizes = [(condition == c).sum() for c in (0, 1)]
        return float(np.exp(np.average(np.log(scales), weights=sizes)))
    source = int(scheme == "condition2")
    return estimate_length_scale(states[condition == source], ls_factor)
