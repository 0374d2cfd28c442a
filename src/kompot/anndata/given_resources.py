"""What a run with given functions, or with functions fitted apart, takes, and its refusal."""

import numpy as np
from anndata import AnnData

from kompot.anndata.expression_resources import expression_sizes, settled_store
from kompot.anndata.given_inputs import GivenInputs
from kompot.gp.kernels import make_kernel
from kompot.gp.length_scale import estimate_length_scale
from kompot.gp.rank import RankEstimate, estimate_rank
from kompot.memory.estimate import Estimate, estimate_given
from kompot.memory.given import GivenSizes
from kompot.models.array_store import ArrayStore
from kompot.models.given_expression import MOST_POINTS
from kompot.records.fields import Field
from kompot.settings import ExpressionSettings

__all__ = ["estimate_given_run", "given_ranks", "given_sizes", "store_of_given_run"]


def given_ranks(
    given: GivenInputs, settings: ExpressionSettings, n_cells: int | None = None
) -> tuple[RankEstimate, RankEstimate]:
    """Number of features of each function: of given ones known or 0, else estimated.

    Parameters
    ----------
    given
        What was read.
    settings
        Options of the run.
    n_cells
        Look at so many cells of a condition; None for the usual number.
    """
    if given.model is not None:
        first, second = (
            0 if function.landmarks is None else len(function.landmarks)
            for function in given.model.functions
        )
        return RankEstimate.known(first), RankEstimate.known(second)
    gp, cells, found = settings.gp, given.inputs.cells, []
    if given.inputs.landmarks is not None:
        return (RankEstimate.known(len(given.inputs.landmarks)),) * 2
    for c in (0, 1):
        states = cells.states[cells.condition == c]
        scale = gp.ls
        if scale is None or isinstance(scale, str):
            scale = estimate_length_scale(states, gp.ls_factor)
        found.append(
            estimate_rank(
                states,
                make_kernel(gp.kernel, float(scale)),
                max_rank=gp.n_landmarks,
                tol=gp.tol,
                rng=np.random.default_rng(gp.random_state or 0),
                n_cells=n_cells,
            )
        )
    return found[0], found[1]


def given_sizes(
    adata: AnnData,
    given: GivenInputs,
    settings: ExpressionSettings,
    wanted: list[Field],
    ranks: tuple[int, int],
    *,
    on_disk: bool,
) -> GivenSizes:
    """Sizes from which all arrays of a run follow.

    Parameters
    ----------
    adata
        The data.
    given
        What was read of them, and the functions.
    settings
        Options of the run.
    wanted
        The fields that it writes.
    ranks
        Number of features of each function.
    on_disk
        Whether large arrays are in files.
    """
    inputs, model = given.inputs, given.model
    run = expression_sizes(adata, inputs, settings, wanted, max(ranks), on_disk=on_disk)
    n_columns = run.n_fitted
    groups = inputs.choice.groups or {}
    largest = max((int(mask.sum()) for mask in groups.values()), default=0)
    has_distances = settings.output.compute_mahalanobis
    return GivenSizes(
        run,
        ranks,
        model is None,
        n_columns,
        _points(given, ranks) if has_distances else 0,
        min(largest, MOST_POINTS) if has_distances else 0,
        given.is_varied,
        inputs.cells.sizes,
    )


def _points(given: GivenInputs, ranks: tuple[int, int]) -> int:
    """Cells at which distances are measured."""
    if given.model is not None:
        return len(given.model.points(given.inputs.cells.states))
    landmarks = given.inputs.landmarks
    return sum(ranks) if landmarks is None else len(landmarks)


def estimate_given_run(sizes: GivenSizes, adata: AnnData, wanted: list[Field]) -> Estimate:
    """What a run of these sizes takes, with the names of its layers."""
    layers = [
        (field.name, field.name in adata.layers) for field in wanted if field.location == "layers"
    ]
    return estimate_given(sizes, layers if sizes.run.n_layers else [])


def store_of_given_run(
    adata: AnnData, given: GivenInputs, settings: ExpressionSettings, wanted: list[Field]
) -> ArrayStore:
    """Where a run keeps its large arrays: in memory if it fits there, else in files.

    Raises
    ------
    MemoryError, OSError
        Before anything is computed, if it fits nowhere, or not where it is wanted; with the
        options that would fit.
    """

    def larger(n_cells: int | None) -> RankEstimate:
        return max(given_ranks(given, settings, n_cells), key=lambda one: one.rank)

    def estimate(rank: int, *, on_disk: bool) -> Estimate:
        ranks = (rank, rank) if given.model is None else known
        sizes = given_sizes(adata, given, settings, wanted, ranks, on_disk=on_disk)
        return estimate_given_run(sizes, adata, wanted)

    largest, known = max(given.inputs.cells.sizes), (0, 0)
    if given.model is not None:
        first, second = given_ranks(given, settings)
        known, largest = (first.rank, second.rank), max(first.rank, second.rank)
    elif settings.gp.n_landmarks:
        largest = min(largest, settings.gp.n_landmarks)
    return settled_store(settings.storage, larger, largest, estimate)
