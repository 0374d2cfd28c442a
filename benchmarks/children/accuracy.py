"""Distances and fold changes at a tolerance against those at a tighter one, by seed."""

import json
import sys
from pathlib import Path
from typing import Any

import anndata
import numpy as np

from kompot import compute_differential_expression


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    adata = anndata.read_h5ad(task["input"])
    seeds = [
        compare(adata, task["call"], seed, task["tolerance"], task["tight"])
        for seed in task["seeds"]
    ]
    Path(task["report"]).write_text(json.dumps({"seeds": seeds}))


def compare(
    adata: anndata.AnnData, call: dict[str, Any], seed: int, tolerance: float, tight: float
) -> dict[str, Any]:
    """One seed at both tolerances."""
    result, tight_result = (run(adata, call, seed, tol) for tol in (tolerance, tight))
    features, tight_features = result["model"].features_, tight_result["model"].features_
    table, tight_table = result["table"], tight_result["table"]
    relative = np.abs(table["mahalanobis"] / tight_table["mahalanobis"] - 1)
    return {
        "seed": seed,
        "rank": features.rank,
        "residual_mean": features.residual_mean,
        "residual_max": features.residual_max,
        "tight_rank": tight_features.rank,
        "tight_residual_mean": tight_features.residual_mean,
        "tight_residual_max": tight_features.residual_max,
        "relative": float(relative.max()),
        "relative_median": float(relative.median()),
        "lfc": float((table["mean_lfc"] - tight_table["mean_lfc"]).abs().max()),
    }


def run(adata: anndata.AnnData, call: dict[str, Any], seed: int, tol: float) -> Any:
    """Full results of one run, which leaves the data as they are."""
    return compute_differential_expression(
        adata,
        **call,
        random_state=seed,
        tol=tol,
        null_genes=0,
        layers="none",
        inplace=False,
        return_full_results=True,
        progress=False,
    )


if __name__ == "__main__":
    main(sys.argv[1])
