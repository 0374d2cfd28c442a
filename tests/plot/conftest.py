import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

from kompot.anndata import compute_differential_expression
from kompot.datasets import simulate


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
