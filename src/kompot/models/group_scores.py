"""Groups of cells scored by the fit of all cells."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from kompot import threads
from kompot.gp.linalg import explained_cholesky, gram, row_slices
from kompot.models.arrays import require_fitted
from kompot.models.differential_expression import DifferentialExpression
from kompot.stats.attribution import decompose_change
from kompot.stats.fold_change import abundance_weights
from kompot.stats.group_distance import group_directions, group_distance, group_null_spectrum
from kompot.stats.mahalanobis import sampling_covariance
from kompot.stats.sample_variance import group_distance_with_samples
from kompot.stats.tail_probability import weighted_chi_square_sf

__all__ = ["GroupScores", "score_groups"]

Array = NDArray[np.float64]

_CHUNK = 2048
"""Cells at a time."""


@dataclass(frozen=True)
class GroupScores:
    r"""What is known of each gene in a group of cells.

    Every array is ``(n_genes,)`` and holds NaN where there are no cells to tell.

    Attributes
    ----------
    n_cells
        Number of cells of condition 1 and 2.
    mean_lfc
        Mean fold change over the cells of both conditions, natural log.
    composition, expression
        Parts of the change of mean smoothed expression, natural log; see
        :func:`kompot.stats.attribution.decompose_change`.
    weighted_mean_lfc
        Mean in which cells of changed abundance count more, natural log; None if not asked for.
    mahalanobis
        Length of the fold change in the group's directions, allowing for samples if there are any;
        None if not asked for.
    null_mahalanobis
        The same of the shuffled genes, ``(n_null,)``.
    ptp
        Probability of a larger distance if both conditions followed the same function.
    """

    n_cells: tuple[int, int]
    mean_lfc: Array
    composition: Array
    expression: Array
    weighted_mean_lfc: Array | None = None
    mahalanobis: Array | None = None
    null_mahalanobis: Array | None = None
    ptp: Array | None = None


def score_groups(
    model: DifferentialExpression,
    states: Array,
    condition: NDArray[np.intp],
    groups: Sequence[NDArray[np.bool_]],
    *,
    share: float = 0.8,
    abundance_change: Array | None = None,
    distances: bool = True,
) -> Iterator[GroupScores]:
    r"""Score genes in groups of cells, one after the other, without another fit.

    Cells enter by their sums of features :math:`\phi` and :math:`\phi\phi^\top` only: the cost of a
    group is that of its cells and of one eigendecomposition.

    Parameters
    ----------
    model
        The fitted comparison.
    states
        States of cells, ``(n_cells, n_dims)``.
    condition
        0 or 1 for each of them, ``(n_cells,)``.
    groups
        Masks of them, ``(n_cells,)`` each; they may overlap or be empty.
    share
        Share of the posterior variance over a group's cells that its distance counts, in (0, 1];
        see :func:`kompot.stats.group_distance.group_directions`.
    abundance_change
        Log density ratio of each cell, ``(n_cells,)``, for the weighted mean; None for none.
    distances
        Whether to give distances and tail probabilities.

    Yields
    ------
    The scores of each group, in order.

    Raises
    ------
    ValueError
        If the model is not fitted or an array does not have one value for each cell.
    """
    require_fitted(model, "delta_")
    _check_lengths(len(states), condition=condition, abundance_change=abundance_change)
    for number, mask in enumerate(groups):
        _check_lengths(len(states), **{f"groups[{number}]": mask})
    space = _Whitened.of(model) if distances else None

    def sums_of(piece: tuple[int, NDArray[np.intp], Array | None]) -> tuple[int, _CellSums]:
        number, cells, weights = piece
        phi = model.features_(states[cells]) if len(cells) else np.empty((0, model.features_.rank))
        return number, _CellSums.of(phi, condition[cells], weights, with_gram=distances)

    pieces = _pieces(groups, abundance_change)
    sums = _per_group(threads.map_batches(sums_of, pieces))
    yield from threads.map_batches(lambda cells: _scores(model, cells, space, share), sums)


def _check_lengths(n_cells: int, **arrays: NDArray[Any] | None) -> None:
    """Refuse arrays that do not have one value for each cell."""
    for name, array in arrays.items():
        if array is not None and np.shape(array) != (n_cells,):
            msg = f"`{name}` has shape {np.shape(array)} but there are {n_cells} cells."
            raise ValueError(msg)


@dataclass
class _CellSums:
    """Sums over the cells of a group: numbers and features by condition, squares, weighted."""

    n_cells: NDArray[np.intp]
    totals: Array
    gram: Array | None = None
    weighted: Array | None = None
    weight: float = 0.0

    @classmethod
    def of(
        cls, phi: Array, condition: NDArray[np.intp], weights: Array | None, *, with_gram: bool
    ) -> "_CellSums":
        return cls(
            np.bincount(condition, minlength=2),
            np.stack([phi[condition == c].sum(axis=0) for c in (0, 1)]),
            gram(phi) if with_gram else None,
            None if weights is None else weights @ phi,
            0.0 if weights is None else float(weights.sum()),
        )

    def __iadd__(self, other: "_CellSums") -> Self:
        self.n_cells += other.n_cells
        self.totals += other.totals
        self.weight += other.weight
        if self.gram is not None and other.gram is not None:
            self.gram += other.gram
        if self.weighted is not None and other.weighted is not None:
            self.weighted += other.weighted
        return self


def _pieces(
    groups: Sequence[NDArray[np.bool_]], abundance_change: Array | None
) -> Iterator[tuple[int, NDArray[np.intp], Array | None]]:
    """Number of the group, positions of some of its cells and their weights."""
    for number, mask in enumerate(groups):
        cells, weights = np.flatnonzero(mask), None
        if abundance_change is not None:
            weights = abundance_weights(abundance_change[cells])
        for rows in list(row_slices(len(cells), _CHUNK)) or [slice(0, 0)]:
            yield number, cells[rows], None if weights is None else weights[rows]


def _per_group(parts: Iterable[tuple[int, _CellSums]]) -> Iterator[_CellSums]:
    """Sums of whole groups from those of consecutive pieces."""
    current, total = 0, None
    for number, part in parts:
        if total is not None and number == current:
            total += part
            continue
        if total is not None:
            yield total
        current, total = number, part
    if total is not None:
        yield total


@dataclass(frozen=True)
class _Functions:
    r"""Fold changes of genes.

    Attributes
    ----------
    delta
        :math:`\delta`, ``(rank, n_genes)``.
    deviations
        How samples differ, arrays ``(rank, n_genes)``; none without samples.
    """

    delta: Array
    deviations: Sequence[Array]

    def distance(self, directions: Array) -> Array:
        r"""Distances in the directions :math:`L^{-\top} V` of a group, ``(n_genes,)``."""
        if not self.deviations:
            return group_distance(self.delta, directions)
        return group_distance_with_samples(self.delta, self.deviations, directions)


@dataclass(frozen=True)
class _Whitened:
    r"""The comparison in coordinates in which the fold change has unit covariance.

    Attributes
    ----------
    factor
        :math:`L` of :math:`M = LL^\top`, ``(rank, rank)``.
    genes, null
        Genes and shuffled ones.
    sampling
        :math:`L^{-1} C L^{-\top}`, ``(rank, rank)``.
    noise
        Noise variance of each gene in units of the model's, ``(n_genes,)``.
    """

    factor: Array
    genes: "_Functions"
    null: "_Functions"
    sampling: Array
    noise: Array

    @classmethod
    def of(cls, model: DifferentialExpression) -> "_Whitened":
        covariances = model.posterior1_.covariance, model.posterior2_.covariance
        factor = explained_cholesky(
            model.fold_change_covariance(), "use a larger `eps` or fewer landmarks."
        )

        def whitened(columns: Array) -> Any:
            return solve_triangular(factor, columns, lower=True, check_finite=False)

        deviations = [*model.deviations1_, *model.deviations2_]
        return cls(
            factor,
            _Functions(model.delta_, deviations),
            _Functions(model.null_delta_, model.null_deviations_),
            whitened(whitened(sampling_covariance(*covariances)).T),
            model.noise_variance() / model.sigma_**2,
        )


def _scores(
    model: DifferentialExpression, cells: _CellSums, space: _Whitened | None, share: float
) -> GroupScores:
    """Scores from sums."""
    n_cells = int(cells.n_cells[0]), int(cells.n_cells[1])
    mean = composition = expression = np.full(model.delta_.shape[1], np.nan)
    weighted = None if cells.weighted is None else mean
    if sum(n_cells):
        mean = cells.totals.sum(axis=0) @ model.delta_ / sum(n_cells)
        if cells.weighted is not None:
            weighted = cells.weighted @ model.delta_ / cells.weight
    if all(n_cells):
        first, second = cells.totals / cells.n_cells[:, None]
        composition, expression = decompose_change(
            first, second, model.posterior1_.weights, model.posterior2_.weights
        )
    described = (n_cells, mean, composition, expression, weighted)
    if space is None or cells.gram is None:
        return GroupScores(*described)
    return GroupScores(*described, *_distances(cells.gram, space, share, is_empty=not sum(n_cells)))


def _distances(
    gram: Array, space: _Whitened, share: float, *, is_empty: bool
) -> tuple[Array, Array, Array]:
    """Distances of genes and shuffled genes, and tail probabilities."""
    if is_empty:
        missing = np.full(space.genes.delta.shape[1], np.nan)
        null = np.full(space.null.delta.shape[1], np.nan)
        return missing, null, missing
    directions = group_directions(gram, space.factor, share)
    turned = solve_triangular(space.factor, directions, lower=True, trans="T", check_finite=False)
    distance = space.genes.distance(turned)
    ratio = np.divide(distance**2, space.noise, out=np.zeros_like(distance), where=space.noise > 0)
    spectrum = group_null_spectrum(space.sampling, directions)
    ptp = weighted_chi_square_sf(ratio, spectrum)
    return distance, space.null.distance(turned), ptp
