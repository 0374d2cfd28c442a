"""Rank cells by how much more abundant their state has become, with one of the packages."""

import json
import sys
import time
from pathlib import Path

import anndata
import numpy as np

STATES = "DM_EigenVectors"


def kompot(adata, options):
    """Log fold change of the density (this package and the original)."""
    import kompot

    kompot.compute_differential_abundance(adata, "condition", "control", "treated", **options)
    return adata.obs["kompot_da_control_to_treated_lfc"].to_numpy()


def meld(adata, options):
    """MELD: normalised likelihood of the treated condition."""
    from meld import MELD, utils

    densities = MELD(verbose=0, **options).fit_transform(
        adata.obsm[STATES], adata.obs["condition"].astype(str).to_numpy()
    )
    return utils.normalize_densities(densities)["treated"].to_numpy()


def milo(adata, options):
    """Milo of pertpy: mean log fold change of the neighbourhoods that hold a cell."""
    import statsmodels.sandbox.stats.multicomp as moved
    from statsmodels.stats.multitest import multipletests

    moved.multipletests = multipletests  # where pertpy 1.0.3 looks for it
    import pertpy
    import scanpy

    tool = pertpy.tl.Milo()
    data = tool.load(adata)
    scanpy.pp.neighbors(data["rna"], use_rep=STATES, n_neighbors=options.get("n_neighbors", 30))
    tool.make_nhoods(data["rna"], prop=0.1, seed=0)
    data = tool.count_nhoods(data, sample_col="sample")
    tool.da_nhoods(data, design="~condition", solver="pydeseq2")
    members = data["rna"].obsm["nhoods"].tocsr().astype(float)
    change = data["milo"].var["logFC"].fillna(0).to_numpy(float)
    return members @ change / np.maximum(np.asarray(members.sum(axis=1)).ravel(), 1)


METHODS = {"kompot": kompot, "original": kompot, "meld": meld, "milo": milo}


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    adata = anndata.read_h5ad(task["input"])
    started = time.perf_counter()
    score = METHODS[task["method"]](adata, task["options"])
    changed = adata.obs["changed"].to_numpy(bool)
    # the Mann-Whitney form of the area, ties by their mean rank
    ranks = np.unique(score, return_inverse=True)[1]
    counts = np.bincount(ranks)
    middle = np.cumsum(counts) - (counts - 1) / 2
    above = middle[ranks][changed].sum() - changed.sum() * (changed.sum() + 1) / 2
    area = above / (changed.sum() * (~changed).sum())
    report = {
        "seconds": time.perf_counter() - started,
        "auc": float(area),
        "share": float(changed.mean()),
    }
    Path(task["report"]).write_text(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1])
