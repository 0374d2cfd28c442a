"""``kompot demo``: a simulated experiment with known truth, analysed and explained."""

import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from kompot.cli.console import is_quiet, say, verbosity_options
from kompot.cli.files import replaced, write_data
from kompot.cli.numpydoc import summary
from kompot.cli.options import SectionedCommand, signature_options

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from kompot.cli.demo_abundance import DemoAbundance

__all__ = ["Demonstration", "command", "run_demo"]


@dataclass(frozen=True)
class Demonstration:
    """What the demo leaves.

    Attributes
    ----------
    adata
        Simulated data with the results.
    table
        Genes by decreasing evidence, with what was planted: columns ``effect`` and ``true_lfc``.
    abundance
        Cells and branches with their change in abundance, and what was planted: ``true_lfc``.
    report
        What was found and what it means, in words.
    files
        The files written.
    """

    adata: "AnnData"
    table: "pd.DataFrame"
    abundance: "DemoAbundance"
    report: str
    files: tuple[Path, ...]


def run_demo(
    directory: str = ".",
    *,
    n_cells: int = 3000,
    n_genes: int = 800,
    n_donors: int = 4,
    seed: int = 0,
    progress: bool = True,
) -> Demonstration:
    """Simulate two conditions with known truth, compare their donors, and explain what is found.

    Parameters
    ----------
    directory
        Where to write; made if it does not exist.
    n_cells
        Number of cells.
    n_genes
        Number of genes; one in ten is planted.
    n_donors
        Donors in each condition, at least 2.
    seed
        Seed of the simulation and of the analysis.
    progress
        Show progress bars.

    Returns
    -------
    The data, the genes, the cells, and a report; ``kompot_demo.h5ad``,
    ``kompot_demo_volcano.png``, ``kompot_demo_fold_change.png`` and ``kompot_demo_abundance.png``
    are written.

    Raises
    ------
    TypeError, ValueError
        If the data cannot be simulated as wanted, or hold too few donors to compare.
    """
    if n_donors < 2:
        msg = f"`n_donors` must be at least 2, since donors are compared, got {n_donors}."
        raise ValueError(msg)
    from kompot.anndata import compute_differential_expression
    from kompot.cli.demo_abundance import compare_abundance
    from kompot.cli.demo_report import demo_report
    from kompot.datasets import simulate
    from kompot.records.tables import ranked

    # Donors differ less than in most studies, so that the demo is about the method.
    adata = simulate(
        n_cells=n_cells,
        n_genes=n_genes,
        n_donors=n_donors,
        mean_count=1.0,
        donor_sd=0.12,
        donor_composition=60.0,
        abundance_log_odds=1.5,
        lfc_local=2.0,
        random_state=seed,
    )
    started = time.perf_counter()
    result = compute_differential_expression(
        adata,
        "condition",
        "control",
        "treated",
        sample_col="donor",
        random_state=seed,
        progress=progress,
        return_full_results=True,
    )
    between = time.perf_counter()
    abundance = compare_abundance(adata, seed, progress=progress)
    seconds = (between - started, time.perf_counter() - between)
    scores = cast("dict[str, Any]", result)["table"].rename(columns={"tail_fdr": "donor_fdr"})
    table = ranked(scores.join(adata.var[["effect", "true_lfc"]]))
    gene = _shown_gene(table)
    files = _write(adata, abundance, gene, Path(directory))
    report = demo_report(adata, table, abundance, gene, files, seconds)
    return Demonstration(adata, table, abundance, report, files)


_HELP = f"""{summary(run_demo)}

The data have two branches, one of which has more cells in the treated, several donors, and genes
planted to change everywhere or in a part of one branch. Donors are compared, not cells. Written
are the data with the results, a volcano plot, a figure of one gene, and one of the abundance. Takes
seconds.

\b
Example:
  kompot demo -o kompot-demo
"""


@click.command(
    "demo",
    cls=SectionedCommand,
    params=signature_options(run_demo, short={"directory": "-o"}),
    sections={"Demo": ["directory", "n_cells", "n_genes", "n_donors", "seed"]},
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@verbosity_options
def command(**parameters: Any) -> None:
    """Run the demo and print its report."""
    parameters["progress"] &= not is_quiet()
    say("kompot: simulating and analysing")
    found = run_demo(**parameters)
    if not is_quiet():
        click.echo(found.report)


def _shown_gene(table: "pd.DataFrame") -> str:
    """The strongest of the called genes that change locally, else the strongest of all."""
    chosen = table[(table["effect"] == "local") & table["is_de"]]
    return str((table if chosen.empty else chosen).index[0])


def _write(
    adata: "AnnData", abundance: "DemoAbundance", gene: str, directory: Path
) -> tuple[Path, ...]:
    """Write data and figures, and put them in place once all are written."""
    from matplotlib.figure import Figure

    from kompot.cli.demo_abundance import draw_abundance
    from kompot.plot import plot_gene_expression, volcano_de

    volcano = Figure(figsize=(8, 6), layout="constrained")
    volcano_de(adata, ax=volcano.subplots(), title="Simulated data: genes from control to treated")
    panels = Figure(figsize=(9.5, 8.5), layout="constrained")
    plot_gene_expression(adata, gene, basis="X_tree", figure=panels)
    cells = Figure(figsize=(11, 4.5), layout="constrained")
    draw_abundance(adata, abundance, cells)
    figures = {"volcano": volcano, "fold_change": panels, "abundance": cells}

    directory.mkdir(parents=True, exist_ok=True)
    names = ["kompot_demo.h5ad", *(f"kompot_demo_{name}.png" for name in figures)]
    files = tuple(directory / name for name in names)
    with ExitStack() as stack:
        data, *pictures = (stack.enter_context(replaced(path)) for path in files)
        write_data(adata, data, ".h5ad")
        for figure, picture in zip(figures.values(), pictures, strict=True):
            figure.savefig(picture, format="png", dpi=150)
    return files
