"""Methods that call cells more or less abundant: ours, and others in environments of their own."""

import json
import logging
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from abundance.scenarios import Scenario
from worker import worker

from kompot import compute_differential_abundance
from kompot.models.donor_abundance import DonorAbundanceSettings, donor_abundance

PEERS = {
    "original": "kompot==0.8.0",
    "milo": "pertpy==1.0.3 pydeseq2==0.5.4",
    "cna": "cna==0.2.6",
}
"""What the environment of each peer needs."""
STATES = "DM_EigenVectors"


@dataclass(frozen=True)
class Finding:
    """What a method says of each cell.

    Attributes
    ----------
    direction
        1, -1 or 0, ``(n_cells,)``.
    score
        Larger where the treated samples have more cells, ``(n_cells,)``.
    seconds
        Wall time of the analysis.
    further
        Other numbers for the record.
    """

    direction: Any
    score: Any
    seconds: float
    further: dict[str, float]


def find_ours(adata: Any, scenario: Scenario) -> Finding:
    """The donor-level test of this package."""
    logging.getLogger("kompot").setLevel(logging.ERROR)
    started = time.perf_counter()
    full: Any = compute_differential_abundance(
        adata,
        "condition",
        "control",
        "treated",
        sample_col="donor" if scenario.paired else "sample",
        groups="branch" if scenario.reference == "root" else None,
        reference=scenario.reference,
        return_full_results=True,
        inplace=False,
        progress=False,
    )
    seconds = time.perf_counter() - started
    found = full["donor_test"]
    if scenario.n_regions != Scenario.n_regions:
        found = _with_regions(adata, full["model"], found.design, scenario)
    region_p = found.regions.contrast.p_value
    region_p = region_p[~np.isnan(region_p)]
    null_p = found.cells.p_value[adata.obs["changed"].to_numpy() == 0]
    further = {
        "p_gate": found.rotation.p_gate,
        "p_global": found.rotation.p_global,
        "any_region": bool(found.regions.direction.any()),
        "region_05": float((region_p < 0.05).mean()),
        "region_01": float((region_p < 0.01).mean()),
        "cell_05": float((null_p < 0.05).mean()),
        "cell_01": float((null_p < 0.01).mean()),
    }
    return Finding(found.cells.direction, found.cells.lfc, seconds, further)


def _with_regions(adata: Any, model: Any, design: Any, scenario: Scenario) -> Any:
    """The test with other numbers of regions than the default ones."""
    number = {name: code for code, name in enumerate(design.samples)}
    return donor_abundance(
        model.features_,
        np.asarray(adata.obsm[STATES], dtype=float),
        adata.obs["sample"].astype(str).map(number).to_numpy(),
        design,
        settings=DonorAbundanceSettings(n_regions=scenario.n_regions),
    )


def find_peers(adata: Any, method: str, python: Path) -> Finding:
    """Another package in its environment, in a process that does one data set after the other.

    Parameters
    ----------
    adata
        Cells.
    method
        A key of `PEERS`.
    python
        Python of the environment with that package.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        adata.write_h5ad(folder / "cells.h5ad")
        task = {
            "method": method,
            "input": str(folder / "cells.h5ad"),
            "output": str(folder / "found.npz"),
            "states": STATES,
        }
        (folder / "task.json").write_text(json.dumps(task))
        worker(python, "abundance").do(folder / "task.json")
        with np.load(folder / "found.npz") as found:
            seconds = float(found["seconds"])
            return Finding(found["direction"], found["score"], seconds, {})
