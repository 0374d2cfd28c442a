"""Which samples two conditions have."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pandas import isna

__all__ = [
    "FEWEST_CELLS",
    "ConditionSamples",
    "numbered_samples",
    "requested_samples",
    "sample_labels",
    "split_by_condition",
    "too_few_samples",
]

FEWEST_CELLS = 2
"""Cells that a sample needs to count in the variance between samples."""


@dataclass(frozen=True)
class ConditionSamples:
    """Samples, each of one condition.

    Attributes
    ----------
    codes
        Number of each cell's sample, from 0, ``(n_cells,)``.
    condition
        Condition of each sample, 0 or 1, ``(n_samples,)``.
    n_cells
        Number of cells of each sample, ``(n_samples,)``.
    min_cells
        Smaller samples take part in the fit of their condition, but not in its sample variance.
    """

    codes: NDArray[np.intp]
    condition: NDArray[np.intp]
    n_cells: NDArray[np.intp]
    min_cells: int = FEWEST_CELLS

    @classmethod
    def of(
        cls,
        codes: NDArray[np.intp],
        condition: NDArray[np.intp],
        *,
        min_cells: int = FEWEST_CELLS,
        allow_single_condition: bool = False,
    ) -> "ConditionSamples":
        """Find out whose samples are which, and refuse those without a variance.

        Parameters
        ----------
        codes
            Number of each cell's sample, from 0 without gaps, ``(n_cells,)``.
        condition
            0 or 1 for each cell, ``(n_cells,)``.
        min_cells
            Cells that a sample needs.
        allow_single_condition
            Whether one condition with at least two such samples is enough.

        Raises
        ------
        ValueError
            If a sample has cells of both conditions or a condition too few samples.
        """
        table = np.zeros((int(codes.max()) + 1, 2), np.intp)
        np.add.at(table, (codes, condition), 1)
        both = np.flatnonzero((table > 0).all(axis=1))
        if len(both):
            msg = (
                f"Samples {both[:5].tolist()} have cells of both conditions; number each sample "
                "of each condition on its own."
            )
            raise ValueError(msg)
        found = cls(codes, table.argmax(axis=1), table.sum(axis=1), min_cells)
        found._check(allow_single_condition=allow_single_condition)
        return found

    def _check(self, *, allow_single_condition: bool) -> None:
        numbers = [len(self.varying(c)) for c in (0, 1)]
        enough = [number >= 2 for number in numbers]
        if all(enough) or (allow_single_condition and any(enough)):
            return
        short = [f"condition {c + 1}" for c in (0, 1) if not enough[c]]
        where = f" in {' and '.join(short)}"
        raise too_few_samples(min(numbers), self.min_cells, where=where, one_will_do=any(enough))

    def varying(self, condition: int) -> NDArray[np.intp]:
        """Samples of a condition that are large enough to count in its variance."""
        large = self.n_cells >= self.min_cells
        return np.flatnonzero((self.condition == condition) & large)


def numbered_samples(
    labels: NDArray[Any], min_cells: int = FEWEST_CELLS
) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Samples with enough cells by number, and their labels.

    Parameters
    ----------
    labels
        Sample of each cell, ``(n_cells,)``.
    min_cells
        Cells that a sample needs.

    Returns
    -------
    The number of each cell's sample, ``(n_cells,)``, -1 where it has too few cells, and the labels
    of the numbers, ``(n_samples,)``.
    """
    names, codes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    enough = sizes >= min_cells
    numbers = np.where(enough, np.cumsum(enough) - 1, -1)
    return numbers[codes].astype(np.intp), names[enough]


def sample_labels(labels: ArrayLike, n_cells: int, argument: str) -> NDArray[Any]:
    """Sample of each cell as an array that can be sorted.

    Parameters
    ----------
    labels
        Sample of each cell, ``(n_cells,)``.
    n_cells
        How many there are.
    argument
        What holds the labels, for messages.

    Raises
    ------
    ValueError
        If the length is wrong or labels are missing (None, NaN or NA).
    """
    values = np.asarray(labels)
    if values.shape != (n_cells,):
        msg = (
            f"`{argument}` must have one value for each of {n_cells} cells, got shape "
            f"{values.shape}."
        )
        raise ValueError(msg)
    given = values if hasattr(labels, "dtype") else np.asarray(labels, dtype=object)
    missing = int(isna(given).sum())  # of a list before all of it becomes text
    if missing:
        msg = f"`{argument}` lacks the sample of {missing} of {n_cells} cells; leave these out."
        raise ValueError(msg)
    return values.astype(str) if values.dtype == object else values


def too_few_samples(
    n_samples: int, min_cells: int = FEWEST_CELLS, *, where: str = "", one_will_do: bool = False
) -> ValueError:
    """The error for fewer than two samples with enough cells.

    Parameters
    ----------
    n_samples
        How many there are.
    min_cells
        Cells that a sample needs.
    where
        Where they were looked for, added to the text.
    one_will_do
        Whether the samples of one condition are enough if that is allowed.
    """
    hint = (
        " With `allow_single_condition_variance=True` the variance between the samples of one "
        "condition is used alone."
    )
    return ValueError(
        f"At least 2 groups with sufficient cells (>= {min_cells}) are required, but only "
        f"{n_samples} valid group(s) found{where}: the variance between samples cannot be "
        f"estimated from one.{hint if one_will_do else ''}"
    )


def requested_samples(
    use_sample_variance: bool | None,
    codes: NDArray[np.intp] | None,
    condition: NDArray[np.intp],
    allow_single_condition: bool,
) -> ConditionSamples | None:
    """The samples (:meth:`ConditionSamples.of`) if they are given and to be used, otherwise None.

    Raises
    ------
    ValueError
        If they are to be used but not given.
    """
    if use_sample_variance and codes is None:
        msg = "`use_sample_variance=True` needs the sample of each cell."
        raise ValueError(msg)
    if codes is None or use_sample_variance is False:
        return None
    return ConditionSamples.of(codes, condition, allow_single_condition=allow_single_condition)


def split_by_condition(
    labels: tuple[ArrayLike | None, ArrayLike | None], condition: NDArray[np.intp]
) -> NDArray[np.intp] | None:
    """Numbers of samples from each condition's own labels; a label in both is two samples.

    Parameters
    ----------
    labels
        Sample of each cell of condition 1 and of condition 2; None if all are one sample.
    condition
        0 or 1 for each cell, those of condition 1 first, ``(n_cells,)``.

    Returns
    -------
    ``(n_cells,)``; None without labels.

    Raises
    ------
    ValueError
        If a length is wrong or labels are missing.
    """
    if labels[0] is None and labels[1] is None:
        return None
    parts: list[NDArray[np.intp]] = []
    start = 0
    for c, given in enumerate(labels):
        size = int((condition == c).sum())
        given = np.zeros(size, np.intp) if given is None else given
        values = sample_labels(given, size, f"condition{c + 1}_sample_indices")
        codes = np.unique(values, return_inverse=True)[1]
        parts.append(codes + start)
        start += int(codes.max()) + 1
    return np.concatenate(parts)
