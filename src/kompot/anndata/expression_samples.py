"""Samples of an expression run: read, checked, and where they are compared."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot.anndata.donor_columns import warn_of_donors
from kompot.anndata.groups import parse_groups
from kompot.anndata.inputs import Cells
from kompot.anndata.sample_design import read_design
from kompot.anndata.samples import (
    SampleColumns,
    Samples,
    read_samples,
    warn_of_single_variance,
)
from kompot.anndata.states import read_states
from kompot.gp.features import FeatureMap
from kompot.settings import ExpressionSettings, SampleSettings
from kompot.stats.design import Design
from kompot.stats.region_evidence import RegionRules
from kompot.stats.region_sums import RegionIndex
from kompot.stats.regions import cluster_names
from kompot.user_warnings import warn_user

__all__ = [
    "ExpressionSamples",
    "read_expression_samples",
    "refuse_without_samples",
    "region_finder",
    "without_covariance",
]

Masks = dict[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class ExpressionSamples:
    """Samples of the cells compared.

    Attributes
    ----------
    samples
        Samples with their conditions.
    design
        Linear model in which samples are compared; None if only cells are described.
    regions
        The user's groups and regions among the cells compared, masks ``(n_cells,)`` by name.
    """

    samples: Samples
    design: Design | None
    regions: Masks


def read_expression_samples(
    adata: AnnData, cells: Cells, settings: ExpressionSettings, groups: Masks | None
) -> ExpressionSamples | None:
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
        Masks of the groups of cells, ``(n_obs,)`` each.

    Raises
    ------
    ValueError
        If a column cannot be used, a condition has one sample (at donor level), or options of
        samples are given without samples.
    """
    comparison, options = settings.comparison, settings.samples
    if comparison.sample_col is None:
        refuse_without_samples(settings)
        warn_of_single_variance(settings.output)
        states = read_states(adata, comparison.obsm_key)
        warn_of_donors(adata, comparison, states)
        return None
    obs: Any = adata.obs
    columns = SampleColumns.of(comparison.sample_col, options)
    least_cells = RegionRules.min_cells  # fewer take part in no region
    samples = read_samples(obs, cells, comparison, columns, least_cells=least_cells)
    if _is_described_only(samples, settings):
        return ExpressionSamples(samples, None, {})
    design = read_design(obs, cells, samples, comparison, columns)
    return ExpressionSamples(samples, design, _regions(adata, cells, settings, groups or {}))


def without_covariance(settings: ExpressionSettings) -> ExpressionSettings:
    """The same without the covariance between cells if there are samples, with a warning."""
    if settings.comparison.sample_col is None or not settings.storage.store_posterior_covariance:
        return settings
    warn_user(
        "`store_posterior_covariance` is only available without samples: with `sample_col` every "
        "gene has a covariance of its own, and none is stored."
    )
    return replace(settings, storage=replace(settings.storage, store_posterior_covariance=False))


def region_finder(
    samples: ExpressionSamples | None, cells: Cells
) -> Callable[[FeatureMap], RegionIndex] | None:
    """Finds the regions in which samples are compared, given the features."""
    if samples is None or samples.design is None:
        return None
    from kompot.models.donor_expression import find_regions  # not needed without samples

    return partial(find_regions, states=cells.states, groups=samples.regions)


def _regions(adata: AnnData, cells: Cells, settings: ExpressionSettings, groups: Masks) -> Masks:
    """Groups and regions among the cells compared; those of one name must be the same."""
    own = {}
    if settings.samples.regions is not None:
        own = parse_groups(adata, settings.samples.regions, "regions")
    for name in set(own) & set(groups):
        if not np.array_equal(own[name], groups[name]):
            msg = f"`regions` and `groups` both have {name!r}, of different cells; rename one."
            raise ValueError(msg)
    from kompot.models.donor_expression import DonorSettings  # not needed without samples

    found = {name: mask[cells.rows] for name, mask in (groups | own).items()}
    taken = {name for number in DonorSettings.n_regions for name in cluster_names(number)}
    clash = [name for name in found if name in taken]
    if clash:
        msg = f"`groups` or `regions` {clash} have names of clusters of cell states; rename them."
        raise ValueError(msg)
    return found


def _is_described_only(samples: Samples, settings: ExpressionSettings) -> bool:
    """Whether significance is of these cells: as asked for, or for want of samples (a warning).

    Raises
    ------
    ValueError
        If regions, pairs or covariates are given, which are compared at donor level only, or no
        condition tells the variance between samples.
    """
    options, few = settings.samples, min(samples.sizes) < 2
    for_want_of_samples = few and settings.output.allow_single_condition_variance
    if options.significance == "donor" and not for_want_of_samples:
        return False
    _refuse_unknown_variance(samples, settings)
    _refuse_comparison(options)
    if options.regions is not None:
        wanted = "2 samples in each condition" if few else 'significance="donor"'
        msg = f"`regions` are compared at donor level only, which needs {wanted}; leave them out."
        raise ValueError(msg)
    if options.significance == "donor":
        warn_user(
            f"A condition has one sample ({samples.sizes[0]} and {samples.sizes[1]}), from which "
            "the variation between donors cannot be known: significance is of these cells only "
            '(from shuffled genes), as with significance="cell", which says so without a warning.'
        )
    return True


def _refuse_comparison(options: SampleSettings) -> None:
    """Refuse options that say how samples are compared where they are not."""
    given = {"paired": bool(options.paired), "covariates": bool(options.covariates)}
    names = [f"`{name}`" for name, is_given in given.items() if is_given]
    if names:
        msg = (
            f"{', '.join(names)} only has a meaning where samples are compared: leave it out or "
            'choose significance="donor".'
        )
        raise ValueError(msg)


def _refuse_unknown_variance(samples: Samples, settings: ExpressionSettings) -> None:
    """Refuse a condition of one sample unless the other's variance is allowed to speak for it."""
    alone = min(samples.sizes) < 2
    if alone and not (settings.output.allow_single_condition_variance and max(samples.sizes) > 1):
        msg = (
            f"At least 2 samples per condition are needed, found {samples.sizes[0]} and "
            f"{samples.sizes[1]}; with 2 in one condition, `allow_single_condition_variance=True` "
            "allows for the variance between samples in that one alone."
        )
        raise ValueError(msg)


def refuse_without_samples(settings: ExpressionSettings) -> None:
    """Refuse options that say how samples are compared where there are none.

    Raises
    ------
    ValueError
        Naming them.
    """
    options = settings.samples
    given = {
        "donor_col": options.donor_col is not None,
        "paired": options.paired is not None,
        "covariates": bool(options.covariates),
        "regions": options.regions is not None,
    }
    names = [f"`{name}`" for name, is_given in given.items() if is_given]
    if names:
        msg = (
            f"{', '.join(names)} only has a meaning with samples: leave it out, or give "
            "`sample_col`, too."
        )
        raise ValueError(msg)
