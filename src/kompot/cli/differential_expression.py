"""``kompot de``: differential expression from file to file."""

import logging
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import Any, cast

import click
import pandas as pd
from anndata import AnnData

from kompot import threads as thread_limits
from kompot.anndata import compute_differential_expression
from kompot.cli.console import is_quiet, say, verbosity_options
from kompot.cli.files import (
    data_path,
    read_data,
    replaced,
    table_path,
    write_data,
    write_table,
)
from kompot.cli.numpydoc import summary
from kompot.cli.options import SectionedCommand, signature_options
from kompot.cli.summary import expression_summary, ranked
from kompot.settings import (
    Comparison,
    FDRSettings,
    FilterSettings,
    GPSettings,
    OutputSettings,
    StorageSettings,
)

__all__ = ["LEFT_OUT", "command"]

log = logging.getLogger(__name__)

# What has no meaning in a shell: the data, an array, and in which Python object results arrive.
LEFT_OUT = ("adata", "landmarks", "copy", "inplace", "return_full_results")

_SECTIONS = {"Files": ("output", "table_output")} | {
    title: [name for field in fields(kind) for name in (field.name, f"fdr_{field.name}")]
    for title, kind in (
        ("Comparison", Comparison),
        ("Gaussian process", GPSettings),
        ("False discovery rate", FDRSettings),
        ("Cells and groups", FilterSettings),
        ("Stored results", StorageSettings),
        ("Run", OutputSettings),
    )
}

_HELP = f"""{summary(compute_differential_expression)}

INPUT is an .h5ad or .zarr file with both conditions, the expression as log1p of normalised counts,
and an embedding of the cell states. The genes that lead the list are printed.

\b
Example:
  kompot de cells.h5ad -o result.h5ad -t genes.csv --groupby condition \\
    --condition1 control --condition2 treated

Write a list with commas (--genes ISG15,IFI6) and None as none (--n-landmarks none).
"""


@click.command(
    "de",
    cls=SectionedCommand,
    params=signature_options(compute_differential_expression, left_out=LEFT_OUT),
    sections=_SECTIONS,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("input", type=click.Path(exists=True, path_type=Path), callback=data_path)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    callback=data_path,
    help="Write the data with the results, .h5ad or .zarr; may be INPUT itself.",
)
@click.option(
    "-t",
    "--table-output",
    "--table",
    type=click.Path(path_type=Path),
    metavar="FILE",
    callback=table_path,
    help="Write the genes with their scores, largest distance first, .csv or .tsv.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="INTEGER",
    help="Threads of the linear algebra; all cores if not given.",
)
@verbosity_options
def command(
    input: Path,
    output: Path | None,
    table_output: Path | None,
    threads: int | None,
    **parameters: Any,
) -> None:
    """Read, run, write, summarise."""
    if output is None and table_output is None:
        msg = "Nothing would be left of the results: give -o/--output, -t/--table-output or both."
        raise click.UsageError(msg)
    parameters["progress"] &= not is_quiet()
    if output is None:
        parameters["layers"] = "none"
    log.info("reading %s", input)
    adata = read_data(input)
    with thread_limits.limited(threads):
        result = compute_differential_expression(
            adata, inplace=output is not None, return_full_results=True, **parameters
        )
    table = ranked(cast("dict[str, Any]", result)["table"])
    _write(adata, output, table, table_output)
    if not is_quiet():
        names = (parameters[name] for name in ("condition1", "condition2", "fdr_threshold"))
        click.echo(expression_summary(table, *names))


def _write(
    adata: AnnData, output: Path | None, table: pd.DataFrame, table_output: Path | None
) -> None:
    """Write data and table, and put both in place once both are written."""
    with ExitStack() as stack:
        if output is not None:
            log.info("writing %s", output)
            write_data(adata, stack.enter_context(replaced(output)), output.suffix)
        if table_output is not None:
            log.info("writing %s", table_output)
            write_table(table, stack.enter_context(replaced(table_output)), table_output.suffix)
    for path in (output, table_output):
        if path is not None:
            say(f"kompot: wrote {path}")
