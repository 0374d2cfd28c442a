"""Byte counts of large arrays, whether they fit, and what a run took."""

from kompot.memory.availability import (
    SystemAvailability,
    available_bytes,
    is_address_space_limited,
)
from kompot.memory.heap import release
from kompot.memory.requirement import Alternative, ResourceRequirement, insufficient, require
from kompot.memory.sizes import (
    DENSE_SHARE,
    MatrixSize,
    basis_bytes,
    dense_bytes,
    human,
    layer_bytes,
    stored_bytes,
    weights_bytes,
)
from kompot.memory.usage import Usage, peak_bytes

__all__ = [
    "DENSE_SHARE",
    "Alternative",
    "MatrixSize",
    "ResourceRequirement",
    "SystemAvailability",
    "Usage",
    "available_bytes",
    "basis_bytes",
    "dense_bytes",
    "human",
    "insufficient",
    "is_address_space_limited",
    "layer_bytes",
    "peak_bytes",
    "release",
    "require",
    "stored_bytes",
    "weights_bytes",
]
