"""Shuffled genes of a run, from expression in memory or on disk."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from kompot import memory, threads
from kompot.anndata.chunks import ExpressionRows
from kompot.anndata.column_spool import in_file
from kompot.gp.linalg import row_slices
from kompot.memory.expression_sizes import NULL_BLOCK, NULL_ROWS
from kompot.models.array_store import ArrayStore
from kompot.progress import bar
from kompot.settings import ExpressionSettings
from kompot.stats.null_genes import choose_null_genes, shuffle_columns, shuffle_in_place

__all__ = ["picked_null_genes", "shuffled_genes"]

_BLOCK = NULL_BLOCK
"""Shuffled genes in a matrix."""
_ROWS = NULL_ROWS
"""Cells of which the genes are read at a time."""
_SHARE = 0.25
"""Share of the available memory that shuffled genes may take; larger ones are kept in files."""


def shuffled_genes(
    expression: ExpressionRows, null_choice: int | NDArray[np.intp], settings: ExpressionSettings
) -> list[Any]:
    """Shuffled genes, some hundred in each matrix, made side by side.

    Expression on disk is read once. Its shuffled genes are in memory together, and in temporary
    files if they would take more than a quarter of what is available; then one matrix at a time is
    in memory.

    Parameters
    ----------
    expression
        Cells and genes of the run.
    null_choice
        How many genes to draw among these, or columns of the data.
    settings
        Options of the run.

    Returns
    -------
    Arrays or CSR matrices, ``(n_cells, n_shuffled)`` each.
    """
    picked, rng = picked_null_genes(expression, null_choice, settings)
    n_blocks = -(-len(picked) // _BLOCK)
    generators = rng.spawn(n_blocks)
    if expression.is_streamed:
        blocks = np.array_split(picked, n_blocks)
        shuffled = _from_store(expression, blocks, generators, settings.output.progress)
        memory.release()
        return shuffled
    genes, places = np.unique(picked, return_inverse=True)
    work = list(zip(np.array_split(places, n_blocks), generators, strict=True))
    shuffled = _shuffled_columns(expression.of_genes(genes).read(), work)
    memory.release()
    return shuffled


def _shuffled_columns(
    columns: Any, work: list[tuple[NDArray[np.intp], np.random.Generator]]
) -> list[Any]:
    """Some columns in each matrix, shuffled."""
    return list(
        threads.map_batches(lambda part: shuffle_columns(columns[:, part[0]], part[1]), work)
    )


def picked_null_genes(
    expression: ExpressionRows, null_choice: int | NDArray[np.intp], settings: ExpressionSettings
) -> tuple[NDArray[np.intp], np.random.Generator]:
    """Columns of the data that are shuffled, ``(n_null,)``, and the generator that shuffles."""
    rng = np.random.default_rng(settings.fdr.null_seed)
    picked = choose_null_genes(null_choice, expression.shape[1], rng)
    if isinstance(null_choice, int) and expression.genes is not None:
        picked = expression.genes[picked]
    return picked, rng


def _from_store(
    expression: ExpressionRows,
    blocks: list[NDArray[np.intp]],
    generators: list[np.random.Generator],
    progress: bool,
) -> list[Any]:
    """Shuffled genes of expression that is read in one pass."""
    picked = np.concatenate(blocks)
    chosen = expression.of_genes(picked)
    size = expression.row_bytes * len(expression.cells) * len(picked) // expression.matrix.shape[1]
    on_disk = size > _SHARE * memory.available_bytes(threads.number())
    read = _read(chosen, blocks, on_disk=on_disk, progress=progress)
    work = zip(_emptied(read), generators, strict=True)
    if on_disk:
        return [_filed(_shuffled(parts, rng)) for parts, rng in work]
    return list(threads.map_batches(lambda one: _shuffled(*one), work))


def _read(
    chosen: ExpressionRows, blocks: list[NDArray[np.intp]], *, on_disk: bool, progress: bool
) -> list[list[Any]]:
    """Each block of genes: an array of all cells, or sparse matrices of cells in their order."""
    store = ArrayStore(on_disk=on_disk)
    ends = np.cumsum([len(block) for block in blocks]).tolist()
    parts: list[list[Any]] = [[] for _ in blocks]
    plan = [np.arange(rows.start, rows.stop) for rows in row_slices(len(chosen.cells), _ROWS)]
    passed = bar(
        chosen.stream(plan), "reading genes to shuffle", "chunk", len(plan), shown=progress
    )
    for number, rows in passed:
        is_sparse = sparse.issparse(rows)
        columns = rows.tocsc() if is_sparse else rows
        for block, end, kept in zip(blocks, ends, parts, strict=True):
            part = columns[:, end - len(block) : end]
            if is_sparse:
                kept.append(_filed(part.tocsr()) if on_disk else part.tocsr())
                continue
            if not kept:
                kept.append(store.rows((len(chosen.cells), len(block)), part.dtype))
            kept[0].write(slice(plan[number][0], plan[number][-1] + 1), part)
    return parts


def _emptied(read: list[list[Any]]) -> Iterator[list[Any]]:
    """Each list in turn, which is then no longer held here."""
    read.reverse()
    while read:
        yield read.pop()


def _shuffled(parts: list[Any], rng: np.random.Generator) -> Any:
    """A block of genes, shuffled; what it was read as is let go."""
    if not sparse.issparse(parts[0]):
        with parts[0] as written:
            array: NDArray[Any] = written.finished()
        shuffle_in_place(array, rng)
        return array
    joined = sparse.vstack(parts, format="csr")
    parts.clear()
    columns = joined.tocsc()
    del joined
    return shuffle_columns(columns, rng)


def _filed(matrix: Any) -> Any:
    """A matrix with its arrays in temporary files; an array is in one already."""
    if not sparse.issparse(matrix):
        return matrix
    arrays = in_file(matrix.data), in_file(matrix.indices), in_file(matrix.indptr)
    return sparse.csr_array(arrays, shape=matrix.shape)
