"""Options of the analyses."""

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
from kompot.settings.runs import AbundanceSettings, Comparison, ExpressionSettings
from kompot.settings.smoothing import Smoothing, SmoothingSettings

__all__ = [
    "AbundanceSettings",
    "Comparison",
    "DAThresholdSettings",
    "DensitySettings",
    "DonorAbundanceOptions",
    "ExpressionSettings",
    "FDRSettings",
    "FilterSettings",
    "GPSettings",
    "OutputSettings",
    "SampleSettings",
    "Smoothing",
    "SmoothingSettings",
    "StorageSettings",
]
