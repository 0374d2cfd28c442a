"""What is taken to be unchanged where shares of cells are compared."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kompot.models.region_counts import CountedRegions
from kompot.stats.design import Contrast
from kompot.stats.fraction_contrast import weighted_median
from kompot.stats.log_fractions import LogFractions, count_cells, log_fractions

__all__ = ["Reference", "check_reference", "median_change", "reference_fractions"]

Reference = str | Sequence[str] | None


def check_reference(reference: Reference, groups: Sequence[str]) -> list[str]:
    """Names of the reference groups; none for ``"median"`` or no reference.

    Parameters
    ----------
    reference
        As in :class:`kompot.models.donor_abundance.DonorAbundanceSettings`.
    groups
        Names of the groups that there are.

    Raises
    ------
    ValueError
        If a name is none of the groups.
    TypeError
        If it is neither text nor several.
    """
    if reference is None or (isinstance(reference, str) and reference == "median"):
        return []
    allowed = "`reference` must be None, 'median' or names of `groups`"
    if not isinstance(reference, Iterable):
        msg = f"{allowed}, got {reference!r} ({type(reference).__name__})."
        raise TypeError(msg)
    wanted = [reference] if isinstance(reference, str) else list(reference)
    if not wanted or any(name not in groups for name in wanted):
        msg = f"{allowed}, got {reference!r}. Available groups: {list(groups)[:50]}"
        raise ValueError(msg)
    return wanted


def reference_fractions(
    reference: Reference,
    groups: Mapping[str, ArrayLike],
    sample: NDArray[np.intp],
    n_samples: int,
    compared: NDArray[np.bool_],
) -> LogFractions | None:
    """Log fractions of the cells in the reference groups together, ``(n_samples, 1)``.

    Parameters
    ----------
    reference
        As for :func:`check_reference`.
    groups
        Name to mask ``(n_cells,)`` of each group.
    sample
        Number of each cell's sample, ``(n_cells,)``.
    n_samples
        Number of samples.
    compared
        Which of them are compared, ``(n_samples,)``.

    Returns
    -------
    None if no groups are named.

    Raises
    ------
    ValueError
        If a group is unknown, or one or all together hold too few of the cells, or all of them.
    """
    names = check_reference(reference, list(groups))
    if not names:
        return None
    totals = np.bincount(sample, minlength=n_samples).astype(np.float64)
    masks = [np.asarray(groups[name], dtype=bool) for name in names]
    found = [
        log_fractions(count_cells(sample, np.where(mask, 0, -1), n_samples, 1), totals, compared)
        for mask in (*masks, np.logical_or.reduce(masks))
    ]
    few = [str(name) for name, one in zip(names, found, strict=False) if not one.testable[0]]
    if few or not found[-1].testable[0]:
        msg = (
            f"`reference` names {few or names}, but reference groups need 2 cells of each compared "
            "sample on average, and together as many outside them: a share of next to no cells, or "
            "of all, is no measure of change. Name others, or use reference='median'."
        )
        raise ValueError(msg)
    return found[-1]


def median_change(counted: CountedRegions, contrast: Contrast) -> float:
    """Change of the median cell's region among the finest that can be tested, natural log.

    Parameters
    ----------
    counted
        Cells of samples in regions.
    contrast
        Contrast of the samples.
    """
    finest = counted.level == counted.n_clusters - 1
    testable = finest & counted.fractions.testable
    chosen = testable if testable.any() else finest
    estimate = contrast.effect(counted.fractions.values[:, chosen])
    return weighted_median(estimate, counted.fractions.mean[chosen])
