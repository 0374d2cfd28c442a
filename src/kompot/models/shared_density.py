"""Parameters that the densities of two conditions share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kompot.gp.cell_features import CellFeatures
from kompot.gp.density import NeighborLikelihood, prior_mean_log_density
from kompot.gp.length_scale import length_scale_of_distances
from kompot.gp.neighbors import Neighborhoods, find_neighborhoods
from kompot.models.density_estimator import DensityEstimator, refuse_one_place
from kompot.settings.checks import PARAM_SCHEMES, choice
from kompot.stats.abundance import ratio_offset

__all__ = [
    "SharedParameters",
    "fit_densities",
    "neighbors_within",
    "normalized_log_density",
    "prior_variances",
    "ratio_normalization",
    "shared_parameters",
]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SharedParameters:
    """What the densities of both conditions have in common.

    Attributes
    ----------
    d
        Dimension.
    heuristic
        Length scale by the heuristic at ``ls_factor`` 1.
    mu
        Prior means; per cell of its condition they are the same.
    """

    d: float
    heuristic: float
    mu: tuple[float, float]


def neighbors_within(
    settings: DensityEstimator,
    cells: list[Array],
    rows: list[NDArray[np.intp]],
    n_neighbors: int,
) -> tuple[list[Array], list[Neighborhoods]]:
    """Neighbours among the cells of the same condition.

    Parameters
    ----------
    settings
        Parameters of the densities, with distances to the nearest distinct cell if they are known.
    cells
        Cell states of each condition, ``(n_cells, n_dims)``.
    rows
        Their rows in the data, in whose order distances were given.
    n_neighbors
        How many to find, at least 1.

    Returns
    -------
    Distances to the nearest distinct cell, ``(n_cells,)``, and neighbourhoods, of each condition.
    """
    near = [find_neighborhoods(states, n_neighbors) for states in cells]
    for c in (0, 1):
        try:
            refuse_one_place(near[c].nearest_distances)
        except ValueError as error:
            error.add_note(f"These are the cells of condition {c + 1}.")
            raise
    if settings.nn_distances is None:
        return [one.nearest_distances for one in near], near
    given = settings.known_distances(sum(len(r) for r in rows))
    return [given[r] for r in rows], near


def shared_parameters(
    settings: DensityEstimator, cells: list[Array], distances: list[Array], scheme: str
) -> SharedParameters:
    """Dimension, length scale and prior means of both conditions.

    Parameters
    ----------
    settings
        Parameters of the densities.
    cells
        Cell states of each condition, ``(n_cells, n_dims)``.
    distances
        Distance of each cell to the nearest of its condition, ``(n_cells,)``.
    scheme
        From which cells they come: ``"condition1"``, ``"condition2"``, ``"pooled"`` (all as one),
        or ``"symmetric"`` (mean of both by their numbers of cells, geometric for the scale).

    Raises
    ------
    ValueError
        If there is no such scheme.
    """
    choice("param_scheme", scheme, PARAM_SCHEMES)
    sizes = [float(len(c)) for c in cells]
    sources = list(zip(cells, distances, strict=True))
    if scheme == "pooled":
        together = np.vstack(cells)
        sources = [(together, find_neighborhoods(together, 1).nearest_distances)]
    elif scheme != "symmetric":
        sources = [sources[int(scheme == "condition2")]]
    weights = [float(len(states)) for states, _ in sources]

    def average(values: list[float]) -> float:
        return sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)

    d = average([settings.dimension(states) for states, _ in sources])
    log_scale = average([np.log(length_scale_of_distances(found, 1.0)) for _, found in sources])
    if settings.mu is not None:
        logs = np.log(sizes)
        given = [float(mu) for mu in settings.mu + logs - logs.mean()]
        return SharedParameters(d, float(np.exp(log_scale)), (given[0], given[1]))
    per_cell = average(
        [prior_mean_log_density(found, d) - np.log(len(found)) for _, found in sources]
    )
    mu = (per_cell + float(np.log(sizes[0])), per_cell + float(np.log(sizes[1])))
    return SharedParameters(d, float(np.exp(log_scale)), mu)


def prior_variances(n_cells: Sequence[int]) -> list[float]:
    """Prior variances with which conditions are smoothed alike, from their numbers of cells.

    Each is inversely proportional to its number, 1 for the larger condition.
    """
    return [max(n_cells) / n for n in n_cells]


def fit_densities(
    settings: DensityEstimator,
    cells: list[CellFeatures],
    likelihoods: list[NeighborLikelihood],
    shared: SharedParameters,
) -> list[DensityEstimator]:
    """Fit the density of each condition in the same features, smoothed alike.

    Their prior variances are :func:`prior_variances`.

    Parameters
    ----------
    settings
        Parameters of the densities.
    cells, likelihoods
        Features and likelihood of the cells of each condition.
    shared
        What the densities have in common.
    """
    variances = prior_variances([len(one) for one in cells])
    return [
        DensityEstimator(**settings.get_params()).fit_posterior(
            cells[c],
            likelihoods[c],
            shared.d,
            shared.mu[c],
            prior_variance=variances[c],
        )
        for c in (0, 1)
    ]


def normalized_log_density(density: DensityEstimator, phi: Array) -> Array:
    """Log density per cell of its condition at features ``(n_cells, rank)``: ``(n_cells,)``."""
    return density.posterior_.mean(phi) - np.log(density.posterior_.n_cells)


def ratio_normalization(
    densities: list[DensityEstimator], cells: list[CellFeatures], places: list[NDArray[np.intp]]
) -> tuple[float, Array]:
    """Offset that makes the ratio of two densities one of normalised densities.

    Parameters
    ----------
    densities
        Densities of the conditions, in the same features.
    cells
        Features of the cells of each condition.
    places
        Where these are in an order of all cells, which does not depend on the conditions.

    Returns
    -------
    offset
        What to add to the log ratio (:func:`kompot.stats.abundance.ratio_offset`).
    center
        Mean of the features that it takes out, ``(rank,)``.
    """
    first, second = (density.posterior_ for density in densities)
    level = (second.mu - np.log(second.n_cells)) - (first.mu - np.log(first.n_cells))
    ratio = np.empty(sum(len(one) for one in cells))
    for one, where in zip(cells, places, strict=True):
        ratio[where] = one.times(second.weights - first.weights) + level
    offset, weights = ratio_offset(ratio, first.n_cells, second.n_cells)
    sums = [one.weighted_sum(weights[where]) for one, where in zip(cells, places, strict=True)]
    return offset, sums[0] + sums[1]
