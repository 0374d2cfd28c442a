"""JAX against NumPy, operation by operation."""

import pickle
import sys

import numpy as np
import pytest
from scipy import sparse

from kompot.gp import KERNELS, FeatureMap, SufficientStatistics, fit_features, make_kernel
from kompot.gp.backend import accelerator, jit_compiled, numpy_only, require_jax
from kompot.gp.cell_features import CellFeatures
from kompot.gp.kernels import Matern52, RationalQuadratic
from kompot.gp.linalg import cross_and_squares, explained_cholesky
from kompot.gp.regression import fit_posterior

jax = pytest.importorskip("jax")
JaxProducts = pytest.importorskip("kompot.gp.jax_products").JaxProducts
padded_size = pytest.importorskip("kompot.gp.jax_products")._padded_size


@pytest.fixture(autouse=True)
def _in_32_bits():
    """As JAX is by default; Mellon's tests want it otherwise."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", val=False)
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.fixture
def states(rng):
    return rng.normal(size=(530, 3))


def both(compute):
    """What NumPy and what JAX make of something."""
    with jit_compiled(wanted=True):
        found = compute()
    return compute(), found


def assert_same(compute):
    """Equal to rounding, but not the very same numbers from the very same code."""
    expected, found = both(compute)
    assert isinstance(found, np.ndarray)
    assert found.dtype == np.float64
    assert found.flags.writeable
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("n_dims", [2, 90])
@pytest.mark.parametrize(
    "kernel", [*(make_kernel(n, 1.7) for n in KERNELS), RationalQuadratic(2.0, 0.3)]
)
def test_kernels_agree(kernel, n_dims, rng):
    x, y = rng.normal(size=(150, n_dims)), rng.normal(size=(70, n_dims))
    assert_same(lambda: kernel(x, y))
    x[:3] += 1e8  # digits that an expanded square would lose
    x[1] += 1e-3
    assert_same(lambda: kernel(x[:3], x[:3]))


def test_a_kernel_of_the_users_own_stays_in_numpy(states):
    class Halved(Matern52):
        def of_distance(self, scaled):
            return super().of_distance(scaled / 2.0)

    kernel = Halved(1.0)
    assert_same(lambda: kernel(states, states[:5]))
    features = fit_features(states, kernel, tol=1e-3)
    assert_same(lambda: features(states))


@pytest.mark.parametrize("n_cells", [1, 63, 64, 65, 100, 129, 530])
def test_features_agree_for_any_number_of_cells(states, n_cells, rng):
    features = fit_features(states, make_kernel("matern52", 2.0), tol=1e-5, rng=rng)
    assert_same(lambda: features(states[:n_cells]))


def test_landmarks_are_the_same(states):
    kernel = make_kernel("matern52", 2.0)

    def landmarks():
        return fit_features(states, kernel, tol=1e-6, rng=np.random.default_rng(0)).landmarks

    expected, found = both(landmarks)
    np.testing.assert_array_equal(found, expected)


@pytest.fixture
def phi(states, rng) -> np.ndarray:
    return fit_features(states, make_kernel("matern52", 2.0), tol=1e-4, rng=rng)(states)


KINDS = {
    "float64": lambda y: y,
    "float32": lambda y: y.astype(np.float32),
    "integer": lambda y: np.round(3 * y).astype(np.int64),
    "big endian": lambda y: y.astype(">f4"),
    "csr": sparse.csr_matrix,
    "csc array": sparse.csc_array,
    "nearly empty": lambda y: sparse.csr_matrix(np.where(y > 2.5, y, 0.0)),
    "empty": lambda y: sparse.csr_matrix(y.shape, dtype=np.float32),
}


@pytest.mark.parametrize("spread", [False, True], ids=["as on a CPU", "as on a GPU"])
@pytest.mark.parametrize("kind", KINDS)
def test_products_with_expression_agree(phi, kind, spread, rng):
    values = np.maximum(rng.normal(size=(len(phi), 11)), 0.0)
    values = KINDS[kind](values)
    expected = cross_and_squares(phi, values)
    with jit_compiled(wanted=True):
        accelerator().is_apart = spread
        found = cross_and_squares(phi, values)
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_repeated_entries_of_a_sparse_chunk_add_up(phi):
    entries = [1.0, 2.0, 4.0], ([3, 3, 5], [0, 0, 1])
    values = sparse.coo_matrix(entries, shape=(len(phi), 2))
    with jit_compiled(wanted=True):
        accelerator().is_apart = True
        cross, _ = cross_and_squares(phi, values)
    np.testing.assert_allclose(cross.T, np.array([3.0 * phi[3], 4.0 * phi[5]]), rtol=1e-12)


def test_posteriors_agree(phi, rng):
    statistics = SufficientStatistics.of(phi, rng.normal(size=(len(phi), 4)))
    assert_same(lambda: SufficientStatistics.of(phi, rng.normal(size=(530, 1))).gram)
    assert_same(lambda: fit_posterior(statistics, 0.5).weights)
    assert_same(lambda: fit_posterior(statistics, 0.5).covariance)
    posterior = fit_posterior(statistics, 0.5)
    assert_same(lambda: posterior.mean(phi[:77]))
    assert_same(lambda: posterior.variance(phi[:77]))


@pytest.mark.parametrize("is_apart", [False, True], ids=["as on a CPU", "as on a GPU"])
@pytest.mark.parametrize("is_stored", [True, False])
def test_sums_over_cells_agree(states, rng, is_stored, is_apart, monkeypatch):
    made = JaxProducts.__init__

    def make(self):
        made(self)
        self.is_apart = is_apart

    monkeypatch.setattr(JaxProducts, "__init__", make)
    monkeypatch.setattr("kompot.gp.cell_features.FEATURE_CHUNK", 100)
    if not is_stored:
        monkeypatch.setattr("kompot.gp.cell_features.STORED_BYTES", 0)
    features = fit_features(states, make_kernel("matern52", 2.0), tol=1e-4, rng=rng)
    weights, cells = rng.normal(size=features.rank), rng.random(len(states))
    assert_same(lambda: CellFeatures(features, states).times(weights))
    assert_same(lambda: CellFeatures(features, states).weighted_sum(cells))
    assert_same(lambda: CellFeatures(features, states).gram(cells))


def test_what_is_held_goes_with_its_owner(phi, rng):
    with jit_compiled(wanted=True):
        accelerator().is_apart = True
        held = accelerator()._held
        posterior = fit_posterior(SufficientStatistics.of(phi, rng.normal(size=(530, 2))), 1.0)
        posterior.mean(phi)
        n_held = len(held)
        assert n_held >= 1
        posterior.mean(phi[:50])
        assert len(held) == n_held
        del posterior
        assert len(held) < n_held


def test_a_matrix_that_is_not_positive_definite_is_explained():
    matrix = np.array([[1.0, 2.0], [2.0, 1.0]])
    with jit_compiled(wanted=True), pytest.raises(np.linalg.LinAlgError) as caught:
        explained_cholesky(matrix, "do something.")
    assert "do something." in caught.value.__notes__[0]


def test_the_users_jax_stays_in_32_bits(phi):
    assert not jax.config.jax_enable_x64
    with jit_compiled(wanted=True):
        accelerator().gram(phi)
        assert not jax.config.jax_enable_x64
        assert jax.numpy.ones(2).dtype == np.float32
    assert not jax.config.jax_enable_x64
    assert jax.numpy.ones(2).dtype == np.float32


def test_blocks_nest():
    assert accelerator() is None
    with jit_compiled(wanted=True):
        outer = accelerator()
        assert outer is not None
        with jit_compiled(wanted=False), jit_compiled(wanted=True):
            assert accelerator() is outer
        with numpy_only():
            assert accelerator() is None
        assert accelerator() is outer
    assert accelerator() is None


def test_missing_jax_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", None)
    with jit_compiled(wanted=False):
        pass
    for ask in (require_jax, jit_compiled(wanted=True).__enter__):
        with pytest.raises(ImportError, match=r"pip install 'kompot\[jax\]'"):
            ask()


def test_features_made_inside_are_plain(states):
    with jit_compiled(wanted=True):
        features = fit_features(states, make_kernel("matern32", 1.0), tol=1e-3)
        features(states)
    again = pickle.loads(pickle.dumps(features))
    assert isinstance(again, FeatureMap)
    np.testing.assert_array_equal(again(states), features(states))


def test_chunks_are_padded_to_few_sizes():
    sizes = [64, 96, 128, 192, 256, 384, 512]
    for n in range(1, 513):
        assert padded_size(n) == min(size for size in sizes if size >= n)


@pytest.mark.parametrize(("share", "is_dense"), [(0.1, False), (0.2, True)])
def test_a_cpu_leaves_chunks_of_few_entries_to_scipy(phi, share, is_dense):
    values = np.zeros((len(phi), 10))
    values[: int(share * len(phi))] = 1.0
    with jit_compiled(wanted=True):
        found = accelerator().cross_and_squares(phi, sparse.csr_matrix(values))
    assert (found is not None) == is_dense
