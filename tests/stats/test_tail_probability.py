import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import chi2

from kompot.stats.tail_probability import weighted_chi_square_logsf, weighted_chi_square_sf

SPECTRA = {
    "geometric": 0.9 ** np.arange(60),
    "harmonic": 1 / np.arange(1, 40),
    "one large": np.r_[1.0, np.full(30, 0.05)],
    "two groups": np.r_[np.full(5, 3.0), np.full(20, 0.5)],
}


def moments(weights):
    return weights.sum(), np.sqrt(2 * np.sum(weights**2))


def imhof(x, weights):
    """Exact tail probability by inverting the characteristic function (Imhof 1961)."""

    def integrand(u):
        angle = np.sum(np.arctan(weights * u)) / 2 - x * u / 2
        return np.sin(angle) / (u * np.exp(np.log1p((weights * u) ** 2).sum() / 4))

    value, _ = quad(integrand, 0, np.inf, epsabs=1e-9, epsrel=1e-9, limit=1000)
    return 0.5 + value / np.pi


@pytest.mark.parametrize(
    ("n_weights", "tolerance"), [(8, 0.01), (20, 0.002), (200, 0.0002), (4, 0.02), (1, 0.11)]
)
def test_equal_weights_give_chi_square(n_weights, tolerance):
    exact = np.r_[0.999, 0.9, 0.6, 0.5, 0.45, 0.3, 0.1, 1e-3, 1e-5, 1e-8]
    x = 3.0 * chi2.isf(exact, n_weights)
    approximate = weighted_chi_square_sf(x, np.full(n_weights, 3.0))
    np.testing.assert_allclose(approximate, exact, rtol=tolerance)


def test_equal_weights_far_in_the_tail():
    x = np.geomspace(50, 1000, 20)
    logsf = weighted_chi_square_logsf(x, np.ones(8))
    np.testing.assert_allclose(logsf, chi2.logsf(x, 8), atol=0.03)


@pytest.mark.parametrize("n_weights", [4, 20, 100])
def test_value_at_and_around_the_mean(n_weights):
    mean, sd = moments(np.ones(n_weights))
    x = mean + sd * np.r_[-1e-2, -1e-3, -1e-4, -1e-8, 0, 1e-8, 1e-4, 1e-3, 1e-2]
    np.testing.assert_allclose(
        weighted_chi_square_sf(x, np.ones(n_weights)), chi2.sf(x, n_weights), rtol=0.005
    )


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("geometric", 0.04), ("harmonic", 0.05), ("one large", 0.06), ("two groups", 0.01)],
)
def test_general_weights_agree_with_exact_inversion(name, tolerance):
    weights = SPECTRA[name]
    mean, sd = moments(weights)
    x = mean + sd * np.array([-0.8, -0.3, 0.0, 0.001, 0.5, 1.5, 3.0, 5.0])
    x = x[x > 0]
    exact = np.array([imhof(value, weights) for value in x])
    np.testing.assert_allclose(weighted_chi_square_sf(x, weights), exact, rtol=tolerance, atol=1e-7)


def test_general_weights_agree_with_simulation():
    rng = np.random.default_rng(0)
    weights = SPECTRA["geometric"]
    draws = rng.chisquare(1, size=(20_000, weights.size)) @ weights
    x = np.quantile(draws, [0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
    found = np.array([np.mean(draws > value) for value in x])
    error = np.sqrt(found * (1 - found) / draws.size)
    difference = weighted_chi_square_sf(x, weights) - found
    assert np.all(np.abs(difference) < 4 * error + 0.003)


def test_p_values_of_the_sum_are_uniform():
    rng = np.random.default_rng(1)
    weights = SPECTRA["harmonic"]
    p = weighted_chi_square_sf(rng.chisquare(1, size=(20_000, weights.size)) @ weights, weights)
    np.testing.assert_allclose(np.histogram(p, bins=10, range=(0, 1))[0] / p.size, 0.1, atol=0.01)


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("step", [1e-2, 1e-4, 1e-6])
def test_probability_falls_with_x_across_the_mean(name, step):
    weights = SPECTRA[name]
    mean, sd = moments(weights)
    x = mean + step * sd * np.arange(-2500, 2500)
    logsf = weighted_chi_square_logsf(x[x > 0], weights)
    assert np.all(np.diff(logsf[logsf < -1e-12]) < 0)
    assert np.all(logsf <= 0)


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.1, 0.1], np.ones(100)])
def test_formula_passes_smoothly_into_its_limit_at_the_mean(weights):
    mean, sd = moments(np.asarray(weights))
    x = mean + 1e-5 * sd * np.arange(-400, 400)
    slope = np.diff(weighted_chi_square_sf(x, weights))
    np.testing.assert_allclose(slope, np.median(slope), rtol=0.05)


@pytest.mark.parametrize("scale", [1e-12, 0.37, 1e15])
def test_common_scale_cancels(scale):
    weights = SPECTRA["harmonic"]
    x = np.geomspace(0.1, 1e4, 50)
    np.testing.assert_allclose(
        weighted_chi_square_logsf(scale * x, scale * weights),
        weighted_chi_square_logsf(x, weights),
        rtol=1e-9,
    )


@pytest.mark.parametrize("name", SPECTRA)
def test_log_stays_finite_and_accurate_at_a_million_means(name):
    weights = SPECTRA[name]
    x = weights.sum() * np.array([1e3, 1e6, 1e30, 1e280])
    logsf = weighted_chi_square_logsf(x, weights)
    # The largest weight decides: the leading term is -x / (2 max w).
    np.testing.assert_allclose(logsf / (-x / (2 * weights.max())), 1, atol=0.02)
    np.testing.assert_array_equal(weighted_chi_square_sf(x[1:], weights), 0)


def test_ends_of_the_range():
    x = np.array([-np.inf, -1.0, 0.0, 5e-324, 1e-30, np.inf])
    np.testing.assert_array_equal(weighted_chi_square_sf(x, np.ones(5)), [1, 1, 1, 1, 1, 0])
    np.testing.assert_allclose(
        weighted_chi_square_logsf(x, np.ones(5)), [0, 0, 0, 0, 0, -np.inf], atol=1e-70
    )


def test_order_and_negligible_weights_do_not_matter():
    rng = np.random.default_rng(2)
    weights = SPECTRA["geometric"]
    x = np.geomspace(1, 200, 30)
    padded = rng.permutation(np.r_[weights, np.zeros(5), np.full(5, 1e-14)])
    np.testing.assert_allclose(
        weighted_chi_square_sf(x, padded), weighted_chi_square_sf(x, weights), rtol=1e-10
    )


def test_values_do_not_depend_on_their_neighbours(monkeypatch):
    weights = SPECTRA["geometric"]
    x = np.r_[-1.0, np.geomspace(0.1, 1e3, 40), np.inf]
    together = weighted_chi_square_logsf(x, weights)
    alone = np.concatenate([weighted_chi_square_logsf([value], weights) for value in x])
    monkeypatch.setattr("kompot.stats.tail_probability._CHUNK_ELEMENTS", 7 * weights.size)
    chunked = weighted_chi_square_logsf(x, weights)
    np.testing.assert_allclose(together, alone, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(together, chunked, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("n_genes", [0, 3])
def test_one_probability_per_gene(n_genes):
    assert weighted_chi_square_sf(np.ones(n_genes), [1.0, 0.5]).shape == (n_genes,)


@pytest.mark.parametrize(
    ("x", "weights", "message"),
    [
        ([1.0], [1.0, -1.0], "weights are between -1 and 1"),
        ([1.0], [0.0, 0.0], "not all zero"),
        ([1.0], [], "weights are empty"),
        ([1.0], [np.nan, 1.0], "must be finite"),
        ([1.0], [np.inf, 1.0], "must be finite"),
        ([1.0], [[1.0]], r"weights has shape \(1, 1\)"),
        ([[1.0]], [1.0], r"x has shape \(1, 1\)"),
        ([1.0, np.nan], [1.0], "x is NaN at 1 of 2"),
    ],
)
def test_unusable_values_are_refused(x, weights, message):
    with pytest.raises(ValueError, match=message):
        weighted_chi_square_sf(x, weights)
