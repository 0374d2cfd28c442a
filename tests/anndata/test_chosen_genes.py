"""``genes=`` with samples: what is found hardly depends on which genes were chosen."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData, concat, read_h5ad
from scipy import sparse

import kompot
from kompot.anndata.background_genes import most_beside, with_background
from kompot.anndata.chunks import ExpressionRows
from kompot.datasets import simulate


@pytest.fixture(scope="module")
def _rising():
    """60 of 400 genes rise everywhere, none falls."""
    return simulate(
        n_cells=1200, n_genes=400, n_donors=4, fraction_global=0.15, fraction_local=0,
        fraction_up=1.0, lfc_global=0.8, mean_count=1.5, random_state=3,
    )  # fmt: skip


@pytest.fixture
def rising(_rising):
    return _rising.copy()


def table(adata, **options):
    return kompot.compute_differential_expression(
        adata, "condition", "control", "treated", sample_col="sample", random_state=0,
        progress=False, return_full_results=True, inplace=False, **options,
    )["table"]  # fmt: skip


def test_chosen_genes_are_judged_as_among_all(rising):
    """Of 60 rising genes and 20 others most of the rising were missed and others called."""
    rises = rising.var["is_de"].to_numpy()
    chosen = [*rising.var_names[rises], *rising.var_names[~rises][:20]]
    everything, some = table(rising).loc[chosen], table(rising, genes=chosen).loc[chosen]
    np.testing.assert_allclose(some["donor_lfc"], everything["donor_lfc"], rtol=1e-7)
    np.testing.assert_allclose(some["pvalue"], everything["pvalue"], rtol=1e-6)
    assert list(some["donor_region"]) == list(everything["donor_region"])
    assert some["is_de"][:60].sum() > 40
    assert some["is_de"][60:].sum() <= 1


def test_one_gene_is_compared_by_its_counts(rising):
    gene = rising.var_names[0]
    alone, among = table(rising, genes=[gene]), table(rising).loc[[gene]]
    np.testing.assert_allclose(alone["pvalue"], among["pvalue"], rtol=1e-6)
    np.testing.assert_allclose(alone["tail_fdr"], alone["pvalue"])


@pytest.mark.parametrize("form", ["memory", "dense", "disk"])
def test_missing_values_of_other_genes_are_no_errors(rising, tmp_path, form):
    """They may be why genes were chosen; those others do not go along."""
    chosen = list(rising.var_names[:30])
    without = rising[:, ~rising.var_names.isin(rising.var_names[[100, 200]])].copy()
    values = rising.X.toarray()
    values[5, 100], values[7, 200] = np.nan, np.inf
    rising.X = values if form == "dense" else sparse.csr_matrix(values)
    if form == "disk":
        rising.write_h5ad(tmp_path / "cells.h5ad")
        rising = read_h5ad(tmp_path / "cells.h5ad", backed="r")
    found = table(rising, genes=chosen)
    assert found["pvalue"].notna().all()
    expected = table(without, genes=chosen)
    np.testing.assert_allclose(found["pvalue"], expected["pvalue"], rtol=1e-6)
    with pytest.raises(ValueError, match="2 NaN, infinite or huge"):
        table(rising)


def test_null_check_takes_other_genes_along(rising):
    options = {"sample_col": "sample", "n_splits": 3, "progress": False}
    chosen = list(rising.var_names[:30])
    alone, among = (
        kompot.null_check(rising, "condition", "control", "treated", genes=genes, **options)
        for genes in (chosen, None)
    )
    np.testing.assert_allclose(alone.p_values, among.p_values.loc[chosen], rtol=1e-6)


def test_at_most_two_thousand_others_go_along(rng):
    cells, states = np.arange(40), rng.normal(size=(40, 2))
    counts = sparse.csr_matrix(rng.poisson(0.02, size=(40, 5000)).astype(float))
    counts.data = np.log1p(1.7 * counts.data)
    assert with_background(ExpressionRows(counts, cells), states) is None
    assert with_background(ExpressionRows(counts, cells, np.arange(5000)), states) is None
    chosen = np.array([4000, 7])
    found, again = (
        with_background(ExpressionRows(counts, cells, chosen), states) for _ in range(2)
    )
    assert found.shape == (40, 2002)
    assert most_beside(ExpressionRows(counts, cells, chosen)) == 2000
    np.testing.assert_array_equal(found.genes, again.genes)
    np.testing.assert_array_equal(found.genes[:2], chosen)
    assert len(np.unique(found.genes)) == 2002
    np.testing.assert_array_equal(found[0:3].toarray(), counts[:3][:, found.genes].toarray())


@pytest.mark.parametrize("value", [np.nan, 0.0])
@pytest.mark.parametrize("treated", [1, 4])
def test_others_that_samples_lack_do_not_go_along(rising, value, treated):
    """After an outer join genes are missing, or zero, in all cells of some samples."""
    chosen = [*rising.var_names[rising.var["is_de"]], *rising.var_names[~rising.var["is_de"]][:140]]
    expected = table(rising[:, chosen].copy())
    number = rising.obs["sample"].astype("category").cat.codes.to_numpy()
    names = rising.obs["sample"].astype("category").cat.categories
    lacking = np.isin(number, np.flatnonzero(names.str.contains("treated"))[:treated])
    values = rising.X.toarray()
    values[np.ix_(lacking, ~rising.var_names.isin(chosen))] = value
    rising.X = sparse.csr_matrix(values)
    found = table(rising, genes=chosen)
    np.testing.assert_allclose(found["pvalue"], expected.loc[found.index, "pvalue"], rtol=1e-6)


def test_single_genes_that_a_sample_lacks_are_left_out(rising):
    chosen = list(rising.var_names[:200])
    often = np.asarray(rising.X.mean(axis=0)).ravel()[200:].argmax() + 200
    values = rising.X.toarray()
    values[rising.obs["sample"] == rising.obs["sample"].iloc[0], often] = 0.0
    rising.X = sparse.csr_matrix(values)
    kept = rising[:, np.arange(400) != often].copy()
    pd.testing.assert_frame_equal(table(rising, genes=chosen), table(kept, genes=chosen))


def test_features_of_another_kind_do_not_go_along(rising, rng):
    """Proteins beside genes kept the counts of these from being found."""
    proteins = AnnData(
        rng.normal(1.0, 1.0, size=(rising.n_obs, 20)),
        obs=rising.obs[[]],
        var=pd.DataFrame(index=[f"protein_{k}" for k in range(20)]),
    )
    both = concat([rising, proteins], axis=1)
    both.obs, both.obsm["DM_EigenVectors"] = rising.obs, rising.obsm["DM_EigenVectors"]
    found = table(both, genes=list(rising.var_names))
    pd.testing.assert_frame_equal(found, table(rising))


def test_missing_values_of_chosen_genes_are_errors_in_a_null_check(rising, tmp_path):
    values = rising.X.toarray()
    values[5, 3] = np.nan
    rising.X = sparse.csr_matrix(values)
    rising.write_h5ad(tmp_path / "cells.h5ad")
    stored = read_h5ad(tmp_path / "cells.h5ad", backed="r")
    for data in (rising, stored):
        with pytest.raises(ValueError, match="1 NaN, infinite or huge"):
            kompot.null_check(
                data, "condition", "control", "treated", sample_col="sample", progress=False,
                genes=list(rising.var_names[:30]),
            )  # fmt: skip


def test_plan_counts_the_others(rising):
    def steps(**options):
        plan = kompot.dry_run_differential_expression(
            rising, "condition", "control", "treated", layers="none", verbose=False,
            genes=list(rising.var_names[:5]), **options,
        )  # fmt: skip
        return " ".join(plan.steps)

    assert "summing samples" in steps(sample_col="sample")
    assert "summing samples" not in steps(sample_col="sample", significance="cell")


def test_panels_of_any_size_use_all_regions(rising):
    """A panel of 50 to 80 genes lost most regions, where fewer than 50 are expressed."""
    rising.X = rising.X.toarray()
    rising.X[:, 40:] *= np.random.default_rng(0).random((rising.n_obs, 360)) < 0.02
    for n_genes in (49, 50, 60):
        panel = rising[:, :n_genes].copy()
        full = kompot.compute_differential_expression(
            panel, "condition", "control", "treated", sample_col="sample", random_state=0,
            progress=False, return_full_results=True, inplace=False,
        )  # fmt: skip
        assert all(len(region.genes) >= 30 for region in full["donor_test"].regions)
