"""What a differential-abundance run reads from the data, all checked."""

import logging
from dataclasses import dataclass

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot.anndata.abundance_samples import AbundanceSamples, read_abundance_samples
from kompot.anndata.given_densities import refuse_models
from kompot.anndata.groups import parse_cell_filter, parse_groups
from kompot.anndata.inputs import Cells, read_cells
from kompot.anndata.landmarks import known_landmarks
from kompot.settings import AbundanceSettings

__all__ = ["AbundanceInputs", "read_inputs"]

log = logging.getLogger(__name__)


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


def read_inputs(adata: AnnData, settings: AbundanceSettings) -> AbundanceInputs:
    """Read and check everything.

    Raises
    ------
    ValueError, TypeError
        If something is missing or cannot be used.
    """
    refuse_models(settings)
    groups, excluded = _read_choice(adata, settings)
    cells = read_cells(adata, settings.comparison, excluded)
    samples = read_abundance_samples(adata, cells, settings, list(groups or {}))
    own = settings.storage.result_key
    keys = [own, "kompot_da", *(key for key in adata.uns if str(key).startswith("kompot_"))]
    landmarks, source = known_landmarks(adata, settings.gp.landmarks, keys, cells.n_dims)
    return AbundanceInputs(cells, samples, groups, excluded, landmarks, source)


def _read_choice(
    adata: AnnData, settings: AbundanceSettings
) -> tuple[dict[str, NDArray[np.bool_]] | None, NDArray[np.bool_] | None]:
    """Masks of the groups, and of the cells that are left out."""
    choice = settings.filter
    groups = None if choice.groups is None else parse_groups(adata, choice.groups)
    if choice.cell_filter is None:
        return groups, None
    excluded = parse_cell_filter(adata, choice.cell_filter, choice.groups)
    log.info("%d cells are left out, %d are kept", excluded.sum(), (~excluded).sum())
    return groups, excluded
