import json

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

import kompot
from kompot.anndata import compute_differential_abundance, compute_differential_expression
from kompot.datasets import simulate


@pytest.fixture(autouse=True)
def _screenless():
    """Draw without a screen, and leave no figure open."""
    with mpl.rc_context({"backend": "agg"}):
        yield
        plt.close("all")


@pytest.fixture(scope="session")
def _analysed():
    adata = simulate(n_cells=200, n_genes=60, n_donors=2, mean_count=2.0, fraction_global=0.2)
    options = {"random_state": 0, "progress": False}
    compute_differential_expression(
        adata,
        "condition",
        "control",
        "treated",
        null_genes=200,
        store_additional_stats=True,
        **options,
    )
    compute_differential_abundance(
        adata, "condition", "control", "treated", groups="branch", **options
    )
    return adata


@pytest.fixture
def analysed(_analysed):
    """Simulated data with a run of each kind, `control` to `treated`."""
    return _analysed.copy()


@pytest.fixture(scope="session")
def record_tables():
    """Write down that the last run of expression stored tables of groups."""

    def recorded(adata, parts):
        history = json.loads(adata.uns["kompot_de"]["run_history"])
        for part in parts:
            entry = {"location": "varm", "type": part, "description": ""}
            name = f"kompot_de_control_to_treated_{part}_groups"
            history[-1]["field_mapping"][name] = entry
        adata.uns["kompot_de"]["run_history"] = json.dumps(history)

    return recorded


@pytest.fixture(scope="session")
def _page(_analysed, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    return kompot.report(_analysed.copy(), path, n_genes=2)


@pytest.fixture
def page(_page):
    """A page about these data."""
    return _page.read_text(encoding="utf-8")
