import json

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from kompot.anndata import compute_differential_abundance, compute_differential_expression
from kompot.datasets import simulate

# Tables that the record of a run with groups names; tests add those that `with_groups` does not.
GROUP_TABLES = (
    *("mean_lfc", "mahalanobis", "mahalanobis_local_fdr", "is_de"),
    *("ptp", "donor_lfc"),
)


@pytest.fixture(autouse=True)
def _screenless():
    """Draw without a screen, and leave no figure open."""
    with mpl.rc_context({"backend": "agg"}):
        yield
        plt.close("all")


@pytest.fixture
def ax():
    return Figure(figsize=(7, 5.5), layout="constrained").subplots()


@pytest.fixture(scope="session")
def _analysed():
    adata = simulate(n_cells=200, n_genes=60, n_donors=2, mean_count=2.0, fraction_global=0.2)
    compute_differential_expression(
        adata,
        "condition",
        "control",
        "treated",
        null_genes=200,
        store_additional_stats=True,
        random_state=0,
        progress=False,
    )
    return adata


@pytest.fixture
def analysed(_analysed):
    """Simulated data with one recorded run, `control` to `treated`."""
    return _analysed.copy()


def with_groups(adata, groupby):
    """Store results of groups as a run with `groups` does, each from the cells of the group."""
    stem = "kompot_de_control_to_treated"
    changes = np.asarray(adata.layers[f"{stem}_fold_change"])
    groups = list(adata.obs[groupby].cat.categories)
    lfc = pd.DataFrame(
        {group: changes[(adata.obs[groupby] == group).to_numpy()].mean(axis=0) for group in groups},
        index=adata.var_names,
    )
    distance = lfc.abs() * 10
    adata.varm[f"{stem}_mean_lfc_groups"] = lfc
    adata.varm[f"{stem}_mahalanobis_groups"] = distance
    adata.varm[f"{stem}_mahalanobis_local_fdr_groups"] = np.exp(-distance)
    adata.varm[f"{stem}_is_de_groups"] = distance > distance.stack().quantile(0.7)
    history = json.loads(adata.uns["kompot_de"]["run_history"])
    history[-1]["params"]["filter"]["groups"] = groupby
    for part in GROUP_TABLES:
        entry = {"location": "varm", "type": part, "description": ""}
        history[-1]["field_mapping"][f"{stem}_{part}_groups"] = entry
    adata.uns["kompot_de"]["run_history"] = json.dumps(history)


@pytest.fixture
def append_run():
    """Write down another run: as the last one, but for some entries and parameters."""

    def appended(adata, kind, parameters=None, **entries):
        key = f"kompot_{kind}"
        history = json.loads(adata.uns[key]["run_history"])
        run = {**history[-1], **entries}
        run["params"] = {**run["params"], **(parameters or {})}
        adata.uns[key]["run_history"] = json.dumps([*history, run])

    return appended


@pytest.fixture(scope="session")
def _compared(_analysed):
    adata = _analysed.copy()
    with_groups(adata, "branch")
    compute_differential_abundance(
        adata,
        "condition",
        "control",
        "treated",
        groups="branch",
        log_fold_change_threshold=0.05,
        ptp_threshold=0.4,
        random_state=0,
        progress=False,
    )
    return adata


@pytest.fixture
def compared(_compared):
    """The same data with results of groups (`branch`) and a run of differential abundance."""
    return _compared.copy()
