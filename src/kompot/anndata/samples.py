"""Which samples the cells of two conditions come from, and how they are compared."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kompot.anndata.donor_columns import donors_measured_twice
from kompot.anndata.inputs import Cells
from kompot.records.annotation import obs_column
from kompot.settings import Comparison, OutputSettings, SampleSettings
from kompot.stats.design import Design, paired_design, two_group_design
from kompot.user_warnings import warn_user

__all__ = [
    "SampleColumns",
    "Samples",
    "read_design",
    "read_samples",
    "refuse_many",
    "sample_labels",
    "warn_of_single_variance",
]

log = logging.getLogger(__name__)

_FEW_CELLS = 10


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
    """

    codes: NDArray[np.intp]
    names: tuple[str, ...]
    labels: NDArray[np.object_]
    condition: NDArray[np.intp]
    n_cells: NDArray[np.intp]

    @property
    def sizes(self) -> tuple[int, int]:
        """Number of samples of each condition."""
        n2 = int(self.condition.sum())
        return len(self.condition) - n2, n2

    @property
    def in_both(self) -> tuple[str, ...]:
        """Labels of donors with samples in both conditions, sorted."""
        first, second = (set(self.labels[self.condition == c].tolist()) for c in (0, 1))
        return tuple(sorted(first & second))

    @property
    def mostly_paired(self) -> bool:
        """Whether at least two donors, and half of all, are in both conditions."""
        return len(self.in_both) >= 2 and 2 * len(self.in_both) >= len(set(self.labels.tolist()))


def read_samples(
    obs: pd.DataFrame, cells: Cells, comparison: Comparison, columns: SampleColumns
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
    found = Samples(codes.astype(np.intp), tuple(named), labels, condition, n_cells)
    _report(found, column, names)
    return found


def read_design(
    obs: pd.DataFrame,
    cells: Cells,
    samples: Samples,
    comparison: Comparison,
    columns: SampleColumns,
) -> Design:
    """The linear model in which samples are compared.

    Donors that are in both conditions are compared with themselves, if they are most
    (:attr:`Samples.mostly_paired`) or pairs are asked for.

    Parameters
    ----------
    obs, cells, comparison, columns
        As for :func:`read_samples`.
    samples
        What that returned.

    Raises
    ------
    ValueError
        If a condition has one sample, a covariate is missing or varies within a sample, or the
        effect cannot be told from the covariates.
    """
    names = comparison.conditions
    _refuse_single(samples, names)
    covariates = {
        name: _covariate(obs, cells, samples, name, (comparison.groupby, columns))
        for name in columns.covariates
    }
    paired = samples.mostly_paired if columns.paired is None else columns.paired
    try:
        if paired:
            design = paired_design(
                samples.condition, samples.labels, covariates=covariates, samples=samples.names
            )
        else:
            design = two_group_design(
                samples.condition, covariates=covariates, samples=samples.names
            )
    except ValueError as error:
        error.add_note(
            f"{samples.sizes[0]} samples of {names[0]!r} and {samples.sizes[1]} of {names[1]!r}, "
            f"{len(samples.in_both)} donors in both, covariates {list(columns.covariates)}."
        )
        raise
    _report_design(samples, design, columns, paired=bool(paired))
    if columns.donor is None and columns.paired is None and not paired:
        _warn_of_pairs(obs, comparison, columns.sample)
    return design


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


def _refuse_single(samples: Samples, names: tuple[str, str]) -> None:
    for number, name in zip(samples.sizes, names, strict=True):
        if number < 2:
            only = samples.names[int(np.flatnonzero(samples.condition == names.index(name))[0])]
            msg = (
                f"Condition {name!r} has 1 sample ({only!r}), but donor-level significance needs "
                "at least 2 in each condition: from one sample the variation between donors cannot "
                "be known. To describe these cells only leave `sample_col` out, or give "
                "`allow_single_condition_variance=True` (with 2 samples in the other condition)."
            )
            raise ValueError(msg)


def _covariate(
    obs: pd.DataFrame,
    cells: Cells,
    samples: Samples,
    name: str,
    used: tuple[str, SampleColumns],
) -> NDArray[Any]:
    """Value of a covariate for each sample."""
    column = obs_column(obs, name, "covariates")
    groupby, columns = used
    if name in {groupby, columns.sample, columns.donor}:
        msg = f"`covariates` holds {name!r}, which already says what the samples are; leave it out."
        raise ValueError(msg)
    values = column.iloc[cells.rows]
    missing = int(values.isna().sum())
    if missing:
        msg = f"The covariate {name!r} is missing in {missing} cells of the two conditions."
        raise ValueError(msg)
    text = isinstance(values.dtype, pd.CategoricalDtype) or not pd.api.types.is_numeric_dtype(
        values
    )
    values = values.astype(str) if text else values
    by_sample = values.groupby(samples.codes)
    varying = np.flatnonzero(by_sample.nunique().to_numpy() > 1)
    if len(varying):
        found = [samples.names[k] for k in varying[:5]]
        msg = (
            f"The covariate {name!r} has several values within {len(varying)} samples (first: "
            f"{found}); a covariate must be the same for all cells of a sample."
        )
        raise ValueError(msg)
    firsts = by_sample.first()
    return firsts.to_numpy(object if text else None)


def _warn_of_pairs(obs: pd.DataFrame, comparison: Comparison, sample: str) -> None:
    """Say so if samples of the same donors are compared as if they were others'."""
    donor = donors_measured_twice(obs, sample, comparison)
    if donor is not None:
        warn_user(
            f"The samples of column {sample!r} are of donors (column {donor!r}) who are in both "
            f"conditions: give donor_col={donor!r} to compare each donor with itself, or "
            "paired=False if they are to be compared as others."
        )


def _report(samples: Samples, column: str, names: tuple[str, str]) -> None:
    sizes = samples.sizes
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
    small = np.flatnonzero(samples.n_cells < _FEW_CELLS)
    if len(small):
        found = {samples.names[k]: int(samples.n_cells[k]) for k in small[:5]}
        log.warning("%d samples have fewer than %d cells: %s", len(small), _FEW_CELLS, found)


def _report_design(
    samples: Samples, design: Design, columns: SampleColumns, *, paired: bool
) -> None:
    freedom = design.degrees_of_freedom
    kind = f"{len(samples.in_both)} pairs of" if paired else "{} against {}".format(*samples.sizes)
    log.info("%s samples, %d degrees of freedom, columns %s", kind, freedom, list(design.columns))
    if design.exploratory:
        advice = "every covariate takes one or more"
        if paired:
            advice = "4 or more pairs of donors are recommended"
        elif min(samples.sizes) < 3:
            advice = "3 or more donors per condition are recommended"
        log.warning(
            "Only %d degree%s of freedom between samples: donor-level p-values are exploratory; "
            "%s.",
            *(freedom, "" if freedom == 1 else "s", advice),
        )
    if samples.in_both and not paired:
        log.warning(
            "%d donors are in both conditions but are compared as if they were others%s: %s",
            len(samples.in_both),
            "" if columns.paired is False else "; `paired=True` compares each with itself",
            list(samples.in_both[:5]),
        )
