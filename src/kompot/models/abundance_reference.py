"""What is taken to be unchanged where shares of cells are compared."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kompot.models.region_counts import CountedRegions
from kompot.stats.design import Contrast
from kompot.stats.fraction_contrast import reference_shift
from kompot.stats.log_fractions import count_cells, log_fractions

__all__ = ["Reference", "check_reference", "check_reference_cells", "shift_of_reference"]

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


def check_reference_cells(
    reference: Reference,
    groups: Mapping[str, ArrayLike],
    sample: NDArray[np.intp],
    n_samples: int,
    compared: NDArray[np.bool_],
) -> None:
    """Refuse reference groups in which nothing could be tested.

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

    Raises
    ------
    ValueError
        If a group is unknown, or holds too few of the cells, or all of them.
    """
    totals = np.bincount(sample, minlength=n_samples).astype(np.float64)
    for name in check_reference(reference, list(groups)):
        outside = np.where(np.asarray(groups[name], dtype=bool), 0, -1)
        counts = count_cells(sample, outside, n_samples, 1)
        _refuse_untestable([name], log_fractions(counts, totals, compared).testable)


def shift_of_reference(counted: CountedRegions, contrast: Contrast, reference: Reference) -> float:
    """Change of the reference, natural log.

    Parameters
    ----------
    counted
        Cells of samples in regions.
    contrast
        Contrast of the samples.
    reference
        As for :func:`check_reference`; ``"median"`` is that of the finest clusters that can be
        tested.

    Raises
    ------
    ValueError
        If a name is none of the groups, or a group holds too few cells, or all.
    """
    names = np.array(counted.names)
    wanted = check_reference(reference, names[counted.is_group].tolist())
    if reference is None:
        return 0.0
    testable = counted.fractions.testable
    chosen = counted.is_group & np.isin(names, wanted)
    _refuse_untestable(names[chosen].tolist(), testable[chosen])
    if not wanted:
        finest = counted.level == counted.n_clusters - 1
        chosen = finest & testable if (finest & testable).any() else finest
    estimate = contrast.effect(counted.fractions.values[:, chosen])
    return reference_shift(estimate, counted.fractions.mean[chosen])


def _refuse_untestable(names: Sequence[str], testable: NDArray[np.bool_]) -> None:
    """Refuse groups of which a sample's share means nothing."""
    few = [name for name, is_testable in zip(names, testable, strict=True) if not is_testable]
    if few:
        msg = (
            f"`reference` names {few}, but a reference group needs 2 cells of each compared sample "
            "on average, and as many outside it: a share of next to no cells, or of all, is no "
            "measure of change. Name larger groups, or use reference='median'."
        )
        raise ValueError(msg)
