"""The methods and the data sets of the side-by-side benchmark."""

from dataclasses import dataclass

KINDS = {"expression": "Differential expression", "abundance": "Differential abundance"}
OURS = "kompot-donor"


@dataclass(frozen=True)
class Method:
    """One way to analyse.

    Attributes
    ----------
    key
        For the command line and the records.
    kind
        "expression" or "abundance".
    title
        In tables and figures.
    package
        Whose environment it runs in.
    text
        What it does and how it ranks and calls.
    """

    key: str
    kind: str
    title: str
    package: str
    text: str


@dataclass(frozen=True)
class Problem:
    """Data sets that differ in their seeds only.

    Attributes
    ----------
    key
        For the command line and the records.
    kind
        "expression" or "abundance".
    n_cells
        0 for the blood cells.
    n_genes
        Of expression.
    repeats
        Data sets, or runs on the one there is.
    seconds
        That one process may take.
    """

    key: str
    kind: str
    n_cells: int
    n_genes: int
    repeats: int
    seconds: float

    @property
    def is_real(self) -> bool:
        """Whether these are the blood cells."""
        return self.n_cells == 0

    @property
    def title(self) -> str:
        """In tables."""
        return "`kang_ifnb.h5ad`" if self.is_real else f"{self.n_cells:,} cells"


def _problems() -> tuple[Problem, ...]:
    sizes = {
        "tiny": (1_600, 100, 1, 600),
        "10k": (10_000, 1000, 5, 600),
        "kang": (0, 0, 3, 600),
        "50k": (50_000, 1000, 3, 900),
        "200k": (200_000, 1000, 1, 900),
    }
    return tuple(
        Problem(f"{kind}-{name}", kind, *numbers)
        for name, numbers in sizes.items()
        for kind in KINDS
    )


PROBLEMS = {problem.key: problem for problem in _problems()}
"""The tiny ones are for trials, and run once before a method is timed."""


METHODS = {
    (method.kind, method.key): method
    for method in (
        Method(
            OURS, "expression", "kompot, donor level", "kompot",
            "`sample_col`; ranked by the p-value, called by `is_de`.",
        ),
        Method(
            "kompot-cell", "expression", "kompot, cell level", "kompot",
            "Defaults without samples; ranked by the distance, called by `is_de`: about these "
            "cells, not about new donors.",
        ),
        Method(
            "original-cell", "expression", "original 0.8.0, cell level", "original",
            "The same call of the original.",
        ),
        Method(
            "original-samples", "expression", "original 0.8.0, samples", "original",
            "`sample_col`, at defaults; run only if its own dry run says that memory is enough.",
        ),
        Method(
            "original-limited", "expression", "original 0.8.0, samples, 300 landmarks", "original",
            "`sample_col`, `n_landmarks=300`, and `null_genes=2000` because it calls no genes "
            "otherwise.",
        ),
        Method(
            "deseq-samples", "expression", "PyDESeq2, whole samples", "deseq",
            "Sums of counts per sample, Wald test, Benjamini-Hochberg. In one process, which took "
            "half the processor time of two.",
        ),
        Method(
            "deseq-clusters", "expression", "PyDESeq2, clusters", "deseq",
            "The same in each cluster, Simes over clusters, Benjamini-Hochberg over genes.",
        ),
        Method(
            "voom-samples", "expression", "limma-voom, whole samples", "kompot",
            "As PyDESeq2, by limma-voom written from its papers "
            "(`benchmarks/calibration/voom.py`).",
        ),
        Method(
            "voom-clusters", "expression", "limma-voom, clusters", "kompot",
            "The same in each cluster.",
        ),
        Method(
            "lemur", "expression", "LEMUR", "lemur",
            "pyLemur: 15 dimensions, aligned by Harmony; ranked by the absolute mean over cells of "
            "the predicted difference, which ranked best of five summaries tried (mean, root mean "
            "square, maximum, two scaled). The Python package has no test, so it calls nothing.",
        ),
        Method(
            "memento", "expression", "memento", "memento",
            "`binary_test_1d`, p-values of the mean, Benjamini-Hochberg; donors as `replicates` "
            "where they are in both conditions. Genes that it leaves out rank last.",
        ),
        Method(
            OURS, "abundance", "kompot, donor level", "kompot",
            "`sample_col`; ranked by `donor_lfc`, called by `donor_direction`.",
        ),
        Method(
            "kompot-median", "abundance", "kompot, donor level, median reference", "kompot",
            "The same with `reference=\"median\"`: changes beyond that of the median cell, so "
            "that others do not rise because some were removed.",
        ),
        Method(
            "kompot-cell", "abundance", "kompot, cell level", "kompot",
            "Defaults without samples; ranked by the log fold change, called by its direction "
            "(change at least e-fold): about these cells, not about new donors.",
        ),
        Method(
            "kompot-labels", "abundance", "kompot, cell level, labels", "kompot",
            "The same with `ratio=\"labels\"`.",
        ),
        Method(
            "original-cell", "abundance", "original 0.8.0, cell level", "original",
            "The same call of the original.",
        ),
        Method(
            "original-samples", "abundance", "original 0.8.0, samples", "original",
            "`sample_col`; ranked by its z-score, called by its direction.",
        ),
        Method(
            "mellon", "abundance", "Mellon", "mellon",
            "One density for each condition at defaults; ranked by the difference of their logs. "
            "Calls nothing. A peer of densities only, therefore not among those of expression.",
        ),
        Method(
            "milo", "abundance", "Milo", "milo",
            "pertpy, 30 neighbours, PyDESeq2 as its solver; a cell has the mean log fold change of "
            "the neighbourhoods that hold it, and is called by those with spatial FDR below 5 %.",
        ),
        Method(
            "meld", "abundance", "MELD", "meld",
            "Ranked by the normalised likelihood of the treated. Calls nothing.",
        ),
        Method(
            "cna", "abundance", "CNA", "cna",
            "15 neighbours; ranked by the neighbourhood coefficient, called at its FDR of 5 % if "
            "the global p-value is below 5 %. Pairs are no pairs here.",
        ),
    )
}  # fmt: skip


def methods_of(kind: str) -> list[Method]:
    """Methods in the order of the tables."""
    return [method for method in METHODS.values() if method.kind == kind]
