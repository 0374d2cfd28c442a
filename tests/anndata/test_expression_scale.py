"""Expression that does not look like logarithms."""

import numpy as np
import pytest
from scipy import sparse

import kompot
from kompot.anndata.chunks import ExpressionRows
from kompot.anndata.expression_scale import warn_of_scale

KINDS = {"dense": np.asarray, "sparse": sparse.csr_matrix}


@pytest.fixture
def counts(rng):
    return rng.poisson(1.5, (300, 20)).astype(float)


@pytest.mark.parametrize("kind", KINDS)
def test_counts_and_what_is_no_logarithm_are_pointed_out(counts, kind):
    for values, text in ((counts, "whole numbers"), (counts * 10.5, "too large for logarithms")):
        rows = ExpressionRows(KINDS[kind](values), np.arange(300))
        with pytest.warns(UserWarning, match=rf"adata.layers\['raw'\] .*{text}.* `layer`"):
            warn_of_scale(rows, "raw")
    logs, is_expressed = np.log1p(counts), (counts > 0).astype(float)
    for values in (logs, logs - logs.mean(axis=0), is_expressed, counts[:5, :5]):
        warn_of_scale(ExpressionRows(KINDS[kind](values), np.arange(len(values))), None)


def test_an_analysis_of_counts_warns_the_user():
    adata = kompot.datasets.simulate(n_cells=200, n_genes=30, random_state=0)
    options = {"layers": "none", "null_genes": 0, "progress": False, "sample_col": "donor"}
    conditions = ("condition", "control", "treated")
    with pytest.warns(UserWarning, match="like counts") as caught:
        kompot.compute_differential_expression(adata, *conditions, layer="counts", **options)
    assert caught[0].filename == __file__
