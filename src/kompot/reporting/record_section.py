"""The part of a page from which a run can be repeated: call, parameters, versions."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from kompot.plot.run_records import Record
from kompot.reporting.markup import Markup, element, joined
from kompot.reporting.repetition import python_call, shell_call
from kompot.reporting.subject import Subject
from kompot.reporting.tables import code_block, section, table

__all__ = ["record_section"]

_TITLES = {"de": "Differential expression", "da": "Differential abundance"}


def record_section(subject: Subject) -> Markup:
    """How to repeat the runs, with all parameters and versions."""
    parts = [_run(subject, kind, record) for kind, record in subject.records.items()]
    return section("repeat", "Parameters, versions and how to repeat it", *parts)


def _run(subject: Subject, kind: str, record: Record) -> Markup:
    """A run: its calls, its parameters, its environment."""
    adata, number = subject.adata, record.number or 0
    parameters = record.entries.get("params") or {}
    title = f"Parameters of {_TITLES[kind].lower()}"
    return joined(
        element("h3", f"{_TITLES[kind]}, run {record.number}"),
        element("p", "Arguments that are not listed have their defaults.", class_="small"),
        code_block(f"{kind}-python", "In Python", python_call(adata, number, kind)),
        code_block(f"{kind}-shell", "In a shell", shell_call(adata, number, kind)),
        element(
            "details",
            element("summary", "All parameters"),
            table(title, ["parameter", "value"], _flat(parameters), is_text=True),
        ),
        element(
            "details",
            element("summary", "Versions"),
            table(
                f"Versions of {_TITLES[kind].lower()}",
                ["", "version"],
                _versions(record),
                is_text=True,
            ),
        ),
    )


def _flat(parameters: Mapping[str, Any], prefix: str = "") -> Iterator[list[str]]:
    """Parameters with the names of their sections."""
    for name, value in parameters.items():
        if isinstance(value, Mapping) and value and not prefix:
            yield from _flat(value, f"{name}.")
        else:
            yield [f"{prefix}{name}", _text(value)]


def _versions(record: Record) -> Iterator[list[str]]:
    """With what the run was made."""
    environment = record.entries.get("environment") or {}
    for name in ("python_version", "platform"):
        if environment.get(name):
            yield [name.replace("_version", ""), str(environment[name])]
    for name, version in (environment.get("package_versions") or {}).items():
        yield [str(name), str(version)]


def _text(value: Any) -> str:
    """A parameter as it would be written."""
    return value if isinstance(value, str) else json.dumps(value, default=str)
