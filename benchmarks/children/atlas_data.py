"""Write a large file of samples on a branching trajectory, its expression made cells by cells."""

import json
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from scipy import sparse

from kompot.datasets import simulate

CHUNK = 8192
"""Cells made at a time."""
BINS = 8
"""Stretches of pseudotime in which a gene is detected equally often."""
STATE_SD, DONOR_SD, EFFECT, CHANGED = 0.5, 0.15, 0.4, 0.1
"""Standard deviations of log detection over states and samples; effect, and share of genes."""
EXTRA_COUNT = 0.4
"""Mean count of a detected gene, less one."""
TARGET_SUM = 1e4
STORED = 2**20
"""Values in a chunk of the file."""


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    rng = np.random.default_rng(task["seed"])
    cells = simulate(
        n_cells=task["n_cells"],
        n_genes=2,
        n_donors=task["n_samples"] // 2,
        random_state=task["seed"],
    )
    names = [f"gene_{number + 1:05d}" for number in range(task["n_genes"])]
    embedding = {"DM_EigenVectors": cells.obsm["DM_EigenVectors"]}
    shape = task["n_cells"], task["n_genes"]
    adata = AnnData(None, cells.obs, pd.DataFrame(index=names), obsm=embedding, shape=shape)
    codes, rates = detection(cells.obs, shape[1], task["density"], rng)
    path = Path(task["output"])
    adata.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        n_values = write_expression(file, codes, rates, rng)
    report = {"density": n_values / (shape[0] * shape[1]), "file_bytes": path.stat().st_size}
    Path(task["report"]).write_text(json.dumps(report))


def detection(
    obs: pd.DataFrame, n_genes: int, density: float, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Kind of each cell, and how often each gene is detected in cells of a kind.

    Cells of a kind are of one sample and branch and of similar pseudotime. Detection changes
    smoothly with pseudotime, differently on each branch; it differs between samples, and between
    conditions for a tenth of the genes.

    Returns
    -------
    ``(n_cells,)`` and ``(n_kinds, n_genes)``.
    """
    time = np.minimum((obs["pseudotime"].to_numpy() * BINS).astype(int), BINS - 1)
    labels = obs[["sample", "branch"]].astype(str).assign(time=time)
    kinds = labels.drop_duplicates().reset_index(drop=True)
    codes = pd.MultiIndex.from_frame(kinds).get_indexer(pd.MultiIndex.from_frame(labels))
    basis = np.cos(np.pi * np.outer(np.arange(BINS) / BINS, np.arange(1, 4)))
    logs = np.log(rng.gamma(0.7, 1.0, size=n_genes) + 1e-3)[None] + np.zeros((len(kinds), 1))
    for branch in kinds["branch"].unique():
        weights = STATE_SD / np.sqrt(3) * rng.standard_normal((3, n_genes))
        mine = (kinds["branch"] == branch).to_numpy()
        logs[mine] += basis[kinds["time"][mine]] @ weights
    changed = EFFECT * rng.choice([-1, 0, 1], n_genes, p=[CHANGED / 2, 1 - CHANGED, CHANGED / 2])
    for sample in sorted(kinds["sample"].unique()):
        mine = (kinds["sample"] == sample).to_numpy()
        logs[mine] += DONOR_SD * rng.standard_normal(n_genes)
        logs[mine] += changed if sample.endswith("treated") else 0.0
    rates = np.exp(logs)
    scale = density
    for _ in range(20):  # detection is at most 0.95
        scale *= density / np.minimum(scale * rates, 0.95).mean()
    return codes, np.minimum(scale * rates, 0.95)


def write_expression(
    file: Any,
    codes: NDArray[np.intp],
    rates: NDArray[np.float64],
    rng: np.random.Generator,
) -> int:
    """Write ``X`` in rows (CSR, float32), a chunk of cells at a time; the number of its values."""
    if "X" in file:
        del file["X"]
    group = file.create_group("X")
    group.attrs["encoding-type"], group.attrs["encoding-version"] = "csr_matrix", "0.1.0"
    group.attrs["shape"] = np.array([len(codes), rates.shape[1]])
    kinds = {"data": np.float32, "indices": np.int32}
    for name, dtype in kinds.items():
        group.create_dataset(name, (0,), dtype, maxshape=(None,), chunks=(STORED,))
    pointers = [np.zeros(1, dtype=np.int64)]
    for start in range(0, len(codes), CHUNK):
        rows = expression(codes[start : start + CHUNK], rates, rng)
        end = pointers[-1][-1]
        for name in kinds:
            group[name].resize((end + rows.nnz,))
            group[name][end:] = getattr(rows, name)
        pointers.append(end + rows.indptr[1:].astype(np.int64))
    group["indptr"] = np.concatenate(pointers)
    return int(pointers[-1][-1])


def expression(
    codes: NDArray[np.intp], rates: NDArray[np.float64], rng: np.random.Generator
) -> "sparse.csr_matrix":
    """log1p of normalised counts of some cells of given kinds, ``(n_cells, n_genes)``."""
    cells, genes = [], []
    for kind in np.unique(codes):
        members = np.flatnonzero(codes == kind)
        found = rng.binomial(len(members), rates[kind])
        genes.append(np.repeat(np.arange(rates.shape[1], dtype=np.int32), found))
        cells.append(members[rng.integers(len(members), size=len(genes[-1]))].astype(np.int32))
    places = np.concatenate(cells), np.concatenate(genes)
    counts = (1 + rng.poisson(EXTRA_COUNT, len(places[0]))).astype(np.float32)
    shape = len(codes), rates.shape[1]
    rows = sparse.coo_matrix((counts, places), shape=shape).tocsr()  # what is drawn twice adds up
    totals = np.maximum(np.asarray(rows.sum(axis=1)).ravel(), 1.0)
    scale = np.repeat((TARGET_SUM / totals).astype(np.float32), np.diff(rows.indptr))
    rows.data = np.log1p(rows.data * scale)
    return rows


if __name__ == "__main__":
    main(sys.argv[1])
