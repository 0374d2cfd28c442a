"""The methods that run in this process: name to what it says of a data set."""

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
from calibration.outcome import NOMINAL, Finding
from calibration.problem import CONDITIONS, Problem
from calibration.pseudobulk import limma_voom
from calibration.voom import many_counts

from kompot import compute_differential_expression
from kompot.models.donor_expression import donor_expression
from kompot.stats.region_evidence import RegionRules


def donor_level(problem: Problem, *, counts: bool = True, standardise: bool = True) -> Finding:
    """Donor-level test of this package.

    Parameters
    ----------
    problem
        Data set.
    counts
        Whether counts are compared, or log-normalised values as they are.
    standardise
        Whether regions without overlap are compared with mixtures of cell states.
    """
    rules = RegionRules(standardise=standardise)
    found = donor_expression(
        problem.features,
        problem.states,
        problem.adata.X,
        problem.sample,
        problem.design,
        settings=replace(problem.settings, counts=counts, rules=rules),
    )
    cost = found.largest_overlap_cost
    notes = {
        "ridges": list(found.ridges),
        "overlap_cost": round(cost, 4) if np.isfinite(cost) else None,
        "usable": round(found.usable_share, 4),
        "confounded": len(found.confounded),
    }
    return Finding(found.p, found.fdr < NOMINAL, notes)


def cell_level(problem: Problem) -> Finding:
    """Cell-level test of this package: no samples, as if cells were replicates."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the columns that look like donors
        result = compute_differential_expression(
            problem.adata,
            "condition",
            *CONDITIONS,
            random_state=0,
            inplace=False,
            progress=False,
            return_full_results=True,
        )
    table = result["table"]
    return Finding(table["pvalue"].to_numpy(dtype=float), table["is_de"].to_numpy(dtype=bool))


def voom_clusters(problem: Problem) -> Finding:
    """limma-voom in the finest regions of the donor-level test."""
    return Finding.of_p_values(limma_voom(problem, problem.clusters))


def voom_strict(problem: Problem) -> Finding:
    """limma-voom in the same regions, with the filter of genes usual for whole samples."""
    return Finding.of_p_values(limma_voom(problem, problem.clusters, many_counts))


def voom_branches(problem: Problem) -> Finding:
    """limma-voom in the true branches."""
    return Finding.of_p_values(limma_voom(problem, problem.branches))


def voom_samples(problem: Problem) -> Finding:
    """limma-voom on whole samples."""
    return Finding.of_p_values(limma_voom(problem, np.zeros_like(problem.sample)))


METHODS: dict[str, Callable[[Problem], Finding]] = {
    "donor": donor_level,
    "donor logs": partial(donor_level, counts=False),
    "voom clusters": voom_clusters,
    "voom strict": voom_strict,
    "voom branches": voom_branches,
    "voom samples": voom_samples,
    "cell": cell_level,
}
