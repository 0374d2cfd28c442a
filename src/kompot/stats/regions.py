"""Regions of cell states in which samples are compared, found without looking at labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kompot.stats.kmeans import kmeans_clusters

__all__ = ["Level", "cluster_names", "group_levels", "kmeans_levels"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Level:
    """Regions that do not overlap.

    Attributes
    ----------
    name
        Name of the level.
    labels
        Number of each cell's region, ``(n_cells,)``; -1 for a cell in none.
    regions
        Names of the regions.
    fixed
        Whether the regions mean something whatever cells are in them (all cells, or the user's
        groups), and not only that cells in one are alike (clusters).
    weight
        Share of this level in evidence combined over levels.
    """

    name: str
    labels: NDArray[np.intp]
    regions: tuple[str, ...]
    fixed: bool = False
    weight: float = 1.0

    @property
    def n_regions(self) -> int:
        """Number of regions."""
        return len(self.regions)


def kmeans_levels(
    coordinates: Array,
    n_regions: Sequence[int] = (1, 4, 12),
    *,
    random_state: int | None = 0,
    n_init: int = 3,
) -> tuple[Level, ...]:
    """One level of k-means clusters of the cells for each number of regions.

    One region is all cells, a fixed level.

    Parameters
    ----------
    coordinates
        Cells in a space where distance is unlikeness for the Gaussian process, their features for
        example, ``(n_cells, n_dims)``; see
        :func:`kompot.gp.principal_coordinates.principal_coordinates`.
    n_regions
        Numbers of regions, each at least 1; numbers above the number of distinct cells are
        lowered to that.
    random_state
        Seed.
    n_init
        Starts, of which the best is kept.

    Returns
    -------
    Levels, named ``k1``, ``k4``, ..., whose regions are ``all`` or ``k4_0``, ``k4_1``, ...
    """
    if not n_regions or any(number < 1 for number in n_regions):
        msg = f"`n_regions` must hold numbers of at least 1, got {n_regions!r}."
        raise ValueError(msg)
    levels = []
    for number in n_regions:
        if number == 1:
            everywhere = np.zeros(len(coordinates), np.intp)
            levels.append(Level("k1", everywhere, cluster_names(1), fixed=True))
            continue
        _, clusters = kmeans_clusters(coordinates, number, n_init=n_init, random_state=random_state)
        found, labels = np.unique(clusters, return_inverse=True)
        names = cluster_names(number)[: len(found)]
        levels.append(Level(f"k{number}", labels.astype(np.intp), names))
    return tuple(levels)


def cluster_names(number: int) -> tuple[str, ...]:
    """Names of the regions of a level of so many clusters.

    Examples
    --------
    >>> cluster_names(1), cluster_names(2)
    (('all',), ('k2_0', 'k2_1'))
    """
    return ("all",) if number == 1 else tuple(f"k{number}_{region}" for region in range(number))


def group_levels(groups: Mapping[str, ArrayLike], *, name: str = "groups") -> tuple[Level, ...]:
    """The user's groups as fixed levels; those that overlap come into several.

    Each group goes to the first level of which it shares no cell. Together the levels weigh as
    much as one: each by its share of the groups.

    Parameters
    ----------
    groups
        Name to mask of its cells, ``(n_cells,)``. Empty groups are kept as regions without cells.
    name
        Name of the levels; the second and later get a number.
    """
    masks = {group: np.asarray(mask, dtype=bool) for group, mask in groups.items()}
    if not masks:
        return ()
    shapes = {mask.shape for mask in masks.values()}
    if len(shapes) > 1 or len(next(iter(shapes))) != 1:
        msg = f"All masks of `groups` must have the shape (n_cells,), got {sorted(shapes)}."
        raise ValueError(msg)
    packed: list[tuple[NDArray[np.intp], list[str]]] = []
    for group, mask in masks.items():
        free = (level for level in packed if not (level[0][mask] >= 0).any())
        labels, regions = next(free, (np.full(len(mask), -1, np.intp), []))
        if not regions:
            packed.append((labels, regions))
        labels[mask] = len(regions)
        regions.append(group)
    return tuple(
        Level(
            name if number == 0 else f"{name}_{number + 1}",
            labels,
            tuple(regions),
            fixed=True,
            weight=len(regions) / len(masks),
        )
        for number, (labels, regions) in enumerate(packed)
    )
