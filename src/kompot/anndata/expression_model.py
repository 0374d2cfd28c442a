"""The model of a differential-expression run, fitted."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from kompot.anndata.background_genes import comparable_sums
from kompot.anndata.expression_inputs import ExpressionInputs
from kompot.anndata.expression_samples import region_finder
from kompot.anndata.shuffled_genes import shuffled_genes
from kompot.models.array_store import ArrayStore
from kompot.models.differential_expression import DifferentialExpression
from kompot.models.sample_fit import sum_samples
from kompot.settings import ExpressionSettings, GPSettings

if TYPE_CHECKING:
    from kompot.models.donor_expression import DonorExpression

__all__ = ["compare_samples", "fit_model", "with_seed", "with_seeds"]


def fit_model(
    inputs: ExpressionInputs, settings: ExpressionSettings, store: ArrayStore | None = None
) -> DifferentialExpression:
    """Fit both conditions and the shuffled genes in one pass over the cells.

    Parameters
    ----------
    inputs
        What was read.
    settings
        Options of the run.
    store
        Where the fits of samples are kept; None for memory as long as they fit.
    """
    gp, null_expression = settings.gp, []
    finder = None  # with genes beside these, samples are compared in a pass of their own
    if inputs.beside is None:
        finder = region_finder(inputs.samples, inputs.cells)
    if inputs.null.choice is not None:
        null_expression = shuffled_genes(inputs.expression, inputs.null.choice, settings)
    if inputs.null.expression is not None:
        null_expression.append(inputs.null.expression)
    model = DifferentialExpression(
        gp.n_landmarks,
        use_empirical_variance=gp.use_empirical_variance,
        eps=gp.eps,
        random_state=gp.random_state,
        batch_size=gp.batch_size,
        kernel=gp.kernel,
        tol=gp.tol,
        param_scheme=gp.param_scheme,
        jit_compile=gp.jit_compile,
    )
    return model.fit_cells(
        inputs.cells.states,
        inputs.expression,
        inputs.cells.condition,
        sigma=gp.sigma,
        ls=gp.ls,
        ls_factor=gp.ls_factor,
        landmarks=inputs.landmarks,
        null_expression=null_expression,
        sample=None if inputs.samples is None else inputs.samples.samples.codes,
        allow_single_condition_variance=settings.output.allow_single_condition_variance,
        regions=finder,
        store=store,
        progress=settings.output.progress,
    )


def compare_samples(
    model: DifferentialExpression, inputs: ExpressionInputs, *, progress: bool = False
) -> "DonorExpression | None":
    """Significance for new donors; None without samples.

    It rests on the sums that the fit made, or, with genes beside the chosen ones
    (:mod:`kompot.anndata.background_genes`), on a pass of its own.

    Parameters
    ----------
    model
        The fit.
    inputs
        What was read.
    progress
        Show a progress bar of the sums.
    """
    samples, finder = inputs.samples, region_finder(inputs.samples, inputs.cells)
    if samples is None or samples.design is None or finder is None:
        return None
    from kompot.models.donor_expression import score_donors  # not needed without samples

    if inputs.beside is not None:
        index = finder(model.features_)
        sums = sum_samples(
            model.features_,
            inputs.cells.states,
            inputs.beside,
            samples.samples.codes,
            index,
            n_samples=samples.design.n_samples,
            progress=progress,
        )
        sums = comparable_sums(sums, inputs.beside, index)
        return score_donors(sums, index, samples.design, n_genes=len(inputs.gene_names))
    assert model.donor_sums_ is not None  # a finder was given to the fit
    assert model.region_index_ is not None
    cells = model.donor_sums_.with_cells((model.statistics1_, model.statistics2_))
    return score_donors(cells, model.region_index_, samples.design)


def with_seeds(
    settings: ExpressionSettings, earlier: Mapping[str, Any] | None = None
) -> ExpressionSettings:
    """The same with seeds that were left open drawn, so that the record of the run keeps them.

    Parameters
    ----------
    settings
        Options of the run.
    earlier
        As for :func:`with_seed`.
    """
    gp, fdr = with_seed(settings.gp, earlier), settings.fdr
    if fdr.null_seed is None:
        fdr = replace(fdr, null_seed=_drawn_seed())
    return replace(settings, gp=gp, fdr=fdr)


def with_seed(gp: GPSettings, earlier: Mapping[str, Any] | None) -> GPSettings:
    """Options with a seed of the landmarks that was left open drawn.

    Parameters
    ----------
    gp
        The options.
    earlier
        Parameters by dotted name of a run to which this one only adds samples: its seed is taken,
        so that what does not depend on samples stays the same. None for no such run.
    """
    if gp.random_state is not None:
        return gp
    seed = (earlier or {}).get("gp.random_state")
    return replace(gp, random_state=seed if isinstance(seed, int) else _drawn_seed())


def _drawn_seed() -> int:
    return int(np.random.SeedSequence().generate_state(1)[0])
