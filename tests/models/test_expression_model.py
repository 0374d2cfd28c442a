import inspect

import numpy as np
import pytest
from scipy import sparse
from sklearn.base import clone

from kompot.gp.observation_noise import leverage, residual_share
from kompot.models import ExpressionModel, FunctionEstimator, SampleVarianceEstimator


@pytest.fixture
def problem(rng):
    states = rng.normal(size=(240, 2))
    truth = np.stack([np.sin(states[:, 0]), states[:, 1], np.zeros(240)], axis=1)
    return states, truth + rng.normal(0, 0.3, truth.shape)


def fit(states, values, samples=None, sigma=0.3, **options):
    return ExpressionModel(random_state=0, **options).fit(
        states, values, sigma=sigma, ls=3.0, sample_indices=samples
    )


def test_mean_and_covariance_are_those_of_the_function_estimator(problem):
    states, values = problem
    model = fit(states, values, tol=1e-6)
    other = FunctionEstimator(sigma=0.3, ls=3.0, n_landmarks=None).fit(states, values)
    np.testing.assert_array_equal(model.predict(states), other.predict(states))
    np.testing.assert_array_equal(model.covariance(states), other.covariance(states))
    full = model.covariance(states[:9], diag=False)
    np.testing.assert_array_equal(full, other.covariance(states[:9], diag=False))
    np.testing.assert_array_equal(model.predictor(states), model.predict(states))
    assert model.ls == 3.0
    assert model.sigma == 0.3
    assert model.cov_func.name == "matern52"
    assert model.landmarks.shape[1] == 2


def test_leverages_are_the_diagonal_of_the_smoother(problem):
    states, values = problem
    function = fit(states, values).function_
    phi, posterior = function.features_(states), function.posterior_
    smoother = phi @ np.linalg.solve(phi.T @ phi + 0.09 * np.eye(phi.shape[1]), phi.T)
    np.testing.assert_allclose(leverage(posterior, phi), smoother.diagonal(), atol=1e-10)
    kept = np.eye(len(states)) - smoother
    np.testing.assert_allclose(residual_share(posterior, phi), (kept @ kept).diagonal(), atol=1e-10)


def test_observation_variance_equals_the_textbook_formula(problem):
    states, values = problem
    model = fit(states, values, use_empirical_variance=True)
    phi = model.function_.features_(states)
    smoother = phi @ np.linalg.solve(phi.T @ phi + 0.09 * np.eye(phi.shape[1]), phi.T)
    kept = np.eye(len(states)) - smoother
    share = (kept @ kept).diagonal()
    squares = np.square(values - smoother @ values)
    mean = squares.sum(axis=0) / share.sum()
    expected = np.maximum(mean + smoother @ (squares / share[:, None] - mean), 0.05 * mean)
    np.testing.assert_allclose(model.obs_variance(states), expected, atol=1e-9)


def test_observation_variance_follows_the_noise(rng):
    states = rng.uniform(-1, 1, size=(3000, 2))
    noise = np.exp(states[:, :1] - 1.0)
    values = np.sin(states[:, :1]) + noise * rng.normal(size=(3000, 40))
    model = fit(states, values, use_empirical_variance=True, sigma=1.0)
    points = np.array([[-0.7, 0.0], [0.0, 0.0], [0.7, 0.0]])
    found = model.obs_variance(points).mean(axis=1)
    np.testing.assert_allclose(found, np.exp(2.0 * points[:, 0] - 2.0), rtol=0.3)


@pytest.mark.parametrize("sigma", [0.1, 1.0, 5.0])
def test_observation_variance_is_unbiased_whatever_the_noise_of_the_model(rng, sigma):
    states = rng.normal(size=(150, 3))
    values = rng.normal(0, 0.5, size=(150, 2000))
    model = fit(states, values, use_empirical_variance=True, sigma=sigma)
    assert model.obs_variance(states).mean() == pytest.approx(0.25, rel=0.01)


def test_sample_variance_is_that_of_the_samples_fits(problem):
    states, values = problem
    samples = np.arange(240) % 4
    model = fit(states, values, samples)
    other = SampleVarianceEstimator(eps=0.0).fit(
        states, values, samples, estimator_kwargs={"ls": 3.0, "sigma": 0.3, "n_landmarks": None}
    )
    found = model.sample_variance(states)
    np.testing.assert_allclose(found, other.predict(states, diag=True, progress=False), atol=1e-10)
    full = model.sample_variance(states[:7], diag=False)
    np.testing.assert_allclose(full, other.predict(states[:7], progress=False), atol=1e-10)


def test_total_variance_is_the_sum_of_what_there_is(problem):
    states, values = problem
    plain = fit(states, values)
    assert plain.total_variance(states).shape == (240, 1)
    assert plain.std(states) == pytest.approx(np.sqrt(plain.covariance(states) + 1e-8)[:, None])
    model = fit(states, values, np.arange(240) % 3, use_empirical_variance=True)
    parts = model.covariance(states)[:, None] + model.obs_variance(states)
    np.testing.assert_allclose(
        model.total_variance(states), parts + model.sample_variance(states), atol=1e-14
    )
    full = model.total_variance(states[:5], diag=False)
    assert full.shape == (5, 5, 3)
    cells = np.arange(5)
    np.testing.assert_allclose(full[cells, cells], model.total_variance(states[:5]), atol=1e-10)


def test_what_the_model_has_not_is_refused_by_name(problem):
    states, values = problem
    model = fit(states, values)
    assert not model.has_empirical_variance
    assert not model.has_sample_variance
    with pytest.raises(ValueError, match="use_empirical_variance=True"):
        model.obs_variance(states)
    with pytest.raises(ValueError, match="sample_indices"):
        model.sample_variance(states)
    with pytest.raises(ValueError, match="Model not fitted"):
        ExpressionModel().predict(states)
    with pytest.raises(ValueError, match="1 valid group"):
        fit(states, values, np.zeros(240))
    with pytest.raises(ValueError, match="one value for each of 240"):
        fit(states, values, np.zeros(3))
    with pytest.raises(ValueError, match="'eps' must be"):
        fit(states, values, eps=-1.0)


def test_given_functions_stand_in_for_fits(problem):
    states, values = problem
    fitted = fit(states, values, np.arange(240) % 3, use_empirical_variance=True)
    given = ExpressionModel(
        function_predictor=fitted.function_,
        obs_variance_predictor=fitted.obs_variance,
        variance_predictor=fitted.sample_variance,
    )
    for name in ("predict", "covariance", "obs_variance", "sample_variance", "std", "gradient"):
        found = getattr(given, name)(states[:20])
        np.testing.assert_array_equal(found, getattr(fitted, name)(states[:20]))
    bare = ExpressionModel(function_predictor=lambda x: x[:, :1])
    np.testing.assert_array_equal(bare.fit(states, values).predict(states), states[:, :1])
    with pytest.raises(TypeError, match="no method `covariance`"):
        bare.covariance(states)
    with pytest.raises(TypeError, match="`function_predictor` must be callable"):
        ExpressionModel(function_predictor=3).predict(states)
    with pytest.raises(ValueError, match="`variance_predictor`"):
        bare.fit(states, values, sample_indices=np.arange(240) % 2)
    with pytest.raises(ValueError, match="finite numbers"):
        ExpressionModel(function_predictor=lambda x: x[:3]).predict(states)


def test_sparse_batches_and_threads_change_nothing(problem):
    states, values = problem
    dense = fit(states, values, use_empirical_variance=True)
    other = fit(states, sparse.csr_array(values), use_empirical_variance=True, batch_size=7)
    for name in ("predict", "std"):
        np.testing.assert_allclose(
            getattr(other, name)(states), getattr(dense, name)(states), atol=1e-12
        )


def test_inputs_are_not_modified(problem):
    states, values = problem
    before = states.copy(), values.copy()
    fit(states, values, np.arange(240) % 3, use_empirical_variance=True).std(states)
    np.testing.assert_array_equal(states, before[0])
    np.testing.assert_array_equal(values, before[1])


def test_parameter_protocol():
    model = ExpressionModel(20, use_empirical_variance=True, eps=1e-6)
    assert clone(model).get_params() == model.get_params()
    assert set(model.get_params()) == set(inspect.signature(ExpressionModel).parameters)
