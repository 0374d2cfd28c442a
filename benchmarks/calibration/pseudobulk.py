"""Pseudobulk tests: one per cluster of cells, a gene's p-values combined by Simes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from calibration.problem import Problem
from calibration.simes import combine
from calibration.voom import any_counts, voom_p_values
from numpy.typing import NDArray
from scipy import sparse

Array = NDArray[np.float64]
Filter = Callable[[Array, int], NDArray[np.bool_]]

MIN_CELLS = 10
"""A sample with fewer cells in a cluster takes no part in it."""
MIN_GENES = 20


@dataclass(frozen=True)
class Bulk:
    """Sums over the cells of one cluster.

    Attributes
    ----------
    counts
        ``(n_samples, n_genes)``, of the samples and genes that take part.
    samples
        Which samples these are, ``(n_samples,)``.
    genes
        Which genes these are, ``(n_genes,)``.
    design
        Their rows of the design, without columns that are zero.
    contrast
        Of these columns.
    """

    counts: Array
    samples: NDArray[np.intp]
    genes: NDArray[np.intp]
    design: Array
    contrast: Array


def bulks(
    problem: Problem, clusters: NDArray[np.intp], keep: Filter = any_counts
) -> Iterator[Bulk]:
    """Sums of each cluster in which the contrast can be tested.

    Parameters
    ----------
    problem
        Data set.
    clusters
        Cluster of each cell, ``(n_cells,)``.
    keep
        Which genes have enough counts, of counts and the size of the smaller condition.
    """
    n_samples = problem.design.n_samples
    for cluster in np.unique(clusters):
        cells = np.flatnonzero(clusters == cluster)
        sample = problem.sample[cells]
        taking_part = np.bincount(sample, minlength=n_samples) >= MIN_CELLS
        if problem.design.contrast_of(taking_part) is None:
            continue
        size = np.bincount(problem.condition[taking_part], minlength=2).min()
        if size < 2:
            continue
        ones = np.ones(len(cells))
        sums = sparse.csr_matrix((ones, (sample, cells)), (n_samples, len(problem.sample)))
        counts = (sums @ problem.counts).toarray()[taking_part].astype(float)
        genes = np.flatnonzero(keep(counts, int(size)))
        if len(genes) < MIN_GENES:
            continue
        matrix = problem.design.matrix[taking_part]
        used = np.abs(matrix).sum(axis=0) > 0
        yield Bulk(
            counts[:, genes],
            np.flatnonzero(taking_part),
            genes,
            matrix[:, used],
            problem.design.contrast[used],
        )


def limma_voom(problem: Problem, clusters: NDArray[np.intp], keep: Filter = any_counts) -> Array:
    """P-value of each gene by limma-voom in each cluster, ``(n_genes,)``."""
    parts = [
        (bulk.genes, voom_p_values(bulk.counts, bulk.design, bulk.contrast))
        for bulk in bulks(problem, clusters, keep)
    ]
    return combine(parts, problem.adata.n_vars)
