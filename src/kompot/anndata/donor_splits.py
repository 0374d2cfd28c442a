"""The donor-level analysis repeated where nothing differs, to see what it finds there."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from kompot import cluster, threads
from kompot.anndata.groups import parse_groups
from kompot.anndata.null_comparisons import Found, compare_abundance, compare_expression
from kompot.anndata.null_plan import NullPlan
from kompot.anndata.on_disk import with_frames
from kompot.records.annotation import require_anndata
from kompot.settings import (
    AbundanceSettings,
    Comparison,
    DensitySettings,
    DonorAbundanceOptions,
    ExpressionSettings,
    FDRSettings,
    FilterSettings,
    GPSettings,
    OutputSettings,
    SampleSettings,
    StorageSettings,
)
from kompot.settings.checks import choice

__all__ = ["NullCheck", "null_check"]

log = logging.getLogger(__name__)

Array = NDArray[np.float64]

_ANALYSES = ("expression", "abundance")


@dataclass(frozen=True, repr=False)
class NullCheck:
    """What the donor-level analysis finds where nothing differs.

    Attributes
    ----------
    splits
        One row for each split or covariate: ``kind`` (``"split"`` or ``"covariate"``),
        ``condition`` (empty for covariates), ``group1`` and ``group2`` (samples, separated by
        commas; all samples in ``group1`` for covariates), ``degrees_of_freedom``, ``n_tested``
        (genes; regions of cell states for abundance), ``hits`` (genes, or cells, called at the
        threshold), ``share_p05``, ``share_p01`` and ``share_p001`` (of the p-values, those below
        0.05, 0.01 and 0.001; such shares are expected) and ``smallest_pvalue``.
    p_values
        P-values, genes (or regions) by splits; NaN for those that are not tested. Clusters of
        the same name are others in each condition.
        ``kompot.pl.qq(check)`` draws them.
    fdr_threshold
        False discovery rate below which a gene, or cell, is a hit.
    """

    splits: pd.DataFrame
    p_values: pd.DataFrame
    fdr_threshold: float

    @property
    def share_with_hits(self) -> float:
        """Share of the splits in which anything is called."""
        return float((self.splits["hits"] > 0).mean())

    @property
    def mean_hits(self) -> float:
        """Mean number of genes, or cells, called in a split."""
        return float(self.splits["hits"].mean())

    def __repr__(self) -> str:
        if not self.splits["n_tested"].any():
            return f"NullCheck({len(self.splits)} comparisons, in which nothing could be tested)"
        kinds = self.splits["kind"].value_counts()
        what = " and ".join(f"{count} {kind}{'s' * (count != 1)}" for kind, count in kinds.items())
        return (
            f"NullCheck({what}: {self.share_with_hits:.0%} with a hit, {self.mean_hits:.3g} hits "
            f"on average; {self.splits['share_p05'].mean():.1%} of p-values below 0.05)"
        )


def null_check(
    adata: AnnData,
    groupby: str,
    condition1: str,
    condition2: str,
    *,
    sample_col: str,
    analysis: str = "expression",
    obsm_key: str = Comparison.obsm_key,
    layer: str | None = None,
    genes: Sequence[str] | None = None,
    donor_col: str | None = None,
    paired: bool | None = None,
    covariates: Sequence[str] | None = None,
    regions: Any = None,
    cell_filter: Any = None,
    kind: str | None = None,
    n_splits: int = 10,
    seed: int = 0,
    fdr_threshold: float = FDRSettings.threshold,
    n_landmarks: int | None = GPSettings.n_landmarks,
    landmarks: Any = None,
    ls: float | None = None,
    ls_factor: float = GPSettings.ls_factor,
    kernel: str = GPSettings.kernel,
    tol: float = GPSettings.tol,
    param_scheme: str = GPSettings.param_scheme,
    random_state: int = 0,
    progress: bool = True,
) -> NullCheck:
    r"""See what the donor-level analysis of these data calls where nothing differs.

    The donors of one condition are divided into two groups of equal size (of an odd number one
    has one more) and compared as if these
    were the conditions, in many ways. What the analysis would call then is false (or a difference
    between these donors that no analysis could tell from an effect, sex or batch for example).
    Calibrated p-values are uniform: 5 % of them are below 0.05, and few splits have any hit.

    If one condition only has 4 samples or more, only that one is divided. If none has, random
    numbers :math:`\epsilon \sim N(0, I)` of the samples, orthogonal to the design, are tested as
    covariates beside the conditions instead. Effects of the conditions stay in the model and do not
    count.

    Both check fewer donors than the analysis compares: a split those of one condition, and a
    covariate costs a degree of freedom. With 1 (covariates at 2 against 2) p-values of genes
    below 0.0001 are twice as frequent as they should be, whatever the data; with 4 against 4 donors
    splits leave 2 and ``kind="covariates"`` leaves 5.

    Features of the cell states are fitted once, and expression is summed (cells are counted) once
    per sample and region; splits only change the design. Splits of few donors overlap, so that
    their numbers of hits are not independent. Regions overlap, too: their p-values are uniform but
    not independent, and leave the band of :func:`kompot.pl.qq` more often. Features are those of
    expression for both analyses, so that regions may differ a little from those of a run of
    abundance.

    Parameters
    ----------
    adata
        As for :func:`compute_differential_expression`; it is not changed.
    groupby, condition1, condition2
        The conditions.
    sample_col
        Column of ``adata.obs`` with the biological samples.
    analysis
        Whose test: ``"expression"`` (:func:`compute_differential_expression`) or ``"abundance"``
        (:func:`compute_differential_abundance`).
    obsm_key, layer, genes
        Embedding, layer and genes; as for :func:`compute_differential_expression`. The last two
        mean nothing for abundance.
    donor_col, covariates, regions, cell_filter
        As there; for abundance, `regions` are its ``groups``. Splits that a covariate cannot be
        told from are left out.
    paired
        As there. It matters for covariates only: within a condition donors are not paired, so that
        splits check the comparison of independent donors.
    kind
        ``"splits"`` of the donors within each condition of 4 or more, ``"covariates"`` for random
        covariates, None for splits where that is possible.
    n_splits
        Number of splits of each condition, all if there are no more; or of covariates.
    seed
        Of the choice of splits, or of the covariates.
    fdr_threshold
        Genes with a lower Benjamini-Hochberg rate are hits; cells, if the global test agrees.
    n_landmarks, landmarks, ls, ls_factor, kernel, tol, param_scheme, random_state
        The features; as for :func:`compute_differential_expression`.
    progress
        Show progress bars, of expression.

    Returns
    -------
    Hits per split and the p-values.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be used, or there are too few samples: splits need 4 in a condition
        and, for abundance, 2 degrees of freedom; covariates a design with 2, 3 for abundance.

    Examples
    --------
    >>> import kompot
    >>> adata = kompot.datasets.simulate(n_cells=800, n_genes=50, n_donors=4)
    >>> check = kompot.null_check(
    ...     adata, "condition", "control", "treated", sample_col="donor", progress=False
    ... )
    >>> check.splits.loc["control 1", ["group1", "group2"]].tolist()
    ['donor_1,donor_2', 'donor_3,donor_4']
    """
    choice("analysis", analysis, _ANALYSES)
    plan = NullPlan(kind, n_splits, seed)
    comparison = Comparison(groupby, condition1, condition2, obsm_key, layer, genes, sample_col)
    samples = SampleSettings(donor_col, paired, covariates, "donor", regions)
    gp = GPSettings(
        ls=ls,
        ls_factor=ls_factor,
        n_landmarks=n_landmarks,
        landmarks=landmarks,
        random_state=random_state,
        kernel=kernel,
        tol=tol,
        param_scheme=param_scheme,
    )
    with threads.single_threaded_products(), cluster.used():
        if analysis == "abundance":
            require_anndata(adata)
            if regions is not None:  # refused by the name it has here
                parse_groups(with_frames(adata), regions, "regions")
            settings = _of_abundance(comparison, gp, samples, cell_filter, fdr_threshold)
            found = list(compare_abundance(with_frames(adata), settings, gp, plan))
        else:
            wanted = ExpressionSettings(
                comparison,
                gp,
                FDRSettings(None, None, fdr_threshold),
                FilterSettings(cell_filter),
                StorageSettings(),
                OutputSettings(compute_mahalanobis=False, progress=progress),
                samples,
            )
            found = list(compare_expression(with_frames(adata), wanted, plan))
    return _summary(found, (condition1, condition2), fdr_threshold)


def _of_abundance(
    comparison: Comparison,
    gp: GPSettings,
    samples: SampleSettings,
    cell_filter: Any,
    fdr_threshold: float,
) -> AbundanceSettings:
    """Options of the test of abundance."""
    given = {"layer": comparison.layer, "genes": comparison.genes}
    names = [f"`{name}`" for name, value in given.items() if value is not None]
    if names:
        msg = f"{', '.join(names)} only has a meaning for expression; leave out for abundance."
        raise ValueError(msg)
    return AbundanceSettings(
        comparison,
        DensitySettings(landmarks=gp.landmarks),
        filter=FilterSettings(cell_filter, samples.regions),
        samples=replace(samples, regions=None),
        donor=DonorAbundanceOptions(fdr_threshold),
    )


def _summary(found: Sequence[Found], conditions: tuple[str, str], threshold: float) -> NullCheck:
    """The tables."""
    rows: list[dict[str, Any]] = []
    columns: list[Any] = []
    for one in found:
        row = _row(one, conditions)
        before = sum(other["condition"] == row["condition"] for other in rows)
        name = f"{row['condition'] or row['kind']} {before + 1}"
        columns.append(pd.Series(one.p, index=one.names, name=name))
        rows.append(row)
    if all(column.index.equals(columns[0].index) for column in columns):
        named = {column.name: column.to_numpy() for column in columns}
        p_values = pd.DataFrame(named, index=columns[0].index)
    else:  # conditions have other regions, if one has few cells
        p_values = pd.concat(columns, axis=1)
    table = pd.DataFrame(rows, index=pd.Index(list(p_values), name="split"))
    check = NullCheck(table, p_values, threshold)
    log.info("%r", check)
    return check


def _row(found: Found, conditions: tuple[str, str]) -> dict[str, Any]:
    """What is reported of one comparison."""
    null, samples = found.null, found.samples
    tested = found.p[~np.isnan(found.p)]
    design, is_split = null.design, null.condition is not None
    left_out = {
        name for name, is_in in zip(samples.names, samples.compared, strict=True) if not is_in
    }
    members = np.array(design.samples)
    second = (design.matrix[:, 1] > 0) if is_split else np.zeros(len(members), dtype=bool)
    groups = [
        ",".join(name for name in members[side] if name not in left_out)
        for side in (~second, second)
    ]
    return {
        "kind": "split" if is_split else "covariate",
        "condition": "" if null.condition is None else str(conditions[null.condition]),
        "group1": groups[0],
        "group2": groups[1],
        "degrees_of_freedom": design.degrees_of_freedom - int(not is_split),
        "n_tested": len(tested),
        "hits": found.hits,
        "share_p05": _share(tested, 0.05),
        "share_p01": _share(tested, 0.01),
        "share_p001": _share(tested, 0.001),
        "smallest_pvalue": float(tested.min()) if len(tested) else np.nan,
    }


def _share(p: Array, limit: float) -> float:
    return float((p < limit).mean()) if len(p) else np.nan
