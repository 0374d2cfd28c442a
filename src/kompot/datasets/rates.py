"""Expected counts of cells: gene, state, donor, condition and sequencing depth together."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kompot.datasets.donors import DonorVariation
from kompot.datasets.effects import fold_change
from kompot.datasets.expression import Genes
from kompot.datasets.states import CellStates
from kompot.datasets.trajectory import Trajectory


@dataclass(frozen=True)
class LogRates:
    r"""Log expected counts, computed for a slice of cells at a time.

    :math:`\log\mu_{ig} = d_i + m_g - (\tau_g^2 + \sigma_{ig}^2)/2 + b(x_i)^\top w_g`
    plus the donor effect of the sample, plus the planted log fold change in condition 2. The
    subtracted half variances, of the mean function over states and of the donor effect, make
    :math:`e^{m_g}` the mean over states and donors.

    Parameters
    ----------
    tree
        The tree of states.
    cells
        States :math:`x_i` of the cells.
    sample
        Sample of each cell, ``(n_cells,)``.
    treated
        Whether a cell is in condition 2, ``(n_cells,)``.
    log_depth
        :math:`d_i`, ``(n_cells,)``.
    genes
        :math:`m_g`, :math:`\tau_g` and :math:`w_g`.
    donor_sd
        :math:`\sigma_g` without trend, ``(n_genes,)``.
    donors
        Variation between donors.
    donor_weights
        Donor effects of each sample, ``(n_samples, 1 + n_basis, n_genes)``.
    effects
        Planted effects, one row per gene.
    """

    tree: Trajectory
    cells: CellStates
    sample: NDArray[np.intp]
    treated: NDArray[np.bool_]
    log_depth: NDArray[np.float64]
    genes: Genes
    donor_sd: NDArray[np.float64]
    donors: DonorVariation
    donor_weights: NDArray[np.float64]
    effects: pd.DataFrame

    def __call__(self, rows: slice) -> NDArray[np.float64]:
        """Log expected counts of some cells, ``(n_cells in rows, n_genes)``, natural log."""
        segment, pseudotime = self.cells.segment[rows], self.cells.pseudotime[rows]
        basis = self.tree.smooth_basis(segment, pseudotime)
        rates: NDArray[np.float64] = basis @ self.genes.weights
        rates += self.genes.log_mean - (self.genes.state_sd**2 + self.donor_sd**2) / 2
        rates += self.log_depth[rows, np.newaxis]

        if self.donors.donor_sd > 0:
            cells = CellStates(segment, pseudotime)
            features = self.donors.features(self.tree, cells)
            sample = self.sample[rows]
            for index in np.unique(sample):
                members = sample == index
                rates[members] += features[members] @ self.donor_weights[index]
            if self.donors.donor_trend != 0:
                excess = self.donors.relative_sd(pseudotime) ** 2 - 1
                rates -= np.outer(excess, self.donor_sd**2 / 2)

        changed = np.flatnonzero(self.effects["is_de"])
        treated = np.flatnonzero(self.treated[rows])
        states = CellStates(segment[treated], pseudotime[treated])
        planted = fold_change(self.effects.iloc[changed], self.tree, states)
        rates[np.ix_(treated, changed)] += planted
        return rates
