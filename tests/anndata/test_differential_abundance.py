import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from kompot import da
from kompot.anndata import abundance_results, compute_differential_abundance
from kompot.anndata import differential_abundance as module
from kompot.datasets import simulate
from kompot.models import DifferentialAbundance

KEY = "kompot_da_control_to_treated"


@pytest.fixture(scope="module")
def _shifted():
    """Branch 1 is more abundant in the treated cells; expression plays no part."""
    return simulate(n_cells=1500, n_genes=5, n_donors=4, abundance_log_odds=1.5, random_state=2)


@pytest.fixture
def cells(_shifted):
    return _shifted.copy()


def run(adata, **options):
    return compute_differential_abundance(
        adata, "condition", "control", "treated", **({"progress": False} | options)
    )


def results(adata, **options):
    return run(adata, return_full_results=True, inplace=False, **options)


def test_documented_fields_are_stored(cells):
    run(cells)
    assert {
        *(f"{KEY}_{part}" for part in ("lfc", "lfc_zscore", "neg_log10_lfc_ptp", "lfc_direction")),
        "kompot_da_control_log_density",
        "kompot_da_treated_log_density",
    } <= set(cells.obs.columns)
    direction = cells.obs[f"{KEY}_lfc_direction"]
    assert list(direction.cat.categories) == ["up", "neutral", "down"]
    assert direction.cat.ordered
    colors = ["#d73027", "#d3d3d3", "#4575b4"]
    assert list(cells.uns[f"{KEY}_lfc_direction_colors"]) == colors
    assert list(cells.uns["kompot_da_lfc_direction_colors"]) == colors
    assert f"{KEY}_lfc_lfsr" not in cells.obs
    run(cells, store_additional_stats=True, overwrite=True)
    assert cells.obs[f"{KEY}_lfc_lfsr"].between(0, 1).all()
    assert (cells.obs[f"{KEY}_lfc_svalue"] <= cells.obs[f"{KEY}_lfc_lfsr"] + 1e-12).all()


def test_stored_values_agree_with_each_other_and_the_model(cells):
    full = run(cells, return_full_results=True)
    obs, table = cells.obs, full["table"]
    found = full["model"].predict(cells.obsm["DM_EigenVectors"], progress=False)
    np.testing.assert_allclose(obs[f"{KEY}_lfc"], found["log_fold_change"])
    np.testing.assert_allclose(
        obs["kompot_da_treated_log_density"] - obs["kompot_da_control_log_density"],
        obs[f"{KEY}_lfc"],
        atol=1e-10,
    )
    np.testing.assert_array_equal(table["lfc_zscore"], obs[f"{KEY}_lfc_zscore"])
    np.testing.assert_array_equal(np.sign(table["lfc_zscore"]), np.sign(table["lfc"]))
    up = (table["lfc"] > 1) & (table["neg_log10_ptp"] > -np.log10(0.05))
    assert (obs[f"{KEY}_lfc_direction"] == "up").to_numpy().tolist() == up.tolist()


def test_shift_is_found_where_it_was_planted(cells):
    table = results(cells)["table"]
    truth = cells.obs["true_log_abundance_ratio"]
    assert np.corrcoef(table["lfc"], truth)[0, 1] > 0.7
    branch = cells.obs["branch"] == "branch_1"
    assert table.loc[branch, "lfc"].mean() > table.loc[~branch, "lfc"].mean() + 0.5


def test_groups_say_which_changed(cells):
    table = results(cells, groups="branch")["groups"]
    assert list(table.index) == list(cells.obs["branch"].cat.categories)
    counts = pd.crosstab(cells.obs["branch"], cells.obs["condition"])
    np.testing.assert_array_equal(table[["n_cells1", "n_cells2"]], counts.loc[table.index])
    assert table["mean_lfc"].idxmax() == "branch_1"
    assert table["probability_changed"].between(0, 1).all()
    np.testing.assert_allclose(table["zscore"], table["mean_lfc"] / table["std"])
    run(cells, groups="branch")
    pd.testing.assert_frame_equal(cells.uns["kompot_da"]["groups"], table)


def test_mean_of_a_group_is_the_mean_of_its_cells(cells):
    full = results(cells, groups={"some": {"branch": "branch_2"}})
    members = cells.obs["branch"] == "branch_2"
    assert full["groups"].loc["some", "mean_lfc"] == pytest.approx(
        full["table"].loc[members, "lfc"].mean(), abs=1e-9
    )
    covariance = full["model"].covariance(cells.obsm["DM_EigenVectors"][members])
    assert full["groups"].loc["some", "std"] == pytest.approx(np.sqrt(covariance.mean()), rel=1e-3)


def test_excluded_cells_take_no_part_and_are_missing(cells):
    left_out = cells.obs["branch"] == "root"
    table = results(cells, cell_filter={"branch": "root"})["table"]
    assert table.loc[left_out, "lfc"].isna().all()
    alone = results(cells[~left_out].copy())["table"]
    np.testing.assert_allclose(table.loc[~left_out, "lfc"], alone["lfc"], atol=1e-9)
    run(cells, cell_filter={"branch": "root"})
    assert cells.obs[f"{KEY}_lfc_direction"].isna().sum() == left_out.sum()


def test_order_of_cells_and_a_third_condition_do_not_matter(cells, rng):
    base = results(cells)["table"]
    order = rng.permutation(cells.n_obs)
    permuted = results(cells[order].copy())["table"]
    np.testing.assert_allclose(permuted.loc[base.index, "lfc"], base["lfc"], atol=1e-9)
    extra = cells[:200].copy()
    extra.obs["condition"] = "third"
    extra.obs_names = [f"extra_{name}" for name in extra.obs_names]
    both = results(ad.concat([extra, cells]))["table"]
    np.testing.assert_allclose(both.loc[base.index, "lfc"], base["lfc"], atol=1e-9)
    assert both["lfc"].notna().all()


def test_exchanging_conditions_changes_signs_exactly(cells):
    first = results(cells, sync_parameters=True)["table"]
    second = compute_differential_abundance(
        cells, "condition", "treated", "control", sync_parameters=True, progress=False,
        return_full_results=True, inplace=False,
    )["table"]  # fmt: skip
    for column in ("lfc", "lfc_zscore"):
        np.testing.assert_array_equal(first[column], -second[column])
    np.testing.assert_array_equal(first["neg_log10_ptp"], second["neg_log10_ptp"])


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
def test_files_keep_everything(cells, tmp_path, suffix):
    run(cells, store_landmarks=True, groups="branch", store_additional_stats=True)
    path = tmp_path / f"result.{suffix}"
    getattr(cells, f"write_{suffix}")(path)
    back = getattr(ad, f"read_{suffix}")(path)
    pd.testing.assert_frame_equal(back.obs, cells.obs)
    assert back.uns["kompot_da"]["run_history"] == cells.uns["kompot_da"]["run_history"]
    pd.testing.assert_frame_equal(
        back.uns["kompot_da"]["groups"], cells.uns["kompot_da"]["groups"], check_names=False
    )


def test_run_record_and_landmarks(cells):
    full = run(cells, store_landmarks=True, return_full_results=True, ls=2.0)
    record = json.loads(cells.uns["kompot_da"]["last_run_info"])
    assert record["analysis_type"] == "da"
    assert record["numerics"]["ls"] == 2.0
    assert max(record["numerics"]["gradient_norm"]) < 1e-6
    assert record["params"]["gp"]["estimator"] == {"ls": 2.0}
    assert record["field_mapping"][f"{KEY}_lfc"]["type"] == "log_fold_change"
    again = results(cells, ls=2.0, random_state=5)
    assert len(again["landmarks"]) == len(full["landmarks"])
    np.testing.assert_allclose(again["table"]["lfc"], full["table"]["lfc"], atol=1e-6)


def test_returns_are_as_documented(cells):
    assert isinstance(run(cells, copy=True), AnnData)
    assert f"{KEY}_lfc" not in cells.obs
    full, other = run(cells, copy=True, return_full_results=True)
    optional = {"groups", "regions", "donor_test"}
    assert set(full) == {"table", "model", "landmarks", "field_names"} | optional
    assert all(full[name] is None for name in optional)
    assert isinstance(full["model"], DifferentialAbundance)
    assert run(cells) is None
    pd.testing.assert_frame_equal(other.obs, cells.obs)
    with pytest.warns(UserWarning, match="Results with result_key='kompot_da' already exist"):
        run(cells)
    with pytest.raises(ValueError, match=r"already exist.*use a different result_key\."):
        run(cells, overwrite=False)


MISTAKES = [
    ({"groupby": "x"}, ValueError, "Column 'x' not found"),
    ({"condition2": "control"}, ValueError, "must be different"),
    ({"condition1": "A"}, ValueError, "Condition 'A' not found"),
    ({"obsm_key": "x"}, ValueError, "Key 'x' not found in adata.obsm"),
    ({"landmarks": np.zeros((4, 3))}, ValueError, "have 3 features but"),
    ({"n_landmarks": 0}, ValueError, "'n_landmarks' must be"),
    ({"ls_factor": -1}, ValueError, "'ls_factor' must be"),
    ({"log_fold_change_threshold": -1}, ValueError, r"'log_fold_change_threshold'\) must be"),
    ({"ptp_threshold": 0}, ValueError, "'ptp_threshold' must be"),
    ({"batch_size": 1.5}, TypeError, "'batch_size' must be a whole number"),
    (
        {"sgma": 1},
        TypeError,
        r"Unknown arguments: \['sgma'\]. Known arguments of the density: \['d'",
    ),
    ({"ls": -1.0}, ValueError, "`ls`"),
    ({"optimizer": "sgd"}, ValueError, "'optimizer'"),
    ({"kernel": "rbf"}, ValueError, "'kernel'"),
    ({"jit_compile": 1}, TypeError, "'jit_compile' must be True or False"),
    ({"groups": "pseudotime"}, ValueError, "numeric"),
    (
        {"cell_filter": {"branch": ["root", "branch_1", "branch_2"]}},
        ValueError,
        "0 cell.*left after",
    ),
]


@pytest.mark.parametrize(("options", "error", "match"), MISTAKES)
def test_mistake_is_named_before_computing(cells, monkeypatch, options, error, match):
    monkeypatch.setattr(DifferentialAbundance, "fit_cells", lambda *_, **__: pytest.fail("ran"))
    before = cells.copy()
    arguments = {"groupby": "condition", "condition1": "control", "condition2": "treated"}
    with pytest.raises(error, match=match):
        compute_differential_abundance(cells, **(arguments | options))
    pd.testing.assert_frame_equal(cells.obs, before.obs)
    assert set(cells.uns) == set(before.uns)


def test_bad_embedding_is_refused(cells):
    cells.obsm["DM_EigenVectors"][4, 0] = np.nan
    with pytest.raises(ValueError, match="1 of 1500 cells"):
        run(cells)


def test_interrupted_writing_leaves_nothing(cells, monkeypatch):
    before = cells.copy()

    def fail(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(pd.DataFrame, "assign", fail)
    with pytest.raises(KeyboardInterrupt):
        run(cells)
    pd.testing.assert_frame_equal(cells.obs, before.obs)
    assert set(cells.uns) == set(before.uns)


def test_documented_address():
    assert module.compute_differential_abundance is compute_differential_abundance


@pytest.mark.parametrize(
    "options", [{}, {"store_additional_stats": True}, {"return_full_results": True}]
)
def test_signs_are_shrunk_only_where_that_is_looked_at(cells, monkeypatch, options):
    """It took most of a second from 20,000 cells on, and was thrown away."""
    calls, shrink = [], abundance_results.adaptive_shrinkage
    monkeypatch.setattr(
        abundance_results, "adaptive_shrinkage", lambda *a: (calls.append(1), shrink(*a))[1]
    )
    run(cells, **options)
    assert len(calls) == len(options)
    stored = [name for name in cells.obs if name.endswith(("lfsr", "svalue"))]
    assert len(stored) == 2 * ("store_additional_stats" in options)


@pytest.mark.parametrize(
    "option",
    [{"layers": "none"}, {"min_cells": 3}, {"compute_mahalanobis": False}, {"genes": ["a"]}],
)
def test_keywords_of_expression_are_unknown_to_abundance(adata, option):
    with pytest.raises(TypeError, match=f"Unknown arguments: .'{next(iter(option))}'.*Known arg"):
        da(adata, "condition", "control", "treated", **option)
    assert "kompot_da" not in adata.uns
