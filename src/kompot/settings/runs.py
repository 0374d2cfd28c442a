"""All options of a run."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from kompot.settings.options import (
    DAThresholdSettings,
    DensitySettings,
    DonorAbundanceOptions,
    FDRSettings,
    FilterSettings,
    GPSettings,
    OutputSettings,
    SampleSettings,
    StorageSettings,
)

__all__ = ["AbundanceSettings", "Comparison", "ExpressionSettings"]


@dataclass(frozen=True)
class Comparison:
    """What is compared: cells of two conditions, their states and their expression.

    ``differential_abundance_key`` is the ``result_key`` of a differential-abundance run, whose
    densities weight the cells of a mean.
    """

    groupby: str
    condition1: str
    condition2: str
    obsm_key: str = "DM_EigenVectors"
    layer: str | None = None
    genes: Sequence[str] | None = None
    sample_col: str | None = None
    differential_abundance_key: str | None = None


@dataclass(frozen=True)
class ExpressionSettings:
    """All options of a differential-expression run."""

    comparison: Comparison
    gp: GPSettings
    fdr: FDRSettings
    filter: FilterSettings
    storage: StorageSettings
    output: OutputSettings
    samples: SampleSettings = field(default_factory=SampleSettings)


@dataclass(frozen=True)
class AbundanceSettings:
    """All options of a differential-abundance run."""

    comparison: Comparison
    gp: DensitySettings
    threshold: DAThresholdSettings
    filter: FilterSettings
    storage: StorageSettings
    output: OutputSettings
    samples: SampleSettings = field(default_factory=SampleSettings)
    donor: DonorAbundanceOptions = field(default_factory=DonorAbundanceOptions)
