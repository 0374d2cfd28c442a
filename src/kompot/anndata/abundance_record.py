"""The record that a differential-abundance run leaves in ``uns``."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from kompot.anndata.abundance_results import AbundanceResult
from kompot.models.differential_abundance import DifferentialAbundance
from kompot.models.label_ratio import LabelRatio
from kompot.records.fields import AbundanceFields, Field
from kompot.records.recording import new_record
from kompot.settings import AbundanceSettings

__all__ = ["abundance_record"]


def abundance_record(
    result: AbundanceResult,
    fields: AbundanceFields,
    wanted: list[Field],
    settings: AbundanceSettings,
    *,
    landmarks_source: str,
    usage: Mapping[str, float],
) -> dict[str, Any]:
    """What was run, with which parameters and numerics, and which fields it wrote."""
    record = new_record("da", settings, wanted, _numerics(result.model, landmarks_source), usage)
    return record | {
        "inference_level": "cell" if result.donor is None else "donor",
        "lfc_key": fields.lfc.name,
        "zscore_key": fields.zscore.name,
        "ptp_key": fields.ptp.name,
        "direction_key": fields.direction.name,
        "density_keys": {"condition1": fields.density1.name, "condition2": fields.density2.name},
        "donor_keys": _donor_keys(fields, wanted),
        "donor_test": result.donor_record,
        "uses_sample_variance": fields.with_samples,
        "has_groups": result.groups is not None,
    }


def _donor_keys(fields: AbundanceFields, wanted: list[Field]) -> dict[str, str] | None:
    """Names of the fields of the donor-level test, and where its table of regions is."""
    names = {field.role: field.name for field in fields.donor_level if field in wanted}
    return names | {"regions_key": f"uns[{fields.key!r}]['donor_regions']"} if names else None


def _numerics(model: DifferentialAbundance, source: str) -> dict[str, Any]:
    """What the numerics reached; of given densities what they are."""
    if not hasattr(model, "density1_"):
        given = (model.density_predictor1, model.density_predictor2)
        kinds = [type(density).__name__ for density in given]
        return {"densities": kinds, "landmarks_source": "computed"}
    densities = (model.density1_, model.density2_)
    return {
        "ls": model.ls_,
        "d": model.d_,
        "mu": [density.mu_ for density in densities],
        "rank": model.features_.rank,
        "tol": model.density1_.tol,
        "residual_mean": model.features_.residual_mean,
        "residual_max": model.features_.residual_max,
        "offset": model.offset_,
        "ratio": None if model.ratio_ is None else _ratio(model.ratio_),
        "uncertainty": model.uncertainty,
        "gradient_norm": [density.gradient_norm_ for density in densities],
        "n_iter": [density.n_iter_ for density in densities],
        "evidence": None if model.evidence_ is None else asdict(model.evidence_),
        "landmarks_source": source,
        "random_state": model.random_state,
    }


def _ratio(ratio: LabelRatio) -> dict[str, float]:
    """What the process for the log odds came to."""
    return {
        "ls": ratio.features.kernel.length_scale,
        "rank": ratio.features.rank,
        "prior_variance": ratio.posterior.prior_variance,
        "gradient_norm": ratio.posterior.gradient_norm,
        "log_evidence": ratio.posterior.log_evidence,
    }
