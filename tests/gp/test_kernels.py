import numpy as np
import pytest
from sklearn.gaussian_process import kernels as sklearn_kernels

from kompot.gp import KERNELS, make_kernel

PEERS = {
    "matern52": sklearn_kernels.Matern(length_scale=1.7, nu=2.5),
    "matern32": sklearn_kernels.Matern(length_scale=1.7, nu=1.5),
    "exponential": sklearn_kernels.Matern(length_scale=1.7, nu=0.5),
    "squared_exponential": sklearn_kernels.RBF(length_scale=1.7),
    "rational_quadratic": sklearn_kernels.RationalQuadratic(length_scale=1.7, alpha=1.0),
}


@pytest.mark.parametrize("name", KERNELS)
def test_kernel_equals_scikit_learn(name, rng):
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(7, 3))
    np.testing.assert_allclose(make_kernel(name, 1.7)(x, y), PEERS[name](x, y), rtol=1e-12)


@pytest.mark.parametrize("name", KERNELS)
def test_kernel_is_one_at_zero_and_positive_definite(name, rng):
    x = rng.normal(size=(30, 2))
    covariance = make_kernel(name, 0.9)(x, x)
    np.testing.assert_array_equal(covariance.diagonal(), 1.0)
    assert np.linalg.eigvalsh(covariance).min() > 0


def test_inputs_are_not_modified(rng):
    x = rng.normal(size=(5, 2))
    before = x.copy()
    make_kernel("matern52", 1.0)(x, x)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("length_scale", [0.0, -1.0, np.nan, np.inf])
def test_bad_length_scale_is_refused(length_scale):
    with pytest.raises(ValueError, match="`length_scale` must be a positive finite number"):
        make_kernel("matern52", length_scale)


def test_unknown_kernel_lists_the_known():
    with pytest.raises(ValueError, match=r"`kernel` must be one of \['exponential'.*got 'rbf'"):
        make_kernel("rbf", 1.0)
