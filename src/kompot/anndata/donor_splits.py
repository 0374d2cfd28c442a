"""The donor-level analysis repeated where nothing differs, to see what it finds there."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from kompot import cluster, threads
from kompot.anndata.expression_inputs import ExpressionInputs, read_inputs
from kompot.anndata.inputs import refuse_missing_values
from kompot.anndata.on_disk import with_frames
from kompot.anndata.samples import Samples
from kompot.gp.features import FeatureMap, fit_features
from kompot.gp.kernels import make_kernel
from kompot.gp.length_scale import length_scale_by_scheme
from kompot.settings import (
    Comparison,
    ExpressionSettings,
    FDRSettings,
    FilterSettings,
    GPSettings,
    OutputSettings,
    SampleSettings,
    StorageSettings,
)
from kompot.settings.checks import choice, number
from kompot.stats.balanced_splits import balanced_splits
from kompot.stats.design import Design, two_group_design
from kompot.stats.multiplicity import weighted_benjamini_hochberg

__all__ = ["NullCheck", "null_check"]

log = logging.getLogger(__name__)

Array = NDArray[np.float64]

_FEWEST_SAMPLES = 4
"""Samples of a condition that can be split into two groups with a variance each."""
_FEWEST_FREEDOM = 2
"""Degrees of freedom of which a covariate leaves one for the error."""


@dataclass(frozen=True, repr=False)
class NullCheck:
    """What the donor-level analysis finds where nothing differs.

    Attributes
    ----------
    splits
        One row for each split or covariate: ``kind`` (``"split"`` or ``"covariate"``),
        ``condition`` (empty for covariates), ``group1`` and ``group2`` (samples, separated by
        commas; all samples in ``group1`` for covariates), ``degrees_of_freedom``, ``n_tested``
        (genes), ``hits`` (genes with a false discovery rate below the threshold), ``share_p05``,
        ``share_p01`` and ``share_p001`` (of the p-values, those below 0.05, 0.01 and 0.001; such
        shares are expected) and ``smallest_pvalue``.
    p_values
        P-values, genes by splits; NaN for genes that are not tested. ``kompot.pl.qq(check)`` draws
        them.
    fdr_threshold
        False discovery rate below which a gene is a hit.
    """

    splits: pd.DataFrame
    p_values: pd.DataFrame
    fdr_threshold: float

    @property
    def share_with_hits(self) -> float:
        """Share of the splits in which any gene is called."""
        return float((self.splits["hits"] > 0).mean())

    @property
    def mean_hits(self) -> float:
        """Mean number of genes called in a split."""
        return float(self.splits["hits"].mean())

    def __repr__(self) -> str:
        kinds = self.splits["kind"].value_counts()
        what = " and ".join(f"{count} {kind}{'s' * (count != 1)}" for kind, count in kinds.items())
        return (
            f"NullCheck({what}: {self.share_with_hits:.0%} with a hit, {self.mean_hits:.3g} hits "
            f"on average; {self.splits['share_p05'].mean():.1%} of p-values below 0.05)"
        )


@dataclass(frozen=True)
class _Plan:
    """How often and in which way to compare what does not differ."""

    kind: str | None
    n_splits: int
    seed: int

    def __post_init__(self) -> None:
        number("n_splits", self.n_splits, least=1, whole=True)
        number("seed", self.seed, least=0, whole=True)
        if self.kind is not None:
            choice("kind", self.kind, ("splits", "covariates"))


@dataclass(frozen=True)
class _Null:
    """A comparison in which nothing differs; ``condition`` is None for random covariates."""

    condition: int | None
    design: Design
    n_draws: int = 1


def null_check(
    adata: AnnData,
    groupby: str,
    condition1: str,
    condition2: str,
    *,
    sample_col: str,
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

    The donors of one condition are divided into two groups of equal size and compared as if these
    were the conditions, in many ways. What
    :func:`compute_differential_expression` would call then is false (or a difference between these
    donors that no analysis could tell from an effect, sex or batch for example). Calibrated
    p-values are uniform: 5 % of them are below 0.05, and few splits have any hit.

    Where conditions have fewer than 4 samples, random numbers :math:`\epsilon \sim N(0, I)` of
    the samples, orthogonal to the design, are tested as covariates beside the conditions instead.
    Effects of the conditions stay in the model and do not count.

    Both check fewer donors than the analysis compares: a split those of one condition, and a
    covariate costs a degree of freedom. With 2 degrees of freedom or 1 (4 donors split into 2 and
    2, or covariates at 2 against 2) p-values below 0.001 are too frequent, whatever the data;
    with 4 against 4 donors ``kind="covariates"`` leaves 5.

    Features of the cell states are fitted once and expression is summed once per sample and
    region; splits only change the design. Splits of few donors overlap, so that their numbers of
    hits are not independent.

    Parameters
    ----------
    adata
        As for :func:`compute_differential_expression`; it is not changed.
    groupby, condition1, condition2
        The conditions.
    sample_col
        Column of ``adata.obs`` with the biological samples.
    obsm_key, layer, genes
        Embedding, layer and genes; as for :func:`compute_differential_expression`.
    donor_col, covariates, regions, cell_filter
        As there. Splits that a covariate cannot be told from are left out.
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
        Genes with a lower Benjamini-Hochberg rate are hits.
    n_landmarks, landmarks, ls, ls_factor, kernel, tol, param_scheme, random_state
        The features; as for :func:`compute_differential_expression`.
    progress
        Show progress bars.

    Returns
    -------
    Hits per split and the p-values.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be used, or there are too few samples: splits need 4 in a condition,
        covariates a design with 2 degrees of freedom.

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
    plan = _Plan(kind, n_splits, seed)
    settings = ExpressionSettings(
        Comparison(groupby, condition1, condition2, obsm_key, layer, genes, sample_col),
        GPSettings(
            ls=ls,
            ls_factor=ls_factor,
            n_landmarks=n_landmarks,
            landmarks=landmarks,
            random_state=random_state,
            kernel=kernel,
            tol=tol,
            param_scheme=param_scheme,
        ),
        FDRSettings(None, None, fdr_threshold),
        FilterSettings(cell_filter),
        StorageSettings(),
        OutputSettings(compute_mahalanobis=False, progress=progress),
        SampleSettings(donor_col, paired, covariates, "donor", regions),
    )
    with threads.single_threaded_products(), cluster.used():
        return _check(adata, settings, plan)


def _check(adata: AnnData, settings: ExpressionSettings, plan: _Plan) -> NullCheck:
    """Read, plan, fit features, compare."""
    inputs = read_inputs(with_frames(adata), settings)
    if inputs.samples is None or inputs.samples.design is None:
        msg = "`sample_col` must name the column of the samples, got None."
        raise ValueError(msg)
    samples = inputs.samples.samples
    planned = _planned(samples, inputs.samples.design, settings, plan)
    refuse_missing_values(inputs.expression)
    features = _features(inputs, settings.gp)
    rows: list[dict[str, Any]] = []
    p_values: dict[str, Array] = {}
    for null, p in _p_values(features, inputs, settings, planned, plan.seed):
        row = _row(null, p, samples, settings)
        before = sum(one["condition"] == row["condition"] for one in rows)
        p_values[f"{row['condition'] or row['kind']} {before + 1}"] = p
        rows.append(row)
    table = pd.DataFrame(rows, index=pd.Index(list(p_values), name="split"))
    found = NullCheck(
        table, pd.DataFrame(p_values, index=inputs.gene_names), settings.fdr.threshold
    )
    log.info("%r", found)
    return found


def _planned(
    samples: Samples, design: Design, settings: ExpressionSettings, plan: _Plan
) -> list[_Null]:
    """The comparisons to make; those of one condition follow one another."""
    names = (settings.comparison.condition1, settings.comparison.condition2)
    counts = " and ".join(
        f"{size} of {name!r}" for size, name in zip(samples.sizes, names, strict=True)
    )
    kind = plan.kind
    if kind is None:
        kind = "splits" if max(samples.sizes) >= _FEWEST_SAMPLES else "covariates"
    if kind == "covariates":
        freedom = design.degrees_of_freedom
        if freedom < _FEWEST_FREEDOM:
            msg = (
                f"Random covariates need a design with at least {_FEWEST_FREEDOM} degrees of "
                f"freedom, but the {design.n_samples} samples ({counts}) and the columns "
                f"{list(design.columns)} leave {freedom}; add samples or leave out covariates."
            )
            raise ValueError(msg)
        return [_Null(None, design, plan.n_splits)]
    planned = []
    for c, size in enumerate(samples.sizes):
        if size >= _FEWEST_SAMPLES:
            rng = np.random.default_rng((plan.seed, c))
            planned += _splits(samples, design, c, plan.n_splits, rng)
    if not planned:
        msg = (
            f"Splits need at least {_FEWEST_SAMPLES} samples in a condition, in groups that "
            f"covariates do not explain, but there are {counts}; use kind='covariates'."
        )
        raise ValueError(msg)
    return planned


def _splits(
    samples: Samples, design: Design, condition: int, n_splits: int, rng: np.random.Generator
) -> list[_Null]:
    """Designs that compare groups within a condition, in the order of their first groups."""
    inside = samples.condition == condition
    names = [name for name, is_in in zip(samples.names, inside, strict=True) if is_in]
    covariates = {
        name: design.matrix[inside, column]
        for column, name in enumerate(design.columns)
        if name.startswith("covariate ")
    }
    found: list[tuple[tuple[int, ...], Design]] = []
    n_left_out = 0
    for groups in balanced_splits(len(names), rng):
        if len(found) == n_splits:
            break
        try:
            split = two_group_design(groups, covariates=covariates, samples=names)
        except ValueError:  # a covariate says the same as the groups
            n_left_out += 1
            continue
        found.append((tuple(groups.tolist()), split))
    if n_left_out:
        log.info("%d splits were left out because covariates explain them", n_left_out)
    return [_Null(condition, split) for _, split in sorted(found, key=lambda one: one[0])]


def _features(inputs: ExpressionInputs, gp: GPSettings) -> FeatureMap:
    """Features of the cell states, those of the analysis itself."""
    cells, ls = inputs.cells, gp.ls
    if ls is None:
        ls = length_scale_by_scheme(cells.states, cells.condition, gp.param_scheme, gp.ls_factor)
    return fit_features(
        cells.states,
        make_kernel(gp.kernel, float(ls)),
        max_rank=gp.n_landmarks,
        tol=gp.tol,
        landmarks=inputs.landmarks,
        rng=np.random.default_rng(gp.random_state),
    )


def _p_values(
    features: FeatureMap,
    inputs: ExpressionInputs,
    settings: ExpressionSettings,
    planned: list[_Null],
    seed: int,
) -> Iterator[tuple[_Null, Array]]:
    """P-values of each comparison; cells of each condition are read once."""
    from kompot.models.donor_nulls import donor_means  # not needed for other analyses

    cells, samples = inputs.cells, inputs.samples
    if samples is None:
        return
    for condition in sorted({null.condition for null in planned}, key=str):
        chosen = np.arange(len(cells.rows))
        if condition is not None:
            chosen = np.flatnonzero(cells.condition == condition)
        _, codes = np.unique(samples.samples.codes[chosen], return_inverse=True)
        means = donor_means(
            features,
            cells.states[chosen],
            inputs.expression.of_cells(chosen),
            codes,
            groups={name: mask[chosen] for name, mask in samples.regions.items()},
            progress=settings.output.progress,
        )
        for null in planned:
            if condition is None:
                for p in means.covariate_p_values(null.design, null.n_draws, seed):
                    yield null, p
            elif null.condition == condition:
                yield null, means.p_values(null.design)


def _row(null: _Null, p: Array, samples: Samples, settings: ExpressionSettings) -> dict[str, Any]:
    """What is reported of one comparison."""
    tested = p[~np.isnan(p)]
    fdr = weighted_benjamini_hochberg(p)
    names = (settings.comparison.condition1, settings.comparison.condition2)
    design, is_split = null.design, null.condition is not None
    groups: list[str] = [",".join(samples.names), ""]
    if is_split:
        second = design.matrix[:, 1] > 0
        groups = [",".join(np.array(design.samples)[members]) for members in (~second, second)]
    return {
        "kind": "split" if is_split else "covariate",
        "condition": "" if null.condition is None else str(names[null.condition]),
        "group1": groups[0],
        "group2": groups[1],
        "degrees_of_freedom": design.degrees_of_freedom - int(not is_split),
        "n_tested": len(tested),
        "hits": int((fdr < settings.fdr.threshold).sum()),
        "share_p05": _share(tested, 0.05),
        "share_p01": _share(tested, 0.01),
        "share_p001": _share(tested, 0.001),
        "smallest_pvalue": float(tested.min()) if len(tested) else np.nan,
    }


def _share(p: Array, limit: float) -> float:
    return float((p < limit).mean()) if len(p) else np.nan
