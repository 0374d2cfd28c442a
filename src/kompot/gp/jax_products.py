r"""Features, products and factorisations through JAX, in float64, with NumPy arrays at both ends.

Rows of cells come in chunks of any number. They are padded with zeros to one of few sizes, so that
each operation is compiled a few times for each rank, and the padding adds nothing to sums. Beside
what is held (landmarks, factors, weights, and features of cells as far as they are stored), the
device has one chunk at a time for each thread.

Only inside an operation JAX counts in 64 bits; its configuration is left alone.
"""

import weakref
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.experimental
import jax.numpy as jnp
import numpy as np
from jax.scipy.linalg import cho_solve, solve_triangular
from numpy.typing import NDArray
from scipy import sparse

from kompot.gp.kernels import KERNELS, Kernel, RationalQuadratic
from kompot.memory import DENSE_SHARE

__all__ = ["JaxProducts"]

Array = NDArray[np.float64]

_FAR = 1e100
"""Scaled distances beyond it are as far: squares do not overflow yet."""
_LEAST_ROWS = 64
_MOST_UNROLLED = 64
"""Dimensions of cell states up to which the sum over them is written out."""


def _double() -> Any:
    """64 bits inside, on this thread only."""
    place: Any = jax if hasattr(jax, "enable_x64") else jax.experimental  # before JAX 0.8
    return place.enable_x64(True)  # noqa: FBT003


class JaxProducts:
    """Operations of a run on one device.

    Attributes
    ----------
    device
        On which all is computed.
    is_apart
        Whether the device has a memory of its own, as a GPU has. What is used again is then held
        there, and sparse chunks are spread out there: a GPU is fastest with dense products. A CPU
        is not, and leaves chunks of few non-zeros to SciPy.
    """

    def __init__(self) -> None:
        self.device = _device()
        self.is_apart: bool = self.device.platform != "cpu"
        self._held: dict[tuple[int, bool], tuple[weakref.ref[Any], Any]] = {}

    @property
    def description(self) -> str:
        """Version and device in words."""
        kind = self.device.platform.upper()
        if self.device.platform != "cpu":
            kind += f" ({self.device.device_kind})"
        return f"JAX {jax.__version__} on the {kind}"

    def has_kernel(self, kernel: Kernel) -> bool:
        """Whether the formula of a kernel is known here; others are NumPy's."""
        return KERNELS.get(kernel.name) is type(kernel)

    def kernel(self, kernel: Kernel, x: Array, y: Array) -> Array:
        """Covariance of rows ``(n, n_dims)`` and ``(m, n_dims)``: ``(n, m)``."""
        with _double():
            found = _kernel(*_formula(kernel), self._rows(x), self._rows(y))
            return _host(found, len(x), len(y))

    def features(self, kernel: Kernel, landmarks: Array, factor: Array, states: Array) -> Array:
        r"""Features :math:`k(x, U) L^{-\top}` of cell states, ``(n_cells, rank)``."""
        with _double():
            u, root = self._fixed(landmarks), self._fixed(factor)
            return _host(_features(*_formula(kernel), u, root, self._rows(states)), len(states))

    def product(self, rows: Array, weights: Array, *, hold: bool = False) -> Array:
        """Rows ``(n, rank)`` times weights ``(rank,)`` or ``(rank, m)``.

        Parameters
        ----------
        rows
            Features of cells.
        weights
            Must not be changed afterwards if they are held.
        hold
            Keep the weights on the device as long as they exist.
        """
        with _double():
            w = self._fixed(weights) if hold else self._put(weights)
            return _host(_product(self._rows(rows), w), len(rows))

    def quadratic(self, factor: Array, rows: Array) -> Array:
        r""":math:`\phi (LL^\top)^{-1} \phi^\top` of each row, ``(n,)``."""
        with _double():
            return _host(_quadratic(self._fixed(factor), self._rows(rows)), len(rows))

    def gram(self, rows: Array, weights: Array | None = None) -> Array:
        r""":math:`\Phi^\top \operatorname{diag}(w) \Phi`; all weights 1 by default."""
        with _double():
            if weights is None:
                return _host(_gram(self._rows(rows)))
            return _host(_weighted_gram(self._rows(rows), self._rows(weights)))

    def weighted_sum(self, rows: Array, weights: Array) -> Array:
        r""":math:`w^\top \Phi`, ``(rank,)``."""
        with _double():
            return _host(_weighted_sum(self._rows(rows), self._rows(weights)))

    def cross_and_squares(self, rows: Array, values: Any) -> tuple[Array, Array] | None:
        r""":math:`\Phi^\top Y` and :math:`\sum_i y_i^2` of a chunk; None if SciPy is to do it.

        Parameters
        ----------
        rows
            Features, ``(n_cells, rank)``.
        values
            Expression, ``(n_cells, n_genes)``, an array or a sparse matrix of any real type.
        """
        if sparse.issparse(values) and not self.is_apart:
            if values.nnz < DENSE_SHARE * values.shape[0] * values.shape[1]:
                return None
            values = values.toarray()
        with _double():
            phi = self._rows(rows)
            y = self._spread(values) if sparse.issparse(values) else self._rows(_numbers(values))
            cross, squares = _cross_and_squares(phi, y)
            return _host(cross).T, _host(squares)

    def cholesky(self, matrix: Array) -> Array | None:
        """Lower Cholesky factor; None if there is none."""
        with _double():
            factor = _host(_cholesky(self._put(matrix)))
        return factor if np.isfinite(factor).all() else None

    def cholesky_solve(self, factor: Array, right: Array) -> Array:
        r""":math:`(LL^\top)^{-1} R` for :math:`R` of ``(rank,)`` or ``(rank, m)``."""
        with _double():
            return _host(_cholesky_solve(self._put(factor), self._put(right)))

    def hold(self, rows: Array) -> None:
        """Keep features of cells on the device as long as they exist, unchanged."""
        if self.is_apart:
            with _double():
                self._keep((id(rows), True), rows, self._padded(rows.copy()))

    def _rows(self, rows: NDArray[Any]) -> Any:
        """Rows on the device, padded to one of few numbers."""
        found = self._held.get((id(rows), True))
        return found[1] if found is not None else self._padded(rows)

    def _fixed(self, array: Array) -> Any:
        """An array on the device, where it stays as long as it exists."""
        if not self.is_apart:
            return self._put(array)
        key = (id(array), False)
        found = self._held.get(key)
        return found[1] if found is not None else self._keep(key, array, self._put(array.copy()))

    def _keep(self, key: tuple[int, bool], array: Array, placed: Any) -> Any:
        """Remember what was made of a copy of an array until the array is gone."""

        def forget(_: Any) -> None:
            self._held.pop(key, None)

        self._held[key] = weakref.ref(array, forget), placed
        return placed

    def _put(self, array: NDArray[Any]) -> Any:
        return jax.device_put(array, self.device)

    def _padded(self, rows: NDArray[Any]) -> Any:
        size = _padded_size(len(rows))
        if size == len(rows):
            return self._put(rows)
        padded = np.zeros((size, *rows.shape[1:]), rows.dtype)
        padded[: len(rows)] = rows
        return self._put(padded)

    def _spread(self, values: Any) -> Any:
        """A sparse chunk as a dense one, made on the device from its non-zeros."""
        entries = values.tocoo()
        rows = self._padded(entries.row.astype(np.int32))
        columns = self._padded(entries.col.astype(np.int32))
        data = self._padded(_numbers(entries.data))
        return _scatter((_padded_size(values.shape[0]), values.shape[1]), rows, columns, data)


def _device() -> Any:
    """The device that the user made JAX's default, or the first that JAX finds."""
    chosen: Any = getattr(jax.config, "jax_default_device", None)
    if chosen is None or isinstance(chosen, str):
        return jax.local_devices(backend=chosen)[0]
    return chosen


def _padded_size(n: int) -> int:
    """Least of 64, 96, 128, 192, 256, ... that is not below a number."""
    size = _LEAST_ROWS
    while size < n:
        size *= 2
    smaller = 3 * size // 4
    return smaller if smaller >= max(n, _LEAST_ROWS) else size


def _host(array: Any, *lengths: int) -> Array:
    """The first rows (and columns) as an array of NumPy's own."""
    return np.array(np.asarray(array)[tuple(slice(n) for n in lengths)])


def _numbers(values: Any) -> NDArray[Any]:
    """An array of a type that JAX knows; it becomes float64 on the device."""
    array = np.asarray(values)
    known = array.dtype.kind in "fiub" and array.dtype.isnative and array.dtype.itemsize <= 8
    return array if known else array.astype(np.float64)


def _formula(kernel: Kernel) -> tuple[str, float, float]:
    """Name, length scale, and the shape of those that have one."""
    alpha = kernel.alpha if isinstance(kernel, RationalQuadratic) else 1.0
    return kernel.name, float(kernel.length_scale), float(alpha)


def _of_distance(name: str, s: Any, alpha: Any) -> Any:
    """The formulas of :mod:`kompot.gp.kernels`."""
    if name == "matern52":
        t = np.sqrt(5.0) * s
        return (1.0 + t * (1.0 + t / 3.0)) * jnp.exp(-t)
    if name == "matern32":
        t = np.sqrt(3.0) * s
        return (1.0 + t) * jnp.exp(-t)
    if name == "exponential":
        return jnp.exp(-s)
    if name == "squared_exponential":
        return jnp.exp(-0.5 * s**2)
    return (1.0 + s**2 / (2.0 * alpha)) ** -alpha


def _distance(x: Any, y: Any) -> Any:
    """Euclidean distances; squares of differences, since expanding them cancels digits."""
    n_dims = x.shape[1]

    def with_dim(dim: Any, total: Any) -> Any:
        return total + jnp.square(x[:, dim][:, None] - y[:, dim][None, :])

    total = jnp.zeros((x.shape[0], y.shape[0]), jnp.float64)
    if n_dims > _MOST_UNROLLED:
        return jnp.sqrt(jax.lax.fori_loop(0, n_dims, with_dim, total))
    for dim in range(n_dims):
        total = with_dim(dim, total)
    return jnp.sqrt(total)


_jit: Callable[..., Any] = jax.jit
_named: Callable[..., Any] = partial(jax.jit, static_argnums=0)


@_named
def _kernel(name: str, scale: Any, alpha: Any, x: Any, y: Any) -> Any:
    return _of_distance(name, jnp.minimum(_distance(x, y) / scale, _FAR), alpha)


@_named
def _features(name: str, scale: Any, alpha: Any, landmarks: Any, factor: Any, x: Any) -> Any:  # noqa: PLR0917
    covariance = _kernel(name, scale, alpha, x, landmarks)
    return solve_triangular(factor, covariance.T, lower=True).T


@_jit
def _product(rows: Any, weights: Any) -> Any:
    return rows @ weights


@_jit
def _quadratic(factor: Any, rows: Any) -> Any:
    return jnp.square(solve_triangular(factor, rows.T, lower=True)).sum(axis=0)


@_jit
def _gram(rows: Any) -> Any:
    return rows.T @ rows


@_jit
def _weighted_gram(rows: Any, weights: Any) -> Any:
    scaled = rows * jnp.sqrt(weights)[:, None]
    return scaled.T @ scaled


@_jit
def _weighted_sum(rows: Any, weights: Any) -> Any:
    return weights @ rows


@_jit
def _cross_and_squares(rows: Any, values: Any) -> tuple[Any, Any]:
    values = values.astype(jnp.float64)
    return values.T @ rows, jnp.square(values).sum(axis=0)


@_jit
def _cholesky(matrix: Any) -> Any:
    return jnp.linalg.cholesky(matrix)


@_jit
def _cholesky_solve(factor: Any, right: Any) -> Any:
    return cho_solve((factor, True), right)


@_named
def _scatter(shape: tuple[int, int], rows: Any, columns: Any, data: Any) -> Any:
    """Padding adds nothing to the first element."""
    return jnp.zeros(shape, jnp.float64).at[rows, columns].add(data.astype(jnp.float64))
