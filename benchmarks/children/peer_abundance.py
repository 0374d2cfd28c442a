"""Compare the abundance of cells with one of the packages, and judge what it finds.

Each method returns the direction of each cell, 1, -1 or 0, None if it has no rule, and a score,
larger where the treated have more cells.
"""

import json
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
from abundance import cna, milo
from abundance import original as original_samples
from peer_judge import judge_cells

STATES = "DM_EigenVectors"
QUESTION = {"groupby": "condition", "condition1": "control", "condition2": "treated"}
DIRECTIONS = {"up": 1, "neutral": 0, "down": -1}


def column(table, ending):
    """The one column with an ending."""
    (name,) = [name for name in table if str(name).endswith(ending)]
    return table[name]


def directions(table, ending):
    return column(table, ending).astype(str).map(DIRECTIONS).fillna(0).to_numpy(int)


def kompot_donor(adata, states, **how):
    """Kompot with donors as replicates."""
    import kompot

    donors = adata.obs.groupby("donor", observed=True)["condition"].nunique()
    replicates = "donor" if (donors > 1).all() else "sample"
    kompot.compute_differential_abundance(
        adata, **QUESTION, obsm_key=states, sample_col=replicates, progress=False, **how
    )
    score = column(adata.obs, "_donor_lfc").to_numpy()
    return directions(adata.obs, "_donor_direction"), score


def kompot_median(adata, states):
    """Kompot with donors as replicates, changes beyond that of the median cell."""
    return kompot_donor(adata, states, reference="median")


def cell_level(adata, states):
    """Kompot or the original without samples."""
    import kompot

    kompot.compute_differential_abundance(adata, **QUESTION, obsm_key=states)
    score = column(adata.obs, "_treated_lfc").to_numpy()
    return directions(adata.obs, "_lfc_direction"), score


def kompot_labels(adata, states):
    """Kompot without samples, the ratio from the labels of cells."""
    import kompot

    kompot.compute_differential_abundance(adata, **QUESTION, obsm_key=states, ratio="labels")
    score = column(adata.obs, "_treated_lfc").to_numpy()
    return directions(adata.obs, "_lfc_direction"), score


def mellon(adata, states):
    """Mellon: difference of the log densities of the conditions; has no rule."""
    import mellon as tool

    points = np.asarray(adata.obsm[states], dtype=float)
    condition = adata.obs["condition"].astype(str).to_numpy()
    dense = [
        np.asarray(tool.DensityEstimator().fit(points[condition == name]).predict(points))
        for name in ("control", "treated")
    ]
    return None, dense[1] - dense[0]


def meld(adata, states):
    """MELD: normalised likelihood of the treated; has no rule."""
    from meld import MELD, utils

    condition = adata.obs["condition"].astype(str).to_numpy()
    densities = MELD(verbose=0).fit_transform(adata.obsm[states], condition)
    return None, utils.normalize_densities(densities)["treated"].to_numpy()


METHODS = {
    "kompot-donor": kompot_donor,
    "kompot-median": kompot_median,
    "kompot-cell": cell_level,
    "kompot-labels": kompot_labels,
    "original-cell": cell_level,
    "original-samples": original_samples,
    "mellon": mellon,
    "meld": meld,
    "milo": milo,
    "cna": cna,
}


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    warnings.simplefilter("ignore")
    import anndata

    adata = anndata.read_h5ad(task["input"])
    changed = adata.obs["changed"].to_numpy(int) if "changed" in adata.obs else None
    started = time.perf_counter()
    direction, score = METHODS[task["method"]](adata, STATES)
    report = {"compute_seconds": time.perf_counter() - started}
    score, elsewhere = np.asarray(score, dtype=float), float(adata.uns.get("elsewhere", 0.0))
    report |= judge_cells(changed, score, direction, elsewhere)
    Path(task["report"]).write_text(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1])
