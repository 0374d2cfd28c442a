"""What a differential-abundance run takes, and its refusal if that does not fit."""

from functools import partial

import numpy as np
from anndata import AnnData

from kompot import threads
from kompot.anndata.abundance_inputs import AbundanceInputs
from kompot.anndata.data_sizes import data_bytes
from kompot.anndata.memory_check import MemoryCheck
from kompot.gp.cell_order import lexicographic_order
from kompot.gp.kernels import make_kernel
from kompot.gp.length_scale import length_scale_by_scheme
from kompot.gp.rank import RankEstimate, estimate_rank
from kompot.memory.abundance import AbundanceSizes, abundance_steps
from kompot.memory.estimate import Estimate, estimate_steps
from kompot.memory.requirement import Alternative
from kompot.memory.steps import peak_of
from kompot.models.density_estimator import DensityEstimator
from kompot.models.differential_abundance import TOLERANCE
from kompot.models.label_ratio import LABEL_RANK, LABEL_TOLERANCE, SCALE_FACTORS
from kompot.settings import AbundanceSettings

__all__ = [
    "abundance_rank",
    "abundance_sizes",
    "estimate_abundance",
    "rank_of_labels",
    "require_memory",
]

_FEWER_LANDMARKS = 200
_FEW_CELLS = 2000
"""Cells by which the features of the log odds are counted."""


def abundance_rank(
    inputs: AbundanceInputs, settings: AbundanceSettings, n_cells: int | None = None
) -> RankEstimate:
    """Number of features that a run will find, from some of its cells.

    With ``ls="evidence"`` the length scale of the heuristic stands for the one to be chosen.

    Parameters
    ----------
    inputs
        What was read of the data.
    settings
        Options of the run.
    n_cells
        Look at so many cells; None for the usual number.
    """
    gp, cells = settings.gp, inputs.cells
    if settings.model.names:
        return RankEstimate.known(0)
    if inputs.landmarks is not None:
        return RankEstimate.known(len(inputs.landmarks))
    density = DensityEstimator(**{"tol": TOLERANCE, **gp.estimator})
    scale = density.ls
    if scale is None or isinstance(scale, str):
        scale = _heuristic(inputs, settings, gp.ls_factor)
    return estimate_rank(
        cells.states[lexicographic_order(cells.states)],  # as the run draws among them
        make_kernel(density.kernel, float(scale)),
        max_rank=gp.n_landmarks,
        tol=density.tol,
        rng=np.random.default_rng(gp.random_state or 0),
        n_cells=n_cells,
    )


def _heuristic(inputs: AbundanceInputs, settings: AbundanceSettings, factor: float) -> float:
    """Length scale of the heuristic."""
    gp, cells = settings.gp, inputs.cells
    scheme = "symmetric" if gp.sync_parameters else gp.param_scheme
    return length_scale_by_scheme(cells.states, cells.condition, scheme, factor)


def rank_of_labels(inputs: AbundanceInputs, settings: AbundanceSettings) -> int:
    """Number of features of the log odds of the condition; 0 unless ``ratio="labels"``.

    Their length scale is chosen by evidence: this is for a middle one of those that are tried.
    """
    gp, cells = settings.gp, inputs.cells
    if gp.ratio != "labels" or settings.model.names:
        return 0
    density = DensityEstimator(**gp.estimator)
    scale = density.ls
    if scale is None or isinstance(scale, str):
        scale = SCALE_FACTORS[len(SCALE_FACTORS) // 2] * _heuristic(inputs, settings, 1.0)
    found = estimate_rank(
        cells.states[lexicographic_order(cells.states)],
        make_kernel(density.kernel, float(scale)),
        max_rank=LABEL_RANK,
        tol=LABEL_TOLERANCE,
        rng=np.random.default_rng(gp.random_state or 0),
        n_cells=_FEW_CELLS,
    )
    return found.rank


def abundance_sizes(
    adata: AnnData,
    inputs: AbundanceInputs,
    settings: AbundanceSettings,
    rank: int,
    label_rank: int = 0,
) -> AbundanceSizes:
    """Sizes from which all arrays of a run follow.

    Parameters
    ----------
    adata
        The data.
    inputs
        What was read of them.
    settings
        Options of the run.
    rank
        Number of features of the densities.
    label_rank
        Of the log odds of the condition (:func:`rank_of_labels`).
    """
    samples = inputs.samples
    return AbundanceSizes(
        adata.n_obs,
        inputs.cells.sizes,
        inputs.cells.n_dims,
        rank,
        threads.number(),
        0 if samples is None else len(samples.samples.names),
        samples is not None and samples.design is not None,
        data_bytes(adata) if settings.output.copy else 0,
        label_rank,
        bool(settings.model.names),
    )


def estimate_abundance(sizes: AbundanceSizes) -> Estimate:
    """What a run of these sizes takes."""
    alternatives = []
    if sizes.rank > _FEWER_LANDMARKS:
        fewer = AbundanceSizes(**{**vars(sizes), "rank": _FEWER_LANDMARKS})
        alternatives.append(
            Alternative(
                f"n_landmarks={_FEWER_LANDMARKS}",
                "densities are smoother",
                peak_of(abundance_steps(fewer), sizes.n_threads).size_bytes,
            )
        )
    return estimate_steps(abundance_steps(sizes), alternatives, sizes.n_threads)


def require_memory(adata: AnnData, inputs: AbundanceInputs, settings: AbundanceSettings) -> None:
    """Refuse a run that would take more than its share of the available memory.

    Raises
    ------
    MemoryError
        Before anything is computed, with the options that would fit.
    """
    of_labels = rank_of_labels(inputs, settings)

    def estimate(rank: int) -> Estimate:
        return estimate_abundance(abundance_sizes(adata, inputs, settings, rank, of_labels))

    n_cells = len(inputs.cells.rows)
    check = MemoryCheck.now(
        partial(abundance_rank, inputs, settings),
        min(settings.gp.n_landmarks or n_cells, n_cells),
        settings.storage.max_memory_ratio,
        threads.number(),
    )
    refusal = check.refusal(estimate)
    if refusal is not None:
        raise MemoryError(refusal)
