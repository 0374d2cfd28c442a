"""What a run will take, before it is begun: memory, disk space, time, and what it would replace."""

from kompot.memory import ResourceRequirement, SystemAvailability
from kompot.resource_estimation.dry_run import (
    dry_run_differential_abundance,
    dry_run_differential_expression,
)
from kompot.resource_estimation.plan import ResourcePlan

__all__ = [
    "ResourcePlan",
    "ResourceRequirement",
    "SystemAvailability",
    "dry_run_differential_abundance",
    "dry_run_differential_expression",
]
