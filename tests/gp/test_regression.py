import numpy as np
import pytest
from scipy import sparse
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process import kernels as sklearn_kernels

from kompot.gp import Matern52, SufficientStatistics, fit_features, fit_posterior
from kompot.gp.linalg import cross_product, explained_cholesky, row_slices


@pytest.fixture
def problem(rng):
    states = rng.normal(size=(80, 2))
    genes = np.stack([np.sin(states[:, 0]), states[:, 1] ** 2], axis=1)
    return states, genes + rng.normal(0, 0.3, (80, 2))


def statistics_of(phi, values):
    return SufficientStatistics.of(phi, values)


@pytest.mark.parametrize("sigma", [0.1, 1.0, 5.0])
def test_full_rank_equals_the_textbook_formula(problem, rng, sigma):
    """Rasmussen & Williams 2006, equations 2.23 and 2.24."""
    states, values = problem
    new, kernel = rng.normal(size=(15, 2)), Matern52(1.3)
    features = fit_features(states, kernel, tol=0.0, rng=rng)
    posterior = fit_posterior(statistics_of(features(states), values), sigma)
    noisy = kernel(states, states) + sigma**2 * np.eye(80)
    across = kernel(new, states)
    mean = across @ np.linalg.solve(noisy, values)
    covariance = kernel(new, new) - across @ np.linalg.solve(noisy, across.T)
    phi = features(new)
    unexplained = kernel(new, new) - phi @ phi.T
    np.testing.assert_allclose(posterior.mean(phi), mean, atol=1e-8)
    np.testing.assert_allclose(
        phi @ posterior.covariance @ phi.T + unexplained, covariance, atol=1e-8
    )
    np.testing.assert_allclose(
        posterior.variance(phi) + unexplained.diagonal(), covariance.diagonal(), atol=1e-8
    )


def test_full_rank_equals_scikit_learn(problem, rng):
    states, values = problem
    features = fit_features(states, Matern52(1.3), tol=0.0, rng=rng)
    posterior = fit_posterior(statistics_of(features(states), values), 0.5)
    peer = GaussianProcessRegressor(
        sklearn_kernels.Matern(1.3, nu=2.5), alpha=0.25, optimizer=None
    ).fit(states, values)
    np.testing.assert_allclose(posterior.mean(features(states)), peer.predict(states), atol=1e-8)


def test_statistics_add_over_chunks_and_formats(problem, rng):
    states, values = problem
    phi = fit_features(states, Matern52(1.3), rng=rng)(states)
    whole = statistics_of(phi, values)
    for kind in (np.asarray, sparse.csr_array, sparse.csr_matrix, sparse.csc_array):
        parts = SufficientStatistics.zeros(phi.shape[1], 2)
        for rows in row_slices(80, 33):
            parts += SufficientStatistics.of(phi[rows], kind(values[rows]))
        assert parts.n_cells == 80
        for name in ("total", "gram", "cross", "squares"):
            np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), atol=1e-10)


def test_sparse_and_dense_products_agree_on_both_sides_of_the_switch(rng):
    phi = rng.normal(size=(50, 4))
    for density in (0.02, 0.5):
        values = sparse.random_array((50, 30), density=density, rng=rng, format="csr")
        np.testing.assert_allclose(cross_product(phi, values), phi.T @ values.toarray())


def test_residuals_and_their_freedom_are_those_of_the_smoother(problem, rng):
    states, values = problem
    phi = fit_features(states, Matern52(1.3), rng=rng)(states)
    sums = statistics_of(phi, values)
    posterior = fit_posterior(sums, 0.7)
    smoother = phi @ posterior.covariance @ phi.T / 0.49
    np.testing.assert_allclose(smoother @ values, posterior.mean(phi), atol=1e-9)
    residual = values - posterior.mean(phi)
    np.testing.assert_allclose(posterior.residual_squares(sums), (residual**2).sum(axis=0))
    assert posterior.residual_degrees_of_freedom == pytest.approx(
        np.trace(2 * smoother - smoother @ smoother)
    )


def test_uncertainty_shrinks_with_cells(rng):
    states = rng.normal(size=(400, 2))
    phi = fit_features(states, Matern52(1.3), rng=rng)(states)
    few = fit_posterior(statistics_of(phi[:100], phi[:100, :1]), 1.0)
    many = fit_posterior(statistics_of(phi, phi[:, :1]), 1.0)
    assert (many.variance(phi) < few.variance(phi)).all()


def test_failed_factorisation_says_what_to_change():
    with pytest.raises(np.linalg.LinAlgError) as caught:
        explained_cholesky(-np.eye(3), "use a larger `eps`.")
    assert "3 features is not positive definite: use a larger `eps`." in caught.value.__notes__[0]
