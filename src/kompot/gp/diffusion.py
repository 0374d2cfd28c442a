"""Diffusion maps: coordinates of cells by the connections of their neighbour graph."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh

from kompot import threads

__all__ = ["DiffusionMap", "diffusion_map"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DiffusionMap:
    """Leading eigenvectors of a random walk over cells.

    Attributes
    ----------
    eigenvalues
        Of the transition matrix, decreasing; the first is 1, ``(n_components + 1,)``.
    eigenvectors
        In its columns, of length 1, the largest entry positive; the first is constant,
        ``(n_cells, n_components + 1)``.
    kernel
        Symmetric affinities of the cells, ``(n_cells, n_cells)``, sparse.
    """

    eigenvalues: Array
    eigenvectors: Array
    kernel: sparse.csr_matrix

    @property
    def transition(self) -> sparse.csr_matrix:
        """Probabilities of a step from one cell to another; rows sum to 1."""
        return sparse.csr_matrix(sparse.diags(1 / _row_sums(self.kernel)) @ self.kernel)

    @property
    def coordinates(self) -> Array:
        r"""Eigenvectors without the constant, ``(n_cells, n_components)``."""
        return self.eigenvectors[:, 1:]

    @property
    def multiscale(self) -> Array:
        r"""Coordinates whose distances sum over walks of all lengths.

        :math:`\sum_{t \ge 1} \lambda_k^t = \lambda_k / (1 - \lambda_k)` times each eigenvector
        (Setty et al. 2019), ``(n_cells, n_components)``.
        """
        values = self.eigenvalues[1:]
        return self.coordinates * (values / (1 - values))


def diffusion_map(
    states: Array, n_components: int = 10, *, knn: int = 30, alpha: float = 0.0, seed: int = 0
) -> DiffusionMap:
    r"""Diffusion map with a kernel that adapts to the spacing of the cells.

    With :math:`\sigma_i` the distance from cell i to neighbour number ``knn // 3``,
    :math:`W_{ij} = e^{-\|x_i - x_j\| / \sigma_i}` for the neighbours j of i and
    :math:`K = W + W^T`; with :math:`d` its row sums the kernel is
    :math:`K_{ij} / (d_i d_j)^\alpha`, and the map consists of the leading eigenvectors of the
    random walk that this kernel gives (Coifman & Lafon 2006; the adaptive kernel is that of
    Setty et al. 2019). Neighbours are exact.

    Parameters
    ----------
    states
        Cells in a space where Euclidean distances make sense, ``(n_cells, n_dims)``, finite.
    n_components
        Number of eigenvectors beside the constant one; less than ``n_cells - 1``.
    knn
        Neighbours of each cell, itself among them; from 4 to ``n_cells``.
    alpha
        How far the density of the cells is divided out: 0 not at all, 1 wholly.
    seed
        Seed of the first vector of the iteration; it hardly matters.

    Raises
    ------
    ValueError
        If the graph falls apart, so that no walk leads from some cells to others.
    """
    kernel = _kernel(states, knn, alpha)
    _refuse_parts(kernel, knn)
    # The random walk D^-1 K has the eigenvalues of the symmetric D^-1/2 K D^-1/2.
    roots = np.sqrt(_row_sums(kernel))
    scaled = sparse.diags(1 / roots)
    start = np.random.default_rng(seed).uniform(0.5, 1.5, len(roots)) * roots
    values, vectors = eigsh(scaled @ kernel @ scaled, k=n_components + 1, which="LA", v0=start)
    order = np.argsort(-values)
    vectors = vectors[:, order] / roots[:, None]
    vectors /= np.linalg.norm(vectors, axis=0)
    largest = np.abs(vectors).argmax(axis=0)
    vectors *= np.sign(vectors[largest, np.arange(vectors.shape[1])])
    return DiffusionMap(values[order], vectors, kernel)


def _kernel(states: Array, knn: int, alpha: float) -> sparse.csr_matrix:
    """Symmetric affinities between neighbours."""
    from sklearn.neighbors import NearestNeighbors  # half a second, for this step only

    n_cells = len(states)
    search = NearestNeighbors(n_neighbors=knn - 1, n_jobs=threads.number()).fit(states)
    distances, neighbors = search.kneighbors()
    scales = distances[:, knn // 3 - 1].copy()
    for cell in np.flatnonzero(scales == 0):  # copies of a cell: the nearest cell elsewhere
        elsewhere = distances[cell][distances[cell] > 0]
        scales[cell] = elsewhere[0] if len(elsewhere) else 1.0
    weights = np.exp(-distances / scales[:, None])
    rows = np.repeat(np.arange(n_cells), knn - 1)
    directed = sparse.csr_matrix((weights.ravel(), (rows, neighbors.ravel())), (n_cells, n_cells))
    kernel = sparse.csr_matrix(directed + directed.T)
    if alpha:
        powers = sparse.diags(_row_sums(kernel) ** -alpha)
        kernel = sparse.csr_matrix(powers @ kernel @ powers)
    return kernel


def _row_sums(matrix: sparse.csr_matrix) -> Array:
    """Sum of each row."""
    return np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()


def _refuse_parts(kernel: sparse.csr_matrix, knn: int) -> None:
    """Refuse a graph of several parts, whose distances from each other are infinite."""
    n_parts, parts = connected_components(kernel, directed=False)
    if n_parts > 1:
        sizes = np.sort(np.bincount(parts))[::-1]
        listed = ", ".join(map(str, sizes[:5])) + (", ..." if n_parts > 5 else "")
        msg = (
            f"The graph of knn={knn} neighbours falls into {n_parts} parts of {listed} cells, "
            "between which no distance is defined. Choose a larger knn, leave the small parts "
            "out, or compare conditions in the principal components instead (obsm_key)."
        )
        raise ValueError(msg)
