import numpy as np
import pytest

import kompot

OPTIONS = {"null_genes": 100, "random_state": 0, "progress": False}
CONDITIONS = ("condition", "control", "treated")


def run(adata, **options):
    return kompot.compute_differential_expression(
        adata, *CONDITIONS, use_empirical_variance=True, **OPTIONS | options
    )


def test_standard_deviations_are_layers_and_zscores_use_them(adata):
    full = run(adata, store_additional_stats=True, return_full_results=True)
    model = full["model"]
    part = model.predict_chunk(np.asarray(adata.obsm["DM_EigenVectors"], float))
    for c, name in ((1, "control"), (2, "treated")):
        stored = adata.layers[f"kompot_de_{name}_std"]
        assert stored.shape == adata.shape
        np.testing.assert_allclose(stored, part[f"condition{c}_std"], rtol=1e-5)
        assert np.ptp(stored, axis=1).min() > 0
    scale = np.hypot(part["condition1_std"], part["condition2_std"])
    expected = part["fold_change"] / scale
    stored = adata.layers["kompot_de_control_to_treated_fold_change_zscores"]
    np.testing.assert_allclose(stored, expected, rtol=1e-3, atol=1e-4)
    assert "kompot_de_control_std" not in adata.obs


def test_fold_changes_stay_and_distances_change(adata):
    plain = adata.copy()
    run(adata)
    kompot.compute_differential_expression(plain, *CONDITIONS, **OPTIONS)
    stem = "kompot_de_control_to_treated_"
    np.testing.assert_array_equal(adata.var[f"{stem}mean_lfc"], plain.var[f"{stem}mean_lfc"])
    name = f"{stem}fold_change"
    np.testing.assert_array_equal(adata.layers[name], plain.layers[name])
    own, shared = (one.var[f"{stem}mahalanobis"] for one in (adata, plain))
    assert not np.allclose(own, shared, rtol=0.01)


def test_a_run_is_recorded_and_repeated_bit_for_bit(adata):
    run(adata)
    info = kompot.RunInfo(adata, -1, "de")
    assert info.call_args()["use_empirical_variance"] is True
    before = adata.copy()
    kompot.compute_differential_expression(
        adata, **info.call_args(), overwrite=True, progress=False
    )
    for name in info.adata_fields["layers"]:
        np.testing.assert_array_equal(adata.layers[name], before.layers[name])
    for name in info.adata_fields["var"]:
        assert adata.var[name].equals(before.var[name])


@pytest.mark.parametrize("significance", ["donor", "cell"])
def test_with_samples(adata, significance):
    run(adata, sample_col="donor", significance=significance, paired=False)
    stem = "kompot_de_control_to_treated_mahalanobis_sample_var"
    assert np.isfinite(adata.var[stem]).all()
    assert adata.layers["kompot_de_control_std"].shape == adata.shape


def test_without_layers_no_standard_deviations_are_stored(adata):
    run(adata, layers="none")
    assert not any("std" in str(name) for name in [*adata.layers, *adata.obs])


def test_saved_models_keep_the_noise(adata, tmp_path):
    model = run(adata, return_full_results=True, layers="none")["model"]
    model.save(tmp_path / "model.npz")
    again = kompot.load_model(tmp_path / "model.npz")
    np.testing.assert_array_equal(again.score().mahalanobis, model.score().mahalanobis)
    np.testing.assert_array_equal(again.null_distances(), model.null_distances())


def test_short_form(adata):
    other = adata.copy()
    run(adata)
    kompot.de(other, *CONDITIONS, gp=kompot.GPSettings(use_empirical_variance=True), **OPTIONS)
    name = "kompot_de_control_to_treated_mahalanobis"
    np.testing.assert_array_equal(adata.var[name], other.var[name])
