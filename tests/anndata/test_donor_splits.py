"""``null_check``: the donor-level analysis where nothing differs."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import kompot
from kompot.anndata import null_check
from kompot.datasets import simulate
from kompot.gp.features import fit_features
from kompot.gp.kernels import make_kernel
from kompot.models.donor_abundance import donor_abundance
from kompot.models.donor_expression import DonorSettings, donor_expression
from kompot.stats.design import two_group_design


@pytest.fixture(scope="module")
def _four():
    return simulate(n_cells=1200, n_genes=100, n_donors=(4, 3), random_state=5)


@pytest.fixture
def four(_four):
    """1,200 cells x 100 genes of four donors in one condition and three in the other."""
    return _four.copy()


def check(adata, **options):
    options = {"sample_col": "donor", "progress": False} | options
    return null_check(adata, "condition", "control", "treated", **options)


def test_a_split_is_the_analysis_of_two_halves_of_a_condition(four):
    found = check(four, ls=3.0)
    states = four.obsm["DM_EigenVectors"]
    features = fit_features(
        states, make_kernel("matern52", 3.0), max_rank=5000, rng=np.random.default_rng(0)
    )
    inside = (four.obs["condition"] == "control").to_numpy()
    names, sample = np.unique(four.obs["donor"][inside].astype(str), return_inverse=True)
    for name, row in found.splits.iterrows():
        design = two_group_design(np.isin(names, row["group2"].split(",")).astype(int))
        alone = donor_expression(
            features, states[inside], four.X[inside], sample, design, settings=DonorSettings()
        )
        np.testing.assert_allclose(found.p_values[name], alone.p, rtol=1e-8)
        assert row["hits"] == (alone.fdr < 0.05).sum()
        assert row["degrees_of_freedom"] == 2
        assert row["smallest_pvalue"] == np.nanmin(found.p_values[name])


def test_all_splits_of_the_conditions_with_four_donors(four):
    found = check(four)
    assert list(found.splits.index) == ["control 1", "control 2", "control 3"]
    assert list(found.splits.index) == list(found.p_values)
    pairs = {frozenset(row[["group1", "group2"]]) for _, row in found.splits.iterrows()}
    assert len(pairs) == 3
    assert (found.splits["n_tested"] == 100).all()
    assert len(check(four, n_splits=2).splits) == 2


def test_data_are_not_changed_and_seeds_repeat(four):
    before = four.copy()
    first, again = check(four, n_splits=2, seed=3), check(four, n_splits=2, seed=3)
    pd.testing.assert_frame_equal(first.p_values, again.p_values)
    pd.testing.assert_frame_equal(first.splits, again.splits)
    pd.testing.assert_frame_equal(four.obs, before.obs)
    pd.testing.assert_frame_equal(four.var, before.var)
    assert set(four.uns) == set(before.uns)
    assert set(four.layers) == set(before.layers)


def test_what_differs_between_donors_is_hit_in_their_split_only(four):
    donors = sorted(four.obs["donor"][four.obs["condition"] == "control"].astype(str).unique())
    high = four.obs["donor"].isin(donors[:2]).to_numpy()
    expression = np.asarray(four.X.toarray() if hasattr(four.X, "toarray") else four.X)
    rng = np.random.default_rng(0)
    expression[:, :5] = rng.normal(size=(four.n_obs, 5)) * 0.3 + 3.0 * high[:, None] + 2.0
    four.X = expression
    found = check(four)
    apart = found.splits["group1"] == ",".join(donors[:2])
    assert apart.sum() == 1
    hit = found.p_values.iloc[:5] < 1e-3
    assert hit.loc[:, apart].to_numpy().all()
    assert not hit.loc[:, ~apart].to_numpy().any()


def test_effects_of_the_condition_do_not_leak_into_covariates():
    adata = simulate(
        n_cells=1500, n_genes=400, n_donors=3, fraction_global=0.5, lfc_global=1.5, random_state=6
    )
    found = check(adata, n_splits=20)
    assert (found.splits["kind"] == "covariate").all()
    assert (found.splits["degrees_of_freedom"] == 3).all()
    assert 0.025 < found.splits["share_p05"].mean() < 0.07
    assert found.mean_hits < 1
    result = kompot.compute_differential_expression(
        adata,
        *("condition", "control", "treated"),
        sample_col="donor",
        return_full_results=True,
        inplace=False,
        random_state=0,
        progress=False,
    )
    assert result["table"]["is_de"].sum() > 50
    np.testing.assert_array_equal(found.p_values.index, adata.var_names)


def test_covariates_are_the_analysis_own_random_ones():
    adata = simulate(n_cells=900, n_genes=80, n_donors=3, random_state=7)
    found = check(adata, n_splits=4, random_state=0, seed=0)
    full = kompot.compute_differential_expression(
        adata,
        *("condition", "control", "treated"),
        sample_col="donor",
        return_full_results=True,
        inplace=False,
        random_state=0,
        progress=False,
    )
    np.testing.assert_allclose(found.p_values.T, full["donor_test"].null[:4], rtol=1e-6)


def test_splits_that_a_covariate_explains_are_left_out(four):
    donors = sorted(four.obs["donor"].astype(str).unique())
    batch = {name: "ab"[k % 2] for k, name in enumerate(donors)}
    four.obs["batch"] = four.obs["donor"].astype(str).map(batch)
    found = check(four, covariates=["batch"])
    assert len(found.splits) == 2
    for _, row in found.splits.iterrows():
        assert {batch[name] for name in row["group1"].split(",")} == {"a", "b"}
        assert row["degrees_of_freedom"] == 1


def test_regions_take_part(four):
    four.obs["kind"] = np.where(four.obsm["DM_EigenVectors"][:, 0] > 0, "right", "left")
    with_regions, without = check(four, regions="kind", n_splits=1), check(four, n_splits=1)
    assert not np.allclose(with_regions.p_values, without.p_values)


def test_too_few_samples_are_explained(adata, four):
    with pytest.raises(
        ValueError, match=r"at least 4 samples .*2 of 'control' and 2 of 'treated'.*'covariates'\.$"
    ):
        check(adata, kind="splits")
    adata.obs["pair"] = adata.obs["donor"].astype(str)
    names = {name: k for k, name in enumerate(sorted(adata.obs["pair"].unique()))}
    adata.obs["pair"] = [f"d{names[name] % 2}" for name in adata.obs["pair"]]
    with pytest.raises(
        ValueError, match=r"at least 2 degrees of freedom.* leave 1; add samples\.$"
    ):
        check(adata, sample_col="pair")
    with pytest.raises(ValueError, match="'kind' must be one of"):
        check(four, kind="shuffles")
    with pytest.raises(ValueError, match="'n_splits' must be"):
        check(four, n_splits=0)
    with pytest.raises(ValueError, match="Column 'nobody' not found"):
        check(four, sample_col="nobody")


def test_result_is_summed_up_and_drawn(four):
    found = check(four)
    assert "3 splits" in repr(found)
    assert f"{found.share_with_hits:.0%} with a hit" in repr(found)
    ax = kompot.pl.qq(found, ax=Figure().subplots())
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == [f"control {k} (100)" for k in (1, 2, 3)]


def test_a_split_of_abundance_is_its_test_in_two_halves_of_a_condition(four):
    found = check(four, analysis="abundance", ls=3.0, regions="branch")
    states = four.obsm["DM_EigenVectors"]
    features = fit_features(
        states, make_kernel("matern52", 3.0), max_rank=5000, rng=np.random.default_rng(0)
    )
    inside = (four.obs["condition"] == "control").to_numpy()
    names, sample = np.unique(four.obs["donor"][inside].astype(str), return_inverse=True)
    branch = four.obs["branch"].astype(str).to_numpy()[inside]
    groups = {name: branch == name for name in four.obs["branch"].cat.categories}
    assert len(found.splits) == 3
    for name, row in found.splits.iterrows():
        design = two_group_design(
            np.isin(names, row["group2"].split(",")).astype(int), samples=list(names)
        )
        alone = donor_abundance(features, states[inside], sample, design, groups=groups)
        np.testing.assert_allclose(found.p_values[name], alone.regions.contrast.p_value)
        assert tuple(found.p_values.index) == alone.regions.name
        assert row["hits"] == np.count_nonzero(alone.cells.direction)
        assert row["degrees_of_freedom"] == 2


def test_donors_that_lack_a_branch_are_found_in_their_split():
    adata = simulate(
        n_cells=4000, n_genes=2, n_donors=(6, 2), donor_composition=300.0, random_state=8
    )
    donors = sorted(adata.obs["donor"][adata.obs["condition"] == "control"].astype(str).unique())
    few = adata.obs["donor"].isin(donors[:3]) & (
        adata.obs["branch"] == adata.obs["branch"].cat.categories[0]
    )
    adata = adata[~few | (np.arange(adata.n_obs) % 10 == 0)].copy()
    found = check(adata, analysis="abundance")
    apart = found.splits["group1"] == ",".join(donors[:3])
    assert (found.splits["hits"] > 0).tolist() == apart.tolist()
    assert apart.sum() == 1
    assert found.mean_hits > 10


def test_random_covariates_of_abundance():
    adata = simulate(n_cells=1500, n_genes=2, n_donors=3, random_state=9)
    found = check(adata, analysis="abundance", n_splits=20)
    assert (found.splits["kind"] == "covariate").all()
    assert (found.splits["degrees_of_freedom"] == 3).all()
    assert found.share_with_hits <= 0.2
    assert 0.01 < found.splits["share_p05"].mean() < 0.12
    two = simulate(n_cells=800, n_genes=2, n_donors=2, random_state=9)
    with pytest.raises(ValueError, match="at least 3 degrees of freedom"):
        check(two, analysis="abundance")


def test_abundance_has_no_genes(four):
    with pytest.raises(ValueError, match="`genes` only has a meaning for expression"):
        check(four, analysis="abundance", genes=list(four.var_names[:3]))
    with pytest.raises(ValueError, match="`regions`: Column 'nowhere' not found"):
        check(four, analysis="abundance", regions="nowhere")
    with pytest.raises(ValueError, match="`layer` only has a meaning for expression"):
        check(four, analysis="abundance", layer="counts")
    with pytest.raises(ValueError, match="`ls` must be a number or None here"):
        check(four, ls="evidence")
    with pytest.raises(ValueError, match="'analysis' must be one of"):
        check(four, analysis="velocity")
    before = four.copy()
    check(four, analysis="abundance", n_splits=1)
    pd.testing.assert_frame_equal(four.obs, before.obs)
    assert set(four.uns) == set(before.uns)


def test_splits_of_abundance_leave_enough_freedom(four):
    donors = four.obs["donor"].astype(str)
    ages = dict(zip(sorted(set(donors)), range(30, 60), strict=False))
    four.obs["age"] = donors.map(ages).astype(float)
    assert len(check(four, covariates=["age"]).splits) == 3
    with pytest.raises(
        ValueError, match=r"2 degree\(s\) of freedom left.*or leave out covariates\.$"
    ):
        check(four, covariates=["age"], analysis="abundance", kind="splits")
