import inspect

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone

from kompot.models import DensityEstimator, FunctionEstimator


@pytest.fixture
def problem(rng):
    states = rng.normal(size=(200, 3))
    values = np.stack([np.sin(states[:, 0]), states[:, 1]], axis=1)
    return states, values + rng.normal(0, 0.2, values.shape)


def test_smooth_function_is_recovered(problem):
    states, values = problem
    model = FunctionEstimator(sigma=0.2, ls=3.0).fit(states, values)
    inner = np.abs(states).max(axis=1) < 1.5
    error = model.predict(states)[inner] - np.stack([np.sin(states[:, 0]), states[:, 1]], 1)[inner]
    assert np.sqrt((error**2).mean()) < 0.1


def test_sparse_equals_dense_and_one_gene_equals_many(problem):
    states, values = problem
    dense = FunctionEstimator(ls=3.0).fit(states, values).predict(states)
    for kind in (sparse.csr_array, sparse.csc_matrix):
        other = FunctionEstimator(ls=3.0).fit(states, kind(values)).predict(states)
        np.testing.assert_allclose(other, dense, atol=1e-12)
    alone = FunctionEstimator(ls=3.0).fit(states, values[:, 0]).predict(states)
    assert alone.shape == (200,)
    np.testing.assert_allclose(alone, dense[:, 0], atol=1e-12)


def test_covariance_is_consistent_and_small_at_data(problem):
    states, values = problem
    model = FunctionEstimator(ls=3.0, sigma=0.2).fit(states, values)
    full = model.covariance(states, diag=False)
    np.testing.assert_allclose(full.diagonal(), model.covariance(states), atol=1e-10)
    assert np.linalg.eigvalsh(full).min() > -1e-9
    far = np.full((1, 3), 1000.0)
    assert model.covariance(far)[0] == pytest.approx(1.0)
    assert model.covariance(states).max() < 0.5


def test_batches_change_nothing(problem):
    states, values = problem
    model = FunctionEstimator(ls=3.0, batch_size=7).fit(states, values)
    batched = model.predict(states)
    whole = model.set_params(batch_size=None).predict(states)
    np.testing.assert_allclose(batched, whole, atol=1e-12)


def test_parameter_protocol(problem):
    model = FunctionEstimator(sigma=0.3, tol=1e-4)
    twin = clone(model)
    assert twin.get_params() == model.get_params()
    assert set(model.get_params()) == set(inspect.signature(FunctionEstimator).parameters)
    assert repr(twin) == "FunctionEstimator(sigma=0.3, tol=0.0001)"
    with pytest.raises(ValueError, match="has no parameter 'sgma'"):
        model.set_params(sgma=1.0)


@pytest.mark.parametrize(
    ("states", "values", "match"),
    [
        (np.zeros((0, 2)), np.zeros(0), "`X` must be a non-empty matrix"),
        (
            np.array([[1.0], [np.nan]]),
            np.zeros(2),
            r"`X` holds NaN, .* values in 1 of 2",
        ),
        (np.eye(3), np.zeros(4), "`y` has 4 rows but there are 3 cells"),
        (np.eye(3), np.array([1.0, np.inf, 0.0]), "`y` holds NaN, infinite or huge"),
        (np.eye(3), np.array(["a", "b", "c"]), "`y` must hold numbers"),
        (np.array([["a"]]), np.zeros(1), "`X` must be a non-empty matrix of numbers"),
    ],
)
def test_bad_arrays_are_refused(states, values, match):
    with pytest.raises(ValueError, match=match):
        FunctionEstimator().fit(states, values)


def test_bad_use_is_refused(problem):
    states, values = problem
    with pytest.raises(ValueError, match="Model not fitted"):
        FunctionEstimator().predict(states)
    with pytest.raises(ValueError, match="`sigma` must be a positive finite number, got 0"):
        FunctionEstimator(sigma=0.0).fit(states, values)
    with pytest.raises(ValueError, match="`X` has 2 dimensions but the model was made with 3"):
        FunctionEstimator(ls=1.0).fit(states, values).predict(states[:, :2])


@pytest.mark.parametrize("model", [FunctionEstimator, DensityEstimator])
def test_landmarks_of_another_width_are_named(problem, model):
    states, values = problem
    with pytest.raises(ValueError, match=r"`landmarks` has 2 dimensions but .* with 3"):
        model(landmarks=states[:20, :2]).fit(states, values)
    fitted = model(landmarks=states[:20], ls=3.0).fit(states, values)
    assert fitted.features_.rank <= 20
