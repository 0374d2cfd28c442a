"""Columns of ``obs`` that look as if they named donors, for those who did not say."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from kompot.models.arrays import usable_states
from kompot.settings import Comparison
from kompot.user_warnings import warn_user

__all__ = [
    "CellLevelWarning",
    "donors_measured_twice",
    "looks_like_donors",
    "share_of_variance",
    "warn_of_donors",
]

_LEVELS = (2, 200)
_CELLS_PER_LEVEL = 5
_LABELLED = 0.9
"""Share of the cells that must have a level."""
_BY_STATES = 4
_CELL_STATE_SHARE = 0.15
"""Share of the variance of cell states from which on levels are kinds of cells, not donors."""

_DONOR = re.compile(
    r"donor|sample|patient|subject|individual|participant|replicate|mouse|animal|biopsy|library"
    r"|orig\.?_?ident|hashtag|\bhto\b|\bbatch|\bchannel|\blane|\bpool|cell[_. ]?line(?!age)",
    re.IGNORECASE,
)
_PERSON = re.compile(r"donor|patient|subject|individual|participant|mouse|animal", re.IGNORECASE)
"""Names of who may be measured twice, unlike a batch or a lane."""
_NO_DONOR = re.compile(
    r"cell|type|cluster|leiden|louvain|annot|lineage|state|phase|subset|doublet|singlet"
    r"|\bsex\b|gender|(?<![a-z])age\b|tissue|organ|region|technology|chemistry|treatment|condition",
    re.IGNORECASE,
)
_OURS = re.compile(r"_(sample_var|donor_direction|donor_region)$")
"""Endings of columns that an earlier run of ours wrote."""


class CellLevelWarning(UserWarning):
    """Results are about these cells although the data seem to name their donors."""


def warn_of_donors(
    adata: AnnData, comparison: Comparison, states: NDArray[np.float64] | None = None
) -> None:
    """Warn of an analysis without samples if a column of ``obs`` looks like donors.

    Parameters
    ----------
    adata
        The data.
    comparison
        What is compared, without samples.
    states
        Cell states, ``(n_obs, n_dims)``.
    """
    obs: Any = adata.obs
    found = looks_like_donors(obs, comparison.groupby, comparison.conditions, states=states)
    if not found:
        _warn_of_single_samples(obs, comparison)
        return
    sample, others = found[0], ", ".join(repr(name) for name in found[1:4])
    others = others and f" (so {'do' if len(found) > 2 else 'does'} {others})"
    donor = donors_measured_twice(obs, sample, comparison)
    pairs = "" if donor is None else f" and donor_col={donor!r}"
    warn_user(
        f"Column {sample!r} of adata.obs looks like donors or samples{others}, but `sample_col` "
        "was not given: results are about these cells, not other donors. Give "
        f"sample_col={sample!r}{pairs} to compare samples.",
        CellLevelWarning,
    )


def _warn_of_single_samples(obs: pd.DataFrame, comparison: Comparison) -> None:
    """Warn if a column names one sample for each condition: what differs may be the samples."""
    condition = _labels_compared(obs, comparison.groupby, comparison)
    for name in obs.columns[obs.columns != comparison.groupby]:
        if not _DONOR.search(str(name)) or _NO_DONOR.search(str(name)):
            continue
        samples = _labels_compared(obs, name, comparison)
        if samples.nunique() == 2 and (samples.groupby(condition).nunique() == 1).all():
            warn_user(
                f"Column {name!r} of adata.obs names one sample for each condition: results are "
                "about these cells, and what differs may be the samples rather than the "
                "conditions. Several samples of each condition can tell these apart.",
                CellLevelWarning,
            )
            return


def donors_measured_twice(obs: pd.DataFrame, sample: Any, comparison: Comparison) -> Any:
    """Column of donors who all have samples in both conditions; None if there is none.

    Parameters
    ----------
    obs
        Annotation of cells.
    sample
        Column of the samples, every one of a single donor.
    comparison
        What is compared.
    """
    condition = _labels_compared(obs, comparison.groupby, comparison)
    samples = _labels_compared(obs, sample, comparison)
    for name in looks_like_donors(obs, comparison.groupby, comparison.conditions):
        if name == sample or not _PERSON.search(str(name)):
            continue
        donors = _labels_compared(obs, name, comparison)
        nested = donors.groupby(samples).nunique().max() == 1
        crossed = condition.groupby(donors).nunique().min() == len(comparison.conditions)
        if nested and crossed and donors.nunique() < samples.nunique():
            return name
    return None


def _labels_compared(obs: pd.DataFrame, name: Any, comparison: Comparison) -> "pd.Series[str]":
    """Labels in a column of the cells that are compared, as text."""
    wanted = [str(label) for label in comparison.conditions]
    compared = obs[comparison.groupby].astype(str).isin(wanted)
    first = list(obs.columns).index(name)  # of columns that share a name
    return obs.iloc[:, first][compared].astype(str)


def looks_like_donors(
    obs: pd.DataFrame,
    groupby: str,
    conditions: Sequence[str],
    *,
    states: NDArray[np.float64] | None = None,
) -> tuple[Any, ...]:
    """Names of columns whose levels look like donors or samples, the likeliest first.

    Such a column has 2 to 200 levels among the cells of the conditions, and

    * every level has cells in one condition only, and a condition has several levels; or
    * its name says donor, sample, patient or alike (donors may have been measured twice); or
    * every level has cells in both conditions, there are three or more, its name does not say cell
      type, cluster or alike, and where cells lie hardly depends on their level: types and clusters
      are what cell states differ by.

    Whole numbers count only if their name says so: an age or a score is no donor.

    Parameters
    ----------
    obs
        Annotation of cells.
    groupby
        Column of the conditions.
    conditions
        The two conditions.
    states
        Cell states, ``(n_obs, n_dims)``; without them the third way is left out.
    """
    condition, labels = pd.factorize(obs[groupby])
    number = {str(label): code for code, label in enumerate(labels)}
    first, second = (number.get(str(name), -2) for name in conditions)
    compared = (condition == first) | (condition == second)
    is_second = condition[compared] == second
    found: dict[Any, int] = {}
    for place, name in enumerate(obs.columns):
        if name == groupby:
            continue
        values = obs.iloc[compared, place]
        table = _level_table(str(name), values, is_second)
        rank = None if table is None else _likeness(str(name), table)
        if rank == _BY_STATES:
            share = 1.0
            if states is not None:
                share = share_of_variance(states[compared], pd.factorize(values)[0])
            rank = rank if share < _CELL_STATE_SHARE else None
        if rank is not None:
            found[name] = rank
    return tuple(sorted(found, key=lambda name: found[name]))


def _level_table(
    name: str, values: "pd.Series[Any]", is_second: NDArray[np.bool_]
) -> NDArray[np.intp] | None:
    """Cells of each level in each condition; None for a column that cannot name donors."""
    if pd.api.types.is_bool_dtype(values) or _OURS.search(name):
        return None
    if pd.api.types.is_numeric_dtype(values):
        if not _DONOR.search(name) or _NO_DONOR.search(name):
            return None
        if pd.api.types.is_float_dtype(values) and (values.dropna() % 1 != 0).any():
            return None
    try:
        codes, _ = pd.factorize(values)
    except TypeError:  # lists and other values that are not hashable
        return None
    present = codes >= 0
    n_levels, n_labelled = int(codes.max(initial=-1)) + 1, int(present.sum())
    enough = _LEVELS[0] <= n_levels <= _LEVELS[1] and n_labelled >= _LABELLED * len(codes)
    if not enough or n_labelled < _CELLS_PER_LEVEL * n_levels:
        return None
    cells = np.bincount(2 * codes[present] + is_second[present], minlength=2 * n_levels)
    table = cells.reshape(n_levels, 2)
    return table if (table.sum(axis=0) > 0).all() else None


def _likeness(name: str, table: NDArray[np.intp]) -> int | None:
    """How much a column looks like donors by its name and table, 0 for most; None for not."""
    named, other = bool(_DONOR.search(name)), bool(_NO_DONOR.search(name))
    in_both = (table > 0).all(axis=1)
    if not in_both.any():
        if len(table) == 2 or (other and not named):
            return None
        return 0 if named else 2
    if named and not other:
        return 1 if in_both.all() else 3
    crossed = bool(in_both.all()) and len(table) > 2
    return _BY_STATES if crossed and not named and not other else None


def share_of_variance(states: NDArray[np.float64], codes: NDArray[np.intp]) -> float:
    """Share of the variance of cell states that lies between the levels of a column.

    Parameters
    ----------
    states
        Cell states, ``(n_cells, n_dims)``.
    codes
        Number of each cell's level, ``(n_cells,)``; negative for none.
    """
    kept = (codes >= 0) & usable_states(states)
    inside, codes = states[kept], codes[kept]
    centred = inside - inside.mean(axis=0)
    sums = np.array([np.bincount(codes, column) for column in centred.T])
    between = float((np.square(sums) / np.maximum(np.bincount(codes), 1)).sum())
    return between / max(float(np.square(centred).sum()), np.finfo(float).tiny)
