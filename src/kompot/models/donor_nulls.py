"""The donor-level test where nothing differs: other designs for the same sums over cells."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from kompot.gp.features import FeatureMap
from kompot.models.donor_expression import DonorSettings, find_regions
from kompot.models.row_chunks import Rows
from kompot.models.sample_fit import sum_samples
from kompot.stats.ancova import AdjustedMeans
from kompot.stats.design import Design
from kompot.stats.donor_significance import (
    combine_regions,
    compare_regions,
    level_means,
    null_p_values,
)
from kompot.stats.donor_sums import DonorSums
from kompot.stats.regions import Level

__all__ = ["DonorMeans", "donor_means"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class DonorMeans:
    """Means of samples in regions, adjusted for cell state: they serve any design of the samples.

    Attributes
    ----------
    levels
        The levels of regions.
    means
        Means of each.
    n_genes
        Number of genes.
    settings
        How samples are compared.
    """

    levels: tuple[Level, ...]
    means: Sequence[AdjustedMeans]
    n_genes: int
    settings: DonorSettings = field(default_factory=DonorSettings)

    def p_values(self, design: Design) -> Array:
        """P-values of a design, those of :func:`kompot.models.donor_expression.score_donors`.

        Parameters
        ----------
        design
            What is compared.

        Returns
        -------
        ``(n_genes,)``; NaN for a gene that is tested nowhere.
        """
        regions = compare_regions(self.levels, self.means, design, self.settings.rules)
        return combine_regions(regions, self.levels, design, self.n_genes).p

    def covariate_p_values(self, design: Design, n_draws: int, seed: int | None = 0) -> Array:
        """P-values of covariates that mean nothing, tested beside the design's columns.

        Parameters
        ----------
        design
            What is compared; with at least 2 degrees of freedom.
        n_draws
            How many.
        seed
            Of the covariates.

        Returns
        -------
        ``(n_draws, n_genes)``; see :func:`kompot.stats.donor_significance.null_p_values`.
        """
        regions = compare_regions(self.levels, self.means, design, self.settings.rules)
        return null_p_values(regions, self.levels, design, self.n_genes, n_draws=n_draws, seed=seed)


def donor_means(
    features: FeatureMap,
    states: Array,
    expression: Rows,
    sample: NDArray[np.intp],
    *,
    compared: NDArray[np.bool_] | None = None,
    groups: Mapping[str, NDArray[np.bool_]] | None = None,
    settings: DonorSettings | None = None,
    refine: Callable[..., DonorSums] | None = None,
    progress: bool = False,
) -> DonorMeans:
    """Means of samples in regions of several scales, in one pass over the cells.

    Parameters
    ----------
    features
        Feature map of the cell states.
    states
        Cell states, ``(n_cells, n_dims)``.
    expression
        ``(n_cells, n_genes)``, anything whose rows can be sliced, log-normalised.
    sample
        Number of each cell's sample, from 0, ``(n_cells,)``.
    compared
        Which samples are compared, ``(n_samples,)``; None for all.
    groups
        Name to mask ``(n_cells,)``: regions of their own.
    settings
        How samples are compared.
    refine
        Leaves genes out of the sums, given these and ``index``, their regions; None for none.
    progress
        Show a progress bar.
    """
    settings = DonorSettings() if settings is None else settings
    index = find_regions(features, states, groups, settings)
    n_samples = int(sample.max()) + 1
    sums = sum_samples(
        features,
        states,
        expression,
        sample,
        index,
        n_samples=n_samples,
        counts=settings.counts,
        progress=progress,
    )
    if refine is not None:
        sums = refine(sums, index=index)
    means = level_means(sums, index, compared, settings.rules)
    return DonorMeans(index.levels, means, sums.n_genes, settings)
