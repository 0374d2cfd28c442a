"""Functions of two conditions fitted apart, each with its own length scale.

Functions of different smoothness have no features in common, so that they are compared as functions
that were fitted elsewhere are (:mod:`kompot.models.given_expression`).
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kompot.anndata.chunks import ExpressionRows
from kompot.anndata.inputs import Cells
from kompot.anndata.shuffled_genes import shuffled_genes
from kompot.gp.features import FeatureMap, fit_features, residual_variance
from kompot.gp.kernels import make_kernel
from kompot.gp.length_scale import estimate_length_scale
from kompot.gp.regression import Posterior, fit_posterior
from kompot.models.cell_sums import accumulate
from kompot.models.given_expression import GivenExpression, GivenFunction
from kompot.models.smoothness import SmoothnessOptions, choose_smoothness
from kompot.settings import ExpressionSettings

__all__ = ["SmoothFunction", "fit_separately"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SmoothFunction:
    """A fitted function of all genes, and of the shuffled ones after them.

    Attributes
    ----------
    features
        Its features.
    posterior
        Posterior of their weights.
    """

    features: FeatureMap
    posterior: Posterior

    @property
    def landmarks(self) -> Array:
        """Landmarks, ``(rank, n_dims)``."""
        return self.features.landmarks

    @property
    def ls(self) -> float:
        """Length scale, in units of the embedding."""
        return self.features.kernel.length_scale

    def predict(self, X: ArrayLike) -> Array:
        """Expression at cell states ``(n_cells, n_dims)``: ``(n_cells, n_columns)``."""
        return self.posterior.mean(self.features(np.asarray(X, dtype=np.float64)))

    def covariance(self, X: ArrayLike, diag: bool = True) -> Array:
        r"""Posterior covariance, ``(n_cells,)`` or ``(n_cells, n_cells)``.

        :math:`\phi B^{-1} \phi^\top + k - \phi\phi^\top`.
        """
        states = np.asarray(X, dtype=np.float64)
        phi = self.features(states)
        if diag:
            return self.posterior.variance(phi) + residual_variance(phi)
        unexplained = self.features.kernel(states, states) - phi @ phi.T
        return phi @ self.posterior.covariance @ phi.T + unexplained


def fit_separately(
    expression: ExpressionRows,
    cells: Cells,
    null_choice: int | NDArray[np.intp] | None,
    landmarks: Array | None,
    settings: ExpressionSettings,
) -> GivenExpression:
    """Fit the function of each condition to its own cells, with shuffled genes beside the others.

    Parameters
    ----------
    expression
        Of the cells compared, in the genes tested.
    cells
        These cells.
    null_choice
        How many genes to shuffle, or which columns; None for none.
    landmarks
        Landmarks to use, ``(n_landmarks, n_dims)``; None to draw them for each condition.
    settings
        Options of the run.
    """
    gp, n_genes = settings.gp, expression.shape[1]
    shuffled = [] if null_choice is None else shuffled_genes(expression, null_choice, settings)
    functions = []
    for c in (0, 1):
        rows = np.flatnonzero(cells.condition == c)
        states, one = cells.states[rows], np.zeros(len(rows), dtype=np.intp)
        own = expression.of_cells(rows)
        wanted = SmoothnessOptions(gp.ls, gp.ls_factor, gp.sigma, gp.kernel, gp.random_state)
        chosen = choose_smoothness(wanted, states, own, one, partial(estimate_length_scale, states))
        features = fit_features(
            states,
            make_kernel(gp.kernel, chosen.length_scale),
            max_rank=gp.n_landmarks,
            tol=gp.tol,
            landmarks=landmarks,
            rng=np.random.default_rng(gp.random_state),
        )
        blocks = [own, *(block[rows] for block in shuffled)]
        (sums,) = accumulate(features, states, blocks, one, progress=settings.output.progress)
        function = SmoothFunction(features, fit_posterior(sums, chosen.sigma))
        functions.append(GivenFunction(c + 1, function, function))
    n_null = sum(block.shape[1] for block in shuffled)
    return GivenExpression(
        (functions[0], functions[1]),
        eps=gp.eps,
        batch_size=gp.batch_size,
        genes=np.arange(n_genes),
        null=np.arange(n_genes, n_genes + n_null) if n_null else None,
    )
