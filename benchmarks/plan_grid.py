"""The configurations that dry runs are compared with."""

from dataclasses import dataclass, field
from typing import Any

__all__ = ["ROWS", "Row"]

NONE: dict[str, Any] = {"layers": "none"}
FACTORED: dict[str, Any] = {"layers": "factored"}
FILES: dict[str, Any] = {"store_arrays_on_disk": True}
SAMPLES: dict[str, Any] = {"sample_col": "sample"}
GROUPS: dict[str, Any] = {"groups": "group"}
NO_NULL: dict[str, Any] = {"null_genes": 0}
SEPARATE: dict[str, Any] = {"param_scheme": "separate"}
LABELS: dict[str, Any] = {"ratio": "labels"}


@dataclass(frozen=True)
class Row:
    """One configuration.

    Attributes
    ----------
    cells, genes
        Of the data.
    density
        Share of values that are not zero; 1 for a dense matrix.
    options
        Of the run.
    data
        ``"rows"`` (CSR in memory), ``"columns"`` (CSC), ``"backed"`` (CSR in an h5ad file) or
        ``"backed columns"``.
    is_given
        Whether the functions of the conditions are fitted before, and given.
    analysis
        ``"de"`` or ``"da"``.
    samples
        Samples of the data.
    """

    cells: int
    genes: int
    density: float = 0.1
    options: dict[str, Any] = field(default_factory=dict)
    data: str = "rows"
    is_given: bool = False
    analysis: str = "de"
    samples: int = 6

    @property
    def size(self) -> str:
        """Cells and genes, in words."""
        if self.analysis == "da":
            return f"{self.cells:,} (abundance)"
        return f"{self.cells:,} x {self.genes:,}"

    @property
    def described(self) -> str:
        """Data and options, in words."""
        kinds = {"rows": "", "columns": "CSC", "backed": "backed", "backed columns": "backed, CSC"}
        data = "dense" if self.density >= 1.0 else kinds[self.data]
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items())
        given = "models given" if self.is_given else ""
        return "; ".join(one for one in (data, given, f"`{options}`" if options else "") if one)


def _abundance(cells: int, options: dict[str, Any]) -> Row:
    return Row(cells, 10, 0.5, options, analysis="da", samples=8)


ROWS: tuple[Row, ...] = (
    Row(2_000, 200),
    Row(2_000, 200, 0.1, NONE | NO_NULL),
    Row(2_000, 2_000),
    Row(2_000, 20_000, 0.1, NONE),
    Row(2_000, 20_000, 0.1, FACTORED),
    Row(2_000, 20_000),
    Row(2_000, 20_000, 0.1, FILES),
    Row(5_000, 5_000, 0.1, SAMPLES),
    Row(5_000, 5_000, 0.1, SAMPLES | FILES),
    Row(5_000, 5_000, 0.1, SAMPLES | FACTORED),
    Row(5_000, 10_000, 0.1, SAMPLES | NONE),
    Row(5_000, 5_000, 0.1, GROUPS),
    Row(5_000, 20_000, 0.1, GROUPS | NONE),
    Row(5_000, 5_000, 0.1, {"store_additional_stats": True, "batch_size": 0}),
    Row(5_000, 2_000, 0.1, NONE | {"use_empirical_variance": True}),
    Row(3_000, 1_000, 0.1, {"store_posterior_covariance": True}),
    Row(10_000, 2_000, 0.1, {"genes": 500}),
    Row(10_000, 2_000, 1.0),
    Row(10_000, 2_000, 0.1, SAMPLES | {"significance": "cell"}),
    Row(10_000, 10_000),
    Row(10_000, 10_000, 0.1, FACTORED | NO_NULL),
    Row(20_000, 10_000, 0.05, NONE),
    Row(20_000, 2_000, 0.3, NONE),
    Row(20_000, 5_000, 0.05, FILES),
    Row(50_000, 2_000, 0.1, NONE | NO_NULL),
    Row(50_000, 2_000, 0.1, NONE),
    Row(50_000, 2_000, 0.1, SAMPLES | GROUPS | NONE),
    Row(50_000, 4_000, 0.05),
    Row(100_000, 1_000, 0.1, FACTORED),
    Row(100_000, 2_000, 0.05),
    Row(10_000, 2_000, 0.1, data="columns"),
    Row(20_000, 5_000, 0.1, NONE, data="columns"),
    Row(5_000, 2_000, 0.1, SEPARATE),
    Row(10_000, 5_000, 0.1, SEPARATE | NONE | GROUPS),
    Row(5_000, 2_000, is_given=True, options=NO_NULL),
    Row(10_000, 5_000, is_given=True, options=NO_NULL | NONE),
    Row(10_000, 2_000, data="backed"),
    Row(20_000, 5_000, 0.1, NONE, data="backed"),
    Row(10_000, 5_000, 0.1, SAMPLES | FACTORED, data="backed"),
    Row(10_000, 5_000, 0.1, NONE, data="backed columns"),
    _abundance(2_000, {}),
    _abundance(20_000, {}),
    _abundance(20_000, SAMPLES | GROUPS),
    _abundance(100_000, {"n_landmarks": 1000}),
    _abundance(5_000, LABELS),
    _abundance(20_000, LABELS),
    _abundance(20_000, LABELS | SAMPLES),
)
"""Numbered from 1 in the report."""
