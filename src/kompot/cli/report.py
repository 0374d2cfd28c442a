"""``kompot report``: a page about recorded results."""

import logging
from pathlib import Path
from typing import Any

import click

from kompot.cli.console import say, verbosity_options
from kompot.cli.files import data_path, open_data
from kompot.cli.numpydoc import summary
from kompot.cli.options import SectionedCommand, signature_options
from kompot.reporting import report

__all__ = ["command"]

log = logging.getLogger(__name__)

_HELP = f"""{summary(report)}

INPUT is an .h5ad or .zarr file with the results of 'kompot de', 'kompot da' or both. The page opens
in any browser, without a network.

\b
Example:
  kompot report result.h5ad -o report.html
"""


@click.command(
    "report",
    cls=SectionedCommand,
    params=signature_options(report, left_out=("adata", "path")),
    sections={
        "Files": ["output"],
        "Page": ["groupby", "basis", "n_genes", "title"],
        "Runs": ["de_run", "da_run"],
    },
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("input", type=click.Path(exists=True, path_type=Path), callback=data_path)
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write the page, .html.",
)
@verbosity_options
def command(input: Path, output: Path, **parameters: Any) -> None:
    """Read the data and write the page."""
    log.info("reading %s", input)
    report(open_data(input).adata, output, **parameters)
    say(f"kompot: wrote {output}")
