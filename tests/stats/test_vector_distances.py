"""Mahalanobis distances of given vectors, against their formula."""

import numpy as np
import pytest

from kompot.stats.vector_distances import (
    compute_mahalanobis_distance,
    compute_mahalanobis_distances,
)

QUIET = {"progress": False}


@pytest.fixture
def given(rng):
    """Vectors of 7 genes at 4 points, a covariance, one of each gene, and further variances."""
    root = rng.normal(size=(4, 4))
    roots = rng.normal(size=(7, 4, 4))
    own = np.einsum("gij,gkj->ikg", roots, roots) + 0.5 * np.eye(4)[:, :, None]
    return rng.normal(size=(7, 4)), root @ root.T + np.eye(4), own, rng.uniform(0.1, 2, (7, 4))


def expected(vectors, covariances):
    return [np.sqrt(d @ np.linalg.solve(c, d)) for d, c in zip(vectors, covariances, strict=True)]


@pytest.mark.parametrize("batch_size", [1, 3, 7, 500, 0, None])
@pytest.mark.parametrize("eps", [0.0, 0.3])
def test_distances_are_those_of_the_formula(given, batch_size, eps):
    vectors, shared, own, variance = given
    jitter = eps * np.eye(4)
    of_genes = [own[:, :, g] + jitter for g in range(7)]
    options = QUIET | {"batch_size": batch_size, "eps": eps}
    cases = {
        "shared": (shared, None, [shared + jitter] * 7),
        "own": (own, None, of_genes),
        "shared with variances": (
            shared,
            variance,
            [shared + jitter + np.diag(v) for v in variance],
        ),
        "own with variances": (
            own,
            variance,
            [c + np.diag(v) for c, v in zip(of_genes, variance, strict=True)],
        ),
    }
    for name, (covariance, diagonal, totals) in cases.items():
        found = compute_mahalanobis_distances(
            vectors, covariance, diagonal_variance=diagonal, **options
        )
        np.testing.assert_allclose(found, expected(vectors, totals), rtol=1e-9, err_msg=name)


def test_one_vector_is_the_first_of_many(given):
    vectors, shared, _, _ = given
    one = compute_mahalanobis_distance(vectors[2], shared)
    assert isinstance(one, float)
    np.testing.assert_allclose(one, compute_mahalanobis_distances(vectors, shared, **QUIET)[2])
    np.testing.assert_allclose(one, expected(vectors[2:3], [shared + 1e-8 * np.eye(4)])[0])
    alone = compute_mahalanobis_distances(vectors[2], shared, **QUIET)
    np.testing.assert_allclose(alone, [one])


def test_default_jitter_makes_a_singular_covariance_answer():
    singular = np.ones((2, 2))
    found = compute_mahalanobis_distance([1.0, 1.0], singular)
    assert found == pytest.approx(1.0, rel=1e-6)
    assert compute_mahalanobis_distance([1.0, -1.0], singular) == pytest.approx(np.sqrt(2e8))


def test_progress_is_shown_for_several_batches_only(given, capsys):
    vectors, shared, _, _ = given
    compute_mahalanobis_distances(vectors, shared)
    compute_mahalanobis_distances(vectors, shared, batch_size=3, progress=False)
    assert capsys.readouterr().err == ""
    compute_mahalanobis_distances(vectors, shared, batch_size=3)
    assert "distances" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"covariance": np.eye(3)}, r"`covariance` must have shape \(4, 4\) or \(4, 4, 7\)"),
        ({"diagonal_variance": np.ones((4, 7))}, r"`diagonal_variance` must have shape \(7, 4\)"),
        ({"diff_values": np.full((7, 4), np.nan)}, "`diff_values` holds NaN"),
        ({"covariance": np.full((4, 4), np.inf)}, "`covariance` holds NaN or infinite"),
        ({"diagonal_variance": np.full((7, 4), np.nan)}, "`diagonal_variance` holds NaN"),
        ({"eps": -1e-9}, "'eps' must be finite and at least 0"),
        ({"eps": np.inf}, "'eps' must be finite"),
        ({"batch_size": -1}, "'batch_size' must be finite and at least 0"),
    ],
)
def test_bad_input_is_refused(given, changes, message):
    vectors, shared, _, _ = given
    with pytest.raises(ValueError, match=message):
        compute_mahalanobis_distances(
            **{"diff_values": vectors, "covariance": shared, "progress": False} | changes
        )


def test_one_vector_must_be_a_vector(given):
    vectors, shared, _, _ = given
    with pytest.raises(ValueError, match=r"must be a vector .* got shape \(7, 4\)"):
        compute_mahalanobis_distance(vectors, shared)
