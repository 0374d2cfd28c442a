"""Reading data, and writing results so that no error leaves a half-written or lost file."""

import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kompot import memory
from kompot.replacement import replaced

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from kompot.anndata.stored_data import StoredData

__all__ = [
    "data_path",
    "open_data",
    "read_data",
    "replaced",
    "table_path",
    "write_data",
    "write_table",
]

_DATA_SUFFIXES = (".h5ad", ".zarr")
_TABLE_SUFFIXES = (".csv", ".tsv")
_SHARE = 0.2
"""Share of the available memory that expression and layers of a file may take to be read whole."""


def data_path(_context: click.Context, option: click.Parameter, path: Path | None) -> Path | None:
    """Check the path of a data file before any work, as the callback of an option."""
    return _checked(path, _DATA_SUFFIXES, is_output=isinstance(option, click.Option))


def table_path(_context: click.Context, _option: click.Parameter, path: Path | None) -> Path | None:
    """Check the path of a table before any work, as the callback of an option."""
    return _checked(path, _TABLE_SUFFIXES, is_output=True)


def read_data(path: Path) -> "AnnData":
    """Data of an .h5ad or .zarr file, in memory.

    Raises
    ------
    OSError
        If the file is damaged or holds something else; the error names it.
    """
    from anndata.io import read_h5ad, read_zarr

    with _damage_named(path):
        return read_zarr(path) if path.suffix == ".zarr" else read_h5ad(path)


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    """Name the file in whatever error reading it ends with."""
    try:
        yield
    except (OSError, LookupError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        msg = f"{str(path)!r} cannot be read as AnnData; is it damaged? {error}"
        raise OSError(msg) from error


def open_data(path: Path, *, is_copied: bool = False) -> "StoredData":
    """Data of an .h5ad or .zarr file; matrices that are large for this machine stay on disk.

    Parameters
    ----------
    path
        The file.
    is_copied
        Whether matrices are only copied: all stay on disk, and compressed as they are.

    Raises
    ------
    OSError
        If the file is damaged or holds something else; the error names it.
    """
    from kompot.anndata.stored_data import StoredData, matrix_bytes, open_stored

    with _damage_named(path):
        if is_copied or matrix_bytes(path) > _SHARE * memory.available_bytes():
            return open_stored(path)
    return StoredData(read_data(path))


def write_data(data: "AnnData | StoredData", path: Path, kind: str) -> None:
    """Write data as ``kind``, ``".h5ad"`` or ``".zarr"``; what is on disk is copied.

    Raises
    ------
    OSError
        If the disk is too full for an .h5ad file, before it is begun: HDF5 may end the process
        when a disk fills up under it.
    """
    from kompot.anndata.stored_data import StoredData, write_stored

    adata = data.adata if isinstance(data, StoredData) else data
    if isinstance(data, StoredData) and data.rest is not None:
        _require_space(adata, path.parent)
        write_stored(data, path, kind)
    elif kind == ".zarr":
        with warnings.catch_warnings():
            # Of the format that anndata is set to write; nothing to be done about it in a shell.
            warnings.filterwarnings("ignore", "Writing zarr v2 data", UserWarning)
            adata.write_zarr(path)
    else:
        _require_space(adata, path.parent)
        adata.write_h5ad(path)


def write_table(table: "pd.DataFrame", path: Path, kind: str, rows: str = "gene") -> None:
    """Write a table as ``kind``, ``".csv"`` or ``".tsv"``; ``rows`` heads the names of its rows."""
    table.to_csv(path, sep="\t" if kind == ".tsv" else ",", index_label=rows)


def _require_space(adata: "AnnData", folder: Path) -> None:
    """Refuse to write arrays that cannot fit; they are not compressed."""
    holders = (adata.layers, adata.obsm, adata.varm, adata.obsp, adata.varp)
    held = (item for holder in holders for item in holder.items())
    arrays = [adata.X, *(array for name, array in held if name is not None)]  # None may be X
    needed, free = sum(map(_n_bytes, arrays)), shutil.disk_usage(folder).free
    if needed > free:
        msg = (
            f"The data take {memory.human(needed)} or more, but only {memory.human(free)} are free "
            f"on the disk of {str(folder.parent)!r}. --layers factored takes much less for the "
            "largest part, --layers none leaves it out."
        )
        raise OSError(msg)


def _n_bytes(array: Any) -> int:
    """Bytes of a dense or sparse array, on disk or not; 0 for anything else."""
    if hasattr(array, "group"):
        return sum(_n_bytes(array.group[name]) for name in ("data", "indices", "indptr"))
    if hasattr(array, "indptr"):
        return int(array.data.nbytes + array.indices.nbytes + array.indptr.nbytes)
    return int(getattr(array, "nbytes", 0))


def _checked(path: Path | None, suffixes: tuple[str, ...], *, is_output: bool) -> Path | None:
    """Refuse a path that could not be read or written in the end."""
    if path is None:
        return None
    if path.suffix not in suffixes:
        msg = f"{str(path)!r} must end in {' or '.join(suffixes)}."
        raise click.BadParameter(msg)
    parent = path.resolve().parent
    if is_output and not parent.is_dir():
        msg = f"the directory {str(parent)!r} does not exist."
        raise click.BadParameter(msg)
    if is_output and not os.access(parent, os.W_OK):
        msg = f"the directory {str(parent)!r} is not writable."
        raise click.BadParameter(msg)
    if is_output and path.is_dir() and path.suffix != ".zarr":
        msg = f"{str(path)!r} is a directory."
        raise click.BadParameter(msg)
    return path
