"""Reading data, and writing results so that no error leaves a half-written or lost file."""

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kompot import memory

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

__all__ = ["data_path", "read_data", "replaced", "table_path", "write_data", "write_table"]

_DATA_SUFFIXES = (".h5ad", ".zarr")
_TABLE_SUFFIXES = (".csv", ".tsv")


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

    try:
        return read_zarr(path) if path.suffix == ".zarr" else read_h5ad(path)
    except (OSError, LookupError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        msg = f"{str(path)!r} cannot be read as AnnData; is it damaged? {error}"
        raise OSError(msg) from error


def write_data(adata: "AnnData", path: Path, kind: str) -> None:
    """Write data as ``kind``, ``".h5ad"`` or ``".zarr"``.

    Raises
    ------
    OSError
        If the disk is too full for an .h5ad file, before it is begun: HDF5 may end the process
        when a disk fills up under it.
    """
    if kind == ".zarr":
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


@contextmanager
def replaced(target: Path) -> Iterator[Path]:
    """A path to write to, which takes the place of another once all is written.

    It lies in a new directory beside the target, on the same disk, which vanishes afterwards. After
    an error or Ctrl-C the target is what it was.

    Parameters
    ----------
    target
        File, or directory of a zarr store, which need not exist. Of a link the file that it points
        to is replaced.
    """
    target = target.resolve()
    with tempfile.TemporaryDirectory(
        prefix=f".{target.name}.", suffix=".partial", dir=target.parent
    ) as folder:
        written, former = Path(folder, "written"), Path(folder, "former")
        yield written
        if not written.is_dir():
            os.replace(written, target)
            return
        try:  # No system call in reach puts a directory in the place of another.
            if target.exists():
                target.rename(former)
            written.rename(target)
        finally:
            if former.exists() and not target.exists():
                former.rename(target)


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
    """Bytes of a dense or sparse array; 0 for anything else."""
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
