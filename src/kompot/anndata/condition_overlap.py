"""A warning where an embedding keeps the conditions apart."""

import logging

from kompot.anndata.inputs import Cells
from kompot.settings import Comparison
from kompot.stats.condition_mixing import N_NEIGHBORS, own_neighbors

__all__ = ["warn_if_apart"]

log = logging.getLogger(__name__)

_MOST_OWN = 0.8
"""With odds of a third of the cells multiplied by 20 it was two thirds; with one condition moved by
a tenth of a standard deviation of the first component 95 %."""


def warn_if_apart(cells: Cells, comparison: Comparison) -> None:
    """Log a warning if cells have hardly any neighbours of the other condition.

    Parameters
    ----------
    cells
        Cells of both conditions.
    comparison
        Their names, and that of the embedding.
    """
    share = own_neighbors(cells.states, cells.condition)
    if share > _MOST_OWN:
        log.warning(
            "Cells of %r and %r are apart in %r: %.0f%% of a cell's %d nearest neighbours are of "
            "its own condition (50%% if they were mixed). What is compared there may be the "
            "embedding: a shift of states looks like a change of abundance, and expression is "
            "extrapolated. Is the embedding integrated over samples?",
            comparison.condition1,
            comparison.condition2,
            comparison.obsm_key,
            100.0 * share,
            N_NEIGHBORS,
        )
