import json

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from scipy import sparse

import kompot
from kompot.anndata import compute_differential_expression
from kompot.anndata.donor_columns import CellLevelWarning

KEY = "kompot_de_control_to_treated"
QUIET = {"progress": False, "random_state": 0, "null_genes": 100}


def run(adata, **options):
    options = QUIET | options
    return compute_differential_expression(adata, "condition", "control", "treated", **options)


def table_of(adata, **options):
    return run(adata, return_full_results=True, inplace=False, **options)["table"]


def assert_same_genes(first, second, rtol=1e-3):
    """Statistics that do not depend on the draw of shuffled genes."""
    genes = first.index.intersection(second.index)
    assert len(genes)
    np.testing.assert_allclose(
        first.loc[genes, "mahalanobis"], second.loc[genes, "mahalanobis"], rtol=rtol
    )
    np.testing.assert_allclose(
        first.loc[genes, "mean_lfc"], second.loc[genes, "mean_lfc"], atol=1e-5
    )


# What is stored


def test_documented_fields_are_stored(adata):
    run(adata)
    assert set(adata.var.columns) >= {
        f"{KEY}_{part}" for part in ("mean_lfc", "mahalanobis", "mahalanobis_local_fdr", "is_de")
    }
    assert adata.var[f"{KEY}_is_de"].dtype == bool
    for name in ("kompot_de_control_imputed", "kompot_de_treated_imputed", f"{KEY}_fold_change"):
        assert adata.layers[name].shape == adata.shape
        assert adata.layers[name].dtype == np.float32
    assert {"kompot_de_control_std", "kompot_de_treated_std"} <= set(adata.obs.columns)
    extra = {f"{KEY}_mahalanobis_pvalue", f"{KEY}_mahalanobis_tail_fdr", f"{KEY}_ptp"}
    assert not extra & set(adata.var.columns)
    run(adata, store_additional_stats=True, overwrite=True, store_posterior_covariance=True)
    assert extra <= set(adata.var.columns)
    assert f"{KEY}_fold_change_zscores" in adata.layers
    assert adata.obsp[f"{KEY}_posterior_covariance"].shape == (adata.n_obs, adata.n_obs)


def test_stored_values_are_those_of_the_model(adata):
    result = run(
        adata,
        return_full_results=True,
        store_additional_stats=True,
        store_posterior_covariance=True,
    )
    states = adata.obsm["DM_EigenVectors"]
    found = result["model"].predict(states, progress=False)
    layers, obs = adata.layers, adata.obs
    single = {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(
        layers["kompot_de_control_imputed"], found["condition1_imputed"], **single
    )
    np.testing.assert_allclose(
        layers["kompot_de_treated_imputed"], found["condition2_imputed"], **single
    )
    np.testing.assert_allclose(layers[f"{KEY}_fold_change"], found["fold_change"], **single)
    np.testing.assert_allclose(
        layers[f"{KEY}_fold_change_zscores"], found["fold_change_zscores"], **single
    )
    np.testing.assert_allclose(obs["kompot_de_control_std"], found["condition1_std"])
    np.testing.assert_allclose(
        adata.obsp[f"{KEY}_posterior_covariance"].diagonal(),
        found["condition1_std"] ** 2 + found["condition2_std"] ** 2 - 2e-8,
        rtol=1e-6,
    )
    np.testing.assert_allclose(
        adata.var[f"{KEY}_mean_lfc"], found["fold_change"].mean(axis=0), atol=1e-10
    )
    table = result["table"]
    assert list(table.columns) == [
        *("mean_lfc", "pvalue", "local_fdr", "tail_fdr", "is_de", "mahalanobis", "ptp"),
    ]
    for column, field in {
        "mean_lfc": "mean_lfc",
        "mahalanobis": "mahalanobis",
        "local_fdr": "mahalanobis_local_fdr",
        "tail_fdr": "mahalanobis_tail_fdr",
        "pvalue": "mahalanobis_pvalue",
        "ptp": "ptp",
        "is_de": "is_de",
    }.items():
        np.testing.assert_array_equal(table[column], adata.var[f"{KEY}_{field}"])
    assert result["field_names"]["mahalanobis_key"] == f"{KEY}_mahalanobis"
    assert result["landmarks"].shape == (result["model"].features_.rank, states.shape[1])


def test_names_are_sanitised(adata):
    adata.obs["group"] = adata.obs["condition"].map({"control": "Pre-treat A", "treated": "B/2.x"})
    compute_differential_expression(adata, "group", "Pre-treat A", "B/2.x", **QUIET)
    assert "kompot_de_Pre_treat_A_to_B_2_x_mean_lfc" in adata.var
    assert "kompot_de_Pre_treat_A_imputed" in adata.layers


@pytest.mark.parametrize("suffix", ["h5ad", "zarr"])
@pytest.mark.filterwarnings("ignore:Writing zarr v2 data")
def test_files_keep_everything(adata, tmp_path, suffix):
    run(adata, store_landmarks=True, store_additional_stats=True)
    path = tmp_path / f"result.{suffix}"
    if suffix == "h5ad":
        adata.write_h5ad(path)
        back = ad.read_h5ad(path)
    else:
        adata.write_zarr(path)
        back = ad.read_zarr(path)
    pd.testing.assert_frame_equal(back.var, adata.var)
    np.testing.assert_array_equal(
        back.layers[f"{KEY}_fold_change"], adata.layers[f"{KEY}_fold_change"]
    )
    assert back.uns["kompot_de"]["run_history"] == adata.uns["kompot_de"]["run_history"]
    np.testing.assert_array_equal(
        back.uns["kompot_de"]["landmarks"], adata.uns["kompot_de"]["landmarks"]
    )


def test_run_record_tells_what_was_done(adata):
    run(adata, sigma=0.7, result_key="mine")
    run(adata, result_key="other", null_genes=None)
    runs = json.loads(adata.uns["kompot_de"]["run_history"])
    assert [r["result_key"] for r in runs] == ["mine", "other"]
    first = runs[0]
    assert first["params"]["gp"]["sigma"] == 0.7
    assert first["params"]["condition1"] == "control"
    assert first["field_mapping"]["mine_control_to_treated_mean_lfc"] == {
        "location": "var",
        "type": "mean_log_fold_change",
        "description": "Mean log fold change over the cells of both conditions (natural log)",
    }
    assert first["numerics"]["residual_mean"] < first["numerics"]["tol"] == 1e-6
    assert first["numerics"]["random_state"] == 0
    assert first["fdr_results"]["n_total"] == 60
    assert runs[1]["fdr_results"] is None
    assert "hostname" not in first["environment"]
    assert json.loads(adata.uns["kompot_de"]["last_run_info"]) == runs[1]
    owners = json.loads(adata.uns["kompot_de"]["anndata_fields"])
    assert owners["var"]["other_control_to_treated_mean_lfc"] == 1
    for name, field in first["field_mapping"].items():
        assert name in getattr(adata, field["location"])


def test_unreadable_history_is_kept_beside_a_new_one(adata):
    adata.uns["kompot_de"] = {"run_history": '[{"trunc'}
    with pytest.warns(UserWarning, match="not readable as JSON.*new history was begun"):
        run(adata)
    stored = adata.uns["kompot_de"]
    assert stored["unreadable_history"] == '[{"trunc'
    assert len(json.loads(stored["run_history"])) == 1


def test_foreign_entry_is_kept_beside_the_record(adata):
    adata.uns["kompot_de"] = "a note of mine"
    adata.uns["mine"] = np.arange(3)
    run(adata, result_key="mine")
    assert adata.uns["kompot_de"]["previous"] == "a note of mine"
    np.testing.assert_array_equal(adata.uns["mine"]["previous"], np.arange(3))
    assert len(json.loads(adata.uns["kompot_de"]["run_history"])) == 1


# Choices of what is computed and returned


def test_returns_are_as_documented(adata):
    plain = adata.copy()
    assert run(adata) is None
    changed = run(plain, copy=True)
    assert isinstance(changed, AnnData)
    assert f"{KEY}_mean_lfc" in changed.var
    assert f"{KEY}_mean_lfc" not in plain.var
    results, other = run(plain, copy=True, return_full_results=True)
    pd.testing.assert_frame_equal(other.var, adata.var)
    documented = {"table", "model", "landmarks", "field_names"}
    assert set(results) == documented | {"fdr_summary", "underrepresentation"}
    assert results["fdr_summary"] == kompot.RunInfo(other).run_info["fdr_results"]
    assert results["underrepresentation"] is None
    without = run(plain, inplace=False, return_full_results=True, null_genes=0)
    assert without["fdr_summary"] == {}
    assert f"{KEY}_mean_lfc" not in plain.var
    with pytest.raises(ValueError, match="nothing would be left"):
        run(plain, inplace=False)


@pytest.mark.parametrize("scheme", ["condition1", "separate"])
def test_the_null_alone_is_returned_alone(adata, scheme):
    found = run(adata, return_null_data=True, param_scheme=scheme)
    assert set(found) == {"null"}


def test_the_smallest_distance_that_was_called_is_logged(adata, caplog):
    caplog.set_level("INFO", "kompot")
    found = run(adata, return_full_results=True, fdr_threshold=0.5)["table"]
    smallest = found["mahalanobis"][found["is_de"]].min()
    assert f"smallest distance of these {smallest:.4g}" in caplog.text
    caplog.clear()
    run(adata, compute_mahalanobis=False, overwrite=True)
    assert "smallest distance" not in caplog.text


def test_without_distances_only_fold_changes_are_stored(adata):
    table = table_of(adata, compute_mahalanobis=False)
    assert list(table.columns) == ["mean_lfc"]
    run(adata, compute_mahalanobis=False)
    assert f"{KEY}_mahalanobis" not in adata.var
    assert f"{KEY}_is_de" not in adata.var


@pytest.mark.parametrize("none", [None, 0, []])
def test_no_shuffled_genes_means_no_rates(adata, none):
    table = table_of(adata, null_genes=none)
    assert list(table.columns) == ["mean_lfc", "mahalanobis", "ptp"]


def test_given_columns_are_shuffled(adata):
    first = table_of(adata, null_genes=[0, 0, 1, 5, 7, 9, 11])
    assert first["pvalue"].min() == pytest.approx(1 / 8)


def test_null_seed_repeats(adata):
    columns = ["pvalue", "local_fdr", "is_de"]
    first, again = table_of(adata), table_of(adata)
    pd.testing.assert_frame_equal(first[columns], again[columns])
    other = table_of(adata, null_seed=7)
    assert not first["pvalue"].equals(other["pvalue"])


def test_layers_none_stores_statistics_only(adata):
    before = set(adata.layers)
    run(adata, layers="none", store_additional_stats=True)
    assert set(adata.layers) == before
    assert f"{KEY}_mahalanobis" in adata.var
    assert "kompot_de_control_std" in adata.obs


def test_chosen_genes_update_their_fields_only(adata):
    run(adata)
    before, layer = adata.var.copy(), adata.layers[f"{KEY}_fold_change"].copy()
    genes = [adata.var_names[40], adata.var_names[3]]
    run(adata, genes=genes, sigma=3.0, overwrite=True)
    rest = adata.var_names.difference(genes)
    pd.testing.assert_frame_equal(adata.var.loc[rest], before.loc[rest])
    assert (
        adata.var.loc[genes, f"{KEY}_mahalanobis"] != before.loc[genes, f"{KEY}_mahalanobis"]
    ).all()
    np.testing.assert_array_equal(adata.layers[f"{KEY}_fold_change"][:, 4:40], layer[:, 4:40])
    assert (adata.layers[f"{KEY}_fold_change"][:, [3, 40]] != layer[:, [3, 40]]).all()


def test_genes_never_chosen_are_missing(adata):
    result = run(adata, genes=["gene_0005", "gene_0002"], return_full_results=True)
    assert list(result["table"].index) == [
        name for name in adata.var_names if name in ("gene_0005", "gene_0002")
    ]
    column = adata.var[f"{KEY}_mahalanobis"]
    assert column.notna().sum() == 2
    assert np.isnan(adata.layers["kompot_de_control_imputed"]).any(axis=0).sum() == 58
    assert adata.var[f"{KEY}_is_de"].dtype == bool


def test_landmarks_are_stored_and_used_again(adata):
    first = run(adata, store_landmarks=True, return_full_results=True)
    stored = adata.uns["kompot_de"]["landmarks"]
    np.testing.assert_array_equal(stored, first["landmarks"])
    again = run(adata, return_full_results=True, overwrite=True, random_state=99)
    assert len(again["landmarks"]) == len(stored)
    np.testing.assert_allclose(
        again["table"]["mahalanobis"], first["table"]["mahalanobis"], rtol=1e-6
    )
    record = json.loads(adata.uns["kompot_de"]["last_run_info"])
    assert record["numerics"]["landmarks_source"] == "kompot_de"
    given = run(adata, landmarks=stored[:20], return_full_results=True, overwrite=True)
    assert len(given["landmarks"]) == 20


def test_landmarks_of_another_width_in_the_file_are_not_used(adata):
    adata.uns["kompot_da"] = {"landmarks": np.zeros((5, 3))}
    result = run(adata, return_full_results=True)
    assert result["landmarks"].shape[1] == adata.obsm["DM_EigenVectors"].shape[1]


def test_rank_is_capped(adata):
    result = run(adata, n_landmarks=11, return_full_results=True)
    assert result["landmarks"].shape[0] == 11


@pytest.mark.parametrize("overwrite", [None, True, False])
def test_overwriting_follows_the_rule(adata, overwrite, recwarn):
    run(adata)
    before = adata.copy()
    if overwrite is None:
        with pytest.warns(UserWarning, match="already exist in the dataset") as caught:
            run(adata)
        assert caught[0].filename == __file__
    elif overwrite:
        run(adata, overwrite=True)
        others = [w for w in recwarn.list if not issubclass(w.category, CellLevelWarning)]
        assert not others
    else:
        match = (
            r"already exist in the dataset\. Fields.*and \d+ more fields.*use a different result"
        )
        with pytest.raises(ValueError, match=match):
            run(adata, overwrite=False)
        pd.testing.assert_frame_equal(adata.var, before.var)
    run(adata, result_key="fresh", overwrite=False)


# The same data in other clothes


def test_order_of_cells_and_genes_does_not_matter(adata, rng):
    base = table_of(adata)
    cells, genes = rng.permutation(adata.n_obs), rng.permutation(adata.n_vars)
    assert_same_genes(base, table_of(adata[cells].copy()))
    shuffled = table_of(adata[:, genes].copy())
    assert_same_genes(base, shuffled, rtol=1e-9)
    assert list(shuffled.index) == list(adata.var_names[genes])


def test_dropping_genes_does_not_matter(adata):
    assert_same_genes(table_of(adata), table_of(adata[:, 10:25].copy()), rtol=1e-9)
    few = list(adata.var_names[10:25])
    assert_same_genes(table_of(adata), table_of(adata, genes=few), rtol=1e-9)


def test_names_of_conditions_do_not_matter(adata):
    other = adata.copy()
    other.obs["condition"] = other.obs["condition"].map({"control": "z", "treated": "a"})
    renamed = compute_differential_expression(
        other, "condition", "z", "a", return_full_results=True, **QUIET
    )["table"]
    pd.testing.assert_frame_equal(renamed, table_of(adata))


def test_cells_of_a_third_condition_do_not_matter(adata, rng):
    extra = adata[:150].copy()
    extra.obs["condition"] = "third"
    extra.obsm["DM_EigenVectors"] = rng.normal(size=extra.obsm["DM_EigenVectors"].shape)
    extra.obs_names = [f"extra_{name}" for name in extra.obs_names]
    both = ad.concat([extra, adata])
    both.obs["condition"] = pd.Categorical(both.obs["condition"])
    pd.testing.assert_frame_equal(table_of(both), table_of(adata), check_exact=False, rtol=1e-9)
    run(both)
    run(adata)
    np.testing.assert_allclose(
        both.layers[f"{KEY}_fold_change"][150:], adata.layers[f"{KEY}_fold_change"], atol=1e-5
    )
    assert np.isfinite(both.layers[f"{KEY}_fold_change"]).all()


def test_unlabelled_cells_take_no_part(adata):
    base = adata[100:].copy()
    labels = adata.obs["condition"].astype(object)
    labels.iloc[:100] = np.nan
    adata.obs["condition"] = pd.Categorical(labels)
    adata.obsm["DM_EigenVectors"][:100] = np.nan
    pd.testing.assert_frame_equal(table_of(adata), table_of(base), check_exact=False, rtol=1e-9)


def as_kind(adata, kind):
    adata = adata.copy()
    if kind == "dense":
        adata.X = adata.X.toarray()
    elif kind == "dense, columns first":
        adata.X = np.asfortranarray(adata.X.toarray())
    elif kind == "csc":
        adata.X = sparse.csc_matrix(adata.X)
    elif kind == "csr_array":
        adata.X = sparse.csr_array(adata.X)
    elif kind == "float64":
        adata.X = adata.X.astype(np.float64)
    elif kind == "layer":
        adata.layers["log"] = adata.X.copy()
        adata.X = None
    elif kind == "read only":
        adata.X = adata.X.toarray()
        adata.X.flags.writeable = False
    return adata


@pytest.mark.filterwarnings("ignore:The results are written to a view")
@pytest.mark.parametrize(
    "kind",
    ["dense", "dense, columns first", "csc", "csr_array", "float64", "layer", "read only", "view"],
)
def test_kind_of_matrix_does_not_matter(adata, kind):
    base = table_of(adata)
    if kind == "view":
        other = adata[np.arange(adata.n_obs)]
        assert other.is_view
    else:
        other = as_kind(adata, kind)
    table = table_of(other, layer="log" if kind == "layer" else None)
    assert_same_genes(base, table, rtol=1e-9)
    run(other, layer="log" if kind == "layer" else None)
    assert f"{KEY}_mahalanobis" in other.var


def test_backed_file_gives_the_same(adata, tmp_path):
    base = table_of(adata)
    adata.write_h5ad(tmp_path / "data.h5ad")
    backed = ad.read_h5ad(tmp_path / "data.h5ad", backed="r")
    assert_same_genes(base, table_of(backed), rtol=1e-9)
    assert_same_genes(base, table_of(backed.to_memory()), rtol=1e-9)
    backed.file.close()


def test_float32_embedding_is_close(adata):
    base = table_of(adata)
    adata.obsm["DM_EigenVectors"] = adata.obsm["DM_EigenVectors"].astype(np.float32)
    assert_same_genes(base, table_of(adata), rtol=1e-3)


def test_exchanging_conditions_changes_signs_exactly(adata):
    other = adata.copy()
    options = QUIET | {"param_scheme": "symmetric", "store_additional_stats": True}
    compute_differential_expression(adata, "condition", "control", "treated", **options)
    compute_differential_expression(other, "condition", "treated", "control", **options)
    back = "kompot_de_treated_to_control"
    for layer in ("fold_change", "fold_change_zscores"):
        np.testing.assert_array_equal(
            adata.layers[f"{KEY}_{layer}"], -other.layers[f"{back}_{layer}"]
        )
    np.testing.assert_array_equal(adata.var[f"{KEY}_mean_lfc"], -other.var[f"{back}_mean_lfc"])
    np.testing.assert_allclose(
        adata.var[f"{KEY}_mahalanobis"], other.var[f"{back}_mahalanobis"], rtol=1e-9
    )


def test_smaller_tolerance_changes_nothing_that_matters(adata):
    assert_same_genes(table_of(adata, tol=1e-6), table_of(adata, tol=1e-9), rtol=1e-3)


def test_same_names_at_the_top_level():
    assert kompot.compute_differential_expression is compute_differential_expression


# Real data

INTERFERON_STIMULATED = {
    *("ISG15", "IFI6", "ISG20", "IFIT1", "IFIT2", "IFIT3", "MX1", "LY6E", "OAS1", "RSAD2", "IRF7"),
    *("CXCL10", "PLSCR1", "TNFSF10", "UBE2L6", "OASL", "HERC5", "IFI35", "IFI44L", "IFI44", "MX2"),
    *("IFITM3", "EPSTI1", "SAMD9L", "SP110", "STAT1", "XAF1", "BST2", "MT2A", "PSMB9", "SAT1"),
    *("CCL2", "CCL8", "IFITM2", "IFI16", "PSME2", "TYMP", "IDO1", "APOBEC3A", "CXCL11", "GBP1"),
}


def test_interferon_genes_lead_in_stimulated_cells(kang):
    table = compute_differential_expression(
        kang, "condition", "ctrl", "stim", return_full_results=True, progress=False, random_state=0
    )["table"]
    top = table["mahalanobis"].nlargest(20).index
    assert len({name.split("_")[0] for name in top} & INTERFERON_STIMULATED) >= 15
    assert table.loc[["ISG15", "IFI6", "MX1"], "is_de"].all()
    assert (table.loc[top[:15], "mean_lfc"] > 0).all()


def test_residual_and_distances_on_real_diffusion_components(kang):
    results = [
        compute_differential_expression(
            kang, "condition", "ctrl", "stim", return_full_results=True, inplace=False,
            progress=False, null_genes=0, random_state=seed, tol=tol,
        )
        for tol, seed in ((1e-6, 0), (1e-9, 1))
    ]  # fmt: skip
    assert results[0]["model"].features_.residual_mean < 1e-6
    assert results[1]["model"].features_.residual_mean < 1e-9
    assert_same_genes(results[0]["table"], results[1]["table"], rtol=1e-3)


def test_landmarks_of_another_embedding_are_not_used(adata):
    adata.obsm["moved"] = adata.obsm["DM_EigenVectors"] + 1e3

    def source(**options):
        run(adata, **options)
        return kompot.RunInfo(adata).run_info["numerics"]["landmarks_source"]

    assert source(store_landmarks=True, obsm_key="moved") == "computed"
    assert source(result_key="other") == "computed"
    assert source(obsm_key="moved", result_key="same") == "kompot_de"
