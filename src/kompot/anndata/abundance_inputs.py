"""What a differential-abundance run reads from the data, all checked."""

from dataclasses import dataclass, replace

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot.anndata.abundance_samples import AbundanceSamples, read_abundance_samples
from kompot.anndata.cell_choice import choose_cells
from kompot.anndata.given_densities import refuse_models
from kompot.anndata.inputs import Cells, read_cells
from kompot.anndata.landmarks import known_landmarks
from kompot.records.fields import AbundanceFields, Field
from kompot.settings import AbundanceSettings

__all__ = ["AbundanceInputs", "read_inputs"]


@dataclass(frozen=True)
class AbundanceInputs:
    """Cells, samples, groups and landmarks of a run.

    Attributes
    ----------
    cells
        The cells compared.
    samples
        Samples of the cells; None if no column was given.
    groups
        Masks of the groups of cells, ``(n_obs,)``; None for none.
    excluded
        Cells that are left out, ``(n_obs,)``; None for none.
    landmarks
        Landmarks to use, ``(n_landmarks, n_dims)``; None to draw them.
    landmarks_source
        Where they come from.
    """

    cells: Cells
    samples: AbundanceSamples | None
    groups: dict[str, NDArray[np.bool_]] | None
    excluded: NDArray[np.bool_] | None
    landmarks: NDArray[np.float64] | None
    landmarks_source: str

    @property
    def donor_level(self) -> bool:
        """Whether samples are compared, so that significance speaks of new donors."""
        return self.samples is not None and self.samples.design is not None

    def fields(self, settings: AbundanceSettings) -> AbundanceFields:
        """Names of all that the run could write."""
        names = settings.storage.result_key, *settings.comparison.conditions
        return AbundanceFields(*names, self.samples is not None)

    def wanted(self, settings: AbundanceSettings) -> list[Field]:
        """Fields that the run writes."""
        return self.fields(settings).written(settings.storage, donor_level=self.donor_level)


def read_inputs(adata: AnnData, settings: AbundanceSettings) -> AbundanceInputs:
    """Read and check everything.

    Raises
    ------
    ValueError, TypeError
        If something is missing or cannot be used.
    """
    refuse_models(settings)
    checked = bool(settings.filter.check_representation)  # None checks nothing here
    chosen = replace(settings.filter, check_representation=checked)
    choice = choose_cells(adata, settings.comparison, chosen)
    cells = read_cells(adata, settings.comparison, choice.excluded)
    samples = read_abundance_samples(adata, cells, settings, choice.groups or {})
    own = settings.storage.result_key
    keys = [own, "kompot_da", *(key for key in adata.uns if str(key).startswith("kompot_"))]
    landmarks, source = known_landmarks(
        adata, settings.gp.landmarks, keys, cells.n_dims, settings.comparison.obsm_key
    )
    return AbundanceInputs(cells, samples, choice.groups, choice.excluded, landmarks, source)
