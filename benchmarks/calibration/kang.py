"""Real donors: interferon-beta on blood cells of two donors, each with and without it.

Kang et al. 2018, *Nature Biotechnology* 36, 89. The response to interferon is known, so that genes
of it must be found. Two donors allow no null of donors: there is nobody to compare within a
condition. Their cells divided at random are one of cells: nothing differs, whatever the donors do.
"""

from pathlib import Path

import anndata
import numpy as np
from calibration.methods import donor_level
from calibration.outcome import Finding
from calibration.problem import Problem, ask, thin
from calibration.pseudobulk import limma_voom
from report import table

from kompot import threads

CONDITIONS = ("ctrl", "stim")
WANTED = 25
EMBEDDING = "DM_EigenVectors"
DIVISIONS = 40
INTERFERON = [
    "ISG15", "IFI6", "ISG20", "IFIT1", "IFIT2", "IFIT3", "MX1", "LY6E", "OAS1", "RSAD2", "IRF7",
    "CXCL10", "PLSCR1", "TNFSF10", "UBE2L6", "OASL", "HERC5", "IFI35", "IFI44L", "IFI44",
    "IFITM3", "EPSTI1", "MX2", "SAMD9L", "SP110", "STAT1", "XAF1", "BST2",
]  # fmt: skip


def kang(path: Path) -> str:
    """Table of how many interferon genes each method finds."""
    adata = anndata.read_h5ad(path)
    present = [name for name in INTERFERON if name in adata.var_names]
    lines = []
    with threads.limited(1):
        for title, paired in (("paired by donor", True), ("as if unpaired", False)):
            problem = ask(adata, conditions=CONDITIONS, paired=paired)
            types = adata.obs["cell_type"].astype("category").cat.codes.to_numpy().astype(np.intp)
            findings = {
                "**kompot, donor level**": donor_level(problem),
                "limma-voom, 12 clusters": _voom(problem, problem.clusters),
                "limma-voom, cell types": _voom(problem, types),
                "limma-voom, whole samples": _voom(problem, np.zeros_like(types)),
            }
            for name, finding in findings.items():
                lines.append([f"{name}, {title}", *_cells(finding, problem, present)])
    header = ("method", f"interferon genes called, of {len(present)}", "missed", "median rank")
    recognised = len(np.unique(ask(adata, conditions=CONDITIONS).donor))
    note = (
        f"{recognised} donors, each in both conditions: recognised as paired. At least {WANTED} "
        "interferon genes are expected. One degree of freedom per gene (two unpaired): how many of "
        "the other calls are right cannot be known.\n"
    )
    return "\n".join([note, table((*header, f"all called, of {adata.n_vars}"), lines)])


def divided(path: Path) -> str:
    """Table of what each method calls when the cells of every sample are divided at random."""
    adata = anndata.read_h5ad(path)
    types = adata.obs["cell_type"].astype("category").cat.codes.to_numpy().astype(np.intp)
    lines = []
    with threads.limited(1):
        for title, column, kept in (
            ("2 pairs", "donor", 1.0),
            ("4 pairs", "sample", 1.0),
            ("4 pairs, half the depth", "sample", 0.5),
        ):
            found: dict[str, list[Finding]] = {}
            for seed in range(DIVISIONS):
                problem = _divide(adata, column, seed, kept)
                findings = {
                    "**kompot, donor level**": donor_level(problem),
                    "limma-voom, 12 clusters": _voom(problem, problem.clusters),
                    "limma-voom, cell types": _voom(problem, types),
                    "limma-voom, whole samples": _voom(problem, np.zeros_like(types)),
                }
                for name, finding in findings.items():
                    found.setdefault(name, []).append(finding)
            lines += [[title, name, *_null_cells(findings)] for name, findings in found.items()]
    return table(("data", "method", "p < .05", "p < .001", "any hit", "smallest p"), lines)


def _divide(adata: anndata.AnnData, column: str, seed: int, kept: float = 1.0) -> Problem:
    """Halves of each donor, or of each of its samples, as pairs; B keeps a share of its counts."""
    rng = np.random.default_rng(seed)
    half = np.where(rng.random(adata.n_obs) < 0.5, "A", "B")
    whole = adata.obs[column].astype(str).to_numpy()
    halves = anndata.AnnData(adata.X, obsm={EMBEDDING: adata.obsm[EMBEDDING]}, var=adata.var)
    halves.layers["counts"] = adata.layers["counts"]
    halves.obs = halves.obs.assign(
        condition=half, donor=whole, sample=[f"{a}_{b}" for a, b in zip(whole, half, strict=True)]
    )
    if kept < 1.0:
        thin(halves, np.where(half == "B", kept, 1.0), rng)
    return ask(halves, conditions=("A", "B"), paired=True)


def _null_cells(findings: list[Finding]) -> list[str]:
    p = np.array([finding.p for finding in findings])
    tested = ~np.isnan(p)
    hits = sum(bool(finding.called.any()) for finding in findings)
    return [
        f"{(p < 0.05).sum() / tested.sum():.3f}",
        f"{(p < 0.001).sum() / tested.sum():.4f}",
        f"{hits} of {len(findings)}",
        f"{np.nanmin(p):.1g}",
    ]


def _voom(problem: Problem, clusters: np.ndarray) -> Finding:
    return Finding.of_p_values(limma_voom(problem, clusters))


def _cells(finding: Finding, problem: Problem, present: list[str]) -> list[object]:
    names = problem.adata.var_names
    places = names.get_indexer(present)
    called = finding.called[places]
    order = np.where(np.isnan(finding.p), np.inf, finding.p)
    rank = 1 + np.argsort(np.argsort(order))[places]
    missed = " ".join(np.array(present)[~called]) or "none"
    return [int(called.sum()), missed, f"{np.median(rank):g}", int(finding.called.sum())]
