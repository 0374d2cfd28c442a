"""How the density of cells varies between the samples of a condition."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kompot.gp.cell_features import CellFeatures
from kompot.gp.cell_order import lexicographic_order
from kompot.gp.density import NeighborLikelihood
from kompot.gp.features import FeatureMap
from kompot.gp.laplace import DensityPosterior
from kompot.gp.linalg import row_slices
from kompot.memory.expression_sizes import FEATURE_CHUNK
from kompot.models.arrays import check_positive
from kompot.models.condition_samples import (
    FEWEST_CELLS,
    numbered_samples,
    sample_labels,
    too_few_samples,
)
from kompot.models.density_estimator import DensityEstimator
from kompot.stats.abundance import ratio_offset

__all__ = ["ConditionCells", "SampleDensities", "fit_sample_densities", "number_samples"]

Array = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True)
class SampleDensities:
    r"""Deviations of the samples' log densities from the mean of their condition.

    With one log density :math:`f_s = c_s + \phi w_s` for each of the :math:`S` samples of a
    condition, the deviations :math:`(f_s - \bar f) / \sqrt{S - 1}` have as their sum of squares
    the variance of one more sample of that condition.

    Attributes
    ----------
    features
        Feature map.
    weights
        Deviations of :math:`w_s` over :math:`\sqrt{S - 1}`, ``(rank, n_samples)``, the samples
        of both conditions side by side.
    constants
        The same of :math:`c_s`, ``(n_samples,)``.
    """

    features: FeatureMap
    weights: Array
    constants: Array

    def deviations(self, phi: Array) -> Array:
        """At features ``(n_cells, rank)``: ``(n_cells, n_samples)``, natural log."""
        deviations: Array = phi @ self.weights + self.constants
        return deviations


@dataclass(frozen=True)
class ConditionCells:
    """Cells of a condition with its density and their samples.

    Attributes
    ----------
    states
        Cell states, ``(n_cells, n_dims)``.
    sample
        Number of each cell's sample, ``(n_cells,)``; -1 for none.
    density
        The fitted density of all cells of the condition.
    """

    states: Array
    sample: Codes
    density: DensityEstimator


def number_samples(
    condition: Codes,
    samples: Sequence[ArrayLike | None],
    *,
    wanted: bool | None = None,
    allow_single: bool = False,
    min_cells: int = FEWEST_CELLS,
) -> Codes | None:
    """Samples as numbers, with at least two in each condition, or in one if allowed.

    Parameters
    ----------
    condition
        0 or 1 for each cell, ``(n_cells,)``.
    samples
        Labels of the samples of the cells of condition 1 and of condition 2, in the order of the
        cells; None for none. The same label in both conditions means two samples.
    wanted
        Whether samples are used; None if they are given.
    allow_single
        Whether variation between the samples of one condition is enough.
    min_cells
        Cells that a sample needs.

    Returns
    -------
    Number of each cell's sample within its condition, ``(n_cells,)``; -1 for cells of samples
    with fewer. None without samples.

    Raises
    ------
    ValueError
        If there are too few samples, or their labels do not fit the cells.
    """
    if wanted is False or (wanted is None and all(labels is None for labels in samples)):
        return None
    codes = np.full(len(condition), -1, dtype=np.intp)
    found = [0, 0]
    for c, labels in enumerate(samples):
        rows = np.flatnonzero(condition == c)
        if labels is None:
            continue
        values = sample_labels(labels, len(rows), f"condition{c + 1}_sample_indices")
        codes[rows], names = numbered_samples(values, min_cells)
        found[c] = len(names)
    needed = max(found) if allow_single else min(found)
    if needed < 2:
        where = f" (the conditions have {found[0]} and {found[1]} samples)"
        one_will_do = not allow_single and max(found) >= 2
        raise too_few_samples(needed, min_cells, where=where, one_will_do=one_will_do)
    return codes


def fit_sample_densities(
    settings: DensityEstimator,
    conditions: Sequence[ConditionCells],
    length_scale: float | None = None,
    *,
    normalized: bool = True,
) -> SampleDensities:
    r"""Fit the density of every sample and take out the mean of its condition.

    Every sample has the dimension, features and prior mean per cell of its condition, and
    distances between its own cells only. Its log density is normalised by its number of cells
    and, if ``normalized``, by the offset of its ratio to the condition's density
    (:func:`kompot.stats.abundance.ratio_offset`), so that numbers of cells are no variation between
    samples; but small samples are smoothed more than large ones, which is.

    Parameters
    ----------
    settings
        Parameters of the densities.
    conditions
        Both conditions; those with fewer than two samples add nothing.
    length_scale
        Of the samples' densities; None for the features of the conditions.
    normalized
        Whether ratios are normalised.
    """
    settings = DensityEstimator(**settings.get_params() | {"nn_distances": None})
    features = conditions[0].density.features_
    if length_scale is not None:
        check_positive(sample_estimator_ls=length_scale)
        other = DensityEstimator(**settings.get_params()).set_params(ls=length_scale)
        states = np.concatenate([cells.states for cells in conditions])
        features, _ = other.find_features(states[lexicographic_order(states)], [], np.nan)
    weights, constants = [], []
    for cells in conditions:
        n_samples = int(cells.sample.max(initial=-1)) + 1
        if n_samples < 2:
            continue
        fitted = [_fit_sample(settings, cells, features, s) for s in range(n_samples)]
        slopes = np.column_stack([posterior.weights for posterior in fitted])
        levels = np.array([posterior.mu - np.log(posterior.n_cells) for posterior in fitted])
        if normalized:
            levels += _offsets(cells, features, slopes, levels)
        scale = np.sqrt(n_samples - 1.0)
        weights.append((slopes - slopes.mean(axis=1, keepdims=True)) / scale)
        constants.append((levels - levels.mean()) / scale)
    return SampleDensities(features, np.hstack(weights), np.concatenate(constants))


def _fit_sample(
    settings: DensityEstimator, cells: ConditionCells, features: FeatureMap, number: int
) -> DensityPosterior:
    """Density of one sample."""
    states = cells.states[cells.sample == number]
    whole, n_cells = cells.density, len(states)
    try:
        distances = settings.neighbor_distances(states)
    except ValueError as error:
        error.add_note(f"These are the {n_cells} cells of one sample.")
        raise
    likelihood = NeighborLikelihood.of_distances(distances, whole.d_)
    mu = whole.mu_ + np.log(n_cells / whole.posterior_.n_cells)
    density = DensityEstimator(**settings.get_params())
    return density.fit_posterior(
        CellFeatures(features, states), likelihood, whole.d_, mu
    ).posterior_


def _offsets(cells: ConditionCells, features: FeatureMap, slopes: Array, levels: Array) -> Array:
    """What normalises the ratio of each sample's density to the condition's, ``(n_samples,)``."""
    parts = [
        features(cells.states[rows]) @ slopes + levels
        for rows in row_slices(len(cells.states), FEATURE_CHUNK)
    ]
    ratio = np.concatenate(parts) - cells.density.predict(cells.states, normalize=True)[:, None]
    offsets = np.empty(len(levels))
    for number in range(len(levels)):
        own = cells.sample == number
        at_both = np.concatenate([ratio[:, number], ratio[own, number]])
        offsets[number] = ratio_offset(at_both, len(own), int(own.sum()))[0]
    return offsets
