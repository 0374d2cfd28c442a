"""The part of a page on diagnostics and calibration."""

from collections.abc import Iterator, Mapping
from typing import Any

from kompot.plot.diagnostic_panels import diagnostics
from kompot.plot.quantiles import qq
from kompot.plot.run_records import Record
from kompot.plot.stored_runs import ExpressionRun
from kompot.reporting.markup import Markup, element
from kompot.reporting.pictures import picture
from kompot.reporting.subject import Subject
from kompot.reporting.tables import help_note, number, section, table

__all__ = ["trust_section"]

_DONORS = ("donor", "patient", "subject", "individual", "sample", "mouse", "animal", "replicate")
_APART = ("standardised", "unadjusted", "dropped")
_NUMERICS = {
    "rank": "Rank of the features",
    "residual_mean": "Prior variance left out, mean over cells",
    "residual_max": "Prior variance left out, largest",
    "tol": "Tolerance of the mean",
    "ls": "Length scale",
    "d": "Local dimension",
    "truncation_error": "Estimated relative error of the distances",
    "p_global": "Donor-level p of any change",
    "p_gate": "The same by rotation (gate)",
    "degrees_of_freedom": "Degrees of freedom between samples",
    "compared": "Compared between samples",
    "usable_share": "Share of cells in regions that are compared",
    "adjusted_share": "Share of cells in regions adjusted for cell state",
    "landmarks_source": "Landmarks",
    "random_state": "Seed",
    "seconds": "Seconds",
}


def trust_section(subject: Subject) -> Markup:
    """What tells whether to trust the numbers."""
    run = subject.expression
    parts: list[str | None] = []
    if run is not None:
        parts += [element("p", text) for text in _statements(subject, run)]
        parts += [_diagnostics(subject, run), _quantiles(subject, run)]
    parts.append(_numerics(subject))
    parts.append(
        help_note(
            "Rank and residual: the functions are represented by as many features as the tolerance "
            "needs. If the rank is the most that was allowed, raise n_landmarks.",
            "Length scale: over distances much shorter than it, expression is taken to be alike. "
            "By default it is ten times an estimate from the spacing of the cells and may exceed "
            "most distances: the functions are then smooth over the whole embedding. If it were "
            "shorter than most distances, each cell would inform few others.",
            "Quantiles: if nothing changed, the points would follow the dashed line within the "
            "grey band. Leaving it at the right end means real changes; leaving it from the left "
            "on means that p-values are too small, or that most genes change. P-values from "
            "shuffled genes cannot be smaller than one by their number.",
        )
    )
    return section("diagnostics", "Diagnostics and calibration", *parts)


def _statements(subject: Subject, run: ExpressionRun) -> Iterator[str]:
    """What the significance rests on."""
    record = run.record
    found: dict[str, Any] = record.entries.get("fdr_results") or {}
    if found:
        rate = "FDR between donors" if run.is_donor_level else "local FDR"
        yield (
            f"{number(found.get('n_significant'))} of {number(found.get('n_total'))} genes are "
            f"called at a {rate} below {number(found.get('fdr_threshold'))}."
        )
    if run.is_donor_level:
        test: dict[str, Any] = record.entries.get("donor_test") or {}
        yield (
            "The p-values compare means of donors, freed of the states of their cells, in regions "
            "of the embedding; the false discovery rate is about new donors."
        )
        apart = [one for one in test.get("regions", []) if one.get("status") in _APART]
        if apart:
            yield (
                f"In {len(apart)} of {len(test['regions'])} regions means are not adjusted for "
                "state, because cells of the conditions hardly overlap there or in most of the "
                "embedding, or genes do not follow it: they are compared with those of mixtures of "
                "states, as they are, or not at all. If the embedding is not integrated over "
                "samples, integrate it."
            )
        if test.get("exploratory"):
            yield "There are too few samples for more than an exploratory reading."
        return
    null = record.parameter("null_genes")
    again: dict[str, Any] = record.entries.get("fdr_recomputed") or {}
    given = [record.parameter(name) for name in ("null_mahalanobis", "null_expression")]
    if again.get("null") == "given":
        yield (
            f"The genes were judged again, against {number(again.get('n_null'))} distances from "
            "elsewhere (kompot.recompute_fdr): the rates mean what these distances hold."
        )
    elif any(one is not None for one in given):
        yield (
            "The genes were judged against a null from elsewhere (null_mahalanobis or "
            "null_expression): the rates mean what that holds."
        )
    elif null:
        many = number(null) if isinstance(null, int) else f"{len(null)}"
        yield (
            f"The distances of {many} genes shuffled over cells tell which distances arise by "
            "chance. Shuffling removes differences between donors too, so genes in which donors "
            "differ can be called."
        )
    columns = [one for one in subject.adata.obs if str(one).lower().startswith(_DONORS)]
    if columns:
        yield (
            f"The data have a column {columns[0]!r}. If it holds the donors or samples, repeat the "
            f"run with sample_col={columns[0]!r} to find changes that hold between donors."
        )


def _diagnostics(subject: Subject, run: ExpressionRun) -> Markup:
    """Rank, length scale, samples, distances."""
    return picture(
        lambda figure: diagnostics(
            subject.adata, run_id=run.record.number or 0, figure=figure, title=" "
        ),
        (10, 7),
        "Four panels: variance that the features leave out against the tolerance; the length scale "
        "among the distances between cells; cells of each sample; distances of called, other and "
        "shuffled genes. The table below has the numbers.",
        "Diagnostics of the run of differential expression.",
    )


def _quantiles(subject: Subject, run: ExpressionRun) -> Markup:
    """Observed against expected p-values."""
    return picture(
        lambda figure: qq(subject.adata, run_id=run.record.number or 0, ax=figure.subplots()),
        (5.4, 5),
        "Observed p-values against those expected if no gene changed, both as -log10, with the "
        "band in which they would lie.",
        "Quantiles of the p-values.",
    )


def _numerics(subject: Subject) -> Markup | None:
    """What the numerics reached, for both runs."""
    names = {"de": "expression", "da": "abundance"}
    reached = {kind: _recorded(record) for kind, record in subject.records.items()}
    rows = []
    for key, title in _NUMERICS.items():
        if any(found.get(key) is not None for found in reached.values()):
            values = [found.get(key) for found in reached.values()]
            rows.append([title, *(_text(value) for value in values)])
    if not rows:
        return element("p", "The runs recorded no numerics.", class_="absent")
    return table("Numerics of the runs", ["", *(names[kind] for kind in reached)], rows)


def _recorded(record: Record) -> dict[str, Any]:
    """Numbers that a run recorded, wherever they stand in its record."""
    entries = record.entries
    parts = [entries, *(entries.get(name) for name in ("numerics", "donor_test"))]
    return {
        key: part[key]
        for part in parts
        if isinstance(part, Mapping)
        for key in _NUMERICS
        if isinstance(part.get(key), int | float | str)
    }


def _text(value: Any) -> str:
    """A value of the record."""
    return value if isinstance(value, str) else number(value)
