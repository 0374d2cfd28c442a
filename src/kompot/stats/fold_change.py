"""Fold changes of single cells, their standard scores and weighted means."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "abundance_weights",
    "compute_weighted_mean_fold_change",
    "fold_change_zscores",
    "standard_deviation",
]

Array = NDArray[np.float64]


def standard_deviation(variance: Array, residual: Array, eps: float) -> Array:
    r"""Posterior standard deviation of a condition's expression at each cell.

    :math:`\sqrt{\phi B^{-1}\phi^\top + (1 - |\phi|^2) + \varepsilon}`, the same for all genes.

    Parameters
    ----------
    variance
        Explained posterior variance :math:`\phi B^{-1}\phi^\top`, ``(n_cells,)``.
    residual
        Prior variance that the features leave, ``(n_cells,)``.
    eps
        Jitter, not negative.
    """
    return np.sqrt(variance + residual + eps)


def fold_change_zscores(fold_change: Array, std1: Array, std2: Array) -> Array:
    r"""Fold changes in units of their posterior standard deviation.

    :math:`z = (f_2 - f_1) / \sqrt{s_1^2 + s_2^2}`; the two posteriors are independent.

    Parameters
    ----------
    fold_change
        ``(n_cells, n_genes)``, natural log.
    std1, std2
        Posterior standard deviations of the conditions, ``(n_cells,)`` or
        ``(n_cells, n_genes)``.
    """
    scale = np.hypot(std1, std2)
    if scale.ndim == 1:
        scale = scale[:, None]
    return fold_change / scale


def abundance_weights(change: Array) -> Array:
    r"""Weights of cells by how much the abundance of their state changes.

    :math:`w_i = e^{|\Delta_i|}` with the log density ratio :math:`\Delta_i`, up to a factor that
    makes the largest 1.

    Parameters
    ----------
    change
        Log density of condition 2 minus that of condition 1, ``(n_cells,)``, natural log.
    """
    size = np.abs(change)
    return np.exp(size - size.max(initial=0.0))


def compute_weighted_mean_fold_change(
    fold_change: ArrayLike,
    log_density_condition1: ArrayLike | None = None,
    log_density_condition2: ArrayLike | None = None,
    log_density_diff: ArrayLike | None = None,
) -> Array:
    r"""Mean fold change of each gene, in which cells of changed abundance count more.

    .. math:: \frac{\sum_i w_i\, f_{ig}}{\sum_i w_i}, \quad w_i = e^{|\Delta_i|}

    with the fold change :math:`f_{ig}` of gene g in cell i and the log density ratio
    :math:`\Delta_i` of condition 2 over condition 1 at the cell.

    Parameters
    ----------
    fold_change
        ``(n_cells, n_genes)``, natural log.
    log_density_condition1, log_density_condition2
        Log densities of the conditions at the cells, ``(n_cells,)`` each.
    log_density_diff
        Their difference :math:`\Delta`, instead of both.

    Returns
    -------
    ``(n_genes,)``, natural log.

    Raises
    ------
    ValueError
        If neither or both kinds of density are given, a length is wrong, there are no cells, or a
        density is not finite.

    Examples
    --------
    >>> compute_weighted_mean_fold_change([[1.0], [4.0]], log_density_diff=[0.0, -np.log(2.0)])
    array([3.])
    """
    change = _density_change(log_density_condition1, log_density_condition2, log_density_diff)
    values = np.asarray(fold_change, dtype=np.float64)
    if values.ndim != 2 or change.shape != values.shape[:1] or not len(change):
        msg = (
            "`fold_change` must be a matrix (n_cells, n_genes) with a density for each cell; got "
            f"shape {values.shape} and densities of shape {change.shape}."
        )
        raise ValueError(msg)
    if not np.isfinite(change).all():
        bad = int((~np.isfinite(change)).sum())
        msg = f"The densities are NaN or infinite in {bad} of {len(change)} cells; leave these out."
        raise ValueError(msg)
    weights = abundance_weights(change)
    mean: Array = weights @ values / weights.sum()
    return mean


def _density_change(
    density1: ArrayLike | None, density2: ArrayLike | None, difference: ArrayLike | None
) -> Array:
    """The log density ratio from what is given."""
    n_given = sum(density is not None for density in (density1, density2))
    if n_given != (2 if difference is None else 0):
        msg = (
            "Give either `log_density_condition1` and `log_density_condition2`, or "
            "`log_density_diff`."
        )
        raise ValueError(msg)
    if density1 is None or density2 is None:
        return np.asarray(difference, dtype=np.float64)
    first, second = (np.asarray(density, dtype=np.float64) for density in (density1, density2))
    if first.shape != second.shape:
        msg = f"The densities have different shapes, {first.shape} and {second.shape}."
        raise ValueError(msg)
    return second - first
