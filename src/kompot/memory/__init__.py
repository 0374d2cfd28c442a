"""Byte counts of large arrays, whether they fit, and what a run took."""

from kompot.memory.availability import SystemAvailability, available_bytes
from kompot.memory.requirement import Alternative, ResourceRequirement, insufficient, require
from kompot.memory.sizes import MatrixSize, dense_bytes, human
from kompot.memory.usage import Usage, peak_bytes

__all__ = [
    "Alternative",
    "MatrixSize",
    "ResourceRequirement",
    "SystemAvailability",
    "Usage",
    "available_bytes",
    "dense_bytes",
    "human",
    "insufficient",
    "peak_bytes",
    "require",
]
