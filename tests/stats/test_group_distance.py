import numpy as np
import pytest
from scipy import stats
from scipy.linalg import cholesky, solve_triangular

from kompot.gp import Matern52, SufficientStatistics, fit_features, fit_posterior
from kompot.stats.group_distance import group_directions, group_distance, group_null_spectrum
from kompot.stats.mahalanobis import (
    difference_covariance,
    mahalanobis,
    null_spectrum,
    sampling_covariance,
)

SHARES = [0.3, 0.8, 0.99, 1.0]


class Fitted:
    """Noise around two functions of one dimension that differ on its right half only."""

    def __init__(self, rng, sigma=1.0, n_genes=5, effect=3.0):
        self.states = np.sort(rng.uniform(-3, 3, size=(300, 1)), axis=0)
        self.features = fit_features(self.states, Matern52(1.0), tol=1e-5, rng=rng)
        self.phi = self.features(self.states)
        values = rng.normal(0, sigma, size=(300, n_genes))
        values[::2] += effect * np.clip(self.states[::2], 0, 1)
        self.parts = [
            fit_posterior(SufficientStatistics.of(self.phi[c::2], values[c::2]), sigma)
            for c in (1, 0)
        ]
        self.delta = self.parts[1].weights - self.parts[0].weights
        self.covariance = difference_covariance(
            *(part.covariance for part in self.parts), self.features.factor, 1e-8
        )
        self.factor = cholesky(self.covariance, lower=True)

    def directions(self, cells, share):
        phi = self.phi[cells]
        return group_directions(phi.T @ phi, self.factor, share)

    def distance(self, cells, share):
        directions = self.directions(cells, share)
        turned = solve_triangular(self.factor, directions, lower=True, trans="T")
        return group_distance(self.delta, turned)


@pytest.fixture
def fitted(rng):
    return Fitted(rng)


@pytest.mark.parametrize("share", SHARES[:-1])
@pytest.mark.parametrize("cells", [slice(0, 80), slice(290, 300), slice(0, 300)])
def test_distance_is_that_of_the_principal_components_of_the_fold_change(fitted, cells, share):
    """Fold change at the cells, their posterior covariance, its leading eigenvectors."""
    phi = fitted.phi[cells]
    covariance, change = phi @ fitted.covariance @ phi.T, phi @ fitted.delta
    variance, vectors = np.linalg.eigh(covariance)
    variance, vectors = variance[::-1], vectors[:, ::-1]
    n_kept = 1 + np.searchsorted(np.cumsum(variance), share * variance.sum())
    scores = vectors[:, :n_kept].T @ change / np.sqrt(variance[:n_kept, None])
    np.testing.assert_allclose(
        fitted.distance(cells, share), np.linalg.norm(scores, axis=0), rtol=1e-6
    )


def test_all_directions_give_the_distance_of_all_cells(fitted):
    expected = mahalanobis(fitted.delta, fitted.covariance)
    for cells in (slice(0, 1), slice(0, 80), slice(0, 300)):
        np.testing.assert_allclose(fitted.distance(cells, 1.0), expected, rtol=1e-10)


def test_distance_grows_with_the_share_up_to_that_of_all_cells(fitted):
    distances = [fitted.distance(slice(20, 60), share) for share in SHARES]
    assert (np.diff(distances, axis=0) >= -1e-12).all()
    assert (np.diff(distances, axis=0) > 0).any()


@pytest.mark.parametrize("share", SHARES[:-1])
def test_one_cell_has_its_standard_score(fitted, share):
    phi = fitted.phi[[7]]
    expected = np.abs(phi @ fitted.delta)[0] / np.sqrt(phi @ fitted.covariance @ phi.T)[0, 0]
    np.testing.assert_allclose(fitted.distance([7], share), expected, rtol=1e-8)


def test_neither_the_number_of_cells_nor_the_coordinates_matter(fitted, rng):
    cells = np.arange(20, 60)
    base = fitted.distance(cells, 0.8)
    np.testing.assert_allclose(fitted.distance(np.tile(cells, 3), 0.8), base, rtol=1e-9)
    phi, rotation = fitted.phi[cells], np.linalg.qr(rng.normal(size=fitted.covariance.shape))[0]
    factor = cholesky(rotation @ fitted.covariance @ rotation.T, lower=True)
    directions = group_directions(rotation @ (phi.T @ phi) @ rotation.T, factor, 0.8)
    whitened = solve_triangular(factor, rotation @ fitted.delta, lower=True)
    np.testing.assert_allclose(group_distance(whitened, directions), base, rtol=1e-7)


@pytest.mark.parametrize("share", SHARES)
def test_directions_are_orthonormal_and_no_more_than_needed(fitted, share):
    cells = slice(20, 60)
    directions = fitted.directions(cells, share)
    np.testing.assert_allclose(directions.T @ directions, np.eye(directions.shape[1]), atol=1e-12)
    at_cells = fitted.phi[cells] @ fitted.factor
    variance = np.square(at_cells @ directions).sum(axis=0)
    total = np.square(at_cells).sum()
    assert variance.sum() >= share * total * (1 - 1e-12)
    if share < 1.0:
        assert variance[:-1].sum() < share * total


def test_a_change_elsewhere_does_not_count(rng):
    """The functions differ on the right half only: the left hardly sees it, the right does."""
    changed, same = Fitted(rng, effect=3.0), Fitted(rng, effect=0.0)
    left, right = slice(0, 120), slice(180, 300)
    assert changed.distance(right, 0.8).min() > 2 * changed.distance(left, 0.8).max()
    assert changed.distance(left, 0.8).mean() < 1.5 * same.distance(left, 0.8).mean()
    assert changed.distance(left, 1.0).min() > 3 * same.distance(left, 0.8).mean()


def test_null_spectrum_of_all_directions_is_the_known_one(fitted):
    covariances = [part.covariance for part in fitted.parts]
    sampling = sampling_covariance(*covariances)
    half = solve_triangular(fitted.factor, sampling, lower=True)
    whitened = solve_triangular(fitted.factor, half.T, lower=True)
    found = group_null_spectrum(whitened, fitted.directions(slice(0, 300), 1.0))
    expected = null_spectrum(*covariances, fitted.covariance)
    np.testing.assert_allclose(found, expected, atol=1e-8)


def test_null_spectrum_is_the_distribution_of_the_squared_distance_in_a_group(rng):
    fitted = Fitted(rng, sigma=0.5, n_genes=4000, effect=0.0)
    directions = fitted.directions(slice(30, 130), 0.8)
    squared = fitted.distance(slice(30, 130), 0.8) ** 2
    sampling = sampling_covariance(*(part.covariance for part in fitted.parts))
    half = solve_triangular(fitted.factor, sampling, lower=True)
    whitened = solve_triangular(fitted.factor, half.T, lower=True)
    weights = group_null_spectrum(whitened, directions)
    assert squared.mean() == pytest.approx(weights.sum(), rel=0.05)
    simulated = (rng.normal(size=(20000, len(weights))) ** 2) @ weights
    assert stats.ks_2samp(squared, simulated).pvalue > 0.01
