"""Score genes in groups of cells, and say how well the groups tell where genes changed.

The same lines for both packages, which store their tables of genes by groups alike.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

import kompot


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    adata = anndata.read_h5ad(task["input"])
    started = time.perf_counter()
    kompot.compute_differential_expression(adata, **task["options"])
    found: dict[str, Any] = {"compute_seconds": time.perf_counter() - started}
    distances, called = (stored(adata.varm, kind, "_groups") for kind in KINDS)
    if "effect" in task:
        whole = [stored(adata.var, kind, "") for kind in KINDS]
        expressed = (adata.var["mean_count"] >= EXPRESSED).to_numpy()
        found |= compare(adata.var, task["effect"], distances, called, whole, expressed)
    else:
        ranks = distances.rank(ascending=False).astype(int)
        found["ranks"] = {name: ranks.loc[name].to_dict() for name in task["genes"]}
        found["called"] = called.sum().astype(int).to_dict()
    Path(task["report"]).write_text(json.dumps(found))


KINDS = ("mahalanobis", "is_de")
EXPRESSED = 0.5
"""Counts per cell from which a gene is not weakly expressed."""


def stored(holder: Any, kind: str, suffix: str) -> Any:
    """The field of a kind, with or without sample variance in its name."""
    names = [f"_{kind}{variance}{suffix}" for variance in ("_sample_var", "")]
    (name,) = [name for name in holder if str(name).endswith(tuple(names))]
    return holder[name]


def compare(  # noqa: PLR0917
    genes: pd.DataFrame,
    effect: str,
    distances: pd.DataFrame,
    called: pd.DataFrame,
    whole: "list[pd.Series[Any]]",
    expressed: "np.ndarray[Any, Any]",
) -> dict[str, float]:
    """Ranking and calls of planted genes in the branch in which they change and in the others.

    Each branch in turn is the changed one; its planted genes are ranked among the unchanged.
    ``whole`` has the distances and calls of all cells, ``expressed`` the genes that are not weakly
    expressed.
    """
    unchanged = (genes["effect"] == "none").to_numpy()
    branches = [name for name in distances.columns if name != "root"]
    numbers: dict[str, list[float]] = {
        "precision_changed": [], "precision_other": [], "precision_whole": [],
        "called_changed": [], "called_other": [], "called_unchanged": [], "called_whole": [],
        "called_expressed": [],
    }  # fmt: skip
    for changed in branches:
        planted = ((genes["effect"] == effect) & (genes["effect_branch"] == changed)).to_numpy()
        counted = planted | unchanged
        truth = planted[counted]
        numbers["precision_whole"].append(average_precision_score(truth, whole[0][counted]))
        numbers["called_whole"].append(float(np.mean(whole[1][planted])))
        numbers["called_unchanged"].append(float(np.mean(called.loc[unchanged, changed])))
        clear = planted & expressed
        numbers["called_expressed"].append(float(np.mean(called.loc[clear, changed])))
        for name in branches:
            place = "changed" if name == changed else "other"
            precision = average_precision_score(truth, distances.loc[counted, name])
            numbers[f"precision_{place}"].append(precision)
            numbers[f"called_{place}"].append(float(np.mean(called.loc[planted, name])))
    return {name: float(np.mean(values)) for name, values in numbers.items()}


if __name__ == "__main__":
    main(sys.argv[1])
