"""Log odds by Laplace approximation, against scikit-learn and by their derivatives."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.gaussian_process.kernels import ConstantKernel, Matern
from sklearn.linear_model import LogisticRegression

from kompot.gp import classification as module
from kompot.gp.cell_features import CellFeatures
from kompot.gp.classification import _step_length, fit_labels
from kompot.gp.features import fit_features
from kompot.gp.kernels import make_kernel
from kompot.gp.laplace import DensityConvergenceWarning

SCALE, VARIANCE = 1.5, 2.0


@pytest.fixture
def states(rng):
    return rng.normal(size=(80, 2))


@pytest.fixture
def labels(states, rng):
    drawn = rng.random(80) < expit(2 * np.sin(2 * states[:, 0]))
    drawn[:2] = [True, False]
    return drawn


@pytest.fixture
def cells(states):
    features = fit_features(states, make_kernel("matern52", SCALE), tol=0.0)
    return CellFeatures(features, states)


def test_evidence_and_probabilities_are_those_of_scikit_learn_at_full_rank(cells, states, labels):
    kernel = ConstantKernel(VARIANCE) * Matern(SCALE, nu=2.5)
    theirs = GaussianProcessClassifier(kernel, optimizer=None).fit(states, labels)
    ours = fit_labels(cells, labels, 0.0, VARIANCE)
    assert ours.log_evidence == pytest.approx(theirs.log_marginal_likelihood_value_, rel=1e-6)
    mode = cells.times(ours.weights)
    assert np.array_equal(mode > 0, theirs.predict(states))


@pytest.mark.parametrize("variance", [0.01, 1.0, 100.0])
def test_the_mode_is_that_of_penalised_logistic_regression(cells, states, labels, variance):
    phi = cells.features(states)
    theirs = LogisticRegression(C=variance, fit_intercept=False, tol=1e-12, max_iter=10_000)
    theirs.fit(phi, labels)
    ours = fit_labels(cells, labels, 0.0, variance)
    np.testing.assert_allclose(phi @ ours.weights, phi @ theirs.coef_[0], atol=1e-4)
    assert ours.gradient_norm < 1e-6


def test_covariances_are_inverse_hessian_and_sandwich(cells, states, labels):
    phi, offset = cells.features(states), 0.7
    found = fit_labels(cells, labels, offset, VARIANCE)
    chance = expit(offset + phi @ found.weights)
    weight = chance * (1 - chance)
    gram = (phi.T * weight) @ phi
    hessian = gram + np.eye(len(gram)) / VARIANCE
    np.testing.assert_allclose(found.covariance, np.linalg.inv(hessian), atol=1e-10)
    drift = phi.T @ weight
    information = gram - np.outer(drift, drift) / weight.sum()
    sandwich = np.linalg.inv(hessian) @ information @ np.linalg.inv(hessian)
    np.testing.assert_allclose(found.sampling_covariance, sandwich, atol=1e-10)


def test_the_start_does_not_matter(cells, labels, rng):
    far = rng.normal(0, 20, cells.features.rank)
    one, other = fit_labels(cells, labels, 0.0, 1.0), fit_labels(cells, labels, 0.0, 1.0, far)
    np.testing.assert_allclose(one.weights, other.weights, atol=1e-6)


def test_exchanging_the_labels_changes_the_sign(cells, labels):
    one, other = fit_labels(cells, labels, 0.4, 1.0), fit_labels(cells, ~labels, -0.4, 1.0)
    np.testing.assert_allclose(one.weights, -other.weights, atol=1e-9)
    assert one.log_evidence == pytest.approx(other.log_evidence)


def test_the_certificate_is_relative_to_the_sum_of_all_features(cells, states, labels, monkeypatch):
    monkeypatch.setattr(module, "_STEPS", 0)
    phi = cells.features(states)
    start = 0.1 * np.ones(cells.features.rank)
    with pytest.warns(DensityConvergenceWarning, match="80 cells .* after 0 steps"):
        found = fit_labels(cells, labels, 0.3, VARIANCE, start)
    gradient = phi.T @ (labels - expit(0.3 + phi @ start)) - start / VARIANCE
    relative = np.linalg.norm(gradient) / np.linalg.norm(phi.sum(axis=0))
    assert found.gradient_norm == pytest.approx(relative)


@pytest.mark.parametrize("n_steps", [1, 2])
def test_all_that_is_returned_belongs_to_the_last_step(cells, states, labels, n_steps, monkeypatch):
    monkeypatch.setattr(module, "_STEPS", n_steps)
    phi = cells.features(states)
    with pytest.warns(DensityConvergenceWarning, match=f"after {n_steps} steps"):
        found = fit_labels(cells, labels, 0.3, VARIANCE)
    chance = expit(0.3 + phi @ found.weights)
    hessian = (phi.T * (chance * (1 - chance))) @ phi + np.eye(len(found.weights)) / VARIANCE
    np.testing.assert_allclose(found.factor @ found.factor.T, hessian, atol=1e-10)
    gradient = phi.T @ (labels - chance) - found.weights / VARIANCE
    relative = np.linalg.norm(gradient) / np.linalg.norm(phi.sum(axis=0))
    assert found.gradient_norm == pytest.approx(relative)


def test_a_failed_line_search_is_reported(cells, labels, monkeypatch):
    monkeypatch.setattr(module, "_step_length", lambda *_: 0.0)
    with pytest.warns(DensityConvergenceWarning, match="after 0 steps"):
        fit_labels(cells, labels, 0.0, 1.0)


@pytest.mark.parametrize("offset", [-1000.0, 1000.0])
def test_extreme_odds_overflow_nowhere(cells, labels, offset):
    found = fit_labels(cells, labels, offset, 1e6)
    assert np.isfinite(found.weights).all()


def test_steps_rise_and_are_halved_until_they_do(cells, states, labels):
    phi, weights = cells.features(states), np.zeros(cells.features.rank)
    gradient = phi.T @ (labels - 0.5)
    step = 1e3 * gradient

    def length(of):
        return _step_length(labels, np.zeros(80), phi @ of, weights, of, 0.5)

    def log_posterior(at):
        odds = at * phi @ step
        return -np.logaddexp(0, np.where(labels, -odds, odds)).sum() - 0.25 * at**2 * step @ step

    found = length(step)
    assert 0 < found < 1
    assert log_posterior(found) >= log_posterior(0)
    assert log_posterior(2 * found) < log_posterior(0)
    assert length(1e-6 * step) == 1.0
    assert length(-step) == 0.0
