"""Groups of cells and cells to leave out: every documented form, as boolean masks."""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray
from pandas.api.extensions import ExtensionArray
from pandas.api.types import infer_dtype, is_list_like, is_scalar

from kompot.anndata.labels import cells_with, label_masks
from kompot.records.annotation import obs_column
from kompot.records.group_names import stored_group

__all__ = ["excluded_cells", "labelled_groups", "parse_cell_filter", "parse_groups"]

Mask = NDArray[np.bool_]

REPRESENTATION_KEY = "__underrepresentation_data"
_Named = list[tuple[str, Mask]]
_Parts = list[tuple[str | None, Mask]]  # None: cells without a label of their own
_VECTORS = (list, tuple, np.ndarray, pd.Series, pd.Index, ExtensionArray)
_NUMBERS = {"integer", "floating", "mixed-integer-float", "decimal", "complex"}

log = logging.getLogger(__name__)


def parse_groups(adata: AnnData, groups: Any, argument: str = "groups") -> dict[str, Mask]:
    """Named groups of cells, in order.

    A missing label belongs to no group. Groups may overlap and may be empty; categories without
    cells are left out. Names that files cannot hold (with ``/``, for example) are changed.

    Parameters
    ----------
    adata, groups
        The data, and one of

        * the name of a column of ``obs``: True cells of a boolean one are the group ``True``, a
          categorical or text one has a group per label, in the order of the categories or sorted;
        * ``{column: value or values, ...}``: the cells that fulfil all, ``column=value``;
        * ``{name: {column: values, ...}, ...}``, or a list of such filters;
        * a Series (same index as the cells in any order, or numbered from 0 in their order) or
          array with one value per cell, read like a column; whole numbers are labels in a Series,
          positions of cells in an array;
        * a boolean matrix ``(n_groups, n_obs)`` or a list of vectors: ``subset1``, ``subset2``, ...
          and ``subset1_label`` for vectors of labels;
        * ``{name: boolean mask or positions, ...}``. Whole numbers are positions if the name is
          no column of ``obs``, values otherwise.
    argument
        The argument that holds them, for messages.

    Returns
    -------
    Name to mask ``(n_obs,)``.

    Raises
    ------
    ValueError
        If a column, value or cell does not exist, a length is wrong, numbers would form groups, or
        two groups would be stored under the same name; TypeError if it has none of the forms.
    """
    return _storable(_read_groups(adata, groups, argument))


def parse_cell_filter(adata: AnnData, cell_filter: Any, groups: Any = None) -> Mask:
    """Cells to leave out, ``(n_obs,)``: True for those that match any criterion.

    Parameters
    ----------
    adata
        The data.
    cell_filter
        One of, or a list of

        * the name of one of the ``groups``;
        * ``{column: value or values, ...}``: the cells that fulfil all;
        * a boolean mask, positions of cells, or a boolean matrix ``(n_masks, n_obs)``;

        or what :func:`check_underrepresentation` returned: the groups it found.
        None leaves out no cell.
    groups
        As for :func:`parse_groups`, or what that returned.

    Raises
    ------
    ValueError
        If a column, value, group or cell does not exist, a length is wrong, or a group is named
        without ``groups``; TypeError if it has none of the forms.
    """
    masks = None if groups is None else parse_groups(adata, groups)
    return excluded_cells(adata, cell_filter, masks)[0]


def excluded_cells(
    adata: AnnData, cell_filter: Any, groups: Mapping[str, Mask] | None
) -> tuple[Mask, set[str]]:
    """Cells to leave out, ``(n_obs,)``, and the groups that are left out by their name.

    Parameters
    ----------
    adata, cell_filter
        As for :func:`parse_cell_filter`.
    groups
        What :func:`parse_groups` returned; None for no groups.
    """
    if cell_filter is None:
        return np.zeros(adata.n_obs, dtype=bool), set()
    if not (isinstance(cell_filter, Mapping) and REPRESENTATION_KEY in cell_filter):
        named = _named_groups(cell_filter, adata.n_obs)
        return _excluded(adata, cell_filter, groups, "cell_filter"), named
    columns = [key for key in cell_filter if key != REPRESENTATION_KEY and key in adata.obs]
    if groups is None and columns:
        groups = parse_groups(adata, columns[0])
    excluded = np.zeros(adata.n_obs, dtype=bool)
    for name in cell_filter[REPRESENTATION_KEY]:
        excluded |= _group_cells(groups, name, "cell_filter")
    return excluded, {stored_group(name) for name in cell_filter[REPRESENTATION_KEY]}


def labelled_groups(adata: AnnData, groups: Any) -> dict[str, Mask]:
    """Cells of each group, ``(n_obs,)``, by the label that users gave it.

    Parameters and errors are those of :func:`parse_groups`, which names groups as they are stored.
    """
    named = _read_groups(adata, groups, "groups")
    _storable(named)  # refuses labels that would be stored under one name
    return dict(named)


def _read_groups(adata: AnnData, groups: Any, argument: str) -> _Named:
    """Names as the user gave them, and cells; `argument` is what holds the groups."""
    if isinstance(groups, Mapping):
        return _read_mapping(adata, groups, argument)
    if isinstance(groups, str):
        column = obs_column(adata.obs, groups, argument)
        parts = _split(column, f"`{argument}`: column {groups!r} of adata.obs", integers=False)
    elif not _is_several(groups, adata.n_obs, argument):
        parts = _read_vector(adata, groups, argument)
    elif isinstance(groups[0], Mapping):
        return [_read_filter(adata, f, f"{argument}[{i}]", "+") for i, f in enumerate(groups)]
    else:
        return [
            (f"subset{i + 1}" if label is None else f"subset{i + 1}_{label}", mask)
            for i, vector in enumerate(groups)
            for label, mask in _read_vector(adata, vector, f"{argument}[{i}]")
        ]
    return [("True" if label is None else label, mask) for label, mask in parts]


def _read_mapping(adata: AnnData, groups: Mapping[Any, Any], argument: str) -> _Named:
    """A filter, named filters or named cells; the values tell which."""
    entries = [(str(name), entry, f"{argument}[{name!r}]") for name, entry in groups.items()]
    kinds = {name: _entry_kind(adata, name, entry) for name, entry in groups.items()}
    found = set(kinds.values())
    if found == {"filter"}:
        return [(name, _read_filter(adata, entry, where)[1]) for name, entry, where in entries]
    if found and found <= {"mask", "positions"}:
        return [(name, _read_vector(adata, entry, where)[0][1]) for name, entry, where in entries]
    if found & {"filter", "mask"}:
        what = "filters, masks and column values"
        msg = f"`{argument}` mixes {what}; give one kind. Found: {kinds}"
        raise ValueError(msg)
    return [_read_filter(adata, groups, argument)]


def _entry_kind(adata: AnnData, name: Any, entry: Any) -> str:
    """What a value of a dict is: a ``filter``, a ``mask``, ``positions`` or column ``values``."""
    if isinstance(entry, Mapping):
        return "filter"
    if not _is_vector(entry):
        return "values"
    kind = _kind(_as_series(entry))
    if kind == "boolean" and (len(entry) == adata.n_obs or name not in adata.obs):
        return "mask"
    is_label = isinstance(entry, pd.Series) or name in adata.obs
    return "positions" if kind == "integer" and not is_label else "values"


def _read_filter(
    adata: AnnData, conditions: Mapping[Any, Any], argument: str, joint: str = ","
) -> tuple[str, Mask]:
    """Name of a filter, and the cells that fulfil all its conditions."""
    if not conditions:
        msg = f"`{argument}` is empty; give {{column: value}} with a column of adata.obs, or None."
        raise ValueError(msg)
    names, mask = [], np.ones(adata.n_obs, dtype=bool)
    for column, entry in conditions.items():
        labels = obs_column(adata.obs, column, argument)
        values = _values(entry, f"{argument}[{column!r}]")
        mask &= cells_with(labels, values, argument)
        names.append(f"{column}={joint.join(map(str, values))}")
    return "_AND_".join(names), mask


def _values(entry: Any, argument: str) -> list[Any]:
    """Allowed values of a column, one or several."""
    if is_scalar(entry):
        return [entry]
    entry = sorted(entry, key=str) if isinstance(entry, set | frozenset) else entry
    if not _is_vector(entry) or not all(is_scalar(value) for value in entry):
        msg = f"`{argument}` must be a value or a list of values of the column, got {entry!r}."
        raise TypeError(msg)
    is_mask = len(entry) > 2 and all(isinstance(value, bool | np.bool_) for value in entry)
    if is_mask or not len(entry):
        found = f"a mask of {len(entry)} cells" if is_mask else "nothing"
        msg = f"`{argument}` holds {found}; give values of the column, or leave it out."
        raise ValueError(msg)
    return list(entry)


def _is_several(groups: Any, n_obs: int, argument: str) -> bool:
    """Whether this is a boolean matrix or a list of filters or vectors, not one vector."""
    if isinstance(groups, np.ndarray) and groups.ndim == 2:
        if groups.dtype != bool or groups.shape[1] != n_obs or not len(groups):
            msg = (
                f"`{argument}` must be a boolean matrix (n_groups, {n_obs}), one column per cell; "
                f"got shape {groups.shape} of type {groups.dtype}. Use `.T` or `.astype(bool)`."
            )
            raise ValueError(msg)
        return True
    if not isinstance(groups, list | tuple):
        return False
    if not groups:
        msg = f"`{argument}` is empty; give at least one group, or None."
        raise ValueError(msg)
    kinds = {(is_list_like(item), isinstance(item, Mapping)) for item in groups}
    if len(kinds) > 1:
        msg = f"`{argument}` mixes filters, vectors and values; give a list of one kind."
        raise TypeError(msg)
    return is_list_like(groups[0])


def _is_vector(value: Any) -> bool:
    return isinstance(value, _VECTORS) and getattr(value, "ndim", 1) == 1


def _as_series(vector: Any) -> "pd.Series[Any]":
    """A vector with its missing values; an empty list holds no positions."""
    return pd.Series(vector, dtype=None if len(vector) or hasattr(vector, "dtype") else np.intp)


def _kind(labels: "pd.Series[Any]") -> str:
    """What labels are, missing ones aside: ``string``, ``boolean``, ``integer``, ``empty``..."""
    if isinstance(labels.dtype, pd.CategoricalDtype):
        return "string"
    return infer_dtype(labels, skipna=True)


def _read_vector(adata: AnnData, vector: Any, argument: str) -> _Parts:
    """Cells of a mask, of positions, or of each label."""
    if not _is_vector(vector):
        shape = f" of shape {vector.shape}" if hasattr(vector, "shape") else ""
        msg = (
            f"`{argument}` cannot be {type(vector).__name__}{shape}; give a column name, a filter "
            "{column: values}, {name: filter or mask}, a vector with one value per cell, "
            "positions of cells, a boolean matrix (n_groups, n_obs), or a list of these."
        )
        raise TypeError(msg)
    if isinstance(vector, pd.Series):
        return _split(_aligned(adata, vector, argument), f"`{argument}`", integers=True)
    labels = _as_series(vector)
    if _kind(labels) == "integer":
        return [(None, _at_positions(labels, adata.n_obs, argument))]
    if len(labels) != adata.n_obs:
        msg = (
            f"`{argument}` has {len(labels)} values for {adata.n_obs} cells; give one for each. "
            f"A column is given as text, not in a list; there are {list(adata.obs.columns)}."
        )
        raise ValueError(msg)
    return _split(labels, f"`{argument}`", integers=False)


def _aligned(adata: AnnData, labels: "pd.Series[Any]", argument: str) -> "pd.Series[Any]":
    """A Series in the order of the cells: by their names, else by its default index."""
    names, index = adata.obs_names, labels.index
    if index.equals(names):
        return labels
    known = int(index.isin(names).sum())
    if index.equals(pd.RangeIndex(len(names))) and isinstance(index, pd.RangeIndex) and not known:
        return labels.set_axis(names)
    if not (len(index) == known == len(names) and index.is_unique and names.is_unique):
        msg = (
            f"`{argument}` is a Series whose index is not adata.obs_names ({known} of {len(index)} "
            f"in {len(names)} cells); `.reindex(adata.obs_names)`, or `.set_axis` if in this order."
        )
        raise ValueError(msg)
    return labels.reindex(names)


def _at_positions(labels: "pd.Series[Any]", n_obs: int, argument: str) -> Mask:
    """Mask of cells at positions."""
    positions = pd.to_numeric(labels).to_numpy(float, na_value=np.nan)
    outside = int((~((positions >= 0) & (positions < n_obs))).sum())
    if outside or labels.duplicated().any():
        fault = f"{outside} outside 0 to {n_obs - 1} or missing" if outside else "some repeated"
        msg = (
            f"`{argument}` holds whole numbers, which are positions of cells, but {fault}. "
            "If they are labels use `.astype(str)`, if a mask of 0 and 1 `.astype(bool)`."
        )
        raise ValueError(msg)
    mask = np.zeros(n_obs, dtype=bool)
    mask[positions.astype(np.intp)] = True
    return mask


def _split(labels: "pd.Series[Any]", what: str, *, integers: bool) -> _Parts:
    """True cells of a mask, or cells of each label."""
    kind = _kind(labels)
    if kind == "boolean":
        return [(None, labels.astype("boolean").fillna(value=False).to_numpy(bool, copy=True))]
    masks = label_masks(labels) if kind == "string" or (integers and kind == "integer") else []
    if not masks:
        found = "is numeric" if kind in _NUMBERS else f"holds {kind} values"
        if kind in {"string", "empty"}:
            found = "holds no labels, all are missing,"
        remedy = "make numbers categorical by `.astype('category')` or `pandas.cut`."
        msg = f"{what} {found} ({labels.dtype}) and cannot form groups; {remedy}"
        raise ValueError(msg)
    return [*masks]


def _excluded(
    adata: AnnData, criterion: Any, groups: Mapping[str, Mask] | None, argument: str
) -> Mask:
    """Cells that match a criterion or any of several."""
    if isinstance(criterion, str):
        return _group_cells(groups, criterion, argument)
    several = _criteria(criterion, adata.n_obs, argument)
    if several:
        masks = [_excluded(adata, c, groups, f"{argument}[{i}]") for i, c in enumerate(several)]
        return np.logical_or.reduce(masks)
    if isinstance(criterion, Mapping):
        return _read_filter(adata, criterion, argument)[1]
    label, mask = _read_vector(adata, criterion, argument)[0]
    if label is not None:
        msg = f"`{argument}` holds labels; give a boolean mask, or labels as {{column: values}}."
        raise ValueError(msg)
    return mask


def _criteria(criterion: Any, n_obs: int, argument: str) -> list[Any]:
    """Several criteria; none if it is one."""
    if isinstance(criterion, Mapping):
        entries = list(criterion.values())
        return entries if all(isinstance(entry, Mapping) for entry in entries) else []
    is_array = isinstance(criterion, np.ndarray) and criterion.shape == (n_obs,)
    is_column = is_array or isinstance(criterion, pd.Series)
    if (
        _is_vector(criterion)
        and not is_column
        and any(isinstance(c, str) or is_list_like(c) for c in criterion)
    ):
        return list(criterion)
    return list(criterion) if _is_several(criterion, n_obs, argument) else []


def _named_groups(criterion: Any, n_obs: int) -> set[str]:
    """Groups that a criterion, or any of several, names."""
    if isinstance(criterion, str):
        return {stored_group(criterion)}
    several = _criteria(criterion, n_obs, "cell_filter")
    return {name for one in several for name in _named_groups(one, n_obs)}


def _group_cells(groups: Mapping[str, Mask] | None, name: str, argument: str) -> Mask:
    """Cells of a group that is named by the user."""
    if groups is None:
        msg = (
            f"`{argument}` names the group {name!r}, but no `groups` are given; give them, or a "
            f"column with its value: {{column: {name!r}}}."
        )
        raise ValueError(msg)
    if stored_group(name) not in groups:
        msg = f"`{argument}`: {name!r} is none of the groups. Available groups: {list(groups)[:50]}"
        raise ValueError(msg)
    return groups[stored_group(name)]


def _storable(named: _Named) -> dict[str, Mask]:
    """Give groups names that files can hold, no two the same."""
    masks: dict[str, Mask] = {}
    given: dict[str, str] = {}
    for name, mask in named:
        clean = stored_group(name)
        if clean in given:
            msg = (
                f"The groups {given[clean]!r} and {name!r} would be stored under the same name "
                f"{clean!r}; rename or remove one."
            )
            raise ValueError(msg)
        if clean != name:
            log.info("Group %r is stored as %r; files cannot hold its name", name, clean)
        given[clean], masks[clean] = name, mask
    return masks
