"""Ways to divide samples of one kind into two groups of equal size: what a null looks like."""

from collections.abc import Iterator
from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import NDArray

__all__ = ["balanced_splits", "n_balanced_splits"]

_ENUMERATED = 20_000
"""Splits up to which all are listed; of more so many are drawn at most."""


def n_balanced_splits(n_samples: int) -> int:
    r"""Number of ways to divide samples into two groups of equal size, whichever is first.

    :math:`\tfrac12\binom{n}{n/2}` for even :math:`n`; for odd, where one group has a sample more,
    :math:`\binom{n}{(n-1)/2}`.

    >>> [n_balanced_splits(n) for n in (4, 5, 6, 8)]
    [3, 10, 10, 35]
    """
    return comb(n_samples, n_samples // 2) // (2 if n_samples % 2 == 0 else 1)


def balanced_splits(n_samples: int, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
    """Divisions of samples into two groups of equal size, in random order, none twice.

    Parameters
    ----------
    n_samples
        Number of samples, at least 2; if odd the first group has one less.
    rng
        For the order.

    Yields
    ------
    0 or 1 for each sample, ``(n_samples,)``. The first sample of an even number is always in the
    first group. All splits if there are at most 20,000, else so many of them.

    Raises
    ------
    ValueError
        If there are fewer than 2 samples.
    """
    if n_samples < 2:
        msg = f"`n_samples` must be at least 2 to be divided, got {n_samples}."
        raise ValueError(msg)
    size, fixed = n_samples // 2, 1 - n_samples % 2
    if n_balanced_splits(n_samples) <= _ENUMERATED:
        rest = list(combinations(range(fixed, n_samples), size - fixed))
        for number in rng.permutation(len(rest)):
            yield _split(n_samples, rest[number])
        return
    seen: set[tuple[int, ...]] = set()
    while len(seen) < _ENUMERATED:
        chosen = rng.choice(n_samples - fixed, size - fixed, replace=False) + fixed
        group = tuple(sorted(chosen.tolist()))
        if group not in seen:
            seen.add(group)
            yield _split(n_samples, group)


def _split(n_samples: int, first: tuple[int, ...]) -> NDArray[np.intp]:
    """Groups of samples, given those that are in the first beside what is always there."""
    groups = np.ones(n_samples, dtype=np.intp)
    groups[list(first)] = 0
    if n_samples % 2 == 0:
        groups[0] = 0
    return groups
