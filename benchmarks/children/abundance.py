"""Differential abundance with another package at its defaults: direction and score of cells."""

import json
import sys
import time
import warnings
from pathlib import Path

import anndata
import numpy as np
import pandas as pd

LEVEL = 0.05
FEW = 4000
"""Cells up to which scanpy itself finds neighbours exactly."""


def original(adata, states):
    """Kompot 0.8.0 with samples and its documented direction."""
    import kompot

    kompot.da(adata, "condition", "control", "treated", obsm_key=states, sample_col="sample")
    key = "kompot_da_control_to_treated_lfc"
    words = adata.obs[f"{key}_direction_sample_var"].astype(str)
    direction = words.map({"up": 1, "neutral": 0, "down": -1}).to_numpy(int)
    return direction, adata.obs[f"{key}_zscore_sample_var"].to_numpy()


def find_neighbors(adata, states, number):
    """Nearest neighbours, each cell counted as its own, exact for any number of cells.

    For many cells scanpy 1.11.5 calls pynndescent, of whose version 0.7 it cannot read the result.
    """
    import scanpy
    from sklearn.neighbors import KNeighborsTransformer

    many = adata.n_obs > FEW
    exact = KNeighborsTransformer(n_neighbors=number - 1, algorithm="kd_tree") if many else None
    scanpy.pp.neighbors(adata, use_rep=states, n_neighbors=number, transformer=exact)


def milo(adata, states):
    """Milo of pertpy: a cell is called if neighbourhoods that hold it are, by their mean change."""
    import statsmodels.sandbox.stats.multicomp as moved
    from statsmodels.stats.multitest import multipletests

    moved.multipletests = multipletests  # where pertpy 1.0.3 looks for it
    import pertpy

    tool = pertpy.tl.Milo()
    data = tool.load(adata)
    find_neighbors(data["rna"], states, 30)
    tool.make_nhoods(data["rna"], prop=0.1, seed=0)
    data = tool.count_nhoods(data, sample_col="sample")
    donors = data["rna"].obs.groupby("donor", observed=True)["condition"].nunique()
    design = "~donor + condition" if (donors > 1).all() else "~condition"
    tool.da_nhoods(data, design=design, solver="pydeseq2")
    table = data["milo"].var
    members = data["rna"].obsm["nhoods"].tocsr().astype(float)
    change = table["logFC"].fillna(0).to_numpy(float)
    called = (table["SpatialFDR"].fillna(1) < LEVEL).to_numpy(float)
    score = members @ change / np.maximum(np.asarray(members.sum(axis=1)).ravel(), 1)
    return np.sign(members @ (called * change)).astype(int), score


def cna(adata, states):
    """Covarying neighbourhood analysis: cells of its coefficients at the level, if p allows."""
    import cna

    find_neighbors(adata, states, 15)
    samples = adata.obs.groupby("sample", observed=True).first()
    treated = (samples["condition"] == "treated").astype(float)
    result = cna.tl.association(  # 0.2.6 fails with `donorids`, so that pairs are no pairs here
        adata, treated, "sample", allow_low_sample_size=True, return_full=True, seed=0
    )
    score = np.zeros(adata.n_obs)
    kept = np.asarray(result.kept, dtype=bool)
    score[kept] = np.asarray(result.ncorrs, dtype=float)
    fdrs = pd.DataFrame(result.fdrs)
    passing = fdrs.loc[fdrs["fdr"] <= LEVEL, "threshold"]
    if result.p > LEVEL or not len(passing):
        return np.zeros(adata.n_obs, dtype=int), score
    return np.where(np.abs(score) >= passing.min(), np.sign(score), 0).astype(int), score


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    warnings.simplefilter("ignore")
    adata = anndata.read_h5ad(task["input"])
    method = {"original": original, "milo": milo, "cna": cna}[task["method"]]
    started = time.perf_counter()
    direction, score = method(adata, task["states"])
    seconds = time.perf_counter() - started
    np.savez(task["output"], direction=direction, score=score, seconds=seconds)


if __name__ == "__main__":
    main(sys.argv[1])
