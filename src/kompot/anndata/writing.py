"""Writing results: all of them or none."""

import logging
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData, ImplicitModificationWarning
from numpy.typing import NDArray

from kompot.anndata.on_disk import as_frame, refuse_unwritable
from kompot.records.fields import Field
from kompot.records.history import recorded_runs
from kompot.records.parameters import flattened, stored_parameters
from kompot.records.recorded import field_owners, is_present, recorded_fields
from kompot.settings import (
    AbundanceSettings,
    ExpressionSettings,
    OutputSettings,
    SmoothingSettings,
)
from kompot.user_warnings import warn_user

log = logging.getLogger(__name__)

_FRAMES = ("obs", "var")
_SAME_RUN = (
    *("groupby", "condition", "condition1", "condition2", "obsm_key", "layer"),
    *("filter.cell_filter", "filter.check_representation"),
    *("filter.min_cells", "filter.min_percentage"),
)
"""Parameters by which a run is the same but for its samples, beside those of the fit (``gp.``)."""
_NO_MATTER = ("gp.batch_size", "gp.jit_compile", "gp.random_state", "gp.landmarks")
"""Those of the fit that change nothing, or that :func:`_are_drawn_alike` compares."""

_RESULTS = {
    "de": "Differential expression results",
    "da": "Results",
    "smooth": "Smoothed expression results",
}
"""What is found, as scripts look for it."""

ABUNDANCE_TABLES = ("groups", "donor_regions")
"""Tables in ``uns`` of a run of abundance, under its key."""

AnySettings = ExpressionSettings | AbundanceSettings | SmoothingSettings
Returned = dict[str, Any] | AnnData | tuple[dict[str, Any], AnnData] | None

__all__ = [
    "ABUNDANCE_TABLES",
    "Returned",
    "check_target",
    "existing_fields",
    "existing_tables",
    "finish",
    "refuse_overwrite",
    "spread_frame",
    "spread_genes",
    "write_fields",
]


def existing_fields(adata: AnnData, fields: Iterable[Field]) -> list[Field]:
    """Fields that the data hold already."""
    return [field for field in fields if field.name in getattr(adata, field.location)]


def check_target(
    adata: AnnData, fields: Iterable[Field], settings: AnySettings
) -> Mapping[str, Any] | None:
    """Refuse a run whose results could not be kept or would replace others, before any computing.

    Parameters
    ----------
    adata
        The data.
    fields
        What the run would write.
    settings
        Options of the run.

    Returns
    -------
    What :func:`refuse_overwrite` does; None if nothing is written.
    """
    if not settings.output.is_written:
        return None
    refuse_unwritable(adata, copy=settings.output.copy)
    return refuse_overwrite(adata, fields, settings)


def refuse_overwrite(
    adata: AnnData, fields: Iterable[Field], settings: AnySettings
) -> Mapping[str, Any] | None:
    """Apply the rule for results that exist: refuse (False), warn (None) or say nothing (True).

    With None, a run that only adds samples to an earlier one is logged and not warned of: what
    both write is the same. Colours in ``uns`` do not count.

    Parameters
    ----------
    adata
        The data.
    fields
        What a run would write.
    settings
        Options of the run, with the user's choice.

    Returns
    -------
    Parameters by dotted name of the earlier run to which this one only adds samples; None if there
    is none.

    Raises
    ------
    ValueError
        If fields exist and ``overwrite`` is False.
    """
    overwrite = settings.storage.overwrite
    existing = existing_fields(adata, (field for field in fields if field.location != "uns"))
    tables = existing_tables(adata, settings)
    if not existing and not tables:
        return None
    earlier = _earlier_run(adata, existing, settings)
    extended = None if earlier is None else _extended_by(earlier[1], settings)
    if overwrite:
        return extended
    names = [*(field.name for field in existing), *tables]
    listed = ", ".join(names[:5]) + (f" and {len(names) - 5} more fields" if len(names) > 5 else "")
    said = "" if earlier is None else f" {_in_words(*earlier)}"
    found = (
        f"{_RESULTS[_analysis_type(settings)]} with result_key={settings.storage.result_key!r} "
        f"already exist in the dataset. Fields that will be overwritten: {listed}.{said}"
    )
    if overwrite is False:
        msg = f"{found} Set overwrite=True to overwrite or use a different result_key."
        raise ValueError(msg)
    if extended is not None:
        log.info("%s Samples are added; what does not depend on them stays the same.", found)
    else:
        warn_user(f"{found} Give overwrite=True to say so, or another `result_key` to keep both.")
    return extended


def _earlier_run(
    adata: AnnData, existing: list[Field], settings: AnySettings
) -> tuple[int, dict[str, Any]] | None:
    """Number and record of the newest run that wrote any of some fields, if it can be read."""
    analysis_type = _analysis_type(settings)
    try:
        runs = recorded_runs(adata, analysis_type)
    except ValueError:  # said when the run is recorded
        return None
    owners = field_owners(runs)
    numbers = [owners.get((field.location, field.name), -1) for field in existing]
    newest = max(numbers, default=-1)
    return (newest, runs[newest]) if newest >= 0 else None


def existing_tables(adata: AnnData, settings: AnySettings) -> list[str]:
    """Tables of an earlier run of abundance, of which ``uns`` keeps one set for each key."""
    key = settings.storage.result_key
    stored = adata.uns.get(key) if isinstance(settings, AbundanceSettings) else None
    if not isinstance(stored, Mapping):
        return []
    try:
        runs = [run for run in recorded_runs(adata, "da") if run.get("result_key") == key]
    except ValueError:  # said when the run is recorded
        runs = []
    fields = (field for run in runs for field in recorded_fields(run) if field.location == "obs")
    if not any(is_present(adata, field) for field in fields):
        return []  # what is left of runs that were removed
    return [f"uns[{key!r}][{name!r}]" for name in ABUNDANCE_TABLES if name in stored]


def _in_words(number: int, run: Mapping[str, Any]) -> str:
    """A run, to be recognised."""
    labels = run.get("params") or {}
    what = f"comparing {labels.get('condition1')} to {labels.get('condition2')}"
    if run.get("analysis_type") == "smooth":
        what = f"smoothing {labels.get('condition') or 'all cells'}"
    return f"Previous run: run_id={number}, {run.get('timestamp')}, {what}."


def _extended_by(run: Mapping[str, Any], settings: AnySettings) -> dict[str, Any] | None:
    """Parameters of an earlier run that this one repeats with samples; None if it does not."""
    analysis_type = _analysis_type(settings)
    earlier = flattened(run.get("params") or {}, analysis_type)
    now = flattened(stored_parameters(settings)[0], analysis_type)
    # The original recorded fewer parameters.
    known = [*_SAME_RUN, *(name for name in now if name.startswith("gp."))]
    given = [name for name in (*earlier, *now) if name.startswith("gp.estimator.")]
    same = (
        all(earlier.get(n, now.get(n)) == now.get(n) for n in known if n not in _NO_MATTER)
        and all(earlier.get(name) == now.get(name) for name in given)
        and earlier.get("filter.groups") in (None, now.get("filter.groups"))
        and _are_drawn_alike(earlier, now, analysis_type)
    )
    added = earlier.get("sample_col") is None and now["sample_col"] is not None
    return earlier if same and added else None


def _are_drawn_alike(earlier: Mapping[str, Any], now: Mapping[str, Any], kind: str) -> bool:
    """Whether landmarks are drawn, and with one seed: but for abundance None takes the earlier."""
    seed, drawn = now.get("gp.random_state"), (None, "draw")
    same_seed = (seed is None and kind != "da") or earlier.get("gp.random_state", seed) == seed
    return same_seed and all(one.get("gp.landmarks") in drawn for one in (earlier, now))


def _analysis_type(settings: AnySettings) -> str:
    if isinstance(settings, SmoothingSettings):
        return "smooth"
    return "de" if isinstance(settings, ExpressionSettings) else "da"


def spread_genes(
    adata: AnnData, name: str, values: NDArray[Any], genes: NDArray[np.intp] | None
) -> NDArray[Any]:
    """A column of ``var``: new values for chosen genes, earlier ones or none for the others."""
    if genes is None:
        return values
    fill: Any = {"b": False, "O": ""}.get(values.dtype.kind, np.nan)
    if name in adata.var:
        column = _as_kind(as_frame(adata.var)[name], values.dtype, fill)
    else:
        column = np.full(adata.n_vars, fill, dtype=values.dtype)
    column[genes] = values
    return column


def _as_kind(column: pd.Series, dtype: np.dtype[Any], fill: Any) -> NDArray[Any]:
    """Earlier values as another kind, missing ones as `fill`: NaN is no True."""
    values = column.to_numpy(dtype=object, copy=True)
    values[column.isna().to_numpy()] = fill
    return values.astype(dtype)


def spread_frame(
    adata: AnnData, name: str, frame: pd.DataFrame, genes: NDArray[np.intp] | None
) -> pd.DataFrame:
    """A table of ``varm``: new rows for chosen genes, earlier ones or none for the others.

    Earlier rows are those of columns of the same name and kind.
    """
    if genes is None:
        return frame.set_axis(adata.var_names)
    earlier = adata.varm.get(name)
    known = earlier if isinstance(earlier, pd.DataFrame) else pd.DataFrame(index=adata.var_names)
    columns = {}
    for group in frame.columns:
        values = frame[group].to_numpy()
        fill = False if values.dtype == bool else np.nan
        column = np.full(adata.n_vars, fill, dtype=values.dtype)
        if group in known:
            column = _as_kind(known[group], values.dtype, fill)
        column[genes] = values
        columns[group] = column
    return pd.DataFrame(columns, index=adata.var_names)


def write_fields(
    adata: AnnData, values: Mapping[Field, Any], uns: Mapping[str, dict[str, Any]]
) -> None:
    """Store results; on any error or interrupt what was there before is put back.

    Parameters
    ----------
    adata
        Written to. A view becomes data of its own, as on any assignment.
    values
        Value of each field.
    uns
        Entries of ``adata.uns``.

    Warns
    -----
    ImplicitModificationWarning
        If the data are a view.
    """
    if adata.is_view:
        warn_user(
            "The results are written to a view, which becomes data of its own by that: they are "
            "not in the data it is of, and lost if it has no name. Analyse `adata[...].copy()`.",
            ImplicitModificationWarning,
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ImplicitModificationWarning)
        frames = {location: getattr(adata, location) for location in _FRAMES}
        arrays = {f: _peek(adata, f) for f in values if f.location not in _FRAMES}
        entries = {key: adata.uns.get(key) for key in uns}
        done = False
        try:
            for location, frame in frames.items():
                columns = {f.name: v for f, v in values.items() if f.location == location}
                if columns:
                    _set_frame(adata, location, as_frame(frame).assign(**columns))
            for field in arrays:
                getattr(adata, field.location)[field.name] = values[field]
            adata.uns.update(uns)
            done = True
        finally:
            if not done:
                _put_back(adata, frames, arrays, entries)


def finish(
    target: AnnData,
    values: Mapping[Field, Any],
    uns: Mapping[str, dict[str, Any]],
    full: dict[str, Any],
    output: OutputSettings,
) -> Returned:
    """Write results to the data or a copy, and give back what was asked for.

    Parameters
    ----------
    target
        The user's data.
    values, uns
        As for :func:`write_fields`.
    full
        The dictionary to return; empty for none.
    output
        What is wanted.
    """
    target = target.copy() if output.copy else target
    write_fields(target, values, uns)
    if output.copy:
        return (full, target) if full else target
    return full or None


def _set_frame(adata: AnnData, location: str, frame: pd.DataFrame) -> None:
    """Replace ``obs`` or ``var``; names that are no text stay so, which anndata would change."""
    names = frame.index
    setattr(adata, location, frame)
    getattr(adata, location).index = names


def _peek(adata: AnnData, field: Field) -> Any:
    """What a field holds now; None if it does not exist."""
    return getattr(adata, field.location).get(field.name)


def _put_back(
    adata: AnnData,
    frames: Mapping[str, pd.DataFrame],
    arrays: Mapping[Field, Any],
    entries: Mapping[str, Any],
) -> None:
    """Undo a half-done write."""
    for location, frame in frames.items():
        _set_frame(adata, location, frame)
    places = [(getattr(adata, field.location), field.name, old) for field, old in arrays.items()]
    for place, name, old in places + [(adata.uns, key, old) for key, old in entries.items()]:
        if old is not None:
            place[name] = old
        elif name in place:
            del place[name]
