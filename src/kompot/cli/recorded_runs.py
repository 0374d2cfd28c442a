"""``kompot runs``: the runs that a file records."""

import logging
from pathlib import Path

import click
import pandas as pd

from kompot.cli.console import say, verbosity_options
from kompot.cli.files import data_path, open_data, replaced, table_path, write_table
from kompot.cli.numpydoc import summary
from kompot.cli.options import SectionedCommand, signature_options
from kompot.records import runs

__all__ = ["command", "runs_in_words"]

log = logging.getLogger(__name__)

_HELP = f"""{summary(runs)}

INPUT is an .h5ad or .zarr file. Of each run are shown its number, when it was made, what it
compared, in which groups and with which samples, and how many of its results are in the file.

\b
Example:
  kompot runs result.h5ad
"""


@click.command(
    "runs",
    cls=SectionedCommand,
    params=signature_options(runs, left_out=("adata",)),
    sections={"Files": ("table_output",), "Runs": ("analysis_type",)},
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("input", type=click.Path(exists=True, path_type=Path), callback=data_path)
@click.option(
    "-t",
    "--table-output",
    "--table",
    type=click.Path(path_type=Path),
    metavar="FILE",
    callback=table_path,
    help="Write the runs with all that is known of them, .csv or .tsv.",
)
@verbosity_options
def command(input: Path, table_output: Path | None, analysis_type: str | None) -> None:
    """Read and list; the list is what was asked for, so it is printed even if quiet."""
    log.info("reading %s", input)
    found = runs(open_data(input).adata, analysis_type)
    if table_output is not None:
        with replaced(table_output) as path:
            write_table(found.set_index("run_id"), path, table_output.suffix, "run_id")
        say(f"kompot: wrote {table_output}")
    click.echo(runs_in_words(found))


def runs_in_words(found: pd.DataFrame) -> str:
    """A line or two for each run.

    Parameters
    ----------
    found
        The table of :func:`kompot.runs`.
    """
    if found.empty:
        return "No run is recorded."
    return "\n".join(_in_words(run) for _, run in found.iterrows())


def _in_words(run: "pd.Series") -> str:
    """A run."""
    when = str(run["timestamp"])[:16].replace("T", " ")
    head = f"{run['analysis_type']} {run['run_id']}  {when}"
    if pd.isna(run["conditions"]):
        return f"{head}  recorded by a newer version of kompot"
    compared = f"{run['groupby']}: {run['conditions']}"
    with_samples = [
        f"{word} {run[name]}"
        for name, word in (("groups", "groups"), ("sample_col", "samples"))
        if not pd.isna(run[name])
    ]
    states = [f"{run[name]:.0f} {name}" for name in ("present", "missing", "overwritten")]
    results = ", ".join(state for state in states if not state.startswith("0 "))
    details = ", ".join([f"key {run['result_key']}", *with_samples])
    return f"{head}  {compared}\n      {details}; results: {results or 'none'}"
