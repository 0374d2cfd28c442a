"""Where the cells of a sample are on the tree, and how the condition changes that."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kompot.datasets.design import Design
from kompot.datasets.pairs import as_pair
from kompot.datasets.trajectory import Trajectory
from kompot.settings import checks

N_BINS = 200


@dataclass(frozen=True)
class CellStates:
    """State of each cell: index of its segment and pseudotime, both ``(n_cells,)``."""

    segment: NDArray[np.intp]
    pseudotime: NDArray[np.float64]


@dataclass(frozen=True)
class Abundance:
    r"""Density of cells over the tree.

    A donor has shares :math:`p_k` of cells in the segments and a slope :math:`\gamma_k` in each,
    so that the density over segment and position is
    :math:`q(k, u) \propto p_k \exp\{\gamma_k (u - 1/2)\}`.
    In condition 2 it is multiplied by :math:`e^{\theta}` in the changed part of the tree and
    normalised: :math:`\theta` is the change of the log odds of being there.

    Parameters
    ----------
    donor_composition
        Concentration :math:`a` of the shares, :math:`p \sim \mathrm{Dirichlet}(a, \dots, a)`.
        None: equal shares for every donor.
    donor_tilt
        Standard deviation of :math:`\gamma_k`.
    abundance_log_odds
        :math:`\theta`, natural log.
    abundance_branch
        Name of the changed segment.
    abundance_segment
        Pseudotimes between which the segment is changed. None: all of it.
    """

    donor_composition: float | None
    donor_tilt: float
    abundance_log_odds: float
    abundance_branch: str
    abundance_segment: tuple[float, float] | None

    def __post_init__(self) -> None:
        """Check the parameters that do not depend on the tree."""
        if self.donor_composition is not None:
            checks.number("donor_composition", self.donor_composition, above=0)
        checks.number("donor_tilt", self.donor_tilt, least=0, most=20)
        checks.number("abundance_log_odds", self.abundance_log_odds, least=-20, most=20)

    def check_tree(self, tree: Trajectory) -> None:
        """Raise unless the changed part of the tree is in `tree`."""
        checks.choice("abundance_branch", self.abundance_branch, tree.segments)
        if self.abundance_segment is None:
            return
        start, end = tree.bounds(tree.segments.index(self.abundance_branch))
        low, high = self.abundance_segment
        if not start <= low < high <= end:
            msg = (
                "`abundance_segment` must be two increasing pseudotimes in "
                f"{self.abundance_branch!r}, that is in [{start:g}, {end:g}]; "
                f"found {self.abundance_segment}."
            )
            raise ValueError(msg)

    def changed_positions(self, tree: Trajectory) -> tuple[int, float, float]:
        """Index of the changed segment, and the positions between which it is changed."""
        segment = tree.segments.index(self.abundance_branch)
        if self.abundance_segment is None:
            return segment, 0.0, 1.0
        index = np.full(2, segment)
        low, high = tree.position(index, np.asarray(self.abundance_segment, dtype=np.float64))
        return segment, float(low), float(high)

    def log_ratio(self, tree: Trajectory, cells: CellStates) -> NDArray[np.float64]:
        r"""Log density of condition 2 over condition 1 at cells, ``(n_cells,)``, natural log.

        For a donor of average composition and no tilt, :math:`\theta 1_{changed} - \log Z` with
        :math:`Z = 1 + w (e^\theta - 1)` and :math:`w` the share of condition 1 in the changed part.
        """
        segment, low, high = self.changed_positions(tree)
        position = tree.position(cells.segment, cells.pseudotime)
        changed = (cells.segment == segment) & (position >= low) & (position <= high)
        share = (high - low) / len(tree.segments)
        total = np.log1p(share * np.expm1(self.abundance_log_odds))
        ratio: NDArray[np.float64] = np.where(changed, self.abundance_log_odds, 0.0) - total
        return ratio


def read_segment(value: object) -> tuple[float, float] | None:
    """Check the type of the pair of pseudotimes of `abundance_segment`."""
    if value is None:
        return None
    pair = as_pair("abundance_segment", value)
    for time in pair:
        checks.number("abundance_segment", time, least=0, most=1)
    return float(pair[0]), float(pair[1])  # type: ignore[arg-type]


def draw_composition(
    abundance: Abundance,
    design: Design,
    n_segments: int,
    shared: float,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    r"""Draw the shares of the segments in each sample before the effect of the condition.

    Gamma variables of shape :math:`a`, divided by their sum, are Dirichlet. Here each is the sum
    of one of the donor, of shape :math:`\rho a`, and one of the sample, of shape
    :math:`(1 - \rho) a`, so that the samples of a donor have correlation :math:`\rho` = `shared`.

    Returns
    -------
    Array of shape ``(n_samples, n_segments)`` with rows that sum to one.
    """
    if abundance.donor_composition is None:
        return np.full((design.n_samples, n_segments), 1 / n_segments)
    shape = float(abundance.donor_composition)
    of_donor = rng.standard_gamma(shape * shared, (len(design.donors), n_segments))
    of_sample = rng.standard_gamma(shape * (1 - shared), (design.n_samples, n_segments))
    gamma = of_donor[design.sample_donor] + of_sample + np.finfo(np.float64).tiny
    shares: NDArray[np.float64] = gamma / gamma.sum(axis=1, keepdims=True)
    return shares


def draw_tilt(
    abundance: Abundance, design: Design, n_segments: int, shared: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw the slopes of log density in each sample, ``(n_samples, n_segments)``."""
    of_donor = rng.standard_normal((len(design.donors), n_segments))[design.sample_donor]
    of_sample = rng.standard_normal((design.n_samples, n_segments))
    mixed: NDArray[np.float64] = np.sqrt(shared) * of_donor + np.sqrt(1 - shared) * of_sample
    return abundance.donor_tilt * mixed


def draw_states(
    tree: Trajectory,
    abundance: Abundance,
    design: Design,
    sample: NDArray[np.intp],
    *,
    shared: float,
    rng: np.random.Generator,
) -> CellStates:
    """Draw the state of each cell from the density of its sample.

    Parameters
    ----------
    tree
        The tree of states.
    abundance
        Density over it.
    design
        Samples.
    sample
        Sample of each cell, ``(n_cells,)``.
    shared
        Correlation between the samples of a donor.
    rng
        Source of randomness.
    """
    n_segments = len(tree.segments)
    composition = draw_composition(abundance, design, n_segments, shared, rng)
    tilt = draw_tilt(abundance, design, n_segments, shared, rng)
    changed, low, high = abundance.changed_positions(tree)
    edges = np.unique(np.concatenate([np.linspace(0, 1, N_BINS + 1), [low, high]]))
    middle = (edges[:-1] + edges[1:]) / 2
    inside = (middle > low) & (middle < high)

    segment = np.empty(len(sample), dtype=np.intp)
    position = np.empty(len(sample))
    for index, condition in enumerate(design.sample_condition):
        cells = np.flatnonzero(sample == index)
        mass = np.exp(np.outer(tilt[index], middle - 0.5)) * np.diff(edges)
        mass *= (composition[index] / mass.sum(axis=1))[:, np.newaxis]
        if condition == 1:
            mass[changed, inside] *= np.exp(abundance.abundance_log_odds)
        segment[cells], position[cells] = draw_from_bins(mass, edges, len(cells), rng)
    return CellStates(segment, tree.pseudotime(segment, position))


def draw_from_bins(
    mass: NDArray[np.float64],
    edges: NDArray[np.float64],
    number: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Draw segments and positions from a density that is constant in bins.

    Parameters
    ----------
    mass
        Weight of each bin, ``(n_segments, n_bins)``.
    edges
        Positions between the bins, ``(n_bins + 1,)``.
    number
        How many to draw.
    rng
        Source of randomness.
    """
    n_bins = len(edges) - 1
    cumulative = np.cumsum(mass)
    quantile = rng.random(number) * cumulative[-1]
    bins = np.minimum(np.searchsorted(cumulative, quantile, side="right"), mass.size - 1)
    column = bins % n_bins
    position = edges[column] + rng.random(number) * np.diff(edges)[column]
    return bins // n_bins, position
