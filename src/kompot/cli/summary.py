"""What a gene table says in a few lines."""

import textwrap

import pandas as pd

__all__ = ["HEADINGS", "abundance_summary", "expression_summary", "group_summary", "listed"]

HEADINGS = {
    "mean_lfc": "mean lfc",
    "mahalanobis": "distance",
    "local_fdr": "local FDR",
    "is_de": "called",
    "effect": "planted",
    "true_lfc": "planted lfc",
    "n_cells1": "cells 1",
    "n_cells2": "cells 2",
    "zscore": "z",
    "probability_changed": "P(changed)",
    "donor_lfc": "donor lfc",
    "donor_fdr": "donor FDR",
    "donor_region": "where",
    "donor_direction": "for donors",
}
_FORMATS = {
    "mean_lfc": "{:+.3f}",
    "mahalanobis": "{:.2f}",
    "local_fdr": "{:.2g}",
    "true_lfc": "{:+.2f}",
    "zscore": "{:+.1f}",
    "probability_changed": "{:.3f}",
    "donor_lfc": "{:+.3f}",
    "donor_fdr": "{:.2g}",
}


def expression_summary(
    table: pd.DataFrame, condition1: str, condition2: str, fdr_threshold: float, n_genes: int = 10
) -> str:
    """How many genes were called, and those that lead the list.

    Parameters
    ----------
    table
        Genes in their order, as :func:`kompot.records.tables.ranked` gives them.
    condition1, condition2
        Labels of the conditions.
    fdr_threshold
        False discovery rate below which genes were called, over donors if they were compared.
    n_genes
        How many to list.
    """
    compared = f"{len(table)} genes from {condition1} to {condition2}"
    number = int(table["is_de"].sum()) if "is_de" in table else 0
    if "donor_region" in table:
        heading = f"{number} of {compared} called: FDR over new donors < {fdr_threshold:g}."
        table = table.drop(columns="local_fdr").rename(columns={"tail_fdr": "donor_fdr"})
    elif "is_de" in table:
        heading = (
            f"{number} of {compared} called: local FDR < {fdr_threshold:g}, "
            "about these cells, not other donors."
        )
    else:
        heading = f"{compared}; without null genes there is no FDR, so none is called."
    columns = [name for name in HEADINGS if name in table]
    lines = listed(table[columns].head(n_genes).rename(columns=HEADINGS))
    legend = f"mean lfc: natural log, {condition2} over {condition1}"
    if "donor_region" in table:
        legend += "; donor lfc: in the region of cell states where the evidence is strongest"
    return f"{heading}\n\n{lines}\n\n{textwrap.fill(legend, 80)}"


def group_summary(groups: pd.DataFrame, n_genes: int = 5) -> str:
    """How many genes were called in each group, and those that lead it.

    Parameters
    ----------
    groups
        Genes of each group in their order, with the column ``group``.
    n_genes
        How many to list.
    """
    rows = {}
    for name, table in groups.groupby("group", observed=False):
        leading = table["mean_lfc"].dropna().head(n_genes)
        called = {"called": int(table["is_de"].sum())} if "is_de" in table else {}
        changes = [f"{gene} {lfc:+.2f}" for gene, lfc in leading.items()]
        rows[name] = called | {"leading genes and their mean lfc": ", ".join(changes) or "no cells"}
    return listed(pd.DataFrame.from_dict(rows, orient="index"), rows="group")


def abundance_summary(
    table: pd.DataFrame, groups: pd.DataFrame | None, condition1: str, condition2: str
) -> str:
    """How many cells changed, and by how much each group did.

    Parameters
    ----------
    table
        Cells with their ``direction`` and, at donor level, ``donor_direction``.
    groups
        Groups with their mean changes, if any.
    condition1, condition2
        Labels of the conditions.
    """
    counts = table["direction"].value_counts()
    lines = [
        f"Of {int(table['direction'].notna().sum())} cells, {counts.get('up', 0)} are in states "
        f"more abundant in {condition2} than in {condition1}, {counts.get('down', 0)} in states "
        "less abundant; about these cells, not other donors."
    ]
    if "donor_direction" in table:
        donor = table["donor_direction"].value_counts()
        lines.append(
            f"For new donors, {donor.get('up', 0)} are called in states with a larger share of "
            f"the cells in {condition2}, {donor.get('down', 0)} with a smaller one."
        )
    if groups is not None:
        columns = [name for name in HEADINGS if name in groups]
        lines += ["", listed(groups[columns].rename(columns=HEADINGS), rows="group")]
        legend = f"mean lfc: natural log of the shares, {condition2} over {condition1}"
        if "probability_changed" in groups:
            legend += "; P(changed): probability that it is beyond the threshold of a direction"
        lines += ["", textwrap.fill(legend, 80)]
    return "\n".join(lines)


def listed(table: pd.DataFrame, rows: str = "gene") -> str:
    """A table as aligned text, yes and no for truth values; ``rows`` heads the names."""
    formats = {HEADINGS[name]: pattern for name, pattern in _FORMATS.items()}
    columns = [[rows, *map(str, table.index)]]
    for name, column in table.items():
        if column.dtype == bool:
            texts = ["yes" if value else "no" for value in column]
        else:
            texts = [formats.get(str(name), "{}").format(value) for value in column]
        columns.append([str(name), *texts])
    widths = [max(map(len, texts)) for texts in columns]
    lines = zip(*columns, strict=True)
    return "\n".join(
        "  ".join(text.rjust(width) for text, width in zip(row, widths, strict=True))
        for row in lines
    )
