import numpy as np
import pytest

from kompot.gp.density import NeighborLikelihood
from kompot.gp.evidence import ScaleEvidence, length_scale_by_evidence
from kompot.gp.kernels import KERNELS, make_kernel
from kompot.gp.length_scale import length_scale_of_distances
from kompot.gp.neighbors import nearest_distinct_distances


def search(states, **options):
    distances = nearest_distinct_distances(states)
    likelihood = NeighborLikelihood.of_distances(distances, float(states.shape[1]))
    heuristic = length_scale_of_distances(distances, 1.0)
    features, curve = length_scale_by_evidence(
        states, [(states, likelihood, 1.0)], heuristic, "matern52", **options
    )
    return features, curve, heuristic


def test_a_flat_density_wants_a_long_scale_and_clusters_a_short_one(rng):
    flat = rng.uniform(size=(800, 2))
    centers = rng.uniform(size=(15, 2))
    clusters = centers[rng.integers(15, size=800)] + rng.normal(scale=0.02, size=(800, 2))
    _, curve_flat, unit_flat = search(flat)
    _, curve_clusters, unit_clusters = search(clusters)
    assert curve_flat.best / unit_flat > 2 * curve_clusters.best / unit_clusters


def test_search_ends_when_the_evidence_falls(rng):
    features, curve, heuristic = search(rng.uniform(size=(500, 2)))
    assert features.kernel.length_scale == curve.best
    assert curve.length_scales[0] == pytest.approx(10 * heuristic)
    assert (np.diff(curve.log_evidence)[:-1] >= 0).all()


def test_rank_is_bounded(rng):
    assert search(rng.uniform(size=(300, 2)), max_rank=12)[0].rank <= 12


def test_best_is_the_top_of_the_curve():
    assert ScaleEvidence(np.array([9.0, 3.0, 1.0]), np.array([1.0, 5.0, 2.0])).best == 3.0


@pytest.mark.parametrize("name", KERNELS)
def test_slope_is_the_derivative_over_the_distance(name):
    kernel, s, h = make_kernel(name, 1.0), np.array([0.05, 0.4, 1.0, 3.0]), 1e-6
    derivative = (kernel.of_distance(s + h) - kernel.of_distance(s - h)) / (2 * h)
    np.testing.assert_allclose(kernel.slope(s.copy()) * s, derivative, rtol=1e-5)


@pytest.mark.parametrize("name", KERNELS)
def test_slope_is_finite_where_points_coincide(name):
    assert np.isfinite(make_kernel(name, 1.0).slope(np.zeros(1))).all()
