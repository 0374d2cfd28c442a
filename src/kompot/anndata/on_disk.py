"""Data of which parts are not in memory: what is read of them, and what they cannot do."""

from importlib import import_module
from typing import Any

import pandas as pd
from anndata import AnnData
from anndata.abc import CSCDataset, CSRDataset

__all__ = ["as_frame", "is_store", "refuse_unwritable", "with_frames"]


def as_frame(annotation: Any) -> pd.DataFrame:
    """``obs`` or ``var`` as a table in memory; those of lazily read data are read."""
    return annotation if isinstance(annotation, pd.DataFrame) else annotation.to_memory()


def with_frames(adata: AnnData) -> AnnData:
    """The data with ``obs`` and ``var`` in memory; expression and embeddings stay where they are.

    Parameters
    ----------
    adata
        Data of any kind, not changed. Returned as they are if these are in memory already, or if
        they are no AnnData object (which is refused later).
    """
    annotations = getattr(adata, "obs", None), getattr(adata, "var", None)
    if not isinstance(adata, AnnData) or all(isinstance(a, pd.DataFrame) for a in annotations):
        return adata
    obs, var = (as_frame(annotation) for annotation in annotations)
    read = AnnData(adata.X, obs, var, uns=dict(adata.uns))
    for location in ("layers", "obsm", "varm", "obsp", "varp"):
        held = getattr(adata, location)
        getattr(read, location).update({name: held[name] for name in held if name is not None})
    return read


def refuse_unwritable(adata: AnnData, *, copy: bool) -> None:
    """Refuse to write results where they could not be kept, before any computing.

    Parameters
    ----------
    adata
        The data.
    copy
        Whether results go into a copy.

    Raises
    ------
    ValueError
        If the data are on disk and are to be copied, or are a view of such data.
    """
    if not isinstance(adata, AnnData):
        return
    if copy and (adata.isbacked or _holds_stores(adata)):
        msg = (
            "`copy=True` cannot copy data whose matrices are on disk; leave it out: results are "
            "then kept in memory, beside the file, and `kompot.write_results(adata, path)` "
            "writes a new file with them."
        )
        raise ValueError(msg)
    if adata.isbacked and adata.is_view:
        msg = (
            "`adata` is a part of data that are backed by a file, which cannot hold results; give "
            "all cells and leave some out with `cell_filter` (and `genes`), or load the part "
            "with .to_memory()."
        )
        raise ValueError(msg)


def is_store(matrix: Any) -> bool:
    """Whether this is a sparse or dense data set of an open file."""
    arrays = import_module("h5py").Dataset, import_module("zarr").Array
    return isinstance(matrix, CSRDataset | CSCDataset | arrays[0] | arrays[1])


def _holds_stores(adata: AnnData) -> bool:
    holders = (adata.layers, adata.obsm, adata.varm, adata.obsp, adata.varp)
    return any(map(is_store, (adata.X, *(holder[key] for holder in holders for key in holder))))
