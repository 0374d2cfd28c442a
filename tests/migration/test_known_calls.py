"""Calls as users of the original wrote them, and the fields that each leaves behind.

``documented`` are those of the documentation of version 0.6.3, ``settings`` those of 0.7 and 0.8.
"""

import inspect
import json

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from anndata import read_h5ad

import kompot
import kompot as kp
from kompot.anndata.differential_abundance import compute_differential_abundance
from kompot.anndata.differential_expression import compute_differential_expression

mpl.use("agg")
pytestmark = [
    pytest.mark.filterwarnings("ignore::kompot.anndata.donor_columns.CellLevelWarning"),
    pytest.mark.filterwarnings("ignore:.*already exist in the dataset"),
]
DE = "kompot_de_Young_to_Old"
DA = "kompot_da_Young_to_Old"


@pytest.fixture(scope="module")
def _aged():
    adata = kompot.datasets.simulate(n_cells=400, n_genes=25, n_donors=3, random_state=2)
    labels = {"control": "Young", "treated": "Old"}
    adata.obs["age"] = adata.obs["condition"].map(labels).astype("category")
    adata.obs["cell_type"] = adata.obs["branch"]
    adata.layers["logged"] = adata.X.copy()
    adata.obsm["X_pca"] = np.asarray(adata.obsm["DM_EigenVectors"])
    adata.obs["donor_id"] = adata.obs["sample"]
    return adata


@pytest.fixture
def adata(_aged):
    return _aged.copy()


def new_fields(adata, before):
    """Names that are in the data now and were not before, by location."""
    return {
        place: set(getattr(adata, place)) - set(getattr(before, place))
        for place in ("obs", "var", "layers", "varm", "obsp", "uns")
        if set(getattr(adata, place)) - set(getattr(before, place))
    }


# Documented: signatures


def documented_signatures():
    required = inspect.Parameter.empty
    abundance = {
        "adata": required, "groupby": required, "condition1": required, "condition2": required,
        "obsm_key": "DM_EigenVectors", "n_landmarks": None, "landmarks": None, "sample_col": None,
        "log_fold_change_threshold": 1.0, "ptp_threshold": 0.05, "ls_factor": 10.0,
        "jit_compile": False, "random_state": None, "copy": False, "inplace": True,
        "result_key": "kompot_da", "batch_size": None, "overwrite": None,
        "store_landmarks": False, "return_full_results": False,
        "allow_single_condition_variance": False,
    }  # fmt: skip
    expression = {
        "adata": required, "groupby": required, "condition1": required, "condition2": required,
        "obsm_key": "DM_EigenVectors", "layer": None, "genes": None, "n_landmarks": 5000,
        "landmarks": None, "sample_col": None, "sigma": 1.0, "ls": None, "ls_factor": 10.0,
        "compute_mahalanobis": True, "jit_compile": False, "eps": 1e-08, "random_state": None,
        "batch_size": 100, "store_arrays_on_disk": None, "disk_storage_dir": None,
        "max_memory_ratio": 0.8, "cell_filter": None, "groups": None, "min_cells": 2,
        "min_percentage": None, "check_representation": None, "copy": False, "inplace": True,
        "result_key": "kompot_de", "overwrite": None, "store_landmarks": False,
        "return_full_results": False, "store_posterior_covariance": False,
        "allow_single_condition_variance": False, "progress": True, "null_genes": 2000,
        "null_seed": 42, "fdr_threshold": 0.05, "store_additional_stats": False,
    }  # fmt: skip
    short = {
        "adata": required, "groupby": required, "condition1": required, "condition2": required,
        "obsm_key": "DM_EigenVectors",
    }  # fmt: skip
    de = dict.fromkeys(("layer", "genes", "sample_col", "gp", "fdr", "filter", "storage"))
    da = dict.fromkeys(("sample_col", "gp", "threshold", "storage", "output", "model"))
    cleanup = {
        "adata": required, "run_ids": None, "analysis_type": "de", "keep_layers": None,
        "keep_var_fields": True, "keep_obs_fields": True, "keep_obsp_fields": None,
        "keep_varm_fields": None, "inplace": True,
    }  # fmt: skip
    representation = {
        "adata": required, "groupby": required, "groups": required, "conditions": None,
        "min_cells": 30, "min_percentage": None, "warn": True, "print_summary": False,
    }  # fmt: skip
    return [
        (compute_differential_abundance, abundance),
        (compute_differential_expression, expression),
        (kompot.de, short | de | {"output": None, "model": None, "dry_run": False}),
        (kompot.da, short | da),
        (kompot.cleanup, cleanup),
        (kompot.get_field_status, {"adata": required, "run_id": None, "analysis_type": "de"}),
        (kompot.check_underrepresentation, representation),
        (kompot.RunInfo, {"adata": required, "run_id": None, "analysis_type": None}),
    ]


@pytest.mark.parametrize(("function", "expected"), documented_signatures())
def test_arguments_come_in_the_known_order_with_the_known_defaults(function, expected):
    parameters = inspect.signature(function).parameters
    found = {name: parameters[name].default for name in list(parameters)[: len(expected)]}
    assert list(found) == list(expected)
    assert found == expected


# Documented: the two analyses


def test_documented_expression(adata):
    before = adata.copy()
    returned = kompot.compute_differential_expression(
        adata,
        groupby="age",
        condition1="Young",
        condition2="Old",
        obsm_key="DM_EigenVectors",
        layer="logged",
        n_landmarks=100,
        null_genes=40,
        progress=False,
    )
    assert returned is None
    assert new_fields(adata, before) == {
        "var": {f"{DE}_{n}" for n in ("mean_lfc", "mahalanobis", "mahalanobis_local_fdr", "is_de")},
        "layers": {"kompot_de_Young_imputed", "kompot_de_Old_imputed", f"{DE}_fold_change"},
        "obs": {"kompot_de_Young_std", "kompot_de_Old_std"},
        "uns": {"kompot_de"},
    }
    assert adata.var[f"{DE}_is_de"].dtype == bool
    stored = adata.uns["kompot_de"]
    assert {"run_history", "last_run_info", "anndata_fields", "landmarks_info"} <= set(stored)
    (run,) = json.loads(stored["run_history"])
    assert run["function"] == "compute_differential_expression"


def test_documented_expression_with_everything_stored(adata):
    before = adata.copy()
    adata.uns.clear()
    results, copied = kompot.compute_differential_expression(
        adata, "age", "Young", "Old", "DM_EigenVectors", None, None, 100, None, None, 1.0,
        null_genes=40, store_additional_stats=True, store_posterior_covariance=True,
        store_landmarks=True, groups="cell_type", copy=True, return_full_results=True,
        result_key="aging", progress=False,
    )  # fmt: skip
    assert not [name for name in adata.var if name.startswith("aging")]
    found = new_fields(copied, before)
    key = "aging_Young_to_Old"
    genes = {
        *("mean_lfc", "mahalanobis", "mahalanobis_local_fdr", "is_de"),
        *("mahalanobis_pvalue", "mahalanobis_tail_fdr", "ptp"),
    }
    assert found["var"] == {f"{key}_{name}" for name in genes}
    assert found["varm"] == {f"{key}_{name}_groups" for name in genes}
    assert found["obsp"] == {f"{key}_posterior_covariance"}
    assert f"{key}_fold_change_zscores" in found["layers"]
    assert copied.uns["aging"]["landmarks"].shape[1] == adata.obsm["DM_EigenVectors"].shape[1]
    groups = list(copied.obs["cell_type"].cat.categories)
    assert list(copied.varm[f"{key}_mean_lfc_groups"].columns) == groups
    keys = {"table", "model", "landmarks", "field_names", "group_names"}
    assert keys | {"group_mean_log_fold_change", "group_mahalanobis_distances"} <= set(results)
    assert results["group_mean_log_fold_change"].shape == (adata.n_vars, len(groups))
    columns = {"mean_lfc", "pvalue", "local_fdr", "tail_fdr", "is_de", "mahalanobis", "ptp"}
    assert columns <= set(results["table"].columns)


def test_documented_expression_with_samples(adata):
    before = adata.copy()
    kompot.compute_differential_expression(
        adata, groupby="age", condition1="Young", condition2="Old", sample_col="donor_id",
        null_genes=0, progress=False,
    )  # fmt: skip
    found = new_fields(adata, before)
    assert {f"{DE}_mean_lfc", f"{DE}_mahalanobis_sample_var", f"{DE}_is_de_sample_var"} <= found[
        "var"
    ]
    assert {"kompot_de_Young_std", "kompot_de_Old_std"} <= found["layers"]
    assert kompot.RunInfo(adata).get_summary()["uses_sample_variance"]


@pytest.mark.parametrize(
    ("cell_filter", "groups"),
    [
        ({"cell_type": "branch_1"}, None),
        ([{"cell_type": "branch_1"}, {"cell_type": ["root"]}], None),
        ("branch_1", "cell_type"),
        (["branch_1", "root"], "cell_type"),
    ],
)
def test_documented_filters_exclude(adata, cell_filter, groups):
    kompot.compute_differential_expression(
        adata, "age", "Young", "Old", cell_filter=cell_filter, groups=groups, null_genes=0,
        progress=False, min_cells=0, random_state=0,
    )  # fmt: skip
    out = adata.obs["cell_type"] == "branch_1"
    assert np.isnan(adata.layers["kompot_de_Young_imputed"][out]).all()
    kept = ~adata.obs["cell_type"].isin(["branch_1", "root"])
    assert np.isfinite(adata.layers["kompot_de_Young_imputed"][kept]).all()


@pytest.mark.parametrize(
    ("groups", "names"),
    [
        ({"cell_type": ["branch_1", "branch_2"]}, ["cell_type=branch_1,branch_2"]),
        (
            {"first": {"cell_type": "branch_1"}, "second": {"cell_type": ["root"]}},
            ["first", "second"],
        ),
        ([{"cell_type": "branch_1"}, {"cell_type": "root"}],
            ["cell_type=branch_1", "cell_type=root"]),
    ],
)  # fmt: skip
def test_documented_groups(adata, groups, names):
    kompot.compute_differential_expression(
        adata, "age", "Young", "Old", groups=groups, null_genes=0, progress=False,
        check_representation=False,
    )  # fmt: skip
    assert list(adata.varm[f"{DE}_mean_lfc_groups"].columns) == names


def test_documented_abundance(adata):
    before = adata.copy()
    assert (
        kompot.compute_differential_abundance(
            adata,
            groupby="age",
            condition1="Young",
            condition2="Old",
            obsm_key="X_pca",
            log_fold_change_threshold=0.5,
            ptp_threshold=0.05,
        )
        is None
    )
    names = ("lfc", "lfc_zscore", "neg_log10_lfc_ptp", "lfc_direction")
    densities = {"kompot_da_Young_log_density", "kompot_da_Old_log_density"}
    found = new_fields(adata, before)
    assert found["obs"] == {f"{DA}_{name}" for name in names} | densities
    colors = {"kompot_da_lfc_direction_colors", f"{DA}_lfc_direction_colors"}
    assert found["uns"] == {"kompot_da"} | colors
    assert list(adata.obs[f"{DA}_lfc_direction"].cat.categories) == ["up", "neutral", "down"]
    assert list(adata.uns[f"{DA}_lfc_direction_colors"]) == ["#d73027", "#d3d3d3", "#4575b4"]
    results, copied = kompot.compute_differential_abundance(
        adata, "age", "Young", "Old", copy=True, return_full_results=True, result_key="two"
    )
    assert "two_Young_to_Old_lfc" in copied.obs
    assert set(results) >= {"table", "model", "landmarks", "field_names"}
    columns = ["lfc", "lfc_zscore", "neg_log10_ptp", "direction"]
    assert set(columns) <= set(results["table"].columns)


def test_documented_overwriting(adata):
    run = {"groupby": "age", "condition1": "Young", "condition2": "Old", "progress": False}
    kompot.compute_differential_expression(adata, **run, null_genes=0)
    with pytest.raises(ValueError, match=r"already exist.*Set overwrite=True to overwrite or use"):
        kompot.compute_differential_expression(adata, **run, null_genes=0, overwrite=False)
    kompot.compute_differential_expression(adata, **run, null_genes=0, overwrite=True)
    assert len(json.loads(adata.uns["kompot_de"]["run_history"])) == 2


# Documented: records


@pytest.fixture(scope="module")
def _with_runs(_aged):
    adata = _aged.copy()
    run = {"groupby": "age", "condition1": "Young", "condition2": "Old"}
    for seed in range(2):
        kompot.compute_differential_expression(
            adata, **run, null_genes=20, random_state=seed, progress=False, overwrite=True,
            groups="cell_type", store_posterior_covariance=True, check_representation=False,
        )  # fmt: skip
    kompot.compute_differential_abundance(adata, **run)
    return adata


@pytest.fixture
def with_runs(_with_runs):
    return _with_runs.copy()


def test_documented_run_information(with_runs):
    run = kp.RunInfo(with_runs)
    assert (run.analysis_type, run.adjusted_run_id, run.storage_key) == ("de", 1, "kompot_de")
    assert repr(run).startswith("RunInfo(analysis_type=de, run_id=1, timestamp=")
    summary = run.get_summary()
    assert summary["conditions"] == "Young to Old"
    assert summary["obsm_key"] == "DM_EigenVectors"
    assert set(run.get_data()["field_data"]) >= {"var", "layers", "obs"}
    first = kp.RunInfo(with_runs, run_id=0, analysis_type="de")
    assert first.overwritten_fields
    assert first.missing_fields == []
    comparison = first.compare_with(1)
    assert isinstance(comparison, kp.RunComparison)
    assert kp.RunInfo(with_runs, analysis_type="da").get_summary()["field_count"] > 0
    assert "<div class='kompot-runinfo'" in run._repr_html_()
    for arguments, message in [
        ({"run_id": 99, "analysis_type": "de"}, "Run ID 99 not found in de run history."),
        ({"analysis_type": "x"}, "Invalid analysis_type"),
    ]:
        with pytest.raises(ValueError, match=message):
            kp.RunInfo(with_runs, **arguments)


@pytest.mark.parametrize(
    ("arguments", "gone", "kept"),
    [
        ({}, {"layers", "obsp", "varm"}, {"var", "obs"}),
        ({"run_ids": 1}, {"layers", "obsp", "varm"}, {"var", "obs"}),
        ({"run_ids": [0, 1]}, {"layers", "obsp", "varm"}, {"var", "obs"}),
        ({"keep_layers": True, "keep_varm_fields": True}, {"obsp"}, {"layers", "varm", "var"}),
        (
            {
                "run_ids": 1,
                "keep_layers": False,
                "keep_var_fields": ["mahalanobis", "mahalanobis_local_fdr", "is_de"],
                "keep_obs_fields": False,
            },
            {"layers", "obs"},
            {"var"},
        ),
    ],
)
def test_documented_cleanup(with_runs, arguments, gone, kept):
    assert kompot.cleanup(with_runs, **arguments) is None
    status = kompot.get_field_status(with_runs)
    for location in gone:
        fields = [there for kinds in status[location].values() for there in kinds.values()]
        assert not any(fields), location
    for location in kept:
        fields = [there for kinds in status[location].values() for there in kinds.values()]
        assert any(fields), location
    assert kompot.RunInfo(with_runs).missing_fields


def test_documented_cleanup_of_some_layers(with_runs):
    kompot.cleanup(with_runs, keep_layers=["fold_change"])
    status = kompot.get_field_status(with_runs)["layers"]
    assert status["fold_change"] == {f"{DE}_fold_change": True}
    assert set(status["imputed"].values()) == {False}
    copied = kompot.cleanup(with_runs, keep_layers=False, keep_obsp_fields=False, inplace=False)
    assert f"{DE}_fold_change" in with_runs.layers
    assert f"{DE}_fold_change" not in copied.layers


def test_documented_representation(adata):
    found = kompot.check_underrepresentation(
        adata, groupby="age", groups="cell_type", conditions=["Young", "Old"], min_cells=1,
        warn=False,
    )  # fmt: skip
    assert found["__underrepresentation_data"] == {}
    assert found["cell_type"] == list(adata.obs["cell_type"].cat.categories)


def test_results_travel_through_a_file(with_runs, tmp_path):
    with_runs.write_h5ad(tmp_path / "a.h5ad")
    again = read_h5ad(tmp_path / "a.h5ad")
    one, other = kompot.RunInfo(with_runs), kompot.RunInfo(again)
    assert one.params == other.params
    pd.testing.assert_series_equal(with_runs.var[f"{DE}_mean_lfc"], again.var[f"{DE}_mean_lfc"])


def test_dry_run_of_the_short_form(adata):
    before = adata.copy()
    plan = kompot.de(adata, "age", "Young", "Old", dry_run=True)
    assert plan.is_feasible
    assert new_fields(adata, before) == {}


# Settings objects, 0.7 and 0.8


def test_short_expression_with_settings(adata):
    before = adata.copy()
    results = kompot.de(
        adata,
        groupby="age",
        condition1="Young",
        condition2="Old",
        obsm_key="DM_EigenVectors",
        layer="logged",
        gp=kompot.GPSettings(sigma=1.0, ls_factor=10.0, n_landmarks=100, batch_size=0),
        fdr=kompot.FDRSettings(null_genes=40, null_seed=7, threshold=0.1),
        filter=kompot.FilterSettings(groups="cell_type", check_representation=False),
        storage=kompot.StorageSettings(result_key="kompot_de", store_additional_stats=True),
        output=kompot.OutputSettings(
            return_full_results=True, return_null_data=True, progress=False
        ),
    )
    found = new_fields(adata, before)
    assert {f"{DE}_mean_lfc", f"{DE}_mahalanobis", f"{DE}_mahalanobis_pvalue"} <= found["var"]
    assert f"{DE}_mahalanobis_groups" in found["varm"]
    null = results["null"]
    assert null["mahalanobis"].shape == (40,)
    assert null["n_null"] == len(null["gene_indices"]) == 40
    assert (null["seed"], null["source"]) == (7, "internal")
    assert set(null["gene_names"]) <= set(adata.var_names)
    run = kompot.RunInfo(adata)
    assert run.run_info["function"] == "compute_differential_expression"
    assert run.params["gp"]["n_landmarks"] == 100


def test_short_abundance_with_settings(adata):
    kompot.da(
        adata,
        groupby="age",
        condition1="Young",
        condition2="Old",
        gp=kompot.GPSettings(n_landmarks=200, random_state=3),
        threshold=kompot.DAThresholdSettings(lfc_threshold=0.5, ptp_threshold=0.1),
        storage=kompot.StorageSettings(store_landmarks=True, result_key="kompot_da"),
        output=kompot.OutputSettings(progress=False),
    )
    assert f"{DA}_lfc" in adata.obs
    assert "landmarks" in adata.uns["kompot_da"]
    assert kompot.RunInfo(adata).params["threshold"]["lfc_threshold"] == 0.5


def test_null_of_a_control_contrast(adata):
    """The distances of one comparison are the null of another."""
    half = np.where(np.arange(adata.n_obs) % 2 == 0, "even", "odd")
    adata.obs["half"] = pd.Categorical(half)
    quiet = kompot.OutputSettings(progress=False)
    nothing = kompot.FDRSettings(null_genes=0)
    kompot.de(adata, "half", "even", "odd", fdr=nothing, output=quiet,
              storage=kompot.StorageSettings(result_key="control"))  # fmt: skip
    null = kompot.extract_null_distribution(adata, run_id=-1)
    assert len(null) == adata.n_vars
    kompot.de(adata, "age", "Young", "Old", fdr=kompot.FDRSettings(null_mahalanobis=null),
              output=quiet)  # fmt: skip
    assert f"{DE}_is_de" in adata.var
    table = kompot.compute_fdr(adata.var[f"{DE}_mahalanobis"].to_numpy(), null, threshold=0.1)
    assert list(table.columns) == ["mahalanobis", "pvalue", "local_fdr", "tail_fdr", "is_de"]
    again = kompot.recompute_fdr(adata, null, threshold=0.1, run_id=-1)
    assert len(again) == adata.n_vars


def test_a_run_is_repeated_by_its_settings(adata):
    kompot.de(adata, "age", "Young", "Old", sigma=0.8, null_genes=15, progress=False)
    first = adata.var[f"{DE}_mahalanobis"].copy()
    run = kompot.RunInfo(adata)
    kompot.de(adata, "age", "Young", "Old", **run.to_settings(), overwrite=True)
    pd.testing.assert_series_equal(first, adata.var[f"{DE}_mahalanobis"], check_exact=True)
    kompot.compute_differential_expression(adata, **run.call_args(), overwrite=True, progress=False)
    pd.testing.assert_series_equal(first, adata.var[f"{DE}_mahalanobis"], check_exact=True)


def test_plots_of_runs(with_runs):
    import matplotlib.pyplot as plt

    kompot.plot.volcano_de(with_runs)
    kompot.plot.volcano_da(with_runs, return_fig=True)
    kompot.plot.heatmap(with_runs, groupby="cell_type", n_top_genes=5)
    kompot.plot.direction_barplot(with_runs, category_column="cell_type")
    assert plt.get_fignums()
    plt.close("all")
