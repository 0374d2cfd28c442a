"""The abundance analysis with samples: what is stored, refused and said."""

import json
import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from kompot.anndata import compute_differential_abundance
from kompot.anndata.donor_columns import CellLevelWarning
from kompot.datasets import simulate
from kompot.models import DifferentialAbundance

KEY = "kompot_da_control_to_treated"
DONOR = ("lfc", "lfc_se", "pvalue", "fdr", "direction", "region")
COLUMNS = [f"donor_{part}" for part in DONOR]


@pytest.fixture(scope="module")
def _shifted():
    """Branch 1 holds a far larger share in the treated samples."""
    return simulate(
        n_cells=1600, n_genes=3, n_donors=4, donor_composition=60, abundance_log_odds=2.5,
        random_state=3,
    )  # fmt: skip


@pytest.fixture(scope="module")
def analysed(_shifted):
    cells = _shifted.copy()
    return cells, run(cells, return_full_results=True, groups="branch")


@pytest.fixture
def cells(_shifted):
    return _shifted.copy()


def run(adata, **options):
    options = {"progress": False, "sample_col": "sample"} | options
    return compute_differential_abundance(adata, "condition", "control", "treated", **options)


def results(adata, **options):
    return run(adata, return_full_results=True, inplace=False, **options)


def test_fields_of_both_levels_are_stored(analysed):
    cells, full = analysed
    varied = ("lfc_zscore", "neg_log10_lfc_ptp", "lfc_direction")
    names = {f"{KEY}_{part}_sample_var" for part in varied} | {f"{KEY}_{c}" for c in COLUMNS}
    names |= {f"{KEY}_lfc", "kompot_da_control_log_density", "kompot_da_treated_log_density"}
    assert names == {name for name in cells.obs if name.startswith("kompot_da")}
    for name in ("lfc_direction_sample_var", "donor_direction"):
        assert list(cells.obs[f"{KEY}_{name}"].cat.categories) == ["up", "neutral", "down"]
        assert list(cells.uns[f"{KEY}_{name}_colors"]) == ["#d73027", "#d3d3d3", "#4575b4"]
    assert "kompot_da_lfc_direction_colors" in cells.uns
    table = full["table"]
    for column in COLUMNS:
        assert table[column].tolist() == cells.obs[f"{KEY}_{column}"].tolist()
    assert set(full["field_names"].values()) >= names
    pd.testing.assert_frame_equal(cells.uns["kompot_da"]["donor_regions"], full["regions"])


def test_planted_change_is_called_for_donors(analysed):
    cells, full = analysed
    assert full["donor_test"].rotation.p_gate < 0.05
    grown = cells.obs["branch"] == "branch_1"
    table = full["table"]
    assert (table.loc[grown, "donor_direction"] == "up").mean() > 0.5
    assert not (table.loc[~grown, "donor_direction"] == "up").any()
    truth = cells.obs["true_log_abundance_ratio"]
    assert np.corrcoef(table["donor_lfc"], truth)[0, 1] > 0.8
    called = (table["donor_direction"] != "neutral").to_numpy()
    np.testing.assert_array_equal(called, table["donor_fdr"] < 0.05)


def test_samples_take_certainty_but_change_no_fold_change(cells, analysed):
    plain = compute_differential_abundance(
        cells, "condition", "control", "treated", return_full_results=True, progress=False
    )["table"]
    table = analysed[1]["table"]
    np.testing.assert_allclose(table["lfc"], plain["lfc"], atol=1e-10)
    assert (table["lfc_zscore"].abs() < plain["lfc_zscore"].abs()).all()
    assert f"{KEY}_lfc_zscore" in cells.obs
    run(cells, overwrite=True)
    np.testing.assert_array_equal(cells.obs[f"{KEY}_lfc_zscore"], plain["lfc_zscore"])


def test_groups_and_regions_are_tables(analysed):
    cells, full = analysed
    groups, regions = full["groups"], full["regions"]
    assert list(groups.index) == ["root", "branch_1", "branch_2"]
    assert groups.loc["branch_1", "donor_direction"] == "up"
    ordered = groups["donor_pvalue"].sort_values()
    assert groups["donor_fdr"].min() == pytest.approx((3 * ordered / [1, 2, 3]).min())
    own = regions[regions["level"] == "groups"].set_index("region")
    np.testing.assert_array_equal(own["lfc"], groups["donor_lfc"])
    np.testing.assert_array_equal(own["fdr_level"], groups["donor_fdr"])
    assert regions.groupby("level", sort=False).size().to_dict() == {
        **{"k4": 4, "k12": 12, "k30": 30, "groups": 3}
    }
    counts = pd.crosstab(cells.obs["branch"], cells.obs["sample"])
    for name in counts.columns:
        np.testing.assert_array_equal(own[f"n_cells:{name}"], counts.loc[own.index, name])
    np.testing.assert_array_equal(own["min_cells"], counts.loc[own.index].min(axis=1))
    np.testing.assert_array_equal(own["max_cells"], counts.loc[own.index].max(axis=1))
    np.testing.assert_allclose(regions["t"], regions["lfc"] / regions["lfc_se"])
    finest = regions[regions["level"] == "k30"]
    assert set(full["table"]["donor_region"]) == set(finest["region"])
    sizes = full["table"]["donor_region"].value_counts()
    counted = finest.filter(like="n_cells:").sum(axis=1).set_axis(finest["region"])
    np.testing.assert_array_equal(sizes.loc[counted.index], counted)


def test_record_says_what_was_tested(analysed):
    cells, full = analysed
    record = json.loads(cells.uns["kompot_da"]["last_run_info"])
    assert record["inference_level"] == "donor"
    assert record["uses_sample_variance"] is True
    assert record["zscore_key"] == f"{KEY}_lfc_zscore_sample_var"
    assert record["donor_keys"]["donor_fdr_key"] == f"{KEY}_donor_fdr"
    test, found = record["donor_test"], full["donor_test"]
    assert test["p_gate"] == found.rotation.p_gate
    assert test["p_global"] == found.rotation.p_global
    assert test["regions"]["df"] == 6
    assert test["regions"]["d_tot"] == found.regions.contrast.moderation.total_degrees_of_freedom
    assert {"d0", "K_eff", "theta", "phi", "n_untestable"} <= set(test["regions"])
    assert test["neighborhoods"]["size"] == 80
    assert test["exploratory"] is False
    assert test["paired"] is False
    samples = test["samples"]
    assert sum(sample["n_cells"] for sample in samples.values()) == cells.n_obs
    assert test["n_cells_up"] == (full["table"]["donor_direction"] == "up").sum()
    assert record["params"]["samples"]["significance"] == "donor"
    assert record["field_mapping"][f"{KEY}_donor_lfc"]["type"] == "donor_log_fold_change"


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_files_keep_everything(analysed, tmp_path, suffix):
    cells = analysed[0]
    path = tmp_path / f"result.{suffix}"
    getattr(cells, f"write_{suffix}")(path)
    back = getattr(ad, f"read_{suffix}")(path)
    pd.testing.assert_frame_equal(back.obs, cells.obs)
    for name in ("donor_regions", "groups"):
        stored, kept = cells.uns["kompot_da"][name], back.uns["kompot_da"][name]
        pd.testing.assert_frame_equal(
            kept, stored, check_names=False, check_index_type=False, check_dtype=False
        )


def test_exchanging_conditions_negates(cells, analysed):
    first = results(cells, sync_parameters=True)["table"]
    second = compute_differential_abundance(
        cells, "condition", "treated", "control", sample_col="sample", sync_parameters=True,
        progress=False, return_full_results=True, inplace=False,
    )["table"]  # fmt: skip
    np.testing.assert_allclose(second["donor_lfc"], -first["donor_lfc"], rtol=1e-7)
    np.testing.assert_allclose(second["donor_pvalue"], first["donor_pvalue"], rtol=1e-7)
    np.testing.assert_allclose(second["lfc_zscore"], -first["lfc_zscore"], rtol=1e-7)
    opposite = {"up": "down", "down": "up", "neutral": "neutral"}
    assert second["donor_direction"].map(opposite).tolist() == first["donor_direction"].tolist()


def test_order_of_cells_and_names_of_samples_do_not_matter(cells, analysed, rng):
    base = analysed[1]["table"]
    order = rng.permutation(cells.n_obs)
    shuffled = cells[order].copy()
    names = rng.permutation(cells.obs["sample"].cat.categories)
    renamed = dict(zip(cells.obs["sample"].cat.categories, names, strict=True))
    shuffled.obs["sample"] = shuffled.obs["sample"].astype(str).map(renamed)
    table = results(shuffled, groups="branch")["table"].loc[base.index]
    np.testing.assert_allclose(table["donor_pvalue"], base["donor_pvalue"], rtol=1e-7)
    np.testing.assert_allclose(table["lfc_zscore"], base["lfc_zscore"], rtol=1e-7)
    assert table["donor_direction"].tolist() == base["donor_direction"].tolist()


def test_cells_of_other_conditions_have_no_donor_results(cells, analysed):
    extra = cells[:100].copy()
    extra.obs["condition"] = "third"
    extra.obs_names = [f"extra_{name}" for name in extra.obs_names]
    both = ad.concat([extra, cells])
    run(both, groups="branch")
    donor = both.obs[[f"{KEY}_{column}" for column in COLUMNS]]
    assert donor.iloc[:100].isna().all(axis=None)
    assert both.obs[f"{KEY}_lfc"].notna().all()
    base = analysed[1]["table"]
    np.testing.assert_allclose(
        donor.loc[base.index, f"{KEY}_donor_pvalue"], base["donor_pvalue"], rtol=1e-7
    )


def test_excluded_cells_take_no_part(cells):
    left_out = cells.obs["branch"] == "root"
    table = results(cells, cell_filter={"branch": "root"})["table"]
    assert table.loc[left_out, COLUMNS].isna().all(axis=None)
    alone = results(cells[~left_out].copy())["table"]
    np.testing.assert_allclose(
        table.loc[~left_out, "donor_pvalue"], alone["donor_pvalue"], rtol=1e-7
    )


def test_names_of_cells_need_not_be_unique(cells, analysed):
    cells.obs_names = ["cell"] * cells.n_obs
    with pytest.warns(UserWarning, match="not unique"):
        cells = ad.AnnData(obs=cells.obs, obsm=dict(cells.obsm))
    table = results(cells, groups="branch")["table"]
    np.testing.assert_allclose(table["donor_pvalue"], analysed[1]["table"]["donor_pvalue"])


def test_cell_level_leaves_the_test_out(cells):
    run(cells, significance="cell")
    assert f"{KEY}_lfc_zscore_sample_var" in cells.obs
    assert not [name for name in cells.obs if "_donor_" in name]
    record = json.loads(cells.uns["kompot_da"]["last_run_info"])
    assert record["inference_level"] == "cell"
    assert record["donor_test"] is None
    assert record["donor_keys"] is None


def test_pairs_are_recognised():
    paired = simulate(n_cells=900, n_genes=2, n_donors=4, paired=True, random_state=0)
    full = results(paired, sample_col="donor")
    assert full["donor_test"].design.degrees_of_freedom == 3
    same = results(paired, donor_col="donor")
    np.testing.assert_allclose(same["table"]["donor_pvalue"], full["table"]["donor_pvalue"])
    apart = results(paired, donor_col="donor", paired=False)
    assert apart["donor_test"].design.degrees_of_freedom == 6


def test_covariates_cost_degrees_of_freedom(cells):
    samples = cells.obs["sample"].cat.categories
    ages = dict(zip(samples, [30, 41, 28, 60, 35, 52, 44, 39], strict=True))
    cells.obs["years"] = cells.obs["sample"].astype(str).map(ages).astype(float)
    full = results(cells, covariates=["years"])
    assert full["donor_test"].design.degrees_of_freedom == 5
    assert "covariate years" in full["donor_test"].design.columns


def test_minimum_change_and_reference_are_passed_on(cells, analysed):
    base = analysed[1]["table"]
    table = results(cells, groups="branch", donor_lfc_threshold=1.0)["table"]
    expected = base["donor_direction"].where(base["donor_lfc"].abs() > 1.0, "neutral")
    assert table["donor_direction"].tolist() == expected.tolist()
    stable = results(cells, groups="branch", reference=["root"])
    assert stable["groups"].loc["root", ["donor_lfc", "donor_pvalue"]].isna().all()
    expected = analysed[1]["groups"].loc["root", "donor_lfc"]
    assert stable["donor_test"].reference_change == expected
    cells = cells.copy()
    cells.obs["branch"] = cells.obs["branch"].cat.rename_categories({"root": "a/root"})
    again = results(cells, groups="branch", reference="a/root")
    assert again["donor_test"].reference_change == expected


def keep(cells, samples):
    return cells[cells.obs["sample"].isin(samples)].copy()


def test_two_against_two_is_exploratory(cells, caplog):
    samples = cells.obs["sample"].cat.categories[[0, 1, 4, 5]]
    with caplog.at_level(logging.INFO, logger="kompot"):
        full = results(keep(cells, samples))
    assert full["donor_test"].design.exploratory
    assert "exploratory" in caplog.text


def test_one_sample_in_a_condition(cells):
    few = keep(cells, cells.obs["sample"].cat.categories[[0, 4, 5, 6]])
    with pytest.raises(ValueError, match=r"has 1 sample .*needs at least 2 in each condition"):
        run(few)
    with pytest.warns(UserWarning, match="nothing is tested at donor level"):
        run(few, allow_single_condition_variance=True)
    assert f"{KEY}_lfc_zscore_sample_var" in few.obs
    assert f"{KEY}_donor_fdr" not in few.obs
    table = results(few, allow_single_condition_variance=True, significance="cell")["table"]
    np.testing.assert_array_equal(table["lfc_zscore"], few.obs[f"{KEY}_lfc_zscore_sample_var"])


def without_samples(**options):
    return {"sample_col": None} | options


MISTAKES = [
    ({"sample_col": "x"}, ValueError, "`sample_col`: Column 'x' not found"),
    ({"sample_col": "condition"}, ValueError, "the column of the conditions"),
    ({"donor_col": "x"}, ValueError, "`donor_col`: Column 'x' not found"),
    ({"covariates": ["x"]}, ValueError, "`covariates`: Column 'x' not found"),
    ({"covariates": "donor"}, TypeError, "must be a list"),
    ({"covariates": ["branch"]}, ValueError, "several values within"),
    ({"paired": "yes"}, TypeError, "`paired` must be"),
    ({"paired": True}, ValueError, "0 of 8 donors have samples in both"),
    ({"significance": "both"}, ValueError, "'significance' must be one of"),
    ({"fdr_threshold": 0}, ValueError, "'fdr_threshold' must be"),
    ({"donor_lfc_threshold": -1}, ValueError, "'donor_lfc_threshold' must be"),
    ({"reference": "T cells"}, ValueError, "`reference` must be None, 'median' or names"),
    ({"reference": 5}, TypeError, "`reference` must be None, 'median' or names"),
    (
        {"reference": "few", "groups": {"few": np.arange(7), "most": np.arange(7, 1600)}},
        ValueError,
        "names \\['few'\\], but reference groups need 2 cells",
    ),
    (without_samples(covariates=["donor"]), ValueError, "`covariates` only has .* `sample_col`"),
    (without_samples(paired=True, donor_col="donor"), ValueError, "`paired`, `donor_col` only"),
    (without_samples(reference="median"), ValueError, "`reference` only has"),
    ({"significance": "cell", "covariates": ["age"]}, ValueError, '`covariates` .*="donor"'),
]


@pytest.mark.parametrize(("options", "error", "match"), MISTAKES)
def test_mistake_is_named_before_computing(cells, monkeypatch, options, error, match):
    monkeypatch.setattr(DifferentialAbundance, "fit_cells", lambda *_, **__: pytest.fail("ran"))
    before = cells.copy()
    with pytest.raises(error, match=match):
        run(cells, **options)
    pd.testing.assert_frame_equal(cells.obs, before.obs)
    assert set(cells.uns) == set(before.uns)


def test_too_few_degrees_of_freedom_are_refused_before_computing(cells, monkeypatch):
    monkeypatch.setattr(DifferentialAbundance, "fit_cells", lambda *_, **__: pytest.fail("ran"))
    samples = cells.obs["sample"].cat.categories[[0, 1, 4, 5]]
    few = keep(cells, samples)
    few.obs["years"] = few.obs["sample"].astype(str).map(dict(zip(samples, range(4), strict=True)))
    few.obs["years"] = (few.obs["years"] ** 2).astype(float)
    with pytest.raises(ValueError, match=r"leave 1 degree\(s\) of freedom"):
        run(few, covariates=["years"])


def test_too_few_cells_leave_the_data_as_they_are(cells):
    first = cells.obs.groupby("sample", observed=True).head(3).index
    few = cells[first].copy()
    before = few.copy()
    with pytest.raises(ValueError, match="has 0 samples of 10 cells or more"):
        run(few)
    pd.testing.assert_frame_equal(few.obs, before.obs)
    assert set(few.uns) == set(before.uns)


def test_warning_names_what_looks_like_donors(cells):
    with pytest.warns(CellLevelWarning, match=r"'donor' .* looks like donors .*sample_col='donor'"):
        run(cells, sample_col=None)
    del cells.obs["donor"], cells.obs["sample"]
    run(cells, sample_col=None, overwrite=True)


def test_kang_pairs(kang):
    full = compute_differential_abundance(
        kang, "condition", "ctrl", "stim", sample_col="sample", donor_col="donor",
        significance="cell", return_full_results=True, inplace=False, progress=False,
    )  # fmt: skip
    assert np.isfinite(full["table"]["lfc_zscore"]).all()
    with pytest.raises(ValueError, match=r"leave 1 degree\(s\) of freedom"):
        compute_differential_abundance(
            kang, "condition", "ctrl", "stim", sample_col="donor", progress=False
        )


def test_samples_whose_names_differ_by_a_slash_keep_their_columns(cells):
    names = dict(zip(cells.obs["sample"].cat.categories[:2], ("a/b", "a_b"), strict=True))
    cells.obs["sample"] = cells.obs["sample"].cat.rename_categories(names)
    run(cells)
    table = cells.uns["kompot_da"]["donor_regions"]
    assert {"n_cells:a_b", "n_cells:a_b_"} <= set(table)


def test_a_group_without_cells_has_no_change(cells):
    first = cells.obs["branch"].to_numpy() == "branch_1"
    run(cells, groups={"none": np.zeros(cells.n_obs, bool), "first": first})
    groups = cells.uns["kompot_da"]["groups"]
    assert np.isnan(groups.loc["none", "donor_lfc"])
    assert groups.loc["first", "donor_lfc"] > 0


def test_regions_are_groups_here(cells):
    with pytest.raises(TypeError, match=r"Unknown arguments: \['regions'\]") as caught:
        run(cells, regions="branch")
    assert "`regions` of your own are `groups` here. Known" in str(caught.value)
