"""Factored layers written out as dense ones."""

from contextlib import ExitStack
from typing import Any

from anndata import AnnData

from kompot.anndata.layer_store import DenseLayer, store_of_layers
from kompot.anndata.writing import existing_fields, write_fields
from kompot.progress import bar
from kompot.records.factored import FactoredLayer, factored_layers, require_factors
from kompot.records.fields import Field
from kompot.records.history import HISTORY_KEYS, amended_history, field_mapping
from kompot.records.layers import factored_rows
from kompot.records.run_choice import find_run
from kompot.settings import StorageSettings

__all__ = ["densify"]


def densify(
    adata: AnnData,
    run_id: int = -1,
    result_key: str | None = None,
    *,
    analysis_type: str = "de",
    overwrite: bool = False,
    store_arrays_on_disk: bool | None = StorageSettings.store_arrays_on_disk,
    disk_storage_dir: str | None = StorageSettings.disk_storage_dir,
    max_memory_ratio: float = StorageSettings.max_memory_ratio,
    progress: bool = True,
) -> None:
    """Write the factored layers of a run to ``adata.layers``, as a dense run would have.

    All of them or, on any error, none. The factors stay; :func:`cleanup` removes them. The record
    of the run then names the layers, so that :class:`RunInfo` and :func:`cleanup` know them.
    :func:`get_layer` reads single cells or genes without this.

    Parameters
    ----------
    adata
        Data with a run with ``layers="factored"``; changed.
    run_id
        Number of the run from 0 among all runs, or from the end if negative.
    result_key
        Key of the run: only runs with this key count from the end.
    analysis_type
        ``"de"``, or another kind of analysis that stores factors.
    overwrite
        Whether layers of the same names are replaced.
    store_arrays_on_disk, disk_storage_dir, max_memory_ratio
        As for :func:`compute_differential_expression`.
    progress
        Show a progress bar.

    Raises
    ------
    ValueError
        If there is no such run, it has no factored layers, factors are missing or replaced by
        others, or layers of these names exist.
    MemoryError, OSError
        If the layers do not fit.

    Examples
    --------
    >>> kompot.densify(adata)  # doctest: +SKIP
    """
    storage = StorageSettings(
        store_arrays_on_disk=store_arrays_on_disk,
        disk_storage_dir=disk_storage_dir,
        max_memory_ratio=max_memory_ratio,
    )
    number, runs = find_run(adata, analysis_type, run_id, result_key=result_key)
    layers = _layers_of(adata, runs, number)
    _refuse_existing(adata, list(layers), overwrite=overwrite)
    store = store_of_layers(adata, len(layers), storage)
    values: dict[Field, Any] = {}
    with ExitStack() as stack:
        for field, layer in bar(layers.items(), "writing", "layer", len(layers), shown=progress):
            whole = stack.enter_context(DenseLayer(adata, field.name, None, store))
            for rows, block in factored_rows(adata, layer):
                whole.write(rows, block)
            values[field] = whole.finished()
    run = dict(runs[number])
    run["field_mapping"] = dict(run.get("field_mapping") or {}) | field_mapping(layers)
    names = {field.role: field.name for field in layers}
    run["field_names"] = dict(run.get("field_names") or {}) | names
    key = HISTORY_KEYS[analysis_type]
    history = amended_history(adata.uns[key], number, run, layers)
    write_fields(adata, values, {key: history})


def _layers_of(
    adata: AnnData, runs: list[dict[str, Any]], number: int
) -> dict[Field, FactoredLayer]:
    """Layers of a run that a dense one would have written, all of whose factors are there."""
    run = runs[number]
    found = {layer.field: layer for layer in factored_layers(run).values() if layer.is_written}
    if not found:
        msg = (
            f"Run {number} stored no factored layers. Only runs with layers='factored' have some; "
            "those of other runs are in adata.layers, or were not stored."
        )
        raise ValueError(msg)
    for layer in found.values():
        require_factors(adata, runs, number, layer)
    return found


def _refuse_existing(adata: AnnData, fields: list[Field], *, overwrite: bool) -> None:
    """Refuse to replace layers unless that is wanted."""
    existing = [field.name for field in existing_fields(adata, fields)]
    if existing and not overwrite:
        msg = f"adata.layers holds {existing} already; give overwrite=True to replace them."
        raise ValueError(msg)
