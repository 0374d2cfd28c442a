"""``kompot cleanup``: a file without the large results of runs."""

import logging
from pathlib import Path
from typing import Any

import click
from anndata import AnnData

from kompot import memory
from kompot.cli.analysis import input_output_options, write_outputs
from kompot.cli.console import is_quiet
from kompot.cli.files import open_data
from kompot.cli.numpydoc import summary
from kompot.cli.options import SectionedCommand, signature_options
from kompot.records import cleanup

__all__ = ["command"]

log = logging.getLogger(__name__)

_PLACES = ("layers", "obs", "var", "obsm", "varm", "obsp")

_HELP = f"""{summary(cleanup)}

INPUT is an .h5ad or .zarr file. The record of the runs stays, and so do the columns of obs and var
unless told otherwise. What was removed is listed.

\b
Example:
  kompot cleanup result.h5ad -o small.h5ad --keep-layers fold_change

Write runs with commas (--run-ids 0,2).
"""


@click.command(
    "cleanup",
    cls=SectionedCommand,
    params=signature_options(cleanup, left_out=("adata", "inplace")),
    sections={
        "Files": ("output", "config"),
        "Runs": ("run_ids", "analysis_type"),
        "What stays": [f"keep_{name}" for name in ("layers", *(f"{p}_fields" for p in _PLACES))],
    },
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@input_output_options(is_required=True, has_threads=False)
def command(input: Path, output: Path, **parameters: Any) -> None:
    """Read, remove, write, list."""
    log.info("reading %s", input)
    data = open_data(input, is_copied=True)
    adata = data.adata
    before, size = _names(adata), _size(input)
    cleanup(adata, **parameters)
    write_outputs(data, output)
    if is_quiet():
        return
    after = _names(adata)
    for place in _PLACES:
        for name in sorted(before[place] - after[place]):
            click.echo(f"removed {place}[{name!r}]")
    if before == after:
        click.echo("Nothing was removed.")
    click.echo(f"{memory.human(size)} before, {memory.human(_size(output))} now")


def _names(adata: AnnData) -> dict[str, set[str]]:
    """What the data hold in each place."""
    return {place: {str(key) for key in getattr(adata, place)} for place in _PLACES}


def _size(path: Path) -> int:
    """Bytes of a file, or of all files of a zarr store."""
    if not path.is_dir():
        return path.stat().st_size
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())
