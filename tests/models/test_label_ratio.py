"""Density ratios from labels, by simulation with a known ratio and where nothing differs."""

import numpy as np
import pytest

from kompot.gp.cell_order import evenly_spaced
from kompot.models.label_ratio import PRIOR_VARIANCES, fit_label_ratio

N = 1500


def ratio_of(first, second, **options):
    states = np.vstack([first, second])
    is_second = np.repeat([False, True], [len(first), len(second)])
    return fit_label_ratio(states, is_second, 0.3, **options)


def test_a_shift_of_gaussians_is_recovered(rng):
    first, second = rng.normal(size=(N, 1)), rng.normal(0.8, 1, size=(N, 1))
    found = ratio_of(first, second)
    places = np.linspace(-1.2, 2, 50)[:, None]
    truth = 0.8 * places[:, 0] - 0.32
    error = found.mean(places) - truth
    assert np.sqrt((error**2).mean()) < 0.25
    assert np.corrcoef(found.mean(places), truth)[0, 1] > 0.97


def test_unequal_numbers_of_cells_cancel(rng):
    first, second = rng.normal(size=(400, 2)), rng.normal(size=(3000, 2))
    found = ratio_of(first, second)
    assert np.abs(found.mean(second)).max() < 0.3
    assert np.mean(np.exp(found.mean(first))) == pytest.approx(1.0, abs=0.03)


def test_standard_scores_where_nothing_differs():
    scores, places = [], np.random.default_rng(1).normal(size=(100, 3))
    for seed in range(20):
        rng = np.random.default_rng(seed)
        found = ratio_of(rng.normal(size=(300, 3)), rng.normal(size=(300, 3)), ls=1.0)
        scores.append(found.mean(places) / np.sqrt(found.variance(found.embed(places))))
    assert 0.8 < np.sqrt(np.mean(np.square(scores))) < 1.1


def test_exchanging_the_conditions_changes_the_sign(rng):
    states, is_second = rng.normal(size=(200, 2)), rng.random(200) < 0.4
    one = fit_label_ratio(states, is_second, 0.3)
    other = fit_label_ratio(states, ~is_second, 0.3)
    np.testing.assert_allclose(one.mean(states), -other.mean(states), atol=1e-8)
    variances = [ratio.variance(ratio.embed(states)) for ratio in (one, other)]
    np.testing.assert_allclose(*variances, rtol=1e-8)


def test_the_variance_is_the_diagonal_of_the_covariance(rng):
    states, is_second = rng.normal(size=(100, 2)), rng.random(100) < 0.5
    found = fit_label_ratio(states, is_second, 0.3)
    wide = found.embed(states)
    np.testing.assert_allclose(np.diag(found.covariance(wide)), found.variance(wide))


def test_the_posterior_is_wider_than_the_sampling_distribution(rng):
    states, is_second = rng.normal(size=(300, 2)), rng.random(300) < 0.5
    sampling = fit_label_ratio(states, is_second, 0.3, ls=1.0)
    posterior = fit_label_ratio(states, is_second, 0.3, ls=1.0, posterior_variance=True)
    wide = sampling.embed(states)
    assert (posterior.variance(wide) > sampling.variance(wide)).all()


def test_separable_conditions_stay_finite(rng):
    found = ratio_of(rng.normal(-50, 1, size=(50, 1)), rng.normal(50, 1, size=(50, 1)))
    ends = found.mean(np.array([[-50.0], [50.0]]))
    assert np.isfinite(ends).all()
    assert ends[1] - ends[0] > 2
    assert found.posterior.prior_variance == PRIOR_VARIANCES[-1]


@pytest.mark.parametrize("exchanged", [False, True])
def test_a_condition_of_few_cells_among_many_is_seen(rng, exchanged):
    states = np.sort(rng.normal(size=(9000, 1)), axis=0)
    is_second = np.zeros(len(states), dtype=bool)
    passed_over = np.setdiff1d(np.arange(9000), evenly_spaced(9000, 5000))
    is_second[passed_over[[10, 900, 2000, 3900]]] = True
    found = fit_label_ratio(states, is_second ^ exchanged, 0.3)
    assert np.isfinite(found.posterior.log_evidence)
    assert np.isfinite(found.mean(states)).all()
    assert (found.variance(found.embed(states)) > 0).all()
