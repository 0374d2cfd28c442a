"""The top of a page: what was compared, and what came out in a sentence."""

from collections.abc import Iterator

import numpy as np

from kompot.reporting.markup import Markup, element, joined
from kompot.reporting.subject import Subject
from kompot.reporting.tables import facts, help_note, number, section

__all__ = ["overview"]

_LEVELS = {
    True: (
        "Donor",
        "Significance of {} compares donors (samples) with each other, so that it says what to "
        "expect of new donors. With two samples against two, or three pairs, it is exploratory.",
    ),
    False: (
        "Cell",
        "Significance of {} describes these cells. Cells of one donor are no replicates of each "
        "other: whether a change would be seen in other donors cannot be told from these values. "
        "Give the samples (sample_col) for that.",
    ),
}
"""What is said of results at donor level, and of others."""


def overview(subject: Subject) -> Markup:
    """What was compared, with how many cells and samples, and the main findings."""
    cards = [
        element("li", element("strong", value), element("span", text))
        for value, text in _findings(subject)
    ]
    return section(
        "overview",
        "What was compared",
        element("ul", *cards, class_="cards"),
        facts(_facts(subject)),
        *(element("p", text, class_="level") for text in _levels(subject)),
        help_note(
            "Kompot compares two conditions over cell states: places in an embedding of the cells. "
            "Differential abundance asks whether a state holds a larger or smaller share of the "
            "cells in the second condition. Differential expression asks whether a gene is "
            "expressed differently by cells in the same state.",
            "Fold changes are natural logarithms: +0.69 is a doubling, -0.69 a halving, always of "
            "the second condition over the first.",
        ),
    )


def _findings(subject: Subject) -> Iterator[tuple[str, str]]:
    """Numbers that sum it up."""
    kind = next(iter(subject.records))
    for condition, members in subject.cells(kind).items():
        yield number(int(members.sum())), f"cells of {condition}"
    called = subject.column("is_de")
    if called is not None:
        values = called.values[subject.order]
        yield number(int(np.nansum(values))), f"of {number(len(values))} genes called"
    run = subject.abundance
    key = None if run is None else run.donor_direction or run.direction
    if key is not None and key in subject.adata.obs:
        labels = subject.adata.obs[key].astype(str)
        known = labels.isin(["up", "down", "neutral"])
        changed = labels.isin(["up", "down"])
        share = changed.sum() / max(known.sum(), 1)
        yield f"{share:.0%}", "of cells in states of changed abundance"


def _facts(subject: Subject) -> Iterator[tuple[str, str | None]]:
    """What the runs were about."""
    first, second = subject.conditions
    yield "Conditions", f"{first} (first) and {second} (second)"
    kind, record = next(iter(subject.records.items()))
    yield "Column of the conditions", record.parameter("groupby")
    yield "Cell states", record.parameter("obsm_key")
    if subject.expression is not None:
        yield "Expression", subject.expression.layer or "adata.X"
    samples = record.parameter("sample_col")
    yield "Samples", _samples(subject, kind, samples) if samples else "none were given"
    yield "Groups of cells", subject.groupby
    yield "Data", f"{number(subject.adata.n_obs)} cells x {number(subject.adata.n_vars)} genes"
    for name, one in subject.records.items():
        what = {"de": "Differential expression", "da": "Differential abundance"}[name]
        stamp = str(one.entries.get("timestamp") or "at an unknown time")[:16].replace("T", " ")
        yield what, f"run {one.number}, {stamp}"


def _samples(subject: Subject, kind: str, name: str) -> str:
    """How many samples each condition has."""
    if name not in subject.adata.obs:
        return f"{name}, a column that is gone"
    counts = [
        f"{subject.adata.obs[name][members].nunique()} of {condition}"
        for condition, members in subject.cells(kind).items()
    ]
    return f"{name}: {', '.join(counts)}"


def _levels(subject: Subject) -> Iterator[Markup]:
    """Of whom the significance speaks."""
    runs = {"genes": subject.expression, "abundance": subject.abundance}
    levels = {what: run.is_donor_level for what, run in runs.items() if run is not None}
    for is_donor_level, (level, text) in _LEVELS.items():
        of = " and of ".join(what for what, one in levels.items() if one == is_donor_level)
        if of:
            yield joined(element("strong", f"{level} level. "), text.format(of))
