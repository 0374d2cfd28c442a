"""Genes scored in groups of cells, from AnnData to AnnData."""

import json
import logging

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from kompot.anndata import compute_differential_abundance, compute_differential_expression
from kompot.anndata.groups import parse_groups
from kompot.datasets import simulate
from kompot.records import RunInfo

KEY = "kompot_de_control_to_treated"
QUIET = {"progress": False, "random_state": 0, "null_genes": 100}
BRANCHES = ["root", "branch_1", "branch_2"]


def run(adata, **options):
    options = QUIET | options
    return compute_differential_expression(adata, "condition", "control", "treated", **options)


def results_of(adata, **options):
    return run(adata, return_full_results=True, inplace=False, **options)


# What is stored


def test_documented_tables_are_stored(adata):
    result = run(adata, groups="branch", return_full_results=True)
    names = ["mean_lfc", "mahalanobis", "mahalanobis_local_fdr", "is_de"]
    assert set(adata.varm) == {f"{KEY}_{name}_groups" for name in names}
    for name in names:
        frame = adata.varm[f"{KEY}_{name}_groups"]
        assert isinstance(frame, pd.DataFrame)
        assert list(frame.columns) == BRANCHES == result["group_names"]
        assert frame.index.equals(adata.var_names)
        assert frame.notna().all(axis=None)
    assert set(adata.varm[f"{KEY}_is_de_groups"].dtypes) == {np.dtype(bool)}
    shape = (adata.n_vars, len(BRANCHES))
    for name, field in (
        ("group_mean_log_fold_change", "mean_lfc"),
        ("group_mahalanobis_distances", "mahalanobis"),
    ):
        assert result[name].shape == shape
        np.testing.assert_array_equal(result[name], adata.varm[f"{KEY}_{field}_groups"])


def test_every_statistic_of_the_genes_has_a_table(adata):
    compute_differential_abundance(adata, "condition", "control", "treated", progress=False)
    options = {"store_additional_stats": True, "attribution": True}
    options["differential_abundance_key"] = "kompot_da"
    result = run(adata, groups="branch", return_full_results=True, **options)
    columns = [name for name in adata.var.columns if name.startswith(KEY)]
    assert {f"{name}_groups" for name in columns} == set(adata.varm)
    assert len(columns) == 10
    long = result["groups"]
    assert list(long.columns) == ["group", *result["table"].columns]
    assert list(long["group"].cat.categories) == BRANCHES
    rates = {"local_fdr", "pvalue", "tail_fdr"}
    for column in result["table"].columns:
        stored = adata.varm[f"{KEY}_{'mahalanobis_' * (column in rates)}{column}_groups"]
        for name in BRANCHES:
            table = long[long["group"] == name].loc[adata.var_names]
            np.testing.assert_array_equal(table[column], stored[name])


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
@pytest.mark.filterwarnings("ignore:Writing zarr v2 data")
def test_files_keep_the_tables(adata, tmp_path, suffix):
    adata.obs["kind"] = adata.obs["branch"].astype(str) + "/a.b c"
    run(adata, groups="kind", store_additional_stats=True, attribution=True)
    path = tmp_path / f"result.{suffix}"
    getattr(adata, f"write_{suffix}")(path)
    back = getattr(ad, f"read_{suffix}")(path)
    assert set(back.varm) == set(adata.varm)
    for name, frame in adata.varm.items():
        pd.testing.assert_frame_equal(back.varm[name], frame)


def test_record_tells_the_groups(adata):
    run(adata, groups={"branch": ["branch_1", "root"]}, cell_filter={"donor": "donor_1"})
    record = json.loads(adata.uns["kompot_de"]["last_run_info"])
    assert record["has_groups"] is True
    assert record["subset_names"] == ["branch=branch_1,root"]
    assert record["auto_filtered"] is False
    assert record["underrepresentation"] == {}
    kept = adata.obs["donor"] != "donor_1"
    assert record["n_excluded"] == (~kept).sum()
    summary = record["groups_summary"]["cells_per_group"]["branch=branch_1,root"]
    members = kept & adata.obs["branch"].isin(["branch_1", "root"])
    assert summary["count"] == members.sum()
    assert summary["percentage"] == pytest.approx(100 * members.sum() / kept.sum())
    treated = (members & (adata.obs["condition"] == "treated")).sum()
    assert summary["conditions"]["treated"] == {
        "count": treated,
        "percentage": pytest.approx(100 * treated / members.sum()),
    }
    assert record["varm_keys"]["mahalanobis_groups_key"] == f"{KEY}_mahalanobis_groups"
    assert record["field_mapping"][f"{KEY}_is_de_groups"]["location"] == "varm"
    assert record["params"]["filter"]["groups"] == {"branch": ["branch_1", "root"]}
    run(adata, overwrite=True)
    record = json.loads(adata.uns["kompot_de"]["last_run_info"])
    assert record["has_groups"] is False


def test_masks_are_recorded_by_their_kind(adata):
    mask = np.arange(adata.n_obs) % 2 == 0
    run(adata, groups=[mask, ~mask], cell_filter=list(range(0, adata.n_obs, 20)))
    record = json.loads(adata.uns["kompot_de"]["last_run_info"])
    described = record["params"]["filter"]["groups"]
    assert all(text.startswith(f"<ndarray ({adata.n_obs},) of bool, ") for text in described)
    assert described[0] != described[1]
    arguments = RunInfo(adata).call_args()
    np.testing.assert_array_equal(arguments["groups"], [mask, ~mask])
    assert record["params"]["filter"]["cell_filter"][:2] == [0, 20]
    assert record["subset_names"] == ["subset1", "subset2"]


def test_chosen_genes_update_their_rows_only(adata):
    run(adata, groups="branch")
    before = {name: frame.copy() for name, frame in adata.varm.items()}
    genes = [adata.var_names[40], adata.var_names[3]]
    run(adata, groups={"branch_1": {"branch": "branch_1"}, "new": {"branch": "root"}}, genes=genes,
        sigma=3.0, overwrite=True)  # fmt: skip
    rest = adata.var_names.difference(genes)
    name = f"{KEY}_mahalanobis_groups"
    after = adata.varm[name]
    assert list(after.columns) == ["branch_1", "new"]
    pd.testing.assert_series_equal(after.loc[rest, "branch_1"], before[name].loc[rest, "branch_1"])
    assert (after.loc[genes, "branch_1"] != before[name].loc[genes, "branch_1"]).all()
    assert after.loc[rest, "new"].isna().all()
    assert after.loc[genes].notna().all(axis=None)
    assert set(adata.varm[f"{KEY}_is_de_groups"].dtypes) == {np.dtype(bool)}


def test_existing_tables_are_not_overwritten_silently(adata):
    run(adata, groups="branch", compute_mahalanobis=False)
    for name in [name for name in adata.var if name.startswith(KEY)]:
        del adata.var[name]
    for name in ("kompot_de_control_imputed", "kompot_de_treated_imputed", f"{KEY}_fold_change"):
        del adata.layers[name]
    adata.obs = adata.obs.drop(columns=["kompot_de_control_std", "kompot_de_treated_std"])
    with pytest.raises(ValueError, match=f"overwritten: {KEY}_mean_lfc_groups"):
        run(adata, groups="branch", overwrite=False)


# The numbers


def test_group_results_are_those_of_its_cells(adata):
    result = results_of(adata, groups="branch", attribution=True)
    found = result["model"].predict(adata.obsm["DM_EigenVectors"], progress=False)
    treated = (adata.obs["condition"] == "treated").to_numpy()
    long = result["groups"].set_index("group", append=True)
    for name in BRANCHES:
        mask = (adata.obs["branch"] == name).to_numpy()
        table = long.xs(name, level="group").loc[adata.var_names]
        np.testing.assert_allclose(
            table["mean_lfc"], found["fold_change"][mask].mean(axis=0), atol=1e-9
        )
        change = found["condition2_imputed"][mask & treated].mean(axis=0)
        change -= found["condition1_imputed"][mask & ~treated].mean(axis=0)
        total = table["composition_change"] + table["expression_change"]
        np.testing.assert_allclose(total, change, atol=1e-9)


def test_a_group_of_all_cells_is_the_whole_comparison(adata):
    everything = np.ones(adata.n_obs, bool)
    compute_differential_abundance(adata, "condition", "control", "treated", progress=False)
    options = {"differential_abundance_key": "kompot_da", "attribution": True}
    result = results_of(adata, groups={"all": everything}, group_variance=1.0, **options)
    table = result["groups"].drop(columns="group").loc[adata.var_names]
    pd.testing.assert_frame_equal(table, result["table"], check_exact=False, rtol=1e-7, atol=1e-10)
    local = results_of(adata, groups={"all": everything}, **options)["groups"]
    whole = result["table"].loc[local.index]
    np.testing.assert_allclose(local["mean_lfc"], whole["mean_lfc"], atol=1e-10)
    assert (local["mahalanobis"] < whole["mahalanobis"]).all()


def test_groups_change_nothing_else(adata):
    plain, grouped = adata.copy(), adata.copy()
    run(plain)
    run(grouped, groups="branch", attribution=True)
    shared = list(plain.var.columns)
    pd.testing.assert_frame_equal(grouped.var[shared], plain.var)
    for name in ("kompot_de_control_imputed", "kompot_de_treated_imputed", f"{KEY}_fold_change"):
        np.testing.assert_array_equal(grouped.layers[name], plain.layers[name])


FORMS = {
    "column": "branch",
    "filter": {"branch": ["root", "branch_2"], "donor": ["donor_1", "donor_3"]},
    "named filters": {"a": {"branch": "root"}, "b": {"donor": ["donor_1", "donor_3"]}},
    "list of filters": [{"branch": "root"}, {"branch": ["root", "branch_1"]}],
    "labels": np.array(["x", "y", "z"])[np.arange(600) % 3],
    "series": pd.Series(np.array(["x", "y"])[np.arange(600) % 2]),
    "mask": np.arange(600) < 300,
    "positions": np.arange(0, 600, 7),
    "matrix": np.arange(600) % 3 == np.arange(3)[:, None],
    "list of vectors": [np.arange(600) < 100, np.array(["p", "q"])[np.arange(600) % 2]],
    "named masks": {"first": np.arange(600) < 100, "overlap": np.arange(600) < 200},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_groups_scores_its_cells(adata, form):
    groups = FORMS[form]
    if form == "series":
        groups = groups.set_axis(adata.obs_names).sample(frac=1, random_state=0)
    masks = parse_groups(adata, groups)
    result = results_of(adata, groups=groups, null_genes=0, genes=["gene_0001", "gene_0002"])
    assert result["group_names"] == list(masks)
    change = result["model"].predict(adata.obsm["DM_EigenVectors"], progress=False)["fold_change"]
    expected = np.column_stack([change[mask].mean(axis=0) for mask in masks.values()])
    np.testing.assert_allclose(result["group_mean_log_fold_change"], expected, atol=1e-9)


def test_without_distances_groups_have_fold_changes_only(adata):
    result = run(adata, groups="branch", compute_mahalanobis=False, return_full_results=True)
    assert set(adata.varm) == {f"{KEY}_mean_lfc_groups"}
    assert "group_mahalanobis_distances" not in result
    assert list(result["groups"].columns) == ["group", "mean_lfc"]


@pytest.mark.filterwarnings("ignore::kompot.anndata.representation.UnderrepresentedWarning")
def test_a_group_without_cells_is_missing(adata):
    cells = (adata.obs["branch"] == "root").to_numpy()
    groups = {"root": cells, "none": np.zeros(adata.n_obs, bool)}
    run(adata, groups=groups, store_additional_stats=True, attribution=True)
    for name, frame in adata.varm.items():
        if name == f"{KEY}_is_de_groups":
            assert not frame["none"].any()
            assert frame["none"].dtype == bool
        else:
            assert frame["none"].isna().all()
            assert frame["root"].notna().all()


def test_groups_count_cells_of_both_conditions_only(adata):
    """Cells of a third condition lie in a group, but were not compared."""
    labels = adata.obs["condition"].astype(str).to_numpy()
    labels[::5] = "third"
    adata.obs["condition"] = labels
    mask = (adata.obs["branch"] == "branch_1").to_numpy()
    third = labels == "third"
    both = results_of(adata, groups={"a": mask, "b": mask & ~third})
    np.testing.assert_array_equal(*both["group_mean_log_fold_change"].T)
    np.testing.assert_array_equal(*both["group_mahalanobis_distances"].T)


def test_order_of_cells_does_not_matter(adata, rng):
    """Landmarks are given, since they are drawn in the order of the cells."""
    landmarks = adata.obsm["DM_EigenVectors"][:60].copy()
    order = rng.permutation(adata.n_obs)
    first = results_of(adata, groups="branch", landmarks=landmarks, null_genes=0)
    second = results_of(adata[order].copy(), groups="branch", landmarks=landmarks, null_genes=0)
    for name in ("group_mean_log_fold_change", "group_mahalanobis_distances"):
        np.testing.assert_allclose(first[name], second[name], rtol=1e-6, atol=1e-9)


def test_exchanging_conditions_changes_signs(adata):
    options = QUIET | {"param_scheme": "symmetric", "groups": "branch", "attribution": True}
    options |= {"return_full_results": True, "inplace": False, "null_genes": 0}
    forth = compute_differential_expression(adata, "condition", "control", "treated", **options)
    back = compute_differential_expression(adata, "condition", "treated", "control", **options)
    first = forth["groups"].set_index("group", append=True)
    second = back["groups"].set_index("group", append=True).loc[first.index]
    for column in ("mean_lfc", "composition_change", "expression_change"):
        np.testing.assert_allclose(first[column], -second[column], atol=1e-12)
    np.testing.assert_allclose(first["mahalanobis"], second["mahalanobis"], rtol=1e-8)


def test_a_length_scale_that_cannot_resolve_the_groups_is_said(adata, caplog):
    caplog.set_level(logging.WARNING, "kompot")
    halves = np.arange(adata.n_obs) % 2 == 0  # which lie in the same place
    results_of(adata, groups=[halves, ~halves], null_genes=0)
    assert "can hardly differ" not in caplog.text
    results_of(adata, groups="branch", null_genes=0, ls=1e3)
    assert "length scale 1000 is so long that groups can hardly differ" in caplog.text


# Weighted by abundance


def test_weighted_mean_uses_the_densities_of_the_abundance_run(adata):
    compute_differential_abundance(adata, "condition", "control", "treated", progress=False)
    result = run(adata, differential_abundance_key="kompot_da", groups="branch",
                 return_full_results=True)  # fmt: skip
    change = adata.obs["kompot_da_control_to_treated_lfc"].to_numpy()
    weights = np.exp(np.abs(change))
    fold_change = adata.layers[f"{KEY}_fold_change"].astype(float)
    expected = weights @ fold_change / weights.sum()
    np.testing.assert_allclose(adata.var[f"{KEY}_weighted_mean_lfc"], expected, atol=1e-5)
    np.testing.assert_array_equal(
        adata.var[f"{KEY}_weighted_mean_lfc"], result["table"]["weighted_mean_lfc"]
    )
    frame = adata.varm[f"{KEY}_weighted_mean_lfc_groups"]
    for name in BRANCHES:
        mask = (adata.obs["branch"] == name).to_numpy()
        expected = weights[mask] @ fold_change[mask] / weights[mask].sum()
        np.testing.assert_allclose(frame[name], expected, atol=1e-5)


def test_abundance_run_must_know_the_cells(adata):
    root = {"branch": "root"}
    compute_differential_abundance(
        adata, "condition", "control", "treated", cell_filter=root, progress=False
    )
    before = adata.copy()
    n_cells = (adata.obs["branch"] == "root").sum()
    with pytest.raises(ValueError, match=f"{n_cells} of 600 cells have no density.*cell_filter"):
        run(adata, differential_abundance_key="kompot_da")
    pd.testing.assert_frame_equal(adata.var, before.var)
    run(adata, differential_abundance_key="kompot_da", cell_filter=root)
    assert adata.var[f"{KEY}_weighted_mean_lfc"].notna().all()


# Where genes change


@pytest.fixture(scope="module")
def branched():
    """Genes changed across one whole branch of three, and their groups."""
    adata = simulate(
        n_cells=3000, n_genes=400, n_donors=3, n_branches=3, fraction_global=0.0,
        fraction_local=0.0, fraction_branch=0.15, lfc_branch=0.8, lfc_spread=0.0, donor_sd=0.05,
        random_state=2,
    )  # fmt: skip
    return adata, results_of(adata, groups="branch")


def test_group_distances_find_the_branch_in_which_genes_change(branched):
    adata, result = branched
    names = [name for name in result["group_names"] if name != "root"]
    distances = pd.DataFrame(
        result["group_mahalanobis_distances"], adata.var_names, result["group_names"]
    )
    precision = {}
    for changed in names:
        planted = (adata.var["effect_branch"] == changed).to_numpy()
        counted = planted | (adata.var["effect"] == "none").to_numpy()
        for name in names:
            precision[changed, name] = average_precision_score(
                planted[counted], distances.loc[counted, name]
            )
        whole = average_precision_score(
            planted[counted], result["table"].loc[counted, "mahalanobis"]
        )
        assert precision[changed, changed] >= whole
        others = [precision[changed, name] for name in names if name != changed]
        assert precision[changed, changed] - max(others) > 0.3


def test_more_variance_is_less_local(branched):
    """At 1, every group has the distances of all cells: what the share is for."""
    adata, _ = branched
    result = results_of(adata, groups="branch", group_variance=1.0, null_genes=0)
    whole = result["table"]["mahalanobis"].to_numpy()
    for distances in result["group_mahalanobis_distances"].T:
        np.testing.assert_allclose(distances, whole, rtol=1e-8)


def test_cell_type_specific_responses_localise(kang):
    result = compute_differential_expression(
        kang, "condition", "ctrl", "stim", groups="cell_type", return_full_results=True,
        progress=False, random_state=0, inplace=False,
    )  # fmt: skip
    distances = pd.DataFrame(
        result["group_mahalanobis_distances"], kang.var_names, result["group_names"]
    )
    rank = distances.rank(ascending=False)
    monocytes, others = "CD14+ Monocytes", ["CD4 T cells", "B cells"]
    assert rank.loc["CCL2", monocytes] <= 3
    assert (rank.loc["CCL2", others] > 300).all()
    assert rank.loc["CXCL10", monocytes] <= 5
    assert (rank.loc["CXCL10", others] >= 1.5 * rank.loc["CXCL10", monocytes]).all()
    assert (rank.loc["ISG15"] <= 3).all()
    assert (rank.loc[["IFI6", "IFIT3"]] <= 35).all(axis=None)  # of 1,267 genes
    called = result["groups"].set_index("group", append=True)["is_de"].unstack()
    assert called.loc[["ISG15", "IFI6", "IFIT3"]].all(axis=None)
    assert called.loc["CCL2", monocytes]
    assert not called.loc["CCL2", others].any()
