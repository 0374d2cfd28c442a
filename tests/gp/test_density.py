import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import weibull_min

from kompot.gp.density import NeighborLikelihood, log_ball_volume, prior_mean_log_density


@pytest.mark.parametrize(
    ("d", "volume"),
    [(1, lambda r: 2 * r), (2, lambda r: np.pi * r**2), (3, lambda r: 4.18879 * r**3)],
)
def test_volume_of_a_ball(d, volume):
    r = np.array([0.1, 1.0, 7.0])
    np.testing.assert_allclose(np.exp(log_ball_volume(r, d)), volume(r), rtol=1e-5)


@pytest.mark.parametrize("d", [0.7, 1.0, 3.4, 12.0])
def test_likelihood_is_a_density_of_the_distance(d):
    """A volume that is exponential with rate e^f makes the distance Weibull of shape d."""
    r = np.array([0.5, 1.1, 1.7])
    f = np.array([0.3, -0.4, 0.2])
    likelihood = NeighborLikelihood.of_distances(r, d)
    unit = np.exp(-(f + log_ball_volume(np.ones(1), d)) / d)
    expected = weibull_min(d, scale=unit).logpdf(r).sum()
    assert likelihood.log_likelihood(f) == pytest.approx(expected)


def test_likelihood_of_one_distance_integrates_to_one():
    def density(r):
        likelihood = NeighborLikelihood.of_distances(np.array([r]), 2.5)
        return np.exp(likelihood.log_likelihood(np.array([0.7])))

    assert quad(density, 0, np.inf)[0] == pytest.approx(1.0)


def test_expected_count_gives_both_derivatives(rng):
    likelihood = NeighborLikelihood.of_distances(rng.uniform(0.5, 2, 6), 3.0)
    f, h = rng.normal(size=6), 1e-4
    for i in range(6):
        step = h * (np.arange(6) == i)
        low, mid, high = (likelihood.log_likelihood(f + s * step) for s in (-1, 0, 1))
        expected = likelihood.expected(f)[i]
        assert (high - low) / (2 * h) == pytest.approx(1 - expected, abs=1e-5)
        assert (high - 2 * mid + low) / h**2 == pytest.approx(-expected, abs=1e-3 * (1 + expected))


def test_overflow_is_minus_infinity():
    likelihood = NeighborLikelihood.of_distances(np.array([1.0, 2.0]), 2.0)
    assert likelihood.log_likelihood(np.array([0.0, 1e4])) == -np.inf


def test_nearest_neighbor_log_density_is_unbiased(rng):
    f, d = 1.3, 2.0
    volume = rng.exponential(np.exp(-f), size=200_000)
    likelihood = NeighborLikelihood.of_distances(np.sqrt(volume / np.pi), d)
    assert likelihood.mean_log_density() == pytest.approx(f, abs=0.01)


def test_prior_mean_lies_ten_below_the_thinnest_percent():
    distances = np.exp(-np.arange(101.0) / 2.0)
    likeliest = np.arange(101.0) - np.log(np.pi)
    assert prior_mean_log_density(distances, 2.0) == pytest.approx(likeliest[1] - 10.0)
