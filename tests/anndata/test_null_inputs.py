"""Nulls from elsewhere in ``compute_differential_expression``."""

import numpy as np
import pytest
from scipy import sparse

import kompot
from kompot.anndata import compute_differential_expression
from kompot.stats.fdr import empirical_p_values

QUIET = {"progress": False, "random_state": 0, "null_genes": 100, "layers": "none"}


def run(adata, **options):
    options = QUIET | {"return_full_results": True, "inplace": False} | options
    return compute_differential_expression(adata, "condition", "control", "treated", **options)


def table(adata, **options):
    return run(adata, **options)["table"]


def test_given_distances_replace_shuffled_genes_or_join_them(adata, rng):
    null = rng.gamma(5, size=300)
    plain = run(adata)
    distance, shuffled = plain["table"]["mahalanobis"], plain["model"].null_distances()
    found = run(adata, null_mahalanobis=null)
    np.testing.assert_array_equal(found["table"]["pvalue"], empirical_p_values(distance, null))
    assert len(found["model"].null_distances()) == 0
    both = table(adata, null_mahalanobis=null, combine_with_internal=True)
    expected = empirical_p_values(distance, np.concatenate([shuffled, null]))
    np.testing.assert_array_equal(both["pvalue"], expected)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_given_expression_is_fitted_as_genes_are(adata, kind):
    values = np.asarray(adata.X.toarray() if sparse.issparse(adata.X) else adata.X)
    treated = (adata.obs["condition"] == "treated").to_numpy()
    parts = kind(values[~treated, :20]), kind(values[treated, :20])
    found = run(adata, null_expression=parts)
    distance = found["table"]["mahalanobis"].to_numpy()
    np.testing.assert_allclose(found["model"].null_distances(), distance[:20], rtol=1e-10)
    both = run(adata, null_expression=parts, combine_with_internal=True)
    assert len(both["model"].null_distances()) == 120


def test_groups_are_judged_by_given_expression(adata, rng):
    sizes = [int((adata.obs["condition"] == name).sum()) for name in ("control", "treated")]
    parts = tuple(rng.gamma(2, size=(size, 50)) for size in sizes)
    full = run(adata, null_expression=parts, groups="branch")
    assert full["groups"]["local_fdr"].notna().all()


def test_run_keeps_its_null_and_can_be_repeated(adata, rng):
    null = rng.gamma(5, size=300)
    run(adata, null_mahalanobis=null, inplace=True)
    stored = adata.var["kompot_de_control_to_treated_mahalanobis_local_fdr"].copy()
    again = kompot.recompute_fdr(adata, inplace=False)
    np.testing.assert_array_equal(again["local_fdr"], stored)
    arguments = kompot.RunInfo(adata).call_args()
    np.testing.assert_array_equal(arguments["null_mahalanobis"], null)
    assert "null_expression" not in arguments
    repeated = compute_differential_expression(
        adata, **arguments, return_full_results=True, inplace=False, progress=False
    )
    np.testing.assert_array_equal(repeated["table"]["local_fdr"], stored)


def test_unusable_nulls_are_refused_before_computing(adata, rng):
    before = set(adata.var)
    sizes = [int((adata.obs["condition"] == name).sum()) for name in ("control", "treated")]
    first, second = (rng.gamma(2, size=(size, 5)) for size in sizes)
    null = [1.0, 2.0]
    for error, message, options in (
        (ValueError, "cannot both be given", {"null_expression": (first, second)}),
        (ValueError, "over all cells", {"groups": "branch"}),
        (ValueError, "comparing samples", {"sample_col": "donor"}),
        (ValueError, "compute_mahalanobis=False", {"compute_mahalanobis": False}),
        (ValueError, "1 of 2 values that are no distances", {"null_mahalanobis": [1.0, -1.0]}),
    ):
        with pytest.raises(error, match=message):
            run(adata, **{"null_mahalanobis": null} | options)
    for error, message, parts in (
        (TypeError, "must be two matrices", first),
        (ValueError, "as rows and the same genes as columns", (second[:-1], first)),
        (ValueError, "as rows and the same genes as columns", (first, second[:, :4])),
        (
            ValueError,
            "5 NaN, infinite",
            (np.where(first == first[0], np.nan, first), second),
        ),
    ):
        with pytest.raises(error, match=message):
            run(adata, null_expression=parts)
    with pytest.raises(ValueError, match="nothing to combine"):
        run(adata, combine_with_internal=True)
    assert set(adata.var) == before
