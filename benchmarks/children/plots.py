"""Draw many points with kompot or with scanpy, and write them as a PNG."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")

import anndata
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

N_GROUPS = 20


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    adata = made(task["drawing"], task["n_points"])
    draw = with_kompot if task["drawn_by"] == "kompot" else with_scanpy
    prepared = draw(task["drawing"], adata)
    started = time.perf_counter()
    figure = prepared()
    drawn = time.perf_counter()
    figure.savefig(task["output"], dpi=150)
    found = {"seconds": time.perf_counter() - started, "call_seconds": drawn - started}
    Path(task["report"]).write_text(json.dumps(found))


def made(drawing: str, n_points: int) -> anndata.AnnData:
    """Points in clouds, or fold changes and distances of genes."""
    rng = np.random.default_rng(0)
    if drawing == "volcano":
        lfc = rng.normal(0, 0.3, n_points)
        xy = np.column_stack([lfc, np.abs(lfc) * 10 + rng.gamma(2, 1, n_points)])
        group = np.where(xy[:, 1] < 8, "not called", np.where(lfc > 0, "up", "down"))
    else:
        number = rng.integers(0, N_GROUPS, n_points)
        xy = rng.normal(0, 5, (N_GROUPS, 2))[number] + rng.normal(size=(n_points, 2))
        group = np.array([f"group {one}" for one in range(N_GROUPS)])[number]
    obs = pd.DataFrame(
        {"group": pd.Categorical(group), "number": rng.normal(size=n_points)},
        index=np.arange(n_points).astype(str),
    )
    return anndata.AnnData(obs=obs, obsm={"X_umap": xy})


def with_kompot(drawing: str, adata: anndata.AnnData) -> Any:
    """The plot with kompot, to be called."""
    from kompot import pl

    figure = plt.figure(figsize=(7, 5.5), layout="constrained")
    ax = figure.subplots()
    if drawing == "volcano":
        table = pd.DataFrame(adata.obsm["X_umap"], adata.obs_names, ["mean_lfc", "mahalanobis"])
        table["is_de"] = (adata.obs["group"] != "not called").to_numpy()
        return lambda: pl.volcano(table, labels=10, ax=ax).figure
    color = drawing.rpartition(" ")[2]
    return lambda: pl.embedding(adata, "X_umap", color=color, ax=ax).figure


def with_scanpy(drawing: str, adata: anndata.AnnData) -> Any:
    """The plot with scanpy, to be called."""
    import scanpy

    _, ax = plt.subplots(figsize=(7, 5.5))
    color = "number" if drawing.endswith("number") else "group"
    return lambda: scanpy.pl.embedding(adata, "X_umap", color=color, ax=ax, show=False).figure


if __name__ == "__main__":
    main(sys.argv[1])
