"""Functions of two conditions fitted apart, each with its own length scale.

Functions of different smoothness have no features in common, so that they are compared as functions
that were fitted elsewhere are (:mod:`kompot.models.given_expression`).
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from kompot.anndata.chunks import ExpressionRows
from kompot.anndata.inputs import Cells
from kompot.anndata.shuffled_genes import shuffled_genes
from kompot.gp.length_scale import estimate_length_scale
from kompot.gp.regression import fit_posterior
from kompot.models.cell_sums import accumulate
from kompot.models.function_estimator import FunctionEstimator
from kompot.models.given_expression import GivenExpression, GivenFunction
from kompot.models.smoothness import SmoothnessOptions, choose_smoothness
from kompot.models.state_features import features_at
from kompot.settings import ExpressionSettings

__all__ = ["fit_separately"]

Array = NDArray[np.float64]


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
        features = features_at(
            states,
            gp.kernel,
            chosen.length_scale,
            max_rank=gp.n_landmarks,
            tol=gp.tol,
            landmarks=landmarks,
            seed=gp.random_state,
        )
        blocks = [own, *(block[rows] for block in shuffled)]
        (sums,) = accumulate(features, states, blocks, one, progress=settings.output.progress)
        posterior = fit_posterior(sums, chosen.sigma)
        function = FunctionEstimator(batch_size=None).of(features, posterior, chosen)
        functions.append(GivenFunction(c + 1, function, function))
    n_null = sum(block.shape[1] for block in shuffled)
    return GivenExpression(
        (functions[0], functions[1]),
        eps=gp.eps,
        batch_size=gp.batch_size,
        genes=np.arange(n_genes),
        null=np.arange(n_genes, n_genes + n_null) if n_null else None,
    )
