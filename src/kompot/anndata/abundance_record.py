"""The record that a differential-abundance run leaves in ``uns``."""

from dataclasses import asdict
from typing import Any

from kompot.anndata.recorded_parameters import recorded_parameters
from kompot.models.differential_abundance import DifferentialAbundance
from kompot.records.fields import AbundanceFields, Field
from kompot.records.history import environment, field_mapping
from kompot.settings import AbundanceSettings

__all__ = ["abundance_record"]


def abundance_record(
    model: DifferentialAbundance,
    fields: AbundanceFields,
    wanted: list[Field],
    settings: AbundanceSettings,
    *,
    landmarks_source: str,
    seconds: float,
) -> dict[str, Any]:
    """What was run, with which parameters and numerics, and which fields it wrote."""
    made = environment()
    return {
        "timestamp": made["timestamp"],
        "function": "compute_differential_abundance",
        "result_key": fields.key,
        "analysis_type": "da",
        "inference_level": "cell",
        "lfc_key": fields.lfc.name,
        "zscore_key": fields.zscore.name,
        "ptp_key": fields.ptp.name,
        "direction_key": fields.direction.name,
        "density_keys": {"condition1": fields.density1.name, "condition2": fields.density2.name},
        "field_names": {field.role: field.name for field in wanted},
        "field_mapping": field_mapping(wanted),
        "uses_sample_variance": False,
        "has_groups": settings.filter.groups is not None,
        "params": recorded_parameters(settings),
        "numerics": _numerics(model, landmarks_source, seconds),
        "environment": made,
        "kompot_version": made["package_versions"]["kompot"],
    }


def _numerics(model: DifferentialAbundance, source: str, seconds: float) -> dict[str, Any]:
    """What the numerics reached."""
    densities = (model.density1_, model.density2_)
    return {
        "ls": model.ls_,
        "d": model.d_,
        "mu": [density.mu_ for density in densities],
        "rank": model.features_.rank,
        "residual_mean": model.features_.residual_mean,
        "residual_max": model.features_.residual_max,
        "offset": model.offset_,
        "uncertainty": model.uncertainty,
        "gradient_norm": [density.gradient_norm_ for density in densities],
        "n_iter": [density.n_iter_ for density in densities],
        "evidence": None if model.evidence_ is None else asdict(model.evidence_),
        "landmarks_source": source,
        "random_state": model.random_state,
        "seconds": seconds,
    }
