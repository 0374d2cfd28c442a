import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kompot.stats import sample_variance
from kompot.stats.mahalanobis import mahalanobis
from kompot.stats.sample_variance import (
    deviation_variance,
    mahalanobis_with_samples,
    sample_deviations,
)


def copies(weights):
    return [one.copy() for one in weights]


@settings(deadline=None)  # of the wall clock
@given(seed=st.integers(0, 10_000), n_samples=st.integers(2, 6), scale=st.floats(-8, 4))
def test_distances_equal_those_of_every_genes_explicit_covariance(seed, n_samples, scale):
    rng = np.random.default_rng(seed)
    rank, n_genes = rng.integers(1, 8), 5
    root = rng.normal(size=(rank, rank))
    covariance = root @ root.T + 0.1 * np.eye(rank)
    delta = rng.normal(size=(rank, n_genes))
    samples = [rng.normal(size=(n_samples, rank, n_genes)) * 10.0**scale, None]
    samples[1] = rng.normal(size=(2, rank, n_genes))
    deviations = [d for group in samples for d in sample_deviations(list(group.copy()))]
    assert len(deviations) == n_samples - 1 + 1
    found = mahalanobis_with_samples(delta, covariance, deviations)
    for gene in range(n_genes):
        total = covariance.copy()
        for group in samples:
            total += np.cov(group[:, :, gene], rowvar=False, ddof=1).reshape(rank, rank)
        expected = np.sqrt(delta[:, gene] @ np.linalg.solve(total, delta[:, gene]))
        rtol = 1e-9 + 1e-15 * np.linalg.cond(total)  # of the solution that is expected
        np.testing.assert_allclose(found[gene], expected, rtol=rtol)


def test_a_change_along_which_samples_scatter_widely_keeps_its_digits(rng):
    """What is left of the distance is 1e-16 of its square without samples."""
    delta, direction = np.array([[1.0], [1e-8]]), np.array([[1.0], [0.0]])
    found = mahalanobis_with_samples(delta, np.eye(2), [1e9 * direction])
    np.testing.assert_allclose(found, np.sqrt(1e-16 + 1e-18), rtol=1e-10)


def test_deviations_hold_the_covariance_between_samples_at_every_cell(rng):
    weights, phi = rng.normal(size=(5, 6, 3)), rng.normal(size=(7, 6))
    functions = np.einsum("ir,srg->sig", phi, weights)
    found = deviation_variance(phi, sample_deviations(list(weights.copy())))
    np.testing.assert_allclose(found, functions.var(axis=0, ddof=1))


def test_the_order_of_samples_and_other_genes_do_not_matter(rng, monkeypatch):
    weights, delta = list(rng.normal(size=(4, 6, 50))), rng.normal(size=(6, 50))
    whole = mahalanobis_with_samples(delta, np.eye(6), sample_deviations(copies(weights)))
    turned = sample_deviations(copies([weights[s] for s in (2, 0, 3, 1)]))
    np.testing.assert_allclose(mahalanobis_with_samples(delta, np.eye(6), turned), whole)
    monkeypatch.setattr(sample_variance, "SAMPLE_BATCH", 90)
    batched = mahalanobis_with_samples(delta, np.eye(6), sample_deviations(copies(weights)))
    np.testing.assert_allclose(batched, whole)
    part = sample_deviations([one[:, :7].copy() for one in weights])
    np.testing.assert_allclose(
        mahalanobis_with_samples(delta[:, :7], np.eye(6), part), whole[:7], rtol=1e-12
    )


def test_equal_samples_change_nothing_and_scatter_only_shortens(rng):
    weights, delta = rng.normal(size=(6, 4)), rng.normal(size=(6, 4))
    plain = mahalanobis(delta, np.eye(6))
    same = sample_deviations([weights.copy() for _ in range(3)])
    np.testing.assert_allclose(mahalanobis_with_samples(delta, np.eye(6), same), plain)
    scattered = sample_deviations(list(rng.normal(size=(3, 6, 4))))
    assert (mahalanobis_with_samples(delta, np.eye(6), scattered) < plain).all()


@pytest.mark.parametrize("n_genes", [0, 1])
def test_few_genes(n_genes):
    found = mahalanobis_with_samples(np.ones((2, n_genes)), np.eye(2), [np.zeros((2, n_genes))])
    np.testing.assert_allclose(found, np.sqrt(2.0) * np.ones(n_genes))
