"""What the demo found, in words, beside what was planted."""

import textwrap
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from anndata import AnnData

from kompot.cli.demo_abundance import DemoAbundance, found_abundance
from kompot.cli.summary import HEADINGS, listed
from kompot.plot.stored_runs import read_expression_run

__all__ = ["demo_report"]

_NUMBERS = """\
- mean lfc: log fold change (natural log), treated over control, averaged over all cells; +0.69 is
  a doubling. It is measured on log1p values and planted on expected counts, so sizes agree
  roughly, and a change in few cells leaves a small mean.
- distance: the whole difference over cell states in units of its uncertainty (Mahalanobis
  distance), to which donors that differ contribute. It ranks the genes, those that change in few
  cells too.
- donor FDR: false discovery rate. Of genes with a rate up to 0.05, about 5 % are expected not to
  change in other donors. It is judged from how donors of one condition differ from each other.
- donor lfc: the log ratio of the donors' mean counts in the cell states where the evidence is
  strongest."""


def demo_report(  # noqa: PLR0917
    adata: AnnData,
    table: pd.DataFrame,
    abundance: DemoAbundance,
    gene: str,
    files: Sequence[Path],
    seconds: tuple[float, float],
) -> str:
    """Say what was simulated, what was found, what it means and what to look at.

    Parameters
    ----------
    adata
        Simulated data with the results.
    table
        Genes by decreasing evidence, with ``effect`` and ``true_lfc``.
    abundance
        Cells and branches with their change in abundance.
    gene
        The gene in the figure.
    files
        Data, volcano plot, figure of the gene, figure of the abundance.
    seconds
        How long the analyses of expression and of abundance took.
    """
    columns = ["mean_lfc", "mahalanobis", "donor_fdr", "donor_lfc", "effect", "true_lfc"]
    leading = listed(table[columns].head(10).rename(columns=HEADINGS))
    branches, cells = found_abundance(abundance)
    parts = [
        _simulated(adata, table, seconds),
        f"EXPRESSION: the ten genes with the largest distance\n\n{leading}",
        f"How much of the truth was found\n{_filled(_found(table))}",
        f"What the numbers mean\n{_filled(_NUMBERS)}",
        f"ABUNDANCE: the branches, from control to treated\n\n{branches}\n\n{_filled(cells)}",
        f"What to look at next\n{_next(adata, table, gene, files)}",
    ]
    return "\n\n".join(parts)


def _simulated(adata: AnnData, table: pd.DataFrame, seconds: tuple[float, float]) -> str:
    """One paragraph on the data."""
    cells = adata.obs["condition"].value_counts()
    donors = {
        name: adata.obs["donor"][adata.obs["condition"] == name].nunique() for name in cells.index
    }
    kinds = table["effect"].value_counts()
    text = (
        f"Simulated: {adata.n_obs} cells ({cells['control']} control of {donors['control']} "
        f"donors, {cells['treated']} treated of {donors['treated']} others) on two branches, and "
        f"{adata.n_vars} genes. {kinds.get('global', 0)} genes were planted to change everywhere "
        f"(global), {kinds.get('local', 0)} to change in a part of one branch (local). "
        "Treated cells are more often in branch_1, and therefore less often elsewhere. "
        f"Comparing expression took {seconds[0]:.1f} s, abundance {seconds[1]:.1f} s."
    )
    return textwrap.fill(text, 80)


def _found(table: pd.DataFrame) -> str:
    """How the called genes compare with the planted ones."""
    is_planted = table["effect"] != "none"
    called = table["is_de"]
    n_planted, n_called = int(is_planted.sum()), int(called.sum())
    n_false = int((called & ~is_planted).sum())
    first = int(is_planted.to_numpy().argmin()) if not is_planted.all() else len(table)
    kinds = [
        f"{int((called & members).sum())} of {int(members.sum())} {kind}"
        for kind in ("global", "local")
        for members in [table["effect"] == kind]
    ]
    lines = [
        f"- {n_called} genes were called (donor FDR < 0.05), {n_called - n_false} of them planted: "
        f"{', '.join(kinds)}. The planted genes that were missed change little, or are too weakly "
        "expressed or change in too few cells to be told from noise.",
        f"- The list begins with {first} planted genes; of its first {n_planted} genes "
        f"{int(is_planted.head(n_planted).sum())} are planted.",
    ]
    if n_false:
        lines.append(
            f"- Not planted: {n_false} of the {n_called} called genes. A rate of 0.05 allows for "
            f"{0.05 * n_called:.1f} on average over experiments."
        )
    lines.append(
        "- Without sample_col='donor' significance is about these cells only, and genes in which "
        "the donors happen to differ are called too."
    )
    return "\n".join(lines)


def _next(adata: AnnData, table: pd.DataFrame, gene: str, files: Sequence[Path]) -> str:
    """Files and what they show."""
    data, volcano, panels, cells = files
    fold_change = read_expression_run(adata).fold_change
    row = table.loc[gene]
    planted = "was not planted"
    if row["effect"] != "none":
        planted = f"was planted as {row['effect']}, {row['true_lfc']:+.2f} where it is largest"
    return "\n".join(
        [
            f"  {volcano}",
            "    all genes, called ones in colour",
            f"  {panels}",
            f"    where {gene} changes: it {planted}",
            f"  {cells}",
            "    the log fold change of abundance of every cell, found and planted",
            f"  {data}",
            "    the data with the results: scores of genes in .var, the truth in",
            "    .var['effect'] and .var['true_lfc'], the fold change of every cell in",
            f"    .layers[{fold_change!r}]; abundance in .obs,",
            "    its truth in .obs['true_log_abundance_ratio']",
            "  All of it on one page:",
            f"    kompot report {data} -o report.html",
            "  On data of your own ('kompot da' for abundance):",
            "    kompot de cells.h5ad -o result.h5ad -t genes.csv --groupby condition \\",
            "      --condition1 control --condition2 treated --sample-col donor",
        ]
    )


def _filled(text: str) -> str:
    """Paragraphs that begin with a dash, filled to 80 columns."""
    items = [" ".join(item.split()) for item in text.removeprefix("- ").split("\n- ")]
    return "\n".join(
        textwrap.fill(item, 80, initial_indent="  - ", subsequent_indent="    ") for item in items
    )
