"""Differential abundance whose ratio comes from the labels of the cells."""

import numpy as np
import pytest

import kompot
from kompot import DifferentialAbundance
from kompot.gp.features import FeatureMap

CONDITIONS = ("condition", "control", "treated")


@pytest.fixture
def cells(rng):
    return rng.normal(size=(300, 2)), rng.normal([0.8, 0.0], 1.0, size=(200, 2))


@pytest.fixture
def model(cells):
    return DifferentialAbundance(ratio="labels").fit(*cells)


@pytest.fixture
def places(cells):
    return np.vstack(cells)[::7]


def test_the_ratio_is_nearer_to_the_truth_than_that_of_densities(model, cells, places):
    truth = 0.8 * places[:, 0] - 0.32
    errors = [
        np.sqrt(np.mean((one.predict(places, progress=False)["log_fold_change"] - truth) ** 2))
        for one in (model, DifferentialAbundance().fit(*cells))
    ]
    assert errors[0] < 0.6 * errors[1]


def test_the_log_densities_differ_by_the_ratio_and_keep_their_mean(model, cells, places):
    found = model.predict(places, progress=False)
    difference = found["log_density_condition2"] - found["log_density_condition1"]
    np.testing.assert_allclose(difference, found["log_fold_change"])
    plain = DifferentialAbundance().fit(*cells).predict(places, progress=False)
    conditions = ("log_density_condition1", "log_density_condition2")
    ours, theirs = (sum(one[name] for name in conditions) for one in (found, plain))
    np.testing.assert_allclose(ours, theirs)


def test_variance_covariance_and_mean_agree(model, places):
    found = model.predict(places, progress=False)
    covariance = model.covariance(places)
    np.testing.assert_allclose(
        np.diag(covariance) + model.eps, found["log_fold_change_uncertainty"]
    )
    mean, variance = model.mean_fold_change(places)
    assert mean == pytest.approx(found["log_fold_change"].mean())
    assert variance == pytest.approx(covariance.mean() + model.eps, rel=1e-3)


def test_features_are_evaluated_once_for_each_map(model, places, monkeypatch):
    evaluated = []
    original = FeatureMap.__call__
    monkeypatch.setattr(
        FeatureMap, "__call__", lambda m, s: evaluated.append(len(s)) or original(m, s)
    )
    for call in (model.mean_fold_change, model.covariance, model._predict_chunk):
        evaluated.clear()
        call(places)
        assert evaluated == [len(places)] * 2  # those of the densities and of the ratio


def test_exchanging_the_conditions_changes_the_sign(cells, places):
    one = DifferentialAbundance(ratio="labels").fit(*cells, sync_parameters=True)
    other = DifferentialAbundance(ratio="labels").fit(*cells[::-1], sync_parameters=True)
    a, b = (m.predict(places, progress=False)["log_fold_change_zscore"] for m in (one, other))
    np.testing.assert_allclose(a, -b, atol=1e-7)


@pytest.mark.parametrize("of", ["fold_change", "condition1", "condition2"])
def test_gradients_are_those_of_what_is_predicted(model, of):
    names = {
        "fold_change": "log_fold_change",
        "condition1": "log_density_condition1",
        "condition2": "log_density_condition2",
    }
    place, step = np.array([[0.3, -0.4]]), 1e-5
    moves = step * np.vstack([np.eye(2), -np.eye(2)])
    values = model.predict(place + moves, progress=False)[names[of]]
    expected = (values[:2] - values[2:]) / (2 * step)
    np.testing.assert_allclose(model.gradient(place, of)[0], expected, rtol=1e-5, atol=1e-7)


def test_a_saved_model_predicts_the_same_to_the_last_bit(model, places, tmp_path):
    kompot.save_model(model, tmp_path / "model.npz")
    again = kompot.load_model(tmp_path / "model.npz")
    one, other = (m.predict(places, progress=False) for m in (model, again))
    np.testing.assert_array_equal(one["log_fold_change_zscore"], other["log_fold_change_zscore"])


def test_a_given_length_scale_is_used(cells):
    model = DifferentialAbundance(ratio="labels").fit(*cells, ls=2.5)
    assert model.ratio_.features.kernel.length_scale == 2.5


def test_unknown_ratios_and_given_densities_are_refused(cells):
    with pytest.raises(ValueError, match="'ratio' must be one of"):
        DifferentialAbundance(ratio="odds").fit(*cells)
    density = kompot.DensityEstimator().fit(cells[0])
    given = {"density_predictor1": density, "density_predictor2": density}
    with pytest.raises(ValueError, match="ratio='labels' needs cells"):
        DifferentialAbundance(ratio="labels", **given).fit(*cells)


def test_it_runs_on_annotated_data_and_is_recorded(rng):
    adata = kompot.datasets.simulate(n_cells=300, n_genes=2, random_state=0)
    options = {"ratio": "labels", "progress": False}
    with pytest.warns(UserWarning, match="sample_col"):
        kompot.compute_differential_abundance(adata, *CONDITIONS, **options)
    change = adata.obs["kompot_da_control_to_treated_lfc"].copy()
    run = kompot.RunInfo(adata, analysis_type="da")
    assert run.call_args()["ratio"] == "labels"
    assert run.run_info["numerics"]["ratio"]["gradient_norm"] < 1e-6
    with pytest.warns(UserWarning, match="sample_col"):
        kompot.da(adata, *CONDITIONS, overwrite=True, **options)
    np.testing.assert_array_equal(adata.obs["kompot_da_control_to_treated_lfc"], change)
    kompot.compute_differential_abundance(
        adata, *CONDITIONS, sample_col="sample", overwrite=True, **options
    )
    np.testing.assert_array_equal(adata.obs["kompot_da_control_to_treated_lfc"], change)
