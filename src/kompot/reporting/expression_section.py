"""The part of a page on differential expression: volcano, gene table, heatmap, top genes."""

import numpy as np
from matplotlib.figure import Figure

from kompot.plot.expression_volcano import volcano_de
from kompot.plot.gene_panels import plot_gene_expression
from kompot.plot.gene_sets import upset
from kompot.plot.heatmaps import heatmap
from kompot.plot.stored_runs import ExpressionRun
from kompot.reporting.gene_columns import GeneColumn, page_data
from kompot.reporting.markup import Markup, element, joined
from kompot.reporting.pictures import picture
from kompot.reporting.subject import Subject
from kompot.reporting.tables import help_note, number, section

__all__ = ["expression_section", "top_gene_section"]

_N_STATIC = 25
_N_HEATMAP = 30


def expression_section(subject: Subject) -> Markup:
    """Which genes differ."""
    run, title = subject.expression, "Differential expression"
    if run is None:
        return section("genes", title, element("p", "No run is recorded.", class_="absent"))
    return section(
        "genes",
        title,
        _volcano(subject, run),
        _gene_table(subject),
        help_note(
            "Mean log fold change: the average over all cells, so a change in few cells leaves a "
            "small mean. Distance (Mahalanobis distance): the whole difference over cell states in "
            "units of its uncertainty; it finds changes in few cells too.",
            "FDR: among the genes with at most this value, the expected share of genes that do not "
            "change. Local FDR: the probability that this gene does not change. Called genes are "
            "below the threshold of the run.",
            "Donor FDR and p compare samples with each other. Donor change is the difference of "
            "their means where the evidence is strongest; 'strongest in' names that place: all "
            "cells, a group, or a region (k12_3 is one of twelve clusters of cell states).",
            "In the plot, move over a point to read the gene's name, and click it to find the gene "
            "in the table. Everything in the plot is also in the table.",
        ),
        element("div", *_overviews(subject, run), class_="pair"),
    )


def top_gene_section(subject: Subject) -> Markup | None:
    """Figures of the strongest genes."""
    run, basis = subject.expression, subject.basis
    genes = subject.top_genes
    if run is None or not genes:
        return None
    pictures = []
    for gene in genes:

        def draw(figure: Figure, gene: str = gene) -> None:
            if basis is None:
                msg = "there is no embedding of two dimensions."
                raise ValueError(msg)
            plot_gene_expression(
                *(subject.adata, gene),
                basis=basis,
                run_id=run.record.number or 0,
                figure=figure,
            )

        alt = (
            f"Maps of the cells for {gene}: expression as measured, smoothed in {run.condition1}, "
            f"smoothed in {run.condition2}, and the log fold change."
        )
        pictures.append(
            joined(
                element("h3", gene),
                picture(draw, (11, 6.6), alt, _gene_text(subject, gene)),
            )
        )
    return section(
        "top-genes",
        "Expression of the leading genes",
        *pictures,
        help_note(
            "The smoothed maps show the expression that the model expects of a cell in each state, "
            "separately for both conditions and in the same colours. Their difference is the fold "
            "change: red is higher, blue lower in the second condition."
        ),
    )


def _volcano(subject: Subject, run: ExpressionRun) -> Markup:
    """The plot that answers to the mouse, and the same as a figure without scripts."""
    score = "donor_pvalue" if run.scores["donor_pvalue"] else "mahalanobis"
    static = picture(
        lambda figure: volcano_de(
            subject.adata,
            ax=figure.subplots(),
            run_id=run.record.number or 0,
            y_axis_type=score,
        ),
        (7.5, 5.6),
        f"Scatter plot of the genes: mean log fold change from {run.condition1} to "
        f"{run.condition2} to the right, strength of the change upwards; called genes in red and "
        "blue, the strongest named. The gene table has the numbers.",
        "Genes by mean log fold change and strength of the change.",
    )
    canvas = element(
        "div",
        element("canvas", "", id="volcano", role="img", aria_describedby="volcano-text"),
        element("p", "", id="volcano-tip", hidden=True),
        element("p", "", id="volcano-text", class_="small"),
        id="volcano-box",
        hidden=True,
    )
    return joined(canvas, element("div", static, id="volcano-static"))


def _gene_table(subject: Subject) -> Markup:
    """Controls, the first rows of the table, and all rows as data for the script."""
    columns = [column for column in subject.columns if column.group is None]
    names = subject.adata.var_names
    head = element(
        "tr",
        element("th", "gene", scope="col"),
        *(element("th", column.title, scope="col") for column in columns),
    )
    rows = []
    for place in subject.order[:_N_STATIC]:
        cells = [element("td", _shown(column, place)) for column in columns]
        rows.append(element("tr", element("th", str(names[place]), scope="row"), *cells))
    inner = element(
        "table",
        element("caption", "Genes, the strongest first"),
        element("thead", head),
        element("tbody", *rows),
        id="gene-table",
    )
    scroll = element(
        *("div", inner), class_="scroll", tabindex="0", role="region", aria_label="Genes"
    )
    text = page_data(names, subject.columns, subject.order, subject.conditions)
    data = element("script", Markup(text), type="application/json", id="gene-data")
    note = element(
        "noscript",
        element("p", f"The first {_N_STATIC} genes; sorting and searching need JavaScript."),
    )
    return joined(element("h3", "Gene table"), _controls(), note, scroll, _pager(), data)


def _controls() -> Markup:
    """What to search, choose and download."""
    search = element("input", type="search", id="gene-search", autocomplete="off")
    called = element("input", type="checkbox", id="gene-called")
    return element(
        "div",
        element("label", "Search genes ", search),
        element("label", "Results of ", element("select", "", id="gene-group")),
        element("label", called, " called only"),
        element("button", "Download CSV", type="button", id="gene-download"),
        class_="controls",
        id="gene-controls",
        hidden=True,
    )


def _pager() -> Markup:
    """Pages of the table."""
    return element(
        "div",
        element("button", "Previous", type="button", id="gene-previous"),
        element("span", "", id="gene-count", role="status", aria_live="polite"),
        element("button", "Next", type="button", id="gene-next"),
        class_="pager",
        id="gene-pager",
        hidden=True,
    )


def _overviews(subject: Subject, run: ExpressionRun) -> list[Markup]:
    """Leading genes by group, and how groups share called genes."""
    groupby, number_ = subject.groupby, run.record.number or 0
    counts = subject.adata.var_names.value_counts()
    leading = [str(subject.adata.var_names[place]) for place in subject.order]
    genes = [gene for gene in leading if counts[gene] == 1][:_N_HEATMAP]
    pictures = []
    if groupby is not None and genes:
        pictures.append(
            picture(
                lambda figure: heatmap(
                    subject.adata,
                    genes,
                    groupby,
                    ax=figure.subplots(),
                    run_id=number_,
                    fold_change_mode=True,
                ),
                (6, max(4.0, 1.6 + 0.22 * len(genes))),
                f"Heatmap of the mean log fold change of the {len(genes)} leading genes in each "
                f"{groupby}.",
                f"Mean log fold change of the leading genes by {groupby}.",
            )
        )
    if "is_de" in run.groups:
        pictures.append(
            picture(
                lambda figure: upset(
                    subject.adata, run_id=number_, n_intersections=15, figure=figure
                ),
                (7, 5),
                "Bars: how many called genes groups share, largest intersections first.",
                "Genes called in the same groups and in no others.",
            )
        )
    return pictures


def _gene_text(subject: Subject, gene: str) -> str:
    """The numbers of a gene in a line."""
    place = int(np.flatnonzero(subject.adata.var_names == gene)[0])
    parts = [
        f"{column.title} {_shown(column, place)}"
        for column in subject.columns
        if column.group is None
    ]
    return f"{gene}: {', '.join(parts)}."


def _shown(column: GeneColumn, place: int) -> str:
    """A value as the table shows it."""
    value = column.values[place]
    if column.kind == "text":
        return "–" if value is None else str(value)
    if column.kind == "flag":
        return "–" if np.isnan(value) else ("yes" if value else "no")
    return number(float(value), ".4g")
