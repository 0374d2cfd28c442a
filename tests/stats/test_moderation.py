import numpy as np
import pytest
from scipy import special, stats

from kompot.stats.moderation import (
    Moderation,
    effective_number,
    inverse_trigamma,
    moderate,
    two_sided_p,
)


@pytest.mark.parametrize("value", [1e-4, 0.01, 0.3, 1.0, 7.0, 1e3, 1e8])
def test_inverse_trigamma_is_one(value):
    assert special.polygamma(1, inverse_trigamma(value)) == pytest.approx(value, rel=1e-9)


def test_independent_regions_count_in_full_and_copies_once(rng):
    residuals = rng.normal(size=(6, 20))
    found = [effective_number(rng.normal(size=(6, 20))) for _ in range(200)]
    assert np.median(found) > 15
    copies = np.repeat(residuals[:, :1], 20, axis=1)
    few = [effective_number(np.repeat(rng.normal(size=(6, 4)), 5, axis=1)) for _ in range(200)]
    assert effective_number(copies) < 2
    assert 2.5 < np.median(few) < 5


def test_effective_number_ignores_the_basis_and_the_scale(rng):
    residuals = rng.normal(size=(5, 12)) @ rng.normal(size=(12, 12))
    turned = np.linalg.qr(rng.normal(size=(5, 5)))[0] @ residuals
    assert effective_number(7 * turned) == pytest.approx(effective_number(residuals), rel=1e-9)


@pytest.mark.parametrize("shape", [(1, 9), (4, 0), (4, 1)])
def test_effective_number_of_next_to_nothing_is_one(rng, shape):
    assert effective_number(rng.normal(size=shape)) == 1.0


def test_prior_degrees_of_freedom_are_found_from_many_regions(rng):
    df, n_regions, prior = 6, 20_000, 10
    trend = np.exp(rng.normal(size=n_regions))
    truth = trend * prior / rng.chisquare(prior, n_regions)
    variance = truth * rng.chisquare(df, n_regions) / df
    found = moderate(variance, trend, np.full(n_regions, 1 / n_regions), df, n_regions)
    assert found.prior_degrees_of_freedom == pytest.approx(prior, rel=0.05)
    equal = trend * rng.chisquare(df, n_regions) / df
    found = moderate(equal, trend, np.full(n_regions, 1 / n_regions), df, n_regions)
    assert found.prior_degrees_of_freedom > 100


def test_few_regions_leave_the_prior_at_eight(rng):
    variance = rng.chisquare(3, 5)
    found = moderate(variance, np.ones(5), np.full(5, 0.2), 3, 1e-9)
    assert found.prior_degrees_of_freedom == pytest.approx(8.0, rel=1e-6)


def test_variance_lies_between_own_and_trend_and_never_below_sampling():
    own, trend = np.array([0.1, 2.0]), np.array([0.5, 0.5])
    zero = np.zeros(2)
    moderation = Moderation(4, 10.0, 8.0)
    one, degrees = moderation.error(own, trend, zero, zero)
    np.testing.assert_allclose(one, (8 * trend + 4 * own) / 12)
    np.testing.assert_allclose(degrees, moderation.total_degrees_of_freedom)
    np.testing.assert_allclose(Moderation(4, 9.0, 1e-12).error(own, trend, zero, zero)[0], own)
    np.testing.assert_allclose(Moderation(4, 9.0, 1e12).error(own, trend, zero, zero)[0], trend)
    floored, _ = moderation.error(own, trend, zero, np.ones(2))
    np.testing.assert_allclose(floored, np.maximum(one, 1))


def test_a_variance_less_a_known_part_has_fewer_degrees_of_freedom(rng):
    """Satterthwaite: draws of what is left have the variance that its degrees of freedom say."""
    moderation, true, known = Moderation(6, 50.0, 12.0), 1.0, np.full(200_000, -0.4)
    own = true * rng.chisquare(6, len(known)) / 6
    trend = true * rng.chisquare(12, len(known)) / 12
    zero = np.zeros(len(known))
    left, _ = moderation.error(own, trend, known, zero)
    _, (degrees, more) = moderation.error(
        np.full(2, true), np.full(2, true), np.array([-0.4, 0.4]), np.zeros(2)
    )
    assert left.var() == pytest.approx(2 * (true - 0.4) ** 2 / degrees, rel=0.02)
    assert more == moderation.total_degrees_of_freedom  # never more than without


@pytest.mark.parametrize(("n_effective", "total"), [(1.0, 4.0), (2.5, 10.0), (50.0, 12.0)])
def test_total_degrees_of_freedom_are_capped(n_effective, total):
    assert Moderation(4, n_effective, 8.0).total_degrees_of_freedom == total


def test_p_values_are_those_of_student(rng):
    t = rng.normal(0, 4, 50)
    for df in (2.0, 7.3, 400.0):
        np.testing.assert_allclose(two_sided_p(t, df), 2 * stats.t.sf(np.abs(t), df), rtol=1e-10)
