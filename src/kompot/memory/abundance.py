"""What a differential-abundance run holds, step by step: one formula per array."""

import math
from dataclasses import dataclass

from kompot.memory.expression_sizes import CLUSTERING, FEATURE_CHUNK, LABEL, WORK_SPACE
from kompot.memory.features import draw_landmarks
from kompot.memory.steps import Held, Ledger, Step, array

__all__ = [
    "ANCHORS",
    "FITTED_CELLS",
    "HALF_NEIGHBORS",
    "HALVES",
    "SHRUNK_CELLS",
    "STORED_BYTES",
    "AbundanceSizes",
    "abundance_steps",
]

STORED_BYTES = 400 * 2**20
"""Features of cells that are kept; more are computed in each pass."""
HALF_NEIGHBORS = 8
"""Neighbours among which the nearest of the same half is sought; one cell in 256 has none."""
HALVES = 100
"""Random halves of the cells: the variance between them has a relative standard error of 14 %."""
FITTED_CELLS = 20_000
"""Most cells to which the prior of the changes is fitted, evenly spaced in order of z."""
_COMPONENTS, _USED_COMPONENTS = 40, 24
"""About how many components the prior has, and how many have weight; seen in runs."""
SHRUNK_CELLS = 20_000
"""Cells whose posterior is computed at a time."""
_COLUMNS = 8
"""Columns of the table of cells."""
_COORDINATES = 12
"""About how many principal coordinates tell cells apart."""
_ROTATIONS, _REGIONS = 999, 200
"""Rotations of the samples, and about how many regions are compared in each."""
_FUNCTIONS = 2_000_000
"""Libraries of special functions that abundance loads as well; measured."""
ANCHORS = 16
"""Neighbourhoods that are counted at a time."""


@dataclass(frozen=True)
class AbundanceSizes:
    """Sizes from which all arrays of a run follow.

    Attributes
    ----------
    n_obs
        Cells of the data.
    n_cells
        Cells of condition 1 and 2.
    n_dims
        Dimensions of the cell states.
    rank
        Number of features.
    n_threads
        Threads that work side by side.
    n_samples
        Samples with densities of their own; 0 without samples.
    is_donor_level
        Whether samples are compared.
    copied_bytes
        Size of the data that are copied; 0 if they are not.
    label_rank
        Features of the log odds of the condition, with ``ratio="labels"``; else 0.
    is_given
        Whether densities are given; what they hold themselves is not known.
    """

    n_obs: int
    n_cells: tuple[int, int]
    n_dims: int
    rank: int
    n_threads: int = 1
    n_samples: int = 0
    is_donor_level: bool = False
    copied_bytes: int = 0
    label_rank: int = 0
    is_given: bool = False


def abundance_steps(s: AbundanceSizes) -> list[Step]:
    """All steps of a run with what is held at each."""
    ledger = Ledger()
    n_cells = sum(s.n_cells)
    ledger.keep_bytes("Libraries and work space", WORK_SPACE + _FUNCTIONS)
    ledger.keep("Cell states", n_cells, s.n_dims)
    ledger.keep("Rows and conditions", n_cells, count=2)
    ledger.step(
        "reading",
        array("Labels as text", s.n_obs, itemsize=LABEL),
        array("Finite states", n_cells, s.n_dims),
    )
    if not s.is_given:
        _fit(ledger, s)
    _tables(ledger, s)
    return ledger.steps


def _fit(ledger: Ledger, s: AbundanceSizes) -> None:
    """Neighbours, features, densities, and how sure they are."""
    n_cells, rank = sum(s.n_cells), s.rank
    ledger.keep("Cell states in order", n_cells, s.n_dims, count=2)
    ledger.keep("Orders of the cells", n_cells, count=4)
    ledger.keep("Neighbours of each cell", n_cells, HALF_NEIGHBORS + 1, count=2)
    ledger.step("finding neighbours", array("Neighbour search", n_cells, s.n_dims + 6))
    draw_landmarks(ledger, n_cells, s.n_dims, rank)
    for number, cells in enumerate(s.n_cells):
        _keep_features(ledger, f"Features of condition {number + 1}", cells, rank)
    chunk = min(max(s.n_cells), FEATURE_CHUNK)
    busy = max(1, min(s.n_threads, math.ceil(max(s.n_cells) / FEATURE_CHUNK)))
    aside = max(s.n_cells) > FEATURE_CHUNK  # one chunk needs no threads
    ledger.keep("Hessians and their factors", rank, rank, count=8)
    ledger.step(
        "fitting",
        array("Features of chunks", chunk, rank, count=3 * busy, in_thread=aside),
        array("Hessians of chunks", rank, rank, count=2 * busy, in_thread=aside),
    )
    if not s.label_rank:
        ledger.step(
            "dividing the cells at random",
            array("Halves", max(s.n_cells), HALVES, count=2, itemsize=1),
            array("Crowds of chunks", chunk, HALVES, count=5 * busy, in_thread=aside),
            array("Features of chunks", chunk, rank, count=busy, in_thread=aside),
        )
    ledger.drop("Features of condition 1", "Features of condition 2")
    ledger.drop("Neighbours of each cell")
    if s.label_rank:
        _fit_labels(ledger, s, busy)
    if s.n_samples:
        ledger.keep("Densities of samples", s.n_samples, rank)
        own = math.ceil(n_cells / s.n_samples)
        ledger.step(
            "fitting samples",
            array("Features of a sample", min(own, FEATURE_CHUNK), rank, count=4 * busy),
            array("Densities of samples at the cells", max(s.n_cells), s.n_samples),
        )
    ledger.drop("Cell states in order", "Orders of the cells")


def _keep_features(ledger: Ledger, name: str, cells: int, rank: int) -> None:
    """Features of cells in chunks that threads make, if they are kept."""
    if 8 * cells * rank <= STORED_BYTES:
        size, n_chunks = 8 * cells * rank, math.ceil(cells / FEATURE_CHUNK)
        ledger.kept[name] = Held(name, size, (cells, rank), n_chunks, in_thread=n_chunks > 1)


def _fit_labels(ledger: Ledger, s: AbundanceSizes, busy: int) -> None:
    """Features of the log odds of the condition at all cells, and their posterior."""
    n_cells, rank = sum(s.n_cells), s.label_rank
    draw_landmarks(ledger, n_cells, s.n_dims, rank)
    _keep_features(ledger, "Features of the log odds", n_cells, rank + 1)
    ledger.step(
        "fitting labels",
        array("Features of chunks", FEATURE_CHUNK, rank + 1, count=2 * busy, in_thread=True),
        array("Hessians of chunks", rank + 1, rank + 1, count=6),
    )
    ledger.drop("Features of the log odds")


def _tables(ledger: Ledger, s: AbundanceSizes) -> None:
    """Results for every cell, and those of new donors."""
    n_cells = sum(s.n_cells)
    ledger.keep("States of all cells", s.n_obs, s.n_dims, count=2)
    ledger.keep("Results of all cells", s.n_obs, _COLUMNS, count=2)
    ledger.step(
        "learning the prior of the changes",
        array("Likelihoods", min(s.n_obs, FITTED_CELLS), _COMPONENTS, count=2),
    )
    ledger.step(
        "shrinking the changes",
        array("Posteriors of changes", min(s.n_obs, SHRUNK_CELLS), _USED_COMPONENTS, count=9),
    )
    if s.is_donor_level:
        ledger.keep_bytes("Libraries for clustering", CLUSTERING)
        ledger.keep("Principal coordinates", n_cells, _COORDINATES, count=4)
        ledger.keep("Rotations of the samples", _ROTATIONS, _REGIONS, count=14)
        ledger.step("comparing samples", array("Distances to anchors", ANCHORS, n_cells, count=4))
    if s.copied_bytes:
        ledger.keep_bytes("Copy of the data", s.copied_bytes)
    ledger.step("writing", Held("Columns", 8 * _COLUMNS * s.n_obs))
