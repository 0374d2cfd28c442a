"""Cells that are left out of a comparison of expression, and groups with few cells."""

import json
import logging
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kompot
from kompot.anndata import check_underrepresentation, compute_differential_expression
from kompot.anndata.cell_choice import choose_cells
from kompot.anndata.representation import UnderrepresentedWarning
from kompot.datasets import simulate
from kompot.settings import Comparison, FilterSettings

KEY = "kompot_de_control_to_treated"
QUIET = {"progress": False, "random_state": 0, "null_genes": 100}
CONDITIONS = ("condition", "control", "treated")
COMPARISON = Comparison(*CONDITIONS)


def run(adata, **options):
    options = QUIET | options
    return compute_differential_expression(adata, "condition", "control", "treated", **options)


def results_of(adata, **options):
    return run(adata, return_full_results=True, inplace=False, **options)


def few_treated(adata):
    """Leave 3 treated cells in the root."""
    root = np.flatnonzero((adata.obs["branch"] == "root") & (adata.obs["condition"] == "treated"))
    return adata[np.setdiff1d(np.arange(adata.n_obs), root[3:])].copy()


ROOT = {"branch": "root"}
FILTERS = {
    "filter": (ROOT, None, ["root"]),
    "filters": ([ROOT, {"branch": "branch_1", "donor": "donor_1"}], None, None),
    "group": ("root", "branch", ["root"]),
    "groups": (["root", "branch_2"], "branch", ["root", "branch_2"]),
    "group of filters": ("b", {"a": {"branch": "branch_1"}, "b": ROOT}, ["root"]),
}


@pytest.mark.parametrize("form", FILTERS)
def test_cells_left_out_might_as_well_not_be_there(adata, form):
    """Every statistic, layer and group is what it is without these cells in the data."""
    cell_filter, groups, names = FILTERS[form]
    branch, donor = adata.obs["branch"], adata.obs["donor"]
    excluded = (
        branch.isin(names)
        if names
        else (branch == "root") | ((branch == "branch_1") & (donor == "donor_1"))
    ).to_numpy()
    rest = adata[~excluded].copy()
    found = run(adata, cell_filter=cell_filter, groups=groups, return_full_results=True)
    known = run(rest, return_full_results=True)
    pd.testing.assert_frame_equal(found["table"], known["table"], rtol=1e-9)
    for name in ("kompot_de_control_imputed", "kompot_de_treated_imputed", f"{KEY}_fold_change"):
        np.testing.assert_allclose(adata.layers[name][~excluded], rest.layers[name], atol=1e-5)
        assert np.isnan(adata.layers[name][excluded]).all()
    for name in ("kompot_de_control_std", "kompot_de_treated_std"):
        np.testing.assert_allclose(adata.obs[name][~excluded], rest.obs[name], rtol=1e-6)
        assert adata.obs[name][excluded].isna().all()


def test_values_of_cells_left_out_do_not_matter(adata):
    mask = (adata.obs["branch"] == "root").to_numpy()
    adata.X = adata.X.toarray()
    base = results_of(adata, cell_filter=mask, groups="branch")
    adata.obsm["DM_EigenVectors"][mask] = np.nan
    adata.X[mask] = np.inf
    other = results_of(adata, cell_filter=mask, groups="branch")
    pd.testing.assert_frame_equal(base["table"], other["table"], rtol=1e-9)
    pd.testing.assert_frame_equal(base["groups"], other["groups"], rtol=1e-7)
    run(adata, cell_filter=mask)
    assert np.isfinite(adata.layers[f"{KEY}_fold_change"][~mask]).all()


def test_covariance_is_zero_for_cells_left_out(adata):
    run(adata, cell_filter=ROOT, store_posterior_covariance=True)
    covariance = adata.obsp[f"{KEY}_posterior_covariance"]
    root = (adata.obs["branch"] == "root").to_numpy()
    assert (covariance[root] == 0).all()
    assert (covariance[:, root] == 0).all()
    assert (covariance[~root][:, ~root].diagonal() > 0).all()


def test_a_group_left_out_is_missing(adata):
    """By its cells: it is a group that happens to have none."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnderrepresentedWarning)  # left out on purpose
        run(adata, groups="branch", cell_filter=ROOT)
    frame = adata.varm[f"{KEY}_mahalanobis_groups"]
    assert frame["root"].isna().all()
    assert frame[["branch_1", "branch_2"]].notna().all(axis=None)


BY_NAME = {
    "name": {"cell_filter": "root"},
    "names": {"cell_filter": ["root"]},
    "found": {"cell_filter": {"__underrepresentation_data": {"root": ["treated"]}}},
    "few cells": {"check_representation": True, "min_cells": 4},
}


@pytest.mark.parametrize("form", BY_NAME)
def test_a_group_left_out_by_name_or_for_few_cells_is_no_group(adata, caplog, form):
    data = few_treated(adata)
    caplog.set_level(logging.INFO, "kompot")
    found = run(data, groups="branch", return_full_results=True, **BY_NAME[form])
    rest = ["branch_1", "branch_2"]
    assert found["group_names"] == rest
    assert found["group_mean_log_fold_change"].shape == (data.n_vars, 2)
    assert list(found["groups"]["group"].cat.categories) == rest
    for name in data.varm:
        assert list(data.varm[name].columns) == rest
    record = kompot.RunInfo(data).run_info
    assert record["subset_names"] == record["groups_summary"]["names"] == rest
    n_cells = int((data.obs["branch"] != "root").sum())
    assert (
        f"2 groups; of {n_cells} cells compared 0 are in several, 0 in none; without cells: []"
        in (caplog.text)
    )
    assert "'root': 0" not in caplog.text


@pytest.mark.parametrize("form", BY_NAME)
def test_a_group_of_abundance_left_out_by_name_is_no_group(adata, form):
    data, options = few_treated(adata), BY_NAME[form]
    choice = kompot.FilterSettings(groups="branch", **options)
    quiet = kompot.OutputSettings(progress=False, return_full_results=True)
    found = kompot.da(data, *CONDITIONS, filter=choice, output=quiet)
    rest = ["branch_1", "branch_2"]
    assert list(found["groups"].index) == rest
    assert kompot.RunInfo(data).run_info["subset_names"] == rest
    assert found["table"].loc[data.obs["branch"] == "root", "lfc"].isna().all()


def test_if_no_group_is_left_there_are_none(adata, caplog):
    mask = (adata.obs["branch"] == "root").to_numpy()
    found = run(adata, groups={"a": mask}, cell_filter="a", return_full_results=True)
    assert "group_names" not in found
    assert not list(adata.varm)
    assert not kompot.RunInfo(adata).run_info["has_groups"]
    assert "No group is left" in caplog.text


def test_overlap_and_empty_groups_are_reported(adata, caplog):
    root, other = ((adata.obs["branch"] == name).to_numpy() for name in ("root", "branch_1"))
    groups = {"root": root, "other": other, "both": root | other, "none": root & other}
    caplog.set_level(logging.INFO, "kompot")
    choose_cells(adata, COMPARISON, FilterSettings({"branch": "root"}, groups, 0))
    n_kept, n_several = int((~root).sum()), int(other.sum())
    said = f"{n_kept} cells compared {n_several} are in several, {n_kept - n_several} in none"
    assert f"4 groups; of {said}; without cells: ['root', 'none']" in caplog.text


def test_numbers_of_cells_left_out_are_logged(adata, caplog):
    caplog.set_level(logging.INFO, "kompot")
    run(adata, cell_filter=ROOT)
    for name in ("control", "treated"):
        members = adata.obs["condition"] == name
        n_out = (members & (adata.obs["branch"] == "root")).sum()
        kept = members.sum() - n_out
        assert f"{n_out} cells of '{name}' are left out, {kept} are kept" in caplog.text


@pytest.mark.parametrize(
    ("minima", "is_few"),
    [
        ({}, False),
        ({"min_cells": 4}, True),
        ({"min_cells": 3}, False),
        ({"min_percentage": 20}, True),
        ({"min_cells": 0, "min_percentage": 0.5}, False),
    ],
)
def test_few_cells_are_warned_of(adata, minima, is_few):
    data = few_treated(adata)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(data, groups="branch", **minima)
    found = [one for one in caught if one.category is UnderrepresentedWarning]
    assert len(found) == is_few
    if is_few:
        assert "'root' (3 of 'treated'" in str(found[0].message)
        assert found[0].filename == __file__
    record = json.loads(data.uns["kompot_de"]["last_run_info"])
    assert record["underrepresentation"] == ({"root": ["treated"]} if is_few else {})
    assert not record["auto_filtered"]
    assert data.varm[f"{KEY}_mahalanobis_groups"].notna().all(axis=None)


def test_few_cells_are_left_out_if_wanted(adata):
    data = few_treated(adata)
    found = run(data, groups="branch", min_cells=4, check_representation=True,
                return_full_results=True)  # fmt: skip
    assert found["underrepresentation"] == {"root": ["treated"]}
    root = (data.obs["branch"] == "root").to_numpy()
    known = results_of(data[~root].copy())
    pd.testing.assert_frame_equal(found["table"], known["table"], rtol=1e-9)
    assert "root" not in data.varm[f"{KEY}_mean_lfc_groups"]
    assert np.isnan(data.layers[f"{KEY}_fold_change"][root]).all()
    record = json.loads(data.uns["kompot_de"]["last_run_info"])
    assert record["auto_filtered"]
    assert record["n_excluded"] == root.sum()


def test_check_can_be_skipped(adata):
    data = few_treated(adata)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnderrepresentedWarning)
        run(data, groups="branch", min_cells=4, check_representation=False)
    assert data.varm[f"{KEY}_mean_lfc_groups"].notna().all(axis=None)


def test_what_a_check_found_can_be_left_out(adata):
    data = few_treated(adata)
    found = check_underrepresentation(data, "condition", "branch", min_cells=4, warn=False)
    first = results_of(data, cell_filter=found)
    second = results_of(data, groups="branch", min_cells=4, check_representation=True)
    pd.testing.assert_frame_equal(first["table"], second["table"])


def test_groups_are_judged_by_the_cells_that_are_kept(adata):
    """3 treated cells are left in the root only because the others are left out."""
    mask = np.ones(adata.n_obs, bool)
    mask[adata.obs_names.get_indexer(few_treated(adata).obs_names)] = False
    choice = FilterSettings(cell_filter=mask, groups="branch", min_cells=4)
    with pytest.warns(UnderrepresentedWarning, match="3 of 'treated'"):
        chosen = choose_cells(adata, COMPARISON, choice)
    assert chosen.underrepresented == {"root": ["treated"]}
    np.testing.assert_array_equal(chosen.excluded, mask)


_CELLS = simulate(n_cells=120, n_genes=5, n_donors=2, random_state=4)


@given(
    st.lists(st.sampled_from(["root", "branch_1", "branch_2"]), max_size=3, unique=True),
    st.integers(0, 30),
    st.sampled_from([None, 0.0, 10.0, 45.0]),
    st.sampled_from([None, True, False]),
)
@settings(max_examples=60, deadline=None)
def test_excluded_and_kept_are_all_and_no_small_group_is_kept(names, least, share, check):
    """For any filter and minima: masks fit, the filter is obeyed, True leaves no small group."""
    choice = FilterSettings([{"branch": name} for name in names] or None, "branch", least, share,
                            check)  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnderrepresentedWarning)
        chosen = choose_cells(_CELLS, COMPARISON, choice)
    branch = _CELLS.obs["branch"].astype(str).to_numpy()
    excluded = np.zeros(120, bool) if chosen.excluded is None else chosen.excluded
    assert excluded.shape == (120,)
    assert excluded[np.isin(branch, names)].all()
    groups = chosen.groups or {}
    dropped = set(branch) - set(groups)
    assert excluded[np.isin(branch, [*dropped])].all()
    if check is not True:
        assert np.sum(list(groups.values()), axis=0).tolist() == [1] * 120
        np.testing.assert_array_equal(excluded, np.isin(branch, names))
        assert not chosen.auto_filtered
    for name, mask in groups.items():
        kept = mask & ~excluded
        if check is True and kept.any():
            counts = _CELLS.obs["condition"][kept].value_counts()
            assert counts.min() >= max(least, (share or 0) * kept.sum() / 100)
        assert name not in (chosen.underrepresented or {}) or check is None
    assert (chosen.underrepresented is None) == (check is False)
