import json

import numpy as np
import pytest
from anndata import read_h5ad

import kompot
from kompot.models import ExpressionModel
from kompot.settings import GPSettings, OutputSettings, SmoothingSettings, StorageSettings

QUIET = {"progress": False, "random_state": 0}
LAYERS = ["kompot_smooth_treated_smoothed", "kompot_smooth_treated_std"]


def smooth(adata, condition="treated", **options):
    groupby = None if condition is None else "condition"
    return kompot.compute_smoothed_expression(adata, groupby, condition, **QUIET | options)


def names(adata):
    return sorted(name for name in adata.layers if name is not None and "smooth" in name)


def test_layers_are_the_models_predictions_at_every_cell(adata):
    full = smooth(adata, return_full_results=True)
    model = full["model"]
    assert names(adata) == LAYERS
    states = np.asarray(adata.obsm["DM_EigenVectors"], float)
    for name, values in zip(LAYERS, (model.predict(states), model.std(states)), strict=True):
        assert adata.layers[name].dtype == np.float32
        expected = np.broadcast_to(values, adata.shape)
        np.testing.assert_allclose(adata.layers[name], expected, rtol=1e-6, atol=1e-6)
    assert full["field_names"] == {"smoothed_key": LAYERS[0], "std_key": LAYERS[1]}
    table = full["table"]
    assert list(table.index) == list(adata.var_names)
    np.testing.assert_allclose(table["mean_smoothed"], model.predict(states).mean(axis=0))
    np.testing.assert_allclose(table["mean_std"], model.std(states).mean())


def test_functions_are_those_of_differential_expression(adata):
    kompot.compute_differential_expression(
        adata, "condition", "treated", "control", null_genes=0, **QUIET
    )
    smooth(adata)
    expected = adata.layers["kompot_de_treated_imputed"]
    np.testing.assert_allclose(adata.layers[LAYERS[0]], expected, atol=2e-3)


def test_all_variances_are_stored_with_samples_and_noise(adata):
    smooth(adata, sample_col="donor", use_empirical_variance=True)
    parts = ["obs_variance", "sample_variance", "smoothed", "std"]
    assert names(adata) == [f"kompot_smooth_treated_{part}" for part in parts]
    noise, samples, _, std = (adata.layers[name] for name in names(adata))
    assert (noise > 0).all()
    assert (samples >= 0).all()
    assert (std**2 > noise + samples - 1e-6).all()


@pytest.mark.parametrize("groupby", [None, "condition"])
def test_all_cells_without_a_condition(adata, groupby):
    kompot.compute_smoothed_expression(adata, groupby, **QUIET)
    assert names(adata) == ["kompot_smooth_all_smoothed", "kompot_smooth_all_std"]
    info = kompot.RunInfo(adata, analysis_type="smooth")
    assert info.get_summary()["conditions"] == "all cells"


def test_genes_that_were_not_chosen_are_nan_and_keep_earlier_values(adata):
    chosen = list(adata.var_names[[5, 2]])
    smooth(adata, genes=chosen)
    layer = adata.layers[LAYERS[0]]
    known = np.flatnonzero(np.isfinite(layer).all(axis=0))
    assert known.tolist() == [2, 5]
    assert np.isnan(np.delete(layer, known, axis=1)).all()
    smooth(adata, genes=[adata.var_names[7]], overwrite=True)
    assert np.flatnonzero(np.isfinite(adata.layers[LAYERS[0]]).all(axis=0)).tolist() == [2, 5, 7]


def test_a_run_is_recorded_read_repeated_and_cleaned_up(adata, tmp_path):
    smooth(adata, use_empirical_variance=True)
    path = tmp_path / "smooth.h5ad"
    adata.write_h5ad(path)
    again = read_h5ad(path)
    info = kompot.RunInfo(again, analysis_type="smooth")
    assert info.run_info["function"] == "compute_smoothed_expression"
    assert json.loads(again.uns["kompot_smooth"]["run_history"])[0]["result_key"] == "kompot_smooth"
    assert not info.missing_fields
    assert info.to_settings()["gp"].use_empirical_variance
    status = kompot.get_field_status(again, analysis_type="smooth")["layers"]
    assert sorted(status) == ["obs_variance", "smoothed", "std"]

    before = {name: again.layers[name] for name in names(again)}
    kompot.cleanup(again, analysis_type="smooth", keep_layers=["std"])
    assert names(again) == [LAYERS[1]]
    del again.layers[LAYERS[1]]
    kompot.compute_smoothed_expression(again, **info.call_args(), progress=False)
    for name, values in before.items():
        np.testing.assert_array_equal(again.layers[name], values)
    assert "smoothed" in info._repr_html_()


def test_settings_objects_give_the_same(adata):
    other = adata.copy()
    smooth(adata, sigma=0.5, use_empirical_variance=True)
    kompot.smooth_expression(
        other,
        "condition",
        "treated",
        gp=GPSettings(random_state=0, batch_size=500, use_empirical_variance=True),
        output=OutputSettings(progress=False),
        storage=StorageSettings(overwrite=True),
        sigma=0.5,
    )
    for name in names(adata):
        np.testing.assert_array_equal(other.layers[name], adata.layers[name])
    first, second = (kompot.RunInfo(one, analysis_type="smooth") for one in (adata, other))
    assert first.call_args() == second.call_args() | {"ls_factor": 10.0}


def test_a_fitted_model_is_evaluated_without_a_fit(adata):
    full = smooth(adata, return_full_results=True)
    other = adata.copy()
    other.layers.clear()
    kompot.smooth_expression(
        other, "condition", "treated", model=full["model"], output=OutputSettings(progress=False)
    )
    for name in LAYERS:
        np.testing.assert_array_equal(other.layers[name], adata.layers[name])
    given = ExpressionModel(function_predictor=full["model"].function_)
    smooth(other, model=given, overwrite=True)
    np.testing.assert_array_equal(other.layers[LAYERS[0]], adata.layers[LAYERS[0]])
    with pytest.raises(ValueError, match="60 genes but 1 are to be smoothed"):
        smooth(other, model=given, genes=[adata.var_names[0]], overwrite=True)
    with pytest.raises(ValueError, match=r"60 genes .*, others than the 60"):
        smooth(other[:, ::-1].copy(), model=full["model"], overwrite=True)
    with pytest.raises(TypeError, match="`model` must be a fitted"):
        smooth(other, model=3)


def test_copy_and_inplace(adata):
    changed = smooth(adata, copy=True)
    assert names(adata) == []
    assert names(changed) == LAYERS
    full = smooth(adata, inplace=False, return_full_results=True, layers="none")
    assert names(adata) == []
    assert "kompot_smooth" not in adata.uns
    assert len(full["table"]) == adata.n_vars


@pytest.mark.parametrize("samples", [None, "donor"])
def test_factored_layers_hold_the_same_in_less(adata, samples):
    other = adata.copy()
    smooth(adata, sample_col=samples)
    full = smooth(other, sample_col=samples, layers="factored", return_full_results=True)
    assert names(other) == []
    assert set(other.obsm) - set(adata.obsm) == {"kompot_smooth_treated_basis"}
    for name in LAYERS:
        made = kompot.get_layer(other, name)
        np.testing.assert_allclose(made, adata.layers[name], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        full["table"]["mean_smoothed"], adata.layers[LAYERS[0]].mean(axis=0), rtol=1e-4
    )
    info = kompot.RunInfo(other, -1, "smooth")
    assert not info.missing_fields
    kompot.compute_smoothed_expression(other, **info.call_args(), overwrite=True, progress=False)
    kompot.cleanup(other, analysis_type="smooth", keep_obs_fields=False)
    assert not any("kompot_smooth" in name for name in [*other.obsm, *other.varm, *other.obs])


def test_factors_there_are_none_of_are_refused(adata):
    with pytest.raises(ValueError, match="no factors of use_empirical_variance"):
        smooth(adata, layers="factored", use_empirical_variance=True)
    given = ExpressionModel(function_predictor=smooth(adata, return_full_results=True)["model"])
    with pytest.raises(ValueError, match="no factors of a function that was given"):
        smooth(adata, layers="factored", model=given, result_key="other")


def test_layers_in_files_are_the_same(adata, tmp_path):
    other = adata.copy()
    smooth(adata)
    smooth(other, store_arrays_on_disk=True, disk_storage_dir=str(tmp_path))
    for name in LAYERS:
        np.testing.assert_array_equal(other.layers[name], adata.layers[name])


def test_cells_without_a_state_have_no_values(adata):
    control = np.flatnonzero(adata.obs["condition"] == "control")[:3]
    adata.obsm["DM_EigenVectors"][control] = np.nan
    smooth(adata)
    missing = np.isnan(adata.layers[LAYERS[0]]).all(axis=1)
    assert np.flatnonzero(missing).tolist() == control.tolist()


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"groupby": None, "condition": "treated"}, ValueError, "`groupby` is None"),
        ({"groupby": "nothing"}, ValueError, "Column 'nothing' not found"),
        ({"condition": "other"}, ValueError, "Available values"),
        ({"obsm_key": "X_none"}, ValueError, "X_none"),
        ({"layer": "none"}, ValueError, "Layer 'none' not found"),
        ({"genes": []}, ValueError, "empty"),
        ({"genes": ["no gene"]}, ValueError, "not found in adata.var_names"),
        ({"sample_col": "condition"}, ValueError, "column of the condition"),
        ({"sample_col": "nothing"}, ValueError, "Column 'nothing' not found"),
        ({"sigma": 0.0}, ValueError, "'sigma'"),
        ({"layers": "none"}, ValueError, "leave nothing"),
        ({"jit_compile": 1}, TypeError, "'jit_compile'"),
        ({"nonsense": 1}, TypeError, "nonsense"),
    ],
)
def test_bad_input_is_refused_and_the_data_left_alone(adata, options, error, text):
    before = adata.copy()
    wanted = {"groupby": "condition", "condition": "treated"} | options
    with pytest.raises(error, match=text):
        kompot.compute_smoothed_expression(adata, **wanted, progress=False)
    assert names(adata) == names(before)
    assert list(adata.uns) == list(before.uns)


def test_missing_expression_and_labels_are_refused(adata):
    adata.obs["sample"] = adata.obs["donor"].astype(object)
    adata.obs.loc[adata.obs_names[adata.obs["condition"] == "treated"][:2], "sample"] = None
    with pytest.raises(ValueError, match=r"2 of .* cells to be fitted have no value"):
        smooth(adata, sample_col="sample")
    adata.X = np.asarray(adata.X.todense() if hasattr(adata.X, "todense") else adata.X)
    adata.X[np.flatnonzero(adata.obs["condition"] == "treated")[0], 1] = np.nan
    with pytest.raises(ValueError, match="1 NaN"):
        smooth(adata)
    with pytest.raises(TypeError, match="'gp' must be GPSettings"):
        kompot.smooth_expression(adata, gp={"sigma": 1})
    with pytest.raises(TypeError, match="AnnData"):
        kompot.smooth_expression(np.eye(3))


@pytest.mark.parametrize("unknown", ["layers", "n_landmark", "given"])
def test_unknown_options_are_told_from_those_that_objects_hold(adata, unknown):
    with pytest.raises(TypeError, match=rf"Unknown arguments: \['{unknown}'\]") as refused:
        kompot.smooth_expression(adata, **{unknown: None})
    hint, known = str(refused.value).split("Known arguments: ")
    assert f"Did you mean '{unknown}'" not in hint
    assert f"'{unknown}'" not in known
    assert ("Did you mean 'n_landmarks'?" in hint) == (unknown == "n_landmark")


def test_the_rule_for_results_that_exist(adata):
    smooth(adata)
    with pytest.warns(UserWarning, match=r"already exist.*smoothing treated") as caught:
        smooth(adata)
    assert caught[0].filename == __file__
    with pytest.raises(ValueError, match="Set overwrite=True"):
        smooth(adata, overwrite=False)
    smooth(adata, "control")
    assert len(names(adata)) == 4


def test_samples_are_added_with_the_seed_that_was_drawn(adata, caplog):
    smooth(adata, random_state=None)
    before = adata.layers[LAYERS[0]].copy()
    with caplog.at_level("INFO", "kompot"):
        smooth(adata, random_state=None, sample_col="donor")
    assert "Samples are added; what does not depend on them stays the same." in caplog.text
    runs = json.loads(adata.uns["kompot_smooth"]["run_history"])
    seeds = [one["params"]["gp"]["random_state"] for one in runs]
    assert seeds[0] == seeds[1]
    np.testing.assert_array_equal(adata.layers[LAYERS[0]], before)


def test_an_interrupt_leaves_the_data_as_they_were(adata, monkeypatch):
    import kompot.anndata.smoothing_layers as layers

    smooth(adata)
    before = {name: adata.layers[name].copy() for name in names(adata)}
    history = adata.uns["kompot_smooth"]["run_history"]

    def broken(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(layers, "_parts", broken)
    with pytest.raises(KeyboardInterrupt):
        smooth(adata, sigma=3.0, overwrite=True)
    for name, values in before.items():
        np.testing.assert_array_equal(adata.layers[name], values)
    assert adata.uns["kompot_smooth"]["run_history"] == history


def test_stored_landmarks_are_used_again(adata):
    smooth(adata, store_landmarks=True)
    stored = adata.uns["kompot_smooth"]["landmarks"]
    full = smooth(adata, "control", return_full_results=True)
    np.testing.assert_array_equal(np.sort(full["model"].landmarks, 0), np.sort(stored, 0))


def test_default_settings_have_the_key_of_smoothing():
    from kompot.settings import Smoothing

    assert SmoothingSettings(Smoothing()).storage.result_key == "kompot_smooth"
