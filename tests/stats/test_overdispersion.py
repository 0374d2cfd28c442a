import numpy as np
import pytest

from kompot.stats.overdispersion import Overdispersion, fit_overdispersion


def simulate(rng, truth, df, n_regions=4000):
    fraction = np.exp(rng.uniform(-5, -1, n_regions))
    sampling = 1.0 / (500 * fraction)
    variance = (truth(fraction) + sampling) * rng.chisquare(df, n_regions) / df
    return variance, sampling, fraction, np.full(n_regions, 1.0 / n_regions), df


@pytest.mark.parametrize("slope", [0.0, 0.4])
def test_trend_of_many_regions_is_found(rng, slope):
    truth = Overdispersion(-2.5, slope, -3.0)
    found = fit_overdispersion(*simulate(rng, truth, 400))
    at = np.exp([-4.5, -3.0, -1.5])
    np.testing.assert_allclose(found(at), truth(at), rtol=0.1)


def test_pure_sampling_noise_has_next_to_no_overdispersion(rng):
    variance, sampling, fraction, weights, df = simulate(rng, lambda f: 0 * f, 6)
    found = fit_overdispersion(variance, sampling, fraction, weights, df)
    assert (found(fraction) < 0.05 * sampling).all()


def test_few_samples_keep_the_slope_near_zero(rng):
    truth = Overdispersion(-2.0, 1.5, -3.0)
    few = fit_overdispersion(*simulate(rng, truth, 1, 12))
    many = fit_overdispersion(*simulate(rng, truth, 60, 4000))
    assert abs(few.slope) < abs(many.slope)
    assert many.slope == pytest.approx(1.5, abs=0.2)


def test_minimum_is_stationary(rng):
    variance, sampling, fraction, weights, df = simulate(rng, Overdispersion(-2, 0.2, -3), 6, 60)
    found = fit_overdispersion(variance, sampling, fraction, weights, df)

    def objective(intercept, slope):
        total = Overdispersion(intercept, slope, found.center)(fraction) + sampling
        misfit = (weights * (np.log(total) + variance / total)).sum()
        return misfit + (slope / 0.3) ** 2 / (10 * df)

    least = objective(found.intercept, found.slope)
    for step in ((0.02, 0), (-0.02, 0), (0, 0.02), (0, -0.02)):
        assert objective(found.intercept + step[0], found.slope + step[1]) > least
