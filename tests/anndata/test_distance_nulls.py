"""``compute_fdr``, ``recompute_fdr`` and ``extract_null_distribution``."""

import numpy as np
import pandas as pd
import pytest
from anndata import experimental, read_h5ad

import kompot
from kompot.anndata import compute_differential_expression
from kompot.datasets import simulate
from kompot.stats.fdr import significance

KEY = "kompot_de_control_to_treated_"
RATES = ("pvalue", "local_fdr", "tail_fdr")


@pytest.fixture(scope="module")
def _compared():
    adata = simulate(n_cells=700, n_genes=120, n_donors=2, random_state=3)
    run(adata, store_additional_stats=True)
    return adata


@pytest.fixture
def compared(_compared):
    """Data with a run, all its rates stored."""
    return _compared.copy()


def run(adata, **options):
    options = {"progress": False, "random_state": 0, "null_genes": 300, "layers": "none"} | options
    return compute_differential_expression(adata, "condition", "control", "treated", **options)


def rates(adata):
    names = {name: f"{KEY}mahalanobis_{name}" for name in RATES} | {"is_de": f"{KEY}is_de"}
    return pd.DataFrame({name: adata.var[column] for name, column in names.items()})


@pytest.mark.parametrize("genes", [None, slice(10, 60)])
def test_lazily_read_runs_are_judged_as_those_in_memory(compared, tmp_path, genes):
    pytest.importorskip("xarray")
    pytest.importorskip("dask")
    if genes is not None:
        run(compared, genes=list(compared.var_names[genes]), overwrite=True)
    compared.write_h5ad(tmp_path / "cells.h5ad")
    lazy = experimental.read_lazy(tmp_path / "cells.h5ad")
    null = kompot.extract_null_distribution(compared)
    np.testing.assert_array_equal(kompot.extract_null_distribution(lazy), null)
    for given in (None, null):
        expected = kompot.recompute_fdr(compared, given, 0.3)
        pd.testing.assert_frame_equal(
            kompot.recompute_fdr(lazy, given, 0.3), expected, check_names=False
        )
    name = f"{KEY}is_de"
    np.testing.assert_array_equal(lazy.var[name], compared.var[name])


# Arrays


def test_table_is_that_of_significance_and_leaves_missing_genes_out(rng):
    null, real = rng.gamma(3, size=500), np.r_[rng.gamma(3, size=80), np.full(20, 30.0)]
    found = significance(real, null, 0.1)
    missing = np.insert(real, 5, np.nan)
    names = [f"gene{k}" for k in range(101)]
    table = kompot.compute_fdr(missing, null, 0.1, gene_names=names)
    assert list(table) == ["mahalanobis", "pvalue", "local_fdr", "tail_fdr", "is_de"]
    assert list(table.index) == names
    assert table.iloc[5].isna().sum() == 4
    assert not table["is_de"].iloc[5]
    assert table["is_de"].dtype == bool
    kept = table.drop("gene5")
    np.testing.assert_array_equal(kept["pvalue"], found.p_value)
    np.testing.assert_array_equal(kept["tail_fdr"], found.tail_fdr)
    np.testing.assert_array_equal(kept["local_fdr"], found.local_fdr)
    np.testing.assert_array_equal(kept["is_de"], found.is_de)
    assert kept["is_de"].sum() >= 20


def test_bad_arrays_are_refused():
    with pytest.raises(ValueError, match=r"1 of 2 values that are no distances"):
        kompot.compute_fdr([1.0], [1.0, np.nan])
    with pytest.raises(ValueError, match=r"must be a vector of distances, got shape \(0,\)"):
        kompot.compute_fdr([1.0], [])
    with pytest.raises(ValueError, match="2 names for 1 distances"):
        kompot.compute_fdr([1.0], [1.0], gene_names=["a", "b"])
    with pytest.raises(ValueError, match=r"`real_mahalanobis` must be a vector of distances"):
        kompot.compute_fdr([[1.0]], [1.0])
    with pytest.raises(ValueError, match=r"`real_mahalanobis` holds 2 of 4 values .*negative"):
        kompot.compute_fdr([1.0, np.nan, -1.0, np.inf], [1.0])
    with pytest.raises(
        TypeError, match=r"`real_mahalanobis` must be .*, got a list: could not convert"
    ):
        kompot.compute_fdr(["a"], [1.0])
    with pytest.raises(ValueError, match="fdr_threshold"):
        kompot.compute_fdr([1.0], [1.0], threshold=0.0)
    assert not kompot.compute_fdr([np.nan], [1.0])["is_de"].any()


# Recorded runs


def test_own_null_gives_back_what_the_run_stored(compared):
    before = compared.copy()
    table = kompot.recompute_fdr(compared, inplace=False)
    stored = rates(compared)
    pd.testing.assert_frame_equal(table[[*RATES, "is_de"]], stored, check_names=False)
    pd.testing.assert_frame_equal(compared.var, before.var)
    assert compared.uns["kompot_de"]["run_history"] == before.uns["kompot_de"]["run_history"]


def test_another_threshold_changes_calls_in_place(compared, tmp_path):
    compared.write_h5ad(tmp_path / "run.h5ad")
    data = read_h5ad(tmp_path / "run.h5ad")
    before = rates(data)
    table = kompot.recompute_fdr(data, threshold=0.5)
    after = rates(data)
    pd.testing.assert_frame_equal(after[list(RATES)], before[list(RATES)])
    np.testing.assert_array_equal(after["is_de"], before["local_fdr"] < 0.5)
    np.testing.assert_array_equal(after["is_de"], table["is_de"])
    assert after["is_de"].sum() > before["is_de"].sum()
    info = kompot.RunInfo(data).run_info
    assert info["fdr_results"]["n_significant"] == after["is_de"].sum()
    assert info["fdr_results"]["fdr_threshold"] == 0.5
    assert info["fdr_recomputed"]["null"] == "own"
    assert info["fdr_recomputed"]["n_null"] == 300


def test_given_null_replaces_all_rates_in_place(compared):
    before, null = rates(compared), np.linspace(0, 40, 400)
    table = kompot.recompute_fdr(compared, null)
    after = rates(compared)
    pd.testing.assert_frame_equal(after, table[[*RATES, "is_de"]], check_names=False)
    for name in RATES:
        assert not np.allclose(after[name], before[name])
    again = kompot.compute_fdr(compared.var[f"{KEY}mahalanobis"], null)
    pd.testing.assert_frame_equal(again, table)
    assert kompot.RunInfo(compared).run_info["fdr_recomputed"]["null"] == "given"
    # The run's own null is still there.
    kompot.recompute_fdr(compared)
    pd.testing.assert_frame_equal(rates(compared), before)


def test_run_without_rates_gets_them(adata):
    run(adata, null_genes=None)
    assert f"{KEY}is_de" not in adata.var
    with pytest.raises(ValueError, match="no distances of shuffled genes"):
        kompot.recompute_fdr(adata)
    kompot.recompute_fdr(adata, np.linspace(0, 5, 200))
    assert adata.var[f"{KEY}is_de"].dtype == bool
    assert f"{KEY}mahalanobis_pvalue" not in adata.var
    info = kompot.RunInfo(adata)
    assert f"{KEY}is_de" in info.adata_fields["var"]
    assert not info.missing_fields
    table = kompot.get_table(adata)
    np.testing.assert_array_equal(table["is_de"], adata.var.loc[table.index, f"{KEY}is_de"])


def test_run_is_chosen_by_number_and_key(compared):
    run(compared, result_key="other", null_genes=100, sigma=2.0)
    run(compared, result_key="third", null_genes=50, sigma=3.0)
    first = kompot.extract_null_distribution(compared, 0)
    np.testing.assert_array_equal(first, compared.var[f"{KEY}mahalanobis"])
    other = compared.var["other_control_to_treated_mahalanobis"]
    for found in (
        kompot.extract_null_distribution(compared, result_key="other"),
        kompot.extract_null_distribution(compared, -2),
        kompot.extract_null_distribution(compared, 1, result_key="other"),
    ):
        np.testing.assert_array_equal(found, other)
    kompot.recompute_fdr(compared, first, result_key="other")
    assert [kompot.RunInfo(compared, k).run_info.get("fdr_recomputed") is None for k in range(3)] \
        == [True, False, True]  # fmt: skip
    with pytest.raises(ValueError, match=r"No DE run found with run_id=3\."):
        kompot.recompute_fdr(compared, run_id=3)
    with pytest.raises(ValueError, match="No DE run found with run_id=0 and result_key='other'"):
        kompot.extract_null_distribution(compared, 0, "other")


def test_distances_of_a_control_comparison_judge_another(compared):
    control = compared[compared.obs["condition"] == "control"].copy()
    half = np.random.default_rng(0).integers(0, 2, control.n_obs)
    control.obs["half"] = np.where(half, "left", "right")
    options = {"progress": False, "random_state": 0, "null_genes": None, "layers": "none"}
    compute_differential_expression(control, "half", "left", "right", **options)
    null = kompot.extract_null_distribution(control)
    assert null.shape == (120,)
    table = kompot.recompute_fdr(compared, null, inplace=False)
    np.testing.assert_array_equal(
        table["pvalue"],
        [(1 + (null >= distance).sum()) / 121 for distance in table["mahalanobis"]],
    )


def test_genes_that_were_not_tested_stay_as_they_are(compared):
    before = rates(compared)
    chosen = compared.var_names[:40].tolist()
    run(compared, genes=chosen, store_additional_stats=True, overwrite=True)
    table = kompot.recompute_fdr(compared, np.linspace(0, 40, 400))
    assert table["pvalue"].notna().sum() == 40
    assert kompot.RunInfo(compared).run_info["fdr_results"]["n_total"] == 40
    after = rates(compared)
    pd.testing.assert_frame_equal(after.iloc[40:], before.iloc[40:])
    np.testing.assert_array_equal(after["pvalue"][:40], table["pvalue"][:40])
    with pytest.raises(ValueError, match="replaced by run 1"):
        kompot.recompute_fdr(compared, run_id=0)


def test_donor_level_calls_are_not_replaced():
    adata = simulate(n_cells=600, n_genes=60, n_donors=3, random_state=2)
    run(adata, sample_col="donor")
    before, null = adata.copy(), np.linspace(0, 5, 100)
    with pytest.raises(ValueError, match="donor level"):
        kompot.recompute_fdr(adata, null)
    pd.testing.assert_frame_equal(adata.var, before.var)
    table = kompot.recompute_fdr(adata, null, inplace=False)
    assert table["pvalue"].notna().all()


def test_spoilt_distances_are_named_by_their_column(compared):
    column = next(name for name in compared.var if name.endswith("mahalanobis"))
    compared.var.loc[compared.var_names[0], column] = np.inf
    with pytest.raises(ValueError, match=rf"`adata\.var\['{column}'\]` holds 1 of .*negative"):
        kompot.recompute_fdr(compared)


def test_removed_distances_are_named(compared):
    kompot.cleanup(compared, keep_var_fields=False)
    with pytest.raises(ValueError, match=r"no distances in adata\.var"):
        kompot.extract_null_distribution(compared)


def test_genes_of_other_names_are_pointed_out(compared):
    run(compared, genes=compared.var_names[:40].tolist(), overwrite=True)
    compared.var_names = [f"other_{name}" for name in compared.var_names]
    before = compared.var.copy()
    for function in (kompot.recompute_fdr, kompot.extract_null_distribution):
        with pytest.raises(ValueError, match="none of the genes that it tested is among"):
            function(compared)
    pd.testing.assert_frame_equal(compared.var, before)
