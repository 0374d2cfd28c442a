"""Length scale and noise of a regression, given or of largest evidence."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kompot.gp.cell_order import evenly_spaced, lexicographic_order
from kompot.gp.regression_evidence import RegressionEvidence, regression_evidence
from kompot.models.arrays import check_positive
from kompot.models.row_chunks import Rows

__all__ = ["EVIDENCE", "Smoothness", "SmoothnessOptions", "choose_smoothness"]

Array = NDArray[np.float64]

EVIDENCE = "evidence"
"""In place of a number: choose by marginal likelihood."""
_CELLS = 4000
_GENES = 200


@dataclass(frozen=True)
class Smoothness:
    """How smooth functions are taken to be.

    Attributes
    ----------
    length_scale
        In units of the embedding.
    sigma
        Noise standard deviation, in units of the prior's.
    evidence
        The curve, if either was chosen.
    """

    length_scale: float
    sigma: float
    evidence: RegressionEvidence | None = None


@dataclass(frozen=True)
class SmoothnessOptions:
    """How smooth functions are wanted.

    Parameters
    ----------
    ls, ls_factor
        Length scale, ``"evidence"``, or None for the heuristic at ``ls_factor``.
    sigma
        Noise, or ``"evidence"`` with that length scale.
    kernel
        A key of :data:`kompot.gp.KERNELS`.
    seed
        Of the landmarks; None is 0.

    Raises
    ------
    ValueError
        With the parameter, what was found and what is allowed.
    """

    ls: float | str | None
    ls_factor: float
    sigma: float | str
    kernel: str
    seed: int | None

    def __post_init__(self) -> None:
        check_positive(ls_factor=self.ls_factor)
        given: dict[str, Any] = {"ls": self.ls, "sigma": self.sigma}
        for name, value in given.items():
            if isinstance(value, str) and value != EVIDENCE:
                msg = f'`{name}` must be a positive number or "{EVIDENCE}", got {value!r}.'
                raise ValueError(msg)
            if value is not None and not isinstance(value, str):
                check_positive(**{name: value})
        if self.sigma == EVIDENCE and self.ls != EVIDENCE:
            msg = (
                f'`sigma="{EVIDENCE}"` chooses noise and length scale together: '
                f'give ls="{EVIDENCE}" with it, not {self.ls!r}.'
            )
            raise ValueError(msg)


def choose_smoothness(
    wanted: SmoothnessOptions,
    states: Array,
    expression: Rows,
    condition: NDArray[np.intp],
    heuristic: Callable[[float], float],
) -> Smoothness:
    """Length scale given, of the heuristic, or by marginal likelihood, and with it the noise.

    The marginal likelihood is that of at most 4,000 cells and 200 genes, evenly spaced (cells in
    lexicographic order of their states, so that their order does not matter).

    Parameters
    ----------
    wanted
        What is given, and what is to be chosen.
    states
        Cell states, ``(n_cells, n_dims)``.
    expression
        Anything whose rows can be sliced, ``(n_cells, n_genes)``.
    condition
        Number of the condition of each cell, from 0, ``(n_cells,)``.
    heuristic
        Length scale of the heuristic at a factor.
    """
    ls, sigma = wanted.ls, wanted.sigma
    if not isinstance(ls, str):
        return Smoothness(heuristic(wanted.ls_factor) if ls is None else float(ls), float(sigma))
    n_cells, n_genes = expression.shape
    cells = np.sort(lexicographic_order(states)[evenly_spaced(n_cells, _CELLS)])
    genes = evenly_spaced(n_genes, _GENES)
    rows = [np.flatnonzero(condition[cells] == c) for c in range(int(condition.max()) + 1)]
    curve = regression_evidence(
        states[cells],
        [_dense(expression[cells[own]], genes) for own in rows],
        rows,
        heuristic(1.0),
        wanted.kernel,
        sigma=None if isinstance(sigma, str) else sigma,
        seed=0 if wanted.seed is None else wanted.seed,
    )
    return Smoothness(*curve.best, curve)


def _dense(matrix: Any, genes: NDArray[np.intp]) -> Array:
    """Some columns of rows of expression."""
    chosen = matrix[:, genes]
    return np.asarray(chosen.toarray() if hasattr(chosen, "toarray") else chosen, dtype=np.float64)
