"""What a run with given functions, or with functions fitted apart, reads from the data."""

from dataclasses import dataclass, replace

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot.anndata.cell_choice import CellChoice, choose_cells
from kompot.anndata.chunks import ExpressionRows
from kompot.anndata.expression_inputs import ExpressionInputs
from kompot.anndata.expression_samples import refuse_without_samples
from kompot.anndata.inputs import Cells, read_abundance_change, read_cells, read_expression
from kompot.anndata.landmarks import known_landmarks
from kompot.anndata.null_inputs import NullInputs, read_null
from kompot.models.given_expression import GivenExpression, given_expression
from kompot.records.expression_fields import ExpressionFields
from kompot.records.fields import Field
from kompot.settings import ExpressionSettings
from kompot.settings.checks import SEPARATE

__all__ = ["GivenInputs", "needs_given_run", "read_given_inputs"]


@dataclass(frozen=True)
class GivenInputs:
    """Cells, genes and functions of a run.

    Attributes
    ----------
    inputs
        Cells and genes.
    model
        The functions; None if they are yet to be fitted, each to its own cells.
    """

    inputs: ExpressionInputs
    model: GivenExpression | None

    @property
    def has_null(self) -> bool:
        """Whether some genes are known not to differ."""
        if self.model is None:
            return self.inputs.null.choice is not None
        return self.model.null is not None

    @property
    def has_distances(self) -> bool:
        """Whether covariances of the functions are known."""
        return self.model is None or self.model.has_distances

    @property
    def has_variances(self) -> bool:
        """Whether any variance is known of both conditions."""
        return self.model is None or self.model.has_variances

    @property
    def is_varied(self) -> bool:
        """Whether variances are those of each gene."""
        return self.model is not None and self.model.is_varied

    def settled(self, settings: ExpressionSettings) -> ExpressionSettings:
        """Options of the run, without distances if there can be none."""
        if self.has_distances or not settings.output.compute_mahalanobis:
            return settings
        return replace(settings, output=replace(settings.output, compute_mahalanobis=False))

    def fields(self, settings: ExpressionSettings) -> ExpressionFields:
        """Names of all that the run could write."""
        names = settings.storage.result_key, *settings.comparison.conditions
        return ExpressionFields(*names, with_samples=self.is_varied)

    def wanted(self, settings: ExpressionSettings) -> list[Field]:
        """Fields that the run writes."""
        fields = self.fields(settings)
        has_fdr = self.has_null and settings.output.compute_mahalanobis
        left_out = [fields.ptp, fields.of_groups(fields.ptp)]
        if not self.has_variances:
            left_out += [fields.zscores, fields.std1, fields.std2]
        if not self.has_distances:
            left_out += [fields.covariance]
        has_groups = self.inputs.choice.groups is not None
        stored = fields.written(settings, has_fdr=has_fdr, has_groups=has_groups)
        return [field for field in stored if field not in left_out]


def needs_given_run(settings: ExpressionSettings) -> bool:
    """Whether functions are given, or fitted apart, so that they share no features."""
    return bool(settings.model.names) or settings.gp.param_scheme == SEPARATE


def read_given_inputs(adata: AnnData, settings: ExpressionSettings) -> GivenInputs:
    """Cells, genes and functions, all checked.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be used, before anything is computed but a few cells' expression.
    """
    comparison, gp = settings.comparison, settings.gp
    if comparison.sample_col is not None:
        msg = (
            "`sample_col` needs expression of samples, but functions were given: leave it out, and "
            "give `variance_predictor1` and `variance_predictor2` for the variance between samples."
        )
        if not settings.model.names:
            msg = (
                "`sample_col` needs features that both conditions share, which "
                "param_scheme='separate' does not have; use another scheme."
            )
        raise ValueError(msg)
    refuse_without_samples(settings)
    choice = choose_cells(adata, comparison, settings.filter)
    cells = read_cells(adata, comparison, choice.excluded)
    tested = read_expression(adata, cells, comparison)
    if not settings.model.names:
        return GivenInputs(_to_be_fitted(adata, settings, choice, cells, tested), None)
    columns = np.arange(adata.n_vars) if tested.genes is None else tested.genes
    null = _null_columns(settings, columns)
    given = gp.landmarks if gp.landmarks is not None else "draw"
    landmarks, source = known_landmarks(
        adata, given, (), cells.n_dims, settings.comparison.obsm_key
    )
    model = given_expression(
        settings.model,
        eps=gp.eps,
        batch_size=gp.batch_size,
        landmarks=landmarks,
        genes=None if null is None else np.setdiff1d(np.arange(len(columns)), null),
        null=null,
    )
    if model is None:
        msg = "There are no functions: give `model1` and `model2`, or function predictors."
        raise ValueError(msg)
    n_given = model.values(cells.states[:1])[0].shape[1]
    if n_given != len(columns):
        msg = (
            f"The functions give {n_given} genes but {len(columns)} are tested; list those that "
            "they were fitted on in `genes`."
        )
        raise ValueError(msg)
    genes = tested.genes if model.genes is None else columns[model.genes]
    kept = columns if genes is None else genes
    inputs = ExpressionInputs(
        choice,
        cells,
        replace(tested, genes=genes),
        adata.var_names[kept],
        landmarks,
        source,
        read_abundance_change(adata, comparison, cells.rows),
        NullInputs(null),
        None,
    )
    return GivenInputs(inputs, model)


def _to_be_fitted(
    adata: AnnData,
    settings: ExpressionSettings,
    choice: CellChoice,
    cells: Cells,
    tested: ExpressionRows,
) -> ExpressionInputs:
    """What functions of both conditions are fitted to apart (``param_scheme="separate"``)."""
    null = read_null(settings, cells, adata.n_vars, donor_level=False)
    if null.expression is not None or len(null.distances):
        msg = (
            "`null_expression` and `null_mahalanobis` cannot be used with "
            "param_scheme='separate'; give `null_genes`, or another scheme."
        )
        raise ValueError(msg)
    keys = (settings.storage.result_key, "kompot_de", "kompot_da")
    landmarks, source = known_landmarks(
        adata, settings.gp.landmarks, keys, cells.n_dims, settings.comparison.obsm_key
    )
    change = read_abundance_change(adata, settings.comparison, cells.rows)
    names = adata.var_names if tested.genes is None else adata.var_names[tested.genes]
    return ExpressionInputs(choice, cells, tested, names, landmarks, source, change, null, None)


def _null_columns(
    settings: ExpressionSettings, columns: NDArray[np.intp]
) -> NDArray[np.intp] | None:
    """Places of the null genes among the functions' columns; None for none.

    Raises
    ------
    ValueError
        If genes would have to be shuffled and fitted, or a column is not tested.
    """
    fdr = settings.fdr
    if fdr.null_expression is not None or fdr.null_mahalanobis is not None:
        name = "null_mahalanobis" if fdr.null_expression is None else "null_expression"
        msg = f"`{name}` cannot be used with given functions; list null columns in `null_genes`."
        raise ValueError(msg)
    chosen = fdr.null_genes
    if chosen is None or (np.ndim(chosen) == 0 and int(chosen) == 0):
        return None
    if np.ndim(chosen) == 0:
        msg = (
            f"`null_genes={chosen}` would shuffle genes and fit them, but functions were given. "
            "Fit shuffled genes together with the others and list their columns, "
            "null_genes=[...], or give null_genes=None."
        )
        raise ValueError(msg)
    listed = np.unique(np.asarray(chosen, dtype=np.intp))
    outside = np.setdiff1d(listed, columns)
    if len(outside) or len(listed) == len(columns):
        msg = (
            "`null_genes` must list some of the columns that are tested, not all; "
            f"{len(outside)} of {len(listed)} are not among them: {outside[:5].tolist()}."
        )
        raise ValueError(msg)
    return np.flatnonzero(np.isin(columns, listed)) if len(listed) else None
