"""Expression of two conditions at cell states, from what was fitted."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from kompot.gp.features import FeatureMap, residual_variance
from kompot.gp.linalg import row_slices
from kompot.gp.regression import Posterior
from kompot.models.noise_fit import OwnNoise
from kompot.progress import bar
from kompot.stats.fold_change import fold_change_zscores, standard_deviation
from kompot.stats.sample_variance import deviation_variance

__all__ = ["fold_change_covariance_at", "predict_batches", "predict_states"]

Array = NDArray[np.float64]


def predict_states(
    phi: Array,
    posteriors: tuple[Posterior, Posterior],
    deviations: tuple[Sequence[Array], Sequence[Array]],
    *,
    eps: float,
    genes: bool,
    own_noise: OwnNoise | None = None,
) -> dict[str, Array]:
    r"""Standard deviations and, if wanted, all genes' functions at some cells.

    With samples a standard deviation is
    :math:`\sqrt{\phi B^{-1}\phi^\top + (1 - |\phi|^2) + \varepsilon + \|\phi W_g\|^2}`, another for
    each gene.

    Parameters
    ----------
    phi
        Features, ``(n_cells, rank)``.
    posteriors
        Of the conditions.
    deviations
        How their samples differ, arrays ``(rank, n_genes)``; none without samples.
    eps
        Jitter.
    genes
        Whether the genes' functions are wanted; without them standard deviations leave the
        samples and the genes' own noise out.
    own_noise
        Noise of the genes, if they have their own: :math:`M_g` of
        :mod:`kompot.stats.own_noise` is then in place of :math:`B^{-1}`.
    """
    residual = residual_variance(phi)
    part: dict[str, Array] = {}
    for c, posterior in enumerate(posteriors):
        std = standard_deviation(posterior.variance(phi), residual, eps)
        if genes and (own_noise is not None or any(deviations)):
            if own_noise is None:
                wide = np.repeat(np.square(std)[:, None], posterior.weights.shape[1], axis=1)
            else:
                wide = own_noise.errors[c].variance(phi) + (residual + eps)[:, None]
            if deviations[c]:
                wide += deviation_variance(phi, deviations[c])
            std = np.sqrt(wide, out=wide)
        part[f"condition{c + 1}_std"] = std
    if genes:
        part["condition1_imputed"], part["condition2_imputed"] = (p.mean(phi) for p in posteriors)
        part["fold_change"] = part["condition2_imputed"] - part["condition1_imputed"]
    return part


def predict_batches(
    predict: Callable[[Array], dict[str, Array]],
    states: Array,
    batch_size: int | None,
    *,
    progress: bool,
) -> dict[str, Array]:
    """Both functions at all states, a batch at a time, their standard scores and mean difference.

    Parameters
    ----------
    predict
        Gives what :func:`predict_states` does for some states.
    states
        ``(n_cells, n_dims)``.
    batch_size
        Cells at a time; None or 0 for all.
    progress
        Show a progress bar.
    """
    slices = list(row_slices(len(states), batch_size))
    parts = [predict(states[rows]) for rows in bar(slices, "predicting", "batch", shown=progress)]
    result = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    change = result["fold_change"]
    result["fold_change_zscores"] = fold_change_zscores(
        change, result["condition1_std"], result["condition2_std"]
    )
    result["mean_log_fold_change"] = change.mean(axis=0)
    return result


def fold_change_covariance_at(
    features: FeatureMap, posteriors: tuple[Posterior, Posterior], states: Array
) -> Array:
    r"""Posterior covariance of the fold change between cells, ``(n_cells, n_cells)``.

    :math:`\phi (B_1^{-1} + B_2^{-1}) \phi^\top`, and twice what the features leave of the
    prior, :math:`2 (k - \phi\phi^\top)`.
    """
    phi = features(states)
    total = posteriors[0].covariance + posteriors[1].covariance
    total[np.diag_indices_from(total)] -= 2.0
    return phi @ total @ phi.T + 2.0 * features.kernel(states, states)
