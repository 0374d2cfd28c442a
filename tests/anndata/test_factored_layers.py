"""Layers stored as factors hold what dense ones do."""

import logging

import numpy as np
import pytest
from anndata import read_h5ad, read_zarr

import kompot
from kompot.datasets import simulate

CONDITIONS = ("condition", "control", "treated")
KEY = "kompot_de_control_to_treated"
QUIET = {"progress": False, "random_state": 0, "null_genes": 20, "store_additional_stats": True}
IMPUTED = ("kompot_de_control_imputed", "kompot_de_treated_imputed")


def de(adata, *conditions, **options):
    arguments = QUIET | options
    return kompot.compute_differential_expression(adata, *(conditions or CONDITIONS), **arguments)


def made_by(adata, before):
    return sorted(set(adata.layers) - set(before.layers))


@pytest.fixture(scope="module")
def cells():
    adata = simulate(n_cells=300, n_genes=20, n_donors=3, random_state=1)
    del adata.layers["counts"]
    return adata


@pytest.fixture(scope="module", params=[None, "sample"], ids=["cells", "samples"])
def both(cells, request):
    """The same run with dense and with factored layers, and its names of layers."""
    dense, factored = cells.copy(), cells.copy()
    de(dense, sample_col=request.param)
    de(factored, sample_col=request.param, layers="factored")
    return dense, factored, made_by(dense, cells)


def assert_single(found, expected):
    """Equal but for what single precision of values and features leaves."""
    assert found.dtype == np.float32
    scale = np.nanmax(np.abs(expected))
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=1e-6 * max(scale, 1))


def test_factors_make_every_dense_layer(both):
    dense, factored, names = both
    assert len(names) == (6 if "kompot_de_control_std" in names else 4)
    assert not set(factored.layers)
    for name in names:
        assert_single(kompot.get_layer(factored, name), dense.layers[name])
    kompot.densify(factored_copy := factored.copy(), progress=False)
    assert made_by(factored_copy, factored) == names
    for name in names:
        np.testing.assert_array_equal(factored_copy.layers[name], kompot.get_layer(factored, name))


def test_rounding_of_fold_changes_is_that_of_the_fold_change(both):
    # Functions of size 1000 with a difference of size 1: their difference is as exact as a dense
    # layer of it, since both are of the same rounded features.
    _, factored, _ = both
    adata = factored.copy()
    shift = 1000 * adata.varm["kompot_de_control_weights"].mean(axis=0)
    for condition in ("control", "treated"):
        adata.varm[f"kompot_de_{condition}_weights"] += shift
    first, second = (kompot.get_layer(adata, name) for name in IMPUTED)
    change = kompot.get_layer(adata, f"{KEY}_fold_change")
    assert np.abs(first).max() > 500
    expected = kompot.get_layer(factored, f"{KEY}_fold_change")
    np.testing.assert_allclose(change, expected, atol=1e-6)
    assert np.abs((second - first) - expected).max() > np.abs(change - expected).max()


def test_statistics_and_standard_deviations_are_the_same(both):
    dense, factored, _ = both
    for column in dense.var:
        assert dense.var[column].equals(factored.var[column]), column
    for column in set(dense.obs) & set(factored.obs):
        assert dense.obs[column].equals(factored.obs[column]), column


def test_factors_are_small_and_documented(both, cells):
    _, factored, _ = both
    basis = factored.obsm["kompot_de_basis"]
    rank = kompot.RunInfo(factored).run_info["numerics"]["rank"]
    assert basis.shape == (cells.n_obs, rank)
    assert basis.dtype == np.float32
    assert (np.square(basis).sum(axis=1) <= 1 + 1e-5).all()
    weights = factored.varm["kompot_de_control_weights"]
    assert weights.shape == (cells.n_vars, rank)
    assert weights.dtype == np.float64
    status = kompot.get_field_status(factored)
    assert status["obsm"]["basis"] == {"kompot_de_basis": True}
    assert status["varm"]["weights"] == {
        "kompot_de_control_weights": True,
        "kompot_de_treated_weights": True,
    }


def test_functions_are_weights_of_the_model(cells):
    adata = cells.copy()
    result = de(adata, layers="factored", return_full_results=True)
    phi = result["model"].features_(adata.obsm["DM_EigenVectors"])
    np.testing.assert_array_equal(
        adata.varm["kompot_de_treated_weights"], result["model"].posterior2_.weights.T
    )
    np.testing.assert_array_equal(adata.obsm["kompot_de_basis"], phi.astype(np.float32))


@pytest.mark.parametrize("batch_size", [1, 7, 100, None])
def test_batches_do_not_matter(cells, batch_size):
    factored = []
    for size in (64, batch_size):
        adata = cells[:60].copy()
        de(adata, layers="factored", batch_size=size, sample_col="sample", significance="cell")
        factored.append(adata)
    first, second = factored
    np.testing.assert_allclose(
        first.obsm["kompot_de_basis"], second.obsm["kompot_de_basis"], atol=1e-6
    )
    np.testing.assert_array_equal(
        first.varm["kompot_de_control_deviations"], second.varm["kompot_de_control_deviations"]
    )
    np.testing.assert_allclose(
        first.obs["kompot_de_control_posterior_std"],
        second.obs["kompot_de_control_posterior_std"],
        rtol=1e-9,
    )


def test_cells_that_are_left_out_are_missing_and_others_are_not(cells):
    adata = cells.copy()
    labels = adata.obs["condition"].astype(str)
    labels.iloc[:10] = "third"
    adata.obs["condition"] = labels
    excluded = np.zeros(adata.n_obs, dtype=bool)
    excluded[5:30] = True
    dense = adata.copy()
    de(adata, layers="factored", cell_filter=excluded)
    de(dense, cell_filter=excluded)
    for name in (*IMPUTED, f"{KEY}_fold_change", f"{KEY}_fold_change_zscores"):
        found = kompot.get_layer(adata, name)
        assert np.isnan(found[excluded]).all()
        assert np.isfinite(found[~excluded]).all()
        assert_single(found[~excluded], dense.layers[name][~excluded])


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_files_hold_factors(both, tmp_path, kind):
    _, factored, names = both
    path = tmp_path / f"cells.{kind}"
    getattr(factored.copy(), f"write_{kind}")(path)
    found = {"h5ad": read_h5ad, "zarr": read_zarr}[kind](path)
    for name in names:
        np.testing.assert_array_equal(
            kompot.get_layer(found, name), kompot.get_layer(factored, name)
        )


def test_copies_and_subsets_of_the_data_have_their_part(both):
    _, factored, names = both
    part = factored[10:200:3, ::2]
    for name in names:
        expected = kompot.get_layer(factored, name)[10:200:3, ::2]
        np.testing.assert_array_equal(kompot.get_layer(part, name), expected)
        np.testing.assert_array_equal(kompot.get_layer(part.copy(), name), expected)


# Some genes only


def test_genes_that_are_not_tested_keep_weights_of_the_same_features(cells):
    adata = cells.copy()
    de(adata, layers="factored", sample_col="sample")
    before = {name: kompot.get_layer(adata, name) for name in IMPUTED}
    weights = adata.varm["kompot_de_treated_weights"].copy()
    chosen = list(adata.var_names[[3, 8]])
    de(adata, layers="factored", sample_col="sample", genes=chosen, overwrite=True)
    np.testing.assert_array_equal(adata.varm["kompot_de_treated_weights"], weights)
    for name, layer in before.items():
        np.testing.assert_allclose(kompot.get_layer(adata, name), layer, atol=1e-6)
    assert np.isfinite(kompot.get_layer(adata, "kompot_de_control_std")).all()


def test_genes_that_are_not_tested_lose_weights_of_other_features(cells, caplog):
    adata = cells.copy()
    de(adata, layers="factored")
    chosen = list(adata.var_names[[3, 8]])
    with caplog.at_level(logging.WARNING, logger="kompot"):
        de(adata, layers="factored", genes=chosen, random_state=1, overwrite=True)
    assert "kompot_de_control_weights" in caplog.text
    assert "other features" in caplog.text
    layer = kompot.get_layer(adata, IMPUTED[0])
    tested = adata.var_names.isin(chosen)
    assert np.isfinite(layer[:, tested]).all()
    assert np.isnan(layer[:, ~tested]).all()
    alone = cells.copy()
    de(alone, layers="factored", genes=chosen, random_state=1)
    np.testing.assert_array_equal(layer, kompot.get_layer(alone, IMPUTED[0]))


def test_weights_of_yet_another_run_are_not_mistaken_for_those_of_the_same_features(cells):
    # The basis of run 2 is that of run 0, but run 1 wrote the weights in another.
    adata = cells.copy()
    options = {"layers": "factored", "overwrite": True}
    de(adata, **options)
    de(adata, random_state=1, **options)
    de(adata, random_state=0, genes=list(adata.var_names[:4]), **options)
    assert np.isnan(kompot.get_layer(adata, IMPUTED[1])[:, 4:]).all()


def test_dense_layers_of_some_genes_keep_what_was_stored_as_factors(cells):
    adata = cells.copy()
    de(adata, layers="factored")
    before = {name: kompot.get_layer(adata, name) for name in IMPUTED}
    chosen = list(adata.var_names[[3, 8]])
    de(adata, genes=chosen, sigma=2.0, batch_size=64, overwrite=True)
    tested = adata.var_names.isin(chosen)
    for name, layer in before.items():
        np.testing.assert_array_equal(adata.layers[name][:, ~tested], layer[:, ~tested])
        assert (adata.layers[name][:, tested] != layer[:, tested]).any()


# Several runs


def three_conditions(cells):
    adata = cells.copy()
    labels = adata.obs["condition"].astype(str).to_numpy()
    labels[::3] = "third"
    adata.obs["condition"] = labels
    return adata


def test_factors_of_two_comparisons_under_one_key_are_not_mixed(cells):
    adata = three_conditions(cells)
    de(adata, layers="factored")
    with pytest.warns(UserWarning, match="kompot_de_basis, kompot_de_control_weights"):
        de(adata, "condition", "control", "third", layers="factored", random_state=5)
    with pytest.raises(ValueError, match="of which run 1 replaced some"):
        kompot.get_layer(adata, f"{KEY}_fold_change")
    with pytest.raises(ValueError, match="of which run 1 replaced some"):
        kompot.densify(adata, 0)
    expected = three_conditions(cells)
    de(expected, "condition", "control", "third", random_state=5)
    for name in ("kompot_de_control_imputed", "kompot_de_control_to_third_fold_change"):
        assert_single(kompot.get_layer(adata, name), expected.layers[name])


def test_comparisons_with_the_same_features_share_them(cells):
    adata = three_conditions(cells)
    options = {"landmarks": adata.obsm["DM_EigenVectors"][::4], "layers": "factored"}
    de(adata, **options)
    before = kompot.get_layer(adata, f"{KEY}_fold_change")
    de(adata, "condition", "control", "third", overwrite=True, **options)
    np.testing.assert_array_equal(kompot.get_layer(adata, f"{KEY}_fold_change"), before)
    kompot.cleanup(adata, run_ids=1)
    assert "kompot_de_basis" in adata.obsm  # run 0 needs it
    assert "kompot_de_third_weights" not in adata.varm
    kompot.cleanup(adata)
    assert "kompot_de_basis" not in adata.obsm


def test_the_newest_run_counts(cells):
    adata = cells.copy()
    de(adata, layers="factored")
    first = kompot.get_layer(adata, IMPUTED[0])
    de(adata, sigma=3.0, overwrite=True)
    dense = adata.layers[IMPUTED[0]]
    np.testing.assert_array_equal(kompot.get_layer(adata, IMPUTED[0]), dense)
    assert np.abs(first - dense).max() > 0.01
    de(adata, layers="factored", overwrite=True)
    np.testing.assert_array_equal(kompot.get_layer(adata, IMPUTED[0]), first)
    np.testing.assert_array_equal(adata.layers[IMPUTED[0]], dense)


def test_runs_with_keys_of_their_own_stay(cells):
    adata = cells.copy()
    de(adata, layers="factored")
    before = kompot.get_layer(adata, IMPUTED[0])
    de(adata, layers="factored", result_key="other", sigma=2.0, random_state=4)
    np.testing.assert_array_equal(kompot.get_layer(adata, IMPUTED[0]), before)
    assert np.abs(kompot.get_layer(adata, "other_control_imputed") - before).max() > 1e-3


def test_overwriting_is_refused_or_warned_of(cells):
    adata = cells.copy()
    de(adata, layers="factored")
    with pytest.raises(ValueError, match="kompot_de_basis"):
        de(adata, layers="factored", null_genes=0, compute_mahalanobis=False, overwrite=False)


def test_error_leaves_the_data_as_they_were(cells, monkeypatch):
    adata = cells.copy()

    def fail(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr("kompot.anndata.expression_layers.factor_values", fail)
    with pytest.raises(KeyboardInterrupt):
        de(adata, layers="factored")
    assert set(adata.obsm) == set(cells.obsm)
    assert set(adata.varm) == set(cells.varm)
    assert set(adata.uns) == set(cells.uns)


def test_a_condition_with_one_sample_has_no_deviations(cells, tmp_path):
    adata = cells.copy()
    sample = adata.obs["sample"].astype(str).to_numpy()
    sample[(adata.obs["condition"] == "treated").to_numpy()] = "one"
    adata.obs["sample"] = sample
    options = {"sample_col": "sample", "significance": "cell"}
    dense = adata.copy()
    de(adata, layers="factored", allow_single_condition_variance=True, **options)
    de(dense, allow_single_condition_variance=True, **options)
    assert adata.varm["kompot_de_treated_deviations"].shape[1] == 0
    adata.write_h5ad(tmp_path / "one.h5ad")
    found = read_h5ad(tmp_path / "one.h5ad")
    for name in made_by(dense, cells):
        assert_single(kompot.get_layer(found, name), dense.layers[name])
    kompot.densify(found, progress=False)
    assert found.layers["kompot_de_treated_std"].shape == adata.shape
