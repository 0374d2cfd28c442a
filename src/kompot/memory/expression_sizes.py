"""Sizes on which the memory of a differential-expression run depends."""

import math
from dataclasses import dataclass

from kompot.memory.sizes import MatrixSize

__all__ = ["ExpressionSizes"]

FIT_CHUNK = 2048
"""Cells whose sums a thread makes at a time, at most; their features are then tens of megabytes."""
READ_CHUNK = 32_768
"""Cells whose expression is read at a time where whole rows are checked or turned to columns."""
FEATURE_CHUNK = 4096
"""Cells whose features are made at a time where the features are checked."""
TURNED_VALUES = 2**24
"""Values of a file turned from columns to rows at a time."""
NOISE_ELEMENTS = 2**22
"""Numbers of residuals, or of genes' covariances, that a thread holds at a time."""
NULL_ROWS = 16_384
"""Cells of which null genes in a file are read at a time."""
NULL_BLOCK = 512
"""Null genes shuffled at a time."""
MOST_BINS, CELLS_PER_BIN = 64, 16
"""Bins of cells in which noise is measured, at most, and cells of each, at least."""
SAMPLE_BATCH = 2**22
"""Numbers of a batch of genes where distances allow for samples."""

WORK_SPACE = 4_000_000
"""Libraries loaded on the way, stacks of threads, and all small arrays together; measured."""
CLUSTERING = 45_000_000
"""What the libraries for k-means take."""
LABEL = 350
"""Bytes per cell while labels are compared as text."""


def fit_chunk(n_cells: int) -> int:
    """Cells of a condition or sample whose sums a thread makes at a time: chunks of one size."""
    return math.ceil(n_cells / max(1, math.ceil(n_cells / FIT_CHUNK)))


@dataclass(frozen=True)
class ExpressionSizes:
    """Sizes from which all arrays of a run follow.

    Attributes
    ----------
    n_obs, n_vars
        Cells and genes of the data.
    n_cells, n_genes
        Cells compared and genes tested.
    n_dims
        Dimensions of the cell states.
    rank
        Number of features.
    matrix
        The expression.
    n_null
        Genes of a null that are fitted, shuffled or given.
    is_shuffled
        Whether they are made by the run.
    n_samples
        Samples with fits of their own; 0 without samples.
    n_all_samples, n_regions
        Samples and regions of the donor-level test; 0 without it.
    n_beside
        Other genes that go along in it.
    n_groups
        Groups of cells in which genes are scored.
    has_distances
        Whether genes are scored by distance.
    has_noise
        Whether every gene has noise of its own.
    batch_size
        Cells predicted at a time; 0 for all.
    n_threads
        Threads that work side by side.
    n_layers
        Layers with a value for each cell and gene, those of standard deviations included.
    has_zscores
        Whether one of them holds z-scores.
    storage
        ``"dense"``, ``"factored"`` or ``"none"``.
    on_disk
        Whether layers and samples' fits are in files.
    maps_count
        Whether files that are mapped count as memory, as they do where the address space is
        limited.
    has_covariance
        Whether the covariance between all cells is stored.
    copied_bytes
        Size of the data that are copied; 0 if they are not.
    is_by_columns
        Whether the expression is turned from columns to rows.
    largest_chunk
        Cells of the largest chunk whose sums a thread makes (:func:`fit_chunk`); 0 if conditions
        and samples are of equal size.
    """

    n_obs: int
    n_vars: int
    n_cells: int
    n_genes: int
    n_dims: int
    rank: int
    matrix: MatrixSize
    n_null: int = 0
    is_shuffled: bool = True
    n_samples: int = 0
    n_all_samples: int = 0
    n_regions: int = 0
    n_beside: int = 0
    n_groups: int = 0
    has_distances: bool = True
    has_noise: bool = False
    batch_size: int = 100
    n_threads: int = 1
    n_layers: int = 3
    has_zscores: bool = False
    storage: str = "dense"
    on_disk: bool = False
    maps_count: bool = False
    has_covariance: bool = False
    copied_bytes: int = 0
    is_by_columns: bool = False
    largest_chunk: int = 0

    @property
    def n_fitted(self) -> int:
        """Genes and null genes."""
        return self.n_genes + self.n_null

    @property
    def turned_bytes(self) -> int:
        """Size of the expression turned from columns to rows, in memory or in a file."""
        if not self.is_by_columns:
            return 0
        pointers = 8 * self.n_obs if self.matrix.is_stored else 4 * self.n_obs
        return self.matrix.bytes(self.n_obs, self.n_vars) + pointers

    @property
    def has_all_genes(self) -> bool:
        """Whether all genes of the data are tested."""
        return self.n_genes == self.n_vars

    @property
    def layers_in_memory(self) -> int:
        """Dense layers that are held in memory."""
        in_files = self.on_disk and not self.maps_count
        return 0 if in_files or self.storage != "dense" else self.n_layers
