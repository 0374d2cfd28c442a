"""Methods that run in environments of their own: PyDESeq2 and the original package."""

import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from calibration.outcome import Finding
from calibration.problem import CONDITIONS, Problem
from calibration.pseudobulk import bulks, combine
from worker import worker

NULL_GENES = 2000
LANDMARKS = 300
"""Of the original with samples: its array of landmarks^2 x genes takes 33 GB without a limit."""


def external_methods(
    *, deseq: Path | None = None, original: Path | None = None
) -> dict[str, Callable[..., Any]]:
    """Name to method, of those whose Python is given."""
    methods: dict[str, Callable[..., Any]] = {}
    if deseq is not None:
        methods["deseq clusters"] = partial(deseq_in, deseq, "clusters")
        methods["deseq branches"] = partial(deseq_in, deseq, "branches")
    if original is not None:
        methods["original"] = partial(original_finds, original, {})
        with_samples = {
            "sample_col": "sample",
            "null_genes": NULL_GENES,
            "n_landmarks": LANDMARKS,
        }
        methods["original with samples"] = partial(original_finds, original, with_samples)
    return methods


def deseq_in(python: Path, which: str, problem: Problem) -> Finding:
    """PyDESeq2 in clusters, combined by Simes.

    Parameters
    ----------
    python
        Of the environment with PyDESeq2.
    which
        "clusters" or "branches".
    problem
        Data set.
    """
    parts = list(bulks(problem, getattr(problem, which)))
    n_genes = problem.adata.n_vars
    if not parts:
        return Finding.of_p_values(np.full(n_genes, np.nan))
    arrays = {}
    for number, bulk in enumerate(parts):
        arrays[f"counts_{number}"] = bulk.counts
        arrays[f"condition_{number}"] = problem.condition[bulk.samples]
        arrays[f"donor_{number}"] = problem.donor[bulk.samples]
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "bulks.npz", Path(folder) / "p.npz"
        np.savez(given, **arrays)
        _child(
            python,
            "deseq",
            Path(folder),
            {"input": str(given), "output": str(found), "n_clusters": len(parts)},
        )
        with np.load(found) as p:
            values = [p[f"p_{number}"] for number in range(len(parts))]
    genes = [bulk.genes for bulk in parts]
    return Finding.of_p_values(combine(list(zip(genes, values, strict=True)), n_genes))


def original_finds(python: Path, options: dict[str, Any], problem: Problem) -> Finding:
    """The original package and its own rule, local false discovery rate below 0.05.

    Parameters
    ----------
    python
        Of the environment with the original.
    options
        Of its `compute_differential_expression`, beside the conditions.
    problem
        Data set.
    """
    with tempfile.TemporaryDirectory() as folder:
        given, found = Path(folder) / "data.h5ad", Path(folder) / "genes.csv"
        adata = problem.adata.copy()
        adata.var, adata.uns = adata.var[[]], {}
        adata.write_h5ad(given)
        arguments = {
            "groupby": "condition",
            "condition1": CONDITIONS[0],
            "condition2": CONDITIONS[1],
            "random_state": 0,
            "store_additional_stats": True,
            "progress": False,
            **options,
        }
        _child(
            python,
            "expression",
            Path(folder),
            {
                "input": str(given),
                "output": str(found),
                "options": arguments,
                "report": str(Path(folder) / "report.json"),
            },
        )
        table = pd.read_csv(found, index_col=0)
    p = _column(table, "mahalanobis_pvalue").to_numpy(dtype=float)
    return Finding(p, _column(table, "is_de").to_numpy(dtype=bool))


def _column(table: pd.DataFrame, part: str) -> pd.Series:
    """The one column with a part of its name."""
    names = [name for name in table.columns if part in name]
    if len(names) != 1:
        msg = f"The original wrote {list(table.columns)}; one with {part!r} was expected."
        raise ValueError(msg)
    return table[names[0]]


def _child(python: Path, script: str, folder: Path, task: dict[str, Any]) -> None:
    """Have a script of `benchmarks/children` done by a Python."""
    path = folder / "task.json"
    path.write_text(json.dumps(task))
    worker(python, script).do(path)
