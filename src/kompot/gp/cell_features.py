"""Features of cells by chunks of rows, and sums over them."""

from collections.abc import Callable, Iterator
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from kompot import threads
from kompot.gp.backend import accelerator
from kompot.gp.linalg import product, row_slices
from kompot.memory.abundance import STORED_BYTES
from kompot.memory.expression_sizes import FEATURE_CHUNK

__all__ = ["CellFeatures", "Features", "gram_of", "sum_of"]

Array = NDArray[np.float64]
_Result = TypeVar("_Result")


class Features(Protocol):
    """A feature map, such as :class:`kompot.gp.features.FeatureMap`."""

    @property
    def rank(self) -> int:
        """Number of features."""
        ...

    def __call__(self, states: Array) -> Array:
        """Features ``(n_cells, rank)`` of cell states ``(n_cells, n_dims)``."""
        ...


class CellFeatures:
    """Features of cells, kept if they fit and else computed in each pass.

    Chunks are worked on side by side and summed in their order: results are the same to the last
    bit for any number of threads.

    Parameters
    ----------
    features
        Feature map of rank ``rank``.
    states
        Cell states, ``(n_cells, n_dims)``.
    """

    def __init__(self, features: Features, states: Array) -> None:
        self.features, self.states = features, states
        self._slices = list(row_slices(len(states), FEATURE_CHUNK))
        self._stored: list[Array] | None = None
        if 8 * len(states) * features.rank <= STORED_BYTES:
            self._stored = list(self.map(lambda _, phi: np.ascontiguousarray(phi)))
        if (device := accelerator()) is not None:
            for phi in self._stored or ():
                device.hold(phi)

    def __len__(self) -> int:
        return len(self.states)

    def map(self, work: Callable[[slice, Array], _Result]) -> Iterator[_Result]:
        """What ``work`` makes of the rows and features of each chunk, in order."""

        def chunk(number: int) -> _Result:
            rows = self._slices[number]
            if self._stored is None:
                return work(rows, self.features(self.states[rows]))
            return work(rows, self._stored[number])

        if len(self._slices) == 1:
            yield chunk(0)
        else:
            yield from threads.map_batches(chunk, range(len(self._slices)))

    def times(self, weights: Array) -> Array:
        """Features times weights ``(rank,)``: ``(n_cells,)``."""
        return np.concatenate(list(self.map(lambda _, phi: product(phi, weights))))

    def weighted_sum(self, cells: Array) -> Array:
        """Sum of the features of cells with weights ``(n_cells,)``: ``(rank,)``."""
        total: Array = np.sum(list(self.map(lambda rows, phi: sum_of(phi, cells[rows]))), axis=0)
        return total

    def gram(self, cells: Array) -> Array:
        r""":math:`\Phi^\top \operatorname{diag}(w) \Phi` for :math:`w \ge 0`, ``(n_cells,)``."""
        total = np.zeros((self.features.rank, self.features.rank))
        for part in self.map(lambda rows, phi: gram_of(phi, cells[rows])):
            total += part
        return total


def sum_of(phi: Array, weights: Array) -> Array:
    """Sum of features ``(n_cells, rank)`` with weights ``(n_cells,)``: ``(rank,)``."""
    if (device := accelerator()) is not None:
        return device.weighted_sum(phi, weights)
    return weights @ phi


def gram_of(phi: Array, weights: Array) -> Array:
    r""":math:`\Phi^\top \operatorname{diag}(w) \Phi` for :math:`w \ge 0` of some cells."""
    if (device := accelerator()) is not None:
        return device.gram(phi, weights)
    scaled = phi * np.sqrt(weights)[:, None]
    return scaled.T @ scaled
