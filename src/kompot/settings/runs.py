"""All options of a run."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from kompot.settings.abundance import (
    DAThresholdSettings,
    DensitySettings,
    DonorAbundanceOptions,
)
from kompot.settings.injected import ModelSettings
from kompot.settings.options import (
    NULL_GENES,
    FDRSettings,
    FilterSettings,
    GPSettings,
    OutputSettings,
    SampleSettings,
    StorageSettings,
)

__all__ = [
    "ABUNDANCE_KEY",
    "EXPRESSION_KEY",
    "AbundanceSettings",
    "Comparison",
    "ExpressionSettings",
]

EXPRESSION_KEY = "kompot_de"
"""Beginning of the names of an expression run's fields, if no other is given."""
ABUNDANCE_KEY = "kompot_da"
"""The same of an abundance run's."""


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

    @property
    def conditions(self) -> tuple[str, str]:
        """Labels of the two conditions."""
        return self.condition1, self.condition2


@dataclass(frozen=True)
class ExpressionSettings:
    """All options of a differential-expression run.

    A ``result_key`` of None and ``"auto"`` null genes are replaced by what they stand for.
    """

    comparison: Comparison
    gp: GPSettings = field(default_factory=GPSettings)
    fdr: FDRSettings = field(default_factory=FDRSettings)
    filter: FilterSettings = field(default_factory=FilterSettings)
    storage: StorageSettings = field(default_factory=StorageSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    samples: SampleSettings = field(default_factory=SampleSettings)
    model: ModelSettings = field(default_factory=ModelSettings)

    def __post_init__(self) -> None:
        object.__setattr__(self, "storage", _named(self.storage, EXPRESSION_KEY))
        if isinstance(self.fdr.null_genes, str):
            n_genes = None if self.model.names else NULL_GENES
            object.__setattr__(self, "fdr", replace(self.fdr, null_genes=n_genes))


@dataclass(frozen=True)
class AbundanceSettings:
    """All options of a differential-abundance run.

    A ``result_key`` of None is replaced by what it stands for.
    """

    comparison: Comparison
    gp: DensitySettings = field(default_factory=DensitySettings)
    threshold: DAThresholdSettings = field(default_factory=DAThresholdSettings)
    filter: FilterSettings = field(default_factory=FilterSettings)
    storage: StorageSettings = field(default_factory=StorageSettings)
    output: OutputSettings = field(default_factory=OutputSettings)
    samples: SampleSettings = field(default_factory=SampleSettings)
    donor: DonorAbundanceOptions = field(default_factory=DonorAbundanceOptions)
    model: ModelSettings = field(default_factory=ModelSettings)

    def __post_init__(self) -> None:
        object.__setattr__(self, "storage", _named(self.storage, ABUNDANCE_KEY))


def _named(storage: StorageSettings, result_key: str) -> StorageSettings:
    """With a name for the results."""
    return storage if storage.result_key is not None else replace(storage, result_key=result_key)
