r"""How large a whole fold-change function is, in units of its own uncertainty.

The fold change of a gene is :math:`\phi(x)\,\delta` with :math:`\delta = v_2 - v_1`. Its two
posteriors are independent, so the covariance of :math:`\delta` is the *sum*
:math:`M = B_1^{-1} + B_2^{-1}`, the same for all genes. In these coordinates no kernel matrix is
inverted: the distance at the landmarks, where :math:`\phi(U) = L` is square, is the same number.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh, solve_triangular

from kompot.gp.linalg import explained_cholesky

__all__ = [
    "difference_covariance",
    "landmark_jitter",
    "mahalanobis",
    "null_spectrum",
    "sampling_covariance",
]

Array = NDArray[np.float64]


def difference_covariance(
    covariance1: Array, covariance2: Array, landmark_factor: Array, eps: float
) -> Array:
    r"""Covariance of the fold change in features, with jitter at the landmarks.

    :math:`M = B_1^{-1} + B_2^{-1} + \varepsilon\,(L^\top L)^{-1}`: adding
    :math:`\varepsilon I` to the covariance :math:`L M L^\top` of the fold change at the landmarks.

    Parameters
    ----------
    covariance1, covariance2
        Posterior covariances :math:`B_c^{-1}` of the weights, ``(rank, rank)``.
    landmark_factor
        Lower Cholesky factor :math:`L` of the landmarks' prior covariance, ``(rank, rank)``.
    eps
        Jitter, not negative, in squared natural-log expression.
    """
    return covariance1 + covariance2 + landmark_jitter(landmark_factor, eps)


def landmark_jitter(landmark_factor: Array, eps: float) -> Array:
    r""":math:`\varepsilon (L^\top L)^{-1}`: in features, ``eps`` at every landmark.

    Parameters
    ----------
    landmark_factor
        Lower Cholesky factor :math:`L` of the landmarks' prior covariance, ``(rank, rank)``.
    eps
        Not negative.
    """
    if eps == 0:
        return np.zeros_like(landmark_factor)
    inverse = solve_triangular(landmark_factor, np.eye(len(landmark_factor)), lower=True)
    jitter: Array = eps * (inverse @ inverse.T)
    return jitter


def mahalanobis(delta: Array, covariance: Array) -> Array:
    r"""Length of each gene's fold change in units of its uncertainty.

    :math:`D = \sqrt{\delta^\top M^{-1} \delta} = \|L_M^{-1}\delta\|_2` with
    :math:`M = L_M L_M^\top`.

    Parameters
    ----------
    delta
        Difference of weights, ``(rank, n_genes)``, natural log.
    covariance
        :math:`M`, ``(rank, rank)``.

    Returns
    -------
    Distances, ``(n_genes,)``.

    Raises
    ------
    numpy.linalg.LinAlgError
        If :math:`M` is not positive definite.
    """
    factor = explained_cholesky(covariance, "use a larger `eps` or fewer landmarks.")
    whitened = solve_triangular(factor, delta, lower=True, check_finite=False)
    distances: Array = np.linalg.norm(whitened, axis=0)
    return distances


def sampling_covariance(covariance1: Array, covariance2: Array) -> Array:
    r"""Covariance of the estimated fold change between experiments, if both functions are equal.

    :math:`C = \sum_c (B_c^{-1} - B_c^{-2})`, in units of the noise variance over
    :math:`\sigma^2`: less than the posterior covariance, because the posterior is also unsure where
    there are no data. This holds as far as the shrinkage of both conditions is alike.

    Parameters
    ----------
    covariance1, covariance2
        Posterior covariances :math:`B_c^{-1}` of the weights, ``(rank, rank)``.
    """
    return (covariance1 - covariance1 @ covariance1) + (covariance2 - covariance2 @ covariance2)


def null_spectrum(covariance1: Array, covariance2: Array, covariance: Array) -> Array:
    r"""Weights of the chi-squares that :math:`D^2` is made of when both functions are equal.

    :math:`D^2 \sim \sum_i w_i \chi^2_1` with :math:`w` the eigenvalues of :math:`M^{-1} C`, where
    :math:`C` is the :func:`sampling_covariance`; their sum is the expected :math:`D^2`, the
    effective degrees of freedom.

    Parameters
    ----------
    covariance1, covariance2
        Posterior covariances :math:`B_c^{-1}` of the weights, ``(rank, rank)``.
    covariance
        :math:`M`, ``(rank, rank)``.

    Returns
    -------
    Weights between 0 and 1, ``(rank,)``, largest first.
    """
    sampling = sampling_covariance(covariance1, covariance2)
    weights: Array = eigh(sampling, covariance, eigvals_only=True)[::-1]
    return np.clip(weights, 0.0, 1.0)
