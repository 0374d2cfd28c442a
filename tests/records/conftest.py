import warnings
from pathlib import Path

import pytest
from anndata import AnnData, read_h5ad

import kompot
from kompot.datasets import simulate

DATA = Path(__file__).parent / "data"
CONDITIONS = ("condition", "control", "treated")


def _de(adata, *conditions, **options):
    options = {"progress": False, "random_state": 0, "null_genes": 10} | options
    return kompot.compute_differential_expression(adata, *(conditions or CONDITIONS), **options)


def _da(adata, *conditions, **options):
    options = {"progress": False, "random_state": 0} | options
    return kompot.compute_differential_abundance(adata, *(conditions or CONDITIONS), **options)


@pytest.fixture(scope="session")
def de():
    """``de(adata, **options)`` runs differential expression."""
    return _de


@pytest.fixture(scope="session")
def da():
    """``da(adata, **options)`` runs differential abundance."""
    return _da


@pytest.fixture(scope="session")
def unanalysed() -> AnnData:
    adata = simulate(n_cells=120, n_genes=10, n_donors=2, random_state=3)
    del adata.layers["counts"]
    return adata


@pytest.fixture
def small(unanalysed: AnnData) -> AnnData:
    """120 cells x 10 genes without runs."""
    return unanalysed.copy()


@pytest.fixture(scope="session")
def _with_runs(unanalysed: AnnData) -> AnnData:
    adata = unanalysed.copy()
    _de(adata, store_additional_stats=True, store_posterior_covariance=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _de(adata, random_state=1)
    _de(adata, "condition", "treated", "control", result_key="back")
    _da(adata, groups="branch")
    _da(adata, "condition", "treated", "control", result_key="back", store_additional_stats=True)
    return adata


@pytest.fixture
def with_runs(_with_runs: AnnData) -> AnnData:
    """Expression runs 0, 1 (the same fields, another seed) and 2 (others); abundance runs 0, 1."""
    return _with_runs.copy()


@pytest.fixture(scope="session")
def _with_samples() -> AnnData:
    adata = simulate(n_cells=300, n_genes=10, n_donors=3, random_state=3)
    for run in (_de, _da):
        run(adata)
        run(adata, sample_col="sample", groups="branch")  # logged, not warned of
    return adata


@pytest.fixture
def with_samples(_with_samples: AnnData) -> AnnData:
    """Runs 0 and 1 of both analyses; the second ones add samples and groups."""
    return _with_samples.copy()


@pytest.fixture(params=["0.6.3", "0.8.0"])
def original(request: pytest.FixtureRequest) -> AnnData:
    """A file of the original: expression runs 0, 1 and 2 (with samples), abundance runs 0, 1."""
    return read_h5ad(DATA / f"original_{request.param}.h5ad")
