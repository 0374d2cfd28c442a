"""Real donors: interferon-beta on blood cells of two donors, each with and without it.

Kang et al. 2018, *Nature Biotechnology* 36, 89. The response to interferon is known, so that genes
of it must be found. Two donors allow no null of donors: there is nobody to compare within a
condition. Their cells divided at random are one of cells: nothing differs, whatever the donors do.
"""

import itertools
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
MIXED_SETS = 10
MIXED_SEED = 1000
EVENNESS = 20.0
"""Of shares of a cell type in samples (Dirichlet)."""
MIXTURES = ((0.0, 0.0), (0.7, 0.0), (0.0, 0.03), (0.0, 0.1), (0.7, 0.1), (0.7, 1.0), (1.5, 1.0))
"""Skews of the types' shares and shifts of the embedding."""
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


def mixed(path: Path) -> str:
    """Table of what is called when samples are made of cells of one condition, of unlike types."""
    adata = anndata.read_h5ad(path)
    lines = []
    with threads.limited(1):
        for (skew, shift), n in itertools.product(MIXTURES, (3, 8)):
            found: dict[str, list[Finding]] = {}
            for condition, seed in itertools.product(CONDITIONS, range(MIXED_SETS // 2)):
                cells = adata[(adata.obs["condition"] == condition).to_numpy()]
                problem = _mix(cells, n, seed, skew=skew, shift=shift)
                findings = {
                    "**kompot, donor level**": donor_level(problem),
                    "the same without mixtures": donor_level(problem, standardise=False),
                    "limma-voom, 12 clusters": _voom(problem, problem.clusters),
                    "limma-voom, whole samples": _voom(problem, np.zeros_like(problem.sample)),
                }
                for name, finding in findings.items():
                    found.setdefault(name, []).append(finding)
            title = f"{n}v{n}, odds x {np.exp(2 * skew):.0f}, shift {shift:g}"
            for name, findings in found.items():
                mean = np.mean([finding.called.sum() for finding in findings])
                below, _, hits, _ = _null_cells(findings)
                lines.append([title, name, below, hits, f"{mean:.1f}"])
    return table(("data", "method", "p < .05", "any hit", "mean hits"), lines)


def _mix(
    cells: anndata.AnnData, n_samples: int, seed: int, *, skew: float, shift: float
) -> Problem:
    """Cells at random in samples, types e^-skew to e^skew times as likely in condition B."""
    rng = np.random.default_rng(MIXED_SEED + seed)
    types, kind = np.unique(cells.obs["cell_type"].astype(str).to_numpy(), return_inverse=True)
    shares = rng.dirichlet(np.full(2 * n_samples, EVENNESS), size=len(types))
    shares[:, n_samples:] *= np.exp(rng.permutation(np.linspace(-skew, skew, len(types))))[:, None]
    shares /= shares.sum(axis=1, keepdims=True)
    sample = np.array([rng.choice(2 * n_samples, p=shares[k]) for k in kind])
    states = np.array(cells.obsm[EMBEDDING], dtype=float)
    states[sample >= n_samples, 0] += shift * states[:, 0].std()
    made = anndata.AnnData(cells.X, obsm={EMBEDDING: states}, var=cells.var)
    made.layers["counts"] = cells.layers["counts"]
    names = np.array([f"sample_{k:02d}" for k in range(2 * n_samples)])[sample]
    condition = np.where(sample < n_samples, "A", "B")
    made.obs = made.obs.assign(condition=condition, donor=names, sample=names)
    return ask(made, conditions=("A", "B"), paired=False)


def _null_cells(findings: list[Finding]) -> list[str]:
    p = np.array([finding.p for finding in findings])
    tested = ~np.isnan(p)
    if not tested.any():
        return ["", "", "nothing tested", ""]
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
