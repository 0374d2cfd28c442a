"""Logarithms of mean counts."""

from dataclasses import replace

import numpy as np
import pytest

from kompot.stats.ancova import AdjustedMeans
from kompot.stats.compressed_counts import compressed
from kompot.stats.log_means import log_means
from kompot.stats.region_sums import RegionSums


def means_of(values, weight, *, shift=0.0, within=None):
    """Means of one region: ``values`` ``(n_samples, n_genes)`` of compressed counts."""
    values, weight = np.asarray(values, float), np.asarray(weight, float)[:, None]
    mean = (weight * values).sum(0) / max(weight.sum(), 1e-9)
    within = mean if within is None else np.full(values.shape[1], within)
    raw = values[:, None]
    phi, expressing = np.zeros((len(values), 1, 1)), np.full((1, values.shape[1]), 100.0)
    return AdjustedMeans(
        RegionSums(weight, weight, phi, raw, within[None], expressing),
        phi,
        raw,
        raw - np.broadcast_to(shift, raw.shape),
        mean[None],
        within[None],
        0.5 * within[None],
        1.0,
        1.0,
        np.eye(1),
    )


def test_many_counts_give_their_logarithm():
    level = compressed(np.array([[2.0, 700.0, 3e4], [3.0, 500.0, 9e4]]))
    found = log_means(means_of(level, [1e9, 1e9]), np.zeros(2))
    expected = np.log([[2.0, 700.0, 3e4], [3.0, 500.0, 9e4]])
    np.testing.assert_allclose(found.raw[:, 0], expected, atol=1e-6)
    np.testing.assert_allclose(found.adjusted, found.raw)


def test_factors_of_samples_are_taken_out():
    level = compressed(np.array([[2.0, 40.0], [2.6, 52.0]]))
    found = log_means(means_of(level, [1e9, 1e9]), np.log([1.0, 1.3]))
    np.testing.assert_allclose(found.raw[0], found.raw[1], atol=1e-6)


def test_four_counts_are_added_to_a_sample_of_median_size_and_in_proportion_to_others():
    weight = np.array([10.0, 20.0, 40.0])
    found = log_means(means_of(np.zeros((3, 1)), weight, within=0.0), np.zeros(3))
    np.testing.assert_allclose(found.raw[:, 0, 0], np.log(4 / 20), atol=1e-6)


@pytest.mark.parametrize("rate", [0.02, 0.2, 1.0, 5.0])
def test_smaller_samples_are_hardly_lower(rng, rate):
    """Poisson counts: what five times fewer cells do to the mean of logarithms."""
    weight = np.array([100.0, 20.0])
    means = rng.poisson(rate * weight[:, None], (2, 40_000)) / weight[:, None]
    built = means_of(means, weight)
    built = replace(built, mean=np.full((1, 40_000), rate), within=np.full((1, 40_000), rate))
    found = log_means(built, np.zeros(2)).raw[:, 0].mean(axis=1)
    plain = np.log(means + 4 / 60).mean(axis=1)
    assert abs(found[1] - found[0]) < 0.3 * abs(plain[1] - plain[0]) + 0.002


def test_variances_are_those_of_the_logarithms(rng):
    weight, rate = 200.0, np.array([0.5, 3.0])
    counts = rng.poisson(rate, (4000, 200, 2))
    values = compressed(counts.astype(float))
    built = means_of(values.mean(axis=1), np.full(4000, weight))
    built = replace(built, within=values.var(axis=(0, 1))[None], residual=built.within)
    found = log_means(built, np.zeros(4000))
    np.testing.assert_allclose(found.raw[:, 0].var(axis=0) * weight, found.within[0], rtol=0.1)


def test_the_state_effect_is_a_ratio_of_what_is_expected():
    level = compressed(np.array([[3.0, 300.0], [6.0, 600.0]]))
    built = means_of(level, [1e9, 1e9])
    both = built.mean[0]
    found = log_means(replace(built, adjusted=np.tile(both, (2, 1))[:, None]), np.zeros(2))
    np.testing.assert_allclose(found.adjusted[0], found.adjusted[1], atol=1e-6)
    extreme = replace(built, adjusted=built.raw + 1e3 * np.array([[[1.0]], [[-1.0]]]))
    change = log_means(extreme, np.zeros(2))
    assert np.abs(change.adjusted - change.raw).max() == pytest.approx(np.log(10))


def test_regions_and_samples_without_cells_are_left_alone():
    found = log_means(means_of(np.zeros((2, 3)), [0.0, 0.0], within=0.0), np.zeros(2))
    assert np.isfinite(found.raw).all()
    assert np.isfinite(found.adjusted).all()
