"""Agreement with the exact full Gaussian process of Mellon, an independent implementation."""

import numpy as np
import pytest
from scipy.spatial import KDTree

from kompot.models import FunctionEstimator

mellon = pytest.importorskip("mellon")

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def test_full_process_on_500_cells(rng):
    states = rng.normal(size=(500, 4))
    values = np.stack([np.sin(states[:, 0]), states[:, 1] * states[:, 2]], axis=1)
    values += rng.normal(0, 0.5, values.shape)
    new = rng.normal(size=(50, 4))
    ours = FunctionEstimator(ls=3.0, sigma=0.5, tol=0.0, n_landmarks=None).fit(states, values)
    peer = mellon.FunctionEstimator(
        ls=3.0, sigma=0.5, n_landmarks=0, predictor_with_uncertainty=True, jitter=1e-10
    ).fit(states, values)
    np.testing.assert_allclose(ours.predict(new), np.asarray(peer.predict(new)), atol=1e-6)
    np.testing.assert_allclose(
        ours.covariance(new), np.asarray(peer.predict.covariance(new)), atol=1e-6
    )


def test_length_scale_heuristic(rng):
    states = rng.normal(size=(300, 3))
    nearest = KDTree(states).query(states, k=2)[0][:, 1]
    peer = mellon.parameters.compute_ls(nearest)  # Mellon's own search compiles half a minute
    ours = FunctionEstimator(ls_factor=1.0, tol=1e-2).fit(states, states[:, 0])
    assert ours.ls_ == pytest.approx(float(peer), rel=1e-6)
