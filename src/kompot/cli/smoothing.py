"""``kompot smooth``: smoothed expression from file to file."""

import logging
from pathlib import Path
from typing import Any, cast

import click

from kompot import threads as thread_limits
from kompot.anndata import compute_smoothed_expression
from kompot.cli.analysis import (
    LEFT_OUT,
    analysis_options,
    refuse_no_output,
    sections,
    write_outputs,
)
from kompot.cli.compilation import choose_device
from kompot.cli.console import is_quiet, say
from kompot.cli.files import open_data
from kompot.cli.numpydoc import summary
from kompot.cli.options import SectionedCommand, signature_options
from kompot.settings import GPSettings, OutputSettings, Smoothing, StorageSettings

__all__ = ["command"]

log = logging.getLogger(__name__)

_SECTIONS = sections(
    {
        "Cells and genes": Smoothing,
        "Gaussian process": GPSettings,
        "Stored results": StorageSettings,
        "Run": OutputSettings,
    }
)

_HELP = f"""{summary(compute_smoothed_expression)}

INPUT is an .h5ad or .zarr file with expression as log1p of normalised counts and an embedding of
the cell states. Functions are fitted to the cells of --condition, or to all, and evaluated at every
cell.

\b
Example:
  kompot smooth cells.h5ad -o result.h5ad --groupby condition \\
    --condition control --genes ISG15,IFI6

\b
Values are written so:
  --genes ISG15,IFI6              a list
  --n-landmarks none              None
  --overwrite, --no-overwrite     True, False; the default without either
"""


@click.command(
    "smooth",
    cls=SectionedCommand,
    params=signature_options(compute_smoothed_expression, left_out=(*LEFT_OUT, "model")),
    sections=_SECTIONS,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@analysis_options("the genes with their means over all cells, in the order of the data")
def command(
    input: Path,
    output: Path | None,
    table_output: Path | None,
    threads: int | None,
    **parameters: Any,
) -> None:
    """Read, run, write."""
    refuse_no_output(output, table_output)
    parameters["progress"] &= not is_quiet()
    choose_device(parameters)
    log.info("reading %s", input)
    data = open_data(input)
    with thread_limits.limited(threads):
        found = compute_smoothed_expression(
            data.adata, inplace=output is not None, return_full_results=True, **parameters
        )
    result = cast("dict[str, Any]", found)
    write_outputs(data, output, (result["table"], table_output))
    model, whose = result["model"], parameters["condition"] or "all cells"
    rank = model.function_.features_.rank
    say(f"kompot: {len(result['table'])} genes smoothed over {whose}, rank {rank}")
