"""The length scale under which nearest-neighbour distances are most likely."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kompot.gp.cell_features import CellFeatures
from kompot.gp.density import NeighborLikelihood
from kompot.gp.features import FeatureMap, fit_features
from kompot.gp.kernels import make_kernel
from kompot.gp.laplace import fit_density

__all__ = ["SCALE_FACTORS", "ScaleEvidence", "length_scale_by_evidence"]

Array = NDArray[np.float64]

SCALE_FACTORS = tuple(10.0 ** (np.arange(4, -1, -1) / 4.0))
"""Multiples of the heuristic with ``ls_factor`` 1 that are tried, from the longest: 10, ..., 1."""
_TOLERANCE = 1e-4
_RANK = 1000


@dataclass(frozen=True)
class ScaleEvidence:
    """Log marginal likelihood against length scale.

    Attributes
    ----------
    length_scales
        Length scales tried, from the longest, ``(n_scales,)``.
    log_evidence
        Laplace log marginal likelihood of all cells at each, ``(n_scales,)``.
    """

    length_scales: Array
    log_evidence: Array

    @property
    def best(self) -> float:
        """Length scale of largest evidence."""
        return float(self.length_scales[np.argmax(self.log_evidence)])


def length_scale_by_evidence(
    states: Array,
    parts: list[tuple[Array, NeighborLikelihood, float]],
    heuristic: float,
    kernel: str,
    *,
    max_rank: int | None = None,
    tol: float = 1e-6,
    landmarks: Array | None = None,
    seed: int = 0,
) -> tuple[FeatureMap, ScaleEvidence]:
    r"""Choose the length scale by marginal likelihood, summed over independent sets of cells.

    From ten times the heuristic in steps of :math:`10^{1/4}` down to the heuristic itself, until
    the evidence falls. The prior mean is the mean log density here: with the prior mean of the
    estimate, ten below all cells, the evidence would charge every independent region for climbing
    to the level of the data and call for a longer scale than the data do.

    Parameters
    ----------
    states
        Cell states in which landmarks are placed, ``(n_cells, n_dims)``.
    parts
        Cell states, likelihood and prior variance of each set of cells.
    heuristic
        Length scale of :func:`kompot.gp.length_scale.length_scale_of_distances` at factor 1.
    kernel
        A key of :data:`kompot.gp.KERNELS`.
    max_rank, tol, landmarks
        As in :func:`kompot.gp.features.fit_features`. Short scales need many features, so here
        at most 1000 by default and no tolerance below 1e-4.
    seed
        Of the landmarks.

    Returns
    -------
    The features of the scale chosen, and the curve.
    """
    tried: list[tuple[float, FeatureMap, float]] = []
    for factor in SCALE_FACTORS:
        features = fit_features(
            states,
            make_kernel(kernel, factor * heuristic),
            max_rank=_RANK if max_rank is None else max_rank,
            tol=max(tol, _TOLERANCE),
            landmarks=landmarks,
            rng=np.random.default_rng(seed),
        )
        evidence = sum(
            fit_density(
                CellFeatures(features, cells),
                likelihood,
                likelihood.mean_log_density(),
                prior_variance=prior_variance,
            ).log_evidence
            for cells, likelihood, prior_variance in parts
        )
        tried.append((factor * heuristic, features, evidence))
        if len(tried) > 1 and evidence < tried[-2][2]:
            break
    curve = ScaleEvidence(np.array([t[0] for t in tried]), np.array([t[2] for t in tried]))
    return max(tried, key=lambda trial: trial[2])[1], curve
