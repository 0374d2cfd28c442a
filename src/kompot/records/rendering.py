"""Runs as HTML for notebooks. Every text that comes from data is escaped."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

__all__ = ["comparison_html", "run_html"]

_TABLE = "border-collapse:collapse;margin:0.3em 0"
_CELL = "text-align:left;padding:0.1em 0.8em 0.1em 0;vertical-align:top"
_COLORS = {"present": "#1a7f37", "overwritten": "#9a6700", "missing": "#cf222e"}
_LONGEST = 300
"""Characters of a value that are shown."""

_Row = Mapping[str, Any]


def run_html(
    summary: _Row, parameters: _Row, environment: _Row, fields: Sequence[Mapping[str, Any]]
) -> str:
    """A run.

    Parameters
    ----------
    summary
        Of :meth:`kompot.RunInfo.get_summary`.
    parameters
        By dotted name.
    environment
        Versions and platform.
    fields
        Of :meth:`kompot.RunInfo.field_table`.
    """
    counts = {status: sum(row["status"] == status for row in fields) for status in _COLORS}
    shown = ("conditions", "timestamp", "obsm_key", "layer", "uses_sample_variance", "groups")
    rows = [(name, summary[name]) for name in shown if summary.get(name) is not None]
    given = [(name, value) for name, value in parameters.items() if value is not None]
    states = [(*_cells(row), _Badge(*_state(row))) for row in fields]
    return _root(
        "kompot-runinfo",
        f"Run {summary['adjusted_run_id']} ({_analysis(summary)} Analysis)",
        _heading("Run Summary"),
        _badges((f"{counts[status]} {status}", status) for status in counts if counts[status]),
        _table(("", ""), rows),
        _heading(f"Fields ({len(fields)})"),
        _table(("Field", "Location", "Type", "Description", "Status"), states),
        _folded("Parameters", _table(("Parameter", "Value"), given)),
        _folded("Environment", _table(("", ""), environment.items())),
    )


def comparison_html(
    counts: Mapping[str, _Row],
    summaries: tuple[_Row, _Row],
    parameters: Mapping[str, Mapping[str, Any]],
    fields: Sequence[Sequence[Mapping[str, Any]]],
) -> str:
    """Two runs side by side.

    Parameters
    ----------
    counts
        Of :meth:`kompot.RunComparison.get_summary`.
    summaries
        Of both runs.
    parameters
        The comparison of the parameters.
    fields
        Field tables of both runs.
    """
    runs = [f"Run {summary['adjusted_run_id']}" for summary in summaries]
    first, second = summaries
    shown = ("conditions", "timestamp", "obsm_key", "layer", "uses_sample_variance", "field_count")
    changed = [
        *((name, both["run1"], both["run2"]) for name, both in parameters["different"].items()),
        *((name, value, "") for name, value in parameters["only_in_run1"].items()),
        *((name, "", value) for name, value in parameters["only_in_run2"].items()),
    ]
    differ = first["conditions"] != second["conditions"]
    same, n_fields = counts["parameters"]["same_count"], counts["fields"]
    return _root(
        "kompot-comparison",
        f"Comparison of {runs[0]} and {runs[1]}",
        _badges([("Different Conditions", "overwritten")] if differ else []),
        _table(("", *runs), [(name, first[name], second[name]) for name in shown]),
        _heading("Parameter Differences"),
        _table(("Parameter", *runs), changed),
        _paragraph(f"{same} parameters are the same in both runs."),
        _heading("Field Differences"),
        _table(("Field", "Location", *runs, "Last Modified By", "Status"), _joined(fields)),
        _paragraph(
            f"{n_fields['same']} fields are written by both runs, {n_fields['only_in_run1']} by "
            f"the first alone, {n_fields['only_in_run2']} by the second alone."
        ),
    )


class _Badge:
    """A word on a colour."""

    def __init__(self, text: str, status: str) -> None:
        self.html = (
            f"<span style='color:{_COLORS[status]};border:1px solid;border-radius:0.4em;"
            f"padding:0 0.4em;white-space:nowrap'>{escape(text)}</span>"
        )


def _joined(fields: Sequence[Sequence[Mapping[str, Any]]]) -> list[tuple[Any, ...]]:
    """Rows for the fields of either run."""
    rows = {(row["location"], row["field"]): row for table in fields for row in table}
    written = [{(row["location"], row["field"]) for row in table} for table in fields]
    return [
        (
            row["field"],
            row["location"],
            *("yes" if place in keys else "" for keys in written),
            f"Run {row['current_run_id']}",
            _Badge("missing", "missing")
            if row["status"] == "missing"
            else _Badge("present", "present"),
        )
        for place, row in sorted(rows.items())
    ]


def _cells(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["field"], row["location"], row["type"], row["description"]


def _state(row: Mapping[str, Any]) -> tuple[str, str]:
    """Words and kind of a field's status."""
    status = row["status"]
    words = f"overwritten by run {row['current_run_id']}" if status == "overwritten" else status
    return words, status


def _analysis(summary: _Row) -> str:
    return str(summary["analysis_type"]).upper()


def _root(name: str, title: str, *parts: str) -> str:
    return f"<div class='{name}'><h3>{escape(title)}</h3>{''.join(parts)}</div>"


def _heading(text: str) -> str:
    return f"<h4>{escape(text)}</h4>"


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _badges(badges: Iterable[tuple[str, str]]) -> str:
    return "".join(f"{_Badge(*badge).html} " for badge in badges)


def _folded(title: str, body: str) -> str:
    return f"<details><summary>{escape(title)}</summary>{body}</details>"


def _table(header: Sequence[str], rows: Iterable[Iterable[Any]]) -> str:
    """A table of values; what is no badge is escaped."""
    top = "".join(f"<th style='{_CELL}'>{escape(name)}</th>" for name in header)
    body = "".join(
        "<tr>" + "".join(f"<td style='{_CELL}'>{_value(value)}</td>" for value in row) + "</tr>"
        for row in rows
    )
    head = f"<thead><tr>{top}</tr></thead>" if any(header) else ""
    return f"<table style='{_TABLE}'>{head}<tbody>{body}</tbody></table>"


def _value(value: Any) -> str:
    """A value as HTML."""
    if isinstance(value, _Badge):
        return value.html
    if isinstance(value, Mapping):
        value = ", ".join(f"{name}: {entry}" for name, entry in value.items())
    text = str(value)
    shown = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return escape(shown)
