"""Gene tables read again from what runs stored."""

import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import kompot
from kompot.anndata import compute_differential_expression
from kompot.records.tables import get_table, ranked

QUIET = {"progress": False, "random_state": 0, "null_genes": 60}


def run(adata, **options):
    options = QUIET | {"return_full_results": True} | options
    return compute_differential_expression(adata, "condition", "control", "treated", **options)


def test_table_is_that_of_the_run_in_order(adata):
    result = run(adata, store_additional_stats=True, attribution=True)
    table = get_table(adata)
    expected = ranked(result["table"])
    pd.testing.assert_frame_equal(table, expected, check_names=False)
    assert table.index.name == "gene"
    assert (np.diff(table["mahalanobis"]) <= 0).all()
    assert kompot.get_table is get_table


def test_only_what_was_stored_is_in_the_table(adata):
    run(adata)
    assert list(get_table(adata).columns) == ["mean_lfc", "local_fdr", "is_de", "mahalanobis"]
    run(adata, compute_mahalanobis=False, result_key="plain")
    table = get_table(adata)
    assert list(table.columns) == ["mean_lfc"]
    assert (np.diff(table["mean_lfc"].abs()) <= 0).all()


def test_tables_of_groups_follow_one_another(adata):
    result = run(adata, groups="branch", store_additional_stats=True)
    long = get_table(adata, group=True)
    pd.testing.assert_frame_equal(long, result["groups"], check_names=False)
    names = ["root", "branch_1", "branch_2"]
    assert list(long["group"].cat.categories) == names
    assert list(long["group"].unique()) == names
    for name in names:
        alone = get_table(adata, group=name)
        assert (alone["group"] == name).all()
        assert (np.diff(alone["mahalanobis"]) <= 0).all()
        pd.testing.assert_frame_equal(
            alone.drop(columns="group"), long[long["group"] == name].drop(columns="group")
        )
    some = get_table(adata, group=["branch_2", "root"])
    assert list(some["group"].unique()) == ["branch_2", "root"]


def test_groups_are_found_by_their_own_label(adata):
    adata.obs["type"] = adata.obs["branch"].map({"root": "T/NK", "branch_1": 1, "branch_2": 0})
    adata.obs["type"] = adata.obs["type"].astype("category")
    run(adata, groups="type")
    for label, stored in (("T/NK", "T_NK"), (1, "1"), (0, "0")):
        pd.testing.assert_frame_equal(get_table(adata, group=label), get_table(adata, group=stored))
    assert set(get_table(adata, group=["T/NK", "1"])["group"]) == {"T_NK", "1"}
    with pytest.raises(ValueError, match=r"\['2'\] not found"):
        get_table(adata, group=2)
    drawn = kompot.pl.volcano_de(adata, group="T/NK")
    assert drawn.get_title() == "T/NK"


@pytest.mark.parametrize("sample_col", [None, "donor"])
def test_weights_of_genes_are_no_groups(adata, sample_col):
    """Layers stored as factors have weights beside the tables of groups: a KeyError once."""
    options = {"sample_col": sample_col, "groups": "branch", "layers": "factored"}
    full = run(adata, return_full_results=True, **options)
    table = kompot.get_table(adata, group=True)
    assert list(table["group"].cat.categories) == full["group_names"]
    assert not {"imputed", "fold_change"} & set(table.columns)


def test_donor_level_tables_are_ordered_by_their_p_values(adata):
    run(adata, sample_col="donor", groups="branch")
    table = kompot.get_table(adata)
    assert table["donor_pvalue"].is_monotonic_increasing
    for _, one in kompot.get_table(adata, group=True).groupby("group", observed=True):
        assert one["donor_pvalue"].dropna().is_monotonic_increasing


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
@pytest.mark.filterwarnings("ignore:Writing zarr v2 data")
def test_tables_survive_files_and_csv(adata, tmp_path, suffix):
    run(adata, groups="branch")
    path = tmp_path / f"result.{suffix}"
    getattr(adata, f"write_{suffix}")(path)
    back = getattr(ad, f"read_{suffix}")(path)
    pd.testing.assert_frame_equal(get_table(back), get_table(adata))
    long = get_table(adata, group=True)
    pd.testing.assert_frame_equal(get_table(back, group=True), long)
    long.to_csv(tmp_path / "groups.csv")
    read = pd.read_csv(tmp_path / "groups.csv")
    assert list(read.columns[:2]) == ["gene", "group"]
    assert read["mahalanobis"].to_numpy() == pytest.approx(long["mahalanobis"].to_numpy())
    assert read["is_de"].dtype == bool


def test_runs_are_counted_from_either_end(adata):
    first = run(adata, result_key="first")["table"]
    second = run(adata, result_key="second", sigma=2.0)["table"]
    for run_id, table in ((0, first), (-2, first), (1, second), (-1, second)):
        found = get_table(adata, run_id)
        np.testing.assert_array_equal(found.loc[table.index, "mahalanobis"], table["mahalanobis"])


def test_genes_that_were_not_tested_are_not_listed(adata):
    run(adata)
    run(adata, genes=["gene_0005", "gene_0002"], overwrite=True, groups="branch")
    assert set(get_table(adata).index) == {"gene_0005", "gene_0002"}
    assert len(get_table(adata, group=True)) == 6


def test_values_of_another_run_are_told(adata):
    run(adata)
    run(adata, sigma=2.0, overwrite=True)
    with pytest.warns(UserWarning, match="Fields of run 0 were overwritten by run 1") as caught:
        get_table(adata, 0)
    assert caught[0].filename == __file__
    get_table(adata, 1)


def test_a_gene_name_twice_is_two_rows(adata):
    names = adata.var_names.to_list()
    names[1] = names[0]
    adata.var_names = names
    with pytest.warns(UserWarning, match="Variable names are not unique"):
        data = adata.copy()
    run(data, groups="branch", compute_mahalanobis=False)
    assert len(get_table(data)) == data.n_vars
    assert len(get_table(data, group="root")) == data.n_vars


def test_fields_that_were_removed_are_left_out(adata):
    run(adata, groups="branch")
    del adata.var["kompot_de_control_to_treated_is_de"]
    assert "is_de" not in get_table(adata)
    only_rates = adata.copy()
    del only_rates.var["kompot_de_control_to_treated_mahalanobis"]
    del only_rates.var["kompot_de_control_to_treated_mean_lfc"]
    assert list(get_table(only_rates).columns) == ["local_fdr"]
    for name in list(adata.varm):
        del adata.varm[name]
    with pytest.raises(ValueError, match=r"fields of run 0 are no longer in adata\.varm"):
        get_table(adata, group=True)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (
            {"run_id": 1},
            r"No DE run found with run_id=1\. Recorded runs: 0 \(kompot_de, control to treated\)",
        ),
        ({"run_id": -2}, "No DE run found with run_id=-2"),
        ({"group": "x"}, r"\['x'\] not found; the run has the groups \['root', 'branch_1'"),
        ({"group": ["root", "x"]}, r"\['x'\] not found"),
        ({"group": []}, r"\[\] not found"),
        ({"group": False}, r"\[\] not found"),
    ],
)
def test_what_there_is_not_is_said(adata, options, match):
    run(adata, groups="branch", compute_mahalanobis=False)
    with pytest.raises(ValueError, match=match):
        get_table(adata, **options)


def test_data_without_runs_or_groups_are_explained(adata):
    with pytest.raises(ValueError, match="No run of differential expression is recorded"):
        get_table(adata)
    run(adata)
    with pytest.raises(ValueError, match="Run 0 has no groups; repeat it with `groups`"):
        get_table(adata, group=True)


def test_files_of_the_original_are_read(adata):
    """Its record names fields and types in the same way."""
    names = {
        "R_a_to_b_mean_lfc": ("var", "mean_log_fold_change"),
        "R_a_to_b_mahalanobis": ("var", "mahalanobis"),
        "R_a_to_b_neg_log10_ptp": ("var", "ptp"),
        "R_a_to_b_mahalanobis_local_fdr": ("var", "mahalanobis_local_fdr"),
        "R_a_smoothed": ("layers", "smoothed"),
    }
    for number, (name, (location, _)) in enumerate(names.items()):
        if location == "var":
            adata.var[name] = np.arange(adata.n_vars) * (number + 1.0)
    mapping = {name: {"location": place, "type": kind} for name, (place, kind) in names.items()}
    record = {"field_mapping": mapping, "params": {"condition1": "a", "genes": None}}
    adata.uns["kompot_de"] = {"run_history": json.dumps([record])}
    table = get_table(adata)
    assert list(table.columns) == ["mean_lfc", "local_fdr", "mahalanobis", "neg_log10_ptp"]
    assert table["mahalanobis"].iloc[0] == 2 * (adata.n_vars - 1)
