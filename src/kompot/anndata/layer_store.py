"""Where dense layers are made: in memory or in files, whether they fit, how they are filled."""

import logging
from contextlib import suppress
from typing import Any, Self

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot import memory
from kompot.models.array_store import ArrayStore
from kompot.records.factored import FactoredLayer, factored_source
from kompot.records.layers import factored_rows
from kompot.settings import StorageSettings

__all__ = ["DenseLayer", "array_store", "store_of_layers"]

log = logging.getLogger(__name__)

_REMEDY = (
    "Give layers='factored' ({factored} for every 100 features; runs have some 50 to 500) or "
    "layers='none' to store statistics only, a `disk_storage_dir` with more space, or fewer cells."
)


def array_store(storage: StorageSettings) -> ArrayStore:
    """Where a run keeps large arrays: in files if so asked, or if it is told where."""
    on_disk, directory = storage.store_arrays_on_disk, storage.disk_storage_dir
    if directory is not None:
        if on_disk is False:
            log.warning("disk_storage_dir is not used with store_arrays_on_disk=False")
        on_disk = True if on_disk is None else on_disk
    return ArrayStore(on_disk, directory, storage.max_memory_ratio)


def store_of_layers(adata: AnnData, n_layers: int, storage: StorageSettings) -> ArrayStore:
    """Where the dense layers of a run are made, decided before computing.

    Parameters
    ----------
    adata
        The data.
    n_layers
        Number of the layers.
    storage
        What the user wants.

    Raises
    ------
    MemoryError, OSError
        If they fit nowhere, or not where they are wanted.
    """
    store = array_store(storage)
    if not n_layers:
        return ArrayStore(on_disk=False)
    n_bytes = memory.layer_bytes(adata.n_obs, adata.n_vars, n_layers)
    per_hundred = memory.basis_bytes(adata.n_obs, 100) + memory.weights_bytes(adata.n_vars, 100)
    remedy = _REMEDY.format(factored=memory.human(per_hundred))
    what = f"{n_layers} dense layers of {adata.n_obs} cells x {adata.n_vars} genes"
    try:
        settled = store.settled(n_bytes)
    except OSError as error:
        if store.on_disk:
            error.add_note(f"They are {what}. {remedy}")
            raise
        msg = f"Insufficient memory for {what}, and insufficient disk: {error} {remedy}"
        raise MemoryError(msg) from error
    if not settled.on_disk:
        ratio = storage.max_memory_ratio
        remedy = f"Give store_arrays_on_disk=True to keep them in files. {remedy}"
        memory.require(n_bytes, ratio, what=what, remedy=remedy)
    elif store.on_disk is None:
        log.warning(
            "%s need %s, more than max_memory_ratio=%g allows: they are kept in files in %r. "
            "layers='factored' would take %s for every 100 features",
            what,
            memory.human(n_bytes),
            storage.max_memory_ratio,
            str(settled.place),
            memory.human(per_hundred),
        )
    return settled


class DenseLayer:
    """A layer that is filled by consecutive cells, float32.

    Parameters
    ----------
    adata
        Data whose layer it is to be.
    name
        Its name; genes without new values keep those that they have under that name.
    genes
        Positions of the genes with new values; None for all.
    store
        Where it is made; None for memory.
    """

    def __init__(
        self,
        adata: AnnData,
        name: str,
        genes: NDArray[np.intp] | None,
        store: ArrayStore | None,
    ) -> None:
        self._genes = genes
        self._earlier = None if genes is None else _Earlier(adata, name)
        where = store if store is not None else ArrayStore(on_disk=False)
        self._array = where.rows(adata.shape, np.float32)

    def write(self, rows: slice, values: NDArray[Any]) -> None:
        """Write the values of consecutive cells, ``(n_cells, n_genes)``."""
        block = values
        if self._earlier is not None:
            block = self._earlier.rows(rows)
            block[:, self._genes] = values
        self._array.write(rows, block)

    def finished(self) -> NDArray[Any]:
        """The layer."""
        return self._array.finished()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._array.close()


class _Earlier:
    """What the data hold of a layer, dense or as factors; NaN if nothing."""

    def __init__(self, adata: AnnData, name: str) -> None:
        self._adata = adata
        self._factors: FactoredLayer | None = None
        with suppress(ValueError):  # factors of which some are gone
            self._factors = factored_source(adata, name)
        self._whole: Any = adata.layers.get(name)

    def rows(self, rows: slice) -> NDArray[np.float32]:
        """The values of some cells, to be changed."""
        if self._factors is not None:
            parts = factored_rows(self._adata, self._factors, rows)
            return np.concatenate([values for _, values in parts], dtype=np.float32)
        if self._whole is None:
            shape = rows.stop - rows.start, self._adata.n_vars
            return np.full(shape, np.nan, dtype=np.float32)
        part = self._whole[rows]
        return np.array(part.toarray() if hasattr(part, "toarray") else part, np.float32)
