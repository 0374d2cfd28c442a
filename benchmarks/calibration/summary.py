"""From counts of single runs to means over data sets with their Monte-Carlo standard errors."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from calibration.outcome import KINDS

Record = dict[str, Any]
SHUFFLED = frozenset({"cell", "original", "original with samples"})
"""Methods whose p-values count shuffled genes: the smallest are equal, and rank nothing."""


@dataclass(frozen=True)
class Mean:
    """A mean over data sets.

    Attributes
    ----------
    value
        The mean; NaN without data sets.
    sd
        Standard deviation over data sets.
    n
        Number of data sets.
    """

    value: float
    sd: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Mean":
        """Mean of some numbers, those that are NaN left out."""
        found = np.asarray(values, dtype=float)
        found = found[~np.isnan(found)]
        if len(found) == 0:
            return cls(np.nan, np.nan, 0)
        return cls(float(found.mean()), float(found.std(ddof=min(1, len(found) - 1))), len(found))

    @property
    def error(self) -> float:
        """Standard error of the mean."""
        return self.sd / float(np.sqrt(max(self.n, 1)))

    def __format__(self, spec: str) -> str:
        """Value and standard error, such as ``0.051 (0.004)``; the value alone of one data set."""
        if self.n == 0:
            return ""
        if self.n == 1:
            return f"{self.value:{spec}}"
        return f"{self.value:{spec}} ({self.error:{spec}})"


@dataclass(frozen=True)
class Summary:
    """What a method does in a row.

    Attributes
    ----------
    n_sets
        Number of data sets.
    below_05, below_01, below_001
        Share of tested true nulls with smaller p-values.
    false_share
        False discovery proportion, 0 where nothing is called.
    any_hit
        Share of data sets with any gene called.
    n_called
        Number of genes called.
    power_global, power_local
        Share of the genes with such an effect that are called.
    equal_global, equal_local
        The same of the first genes in rank of which at most 5 % are false.
    """

    n_sets: int
    below_05: Mean
    below_01: Mean
    below_001: Mean
    false_share: Mean
    any_hit: Mean
    n_called: Mean
    power_global: Mean
    power_local: Mean
    equal_global: Mean
    equal_local: Mean


def summarise(records: Sequence[Record]) -> Summary:
    """Summary of runs of one method on the data sets of one row."""

    def below(number: int) -> Mean:
        return Mean.of(
            [r["below"][number] / r["nulls"] if r.get("nulls") else np.nan for r in records]
        )

    def power(kind: str, *, equal: bool = False) -> Mean:
        return Mean.of([power_of(r, kind, equal=equal) for r in records])

    return Summary(
        len(records),
        below(0),
        below(1),
        below(2),
        Mean.of([r["false"] / max(r["called"], 1) for r in records]),
        Mean.of([float(r["called"] > 0) for r in records]),
        Mean.of([r["called"] for r in records]),
        power("global"),
        power("local"),
        power("global", equal=True),
        power("local", equal=True),
    )


def power_of(record: Record, kind: str, *, equal: bool = False) -> float:
    """Share of the genes with an effect of a kind that one run finds; NaN if there are none.

    Parameters
    ----------
    record
        The run.
    kind
        One of `KINDS`.
    equal
        Whether to count the first genes in rank with a true false discovery proportion of 5 %
        instead of those called.
    """
    called, present = record[kind]
    if equal and record["method"] in SHUFFLED:
        return np.nan
    if equal:
        called = record["first"][KINDS.index(kind)] if "first" in record else np.nan
    return called / present if present else np.nan


def pick(records: Sequence[Record], row: int, method: str, regions: Sequence[int]) -> list[Record]:
    """Runs of one method on one row."""
    return [
        r
        for r in records
        if r["row"] == row and r["method"] == method and r["regions"] == list(regions)
    ]
