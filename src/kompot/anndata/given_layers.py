"""What given functions say about each cell, ready to be written."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot.anndata.expression_inputs import ExpressionInputs
from kompot.anndata.inputs import read_states
from kompot.anndata.layer_store import DenseLayer
from kompot.gp.linalg import row_slices
from kompot.models.array_store import ArrayStore
from kompot.models.given_expression import GivenExpression
from kompot.progress import bar
from kompot.records.expression_fields import ExpressionFields
from kompot.records.fields import Field
from kompot.settings import ExpressionSettings
from kompot.stats.fold_change import fold_change_zscores

__all__ = ["given_cell_values", "refuse_factored"]

Outputs = dict[str, Callable[[slice, NDArray[Any]], None]]


def given_cell_values(  # noqa: PLR0917
    adata: AnnData,
    fields: ExpressionFields,
    wanted: list[Field],
    model: GivenExpression,
    inputs: ExpressionInputs,
    settings: ExpressionSettings,
    store: ArrayStore | None = None,
) -> dict[Field, NDArray[Any]]:
    """Layers (float32), columns of ``obs`` and the covariance, for every cell of the data.

    Cells that were left out have none (NaN); the covariance is zero for these and for cells of
    other conditions.
    """
    names = {
        "condition1_imputed": fields.imputed1,
        "condition2_imputed": fields.imputed2,
        "fold_change": fields.fold_change,
        "fold_change_zscores": fields.zscores,
        "condition1_std": fields.std1,
        "condition2_std": fields.std2,
    }
    names = {part: field for part, field in names.items() if field in wanted}
    columns = {
        part: np.empty(adata.n_obs) for part, field in names.items() if field.location == "obs"
    }
    outputs: Outputs = {part: column.__setitem__ for part, column in columns.items()}
    values: dict[Field, NDArray[Any]] = {names[part]: column for part, column in columns.items()}
    with ExitStack() as stack:
        layers = {
            part: stack.enter_context(DenseLayer(adata, field.name, inputs.expression.genes, store))
            for part, field in names.items()
            if field.location == "layers"
        }
        outputs |= {part: layer.write for part, layer in layers.items()}
        if outputs:
            _fill(outputs, adata, model, inputs, settings)
        values |= {names[part]: layer.finished() for part, layer in layers.items()}
    if fields.covariance in wanted:
        rows = inputs.cells.rows
        covariance = np.zeros((adata.n_obs, adata.n_obs))
        covariance[np.ix_(rows, rows)] = model.covariance(inputs.cells.states)
        values[fields.covariance] = covariance
    return values


def refuse_factored(settings: ExpressionSettings) -> None:
    """Refuse forms of layers that need features of the functions.

    Raises
    ------
    ValueError
        If layers are to be anything but dense, or none.
    """
    if settings.storage.layers not in ("dense", "none"):
        msg = (
            f"`layers={settings.storage.layers!r}` needs fitted features that both conditions "
            "share; give layers='dense' or 'none'."
        )
        raise ValueError(msg)


def _fill(
    outputs: Outputs,
    adata: AnnData,
    model: GivenExpression,
    inputs: ExpressionInputs,
    settings: ExpressionSettings,
) -> None:
    """Evaluate the functions, a batch of cells at a time."""
    states = read_states(adata, settings.comparison.obsm_key)
    known = np.asarray(np.isfinite(states).all(axis=1))
    if inputs.choice.excluded is not None:
        known &= ~inputs.choice.excluded
    slices = list(row_slices(adata.n_obs, settings.gp.batch_size))
    wide = bool({"condition1_imputed", "fold_change"} & set(outputs)) or model.is_varied
    for rows in bar(slices, "predicting", "batch", shown=settings.output.progress):
        chosen = known[rows]
        part: dict[str, NDArray[Any]] = {}
        if chosen.any():
            part = model.predict_chunk(states[rows][chosen], genes=wide)
        if part and "fold_change_zscores" in outputs:
            part["fold_change_zscores"] = fold_change_zscores(
                part["fold_change"], part["condition1_std"], part["condition2_std"]
            )
        for name, write in outputs.items():
            width = (len(inputs.gene_names),) if _is_layer(name, model) else ()
            block = np.full((len(chosen), *width), np.nan)
            if part:
                block[chosen] = part[name]
            write(rows, block)


def _is_layer(part: str, model: GivenExpression) -> bool:
    """Whether a part has a value for each gene."""
    return not part.endswith("_std") or model.is_varied
