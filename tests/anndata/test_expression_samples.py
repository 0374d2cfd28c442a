"""Samples in ``compute_differential_expression``: donor-level significance, sample variance."""

import json
import logging

import numpy as np
import pandas as pd
import pytest
from anndata import read_h5ad

import kompot
from kompot.anndata import compute_differential_expression
from kompot.anndata.donor_columns import CellLevelWarning
from kompot.datasets import simulate
from kompot.models import DifferentialExpression
from kompot.models.donor_expression import donor_expression
from kompot.stats.design import two_group_design

INTERFERON_STIMULATED = """
    ISG15 IFI6 ISG20 IFIT1 IFIT2 IFIT3 MX1 LY6E OAS1 RSAD2 IRF7 CXCL10 PLSCR1 TNFSF10 UBE2L6 OASL
    HERC5 IFI35 IFI44L IFI44 IFITM3 EPSTI1 MX2 SAMD9L SP110 STAT1 XAF1 BST2
"""
KEY = "kompot_de_control_to_treated_"


@pytest.fixture(scope="module")
def _donors():
    return simulate(n_cells=1600, n_genes=120, n_donors=3, random_state=4)


@pytest.fixture
def donors(_donors):
    """1,600 cells x 120 genes of three donors in each condition."""
    return _donors.copy()


def run(adata, **options):
    options = {"sample_col": "donor", "random_state": 0, "progress": False} | options
    return compute_differential_expression(adata, "condition", "control", "treated", **options)


def table(adata, **options):
    return run(adata, return_full_results=True, inplace=False, **options)["table"]


def test_fields_have_the_documented_names(donors):
    run(donors, store_additional_stats=True)
    varied = ("mahalanobis", "mahalanobis_local_fdr", "is_de", "mahalanobis_pvalue", "ptp")
    assert {f"{KEY}{name}_sample_var" for name in varied} <= set(donors.var)
    plain = ("mean_lfc", "donor_pvalue", "donor_fdr", "donor_region", "donor_lfc")
    assert {f"{KEY}{name}" for name in plain} <= set(donors.var)
    assert {"kompot_de_control_std", f"{KEY}fold_change_zscores_sample_var"} <= set(donors.layers)
    assert not {"kompot_de_control_std", "kompot_de_treated_std"} & set(donors.obs)


def test_genes_are_called_by_the_donor_level_rate(donors):
    run(donors)
    called = donors.var[f"{KEY}is_de_sample_var"]
    assert called.dtype == bool
    assert 0 < called.sum() < 40
    np.testing.assert_array_equal(called, donors.var[f"{KEY}donor_fdr"] < 0.05)


def test_numbers_are_those_of_the_test_on_arrays(donors):
    full = run(donors, return_full_results=True)
    names = np.unique(donors.obs["donor"].astype(str))
    sample = np.searchsorted(names, donors.obs["donor"].astype(str))
    first = donors.obs["donor"][donors.obs["condition"] == "control"].astype(str)
    design = two_group_design((~np.isin(names, first)).astype(int))
    features = full["model"].features_
    alone = donor_expression(features, donors.obsm["DM_EigenVectors"], donors.X, sample, design)
    np.testing.assert_allclose(full["table"]["pvalue"], alone.p, rtol=1e-6)
    np.testing.assert_allclose(full["table"]["donor_lfc"], alone.effect, rtol=1e-6)


def test_the_record_says_who_was_compared(donors):
    run(donors)
    record = json.loads(donors.uns["kompot_de"]["last_run_info"])
    assert record["inference_level"] == "donor"
    assert record["uses_sample_variance"]
    assert record["params"]["sample_col"] == "donor"
    assert len(record["samples"]["names"]) == 6
    assert sum(record["samples"]["n_cells"]) == donors.n_obs
    assert record["donor_test"]["degrees_of_freedom"] == 4
    assert record["donor_test"]["compared"] == "counts"
    statuses = {region["status"] for region in record["donor_test"]["regions"]}
    assert statuses <= {"adjusted", "unadjusted", "dropped", "few genes", "not estimable"}


def test_results_survive_a_file(donors, tmp_path):
    run(donors, groups="branch")
    donors.write_h5ad(tmp_path / "result.h5ad")
    again = read_h5ad(tmp_path / "result.h5ad")
    pd.testing.assert_frame_equal(donors.var, again.var)


def test_cell_level_significance_is_called_so(donors):
    full = run(donors, significance="cell", null_genes=100, return_full_results=True)
    assert "donor_region" not in full["table"]
    assert json.loads(donors.uns["kompot_de"]["last_run_info"])["inference_level"] == "cell"
    assert f"{KEY}is_de_sample_var" in donors.var
    assert f"{KEY}donor_fdr" not in donors.var
    assert len(full["model"].null_distances()) == 100


def test_distances_shrink_by_the_variance_between_samples(donors):
    with_samples = table(donors)["mahalanobis"]
    without = table(donors, sample_col=None, null_genes=0)["mahalanobis"]
    assert (with_samples < without).all()


def test_exchanging_the_conditions_changes_signs_only(donors):
    options = {"param_scheme": "symmetric", "return_full_results": True, "inplace": False}
    options |= {"sample_col": "donor", "random_state": 0, "progress": False}
    one = compute_differential_expression(donors, "condition", "control", "treated", **options)
    two = compute_differential_expression(donors, "condition", "treated", "control", **options)
    np.testing.assert_allclose(one["table"]["pvalue"], two["table"]["pvalue"], rtol=1e-8)
    np.testing.assert_allclose(one["table"]["donor_lfc"], -two["table"]["donor_lfc"], rtol=1e-6)


def test_order_of_cells_does_not_matter(donors, rng):
    one = table(donors)
    two = table(donors[rng.permutation(donors.n_obs)].copy())
    np.testing.assert_allclose(one["pvalue"], two["pvalue"], rtol=1e-6)
    np.testing.assert_allclose(one["mahalanobis"], two["mahalanobis"], rtol=1e-8)


def test_other_genes_do_not_change_a_distance(donors):
    chosen = list(donors.var_names[:60])
    pd.testing.assert_series_equal(
        table(donors, genes=chosen)["mahalanobis"], table(donors)["mahalanobis"][:60], rtol=1e-9
    )


def test_genes_not_tested_keep_no_region(donors):
    run(donors, genes=list(donors.var_names[:70]))
    region = donors.var[f"{KEY}donor_region"]
    assert (region[70:] == "").all()
    assert (region[:70] != "").any()
    assert np.isnan(donors.var[f"{KEY}donor_fdr"][70:]).all()


def test_groups_are_regions_of_their_own(donors):
    full = run(donors, groups="branch", return_full_results=True)
    levels = {region.level for region in full["donor_test"].regions}
    assert "groups" in levels
    frame = donors.varm[f"{KEY}donor_fdr_groups"]
    group = full["donor_test"].region("branch_1")
    np.testing.assert_array_equal(frame["branch_1"], group.fdr)
    np.testing.assert_array_equal(donors.varm[f"{KEY}is_de_sample_var_groups"], frame < 0.05)
    assert f"{KEY}mahalanobis_local_fdr_sample_var_groups" not in donors.varm


def test_regions_are_compared_without_becoming_groups(donors):
    full = run(donors, regions="branch", return_full_results=True)
    assert "branch_1" in full["donor_test"].region_names
    assert not donors.varm


def test_pairs_are_found():
    paired = simulate(n_cells=900, n_genes=60, n_donors=3, paired=True, random_state=5)
    test = run(paired, return_full_results=True, inplace=False)["donor_test"]
    assert test.degrees_of_freedom == 2
    assert test.exploratory
    unpaired = run(paired, return_full_results=True, inplace=False, paired=False)["donor_test"]
    assert unpaired.degrees_of_freedom == 4


def test_covariates_are_taken_into_account(donors):
    sex = pd.Categorical(np.where(donors.obs["donor"].isin(["donor_1", "donor_4"]), "f", "m"))
    donors.obs["sex"] = sex
    test = run(donors, covariates=["sex"], return_full_results=True)["donor_test"]
    assert "covariate sex=m" in test.design.columns
    assert test.degrees_of_freedom == 3


def test_interferon_genes_are_found_in_pairs_of_donors(kang):
    full = kompot.compute_differential_expression(
        kang,
        "condition",
        "ctrl",
        "stim",
        sample_col="donor",
        random_state=0,
        progress=False,
        return_full_results=True,
        layers="none",
    )
    assert "donor 101" in full["donor_test"].design.columns
    present = [gene for gene in INTERFERON_STIMULATED.split() if gene in full["table"].index]
    assert len(present) == 28
    assert full["table"]["is_de"][present].sum() >= 25


@pytest.mark.parametrize("seed", [3, 4, 17])
def test_cells_of_real_donors_divided_at_random_do_not_differ(kang, seed):
    """Of these divisions each had false calls, down to p = 1e-22, by variances below sampling."""
    division = np.random.default_rng(seed).random(kang.n_obs) < 0.5
    kang.obs["half"] = pd.Categorical(np.where(division, "A", "B"))
    table = kompot.compute_differential_expression(
        kang,
        "half",
        "A",
        "B",
        sample_col="donor",
        random_state=0,
        progress=False,
        inplace=False,
        return_full_results=True,
        layers="none",
    )["table"]
    assert not table["is_de"].any()
    assert table["pvalue"].min() > 1e-5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_col": "nowhere"}, "Column 'nowhere' not found"),
        ({"sample_col": "condition"}, "column of the conditions"),
        ({"sample_col": None, "paired": True}, "`paired` only has a meaning with samples"),
        ({"sample_col": None, "covariates": ["donor"]}, "`covariates` only has"),
        ({"covariates": ["pseudotime"]}, "several values within"),
        ({"significance": "often"}, "significance"),
        ({"significance": "cell", "regions": "branch"}, "at donor level only"),
        (
            {"regions": {"one": {"branch": ["root"]}}, "groups": {"one": {"branch": ["branch_1"]}}},
            "both have 'one'",
        ),
        ({"groups": {"k4_1": {"branch": ["root"]}}}, "names of clusters of cell states"),
    ],
)
def test_what_cannot_be_compared_is_refused(donors, options, message, monkeypatch):
    monkeypatch.setattr(DifferentialExpression, "fit_cells", lambda *_, **__: pytest.fail("ran"))
    before = donors.copy()
    with pytest.raises(ValueError, match=message):
        run(donors, **options)
    pd.testing.assert_frame_equal(donors.obs, before.obs)
    assert "kompot_de" not in donors.uns


def test_one_sample_tells_nothing_about_donors(donors):
    donors.obs["sample"] = np.where(donors.obs["condition"] == "control", "only", "other")
    donors.obs.loc[donors.obs_names[::2], "sample"] += "_b"
    donors.obs.loc[donors.obs["condition"] == "control", "sample"] = "only"
    with pytest.raises(ValueError, match="has 1 sample"):
        run(donors, sample_col="sample")
    with pytest.raises(ValueError, match="At least 2 samples"):
        run(donors, sample_col="sample", significance="cell")
    options = {"significance": "cell", "allow_single_condition_variance": True}
    found = table(donors, sample_col="sample", null_genes=50, **options)
    assert np.isfinite(found["mahalanobis"]).all()


@pytest.mark.parametrize("given", [{"paired": True}, {"covariates": ["nothing"]}])
def test_cells_alone_are_not_compared_by_pairs_or_covariates(donors, given):
    with pytest.raises(ValueError, match=f"`{next(iter(given))}` only has a meaning where samples"):
        run(donors, sample_col="sample", significance="cell", **given)


def test_one_sample_describes_cells_if_that_is_allowed(donors):
    """As documented, by this argument alone; it ended with the error of the donor-level test."""
    is_control = (donors.obs["condition"] == "control").to_numpy()
    donors.obs["sample"] = np.where(is_control, "only", donors.obs["sample"].astype(str))
    options = {"sample_col": "sample", "null_genes": 50}
    with pytest.raises(ValueError, match="`allow_single_condition_variance=True`"):
        run(donors, **options)
    allowed = options | {"allow_single_condition_variance": True}
    plan = kompot.dry_run_differential_expression(
        donors, "condition", "control", "treated", verbose=False, **allowed
    )
    cell = donors.copy()
    run(cell, **allowed, significance="cell")
    with pytest.warns(UserWarning, match="significance is of these cells only") as caught:
        run(donors, **allowed)
    assert caught[0].filename == __file__
    pd.testing.assert_frame_equal(donors.var, cell.var)
    assert set(plan.output_fields["adata.var"]) == set(kompot.RunInfo(donors).adata_fields["var"])
    record = kompot.RunInfo(donors).run_info
    assert record["inference_level"] == "cell"
    assert "donor_test" not in record
    with pytest.raises(ValueError, match="`regions` are compared at donor level only"):
        run(donors, **allowed, regions="branch")
    donors.obs["sample"] = donors.obs["condition"].astype(str) + "_all"
    with pytest.raises(ValueError, match="found 1 and 1"):
        run(donors, **allowed)


@pytest.mark.filterwarnings("ignore::kompot.anndata.donor_columns.CellLevelWarning")
@pytest.mark.parametrize("short", [kompot.de, kompot.da])
def test_a_variance_of_one_condition_without_samples_is_said_to_have_no_effect(donors, short):
    message = "`allow_single_condition_variance=True` has no effect without `sample_col`"
    with pytest.warns(UserWarning, match=message):
        short(
            donors, "condition", "control", "treated", progress=False,
            allow_single_condition_variance=True,
        )  # fmt: skip


def test_a_covariance_between_cells_is_said_to_need_a_run_without_samples(donors):
    with pytest.warns(UserWarning, match="`store_posterior_covariance` is only available without"):
        run(donors, sample_col="donor", store_posterior_covariance=True)
    assert not list(donors.obsp)
    assert kompot.RunInfo(donors).params["storage"]["store_posterior_covariance"] is False


@pytest.mark.filterwarnings("ignore::kompot.anndata.donor_columns.CellLevelWarning")
@pytest.mark.parametrize("overwrite", [None, True])
def test_adding_samples_leaves_what_does_not_depend_on_them(donors, overwrite):
    """The landmarks were drawn anew."""
    conditions, quiet = ("condition", "control", "treated"), {"progress": False}
    kompot.compute_differential_expression(donors, *conditions, null_genes=50, **quiet)
    before, seed = donors.copy(), kompot.RunInfo(donors).params["gp"]["random_state"]
    run(donors, sample_col="donor", random_state=None, overwrite=overwrite)
    assert kompot.RunInfo(donors).params["gp"]["random_state"] == seed
    name = "kompot_de_control_to_treated_mean_lfc"
    np.testing.assert_allclose(donors.var[name], before.var[name], rtol=1e-11)
    for name in ("kompot_de_control_imputed", "kompot_de_treated_imputed"):
        np.testing.assert_allclose(donors.layers[name], before.layers[name], rtol=1e-6)
    with pytest.warns(UserWarning, match="already exist"):
        run(donors, sample_col="donor", random_state=None)
    assert kompot.RunInfo(donors).params["gp"]["random_state"] != seed


@pytest.mark.filterwarnings("default")
def test_a_column_of_donors_is_named_if_no_samples_are_given(donors):
    with pytest.warns(CellLevelWarning, match="'donor' of adata.obs looks like donors") as caught:
        run(donors, sample_col=None, null_genes=50)
    assert caught[0].filename == __file__


def test_a_change_of_composition_does_not_pass_for_one_of_expression():
    """Where conditions hardly overlap as a whole, raw means of all cells are not evidence."""
    adata = simulate(
        **{"n_cells": 3000, "n_genes": 400, "n_donors": 4, "mean_count": 1.0, "donor_sd": 0.12},
        **{"donor_composition": 60.0, "abundance_log_odds": 2.0, "lfc_local": 2.0},
        random_state=0,
    )
    result = kompot.compute_differential_expression(
        adata, "condition", "control", "treated", sample_col="sample", random_state=0,
        progress=False, return_full_results=True, layers="none", null_genes=0,
    )  # fmt: skip
    everything = result["donor_test"].regions[0]
    assert (everything.name, everything.status, everything.counts) == ("all", "standardised", False)
    called = result["table"]["is_de"].to_numpy()
    false = called & (adata.var["effect"] == "none").to_numpy()
    assert called.sum() > 20
    assert false.sum() < 0.2 * called.sum()
    assert not (adata.var["kompot_de_control_to_treated_donor_region"] == "all").any()


def test_clusters_of_few_genes_are_not_adjusted_where_others_must_not_be():
    """They had kept all cells together from counting, with the adjustment that was refused."""
    adata = simulate(
        **{"n_cells": 2800, "n_genes": 200, "n_donors": 4, "mean_count": 0.1},
        embedding_shift=0.25,
        random_state=2,
    )
    result = kompot.compute_differential_expression(
        adata, "condition", "control", "treated", sample_col="sample", random_state=0,
        progress=False, return_full_results=True, layers="none", null_genes=0,
    )  # fmt: skip
    everything, *others = result["donor_test"].regions
    assert (everything.name, everything.status, everything.counts) == ("all", "standardised", True)
    assert {region.status for region in others} == {"standardised", "dropped"}


def test_regions_are_named_in_their_errors(donors):
    donors.obs["number"] = np.arange(donors.n_obs) + 0.5
    with pytest.raises(ValueError, match=r"`regions`: column 'number'"):
        run(donors, regions="number")
    with pytest.raises(ValueError, match=r"`regions`: Column 'nowhere' not found"):
        run(donors, regions="nowhere")


def test_covariates_may_be_an_array(donors):
    donors.obs["sex"] = np.where(donors.obs["donor"].isin(["donor_1", "donor_4"]), "f", "m")
    full = run(donors, covariates=np.array(["sex"]), return_full_results=True)
    assert full["donor_test"].degrees_of_freedom == 3


def test_columns_must_be_names_of_one_column(donors):
    with pytest.raises(TypeError, match=r"`sample_col` must be the name of a column"):
        run(donors, sample_col=["donor"])
    donors.obs.columns = ["donor" if c == "branch" else c for c in donors.obs.columns]
    with pytest.raises(ValueError, match=r"2 columns of the name 'donor'"):
        run(donors)


def test_nothing_to_test_is_said(donors, caplog):
    donors.X *= 0
    with caplog.at_level(logging.INFO, "kompot"):
        run(donors)
    assert "No gene could be tested" in caplog.text
    assert "0 of 0 tested genes" in caplog.text
    check = kompot.null_check(
        donors, "condition", "control", "treated", sample_col="donor", n_splits=2, progress=False
    )
    assert repr(check) == "NullCheck(2 comparisons, in which nothing could be tested)"
