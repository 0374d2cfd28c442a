"""Variation of expression between donors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kompot.datasets.design import Design
from kompot.datasets.states import CellStates
from kompot.datasets.trajectory import Trajectory
from kompot.settings import checks


@dataclass(frozen=True)
class DonorVariation:
    r"""Donor effects on log expression.

    The log rate of gene :math:`g` at state :math:`x` in a sample differs from the mean by

    .. math:: \sigma_g e^{\tau (t - 1/2)}
        \{ \sqrt{1 - \phi}\, e_g + \sqrt{\phi}\, b(x)^\top h_g \},

    with :math:`e_g` and the elements of :math:`h_g` standard normal, :math:`b(x)` the smooth
    basis on the tree and :math:`t` the pseudotime. The basis has length one: without trend
    :math:`\tau` the variance is :math:`\sigma_g^2` at every state. The samples of one donor have
    correlation :math:`\rho` in :math:`e_g` and :math:`h_g`.

    Genes of one programme go up and down together, or one up and the other down: of
    :math:`e_g` and :math:`h_g` the share :math:`\psi` of the variance is that of the programme,
    with a sign of the gene's own. Each gene varies as much as without.

    Parameters
    ----------
    donor_sd
        Root mean square of :math:`\sigma_g` over genes, natural log.
    donor_sd_dispersion
        Coefficient of variation of :math:`\sigma_g^2` over genes, which are scaled inverse
        chi-square with :math:`4 + 2/cv^2` degrees of freedom. 0: equal.
    donor_state_fraction
        :math:`\phi`, share of the variance that depends on the state.
    donor_frequency
        Factor of the frequencies in :math:`b(x)`: above 1 donor effects change faster along the
        tree than the mean functions of the genes, below 1 more slowly.
    donor_trend
        :math:`\tau`, increase of the log standard deviation from pseudotime 0 to 1.
    donor_correlation
        :math:`\rho`, of the two samples of a donor in a paired design.
    donor_programs
        Number of programmes, of which every gene follows one at random. 0: genes are independent.
    donor_program_share
        :math:`\psi`, share of the variance that is the programme's.
    """

    donor_sd: float
    donor_sd_dispersion: float
    donor_state_fraction: float
    donor_frequency: float
    donor_trend: float
    donor_correlation: float
    donor_programs: int
    donor_program_share: float

    def __post_init__(self) -> None:
        """Check the parameters."""
        checks.number("donor_sd", self.donor_sd, least=0, most=5)
        checks.number("donor_sd_dispersion", self.donor_sd_dispersion, least=0, most=100)
        checks.number("donor_state_fraction", self.donor_state_fraction, least=0, most=1)
        checks.number("donor_frequency", self.donor_frequency, above=0, most=20)
        checks.number("donor_trend", self.donor_trend, least=-5, most=5)
        checks.number("donor_correlation", self.donor_correlation, least=0, most=1)
        checks.number("donor_programs", self.donor_programs, least=0, whole=True)
        checks.number("donor_program_share", self.donor_program_share, least=0, most=1)

    def draw_sd(self, n_genes: int, rng: np.random.Generator) -> NDArray[np.float64]:
        r"""Draw the standard deviation :math:`\sigma_g` of each gene, ``(n_genes,)``."""
        if self.donor_sd_dispersion == 0:
            return np.full(n_genes, float(self.donor_sd))
        freedom = 4 + 2 / self.donor_sd_dispersion**2
        relative = (freedom - 2) / rng.chisquare(freedom, n_genes)
        sd: NDArray[np.float64] = self.donor_sd * np.sqrt(relative)
        return sd

    def draw_weights(
        self, design: Design, sd: NDArray[np.float64], n_basis: int, rng: np.random.Generator
    ) -> NDArray[np.float64]:
        r"""Draw :math:`\sigma_g (e_g, h_g)` of each sample.

        Returns
        -------
        Array of shape ``(n_samples, 1 + n_basis, n_genes)``.
        """
        weights = self._draw_standard(design, (1 + n_basis, len(sd)), rng)
        if self.donor_programs > 0:
            programs = self._draw_standard(design, (1 + n_basis, self.donor_programs), rng)
            program = rng.integers(self.donor_programs, size=len(sd))
            sign = rng.choice([-1.0, 1.0], size=len(sd))
            weights *= np.sqrt(1 - self.donor_program_share)
            weights += np.sqrt(self.donor_program_share) * sign * programs[:, :, program]
        weights *= sd
        return weights

    def _draw_standard(
        self, design: Design, rows: tuple[int, int], rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Draw standard normal weights of each sample, correlated between those of a donor."""
        shared = self.donor_correlation if design.paired else 0.0
        weights = rng.standard_normal((design.n_samples, *rows))
        weights *= np.sqrt(1 - shared)
        if shared > 0:
            of_donor = rng.standard_normal((len(design.donors), *rows))
            weights += np.sqrt(shared) * of_donor[design.sample_donor]
        return weights

    def relative_sd(self, pseudotime: NDArray[np.float64]) -> NDArray[np.float64]:
        r"""Multiplier :math:`e^{\tau (t - 1/2)}` of the standard deviation at pseudotimes."""
        relative: NDArray[np.float64] = np.exp(self.donor_trend * (pseudotime - 0.5))
        return relative

    def features(self, tree: Trajectory, cells: CellStates) -> NDArray[np.float64]:
        r"""Multipliers of the weights at cells, ``(n_cells, 1 + n_basis)``.

        :math:`e^{\tau (t - 1/2)} (\sqrt{1-\phi}, \sqrt\phi\, b(x))`.
        """
        basis = tree.smooth_basis(cells.segment, cells.pseudotime, self.donor_frequency)
        intercept = np.full((len(basis), 1), np.sqrt(1 - self.donor_state_fraction))
        features = np.hstack([intercept, np.sqrt(self.donor_state_fraction) * basis])
        features *= self.relative_sd(cells.pseudotime)[:, np.newaxis]
        return features
