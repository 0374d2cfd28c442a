"""The record that a differential-expression run leaves in ``uns``."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kompot.anndata.expression_groups import groups_summary
from kompot.anndata.expression_inputs import ExpressionInputs
from kompot.anndata.expression_results import ExpressionResult
from kompot.anndata.factored_layers import basis_digest
from kompot.models.given_expression import GivenExpression
from kompot.records.encoding import encoded
from kompot.records.expression_fields import ExpressionFields
from kompot.records.factored import expression_layers, factored_entry
from kompot.records.fields import Field
from kompot.records.recording import new_record
from kompot.settings import ExpressionSettings

__all__ = ["NULL_ARRAY", "expression_record", "fdr_results"]

NULL_ARRAY = "null_mahalanobis"
"""Name of the distances of shuffled genes among the arrays of a record."""


def expression_record(
    result: ExpressionResult,
    fields: ExpressionFields,
    wanted: list[Field],
    inputs: ExpressionInputs,
    settings: ExpressionSettings,
    *,
    usage: Mapping[str, float],
    basis: NDArray[np.float32] | None = None,
) -> dict[str, Any]:
    """What was run, with which parameters and numerics, and which fields it wrote.

    ``basis`` are the features of factored layers; None if there are none.
    """
    factored: dict[str, Any] = {}
    if basis is not None:
        extra = settings.storage.store_additional_stats
        layers = expression_layers(fields, store_additional_stats=extra)
        factored = factored_entry(layers, basis_digest(basis))
    names, choice = {field.role: field.name for field in wanted}, inputs.choice
    fdr_roles = ("pvalue", "local_fdr", "tail_fdr")
    fdr_keys = {f"{role}_key": names.get(f"mahalanobis_{role}_key") for role in fdr_roles}
    numerics = _numerics(result, inputs.landmarks_source)
    record = new_record("de", settings, wanted, numerics, usage) | factored
    if len(result.null):
        record["arrays"] = record.get("arrays", {}) | {NULL_ARRAY: encoded(result.null)}
    return record | {
        "inference_level": "cell" if result.donors is None else "donor",
        "lfc_key": fields.mean_lfc.name,
        "mahalanobis_key": names.get("mahalanobis_key"),
        "ptp_key": names.get("ptp_key"),
        "fdr_keys": fdr_keys | {"is_de_key": names["is_de_key"]} if "is_de_key" in names else None,
        "fdr_results": fdr_results(result.table, settings.fdr.threshold),
        "imputed_layer_keys": {
            name: field.name if factored else names.get(field.role)
            for name, field in (
                ("condition1", fields.imputed1),
                ("condition2", fields.imputed2),
                ("fold_change", fields.fold_change),
            )
        },
        "uses_sample_variance": inputs.samples is not None,
        **_samples(result, inputs),
        "underrepresentation": choice.underrepresented or {},
        "auto_filtered": choice.auto_filtered,
        "n_excluded": 0 if choice.excluded is None else int(choice.excluded.sum()),
        **_groups(wanted, inputs, settings),
    }


def fdr_results(table: pd.DataFrame, threshold: float) -> dict[str, Any] | None:
    """How many genes were called, and the smallest distance among them; None without rates."""
    if "is_de" not in table:
        return None
    called = table["is_de"].to_numpy()
    smallest = None
    if called.any() and "mahalanobis" in table:
        smallest = float(table["mahalanobis"].to_numpy()[called].min())
    return {
        "n_significant": int(called.sum()),
        "n_total": len(called),
        "fraction_significant": float(called.mean()),
        "fdr_threshold": threshold,
        "min_significant_mahalanobis": smallest,
    }


def _groups(
    wanted: list[Field], inputs: ExpressionInputs, settings: ExpressionSettings
) -> dict[str, Any]:
    """Names, sizes and tables of the groups."""
    groups = inputs.choice.groups
    if groups is None:
        return {"has_groups": False}
    return {
        "has_groups": True,
        "subset_names": list(groups),
        "groups_summary": groups_summary(groups, inputs.cells, settings.comparison.conditions),
        "varm_keys": {field.role: field.name for field in wanted if field.location == "varm"},
    }


def _samples(result: ExpressionResult, inputs: ExpressionInputs) -> dict[str, Any]:
    """Which samples there are, how they were compared and what that rested on."""
    if inputs.samples is None:
        return {}
    found, donors = inputs.samples.samples, result.donors
    samples = {
        "names": list(found.names),
        "condition": found.condition.tolist(),
        "n_cells": found.n_cells.tolist(),
    }
    if donors is None:
        return {"samples": samples}
    regions = [
        {
            "name": region.name,
            "level": region.level,
            "status": region.status,
            "counts": region.counts,
            "n_cells": region.n_cells,
            "n_samples": int(region.taking_part.sum()),
            "degrees_of_freedom": region.degrees_of_freedom,
            "overlap_cost": region.overlap_cost if region.overlap_cost >= 0 else None,
        }
        for region in donors.regions
    ]
    return {
        "samples": samples,
        "donor_test": {
            "columns": list(donors.design.columns),
            "degrees_of_freedom": donors.degrees_of_freedom,
            "exploratory": donors.exploratory,
            "n_tested": donors.n_tested,
            "compared": "counts" if donors.of_counts else "expression as given",
            "usable_share": donors.usable_share,
            "adjusted_share": donors.adjusted_share,
            "ridges": list(donors.ridges),
            "regions": regions,
        },
    }


def _numerics(result: ExpressionResult, source: str) -> dict[str, Any]:
    """What the numerics reached; of given functions what they are."""
    model: Any = result.model
    if isinstance(model, GivenExpression):
        return {"functions": model.describe(), "landmarks_source": source}
    return {
        "ls": model.ls_,
        "evidence": None if model.evidence_ is None else asdict(model.evidence_),
        "rank": model.features_.rank,
        "tol": model.tol,
        "residual_mean": model.features_.residual_mean,
        "residual_max": model.features_.residual_max,
        "truncation_error": result.truncation_error,
        "landmarks_source": source,
        "random_state": model.random_state,
    }
