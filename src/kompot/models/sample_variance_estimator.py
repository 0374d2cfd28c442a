"""How a function of cell state varies between samples."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kompot.gp.linalg import row_slices
from kompot.gp.regression import fit_posterior
from kompot.memory import dense_bytes, require
from kompot.models.arrays import as_expression, as_states, require_fitted
from kompot.models.cell_sums import sums_by_sample
from kompot.models.condition_samples import numbered_samples, sample_labels, too_few_samples
from kompot.models.density_estimator import DensityEstimator
from kompot.models.function_estimator import FunctionEstimator
from kompot.models.parameters import Parameters
from kompot.models.sample_densities import ConditionCells, fit_sample_densities
from kompot.progress import bar
from kompot.settings.checks import choice, number
from kompot.stats.sample_variance import sample_deviations

__all__ = ["SampleVarianceEstimator"]

Array = NDArray[np.float64]

_KINDS = ("function", "density")
_BATCH = 500
_MEMORY_SHARE = 0.8


class SampleVarianceEstimator(Parameters):
    r"""Covariance between samples of expression, or of log density, over cell states.

    Every sample has its own fit, in features that all share; with :math:`S` samples

    .. math:: \frac{1}{S - 1} \sum_s (f_s(x) - \bar f(x)) (f_s(x') - \bar f(x'))

    is held as :math:`S - 1` functions per gene (:mod:`kompot.stats.sample_variance`).

    Parameters
    ----------
    eps
        Added to the variance at each cell, not negative.
    estimator_type
        ``"function"`` for expression, ``"density"`` for the log density of cells.

    Attributes
    ----------
    estimator_ : FunctionEstimator or DensityEstimator
        Fit of all cells, whose features the samples share.
    groups_ : ndarray
        Labels of the samples that take part.
    deviations_ : list of ndarray
        The :math:`S - 1` functions' weights (for densities :math:`S`, and their constants in
        ``constants_``), ``(rank, n_genes)``.
    """

    def __init__(self, eps: float = 1e-8, *, estimator_type: str = "function") -> None:
        self.eps = eps
        self.estimator_type = estimator_type

    def fit(  # noqa: PLR0917
        self,
        X: ArrayLike,
        Y: Any = None,
        grouping_vector: ArrayLike | None = None,
        min_cells: int = 2,
        ls_factor: float = 10.0,
        estimator_kwargs: Mapping[str, Any] | None = None,
    ) -> Self:
        """Fit every sample.

        Parameters
        ----------
        X
            Cell states, ``(n_cells, n_dims)``.
        Y
            Expression, ``(n_cells, n_genes)`` or ``(n_cells,)``; not for densities.
        grouping_vector
            Sample of each cell, ``(n_cells,)``.
        min_cells
            Samples with fewer cells are left out.
        ls_factor
            Multiple of the length scale's estimate.
        estimator_kwargs
            Further parameters of :class:`FunctionEstimator` or :class:`DensityEstimator`.

        Raises
        ------
        ValueError
            If fewer than 2 samples have enough cells, or anything has the wrong shape.
        """
        self._check()
        states = as_states(X, "X")
        codes, self.groups_ = _number_groups(grouping_vector, len(states), min_cells)
        options = {"ls_factor": ls_factor, **(estimator_kwargs or {})}
        self.constants_ = np.zeros(1)
        if self.estimator_type == "density":
            density = DensityEstimator(**options).fit(states)
            self.estimator_: FunctionEstimator | DensityEstimator = density
            found = fit_sample_densities(density, [ConditionCells(states, codes, density)])
            self.deviations_ = [column[:, None] for column in found.weights.T]
            self.constants_ = found.constants
            return self
        if Y is None:
            msg = "`Y` is needed: the expression of the cells, (n_cells, n_genes)."
            raise ValueError(msg)
        expression = as_expression(Y, "Y", len(states))
        function = FunctionEstimator(**options).fit(states, expression)
        self.estimator_ = function
        cells = np.flatnonzero(codes >= 0)
        sums = sums_by_sample(function.features_, states[cells], [expression[cells]], codes[cells])
        weights = [fit_posterior(found.statistics, function.sigma_).weights for found in sums]
        self.deviations_ = sample_deviations(weights)
        return self

    def predict(self, X_new: ArrayLike, diag: bool = False, progress: bool = True) -> Array:
        """Covariance between samples at cell states.

        Parameters
        ----------
        X_new
            Cell states, ``(n_cells, n_dims)``.
        diag
            Only the variances.
        progress
            Show a progress bar.

        Returns
        -------
        Variances ``(n_cells, n_genes)``, or covariances ``(n_cells, n_cells, n_genes)``; one gene
        for densities.

        Raises
        ------
        MemoryError
            If covariances of so many cells do not fit.
        """
        require_fitted(self, "deviations_")
        features = self.estimator_.features_
        states = as_states(X_new, "X_new", features.landmarks.shape[1])
        n_cells, n_genes = len(states), self.deviations_[0].shape[1]
        if not diag:
            require(
                dense_bytes(n_cells, n_cells, n_genes),
                _MEMORY_SHARE,
                what=f"covariances of {n_genes} genes between {n_cells} cells",
                remedy="Predict fewer cells at a time, or use `diag=True`.",
            )
        slices = bar(list(row_slices(n_cells, _BATCH)), "predicting", "batch", shown=progress)
        batches = (self._functions(features(states[rows])) for rows in slices)
        if diag:
            variances = [np.square(functions).sum(axis=0) for functions in batches]
            return np.concatenate(variances) + self.eps
        functions = np.concatenate(list(batches), axis=1)
        covariance = np.empty((n_cells, n_cells, n_genes))
        for gene in range(n_genes):
            one = functions[:, :, gene]
            covariance[:, :, gene] = one.T @ one
        diagonal = np.arange(n_cells)
        covariance[diagonal, diagonal] += self.eps
        return covariance

    def _functions(self, phi: Array) -> Array:
        """The deviations at features, ``(n_deviations, n_cells, n_genes)``."""
        found = np.stack([phi @ one for one in self.deviations_])
        return found + self.constants_.reshape(-1, 1, 1)

    def _check(self) -> None:
        choice("estimator_type", self.estimator_type, _KINDS)
        number("eps", self.eps, least=0)


def _number_groups(
    labels: ArrayLike | None, n_cells: int, min_cells: int
) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Number of each cell's sample, -1 for those with too few cells, and the samples' labels."""
    if labels is None:
        msg = "`grouping_vector` is needed: the sample of each cell, (n_cells,)."
        raise ValueError(msg)
    values = sample_labels(labels, n_cells, "grouping_vector")
    codes, names = numbered_samples(values, min_cells)
    if len(names) < 2:
        sizes = np.unique(values, return_counts=True)[1]
        where = f" (the groups have {sizes[:10].tolist()} cells)"
        raise too_few_samples(len(names), min_cells, where=where)
    return codes, names
