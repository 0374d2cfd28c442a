"""Options of the analyses."""

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
from kompot.settings.runs import (
    ABUNDANCE_KEY,
    EXPRESSION_KEY,
    AbundanceSettings,
    Comparison,
    ExpressionSettings,
)
from kompot.settings.smoothing import Smoothing, SmoothingSettings

__all__ = [
    "ABUNDANCE_KEY",
    "EXPRESSION_KEY",
    "NULL_GENES",
    "AbundanceSettings",
    "Comparison",
    "DAThresholdSettings",
    "DensitySettings",
    "DonorAbundanceOptions",
    "ExpressionSettings",
    "FDRSettings",
    "FilterSettings",
    "GPSettings",
    "ModelSettings",
    "OutputSettings",
    "SampleSettings",
    "Smoothing",
    "SmoothingSettings",
    "StorageSettings",
]
