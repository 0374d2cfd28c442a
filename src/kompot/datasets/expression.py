"""Mean expression of genes, and counts drawn around it in blocks of cells."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack

from kompot.settings import checks

CELLS_PER_BLOCK = 1024
TARGET_SUM = 1e4
DISPERSION_SPREAD = 0.5


@dataclass(frozen=True)
class Counts:
    """Level and noise of the counts.

    Parameters
    ----------
    mean_count
        Mean count of a gene in a cell of condition 1, over all genes.
    mean_count_sd
        Standard deviation of the log mean count over genes.
    state_sd
        Standard deviation of the log mean of a gene over cell states, root mean square over genes.
    state_sd_spread
        Standard deviation of its log over genes.
    dispersion
        Median over genes of the negative binomial dispersion. 0: Poisson.
    depth_sd
        Standard deviation of the log sequencing depth over cells.
    dtype
        "float32" or "float64", of the two matrices.
    """

    mean_count: float
    mean_count_sd: float
    state_sd: float
    state_sd_spread: float
    dispersion: float
    depth_sd: float
    dtype: str

    def __post_init__(self) -> None:
        """Check the parameters."""
        checks.number("mean_count", self.mean_count, above=0, most=1e6)
        checks.number("mean_count_sd", self.mean_count_sd, least=0, most=5)
        checks.number("state_sd", self.state_sd, least=0, most=5)
        checks.number("state_sd_spread", self.state_sd_spread, least=0, most=2)
        checks.number("dispersion", self.dispersion, least=0, most=100)
        checks.number("depth_sd", self.depth_sd, least=0, most=3)
        checks.choice("dtype", self.dtype, ("float32", "float64"))


@dataclass(frozen=True)
class Genes:
    """Mean functions and noise of genes.

    Parameters
    ----------
    log_mean
        Log mean count of each gene over states and donors, ``(n_genes,)``.
    state_sd
        Standard deviation of the log mean over states, ``(n_genes,)``.
    weights
        Weights of the smooth basis on the tree in the log rate, ``(n_basis, n_genes)``.
    dispersion
        Negative binomial dispersion, ``(n_genes,)``.
    """

    log_mean: NDArray[np.float64]
    state_sd: NDArray[np.float64]
    weights: NDArray[np.float64]
    dispersion: NDArray[np.float64]


def draw_genes(counts: Counts, n_genes: int, n_basis: int, rng: np.random.Generator) -> Genes:
    """Draw the mean function and the dispersion of each gene."""
    level = counts.mean_count_sd * rng.standard_normal(n_genes)
    level += np.log(counts.mean_count) - np.log(np.mean(np.exp(level)))
    weights = rng.standard_normal((n_basis, n_genes))
    spread = np.exp(DISPERSION_SPREAD * rng.standard_normal(n_genes))
    state_sd = np.full(n_genes, float(counts.state_sd))
    if counts.state_sd_spread > 0:
        log_ratio = counts.state_sd_spread * rng.standard_normal(n_genes)
        state_sd *= np.exp(log_ratio - counts.state_sd_spread**2)  # of mean square 1
    return Genes(level, state_sd, state_sd * weights, counts.dispersion * spread)


def draw_depth(counts: Counts, n_cells: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw the log of the relative sequencing depth of each cell, mean depth one."""
    return counts.depth_sd * rng.standard_normal(n_cells) - counts.depth_sd**2 / 2


def draw_counts(
    n_cells: int,
    log_rate: Callable[[slice], NDArray[np.float64]],
    dispersion: NDArray[np.float64],
    dtype: str,
    rng: np.random.Generator,
) -> csr_matrix:
    r"""Draw negative binomial counts, one block of cells after the other.

    Counts with mean :math:`\mu` and variance :math:`\mu + \alpha \mu^2`, as Poisson counts with
    rates :math:`\mu \cdot \mathrm{Gamma}(1/\alpha)\,\alpha`. Every block has its own generator
    and a fixed number of cells, so that the result depends on nothing else.

    Parameters
    ----------
    n_cells
        Number of cells.
    log_rate
        Gives :math:`\log\mu` of a slice of cells, ``(n_cells in it, n_genes)``.
    dispersion
        :math:`\alpha` of each gene, ``(n_genes,)``.
    dtype
        Of the counts.
    rng
        Source of randomness, from which one is made for each block.

    Returns
    -------
    Sparse matrix of shape ``(n_cells, n_genes)``.
    """
    starts = range(0, n_cells, CELLS_PER_BLOCK)
    blocks = []
    for start, block_rng in zip(starts, rng.spawn(len(starts)), strict=True):
        rate = log_rate(slice(start, min(start + CELLS_PER_BLOCK, n_cells)))
        np.exp(rate, out=rate)
        if np.any(dispersion > 0):
            rate *= block_rng.standard_gamma(1 / dispersion, size=rate.shape)
            rate *= dispersion
        blocks.append(csr_matrix(block_rng.poisson(rate).astype(dtype)))
    counts: csr_matrix = vstack(blocks, format="csr")
    return counts


def log_normalize(counts: csr_matrix) -> csr_matrix:
    r"""Normalise counts to :math:`\log(1 + 10^4 y_{ig} / \sum_g y_{ig})`; `counts` stays as it is.

    Returns
    -------
    Sparse matrix of shape ``(n_cells, n_genes)``, natural log.
    """
    normalized: csr_matrix = counts.copy()
    for start in range(0, counts.shape[0], CELLS_PER_BLOCK):
        pointers = counts.indptr[start : start + CELLS_PER_BLOCK + 1]
        block = normalized.data[pointers[0] : pointers[-1]]
        cell = np.repeat(np.arange(len(pointers) - 1), np.diff(pointers))
        total = np.bincount(cell, weights=block, minlength=len(pointers) - 1)
        block *= (TARGET_SUM / np.maximum(total, 1))[cell]
        np.log1p(block, out=block)
    return normalized
