"""Whole analyses of simulated cells, without reading or writing files."""

from collections.abc import Callable
from typing import Any, ClassVar

import kompot
from kompot.datasets import simulate

QUESTION = ("condition", "control", "treated")


class _Analysis:
    """Cells of eight donors: 2,000 and 10,000, without and with samples."""

    params: ClassVar[Any] = ([2_000, 10_000], [None, "sample"])
    param_names: ClassVar[Any] = ["cells", "sample_col"]
    timeout = 300
    n_genes: ClassVar[int]
    analyse: ClassVar[Callable[..., Any]]

    def setup(self, n_cells: int, sample_col: str | None) -> None:
        """Simulate."""
        self.adata = simulate(n_cells=n_cells, n_genes=self.n_genes, n_donors=4, random_state=0)
        if sample_col is None:
            del self.adata.obs["sample"], self.adata.obs["donor"]  # else it warns of donors

    def run(self, sample_col: str | None) -> None:
        """Analyse; the data stay as they were."""
        type(self).analyse(
            self.adata,
            *QUESTION,
            sample_col=sample_col,
            inplace=False,
            return_full_results=True,
            progress=False,
        )


class Expression(_Analysis):
    """Differential expression of 1,000 genes."""

    n_genes = 1000
    analyse = staticmethod(kompot.compute_differential_expression)

    def time_expression(self, _n_cells: int, sample_col: str | None) -> None:
        """Wall time."""
        self.run(sample_col)

    def peakmem_expression(self, _n_cells: int, sample_col: str | None) -> None:
        """Peak memory, with the data."""
        self.run(sample_col)


class Abundance(_Analysis):
    """Differential abundance of cells in ten dimensions."""

    n_genes = 2
    analyse = staticmethod(kompot.compute_differential_abundance)

    def time_abundance(self, _n_cells: int, sample_col: str | None) -> None:
        """Wall time."""
        self.run(sample_col)

    def peakmem_abundance(self, _n_cells: int, sample_col: str | None) -> None:
        """Peak memory, with the data."""
        self.run(sample_col)


def timeraw_import() -> str:
    """Time until an analysis could begin, in a fresh interpreter."""
    return "from kompot import compute_differential_expression"
