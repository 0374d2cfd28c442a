import numpy as np
import pytest

from kompot.gp.features import fit_features
from kompot.gp.kernels import Matern52
from kompot.gp.observation_noise import NoiseVariance
from kompot.gp.regression import SufficientStatistics, fit_posterior
from kompot.models import DifferentialExpression
from kompot.models.noise_fit import fit_own_noise
from kompot.stats.mahalanobis import landmark_jitter
from kompot.stats.own_noise import (
    ErrorCovariance,
    distances_with_own_noise,
    state_bins,
    tail_with_own_noise,
)

SIGMA = 0.7


@pytest.fixture
def problem(rng):
    """Features, fit and bins of one condition."""
    states = rng.normal(size=(400, 2))
    features = fit_features(states, Matern52(3.0), rng=rng)
    phi = features(states)
    posterior = fit_posterior(SufficientStatistics.of(phi, np.zeros((400, 3))), SIGMA)
    bins = state_bins(states, 50)
    grams = np.stack([phi[bins == b].T @ phi[bins == b] for b in range(bins.max() + 1)])
    totals = np.stack([phi[bins == b].sum(axis=0) for b in range(bins.max() + 1)])
    return phi, posterior, bins, (grams, totals, np.bincount(bins).astype(float))


def test_bins_are_of_equal_size_and_together_in_space(rng):
    states = rng.normal(size=(1600, 3))
    bins = state_bins(states, 50)
    assert np.bincount(bins).tolist() == [25] * 64
    within = sum(states[bins == b].var(axis=0).sum() for b in range(64)) / 64
    assert within < 0.5 * states.var(axis=0).sum()
    assert state_bins(states[:31], 50).max() == 0
    assert state_bins(states[:32], 50).max() == 1
    assert state_bins(states, 1000).max() == 7
    np.testing.assert_array_equal(state_bins(states, 50), bins)


def test_noise_of_the_model_gives_the_posterior_covariance(problem):
    phi, posterior, _, sums = problem
    noise = NoiseVariance(np.full(3, SIGMA**2), np.zeros((phi.shape[1], 3)))
    error = ErrorCovariance.of(posterior, noise, *sums)
    for matrix in error.matrices(slice(None)):
        np.testing.assert_allclose(matrix, posterior.covariance, atol=1e-10)
    expected = np.repeat(posterior.variance(phi)[:, None], 3, axis=1)
    np.testing.assert_allclose(error.variance(phi), expected, atol=1e-10)


def test_error_covariance_equals_the_textbook_sandwich(problem):
    phi, posterior, bins, sums = problem
    # Weights of which every bin has a variance of its own.
    levels = np.stack([np.geomspace(0.1, 2.0, bins.max() + 1), np.ones(bins.max() + 1)])
    error = ErrorCovariance.of(
        posterior, NoiseVariance(np.ones(2), np.zeros((phi.shape[1], 2))), *sums
    )
    error = ErrorCovariance(error.prior, error.parts, levels, error.cells)
    inverse = np.linalg.inv(np.eye(phi.shape[1]) + phi.T @ phi / SIGMA**2)
    for gene in range(2):
        noise = levels[gene][bins]
        middle = phi.T @ (noise[:, None] * phi) / SIGMA**4
        expected = inverse @ inverse + inverse @ middle @ inverse
        np.testing.assert_allclose(error.matrices(slice(None))[gene], expected, atol=1e-9)
        variance = np.einsum("ij,jk,ik->i", phi, expected, phi)
        np.testing.assert_allclose(error.variance(phi)[:, gene], variance, atol=1e-9)


def test_errors_of_fits_have_this_covariance_over_draws(rng):
    states = rng.normal(size=(200, 1))
    features = fit_features(states, Matern52(2.0), tol=1e-3, rng=rng)
    phi = features(states)
    bins = state_bins(states, 50)
    noise = np.where(bins % 2 == 1, 1.5, 0.2)
    draws = 4000
    truth = rng.normal(size=(phi.shape[1], draws))
    values = phi @ truth + np.sqrt(noise)[:, None] * rng.normal(size=(200, draws))
    posterior = fit_posterior(SufficientStatistics.of(phi, values), SIGMA)
    error = posterior.weights - truth
    found = error @ error.T / draws
    inverse = posterior.covariance
    middle = phi.T @ (noise[:, None] * phi) / SIGMA**4
    expected = inverse @ inverse + inverse @ middle @ inverse
    scale = np.sqrt(np.outer(expected.diagonal(), expected.diagonal()))
    np.testing.assert_allclose(found / scale, expected / scale, atol=0.08)


def test_distances_and_samples_equal_the_direct_formula(problem, rng):
    phi, posterior, _, sums = problem
    noise = NoiseVariance(np.array([0.2, 1.0, 3.0]), 0.1 * rng.normal(size=(phi.shape[1], 3)))
    error = ErrorCovariance.of(posterior, noise, *sums)
    delta = rng.normal(size=(phi.shape[1], 3))
    deviations = [0.1 * rng.normal(size=delta.shape) for _ in range(2)]
    jitter = 1e-6 * np.eye(phi.shape[1])
    for given in ([], deviations):
        found = distances_with_own_noise(delta, (error, error), jitter, given)
        for gene in range(3):
            total = 2 * error.matrices(slice(None))[gene] + jitter
            total += sum((np.outer(one[:, gene], one[:, gene]) for one in given), np.zeros(()))
            expected = np.sqrt(delta[:, gene] @ np.linalg.solve(total, delta[:, gene]))
            assert found[gene] == pytest.approx(expected)


@pytest.fixture
def null_model(rng):
    """Two conditions that do not differ, genes of very different noise that grows with state."""
    states = rng.normal(size=(600, 2))
    scale = np.geomspace(0.1, 3.0, 400) * np.exp(0.5 * states[:, :1])
    values = np.sin(states[:, :1]) + scale * rng.normal(size=(600, 400))
    model = DifferentialExpression(use_empirical_variance=True, random_state=0)
    return model.fit(states[:250], values[:250], states[250:], values[250:], ls=4.0), scale


def test_distances_hardly_depend_on_the_noise_of_a_gene(null_model):
    model, _ = null_model
    own = model.score().mahalanobis
    model.own_noise_ = None
    shared = model.score().mahalanobis
    assert shared[350:].mean() / shared[:50].mean() > 8.0
    assert own[350:].mean() / own[:50].mean() < 3.0


def test_tail_probabilities_are_near_uniform_where_nothing_differs(null_model):
    model, _ = null_model
    own = model.score().ptp
    model.own_noise_ = None
    shared = model.score().ptp
    for level in (0.05, 0.5):
        assert (own < level).mean() < (shared < level).mean()
    assert 0.02 < (own < 0.05).mean() < 0.12
    assert 0.3 < np.median(own) < 0.6


def test_tail_is_one_for_genes_without_noise_and_falls_with_distance(problem):
    phi, posterior, _, sums = problem
    nothing = NoiseVariance(np.zeros(2), np.zeros((phi.shape[1], 2)))
    silent = ErrorCovariance.of(posterior, nothing, *sums)
    jitter = landmark_jitter(np.eye(phi.shape[1]), 1e-8)
    assert tail_with_own_noise(np.zeros(2), (silent, silent), jitter).tolist() == [1.0, 1.0]
    noise = NoiseVariance(np.ones(3), np.zeros((phi.shape[1], 3)))
    error = ErrorCovariance.of(posterior, noise, *sums)
    tail = tail_with_own_noise(np.array([1.0, 5.0, 20.0]), (error, error), jitter)
    assert (np.diff(tail) < 0).all()


def test_own_noise_in_chunks_equals_the_formulas(rng):
    states = rng.normal(size=(5000, 2))
    values = rng.normal(size=(5000, 2)) * np.exp(0.3 * states[:, :1])
    features = fit_features(states, Matern52(3.0), tol=1e-3, rng=rng)
    phi, condition = features(states), np.arange(5000) % 2
    sums = [SufficientStatistics.of(phi[condition == c], values[condition == c]) for c in (0, 1)]
    first, second = (fit_posterior(one, SIGMA) for one in sums)
    found = fit_own_noise(features, states, [values], condition, (first, second), sums)
    bins = state_bins(states, features.rank)
    assert len(found.errors[1].parts) == bins.max() + 1 == 64
    for c, posterior in enumerate((first, second)):
        inverse = posterior.covariance
        for b in (0, 11):
            members = phi[(condition == c) & (bins == b)]
            expected = inverse @ (members.T @ members) @ inverse / SIGMA**4
            np.testing.assert_allclose(found.errors[c].parts[b], expected, atol=1e-9)
            variance = found.noise[c](phi[(condition == c) & (bins == b)]).mean(axis=0)
            np.testing.assert_allclose(found.errors[c].noise[:, b], variance, rtol=1e-6)


def test_genes_of_one_pass_are_split_into_tested_and_shuffled(rng):
    states = rng.normal(size=(300, 2))
    values = rng.normal(size=(300, 6))
    condition = np.arange(300) % 2
    model = DifferentialExpression(use_empirical_variance=True, random_state=0)
    together = model.fit_cells(
        states, values[:, :4], condition, ls=3.0, null_expression=[values[:, 4:]]
    )
    nulls = together.null_distances()
    alone = DifferentialExpression(use_empirical_variance=True, random_state=0).fit_cells(
        states, values, condition, ls=3.0
    )
    everything = alone.score().mahalanobis
    np.testing.assert_allclose(together.score().mahalanobis, everything[:4])
    np.testing.assert_allclose(nulls, everything[4:])
