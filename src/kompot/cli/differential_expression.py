"""``kompot de``: differential expression from file to file."""

import logging
from pathlib import Path
from typing import Any, cast

import click

from kompot import threads as thread_limits
from kompot.anndata import compute_differential_expression
from kompot.cli.analysis import (
    LEFT_OUT,
    analysis_options,
    refuse_no_output,
    sections,
    write_outputs,
)
from kompot.cli.compilation import choose_device, gpu_option
from kompot.cli.console import is_quiet
from kompot.cli.dry_run import dry_run_options, refuse_json_alone, show_plan
from kompot.cli.files import open_data, table_path
from kompot.cli.numpydoc import summary
from kompot.cli.options import SectionedCommand, signature_options
from kompot.cli.summary import expression_summary, group_summary
from kompot.records.tables import ranked
from kompot.settings import (
    Comparison,
    FDRSettings,
    FilterSettings,
    GPSettings,
    OutputSettings,
    SampleSettings,
    StorageSettings,
)

__all__ = ["NO_OPTIONS", "command"]

log = logging.getLogger(__name__)

# Beside what has no meaning in a shell in any analysis: vectors and matrices of a null, a client.
NO_OPTIONS = (
    *LEFT_OUT,
    *("null_mahalanobis", "null_expression", "combine_with_internal", "return_null_data"),
    "client",
)

_SECTIONS = sections(
    {
        "Comparison": Comparison,
        "Gaussian process": GPSettings,
        "False discovery rate": FDRSettings,
        "Samples": SampleSettings,
        "Cells and groups": FilterSettings,
        "Stored results": StorageSettings,
        "Run": OutputSettings,
    }
)

_HELP = f"""{summary(compute_differential_expression)}

INPUT is an .h5ad or .zarr file with both conditions, the expression as log1p of normalised counts,
and an embedding of the cell states. The genes that lead the list are printed,
and those that lead each group if --groups are given.

\b
Example:
  kompot de cells.h5ad -o result.h5ad -t genes.csv --groupby condition \\
    --condition1 control --condition2 treated \\
    --groups cell_type --group-table groups.csv

\b
Values are written so:
  --genes ISG15,IFI6                a list
  --cell-filter '{{"phase": "S"}}'    a dictionary, as JSON
  --n-landmarks none                None
  --paired, --no-paired             True, False; the default without either
"""


@click.command(
    "de",
    cls=SectionedCommand,
    params=signature_options(compute_differential_expression, left_out=NO_OPTIONS),
    sections=_SECTIONS,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@gpu_option
@analysis_options("the genes with their scores, strongest first")
@dry_run_options
@click.option(
    "--group-table",
    type=click.Path(path_type=Path),
    metavar="FILE",
    callback=table_path,
    help="Write the same of each group, one after the other, .csv or .tsv; needs --groups.",
)
def command(
    input: Path,
    output: Path | None,
    table_output: Path | None,
    group_table: Path | None,
    threads: int | None,
    *,
    dry_run: bool,
    as_json: bool,
    use_gpu: bool,
    **parameters: Any,
) -> None:
    """Read, run, write, summarise."""
    refuse_json_alone(dry_run=dry_run, as_json=as_json)
    if not dry_run:
        refuse_no_output(output, table_output, group_table)
    if group_table is not None and parameters["groups"] is None:
        msg = "--group-table needs groups to write: give --groups."
        raise click.UsageError(msg)
    parameters["progress"] &= not is_quiet()
    choose_device(parameters, use_gpu=use_gpu)
    if output is None and not (dry_run and table_output is None):
        parameters["layers"] = "none"
    log.info("reading %s", input)
    data = open_data(input)
    if dry_run:
        from kompot.resource_estimation import dry_run_differential_expression

        with thread_limits.limited(threads):
            plan = dry_run_differential_expression(data.adata, verbose=False, **parameters)
        show_plan(plan, as_json=as_json)
        return
    with thread_limits.limited(threads):
        found = compute_differential_expression(
            data.adata, inplace=output is not None, return_full_results=True, **parameters
        )
    result = cast("dict[str, Any]", found)
    table, groups = ranked(result["table"]), result.get("groups")
    write_outputs(data, output, (table, table_output), (groups, group_table))
    if not is_quiet():
        names = (parameters[name] for name in ("condition1", "condition2", "fdr_threshold"))
        click.echo(expression_summary(table, *names))
        if groups is not None:
            click.echo(f"\n{group_summary(groups)}")
