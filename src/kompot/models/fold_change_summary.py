"""What two log densities and the variance of their difference say about each cell."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from kompot.stats.abundance import abundance_direction, neg_log10_tail

__all__ = ["fold_change_summary"]

Array = NDArray[np.float64]


def fold_change_summary(
    density1: Array, density2: Array, variance: Array, lfc_threshold: float, ptp_threshold: float
) -> dict[str, Any]:
    r"""Log fold change, :math:`z = lfc / \sqrt v`, tail probability and direction.

    Parameters
    ----------
    density1, density2
        Log densities of the conditions, each normalised, ``(n_cells,)``, natural log.
    variance
        Variance of their difference, ``(n_cells,)``, positive.
    lfc_threshold, ptp_threshold
        Smallest change and largest tail probability of a direction other than neutral.
    """
    lfc = density2 - density1
    zscore = lfc / np.sqrt(variance)
    ptp = neg_log10_tail(zscore)
    return {
        "log_density_condition1": density1,
        "log_density_condition2": density2,
        "log_fold_change": lfc,
        "log_fold_change_uncertainty": variance,
        "log_fold_change_zscore": zscore,
        "neg_log10_fold_change_ptp": ptp,
        "log_fold_change_direction": abundance_direction(lfc, ptp, lfc_threshold, ptp_threshold),
    }
