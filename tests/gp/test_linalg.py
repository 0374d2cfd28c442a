import numpy as np
import pytest
from scipy.linalg import cholesky

from kompot.gp.linalg import inverse_of, leading_directions


@pytest.fixture
def covariance(rng):
    root = rng.normal(size=(6, 6)) * [3.0, 2.0, 1.0, 0.5, 0.2, 0.1]
    return root @ root.T + 0.01 * np.eye(6)


def test_inverse_of_a_factor_is_that_of_its_square_and_symmetric(covariance):
    found = inverse_of(cholesky(covariance, lower=True))
    np.testing.assert_allclose(found @ covariance, np.eye(6), atol=1e-9)
    np.testing.assert_array_equal(found, found.T)


@pytest.mark.parametrize("share", [1e-6, 0.3, 0.8, 0.99])
def test_leading_directions_are_the_fewest_with_their_share(covariance, share):
    variance, directions = leading_directions(covariance, share)
    assert (np.diff(variance) <= 0).all()
    np.testing.assert_allclose(directions.T @ directions, np.eye(len(variance)), atol=1e-12)
    np.testing.assert_allclose(covariance @ directions, directions * variance, atol=1e-9)
    wanted = share * np.trace(covariance)
    assert variance.sum() >= wanted
    assert variance[:-1].sum() < wanted


def test_all_directions_are_kept_for_the_whole_share(covariance):
    variance, directions = leading_directions(covariance, 1.0)
    np.testing.assert_allclose(directions * variance @ directions.T, covariance, atol=1e-9)
