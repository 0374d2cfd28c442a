"""Write a data set of the side-by-side benchmark, conditions named control and treated.

Expression: `kompot.datasets.simulate` at its defaults but for abundance, which does not change, so
that whole samples differ for no other reason; with twelve clusters of cells for the methods that
need some. Abundance: the cells of the calibration, 70 % of one cluster removed from the treated. Or
the blood cells of Kang et al., whose clusters are their types.
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import anndata
import numpy as np
from sklearn.cluster import KMeans

from kompot.datasets import simulate

CLUSTERS = 12
DONORS = 4
REMOVED = 0.7
STATES = "DM_EigenVectors"


def expression(task):
    """Genes that differ everywhere, in a part of a branch, or not at all."""
    adata = simulate(
        n_cells=task["n_cells"],
        n_genes=task["n_genes"],
        abundance_log_odds=0.0,
        random_state=task["seed"],
    )
    clusters = KMeans(CLUSTERS, n_init=1, random_state=task["seed"]).fit_predict(adata.obsm[STATES])
    adata.obs["cluster"] = [f"cluster_{number}" for number in clusters]
    adata.var["known"] = adata.var["is_de"].to_numpy()
    return adata


def abundance(task):
    """Cells of which some states became rare."""
    from abundance.scenarios import Scenario, draw

    scenario = Scenario("", DONORS, removed=REMOVED, cells=task["n_cells"] // (2 * DONORS))
    return draw(scenario, task["seed"])


def kang(task):
    """Blood cells with and without interferon, each donor in both conditions."""
    from calibration.kang import CONDITIONS, INTERFERON

    adata = anndata.read_h5ad(task["input"])
    names = dict(zip(CONDITIONS, ("control", "treated"), strict=True))
    adata.obs["condition"] = adata.obs["condition"].astype(str).map(names)
    adata.obs["cluster"] = adata.obs["cell_type"].astype(str)
    adata.var["known"] = adata.var_names.isin(INTERFERON)
    return adata


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    adata = {"expression": expression, "abundance": abundance, "kang": kang}[task["data"]](task)
    adata.write_h5ad(task["output"])
    report = {"n_cells": adata.n_obs, "n_genes": adata.n_vars}
    if "changed" in adata.obs:
        report["share_changed"] = float(np.mean(adata.obs["changed"] != 0))
    Path(task["report"]).write_text(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1])
