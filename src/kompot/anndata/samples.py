"""Which samples the cells of two conditions come from."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kompot.anndata.inputs import Cells
from kompot.records.annotation import obs_column
from kompot.settings import Comparison, OutputSettings, SampleSettings
from kompot.user_warnings import warn_user

__all__ = [
    "SampleColumns",
    "Samples",
    "read_samples",
    "refuse_many",
    "sample_labels",
    "warn_of_single_variance",
]

log = logging.getLogger(__name__)

_FEW_CELLS = 10
"""Of a sample, below which a warning names it."""


@dataclass(frozen=True)
class SampleColumns:
    """Columns of ``obs`` that say where cells come from.

    Attributes
    ----------
    sample
        Sample of each cell.
    donor
        Donor of each sample, if they are not the same.
    covariates
        What else differs between samples: numbers count as numbers, anything else as levels (make
        the numbers of batches text).
    paired
        Whether donors in both conditions are compared with themselves; None for whether at least
        two of them, and at least half of all, are in both.
    """

    sample: str
    donor: str | None = None
    covariates: tuple[str, ...] = ()
    paired: bool | None = None

    @classmethod
    def of(cls, sample: str, options: SampleSettings) -> "SampleColumns":
        """Those that the options of a run name."""
        return cls(sample, options.donor_col, tuple(options.covariates or ()), options.paired)

    def __post_init__(self) -> None:
        """Refuse a single name where several are meant, and flags that are none."""
        if isinstance(self.covariates, str):
            msg = (
                f"`covariates` must be a list of columns, got the text {self.covariates!r}; write "
                f"[{self.covariates!r}]."
            )
            raise TypeError(msg)
        if self.paired is not None and not isinstance(self.paired, bool | np.bool_):
            msg = f"`paired` must be True, False or None, got {self.paired!r}."
            raise TypeError(msg)


@dataclass(frozen=True)
class Samples:
    """The samples of two conditions; a donor in both has one in each.

    Attributes
    ----------
    codes
        Number of each cell's sample, ``(n_cells,)``, cells in the order of the comparison's.
    names
        Names of the samples, in the order of their numbers: the label, with the condition in
        brackets if some label is in both.
    labels
        Donor of each sample, or its label if no donors are given, ``(n_samples,)``.
    condition
        0 or 1 for each sample, ``(n_samples,)``.
    n_cells
        Number of cells of each sample, ``(n_samples,)``.
    least_cells
        Cells from which a sample is compared.
    """

    codes: NDArray[np.intp]
    names: tuple[str, ...]
    labels: NDArray[np.object_]
    condition: NDArray[np.intp]
    n_cells: NDArray[np.intp]
    least_cells: int = 1

    @property
    def compared(self) -> NDArray[np.bool_]:
        """Which samples have enough cells to be compared, ``(n_samples,)``."""
        return np.asarray(self.n_cells >= self.least_cells)

    @property
    def sizes(self) -> tuple[int, int]:
        """Number of samples of each condition that are compared."""
        n1, n2 = (int(np.count_nonzero(self.compared & (self.condition == c))) for c in (0, 1))
        return n1, n2

    @property
    def in_both(self) -> tuple[str, ...]:
        """Labels of donors with samples in both conditions, sorted."""
        first, second = (
            set(self.labels[self.compared & (self.condition == c)].tolist()) for c in (0, 1)
        )
        return tuple(sorted(first & second))

    @property
    def mostly_paired(self) -> bool:
        """Whether at least two donors, and half of all, are in both conditions."""
        everyone = set(self.labels[self.compared].tolist())
        return len(self.in_both) >= 2 and 2 * len(self.in_both) >= len(everyone)


def read_samples(
    obs: pd.DataFrame,
    cells: Cells,
    comparison: Comparison,
    columns: SampleColumns,
    *,
    least_cells: int = 1,
) -> Samples:
    """Samples of the cells compared.

    A sample is a level of the sample column in one condition. If donors are given it is a donor in
    one condition: several samples of a donor under one condition are no independent replicates and
    are put together.

    Parameters
    ----------
    obs
        Annotation of all cells.
    cells
        The cells compared.
    comparison
        Their conditions.
    columns
        Where samples and donors are.
    least_cells
        Cells from which a sample is compared; a warning names those that have fewer.

    Raises
    ------
    ValueError
        If a column does not exist, a cell has no sample, a sample has cells of several donors, or
        there are about as many samples as cells.
    """
    sample = sample_labels(obs, cells.rows, columns.sample, comparison.groupby)
    unit = sample
    if columns.donor is not None:
        unit = sample_labels(obs, cells.rows, columns.donor, comparison.groupby, "donor_col")
        _refuse_several(sample, cells.condition, unit, columns)
    found_labels, numbers = np.unique(unit.astype(str), return_inverse=True)
    keys, codes = np.unique(cells.condition * len(found_labels) + numbers, return_inverse=True)
    condition = keys // len(found_labels)
    labels = found_labels[keys % len(found_labels)].astype(object)
    n_cells = np.bincount(codes)
    column = columns.sample if columns.donor is None else columns.donor
    refuse_many(column, len(keys), len(codes))
    names = comparison.conditions
    shared = len(set(labels.tolist())) < len(labels)
    named = [
        f"{label} ({names[c]})" if shared else label
        for c, label in zip(condition, labels, strict=True)
    ]
    found = Samples(codes.astype(np.intp), tuple(named), labels, condition, n_cells, least_cells)
    _report(found, column, names)
    return found


def sample_labels(
    obs: Any,
    rows: NDArray[np.intp],
    column: str,
    groupby: str | None,
    argument: str = "sample_col",
    *,
    whose: str = "of the two conditions",
) -> NDArray[np.object_]:
    """Labels of some cells as text.

    Parameters
    ----------
    obs
        Annotation of all cells.
    rows
        Which cells.
    column
        Column of the labels.
    groupby
        Column of the conditions.
    argument
        The argument that names the column.
    whose
        Which cells these are, in words.

    Raises
    ------
    ValueError
        If the column does not exist or is that of the conditions, or a cell has no label.
    """
    labels = obs_column(obs, column, argument).iloc[rows]
    if column == groupby:
        msg = (
            f"`{argument}` is {column!r}, the column of the conditions, so that each condition "
            "would be one sample; give the column of the samples."
        )
        raise ValueError(msg)
    missing = int(labels.isna().sum())
    if missing:
        msg = (
            f"`{argument}`: {missing} of {len(labels)} cells {whose} have no value in "
            f"adata.obs[{column!r}]; label them or leave them out (`cell_filter` of comparisons, "
            "or adata[mask].copy())."
        )
        raise ValueError(msg)
    return labels.astype(str).to_numpy(object)


def warn_of_single_variance(output: OutputSettings) -> None:
    """Say that an option of samples has no effect without samples."""
    if output.allow_single_condition_variance:
        warn_user("`allow_single_condition_variance=True` has no effect without `sample_col`.")


def refuse_many(column: str, n_samples: int, n_cells: int) -> None:
    """Refuse a column with about as many levels as cells; no samples then, but names of cells."""
    if 2 * n_samples > n_cells:
        msg = (
            f"Column {column!r} has {n_samples} levels for {n_cells} cells, but a sample must "
            "hold many cells; give a column that names donors or libraries."
        )
        raise ValueError(msg)


def _refuse_several(
    sample: NDArray[np.object_],
    condition: NDArray[np.intp],
    donor: NDArray[np.object_],
    columns: SampleColumns,
) -> None:
    """Refuse samples with cells of several donors."""
    table = pd.DataFrame({"sample": sample, "condition": condition, "donor": donor})
    donors = table.groupby(["sample", "condition"], observed=True)["donor"].nunique()
    several = donors[donors > 1]
    if len(several):
        name = several.index[0][0]
        found = sorted(set(donor[sample == name].tolist()))
        msg = (
            f"{len(several)} samples of column {columns.sample!r} have cells of several donors "
            f"(column {columns.donor!r}): {name!r} has {found[:5]}. Each sample must come from one "
            "donor; exchange the columns or correct the labels."
        )
        raise ValueError(msg)


def _report(samples: Samples, column: str, names: tuple[str, str]) -> None:
    sizes = np.bincount(samples.condition, minlength=2)
    log.info(
        "%d samples of %r and %d of %r from column %r, %d to %d cells each",
        sizes[0],
        names[0],
        sizes[1],
        names[1],
        column,
        samples.n_cells.min(),
        samples.n_cells.max(),
    )
    _warn_of_small(samples, samples.compared & (samples.n_cells < _FEW_CELLS), _FEW_CELLS, "")
    _warn_of_small(samples, ~samples.compared, samples.least_cells, " and are not compared")


def _warn_of_small(samples: Samples, small: NDArray[np.bool_], limit: int, what: str) -> None:
    """Name samples that are small, if there are any, and what follows."""
    found = {samples.names[k]: int(samples.n_cells[k]) for k in np.flatnonzero(small)[:5]}
    if found:
        n_small = int(small.sum())
        have = "sample has" if n_small == 1 else "samples have"
        log.warning("%d %s fewer than %d cells%s: %s", n_small, have, limit, what, found)
