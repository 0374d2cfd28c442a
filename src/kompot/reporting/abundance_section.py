"""The part of a page on differential abundance: map, shares and groups."""

from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from matplotlib.figure import Figure

from kompot.plot.abundance_volcano import volcano_da
from kompot.plot.direction_shares import direction_barplot
from kompot.plot.embeddings import embedding
from kompot.plot.stored_abundance import AbundanceRun
from kompot.plot.words import between
from kompot.reporting.markup import Markup, element
from kompot.reporting.pictures import picture
from kompot.reporting.subject import Subject
from kompot.reporting.tables import help_note, number, section, table

__all__ = ["abundance_section", "group_shares"]

_HEADS = {
    "donor_lfc": "donor change",
    "donor_fdr": "donor FDR",
    "donor_direction": "donor call",
    "zscore": "z",
    "probability_changed": "P(changed)",
}


def abundance_section(subject: Subject) -> Markup:
    """Where cells became more or less abundant."""
    run, title = subject.abundance, "Differential abundance"
    if run is None:
        return section("abundance", title, element("p", "No run is recorded.", class_="absent"))
    return section(
        "abundance",
        title,
        _maps(subject, run),
        _groups(subject, run),
        element("div", *_shares(subject, run), class_="pair"),
        help_note(
            "On the map each point is a cell. Red states hold a larger share of the cells of "
            f"{run.condition2} than of {run.condition1}, blue ones a smaller share. The values are "
            "natural logarithms of the ratio of the two densities.",
            "Shares add up to one: if one kind of cell grows, the shares of all others shrink even "
            "if their numbers stay the same.",
            "Donor columns compare the shares of cells in each sample, so they say what to expect "
            "of new donors.",
            "z is the change in units of its uncertainty; P(changed) is the probability that the "
            "mean change of the group exceeds the threshold of the run.",
        ),
    )


def group_shares(
    adata: AnnData,
    run: AbundanceRun,
    labels: "pd.Series[Any]",
    conditions: dict[str, Any],
) -> pd.DataFrame:
    """Cells, shares and changes of each group.

    Parameters
    ----------
    adata
        The data.
    run
        The run.
    labels
        Group of each cell.
    conditions
        Which cells are of each condition.
    """
    rows = pd.DataFrame(index=labels.cat.categories)
    for condition, members in conditions.items():
        counts = labels[members].value_counts().reindex(rows.index, fill_value=0)
        rows[f"cells of {condition}"] = counts
        rows[f"share of {condition}"] = counts / max(int(members.sum()), 1)
    if run.lfc is not None and run.lfc in adata.obs:
        changes = pd.Series(adata.obs[run.lfc].to_numpy(float), index=labels.index)
        rows["mean change"] = changes.groupby(labels, observed=False).mean()
    direction = run.donor_direction or run.direction
    if direction is not None and direction in adata.obs:
        found = pd.Series(adata.obs[direction].astype(str).to_numpy(), index=labels.index)
        for name in ("up", "down"):
            rows[f"cells {name}"] = (found == name).groupby(labels, observed=False).mean()
    is_same = run.record.parameter("groups") == labels.name  # else names may mean other cells
    stored = run.groups(adata) if is_same else None
    for key, head in _HEADS.items():
        if stored is not None and key in stored:
            rows[head] = stored[key].astype(object).rename(index=str).reindex(rows.index)
    return rows


def _maps(subject: Subject, run: AbundanceRun) -> Markup:
    """Cells coloured by their change, and by what is called between donors."""
    maps = [
        _map(
            *(subject, run.lfc),
            f"log fold change of abundance, {between(run.condition1, run.condition2)}",
            f"Change of abundance at each cell, on {subject.basis}.",
        )
    ]
    if run.donor_direction is not None:
        text = f"Cells whose share changes between donors, on {subject.basis}."
        maps.append(_map(subject, run.donor_direction, "called between donors", text))
    return element("div", *maps, class_="pair" if len(maps) > 1 else None)


def _map(subject: Subject, key: str | None, title: str, caption: str) -> Markup:
    """Cells coloured by a column of the run."""
    basis = subject.basis

    def draw(figure: Figure) -> None:
        if basis is None or key is None:
            msg = "there is no embedding of two dimensions, or the run stored no fold changes."
            raise ValueError(msg)
        embedding(subject.adata, basis, color=key, title=title, ax=figure.subplots())

    alt = (
        f"Map of the cells, coloured by {title}: red where the state is more abundant in the "
        "second condition, blue where it is less. The table of groups below has the numbers."
    )
    return picture(draw, (7.5, 5.6), alt, caption)


def _groups(subject: Subject, run: AbundanceRun) -> Markup:
    """The table of groups."""
    labels = subject.groups()
    if labels is None:
        text = "No groups of cells are known; name a column with groupby to see them here."
        return element("p", text, class_="absent")
    rows = group_shares(subject.adata, run, labels, subject.cells("da"))
    texts = []
    for name, row in rows.iterrows():
        cells = [_cell(str(head), value) for head, value in row.items()]
        texts.append([str(name), *cells])
    heads = [str(subject.groupby), *map(str, rows.columns)]
    return table(f"Abundance by {subject.groupby}", heads, texts)


def _cell(head: str, value: Any) -> str:
    """A value of the table of groups."""
    if isinstance(value, str):
        return value
    if not np.isfinite(value):
        return "–"
    if head.startswith("share of ") or head in ("cells up", "cells down"):
        return f"{value:.1%}"
    return number(value, "+.2f" if head.endswith("change") and "z" not in head else ".3g")


def _shares(subject: Subject, run: AbundanceRun) -> list[Markup]:
    """Directions by group, and the cells by change and tail probability."""
    pictures = []
    groupby = subject.groupby
    if groupby is not None:
        pictures.append(
            picture(
                lambda figure: direction_barplot(
                    *(subject.adata, groupby),
                    run_id=run.record.number or 0,
                    ax=figure.subplots(),
                ),
                (6, 4.6),
                f"Bars: for each {groupby}, the share of cells in states that became more "
                "abundant, less abundant or neither.",
                f"Directions of change by {groupby}.",
            )
        )
    pictures.append(
        picture(
            lambda figure: volcano_da(
                subject.adata, run_id=run.record.number or 0, ax=figure.subplots()
            ),
            (6, 4.6),
            "Scatter plot of the cells: log fold change of abundance to the right, -log10 of its "
            "tail probability (or p between donors) upwards, coloured by direction of change.",
            "Cells by change of abundance; dashed lines, if any, are the thresholds of directions.",
        )
    )
    return pictures
