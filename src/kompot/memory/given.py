"""What a comparison of given functions, or of functions fitted apart, holds step by step."""

from dataclasses import dataclass, field

from kompot.memory.expression import fit_separately, read_steps
from kompot.memory.expression_sizes import WORK_SPACE, ExpressionSizes
from kompot.memory.steps import Ledger, Step, array

__all__ = ["GivenSizes", "given_steps"]


@dataclass(frozen=True)
class GivenSizes:
    """Sizes from which all arrays of a run follow.

    Attributes
    ----------
    run
        Sizes that a fitted run has, too. Its rank and threads are of functions that are fitted.
    ranks
        Number of features of the functions; 0 where they are not known.
    is_fitted
        Whether the functions are fitted by the run (``param_scheme="separate"``).
    n_columns
        Genes and null genes of the functions.
    n_points
        Cells at which distances are measured; 0 without distances.
    n_group_points
        The same in the largest group; 0 without groups.
    is_varied
        Whether variances are those of each gene.
    """

    run: ExpressionSizes
    ranks: tuple[int, int]
    is_fitted: bool
    n_columns: int
    n_points: int
    n_group_points: int = 0
    is_varied: bool = False
    sizes: tuple[int, int] = field(default=(0, 0))


def given_steps(s: GivenSizes) -> list[Step]:
    """All steps of a run with what is held at each, without what the functions hold themselves."""
    ledger, run = Ledger(), s.run
    ledger.keep_bytes("Libraries and work space", WORK_SPACE)
    read_steps(ledger, run, is_checked=s.is_fitted)
    if s.is_fitted:
        fit_separately(ledger, run, s.ranks, s.sizes)
    rank = max(s.ranks)
    batch = min(run.batch_size or run.n_cells, run.n_cells)
    chunk = [array("Features of batches", batch, rank, count=3)]
    if not s.is_fitted:  # what functions return is copied once more
        chunk.append(array("Values of functions", batch, s.n_columns, count=2))
    ledger.step("means", array("Values of batches", batch, s.n_columns, count=3), *chunk)
    for name, points in (("distances", s.n_points), ("distances in groups", s.n_group_points)):
        if points:
            ledger.step(
                name,
                array("Functions at points", points, s.n_columns, count=3 if s.is_fitted else 6),
                array("Covariances between points", points, points, count=5),
                array("Features of points", points, rank, count=3),
            )
    _layers(ledger, s)
    return ledger.steps


def _layers(ledger: Ledger, s: GivenSizes) -> None:
    """Layers, a batch of cells at a time, and the covariance between cells."""
    run = s.run
    batch = min(run.batch_size or run.n_obs, run.n_obs)
    ledger.keep("States of all cells", run.n_obs, run.n_dims)
    if run.n_layers and run.storage == "dense":
        if run.layers_in_memory:
            ledger.keep("Layers", run.n_obs, run.n_vars, count=run.n_layers, itemsize=4)
        predictions = 5 + run.has_zscores + 2 * s.is_varied
        ledger.step(
            "predicting",
            array("Predictions of batches", batch, s.n_columns, count=predictions),
            array("Features of batches", batch, max(s.ranks), count=3),
        )
    if run.has_covariance:
        between = array("Covariances between cells", run.n_cells, run.n_cells, count=4)
        ledger.step("covariance", between)
        ledger.keep("Covariance between cells", run.n_obs, run.n_obs)
        ledger.step("covariance", array("Covariance of the cells", run.n_cells, run.n_cells))
    if run.copied_bytes:
        ledger.keep_bytes("Copy of the data", run.copied_bytes)
    ledger.step("writing")
