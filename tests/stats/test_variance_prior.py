import numpy as np
import pytest
from scipy import stats

from kompot.stats.variance_prior import fit_variance_prior


def variances(rng, n_genes, freedom, prior):
    """Variances, and effects of unit variance 1 that are null."""
    truth = prior(n_genes)
    return truth * rng.chisquare(freedom, n_genes) / freedom, rng.normal(0, np.sqrt(truth))


def test_p_values_are_the_posterior_mean_of_normal_tails(rng):
    ratio, effect = variances(rng, 300, 4, lambda n: np.ones(n))
    prior = fit_variance_prior(ratio, 4)
    assert prior.weights.sum() == pytest.approx(1)
    likelihood = stats.gamma.pdf(ratio[:, None], 2, scale=2 * prior.grid / 4)
    share = likelihood * prior.weights
    share /= share.sum(1, keepdims=True)
    np.testing.assert_allclose(prior.posterior(ratio), share, atol=1e-12)
    scale = rng.uniform(0.5, 2, 300)
    tails = 2 * stats.norm.sf(np.abs(effect)[:, None] / np.sqrt(scale[:, None] * prior.grid))
    p, variance = prior.p_values(effect, scale, ratio)
    np.testing.assert_allclose(p, (share * tails).sum(1))
    np.testing.assert_allclose(variance, scale * (share @ prior.grid))


def test_equal_variances_give_the_normal_test(rng):
    ratio, effect = variances(rng, 20_000, 4, lambda n: np.ones(n))
    p, variance = fit_variance_prior(ratio, 4).p_values(effect, np.ones(20_000), ratio)
    expected = 2 * stats.norm.sf(np.abs(effect))
    assert np.quantile(np.abs(np.log(p / expected))[expected > 1e-3], 0.99) < 0.35
    assert np.abs(variance - 1).mean() < 0.1


def test_scaled_inverse_chi_square_gives_the_moderated_t_test(rng):
    """Of the prior d0 / chi2(d0), whose answer is a t test with d0 + d degrees of freedom."""
    d0, freedom = 6, 4
    ratio, effect = variances(rng, 50_000, freedom, lambda n: d0 / rng.chisquare(d0, n))
    p, _ = fit_variance_prior(ratio, freedom).p_values(effect, np.ones(50_000), ratio)
    moderated = (d0 + freedom * ratio) / (d0 + freedom)
    expected = 2 * stats.t.sf(np.abs(effect) / np.sqrt(moderated), d0 + freedom)
    bulk = expected > 1e-3
    assert np.quantile(np.abs(np.log(p / expected))[bulk], 0.95) < 0.3


@pytest.mark.parametrize("freedom", [1, 2, 4, 14])
@pytest.mark.parametrize("kind", ["one", "two values", "inverse chi square"])
def test_null_p_values_are_uniform_on_average_over_genes(rng, freedom, kind):
    priors = {
        "one": lambda n: np.ones(n),
        "two values": lambda n: rng.choice([0.2, 5.0], n),
        "inverse chi square": lambda n: 3 / rng.chisquare(3, n),
    }
    ratio, effect = variances(rng, 20_000, freedom, priors[kind])
    p, _ = fit_variance_prior(ratio, freedom).p_values(effect, np.ones(20_000), ratio)
    assert 0.044 < (p < 0.05).mean() < 0.056
    assert 0.006 < (p < 0.01).mean() < 0.014


def test_the_likelihood_is_nearly_the_largest_possible(rng):
    """Directional derivatives bound the gap to the largest likelihood (300 steps leave some)."""
    ratio, _ = variances(rng, 5000, 4, lambda n: rng.choice([0.3, 3.0], n))
    prior = fit_variance_prior(ratio, 4)
    density = stats.gamma.pdf(ratio[:, None], 2, scale=2 * prior.grid / 4)
    gain = (density / (density @ prior.weights)[:, None]).mean(0)
    assert gain.max() < 1.05


def test_extreme_ratios_and_effects_give_p_values(rng):
    ratio = np.concatenate([rng.chisquare(2, 500) / 2, [1e-12, 1e9]])
    effect = np.concatenate([rng.normal(size=500), [0.0, 1e300]])
    p, variance = fit_variance_prior(ratio, 2).p_values(effect, np.ones(502), ratio)
    assert np.isfinite(p).all()
    assert np.isfinite(variance).all()
    assert p[-2] == 1
    assert p[-1] == 1e-300


def test_an_admixture_leaves_room_for_large_variances(rng):
    ratio, effect = variances(rng, 5000, 6, lambda n: np.ones(n))
    learned, mixed = fit_variance_prior(ratio, 6), fit_variance_prior(ratio, 6, 0.02)
    np.testing.assert_array_equal(learned.grid, mixed.grid)
    added = mixed.weights - 0.98 * learned.weights
    above = learned.grid >= np.exp(learned.weights @ np.log(learned.grid))
    np.testing.assert_allclose(added, 0.02 * above / above.sum(), atol=1e-15)
    p, q = (prior.p_values(effect, np.ones(5000), ratio)[0] for prior in (learned, mixed))
    middle, far = np.abs(effect) < 2, np.abs(effect) > 3
    assert np.quantile(np.abs(np.log(q / p))[middle], 0.9) < 0.05
    assert far.any()
    assert (q[far] > p[far]).all()
