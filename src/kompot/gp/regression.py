r"""Regression posterior in feature space.

With features :math:`\phi` of rank :math:`r`, noise :math:`\sigma` and prior
:math:`f = \phi^\top v,\ v \sim N(0, I)`, everything about a condition is in
:math:`\Phi^\top\Phi` and :math:`\Phi^\top Y` (Rasmussen & Williams 2006, section 2.1.2):

.. math:: B = I + \Phi^\top\Phi/\sigma^2, \quad \hat v = B^{-1}\Phi^\top Y/\sigma^2, \quad
          \operatorname{Cov}(v) = B^{-1}.

At full rank this is the textbook Gaussian process.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from kompot.gp.linalg import (
    cholesky_solve,
    cross_and_squares,
    explained_cholesky,
    gram,
    inverse_of,
    product,
    solved_squares,
)

__all__ = ["Posterior", "SufficientStatistics", "fit_posterior"]

Array = NDArray[np.float64]


@dataclass
class SufficientStatistics:
    r"""Sums over cells that determine a posterior.

    Attributes
    ----------
    total
        :math:`\sum_i \phi_i`, ``(rank,)``.
    gram
        :math:`\Phi^\top\Phi`, ``(rank, rank)``.
    cross
        :math:`\Phi^\top Y`, ``(rank, n_genes)``.
    squares
        :math:`\sum_i y_i^2`, ``(n_genes,)``.
    n_cells
        Number of cells.
    """

    total: Array
    gram: Array
    cross: Array
    squares: Array
    n_cells: int = 0

    @classmethod
    def zeros(cls, rank: int, n_genes: int) -> "SufficientStatistics":
        """Sums over no cells."""
        return cls(
            np.zeros(rank), np.zeros((rank, rank)), np.zeros((n_genes, rank)).T, np.zeros(n_genes)
        )

    @classmethod
    def of(cls, phi: Array, *blocks: Any) -> "SufficientStatistics":
        """Sums over a chunk of cells.

        Parameters
        ----------
        phi
            Features, ``(n_cells, rank)``.
        *blocks
            Expression, arrays or sparse matrices of these cells whose genes follow one another.
        """
        crosses, squares = zip(*(cross_and_squares(phi, one) for one in blocks), strict=True)
        if len(blocks) == 1:
            return cls(phi.sum(axis=0), gram(phi), crosses[0], squares[0], len(phi))
        cross = np.concatenate([cross.T for cross in crosses]).T
        return cls(phi.sum(axis=0), gram(phi), cross, np.concatenate(squares), len(phi))

    @classmethod
    def summed(
        cls, parts: Sequence["SufficientStatistics"], n_genes: int
    ) -> "SufficientStatistics":
        """Sums of the first genes over all sets of cells of which some sums are."""
        found = cls.zeros(len(parts[0].total), n_genes)
        for part in parts:
            found += part.first_genes(n_genes)
        return found

    def __iadd__(self, other: "SufficientStatistics") -> Self:
        """Add the sums over other cells."""
        self.n_cells += other.n_cells
        self.total += other.total
        self.gram += other.gram
        self.cross += other.cross
        self.squares += other.squares
        return self

    def first_features(self, rank: int) -> "SufficientStatistics":
        """The sums in the first features only, as if there were no others."""
        return replace(
            self, total=self.total[:rank], gram=self.gram[:rank, :rank], cross=self.cross[:rank]
        )

    def first_genes(self, n_genes: int) -> "SufficientStatistics":
        """The sums of the first genes only."""
        return replace(self, cross=self.cross[:, :n_genes], squares=self.squares[:n_genes])

    def of_genes(self, genes: NDArray[np.intp]) -> "SufficientStatistics":
        """The sums of some genes only."""
        return replace(self, cross=self.cross[:, genes], squares=self.squares[genes])


@dataclass(frozen=True)
class Posterior:
    r"""Posterior of the weights :math:`v` of one condition.

    Attributes
    ----------
    weights
        Posterior mean :math:`\hat v`, ``(rank, n_genes)``.
    factor
        Lower Cholesky factor of :math:`B`, ``(rank, rank)``.
    sigma
        Noise standard deviation of the model.
    """

    weights: Array
    factor: Array
    sigma: float

    def first_genes(self, n_genes: int) -> "Posterior":
        """The posterior of the first genes only."""
        return Posterior(self.weights[:, :n_genes], self.factor, self.sigma)

    def mean(self, phi: Array) -> Array:
        r"""Posterior mean :math:`\phi\hat v` ``(n_points, n_genes)`` at features ``phi``."""
        return product(phi, self.weights, hold=True)

    def variance(self, phi: Array) -> Array:
        r"""Posterior variance :math:`\phi B^{-1} \phi^\top` of the explained part, ``(n_points,)``.

        What features do not explain, :math:`1 - |\phi|^2`, is to be added.
        """
        return solved_squares(self.factor, phi)

    @cached_property
    def covariance(self) -> Array:
        """Posterior covariance of the weights, :math:`B^{-1}`, ``(rank, rank)``."""
        return inverse_of(self.factor)

    def residual_squares(self, statistics: SufficientStatistics) -> Array:
        r"""Sum of squared residuals of the cells fitted, ``(n_genes,)``.

        :math:`\sum y^2 - 2 \hat v^\top\Phi^\top y + \hat v^\top \Phi^\top\Phi \hat v`.
        """
        fitted = statistics.gram @ self.weights
        squares = statistics.squares + np.einsum(
            "ij,ij->j", self.weights, fitted - 2.0 * statistics.cross
        )
        return np.maximum(squares, 0.0)

    @property
    def residual_degrees_of_freedom(self) -> float:
        r"""What the fit takes from the residuals, :math:`\operatorname{tr}(2S - S^2)`.

        :math:`S = \Phi B^{-1} \Phi^\top / \sigma^2` is the smoother; its trace and that of its
        square are those of :math:`I - B^{-1}`.
        """
        unexplained = self.covariance
        return float(len(unexplained) - np.einsum("ij,ij->", unexplained, unexplained))


def fit_posterior(statistics: SufficientStatistics, sigma: float) -> Posterior:
    """Posterior of one condition for all its genes in one factorisation.

    Parameters
    ----------
    statistics
        Sums over the cells of the condition.
    sigma
        Noise standard deviation, positive.

    Raises
    ------
    numpy.linalg.LinAlgError
        If the precision overflows or is not positive definite.
    """
    precision = statistics.gram / sigma**2
    np.fill_diagonal(precision, precision.diagonal() + 1.0)
    factor = explained_cholesky(precision, "use a larger `sigma` or fewer landmarks.")
    weights = cholesky_solve(factor, statistics.cross) / sigma**2
    return Posterior(weights, factor, sigma)
