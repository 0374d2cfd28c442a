"""Coordinates of cells: diffusion components of the tree, and a picture of it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from kompot.datasets.states import CellStates
from kompot.datasets.trajectory import Trajectory
from kompot.settings import checks

NODES_PER_LENGTH = 100
PICTURE_NOISE = 0.02


@dataclass(frozen=True)
class Embedding:
    """Embedding of the tree.

    Parameters
    ----------
    n_dims
        Number of components.
    embedding_noise
        Standard deviation of the noise, in units of the standard deviation of the first component.
    embedding_shift
        Distance, in the same units, by which cells of condition 2 are moved in one direction.
    """

    n_dims: int
    embedding_noise: float
    embedding_shift: float

    def __post_init__(self) -> None:
        """Check the parameters."""
        checks.number("n_dims", self.n_dims, least=1, most=50, whole=True)
        checks.number("embedding_noise", self.embedding_noise, least=0)
        checks.number("embedding_shift", self.embedding_shift, least=0)


def tree_laplacian(n_nodes: list[int]) -> NDArray[np.float64]:
    """Laplacian of chains of nodes that meet in node 0.

    Parameters
    ----------
    n_nodes
        Nodes of each chain without the common one; they are numbered away from it.
    """
    size = 1 + sum(n_nodes)
    adjacency = np.zeros((size, size))
    first = 1
    for number in n_nodes:
        outer = np.arange(first, first + number)
        inner = np.concatenate([[0], outer[:-1]])
        adjacency[outer, inner] = adjacency[inner, outer] = 1
        first += number
    return np.diag(adjacency.sum(axis=1)) - adjacency


def diffusion_components(tree: Trajectory, cells: CellStates, n_dims: int) -> NDArray[np.float64]:
    r"""Leading components of diffusion on the tree, at cells.

    Eigenfunctions :math:`\psi_j` of the Laplacian of the tree, eigenvalues
    :math:`0 < \lambda_1 < \lambda_2 < \dots`, with variance one along the tree, times
    :math:`\sqrt{\lambda_1/\lambda_j}`; between the nodes of the discrete tree by cubic splines.
    The branches have slightly different lengths, which makes the eigenvalues distinct.

    Returns
    -------
    Array of shape ``(n_cells, n_dims)``.
    """
    lengths = [tree.branch_point]
    lengths += [(1 - tree.branch_point) * (1 + 0.1 * b) for b in range(tree.n_branches)]
    n_nodes = [max(3, round(NODES_PER_LENGTH * length)) for length in lengths]
    values, vectors = np.linalg.eigh(tree_laplacian(n_nodes))
    values, vectors = values[1 : n_dims + 1], vectors[:, 1 : n_dims + 1]
    vectors = vectors * np.sign(vectors[-1]) * np.sqrt(values[0] / values)
    vectors /= np.sqrt(np.mean(vectors[:, 0] ** 2))

    coordinates = np.empty((len(cells.segment), n_dims))
    position = tree.position(cells.segment, cells.pseudotime)
    # Nodes are numbered away from the branch point, positions of the root go towards it.
    distance = np.where(cells.segment == 0, 1 - position, position)
    first = 1
    for segment, number in enumerate(n_nodes):
        nodes = np.concatenate([[0], np.arange(first, first + number)])
        curve = CubicSpline(np.linspace(0, 1, number + 1), vectors[nodes])
        members = cells.segment == segment
        coordinates[members] = curve(distance[members])
        first += number
    return coordinates


def embed(
    tree: Trajectory,
    embedding: Embedding,
    cells: CellStates,
    treated: NDArray[np.bool_],
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """Embed cells: diffusion components, noise, and a shift of the treated ones.

    Returns
    -------
    Array of shape ``(n_cells, n_dims)``.
    """
    coordinates = diffusion_components(tree, cells, embedding.n_dims)
    direction = rng.standard_normal(embedding.n_dims)
    direction *= embedding.embedding_shift / np.linalg.norm(direction)
    noise = rng.standard_normal(coordinates.shape)
    return coordinates + embedding.embedding_noise * noise + np.outer(treated, direction)


def draw_picture(
    tree: Trajectory, cells: CellStates, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw the tree in the plane: pseudotime to the right, branches fanned out vertically.

    Returns
    -------
    Array of shape ``(n_cells, 2)``.
    """
    ends = np.zeros(tree.n_branches + 1)
    if tree.n_branches > 1:
        ends[1:] = np.linspace(1, -1, tree.n_branches)
    position = tree.position(cells.segment, cells.pseudotime)
    height = ends[cells.segment] * (1 - np.cos(np.pi * position)) / 2
    picture = np.column_stack([2 * cells.pseudotime, height])
    return picture + PICTURE_NOISE * rng.standard_normal(picture.shape)
