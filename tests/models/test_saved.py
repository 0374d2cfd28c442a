import json
import os
import pickle

import numpy as np
import pytest

import kompot
from kompot.gp import KERNELS
from kompot.models import (
    DensityEstimator,
    DifferentialAbundance,
    DifferentialExpression,
    ExpressionModel,
    FunctionEstimator,
    SampleVarianceEstimator,
    load_model,
    save_model,
)


@pytest.fixture
def cells(rng):
    first, second = rng.normal(size=(120, 2)), rng.normal(0.5, 1.0, size=(130, 2))
    values = [np.stack([np.sin(s[:, 0]), s[:, 1], s[:, 0] ** 2], axis=1) for s in (first, second)]
    return first, values[0], second, values[1]


def fitted(name, cells):
    """A fitted model and what it predicts."""
    first, y1, second, y2 = cells
    samples = (np.arange(120) % 3, np.arange(130) % 4)
    if name == "function":
        return FunctionEstimator().fit(first, y1), ["predict", "covariance", "gradient"]
    if name == "density":
        return DensityEstimator().fit(first), ["predict", "variance", "gradient"]
    if name == "expression":
        model = ExpressionModel(use_empirical_variance=True, random_state=1)
        return model.fit(first, y1, sample_indices=samples[0]), ["predict", "std", "gradient"]
    if name == "samples":
        model = SampleVarianceEstimator()
        return model.fit(first, y1, np.array(["a", "b", "c"], object)[samples[0]]), ["predict"]
    if name == "de":
        model = DifferentialExpression(random_state=0)
        return model.fit(first, y1, second, y2), ["predict", "covariance"]
    if name == "de_noise":
        model = DifferentialExpression(random_state=0, use_empirical_variance=True)
        return model.fit(first, y1, second, y2), ["predict"]
    if name == "da_labels":
        return DifferentialAbundance(ratio="labels").fit(first, second), ["predict", "covariance"]
    if name == "de_samples":
        model = DifferentialExpression(random_state=0).fit(
            *cells, condition1_sample_indices=samples[0], condition2_sample_indices=samples[1]
        )
        return model, ["predict"]
    model = DifferentialAbundance().fit(
        first,
        second,
        condition1_sample_indices=samples[0] if name == "da_samples" else None,
        condition2_sample_indices=samples[1] if name == "da_samples" else None,
        ls="evidence" if name == "da" else None,
    )
    return model, ["predict", "covariance"]


NAMES = [
    *("function", "density", "expression", "samples"),
    *("de", "de_samples", "de_noise", "da", "da_samples", "da_labels"),
]


@pytest.mark.parametrize("name", NAMES)
def test_predictions_at_new_cells_are_the_same_to_the_last_bit(name, cells, tmp_path, rng):
    model, methods = fitted(name, cells)
    path = tmp_path / "model.npz"
    model.save(path)
    again = type(model).load(path)
    new = rng.normal(size=(70, 2))
    for method in methods:
        expected, found = getattr(model, method)(new), getattr(again, method)(new)
        if not isinstance(expected, dict):
            expected, found = {method: expected}, {method: found}
        assert list(found) == list(expected)
        for key in expected:
            np.testing.assert_array_equal(found[key], expected[key])
    assert repr(again) == repr(model)
    assert os.listdir(tmp_path) == ["model.npz"]


def test_scores_of_genes_are_the_same(cells, tmp_path):
    model = fitted("de", cells)[0]
    model.save(tmp_path / "model.npz")
    again = load_model(tmp_path / "model.npz")
    for name, values in vars(model.score()).items():
        np.testing.assert_array_equal(getattr(again.score(), name), values)


@pytest.mark.parametrize("kernel", sorted(KERNELS))
def test_every_kernel_is_kept(kernel, cells, tmp_path):
    model = FunctionEstimator(kernel=kernel).fit(*cells[:2])
    model.save(tmp_path / "model.npz")
    again = load_model(tmp_path / "model.npz")
    assert again.features_.kernel == model.features_.kernel
    np.testing.assert_array_equal(again.predict(cells[2]), model.predict(cells[2]))


def test_shared_features_are_kept_once(cells, tmp_path):
    model = fitted("da_samples", cells)[0]
    model.save(tmp_path / "model.npz")
    again = load_model(tmp_path / "model.npz")
    assert again.samples_.features is again.features_
    assert again.density1_.features_ is again.features_


def test_a_model_of_a_run_is_applied_to_other_data(adata, tmp_path):
    old, new = adata[:400].copy(), adata[400:].copy()
    full = kompot.compute_smoothed_expression(old, progress=False, return_full_results=True)
    kompot.save_model(full["model"], tmp_path / "model.npz")
    model = kompot.load_model(tmp_path / "model.npz")
    kompot.compute_smoothed_expression(new, model=model, progress=False)
    expected = full["model"].predict(new.obsm["DM_EigenVectors"])
    np.testing.assert_allclose(new.layers["kompot_smooth_all_smoothed"], expected, rtol=1e-6)


def test_an_unfitted_model_keeps_its_parameters(tmp_path):
    model = DensityEstimator(d=2.5, kernel="matern32", landmarks=np.eye(3))
    model.save(tmp_path / "model.npz")
    again = load_model(tmp_path / "model.npz")
    assert again.d == 2.5
    np.testing.assert_array_equal(again.landmarks, np.eye(3))


def test_what_cannot_be_saved_is_named_and_leaves_no_file(tmp_path, cells):
    path = tmp_path / "model.npz"
    with pytest.raises(TypeError, match=r"ExpressionModel.function_predictor is a function"):
        save_model(ExpressionModel(function_predictor=lambda x: x), path)
    with pytest.raises(TypeError, match="must be one of"):
        save_model({"a": 1}, path)
    with pytest.raises(ValueError, match=r"must end in '\.npz'"):
        save_model(FunctionEstimator(), tmp_path / "model.pkl")
    assert os.listdir(tmp_path) == []
    given = ExpressionModel(function_predictor=FunctionEstimator().fit(*cells[:2]))
    given.save(path)
    np.testing.assert_array_equal(load_model(path).predict(cells[0]), given.predict(cells[0]))


def test_an_interrupted_write_leaves_the_earlier_file(tmp_path, monkeypatch):
    path = tmp_path / "model.npz"
    save_model(FunctionEstimator(sigma=0.5), path)

    def broken(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", broken)
    with pytest.raises(KeyboardInterrupt):
        save_model(FunctionEstimator(sigma=0.7), path)
    assert os.listdir(tmp_path) == ["model.npz"]
    assert load_model(path).sigma == 0.5


def rewritten(path, **changes):
    """The file with changes to its header."""
    with np.load(path) as archive:
        arrays = dict(archive)
    header = json.loads(bytes(arrays.pop("header")).decode()) | changes
    text = np.frombuffer(json.dumps(header).encode(), dtype=np.uint8)
    np.savez(path, header=text, **arrays)


@pytest.fixture
def saved(cells, tmp_path):
    path = tmp_path / "model.npz"
    FunctionEstimator().fit(*cells[:2]).save(path)
    return path


def test_a_file_of_a_later_layout_is_refused(saved):
    rewritten(saved, version=2, kompot_version="9.9")
    with pytest.raises(ValueError, match=r"kompot 9\.9 in layout 2.*Install a newer"):
        load_model(saved)


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "other"},
        {"objects": []},
        {"objects": [{"class": "Popen", "holds": {"args": "ls"}}]},
        {"objects": [{"class": "FeatureMap", "holds": {}}]},
        {"objects": [{"class": "FunctionEstimator", "holds": {"sigma": {"code": "1"}}}]},
        {"objects": [{"class": "FunctionEstimator", "holds": {"sigma": {"array": "gone"}}}]},
    ],
)
def test_foreign_content_is_refused(saved, changes):
    rewritten(saved, **changes)
    with pytest.raises(ValueError, match="is no model that kompot"):
        load_model(saved)


def test_foreign_and_damaged_files_are_refused(saved, tmp_path):
    whole = saved.read_bytes()
    for number, content in enumerate(
        [b"", b"text", pickle.dumps({"a": 1}), whole[: len(whole) // 2], whole[:-4000]]
    ):
        path = tmp_path / f"broken{number}.npz"
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is no model that kompot"):
            load_model(path)
    middle = bytearray(whole)
    middle[len(whole) // 2] ^= 0xFF
    saved.write_bytes(bytes(middle))
    with pytest.raises(ValueError, match="is no model that kompot"):
        load_model(saved)
    np.savez(tmp_path / "arrays.npz", a=np.eye(2))
    np.save(tmp_path / "array.npy", np.eye(2))
    np.savez(tmp_path / "objects.npz", header=np.array([{}], dtype=object))
    for name in ("arrays.npz", "array.npy", "objects.npz"):
        with pytest.raises(ValueError, match="is no model that kompot"):
            load_model(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "none.npz")


def test_another_class_is_refused(saved):
    with pytest.raises(TypeError, match="holds a FunctionEstimator, no DensityEstimator"):
        DensityEstimator.load(saved)


def test_models_of_given_functions_are_saved_with_them(cells, tmp_path):
    first, y1, second, y2 = cells
    given = {
        "function_predictor1": FunctionEstimator().fit(first, y1),
        "function_predictor2": FunctionEstimator().fit(second, y2),
    }
    model = DifferentialExpression(**given).fit(*cells)
    model.save(tmp_path / "model.npz")
    again = load_model(tmp_path / "model.npz")
    for name, values in model.predict(first, compute_mahalanobis=True, progress=False).items():
        found = again.predict(first, compute_mahalanobis=True, progress=False)[name]
        np.testing.assert_array_equal(found, values)
