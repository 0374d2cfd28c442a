"""How unlike cell states are: genes of blood cells beside simulated ones."""

from pathlib import Path
from typing import Any

import anndata
import numpy as np
from calibration.scenarios import CELL_TYPES, REALISTIC, UNLIKE_STATES
from numpy.typing import NDArray
from report import table

from kompot.datasets import simulate
from kompot.stats.kmeans import kmeans_clusters

N_STATES = 5
FEWEST_COUNTS = 200
N_CELLS = 2800
N_SETS = 4
FIRST_SEED = 9_000_000
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)


def likeness(path: Path) -> str:
    """Table of the spread of log mean expression over five kinds of cells.

    Parameters
    ----------
    path
        Of ``kang_ifnb.h5ad``.
    """
    blood = anndata.read_h5ad(path)
    lines = []
    for condition, title in (("ctrl", "blood, unstimulated"), ("stim", "blood, interferon-beta")):
        cells = blood[(blood.obs["condition"] == condition).to_numpy()]
        types = cells.obs["cell_type"].astype("category").cat.codes.to_numpy()
        lines.append([title, *_described([spread(cells.layers["counts"], types)])])
    for title, options in (
        ("simulated", {}),
        ("simulated, *unlike states*", UNLIKE_STATES),
        ("simulated, *states as in blood*", CELL_TYPES),
    ):
        lines.append([title, *_described([_simulated(options, seed) for seed in range(N_SETS)])])
    header = ("genes", "root mean square", *(f"{share:.0%}" for share in QUANTILES))
    return table(header, lines)


def spread(counts: Any, kind: NDArray[np.integer]) -> NDArray[np.float64]:
    """Standard deviation over kinds of cells of the log share of counts, genes of 200 counts.

    Parameters
    ----------
    counts
        ``(n_cells, n_genes)``, sparse.
    kind
        Kind of each cell, from 0, ``(n_cells,)``.
    """
    sums = np.array([np.asarray(counts[kind == k].sum(axis=0)).ravel() for k in np.unique(kind)])
    sums = sums.astype(np.float64)
    shares = np.log((sums + 0.5) / sums.sum(axis=1, keepdims=True))
    found: NDArray[np.float64] = shares[:, sums.sum(axis=0) >= FEWEST_COUNTS].std(axis=0)
    return found


def _simulated(options: dict[str, Any], seed: int) -> NDArray[np.float64]:
    null = {"fraction_global": 0.0, "fraction_local": 0.0, "n_donors": 4, "n_cells": N_CELLS}
    adata = simulate(**(REALISTIC | null | options), random_state=FIRST_SEED + seed)
    states = np.asarray(adata.obsm["DM_EigenVectors"], dtype=np.float64)
    return spread(adata.layers["counts"], kmeans_clusters(states, N_STATES, n_init=3)[1])


def _described(spreads: list[NDArray[np.float64]]) -> list[str]:
    every = np.concatenate(spreads)
    values = [np.sqrt(np.mean(every**2)), *np.quantile(every, QUANTILES)]
    return [f"{value:.2f}" for value in values]
