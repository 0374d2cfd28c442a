"""What a method found in a data set, against what was planted."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kompot.stats.fdr import benjamini_hochberg

NOMINAL = 0.05
KINDS = ("global", "local")


@dataclass(frozen=True)
class Finding:
    """What a method says of each gene.

    Attributes
    ----------
    p
        P-values, ``(n_genes,)``; NaN for a gene that was not tested. None if there are none.
    called
        Genes called at a nominal false discovery rate of 5 %, ``(n_genes,)``.
    notes
        Whatever else is of interest, for the record.
    """

    p: NDArray[np.float64] | None
    called: NDArray[np.bool_]
    notes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of_p_values(cls, p: NDArray[np.float64]) -> "Finding":
        """Call genes by Benjamini-Hochberg over those tested."""
        tested = ~np.isnan(p)
        called = np.zeros(len(p), dtype=bool)
        if tested.any():
            called[tested] = benjamini_hochberg(p[tested]) < NOMINAL
        return cls(p, called)


def judge(finding: Finding, effect: NDArray[np.str_]) -> dict[str, Any]:
    """Count what is right and wrong.

    Parameters
    ----------
    finding
        Of one method.
    effect
        Kind of difference planted in each gene, "none" for true nulls, ``(n_genes,)``.

    Returns
    -------
    Counts, ready for JSON: true nulls tested and below 0.05, 0.01 and 0.001; genes called; those
    called falsely; called and present for each kind of effect; those of each kind among the
    `leading_genes`.
    """
    null = effect == "none"
    counts: dict[str, Any] = {
        "called": int(finding.called.sum()),
        "false": int((finding.called & null).sum()),
    }
    for kind in KINDS:
        members = effect == kind
        counts[kind] = [int((finding.called & members).sum()), int(members.sum())]
    if finding.p is not None:
        p = finding.p[null]
        p = p[~np.isnan(p)]
        counts["nulls"] = len(p)
        counts["below"] = [int((p < level).sum()) for level in (0.05, 0.01, 0.001)]
        first = leading_genes(finding.p, null)
        counts["first"] = [int((first & (effect == kind)).sum()) for kind in KINDS]
    return {**counts, **finding.notes}


def leading_genes(p: NDArray[np.float64], null: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Most of the genes first in rank of which no more than `NOMINAL` truly are nulls.

    What a method would call if its false discovery rate were exact: methods are compared by it at
    the same proportion of false calls, whatever they promise.

    Parameters
    ----------
    p
        P-values, ``(n_genes,)``; NaN for a gene that was not tested.
    null
        Genes that do not differ, ``(n_genes,)``.

    Returns
    -------
    Mask, ``(n_genes,)``. Genes of the same p-value are called together.
    """
    values, group = np.unique(p[~np.isnan(p)], return_inverse=True)
    called = np.cumsum(np.bincount(group, minlength=len(values)))
    false = np.cumsum(np.bincount(group, null[~np.isnan(p)], minlength=len(values)))
    kept = values[false <= NOMINAL * called]
    return p <= kept[-1] if len(kept) else np.zeros(len(p), dtype=bool)
