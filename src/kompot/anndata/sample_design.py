"""In which linear model the samples of two conditions are compared."""

import logging
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kompot.anndata.donor_columns import donors_measured_twice, share_of_variance
from kompot.anndata.inputs import Cells
from kompot.anndata.samples import SampleColumns, Samples
from kompot.records.annotation import obs_column
from kompot.settings import Comparison
from kompot.stats.design import Design, paired_design, two_group_design
from kompot.user_warnings import warn_user

__all__ = ["read_design"]

log = logging.getLogger(__name__)

_CELL_TYPE_SHARE = 0.5
"""Share of the variance of cell states from which on samples seem to be kinds of cells."""


def read_design(
    obs: pd.DataFrame,
    cells: Cells,
    samples: Samples,
    comparison: Comparison,
    columns: SampleColumns,
) -> Design:
    """The linear model in which samples are compared.

    Donors that are in both conditions are compared with themselves, if they are most
    (:attr:`kompot.anndata.samples.Samples.mostly_paired`) or pairs are asked for. A sample with too
    few cells to be compared has a column of its own, which takes it out of every comparison and
    count.

    Parameters
    ----------
    obs, cells, comparison, columns
        As for :func:`read_samples`.
    samples
        What that returned.

    Raises
    ------
    ValueError
        If a condition has one sample of enough cells, a covariate is missing or varies within a
        sample, or the effect cannot be told from the covariates.
    """
    names = comparison.conditions
    _refuse_single(samples, names)
    covariates = {
        name: _covariate(obs, cells, samples, name, (comparison.groupby, columns))
        for name in columns.covariates
    }
    covariates |= _left_out(samples)
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
    if columns.donor is None and columns.paired is None:
        if paired:
            _warn_of_cell_types(cells, samples, columns.sample)
        else:
            _warn_of_pairs(obs, comparison, columns.sample)
    return design


def _refuse_single(samples: Samples, names: tuple[str, str]) -> None:
    """Refuse a condition in which fewer than 2 samples can be compared."""
    for c, (number, name) in enumerate(zip(samples.sizes, names, strict=True)):
        if number < 2:
            those = np.flatnonzero(samples.condition == c)
            found = [repr(samples.names[k]) for k in those[:5]]
            which = ""
            if len(those) > number:
                which = f" of {samples.least_cells} cells or more"
                found = [f"{samples.names[k]!r}: {samples.n_cells[k]}" for k in those[:5]]
            noun = "sample" if number == 1 else "samples"
            msg = (
                f"Condition {name!r} has {number} {noun}{which} "
                f"({', '.join(found)}), but donor-level significance needs at least "
                "2 in each condition: from one sample the variation between donors cannot be "
                "known. To describe these cells only leave `sample_col` out, or give "
                "`allow_single_condition_variance=True` (with 2 samples in the other condition)."
            )
            raise ValueError(msg)


def _left_out(samples: Samples) -> dict[str, NDArray[np.float64]]:
    """A column of its own for every sample that has too few cells."""
    numbers = np.arange(len(samples.names))
    return {
        f"left out: {samples.names[k]}": (numbers == k).astype(float)
        for k in np.flatnonzero(~samples.compared)
    }


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
    values = values.infer_objects()  # numbers among which some were missing before
    text = isinstance(values.dtype, pd.CategoricalDtype) or not pd.api.types.is_numeric_dtype(
        values
    )
    values = values.astype(str) if text else values
    by_sample = values.groupby(samples.codes)
    varying = np.flatnonzero(by_sample.nunique().to_numpy() > 1)
    if len(varying):
        found = [samples.names[k] for k in varying[:5]]
        together = (
            "" if columns.donor is None else ", to which those of one donor were put together"
        )
        msg = (
            f"The covariate {name!r} has several values within {len(varying)} samples{together} "
            f"(first: {found}); a covariate must be the same for all cells of a sample."
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


def _warn_of_cell_types(cells: Cells, samples: Samples, sample: str) -> None:
    """Say so if the labels that both conditions share look like cell types rather than donors."""
    donors = pd.factorize(np.asarray(samples.labels))[0]
    share = share_of_variance(cells.states, donors[samples.codes])
    if share > _CELL_TYPE_SHARE:
        warn_user(
            f"Column {sample!r} looks like cell types: {share:.0%} of the variance of cell states "
            "is between its labels, which are in both conditions. Cell types are no replicates: "
            "give the column of donors or samples as `sample_col`, or paired=True if these are."
        )


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
            "%d donor%s in both conditions but compared as if they were others%s: %s",
            len(samples.in_both),
            " is" if len(samples.in_both) == 1 else "s are",
            "" if columns.paired is False else "; `paired=True` compares each with itself",
            list(samples.in_both[:5]),
        )
