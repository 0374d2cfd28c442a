"""What was planted, recomputed from what a simulated data set stores."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from kompot.datasets.effects import fold_change
from kompot.datasets.states import CellStates
from kompot.datasets.trajectory import Trajectory

OBS_COLUMNS = ("branch", "pseudotime")
VAR_COLUMNS = ("effect", "effect_branch", "true_lfc", "effect_center", "effect_width")


def true_fold_change(adata: AnnData, genes: Sequence[str] | None = None) -> NDArray[np.float64]:
    r"""Planted log fold change of each gene at the state of each cell.

    :math:`\log \mu_{2g}(x_i) - \log \mu_{1g}(x_i)` of the expected counts at equal sequencing
    depth, condition 2 over condition 1, for cells of both conditions, without donor effects.

    Parameters
    ----------
    adata
        Data set from `simulate`, or a subset of its cells and genes.
    genes
        Names of the genes, in the order in which they are wanted. None: all of `adata`.

    Returns
    -------
    Array of shape ``(n_cells, n_genes)``, natural log.

    Raises
    ------
    ValueError
        If `adata` does not hold what `simulate` stores, or if a gene is not in it.

    Examples
    --------
    >>> from kompot.datasets import simulate, true_fold_change
    >>> adata = simulate(n_cells=100, n_genes=20)
    >>> true_fold_change(adata, ["gene_0001", "gene_0002"]).shape
    (100, 2)
    """
    parameters = adata.uns.get("simulation")
    absent = [f"obs[{name!r}]" for name in OBS_COLUMNS if name not in adata.obs]
    absent += [f"var[{name!r}]" for name in VAR_COLUMNS if name not in adata.var]
    absent += [] if parameters is not None else ["uns['simulation']"]
    if parameters is None or absent:
        msg = f"`adata` must be a data set from `simulate`; it has no {', '.join(absent)}."
        raise ValueError(msg)
    tree = Trajectory(int(parameters["n_branches"]), float(parameters["branch_point"]))
    cells = CellStates(
        _read_segments(adata, tree), adata.obs["pseudotime"].to_numpy(dtype=np.float64)
    )
    columns = {name: adata.var[name].to_numpy() for name in VAR_COLUMNS}
    table = pd.DataFrame(columns, index=adata.var_names)
    return fold_change(_select_genes(table, genes), tree, cells)


def _read_segments(adata: AnnData, tree: Trajectory) -> NDArray[np.intp]:
    """Index of the segment of each cell, ``(n_cells,)``."""
    names = pd.Index(adata.obs["branch"].to_numpy(dtype=str))
    segment = pd.Index(tree.segments).get_indexer(names).astype(np.intp)
    if np.any(segment < 0):
        msg = (
            f"`adata.obs['branch']` must hold the names {tree.segments} that `simulate` gave; "
            f"found {names[segment < 0][0]!r}."
        )
        raise ValueError(msg)
    return segment


def _select_genes(table: pd.DataFrame, genes: Sequence[str] | None) -> pd.DataFrame:
    """Rows of `table` named in `genes`, in that order."""
    if genes is None:
        return table
    names = [genes] if isinstance(genes, str) else list(genes)
    absent = [name for name in names if name not in table.index]
    if absent:
        msg = (
            f"`genes` must be names in `adata.var_names`; {len(absent)} of {len(names)} are not, "
            f"the first is {absent[0]!r}."
        )
        raise ValueError(msg)
    return table.loc[names]
