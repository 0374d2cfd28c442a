"""Chunks of cells with their expression, whether it lies in memory or is read once from a store."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

__all__ = ["Rows", "Streamed", "is_streamed", "rows_of_chunk", "streamed_chunks"]

Cells = NDArray[np.intp]


class Rows(Protocol):
    """Expression of which rows (cells) can be read."""

    @property
    def shape(self) -> tuple[int, ...]:
        """``(n_cells, n_genes)``."""
        ...

    def __getitem__(self, rows: Cells, /) -> Any:
        """Rows of increasing number, as an array or a sparse matrix."""
        ...


class Streamed(Rows, Protocol):
    """Expression that is best read from the first row to the last."""

    @property
    def row_bytes(self) -> int:
        """About how many bytes a row takes."""
        ...

    def stream(self, plan: Sequence[Cells]) -> Iterator[tuple[int, Any]]:
        """Number and rows of each chunk of a plan, as soon as all its rows were passed."""
        ...


def is_streamed(matrix: Rows) -> TypeGuard[Streamed]:
    """Whether rows are to be read in the order of a store; else they may be asked for in any."""
    return bool(getattr(matrix, "is_streamed", False))


def streamed_chunks(
    matrices: Sequence[Rows], plan: Sequence[Cells]
) -> Iterator[tuple[int, dict[int, Any]]]:
    """Chunks of a plan with what was read of them from a store, in the order of completion.

    Only one matrix may be in a store. The caller's thread reads, so that workers compute meanwhile.

    Parameters
    ----------
    matrices
        Expression of the same cells, side by side.
    plan
        Cells of each chunk, increasing within a chunk.

    Yields
    ------
    The number of a chunk, and its rows by the number of their matrix; the others are in memory.
    """
    stored = [(place, matrix) for place, matrix in enumerate(matrices) if is_streamed(matrix)]
    if not stored:
        for number in range(len(plan)):
            yield number, {}
        return
    if len(stored) > 1:
        msg = f"Only one matrix of expression may be on disk, got {len(stored)}."
        raise ValueError(msg)
    place, matrix = stored[0]
    for number, block in matrix.stream(plan):
        yield number, {place: block}


def rows_of_chunk(matrices: Sequence[Rows], cells: Cells, read: dict[int, Any]) -> list[Any]:
    """Rows of a chunk of each matrix, from what was read or from memory."""
    return [
        read[place] if place in read else matrix[cells] for place, matrix in enumerate(matrices)
    ]
