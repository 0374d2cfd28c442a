import numpy as np
import pytest

from kompot.gp.cell_features import CellFeatures
from kompot.gp.density import NeighborLikelihood
from kompot.gp.features import fit_features
from kompot.gp.halves import HALF_NEIGHBORS, score_differences
from kompot.gp.kernels import make_kernel
from kompot.gp.laplace import DensityPosterior
from kompot.gp.neighbors import find_neighborhoods


def flat(features, n_cells, mu):
    """A posterior with a constant density, as if it had been found."""
    rank = features.rank
    return DensityPosterior(
        mu=mu,
        weights=np.zeros(rank),
        factor=1e3 * np.eye(rank),
        n_cells=n_cells,
        gradient_norm=0.0,
        converged=True,
        n_iter=1,
        log_evidence=0.0,
        prior_variance=1.0,
        mean_expected=1.0,
    )


def differences(features, states, d=2.0, posterior=None):
    near = find_neighborhoods(states, HALF_NEIGHBORS)
    posterior = flat(features, len(states), np.log(len(states))) if posterior is None else posterior
    places = CellFeatures(features, states[near.first])
    return score_differences(places, near, posterior, d)


@pytest.mark.parametrize("d", [2.0, 1.5])
def test_gram_is_the_variance_of_the_gradient_over_draws(d):
    """Cells uniform in the unit square; dimension right, and underestimated."""
    rng = np.random.default_rng(0)
    n_cells, n_draws = 400, 400
    grid = rng.random((200, 2))
    features = fit_features(grid, make_kernel("matern52", 0.5), max_rank=8, tol=0.0, rng=rng)
    level = 0.0
    gradients, grams = [], []
    for draw in range(n_draws):
        states = rng.random((n_cells, 2))
        distances = find_neighborhoods(states, 1).nearest_distances
        likelihood = NeighborLikelihood.of_distances(distances, d)
        if draw == 0:
            level = -np.log(np.exp(likelihood.log_volume).mean())
        expected = likelihood.expected(np.full(n_cells, level))
        gradients.append((1.0 - expected) @ features(states))
        if draw % 20 == 0:
            u = differences(features, states, d, flat(features, n_cells, level))
            grams.append(u.T @ u)
    found, truth = np.mean(grams, axis=0), np.cov(np.transpose(gradients))
    # what changes the level is no part of a ratio of densities
    contrast = np.linalg.qr(features(grid).mean(axis=0)[:, None], mode="complete")[0][:, 1:]
    found, truth = (contrast.T @ gram @ contrast for gram in (found, truth))
    assert np.trace(found) == pytest.approx(np.trace(truth), rel=0.15)


def test_copies_stay_together(rng):
    states = rng.normal(size=(150, 2))
    features = fit_features(states, make_kernel("matern52", 2.0), max_rank=5, rng=rng)
    posterior = flat(features, 150, np.log(150))
    once = differences(features, states, posterior=posterior)
    twice = differences(features, np.repeat(states, 2, axis=0), posterior=posterior)
    np.testing.assert_allclose(twice, 2.0 * once, rtol=1e-9)


def test_order_of_cells_does_not_matter(rng):
    states = rng.normal(size=(90, 3))
    states[10] = states[11]
    features = fit_features(states, make_kernel("matern52", 2.0), max_rank=5, rng=rng)
    one = differences(features, states)
    other = differences(features, states[rng.permutation(90)])
    np.testing.assert_allclose(other, one, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n_cells", [2, 3, 5])
def test_few_cells_have_finite_differences(rng, n_cells):
    states = rng.normal(size=(n_cells, 2))
    features = fit_features(states, make_kernel("matern52", 2.0), max_rank=2, rng=rng)
    assert np.isfinite(differences(features, states)).all()


def test_neighborhoods_agree_with_all_distances(rng):
    states = rng.integers(0, 4, size=(60, 2)).astype(float)
    near = find_neighborhoods(states, 3)
    places = states[near.first]
    np.testing.assert_array_equal(places[near.place], states)
    assert near.copies.sum() == 60
    apart = np.linalg.norm(places[:, None] - places, axis=2)
    np.fill_diagonal(apart, np.inf)
    np.testing.assert_allclose(near.distances, np.sort(apart, axis=1)[:, :3])
    rows = np.arange(len(places))[:, None]
    np.testing.assert_allclose(apart[rows, near.neighbors], near.distances)


@pytest.mark.parametrize("n_dims", [3, 20])
def test_neighborhoods_of_wide_and_narrow_states(rng, n_dims):
    states = rng.normal(size=(40, n_dims))
    near = find_neighborhoods(states, 4)
    apart = np.linalg.norm(states[:, None] - states, axis=2)
    np.fill_diagonal(apart, np.inf)
    np.testing.assert_allclose(near.nearest_distances, apart.min(axis=1))


def test_one_place_has_no_neighbor():
    near = find_neighborhoods(np.ones((4, 2)), 8)
    assert np.isinf(near.nearest_distances).all()
