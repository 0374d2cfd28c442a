"""P-values of several tests of one gene, combined."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def simes(p: Array) -> Array:
    r"""Smallest :math:`n p_{(i)} / i` of each column, NaN for no test; ``(n_columns,)``.

    Simes 1986, *Biometrika* 73, 751.
    """
    ordered = np.sort(p, axis=0)  # NaN come last
    number = (~np.isnan(p)).sum(axis=0)
    rank = np.arange(1, len(p) + 1)[:, None]
    scaled = np.where(np.isnan(ordered), np.inf, ordered * number / rank)
    smallest: Array = np.where(number > 0, np.minimum(scaled.min(axis=0), 1.0), np.nan)
    return smallest


def combine(parts: list[tuple[NDArray[np.intp], Array]], n_genes: int) -> Array:
    """P-value of each gene from those of the genes of each cluster."""
    if not parts:
        return np.full(n_genes, np.nan)
    table = np.full((len(parts), n_genes), np.nan)
    for row, (genes, p) in zip(table, parts, strict=True):
        row[genes] = p
    return simes(table)
