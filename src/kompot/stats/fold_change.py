"""Fold changes of single cells and their standard scores."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["fold_change_zscores", "standard_deviation"]

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
