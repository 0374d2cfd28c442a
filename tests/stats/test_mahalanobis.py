import numpy as np
import pytest
from scipy import stats

from kompot.gp import Matern52, SufficientStatistics, fit_features, fit_posterior
from kompot.stats.mahalanobis import (
    difference_covariance,
    landmark_jitter,
    mahalanobis,
    null_spectrum,
)


def posterior_of(phi, values, sigma=1.0):
    return fit_posterior(SufficientStatistics.of(phi, values), sigma)


@pytest.fixture
def fitted(rng):
    """Features and the posteriors of two conditions with 5 genes."""
    states = rng.normal(size=(150, 2))
    features = fit_features(states, Matern52(2.0), tol=1e-5, rng=rng)
    phi = features(states)
    values = rng.normal(size=(150, 5))
    return features, posterior_of(phi[:90], values[:90]), posterior_of(phi[90:], values[90:])


@pytest.mark.parametrize("eps", [0.0, 1e-8, 1e-2])
def test_distance_equals_the_one_at_the_landmarks(fitted, eps):
    """Whitened coordinates and function values at the landmarks give one number."""
    features, first, second = fitted
    delta = second.weights - first.weights
    total = difference_covariance(first.covariance, second.covariance, features.factor, eps)
    at_landmarks = features(features.landmarks)
    covariance = at_landmarks @ (first.covariance + second.covariance) @ at_landmarks.T
    covariance += eps * np.eye(len(covariance))
    change = at_landmarks @ delta
    expected = np.sqrt(np.einsum("ij,ij->j", change, np.linalg.solve(covariance, change)))
    np.testing.assert_allclose(mahalanobis(delta, total), expected, rtol=1e-6)


def test_distance_is_a_norm(fitted, rng):
    features, first, second = fitted
    total = difference_covariance(first.covariance, second.covariance, features.factor, 1e-8)
    delta = rng.normal(size=(features.rank, 4))
    distance = mahalanobis(delta, total)
    np.testing.assert_allclose(mahalanobis(-3.0 * delta, total), 3.0 * distance)
    np.testing.assert_allclose(mahalanobis(0.0 * delta, total), 0.0)
    rotation = np.linalg.qr(rng.normal(size=total.shape))[0]
    np.testing.assert_allclose(
        mahalanobis(rotation @ delta, rotation @ total @ rotation.T), distance
    )
    assert (mahalanobis(delta[:, :1] + delta[:, 1:2], total) <= distance[0] + distance[1]).all()


def test_one_gene_does_not_depend_on_the_others(fitted):
    features, first, second = fitted
    delta = second.weights - first.weights
    total = difference_covariance(first.covariance, second.covariance, features.factor, 1e-8)
    together = mahalanobis(delta, total)
    alone = [mahalanobis(delta[:, [g]], total)[0] for g in range(delta.shape[1])]
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_null_spectrum_is_the_distribution_of_the_squared_distance(rng):
    """Simulated noise around one function: mean, variance and tail of D^2."""
    states = rng.normal(size=(200, 1))
    features = fit_features(states, Matern52(3.0), tol=1e-6, rng=rng)
    phi = features(states)
    noise = rng.normal(0, 0.5, size=(200, 4000))
    first, second = (
        posterior_of(phi[:100], noise[:100], 0.5),
        posterior_of(phi[100:], noise[100:], 0.5),
    )
    total = first.covariance + second.covariance
    squared = mahalanobis(second.weights - first.weights, total) ** 2
    weights = null_spectrum(first.covariance, second.covariance, total)
    assert ((weights >= 0) & (weights <= 1)).all()
    assert squared.mean() == pytest.approx(weights.sum(), rel=0.04)
    assert squared.var() == pytest.approx(2 * (weights**2).sum(), rel=0.12)
    simulated = (rng.normal(size=(20000, len(weights))) ** 2) @ weights
    assert stats.ks_2samp(squared, simulated).pvalue > 0.01


@pytest.mark.parametrize("eps", [0.0, 1e-3, 1.0, 2.0])
def test_jitter_adds_its_size_at_every_landmark(rng, eps):
    factor = np.tril(rng.normal(size=(5, 5))) + 3 * np.eye(5)
    found = landmark_jitter(factor, eps)
    np.testing.assert_allclose(factor @ found @ factor.T, eps * np.eye(5), atol=1e-12)
