"""The tree of cell states: a root that splits into branches."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kompot.settings import checks

N_HARMONICS = 4


@dataclass(frozen=True)
class Trajectory:
    r"""A root, pseudotime 0 to `branch_point`, and branches, from there to 1.

    A segment is the root (index 0) or a branch (1 to `n_branches`). The *position* of a cell is
    how far along its own segment it is, 0 to 1.

    Parameters
    ----------
    n_branches
        Number of branches.
    branch_point
        Pseudotime :math:`t_0` at which the root splits.
    """

    n_branches: int
    branch_point: float

    def __post_init__(self) -> None:
        """Check the parameters."""
        checks.number("n_branches", self.n_branches, least=1, most=20, whole=True)
        checks.number("branch_point", self.branch_point, least=0.05, most=0.95)

    @property
    def branches(self) -> list[str]:
        """Names of the branches."""
        return [f"branch_{branch}" for branch in range(1, self.n_branches + 1)]

    @property
    def segments(self) -> list[str]:
        """Names of the segments: the root, then the branches."""
        return ["root", *self.branches]

    @property
    def n_basis(self) -> int:
        """Number of smooth functions in `smooth_basis`."""
        return N_HARMONICS * (1 + self.n_branches)

    def bounds(self, segment: int) -> tuple[float, float]:
        """Pseudotime at the start and the end of a segment."""
        return (0.0, self.branch_point) if segment == 0 else (self.branch_point, 1.0)

    def pseudotime(
        self, segment: NDArray[np.intp], position: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Pseudotime of cells, ``(n_cells,)``, from their segment and position."""
        start = self.branch_point
        return np.where(segment == 0, position * start, start + position * (1 - start))

    def position(
        self, segment: NDArray[np.intp], pseudotime: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Position of cells in their segment, ``(n_cells,)``, from segment and pseudotime."""
        start = self.branch_point
        position = np.where(segment == 0, pseudotime / start, (pseudotime - start) / (1 - start))
        return np.clip(position, 0, 1)

    def smooth_basis(
        self,
        segment: NDArray[np.intp],
        pseudotime: NDArray[np.float64],
        frequency: float = 1.0,
    ) -> NDArray[np.float64]:
        r"""Smooth functions on the tree, scaled to length one at every cell.

        With pseudotime :math:`t` and position :math:`u` in branch :math:`b`, the columns are
        proportional to :math:`\cos(\pi j t)/j` and, for each branch and zero outside of it,
        :math:`(1-\cos \pi j u)/2j`, for :math:`j = 1, \dots, 4`. The second kind leaves the
        branch point with value and slope zero. As every row has length one, a combination with
        independent standard normal weights has variance one at every state. `frequency`
        multiplies all :math:`j` inside of the cosines.

        Returns
        -------
        Array of shape ``(n_cells, 4 (1 + n_branches))``.
        """
        harmonics = np.arange(1, N_HARMONICS + 1)
        along = np.cos(np.pi * frequency * np.outer(pseudotime, harmonics)) / harmonics
        position = self.position(segment, pseudotime)
        away = (1 - np.cos(np.pi * frequency * np.outer(position, harmonics))) / (2 * harmonics)
        basis = np.zeros((len(segment), self.n_basis))
        basis[:, :N_HARMONICS] = along
        for branch in range(1, self.n_branches + 1):
            cells = segment == branch
            first = branch * N_HARMONICS
            basis[cells, first : first + N_HARMONICS] = away[cells]
        length: NDArray[np.float64] = np.linalg.norm(basis, axis=1, keepdims=True)
        return basis / length
