import warnings
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from kompot.gp import cell_features
from kompot.gp.cell_features import CellFeatures
from kompot.gp.density import NeighborLikelihood, prior_mean_log_density
from kompot.gp.features import fit_features
from kompot.gp.kernels import Matern52
from kompot.gp.laplace import (
    DensityConvergenceWarning,
    _descended,
    _finite_start,
    _LogPosterior,
    fit_density,
)
from kompot.gp.neighbors import nearest_distinct_distances


@pytest.fixture
def problem(rng):
    """Features, cells, likelihood and prior mean of a small case."""
    states = np.vstack([rng.normal(size=(60, 2)), 0.3 * rng.normal(size=(40, 2)) + 3])
    return make_problem(states, length_scale=4.0, max_rank=8)


def make_problem(states, length_scale, **limits):
    distances = nearest_distinct_distances(states)
    features = fit_features(states, Matern52(length_scale), rng=np.random.default_rng(0), **limits)
    likelihood = NeighborLikelihood.of_distances(distances, 2.0)
    return CellFeatures(features, states), likelihood, prior_mean_log_density(distances, 2.0)


def log_posterior(problem, weights):
    cells, likelihood, mu = problem
    return likelihood.log_likelihood(mu + cells.times(weights)) - 0.5 * weights @ weights


def test_covariance_is_the_inverse_of_the_hessian_by_finite_differences(problem):
    posterior = fit_density(*problem)
    rank, h = len(posterior.weights), 1e-3
    steps = h * np.eye(rank)
    value = {
        (s, t): np.array(
            [
                [log_posterior(problem, posterior.weights + s * a + t * b) for b in steps]
                for a in steps
            ]
        )
        for s in (-1, 1)
        for t in (-1, 1)
    }
    hessian = (value[1, 1] - value[1, -1] - value[-1, 1] + value[-1, -1]) / (4 * h**2)
    np.testing.assert_allclose(posterior.covariance, np.linalg.inv(-hessian), rtol=1e-3, atol=1e-5)


def test_maximum_beats_every_nearby_point(problem, rng):
    posterior = fit_density(*problem)
    best = log_posterior(problem, posterior.weights)
    for step in rng.normal(size=(50, len(posterior.weights))):
        assert log_posterior(problem, posterior.weights + 0.05 * step) < best


def test_gradient_vanishes_at_the_maximum(problem):
    cells, likelihood, mu = problem
    posterior = fit_density(*problem)
    phi = cells.features(cells.states)
    gradient = phi.T @ (1 - likelihood.expected(mu + phi @ posterior.weights)) - posterior.weights
    relative = np.linalg.norm(gradient) / np.linalg.norm(phi.sum(axis=0))
    assert posterior.converged
    assert posterior.n_iter <= 8
    assert relative < 1e-9
    assert posterior.gradient_norm == pytest.approx(relative, abs=1e-12)


@pytest.mark.filterwarnings("ignore::kompot.gp.laplace.DensityConvergenceWarning")
def test_quasi_newton_finds_the_same_maximum(problem):
    newton = fit_density(*problem)
    other = fit_density(*problem, optimizer="L-BFGS-B", n_iter=1000)
    np.testing.assert_allclose(other.weights, newton.weights, atol=1e-4)
    assert other.log_evidence == pytest.approx(newton.log_evidence, abs=1e-4)


def test_variational_inference_is_replaced_with_a_warning(problem):
    with pytest.warns(UserWarning, match="exact Laplace posterior"):
        replaced = fit_density(*problem, optimizer="advi")
    np.testing.assert_array_equal(replaced.weights, fit_density(*problem).weights)


def test_maximum_not_reached_is_reported(problem):
    with pytest.warns(DensityConvergenceWarning, match="after 1 steps of L-BFGS-B"):
        posterior = fit_density(*problem, optimizer="L-BFGS-B", n_iter=1)
    assert not posterior.converged
    assert posterior.gradient_norm > 1e-6


def test_unknown_optimizer_is_refused(problem):
    with pytest.raises(ValueError, match="`optimizer` must be one of"):
        fit_density(*problem, optimizer="adam")


def test_features_computed_in_each_pass_change_nothing(problem, monkeypatch):
    kept = fit_density(*problem)
    cells, likelihood, mu = problem
    monkeypatch.setattr(cell_features, "STORED_BYTES", 0)
    monkeypatch.setattr(cell_features, "FEATURE_CHUNK", 7)
    again = fit_density(CellFeatures(cells.features, cells.states), likelihood, mu)
    np.testing.assert_allclose(again.weights, kept.weights, rtol=1e-9)
    np.testing.assert_allclose(again.factor, kept.factor, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("distance", [1e2, 1e6, 1e12])
@pytest.mark.parametrize("length_scale", [1.0, 1e3])
def test_outliers_do_not_stop_newton(rng, distance, length_scale):
    states = np.vstack([rng.normal(size=(80, 2)), [[distance, 0.0]]])
    posterior = fit_density(*make_problem(states, length_scale))
    assert posterior.converged
    assert np.isfinite(posterior.weights).all()


def test_evidence_is_the_integral_over_the_prior(rng):
    """With one feature the marginal likelihood is a plain integral."""
    problem = make_problem(rng.normal(size=(300, 2)), length_scale=50.0, max_rank=1)
    posterior = fit_density(*problem)
    best = posterior.weights[0]
    top = log_posterior(problem, posterior.weights)

    def integrand(z):
        return np.exp(log_posterior(problem, np.array([z])) - top)

    integral = quad(integrand, best - 1, best + 1, points=[best])[0]
    exact = np.log(integral) + top + norm.logpdf(0.0)
    assert posterior.log_evidence == pytest.approx(exact, abs=0.01)


def test_prior_variance_scales_the_features(problem):
    cells, likelihood, mu = problem
    posterior = fit_density(*problem, prior_variance=4.0)
    scaled = replace(cells.features, factor=cells.features.factor / 2.0)
    doubled = fit_density(CellFeatures(scaled, cells.states), likelihood, mu)
    np.testing.assert_allclose(posterior.weights, 2.0 * doubled.weights, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(posterior.covariance, 4.0 * doubled.covariance, atol=1e-10)
    assert posterior.log_evidence == pytest.approx(doubled.log_evidence)


def test_uncertainty_shrinks_with_cells(rng):
    states = rng.normal(size=(2400, 2))
    variances = []
    for n_cells in (150, 600, 2400):
        cells, likelihood, mu = make_problem(states[:n_cells], length_scale=3.0, tol=1e-4)
        posterior = fit_density(cells, likelihood, mu)
        variances.append(posterior.variance(cells.features(np.zeros((1, 2))))[0])
    assert variances[0] > 1.5 * variances[1] > 2.25 * variances[2]


def test_newton_needs_no_warning(problem):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit_density(*problem)


def test_steps_may_run_out(problem):
    with pytest.warns(DensityConvergenceWarning, match="after 1 steps of newton"):
        posterior = fit_density(*problem, n_iter=1)
    assert not posterior.converged
    assert posterior.n_iter == 1


def test_a_start_whose_counts_overflow_is_drawn_to_the_prior_mean(problem):
    cells, likelihood, mu = problem
    posterior = _LogPosterior(cells, likelihood, mu, 1.0)
    start = 1e3 * posterior.start(100)
    found = _finite_start(posterior, start)
    share = found.weights[0] / start[0]
    assert np.isfinite(found.expected).all()
    assert share < 1
    assert np.log2(share) == round(np.log2(share))
    with np.errstate(over="ignore", invalid="ignore"):
        assert not np.isfinite(posterior.at(2 * found.weights).expected).all()
    kept = _finite_start(posterior, found.weights)
    np.testing.assert_array_equal(kept.weights, found.weights)


def test_a_step_uphill_has_no_length_and_a_long_one_is_halved(problem):
    cells, likelihood, mu = problem
    posterior = _LogPosterior(cells, likelihood, mu, 1.0)
    point = posterior.at(posterior.start(100))
    step = -np.linalg.solve(point.hessian, point.gradient)

    def length(of):
        found = _descended(posterior, point, of)
        return 0.0 if found is None else float((found.weights - point.weights) @ of / (of @ of))

    assert length(step) == pytest.approx(1.0)
    assert length(-step) == 0.0
    long = length(64.0 * step)
    assert 0 < long < 1

    def gains(at):
        found = posterior.at(point.weights + at * 64.0 * step)
        change = log_posterior(problem, point.weights) - log_posterior(problem, found.weights)
        lower = change <= 1e-4 * at * 64.0 * float(point.gradient @ step)
        return lower or found.gradient_norm <= 0.5 * point.gradient_norm

    assert gains(long)
    assert not gains(2 * long)


def test_every_step_takes_one_pass_over_the_cells(problem, monkeypatch):
    """Features that do not fit in memory are computed in each pass."""
    cells, likelihood, mu = problem
    monkeypatch.setattr("kompot.gp.cell_features.STORED_BYTES", 0)
    counted = Counted(cells.features)
    posterior = fit_density(CellFeatures(counted, cells.states), likelihood, mu)
    regression = 2  # its matrix and its right side
    assert counted.n_cells == (regression + 1 + posterior.n_iter) * len(cells)


class Counted:
    """A feature map that counts the cells whose features it computed."""

    def __init__(self, features):
        self.features, self.rank, self.n_cells = features, features.rank, 0

    def __call__(self, states):
        self.n_cells += len(states)
        return self.features(states)


def test_some_of_many_cells_find_a_start_near_the_maximum(rng, monkeypatch):
    states = np.vstack([rng.normal(size=(2500, 2)), 0.3 * rng.normal(size=(1500, 2)) + 3])
    many = make_problem(states, length_scale=6.0)
    alone = fit_density(*many)
    monkeypatch.setattr("kompot.gp.laplace._ENOUGH_CELLS", 1000)
    warm = fit_density(*many)
    assert warm.converged
    assert warm.n_iter < alone.n_iter
    difference = warm.weights - alone.weights
    error = np.sqrt(difference @ alone.factor @ alone.factor.T @ difference)
    assert error < 1e-6  # in posterior standard deviations


@pytest.mark.filterwarnings("ignore::kompot.gp.laplace.DensityConvergenceWarning")
def test_quasi_newton_minimises_the_objective_of_any_prior_variance(problem):
    newton = fit_density(*problem, prior_variance=0.2)
    other = fit_density(*problem, optimizer="L-BFGS-B", n_iter=1000, prior_variance=0.2)
    np.testing.assert_allclose(other.weights, newton.weights, atol=1e-3)
