"""What a differential-expression run takes, and its refusal if that does not fit."""

import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from anndata import AnnData

from kompot import threads
from kompot.anndata.background_genes import most_beside
from kompot.anndata.data_sizes import data_bytes, matrix_size
from kompot.anndata.expression_inputs import ExpressionInputs
from kompot.anndata.expression_samples import ExpressionSamples
from kompot.anndata.layer_store import array_store
from kompot.anndata.memory_check import MemoryCheck
from kompot.gp.kernels import make_kernel
from kompot.gp.length_scale import length_scale_by_scheme
from kompot.gp.rank import RankEstimate, estimate_rank
from kompot.memory import is_address_space_limited
from kompot.memory.estimate import Estimate, estimate_expression
from kompot.memory.expression import ExpressionSizes
from kompot.memory.expression_sizes import fit_chunk
from kompot.models.array_store import ArrayStore
from kompot.models.condition_samples import FEWEST_CELLS
from kompot.models.donor_expression import DonorSettings
from kompot.records.fields import Field
from kompot.settings import ExpressionSettings, StorageSettings

__all__ = [
    "estimate_run",
    "expression_rank",
    "expression_sizes",
    "settled_store",
    "store_of_run",
]

log = logging.getLogger(__name__)


def expression_rank(
    inputs: ExpressionInputs, settings: ExpressionSettings, n_cells: int | None = None
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
    if inputs.landmarks is not None:
        return RankEstimate.known(len(inputs.landmarks))
    scale = gp.ls
    if scale is None or isinstance(scale, str):
        scale = length_scale_by_scheme(cells.states, cells.condition, gp.param_scheme, gp.ls_factor)
    return estimate_rank(
        cells.states,
        make_kernel(gp.kernel, float(scale)),
        max_rank=gp.n_landmarks,
        tol=gp.tol,
        rng=np.random.default_rng(gp.random_state or 0),
        n_cells=n_cells,
    )


def _largest_chunk(inputs: ExpressionInputs) -> int:
    """Cells of the largest chunk of a condition or sample."""
    apart = inputs.cells.condition if inputs.samples is None else inputs.samples.samples.codes
    return max(fit_chunk(int(size)) for size in np.bincount(apart))


def expression_sizes(
    adata: AnnData,
    inputs: ExpressionInputs,
    settings: ExpressionSettings,
    wanted: list[Field],
    rank: int,
    *,
    on_disk: bool,
) -> ExpressionSizes:
    """Sizes from which all arrays of a run follow.

    Parameters
    ----------
    adata
        The data.
    inputs
        What was read of them.
    settings
        Options of the run.
    wanted
        The fields that it writes.
    rank
        Number of features.
    on_disk
        Whether large arrays are in files.
    """
    storage, output, choice = settings.storage, settings.output, inputs.choice
    is_written = output.copy or output.inplace
    layers = [field for field in wanted if field.location == "layers"] if is_written else []
    n_samples, n_all, n_regions = _samples(inputs.samples)
    null = inputs.null
    n_null = 0
    if null.choice is not None:
        n_null = null.choice if isinstance(null.choice, int) else len(null.choice)
    if null.expression is not None:
        n_null += null.expression.shape[1]
    return ExpressionSizes(
        adata.n_obs,
        adata.n_vars,
        len(inputs.cells.rows),
        inputs.expression.shape[1],
        inputs.cells.n_dims,
        rank,
        matrix_size(inputs.expression.matrix),
        n_null=n_null,
        is_shuffled=null.choice is not None,
        n_samples=n_samples,
        n_all_samples=n_all,
        n_regions=n_regions,
        n_beside=most_beside(inputs.expression) if n_regions else 0,
        n_groups=0 if choice.groups is None else len(choice.groups),
        has_distances=output.compute_mahalanobis,
        has_noise=settings.gp.use_empirical_variance,
        batch_size=settings.gp.batch_size or 0,
        n_threads=threads.number(),
        n_layers=len(layers),
        has_zscores=any("zscore" in field.type for field in layers),
        storage=storage.layers if is_written else "none",
        on_disk=on_disk,
        maps_count=is_address_space_limited(),
        has_covariance=is_written and any(field.location == "obsp" for field in wanted),
        copied_bytes=data_bytes(adata) if output.copy else 0,
        is_by_columns=not inputs.expression.is_by_rows,
        largest_chunk=_largest_chunk(inputs),
    )


def estimate_run(sizes: ExpressionSizes, adata: AnnData, wanted: list[Field]) -> Estimate:
    """What a run of these sizes takes, with the names of its layers."""
    layers = [
        (field.name, field.name in adata.layers) for field in wanted if field.location == "layers"
    ]
    return estimate_expression(sizes, layers if sizes.n_layers else [])


def store_of_run(
    adata: AnnData, inputs: ExpressionInputs, settings: ExpressionSettings, wanted: list[Field]
) -> ArrayStore:
    """Where a run keeps its large arrays: in memory if it fits there, else in files.

    Raises
    ------
    MemoryError, OSError
        Before anything is computed, if it fits nowhere, or not where it is wanted; with the
        options that would fit.
    """
    n_cells = len(inputs.cells.rows)

    def estimate(rank: int, *, on_disk: bool) -> Estimate:
        sizes = expression_sizes(adata, inputs, settings, wanted, rank, on_disk=on_disk)
        return estimate_run(sizes, adata, wanted)

    return settled_store(
        settings.storage,
        partial(expression_rank, inputs, settings),
        min(settings.gp.n_landmarks or n_cells, n_cells),
        estimate,
    )


def settled_store(
    storage: StorageSettings,
    rank: Callable[[int | None], RankEstimate],
    largest: int,
    estimate: Callable[..., Estimate],
) -> ArrayStore:
    """Where a run keeps its large arrays, with the reasons of its refusal.

    Parameters
    ----------
    storage
        What the user wants.
    rank
        The number of features, estimated from so many cells.
    largest
        What it cannot exceed.
    estimate
        What the run takes at a rank, with ``on_disk``.

    Raises
    ------
    MemoryError, OSError
        As :func:`store_of_run`.
    """
    store = array_store(storage)
    check = MemoryCheck.now(rank, largest, storage.max_memory_ratio, threads.number())
    in_memory = None
    if not store.on_disk:
        in_memory = check.refusal(partial(estimate, on_disk=False))
        if in_memory is None:
            return replace(store, on_disk=False)
        if store.on_disk is False:
            raise MemoryError(in_memory)
    refusal = check.refusal(partial(estimate, on_disk=True))
    if refusal is not None:
        raise MemoryError(in_memory or refusal)
    try:
        store.require_space(estimate(1, on_disk=True).disk_bytes)
    except OSError as error:
        if in_memory is None:
            raise
        msg = f"{in_memory} The disk does not help: {error}"
        raise MemoryError(msg) from error
    if in_memory is not None:
        log.warning(
            "Large arrays are kept in files in %r, because in memory: %s",
            str(store.place),
            in_memory,
        )
    return replace(store, on_disk=True)


def _samples(samples: ExpressionSamples | None) -> tuple[int, int, int]:
    """Samples with fits of their own, all samples, and regions in which they are compared."""
    if samples is None:
        return 0, 0, 0
    n_fitted = int((samples.samples.n_cells >= FEWEST_CELLS).sum())
    if samples.design is None:
        return n_fitted, 0, 0
    named = len(samples.regions)
    return (
        n_fitted,
        len(samples.samples.names),
        sum(DonorSettings.n_regions) + named + (1 if named else 0),
    )
