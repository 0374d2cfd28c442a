"""Donor-level tests of comparisons in which nothing differs: of expression and of abundance."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from kompot.anndata import abundance_inputs, expression_inputs
from kompot.anndata.abundance_inputs import AbundanceInputs
from kompot.anndata.background_genes import comparable_sums
from kompot.anndata.expression_inputs import ExpressionInputs
from kompot.anndata.inputs import Cells
from kompot.anndata.null_plan import NullComparison, NullPlan, planned_comparisons
from kompot.anndata.samples import Samples
from kompot.gp.features import FeatureMap, fit_features
from kompot.gp.kernels import make_kernel
from kompot.gp.length_scale import length_scale_by_scheme
from kompot.settings import AbundanceSettings, ExpressionSettings, GPSettings
from kompot.stats.design import Design
from kompot.stats.multiplicity import weighted_benjamini_hochberg

__all__ = ["Found", "compare_abundance", "compare_expression"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """What a comparison in which nothing differs found.

    Attributes
    ----------
    null
        The comparison.
    samples
        Samples of both conditions.
    names
        Genes, or regions of cell states.
    p
        Their p-values, NaN where there is none.
    hits
        Genes, or cells, called.
    """

    null: NullComparison
    samples: Samples
    names: "pd.Index[Any]"
    p: Array
    hits: int


def compare_expression(
    adata: AnnData, settings: ExpressionSettings, plan: NullPlan
) -> Iterator[Found]:
    """Genes in each comparison; cells of each condition are read once."""
    from kompot.models.donor_nulls import donor_means  # not needed for other analyses

    inputs = expression_inputs.read_inputs(adata, settings)
    samples, design = _samples(inputs)
    planned = planned_comparisons(
        samples, design, settings.comparison.conditions, plan, least_freedom=1
    )
    inputs.expression.refuse_missing_values()
    features = _features(inputs.cells, settings.gp, inputs.landmarks)
    names = inputs.gene_names
    beside = inputs.with_background().beside
    expression = inputs.expression if beside is None else beside
    refine = None if beside is None else partial(comparable_sums, rows=beside)
    regions = {} if inputs.samples is None else inputs.samples.regions
    for condition, nulls in _by_condition(planned).items():
        chosen, codes = _chosen(inputs.cells, samples, condition)
        means = donor_means(
            features,
            inputs.cells.states[chosen],
            expression.of_cells(chosen),
            codes,
            compared=_compared(samples, design, condition),
            groups={name: mask[chosen] for name, mask in regions.items()},
            refine=refine,
            progress=settings.output.progress,
        )
        for null in nulls:
            p_values = [means.p_values(null.design)]
            if condition is None:
                p_values = list(means.covariate_p_values(null.design, null.n_draws, plan.seed))
            for every in p_values:
                p = every[: len(names)]
                fdr = weighted_benjamini_hochberg(p)
                yield Found(null, samples, names, p, int((fdr < settings.fdr.threshold).sum()))


def compare_abundance(
    adata: AnnData, settings: AbundanceSettings, gp: GPSettings, plan: NullPlan
) -> Iterator[Found]:
    """Regions and cells in each comparison."""
    from kompot.models.donor_abundance import DonorAbundanceSettings, count_cells_of_samples

    inputs = abundance_inputs.read_inputs(adata, settings)
    samples, design = _samples(inputs)
    planned = planned_comparisons(
        samples, design, settings.comparison.conditions, plan, least_freedom=2
    )
    features, cells = _features(inputs.cells, gp, inputs.landmarks), inputs.cells
    groups = {name: mask[cells.rows] for name, mask in (inputs.groups or {}).items()}
    compared = DonorAbundanceSettings(fdr_threshold=settings.donor.fdr_threshold)
    for condition, nulls in _by_condition(planned).items():
        chosen, codes = _chosen(cells, samples, condition)
        counts = count_cells_of_samples(
            features,
            cells.states[chosen],
            codes,
            int(codes.max()) + 1,
            compared=_compared(samples, design, condition),
            groups={name: mask[chosen] for name, mask in groups.items()},
            settings=compared,
        )
        for null in nulls:
            designs = [null.design]
            if condition is None:
                designs = list(null.design.with_random_covariates(null.n_draws, plan.seed))
            for one in designs:
                found = counts.test(one)
                p = found.regions.contrast.p_value
                n_called = int(np.count_nonzero(found.cells.direction))
                yield Found(null, samples, pd.Index(found.regions.name), p, n_called)


def _samples(inputs: ExpressionInputs | AbundanceInputs) -> tuple[Samples, Design]:
    """Samples and the design in which they are compared."""
    if inputs.samples is None or inputs.samples.design is None:
        msg = "`sample_col` must name the column of the samples, got None."
        raise ValueError(msg)
    return inputs.samples.samples, inputs.samples.design


def _by_condition(planned: list[NullComparison]) -> dict[int | None, list[NullComparison]]:
    """Comparisons that the same cells serve."""
    found: dict[int | None, list[NullComparison]] = {}
    for null in sorted(planned, key=lambda one: str(one.condition)):
        found.setdefault(null.condition, []).append(null)
    return found


def _compared(samples: Samples, design: Design, condition: int | None) -> NDArray[np.bool_]:
    """Which of the samples of a condition, or of both, are compared."""
    if condition is None:
        return design.contributing
    return samples.compared[samples.condition == condition]


def _chosen(
    cells: Cells, samples: Samples, condition: int | None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Cells of a condition, or all, and the number of each one's sample among theirs."""
    chosen = np.arange(len(cells.rows))
    if condition is not None:
        chosen = np.flatnonzero(cells.condition == condition)
    codes: NDArray[np.intp] = np.unique(samples.codes[chosen], return_inverse=True)[1]
    return chosen, codes


def _features(cells: Cells, gp: GPSettings, landmarks: Array | None) -> FeatureMap:
    """Features of the cell states, those of the analysis of expression."""
    ls = gp.ls
    if isinstance(ls, str):
        msg = f"`ls` must be a number or None here, got {ls!r}; give the scale that a run recorded."
        raise ValueError(msg)
    if ls is None:
        ls = length_scale_by_scheme(cells.states, cells.condition, gp.param_scheme, gp.ls_factor)
    return fit_features(
        cells.states,
        make_kernel(gp.kernel, float(ls)),
        max_rank=gp.n_landmarks,
        tol=gp.tol,
        landmarks=landmarks,
        rng=np.random.default_rng(gp.random_state or 0),
    )
