import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import expit
from scipy.stats import norm

from kompot.memory.abundance import AbundanceSizes, abundance_steps
from kompot.stats import abundance as module
from kompot.stats.abundance import (
    abundance_direction,
    adaptive_shrinkage,
    neg_log10_tail,
    ratio_offset,
)


def test_tail_is_one_sided():
    z = np.array([-3.0, 0.0, 1.645, 5.0])
    np.testing.assert_allclose(neg_log10_tail(z), -np.log10(norm.sf(np.abs(z))))


def test_tail_stays_finite_and_grows_far_out():
    z = np.array([40.0, 1e3, 1e6])
    np.testing.assert_allclose(neg_log10_tail(z), z**2 / 2 / np.log(10), rtol=0.01)


def test_direction_needs_both_thresholds():
    lfc = np.array([2.0, 2.0, 0.5, -2.0, -0.5, 0.0])
    ptp = np.array([3.0, 1.0, 9.0, 3.0, 9.0, 9.0])
    found = abundance_direction(lfc, ptp, lfc_threshold=1.0, ptp_threshold=0.05)
    assert found.tolist() == ["up", "neutral", "neutral", "down", "neutral", "neutral"]


@pytest.mark.parametrize(("lfc_threshold", "ptp_threshold"), [(0.0, 1.0), (0.0, 0.0), (9.0, 1.0)])
def test_extreme_thresholds(lfc_threshold, ptp_threshold):
    found = abundance_direction(np.array([1.0]), np.array([2.0]), lfc_threshold, ptp_threshold)
    assert found[0] == ("up" if (lfc_threshold, ptp_threshold) == (0.0, 1.0) else "neutral")


def gaussian_ratio(rng, n1, n2):
    """True log ratio N(1, 1) over N(0, 1) at the cells of both."""
    cells = np.r_[rng.normal(size=n1), rng.normal(1.0, 1.0, size=n2)]
    return cells - 0.5


@pytest.mark.parametrize(("n1", "n2"), [(20_000, 20_000), (40_000, 5_000)])
def test_offset_normalises_the_ratio(rng, n1, n2):
    lfc = gaussian_ratio(rng, n1, n2)
    assert ratio_offset(lfc, n1, n2)[0] == pytest.approx(0.0, abs=0.04)
    assert ratio_offset(lfc + 1.7, n1, n2)[0] == pytest.approx(-1.7, abs=0.04)


def test_offset_of_exchanged_conditions_is_exactly_opposite(rng):
    lfc = gaussian_ratio(rng, 300, 70)
    offset, weights = ratio_offset(lfc, 300, 70)
    opposite, same = ratio_offset(-lfc, 70, 300)
    assert opposite == -offset
    np.testing.assert_array_equal(weights, same)


def test_weights_are_minus_the_derivative_of_the_offset(rng):
    lfc = gaussian_ratio(rng, 4000, 2000)
    change = rng.normal(size=6000)
    weights = ratio_offset(lfc, 4000, 2000)[1]
    h = 1e-4
    moved = [ratio_offset(lfc + s * change, 4000, 2000)[0] for s in (h, -h)]
    assert (moved[0] - moved[1]) / (2 * h) == pytest.approx(-weights @ change, abs=1e-3)


@pytest.mark.parametrize("gap", [50.0, 1e4])
def test_conditions_without_a_common_place_keep_the_ratio(gap):
    offset, weights = ratio_offset(np.r_[np.full(100, -gap), np.full(200, gap)], 100, 200)
    assert offset == pytest.approx(0.0, abs=1e-6)
    assert np.isfinite(weights).all()


def simulate(rng, n, null_share, scale):
    truth = rng.normal(scale=scale, size=n) * (rng.random(n) > null_share)
    errors = rng.uniform(0.5, 1.5, size=n)
    return truth, truth + errors * rng.normal(size=n), errors


@pytest.mark.parametrize(("null_share", "scale"), [(0.8, 4.0), (0.5, 3.0), (0.0, 2.0)])
def test_rates_are_the_share_of_wrong_signs(rng, null_share, scale):
    truth, effects, errors = simulate(rng, 10_000, null_share, scale)
    found = adaptive_shrinkage(effects, errors)
    wrong = np.sign(truth) != np.sign(found.mean)
    for low, high in ((0.0, 0.05), (0.05, 0.2), (0.2, 0.4)):
        rows = (found.lfsr >= low) & (found.lfsr < high)
        excess = wrong[rows].mean() - found.lfsr[rows].mean()
        assert -0.1 < excess < 0.05  # the fit is told of ten cells without an effect
    called = found.svalue < 0.05
    assert called.sum() > 100
    assert wrong[called].mean() < 0.06


def test_nothing_is_called_without_effects(rng):
    found = adaptive_shrinkage(*simulate(rng, 10_000, 1.0, 1.0)[1:])
    assert found.null_share > 0.9
    assert (found.svalue > 0.05).all()
    assert np.abs(found.mean).mean() < 0.05


def test_a_normal_prior_is_recovered(rng):
    truth, effects, errors = simulate(rng, 20_000, 0.0, 2.0)
    found = adaptive_shrinkage(effects, errors)
    exact = effects * 4 / (4 + errors**2)
    assert np.sqrt(np.mean((found.mean - exact) ** 2)) < 0.1
    assert np.mean((found.mean - truth) ** 2) < 1.02 * np.mean((exact - truth) ** 2)


def test_shrinkage_scales_with_the_data_and_ignores_order(rng):
    effects, errors = simulate(rng, 3000, 0.5, 3.0)[1:]
    found = adaptive_shrinkage(effects, errors)
    scaled = adaptive_shrinkage(1e3 * effects, 1e3 * errors)
    np.testing.assert_allclose(scaled.lfsr, found.lfsr, atol=1e-6)
    order = rng.permutation(3000)
    np.testing.assert_allclose(
        adaptive_shrinkage(effects[order], errors[order]).svalue, found.svalue[order], atol=1e-6
    )


def test_prior_of_many_cells_is_that_of_a_sample(rng):
    effects, errors = simulate(rng, 60_000, 0.7, 3.0)[1:]
    found = adaptive_shrinkage(effects, errors)
    assert found.null_share == pytest.approx(0.7, abs=0.1)
    assert (np.diff(found.svalue[np.argsort(found.lfsr)]) >= -1e-12).all()


@pytest.mark.parametrize(
    ("effects", "errors", "message"),
    [
        ([1.0, 2.0], [1.0], "of one length"),
        ([], [], "non-empty"),
        ([1.0, np.nan], [1.0, 1.0], "must be finite"),
        ([1.0, 2.0], [1.0, 0.0], "must be positive"),
    ],
)
def test_unusable_values_are_refused(effects, errors, message):
    with pytest.raises(ValueError, match=message):
        adaptive_shrinkage(np.array(effects), np.array(errors))


def test_ten_observations_of_no_effect_are_added():
    """One cell far out has no share in the null; ten of eleven observations have."""
    assert adaptive_shrinkage(np.array([100.0]), np.array([1.0])).null_share == pytest.approx(
        10 / 11, abs=1e-3
    )


def test_weights_maximise_the_penalised_likelihood(rng):
    """At the maximum the derivative by each weight is the same, or smaller at weight zero."""
    effects, errors = simulate(rng, 500, 0.6, 3.0)[1:]
    found = adaptive_shrinkage(effects, errors)
    density = norm.pdf(effects[:, None], scale=np.sqrt(errors[:, None] ** 2 + found.scales**2))
    slope = (density / (density @ found.weights)[:, None]).sum(axis=0)
    slope[0] += 10 / found.weights[0]
    np.testing.assert_allclose(slope[0], 510, rtol=0.01)
    assert slope.max() < 510 * 1.01
    np.testing.assert_allclose(found.weights @ slope, 510, rtol=1e-6)


@pytest.mark.parametrize(("n1", "n2"), [(1, 2), (2, 1), (3, 0.5)])
@pytest.mark.parametrize("ratio", [-6.0, 0.3, 6.0])
def test_offset_solves_its_equation_with_the_prior(n1, n2, ratio):
    lfc = ratio + np.array([0.0, 0.1, 0.4])

    def equation(b):
        chance = expit(lfc + b + np.log(n2) - np.log(n1))
        return (chance - 0.5).sum() - (n2 - n1) / 2 + b / 9

    offset, weights = ratio_offset(lfc, n1, n2)
    assert offset == pytest.approx(brentq(equation, -50, 50), abs=1e-9)
    chance = expit(lfc + offset + np.log(n2) - np.log(n1))
    expected = chance * (1 - chance)
    np.testing.assert_allclose(weights, expected / expected.sum())


def test_scales_reach_from_a_tenth_of_the_errors_to_twice_what_the_largest_effect_needs():
    found = adaptive_shrinkage(np.array([5.0, 0.1]), np.array([3.0, 2.0]))
    assert found.scales[0] == 0.0
    assert found.scales[-1] == pytest.approx(2 * 4.0)
    assert 0.2 / np.sqrt(2) < found.scales[1] <= 0.2 * (1 + 1e-12)
    np.testing.assert_allclose(found.scales[2:] / found.scales[1:-1], np.sqrt(2))
    none = adaptive_shrinkage(np.array([0.1, 0.2]), np.array([1.0, 1.0]))
    assert none.scales[-1] == pytest.approx(2 * 0.8)


def test_posterior_is_prior_times_likelihood():
    """Mean, standard deviation and rate of wrong signs by sums over a fine grid."""
    effects, errors = np.array([0.2, 1.0, -3.0, 6.0]), np.array([1.0, 0.5, 1.5, 1.0])
    found = adaptive_shrinkage(effects, errors)
    grid = np.linspace(-40, 40, 400_001)
    scales, weights = found.scales[1:], found.weights[1:]
    prior = sum(w * norm.pdf(grid, scale=s) for w, s in zip(weights, scales, strict=True))
    for k in range(4):
        at_zero = found.weights[0] * norm.pdf(effects[k], scale=errors[k])
        mass = prior * norm.pdf(effects[k], grid, errors[k]) * (grid[1] - grid[0])
        total = at_zero + mass.sum()
        mean, second = (mass @ grid) / total, (mass @ grid**2) / total
        assert found.mean[k] == pytest.approx(mean, abs=1e-3)
        assert found.sd[k] == pytest.approx(np.sqrt(second - mean**2), abs=1e-3)
        wrong = mass[grid < 0].sum() if effects[k] > 0 else mass[grid > 0].sum()
        assert found.lfsr[k] == pytest.approx((at_zero + wrong) / total, abs=1e-3)


def test_the_prior_is_fitted_to_as_many_cells_as_memory_is_planned_for(rng, monkeypatch):
    fitted = []
    original = module._fit_weights
    monkeypatch.setattr(
        module, "_fit_weights", lambda *given: fitted.append(len(given[0])) or original(*given)
    )
    adaptive_shrinkage(rng.normal(size=25_000), np.ones(25_000))
    steps = abundance_steps(AbundanceSizes(25_000, (15_000, 10_000), 2, 10))
    (planned,) = (one.shape[0] for step in steps for one in step.held if one.name == "Likelihoods")
    assert fitted == [planned]
