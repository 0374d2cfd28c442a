"""Features of cell states at a length scale, as every model makes them."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kompot.gp.features import FeatureMap, fit_features
from kompot.gp.kernels import make_kernel
from kompot.models.arrays import as_states

__all__ = ["features_at"]


def features_at(
    states: NDArray[np.float64],
    kernel: str,
    scale: float,
    *,
    max_rank: int | None,
    tol: float,
    landmarks: ArrayLike | None = None,
    seed: int | None = None,
) -> FeatureMap:
    """Draw landmarks among cells, or use given ones.

    Parameters
    ----------
    states
        Cell states, ``(n_cells, n_dims)``.
    kernel
        Name of the covariance function, a key of :data:`kompot.gp.KERNELS`.
    scale
        Length scale in units of the embedding.
    max_rank, tol
        As for :func:`kompot.gp.features.fit_features`.
    landmarks
        Landmarks to use, ``(n_landmarks, n_dims)``.
    seed
        Of the landmarks; None is 0, so that results repeat.

    Raises
    ------
    ValueError
        If landmarks are not finite numbers of as many dimensions as the cells.
    """
    if landmarks is not None:
        landmarks = as_states(landmarks, "landmarks", states.shape[1])
    return fit_features(
        states,
        make_kernel(kernel, scale),
        max_rank=max_rank,
        tol=tol,
        landmarks=landmarks,
        rng=np.random.default_rng(0 if seed is None else seed),
    )
