"""How many features cells will need, from some of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kompot.gp.features import fit_features
from kompot.gp.kernels import Kernel

__all__ = ["RankEstimate", "estimate_rank"]

Array = NDArray[np.float64]

_CELLS = 8000
"""Cells that are looked at."""
_LARGEST = 800
"""Rank up to which features are drawn; from there on the residual is extrapolated."""
_RANGE = 0.75, 1.5
"""Ranks of all cells over that of some; on real and simulated data between 0.8 and 1.4."""
_REFERENCE = 2000
"""Cells from which on the tolerance falls (:func:`kompot.gp.features.effective_tolerance`)."""


@dataclass(frozen=True)
class RankEstimate:
    """Number of features that a run will find.

    Attributes
    ----------
    rank
        The estimate.
    low, high
        Between which it lies: ranks differ by the draw of the landmarks.
    bound
        What it cannot exceed: cells, or ``n_landmarks``.
    """

    rank: int
    low: int
    high: int
    bound: int

    @classmethod
    def known(cls, rank: int) -> "RankEstimate":
        """A rank of which there is no doubt."""
        return cls(rank, rank, rank, rank)


def estimate_rank(
    states: Array,
    kernel: Kernel,
    *,
    max_rank: int | None = None,
    tol: float = 1e-6,
    rng: np.random.Generator | None = None,
    n_cells: int | None = None,
) -> RankEstimate:
    r"""Number of features that :func:`kompot.gp.features.fit_features` will need.

    Features are drawn among up to 8,000 cells with the tolerance that all cells would have. With no
    more cells than that, and the same source of random numbers, they are the very same. If 800 of
    them do not suffice, the residual is extrapolated as a power of the rank, which overestimates
    where it falls faster.

    Parameters
    ----------
    states
        Cell states, ``(n_cells, n_dims)``.
    kernel
        Covariance function of unit variance.
    max_rank, tol, rng
        As for :func:`kompot.gp.features.fit_features`.
    n_cells
        Look at so many only, at least 300; None for 8,000.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    n_cells = _CELLS if n_cells is None else n_cells
    bound = len(states) if max_rank is None else min(max_rank, len(states))
    some, scale = states, 1.0
    if len(states) > n_cells:
        some = states[np.sort(rng.choice(len(states), n_cells, replace=False))]
        scale = np.sqrt(max(n_cells, _REFERENCE) / max(len(states), _REFERENCE))
    most = min(bound, _LARGEST)
    found = fit_features(some, kernel, max_rank=most, tol=tol * scale, rng=rng)
    if found.rank < most or most == bound or tol == 0:
        rank = found.rank if tol > 0 else bound
        exact = len(some) == len(states) or rank == bound
        if exact:
            return RankEstimate(rank, rank, rank, bound)
        low, high = (min(bound, int(rank * share)) for share in _RANGE)
        return RankEstimate(rank, low, high, bound)
    half = fit_features(some, kernel, max_rank=most // 2, tol=tol * scale, rng=rng)
    slope = np.log2(half.residual_mean / found.residual_mean)
    over = found.residual_mean / (tol * scale)
    power = np.log(max(over, 1.0)) / max(slope, 1e-3)
    rank = int(min(bound, most * np.exp(min(power, 50.0))))
    return RankEstimate(rank, most, bound, bound)
