import numpy as np
from scipy.spatial.distance import pdist

from kompot.gp import principal_coordinates as module
from kompot.gp.features import fit_features
from kompot.gp.kernels import make_kernel
from kompot.gp.principal_coordinates import principal_coordinates


def features_of(states, scale):
    rng = np.random.default_rng(0)
    return fit_features(states, make_kernel("matern52", scale), tol=1e-7, rng=rng)


def test_distances_are_those_of_the_features(rng, monkeypatch):
    states = rng.normal(size=(400, 3))
    features = features_of(states, 3.0)
    monkeypatch.setattr(module, "FEATURE_CHUNK", 64)
    found = principal_coordinates(features, states)
    exact = np.square(pdist(features(states)))
    lost = exact - np.square(pdist(found))
    assert lost.min() > -1e-12
    assert lost.mean() < 1e-4 * exact.mean()
    np.testing.assert_allclose(found.mean(axis=0), 0.0, atol=1e-12)
    assert found.shape[1] < features.rank / 2


def test_directions_of_some_cells_serve_all(rng, monkeypatch):
    states = rng.normal(size=(900, 3))
    features = features_of(states, 3.0)
    whole = pdist(principal_coordinates(features, states))
    monkeypatch.setattr(module, "_FITTED_CELLS", 400)
    part = pdist(principal_coordinates(features, states))
    assert np.square(part - whole).mean() < 1e-3 * np.square(whole).mean()


def test_cells_in_one_place_have_one_coordinate():
    states = np.ones((30, 2))
    found = principal_coordinates(features_of(states, 1.0), states)
    np.testing.assert_allclose(found, np.zeros((30, 1)), atol=1e-12)
