"""Data files opened with their matrices left on disk, and written with these copied."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import anndata
import numpy as np
from anndata import AnnData
from anndata.io import read_elem, sparse_dataset, write_elem

from kompot import memory
from kompot.anndata.on_disk import as_frame, is_store
from kompot.gp.linalg import row_slices
from kompot.replacement import replaced

__all__ = ["StoredData", "matrix_bytes", "open_stored", "write_results", "write_stored"]

_MATRICES = ("layers", "obsm", "varm", "obsp", "varp")
_COPIED_BYTES = 64 * 2**20
"""What is copied at a time from one kind of file to the other."""


@dataclass(frozen=True)
class StoredData:
    """Data with matrices on disk.

    Attributes
    ----------
    adata
        The data; arrays of two dimensions and sparse matrices are those of the open file.
    rest
        Other elements of the file, ``raw`` for example, by name; None for data in memory.
    """

    adata: AnnData
    rest: Mapping[str, Any] | None = None


def open_stored(path: Path) -> StoredData:
    """Open an .h5ad or .zarr file; annotations are read, matrices stay on disk.

    Parameters
    ----------
    path
        The file, or the directory of a zarr store.
    """
    root = _opened(path)
    held: dict[str, Any] = {
        name: {key: _matrix(root[name][key]) for key in root[name]}
        for name in _MATRICES
        if name in root
    }
    obs: Any = read_elem(root["obs"])
    var: Any = read_elem(root["var"])
    uns: Any = read_elem(root["uns"]) if "uns" in root else {}
    matrix = _matrix(root["X"]) if "X" in root else None
    if matrix is None:
        held["shape"] = len(obs), len(var)
    adata = AnnData(matrix, obs, var, uns, **held)
    known = {"X", "obs", "var", "uns", *_MATRICES}
    return StoredData(adata, {name: root[name] for name in root if name not in known})


def matrix_bytes(path: Path) -> int:
    """Bytes that the expression and the layers of a file take in memory."""
    root = _opened(path)
    found = [root[name] for name in ("X",) if name in root]
    found += [root["layers"][name] for name in root["layers"]] if "layers" in root else []
    return sum(memory.stored_bytes(element) for element in found)


def write_results(adata: AnnData, path: str | Path) -> None:
    """Write data of which parts are on disk to a file, without loading these parts.

    What :meth:`anndata.AnnData.write_h5ad` does for data in memory. For backed data
    (``anndata.read_h5ad(path, backed="r")``), those of :func:`anndata.experimental.read_lazy` and
    others with HDF5, zarr or Dask matrices, among them the results that an analysis has left in
    ``obs``, ``var``, ``uns`` and the other attributes.

    Parameters
    ----------
    adata
        The data, not changed.
    path
        An .h5ad or .zarr file. It is replaced once all is written, and may be the one that the
        data come from; after an error or interrupt it is what it was.

    Raises
    ------
    ValueError
        If the name of the file does not end in .h5ad or .zarr.

    Examples
    --------
    .. code-block:: python

        adata = anndata.read_h5ad("big.h5ad", backed="r")
        kompot.compute_differential_expression(adata, "condition", "a", "b", layers="none")
        kompot.write_results(adata, "big_with_results.h5ad")
    """
    path = Path(path)
    if path.suffix not in (".h5ad", ".zarr"):
        msg = f"`path` must end in .h5ad or .zarr, got {str(path)!r}."
        raise ValueError(msg)
    rest = {}
    if adata.isbacked and not adata.is_view and "raw" in adata.file:
        rest["raw"] = adata.file["raw"]
    with replaced(path) as written:
        write_stored(StoredData(adata, rest), written, path.suffix)


def write_stored(data: StoredData, path: Path, kind: str) -> None:
    """Write data to a new file of a kind, ``".h5ad"`` or ``".zarr"``."""
    adata, rest = data.adata, data.rest or {}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Writing zarr v2 data", UserWarning)
        warnings.filterwarnings("ignore", "Consolidated metadata", UserWarning)
        root = _created(path, kind)
        root.attrs["encoding-type"], root.attrs["encoding-version"] = "anndata", "0.1.0"
        for name in ("obs", "var"):
            frame = as_frame(getattr(adata, name)).copy()
            adata.strings_to_categoricals(frame)
            write_elem(root, name, frame)
        write_elem(root, "uns", _computed(dict(adata.uns)))
        if adata.X is not None:
            _write(root, "X", adata.X)
        for name in _MATRICES:
            group = root.require_group(name)
            group.attrs["encoding-type"], group.attrs["encoding-version"] = "dict", "0.1.0"
            held = getattr(adata, name)
            for key in (key for key in held if key is not None):  # None is X in anndata >= 0.13
                _write(group, key, held[key])
        for name, element in rest.items():
            _copy(element, root, name)
        if "raw" not in rest and adata.raw is not None:
            _write_raw(root, adata.raw)
        _close(root, kind)


def _opened(path: Path) -> Any:
    """The root of a file."""
    if path.suffix == ".zarr":
        return import_module("zarr").open_group(path, mode="r")
    return import_module("h5py").File(path, "r")


def _created(path: Path, kind: str) -> Any:
    """The root of a new file."""
    if kind == ".zarr":
        zarr = import_module("zarr")
        newer = int(zarr.__version__.split(".")[0]) >= 3
        options = {"zarr_format": anndata.settings.zarr_write_format} if newer else {}
        return zarr.open_group(path, mode="w", **options)
    return import_module("h5py").File(path, "w")


def _close(root: Any, kind: str) -> None:
    if kind == ".zarr":
        import_module("zarr").consolidate_metadata(root.store)
    else:
        root.close()


def _matrix(element: Any) -> Any:
    """A matrix of a file, not read if it is an array or sparse; else read."""
    if _is_sparse(element):
        return sparse_dataset(element)
    return element if _is_array(element) else read_elem(element)


def _write(group: Any, key: str, value: Any) -> None:
    """Write a matrix; one that is on disk is copied."""
    if is_store(value):
        _copy(getattr(value, "group", value), group, key)
    else:
        write_elem(group, key, _computed(value))


def _write_raw(root: Any, raw: Any) -> None:
    """Write what ``raw`` holds; lazily read data do not know how."""
    group = root.require_group("raw")
    group.attrs["encoding-type"], group.attrs["encoding-version"] = "raw", "0.1.0"
    _write(group, "X", raw.X)
    write_elem(group, "var", as_frame(raw.var))
    write_elem(group, "varm", _computed(dict(raw.varm)))


def _computed(value: Any) -> Any:
    """An element with lazily read tables in it read; arrays of Dask are written by chunks.

    Arrays of texts are read, too: they cannot be written so.
    """
    if isinstance(value, dict):
        return {key: _computed(held) for key, held in value.items()}
    if hasattr(value, "compute") and value.dtype.kind not in "biufc":
        return value.compute()
    return value.to_memory() if hasattr(value, "to_memory") else value


def _copy(element: Any, group: Any, key: str) -> None:
    """Copy an element of a file into a group of another."""
    if hasattr(element, "file") and hasattr(group, "file"):  # HDF5 copies what it does not decode
        group.copy(element, group, key)
    elif _is_sparse(element) or (_is_array(element) and len(element.shape)):
        _copy_slices(element, group, key)
    elif "dataframe" not in _encoding(element) and hasattr(element, "keys"):
        copied = group.require_group(key)
        copied.attrs.update(dict(element.attrs))
        for name in element:
            _copy(element[name], copied, name)
    else:
        write_elem(group, key, read_elem(element))


def _copy_slices(element: Any, group: Any, key: str) -> None:
    """Copy the arrays of a matrix slice by slice."""
    if not _is_array(element):
        copied = group.require_group(key)
        copied.attrs.update({name: _plain(value) for name, value in element.attrs.items()})
        for name in element:
            _copy_slices(element[name], copied, name)
        return
    create = getattr(group, "create_array", None) or group.create_dataset
    copied = create(key, shape=element.shape, dtype=element.dtype)
    row = max(1, int(np.prod(element.shape[1:])) * element.dtype.itemsize)
    for rows in row_slices(element.shape[0], max(1, _COPIED_BYTES // row)):
        copied[rows] = element[rows]
    copied.attrs.update({name: _plain(value) for name, value in element.attrs.items()})


def _encoding(element: Any) -> str:
    return str(element.attrs.get("encoding-type", ""))


def _is_sparse(element: Any) -> bool:
    return _encoding(element) in ("csr_matrix", "csc_matrix")


def _is_array(element: Any) -> bool:
    """Whether this is an array of numbers."""
    return hasattr(element, "dtype") and hasattr(element, "shape") and element.dtype.kind in "biufc"


def _plain(value: Any) -> Any:
    """An attribute as both kinds of file know it."""
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
