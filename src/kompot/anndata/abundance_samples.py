"""Samples of an abundance run: read, checked, and what they allow to be said."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot.anndata.donor_columns import warn_of_donors
from kompot.anndata.inputs import Cells
from kompot.anndata.sample_design import read_design
from kompot.anndata.samples import (
    SampleColumns,
    Samples,
    read_samples,
    warn_of_single_variance,
)
from kompot.anndata.states import read_states
from kompot.models.abundance_reference import check_reference, reference_fractions
from kompot.models.donor_abundance import testable_contrast
from kompot.models.sample_densities import number_samples
from kompot.records.group_names import stored_group
from kompot.settings import AbundanceSettings
from kompot.stats.design import Design
from kompot.user_warnings import warn_user

__all__ = ["AbundanceSamples", "read_abundance_samples", "reference_of"]

_LEAST_CELLS = 10
"""Of a sample that is compared. All samples count alike, and one cell is no share of anything: one
such sample beside 6 against 6 took 741 of 852 called cells away, three took all. A density of few
cells is flat: one of 2 cells made all z-scores with the variance between samples 8 times smaller.
"""


@dataclass(frozen=True)
class AbundanceSamples:
    """Samples of the cells compared.

    Attributes
    ----------
    samples
        Samples with their conditions.
    numbers
        Number of each cell's sample within its condition, -1 for cells of samples that are too
        small for a density, ``(n_cells,)``.
    design
        Linear model in which samples are compared; None if only cells are described.
    """

    samples: Samples
    numbers: NDArray[np.intp] | None
    design: Design | None


def read_abundance_samples(
    adata: AnnData,
    cells: Cells,
    settings: AbundanceSettings,
    groups: Mapping[str, NDArray[np.bool_]],
) -> AbundanceSamples | None:
    """Read and check samples before anything is computed; None without a sample column.

    Parameters
    ----------
    adata
        The data.
    cells
        The cells compared.
    settings
        Options of the run.
    groups
        Name to mask ``(n_obs,)`` of each group of cells.

    Raises
    ------
    ValueError
        If a column cannot be used, a condition has one sample, the samples leave fewer than 2
        degrees of freedom, a reference group has too few cells, or options are given that have no
        meaning here.
    """
    obs: Any = adata.obs
    comparison, options = settings.comparison, settings.samples
    reference = reference_of(settings)
    check_reference(reference, list(groups))
    if options.regions is not None:
        msg = (
            "`regions` only has a meaning for expression: give the cell types in which abundance "
            "is tested as `groups`."
        )
        raise ValueError(msg)
    if comparison.sample_col is None:
        _refuse_given(settings, "give `sample_col`, too", samples=False)
        warn_of_single_variance(settings.output)
        states = read_states(adata, comparison.obsm_key)
        warn_of_donors(adata, comparison, states)
        return None
    columns = SampleColumns.of(comparison.sample_col, options)
    samples = read_samples(obs, cells, comparison, columns, least_cells=_LEAST_CELLS)
    single = settings.output.allow_single_condition_variance
    labels = [samples.codes[cells.condition == c] for c in (0, 1)]
    number = partial(
        number_samples, cells.condition, labels, allow_single=single, min_cells=_LEAST_CELLS
    )
    if options.significance == "cell":
        _refuse_given(settings, 'leave them out or choose significance="donor"', samples=True)
        return AbundanceSamples(samples, number(), None)
    if min(samples.sizes) < 2 and single:
        _refuse_given(settings, "leave them out", samples=True)
        warn_user(
            f"A condition has one sample ({samples.sizes[0]} and {samples.sizes[1]}), from which "
            "the variation between donors cannot be known: nothing is tested at donor level. "
            'Give significance="cell", too, to do so without a warning.'
        )
        return AbundanceSamples(samples, number(), None)
    design = read_design(obs, cells, samples, comparison, columns)
    testable_contrast(design)
    members = {name: np.asarray(mask)[cells.rows] for name, mask in groups.items()}
    reference_fractions(reference, members, samples.codes, design.n_samples, design.contributing)
    return AbundanceSamples(samples, number(), design)


def reference_of(settings: AbundanceSettings) -> Any:
    """What is taken to be unchanged, groups by the names under which they are stored."""
    reference = settings.donor.reference
    if isinstance(reference, str):
        return stored_group(reference)
    if isinstance(reference, Iterable):
        return [stored_group(name) for name in reference]
    return reference


def _refuse_given(settings: AbundanceSettings, remedy: str, *, samples: bool) -> None:
    """Refuse options that say how samples are compared where they are not."""
    options = settings.samples
    given = {
        "paired": options.paired is not None,
        "covariates": bool(options.covariates),
        "reference": settings.donor.reference is not None,
        "donor_col": options.donor_col is not None and not samples,
    }
    names = [f"`{name}`" for name, is_given in given.items() if is_given]
    if names:
        msg = f"{', '.join(names)} only has a meaning where samples are compared: {remedy}."
        raise ValueError(msg)
