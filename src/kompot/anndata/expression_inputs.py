"""What a differential-expression run reads from the data, all checked."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from kompot.anndata.background_genes import BackgroundRows, with_background
from kompot.anndata.cell_choice import CellChoice, choose_cells
from kompot.anndata.chunks import ExpressionRows
from kompot.anndata.expression_samples import ExpressionSamples, read_expression_samples
from kompot.anndata.inputs import (
    Cells,
    read_abundance_change,
    read_cells,
    read_expression,
)
from kompot.anndata.landmarks import known_landmarks
from kompot.anndata.null_inputs import NullInputs, read_null
from kompot.records.expression_fields import ExpressionFields
from kompot.records.fields import Field
from kompot.settings import ExpressionSettings

__all__ = ["ExpressionInputs", "read_inputs"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class ExpressionInputs:
    """Cells, genes and landmarks of a run.

    Attributes
    ----------
    choice
        Groups of cells and cells left out.
    cells
        The cells compared.
    expression
        Their expression in the genes tested.
    gene_names
        Names of these genes.
    landmarks
        Landmarks to use, ``(n_landmarks, n_dims)``; None to draw them.
    landmarks_source
        Where they come from.
    abundance_change
        Log density ratio of the cells, ``(n_cells,)``; None if not asked for.
    null
        What distances are judged against.
    samples
        Samples of the cells; None if no column was given.
    beside
        Expression in these genes and in others beside them, in which samples are compared; None for
        these only.
    """

    choice: CellChoice
    cells: Cells
    expression: ExpressionRows
    gene_names: pd.Index
    landmarks: Array | None
    landmarks_source: str
    abundance_change: Array | None
    null: NullInputs
    samples: ExpressionSamples | None
    beside: BackgroundRows | None = None

    def by_rows(self) -> "ExpressionInputs":
        """The same with expression that is stored by columns turned to rows, once."""
        return replace(self, expression=self.expression.by_rows())

    def with_background(self) -> "ExpressionInputs":
        """The same with genes beside the chosen ones, if samples are compared."""
        if not self.donor_level:
            return self
        return replace(self, beside=with_background(self.expression, self.cells.states))

    @property
    def donor_level(self) -> bool:
        """Whether samples are compared, so that significance speaks of new donors."""
        return self.samples is not None and self.samples.design is not None

    def fields(self, settings: ExpressionSettings) -> ExpressionFields:
        """Names of all that the run could write."""
        return ExpressionFields(
            settings.storage.result_key,
            *settings.comparison.conditions,
            with_samples=self.samples is not None,
            donor_level=self.donor_level,
            with_noise=settings.gp.use_empirical_variance,
        )

    def wanted(self, settings: ExpressionSettings) -> list[Field]:
        """Fields that the run writes."""
        return self.fields(settings).written(
            settings,
            has_fdr=self.donor_level or self.null.exists,
            has_groups=self.choice.groups is not None,
        )


def read_inputs(adata: AnnData, settings: ExpressionSettings) -> ExpressionInputs:
    """Read and check all but the values of the expression.

    Raises
    ------
    ValueError, TypeError
        If something is missing or cannot be used.
    """
    comparison = settings.comparison
    choice = choose_cells(adata, comparison, settings.filter)
    cells = read_cells(adata, comparison, choice.excluded)
    expression = read_expression(adata, cells, comparison)
    names = adata.var_names if expression.genes is None else adata.var_names[expression.genes]
    keys = (settings.storage.result_key, "kompot_de", "kompot_da")
    landmarks, source = known_landmarks(
        adata, settings.gp.landmarks, keys, cells.n_dims, settings.comparison.obsm_key
    )
    samples = read_expression_samples(adata, cells, settings, choice.groups)
    donor_level = samples is not None and samples.design is not None
    return ExpressionInputs(
        choice,
        cells,
        expression,
        names,
        landmarks,
        source,
        read_abundance_change(adata, comparison, cells.rows),
        read_null(settings, cells, adata.n_vars, donor_level=donor_level),
        samples,
    )
