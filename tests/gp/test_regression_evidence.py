import numpy as np
import pytest
from scipy.stats import multivariate_normal

from kompot.gp.evidence import SCALE_FACTORS
from kompot.gp.kernels import make_kernel
from kompot.gp.regression_evidence import regression_evidence


def functions(rng, states, length_scale, sigma, n_genes=20):
    """Draws of the process with noise, of different amplitude and mean."""
    covariance = make_kernel("matern52", length_scale)(states, states)
    covariance[np.diag_indices_from(covariance)] += sigma**2
    draws = np.linalg.cholesky(covariance) @ rng.normal(size=(len(states), n_genes))
    return draws * rng.uniform(0.1, 5, n_genes) + rng.normal(size=n_genes) * 10


def test_evidence_is_the_normal_likelihood_at_its_amplitude(rng):
    states = rng.normal(size=(60, 2))
    values = functions(rng, states, 2.0, 0.5, n_genes=3)
    rows = [np.arange(60)]
    found = regression_evidence(states, [values], rows, 0.2, "matern52", sigma=0.5)
    expected = 0.0
    covariance = make_kernel("matern52", 2.0)(states, states) + 0.25 * np.eye(60)
    for gene in (values - values.mean(axis=0)).T:
        amplitude = gene @ np.linalg.solve(covariance, gene) / 60
        expected += multivariate_normal(np.zeros(60), amplitude * covariance).logpdf(gene)
    constant = -0.5 * 60 * 3 * (1 + np.log(2 * np.pi))
    assert found.length_scales[0] == pytest.approx(2.0)
    assert found.log_evidence[0, 0] + constant == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(("factor", "sigma"), [(10.0, 0.5), (3.2, 1.0), (1.8, 3.2)])
def test_true_scale_and_noise_are_found(rng, factor, sigma):
    states = rng.normal(size=(500, 2))
    scale = factor * 0.2
    values = functions(rng, states, scale, sigma, n_genes=60)
    halves = [np.arange(250), np.arange(250, 500)]
    parts = [values[rows] for rows in halves]
    found = regression_evidence(states, parts, halves, 0.2, "matern52")
    ls, noise = found.best
    assert 1 / 2.5 < ls / scale < 2.5
    assert 1 / 2.0 < noise / sigma < 2.0
    given = regression_evidence(states, parts, halves, 0.2, "matern52", sigma=sigma)
    assert 1 / 2.0 < given.best[0] / scale < 2.0


def test_curve_goes_from_long_to_short_until_it_falls(rng):
    states = rng.normal(size=(200, 2))
    values = functions(rng, states, 1.0, 1.0)
    found = regression_evidence(states, [values], [np.arange(200)], 0.1, "matern52")
    tops = found.log_evidence.max(axis=1)
    assert found.log_evidence.shape == (len(found.length_scales), len(found.sigmas))
    np.testing.assert_allclose(found.length_scales, 0.1 * np.array(SCALE_FACTORS[: len(tops)]))
    assert (np.diff(tops)[:-1] >= 0).all()
    assert (np.diff(found.length_scales) < 0).all()


def test_genes_that_do_not_vary_say_nothing(rng):
    states = rng.normal(size=(100, 2))
    values = functions(rng, states, 1.0, 1.0)
    rows = [np.arange(100)]
    one = regression_evidence(states, [values], rows, 0.2, "matern52", sigma=1.0)
    padded = np.column_stack([values, np.zeros(100), np.full(100, 3.0)])
    other = regression_evidence(states, [padded], rows, 0.2, "matern52", sigma=1.0)
    np.testing.assert_allclose(other.log_evidence, one.log_evidence, rtol=1e-9)


def test_amplitudes_of_genes_add_a_constant_only(rng):
    """Each is at its own best, so that units of expression do not matter."""
    states = rng.normal(size=(50, 2))
    values, rows = functions(rng, states, 1.0, 1.0, n_genes=4), [np.arange(50)]
    one = regression_evidence(states, [values], rows, 0.3, "matern52")
    other = regression_evidence(states, [1e-4 * values], rows, 0.3, "matern52")
    expected = one.log_evidence + 50 * 4 * np.log(1e4)
    np.testing.assert_allclose(other.log_evidence, expected, rtol=1e-9)


def test_noise_is_tried_from_a_third_to_32_times_the_prior(rng):
    states, values = rng.normal(size=(30, 1)), rng.normal(size=(30, 2))
    found = regression_evidence(states, [values], [np.arange(30)], 0.3, "matern52")
    np.testing.assert_allclose(found.sigmas[[0, -1]], 10.0 ** np.array([-0.5, 1.5]))
    np.testing.assert_allclose(np.diff(np.log10(found.sigmas)), 0.25)
