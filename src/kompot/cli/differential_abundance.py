"""``kompot da``: differential abundance from file to file."""

import logging
from pathlib import Path
from typing import Any, cast

import click

from kompot import threads as thread_limits
from kompot.anndata import compute_differential_abundance
from kompot.cli.accepted import accepted_options
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
from kompot.cli.files import open_data
from kompot.cli.numpydoc import summary
from kompot.cli.options import SectionedCommand, signature_options
from kompot.cli.summary import abundance_summary
from kompot.models.density_estimator import DensityEstimator
from kompot.models.differential_abundance import TOLERANCE
from kompot.settings import (
    Comparison,
    DAThresholdSettings,
    DensitySettings,
    DonorAbundanceOptions,
    FilterSettings,
    OutputSettings,
    SampleSettings,
    StorageSettings,
)

__all__ = ["DENSITY_OPTIONS", "command"]

log = logging.getLogger(__name__)

_OWN_OPTIONS = signature_options(compute_differential_abundance, left_out=LEFT_OUT)
# What the analysis hands on to the densities, but for distances, which are an array.
DENSITY_OPTIONS = signature_options(
    DensityEstimator,
    left_out=[*LEFT_OUT, "nn_distances", *(str(option.name) for option in _OWN_OPTIONS)],
    defaults={"tol": TOLERANCE},
)

_SECTIONS = sections(
    {
        "Comparison": Comparison,
        "Densities": DensitySettings,
        "Thresholds": DAThresholdSettings,
        "Samples": SampleSettings,
        "Donor-level test": DonorAbundanceOptions,
        "Cells and groups": FilterSettings,
        "Stored results": StorageSettings,
        "Run": OutputSettings,
    }
)
_SECTIONS["Densities"] += [str(option.name) for option in DENSITY_OPTIONS]

_HELP = f"""{summary(compute_differential_abundance)}

INPUT is an .h5ad or .zarr file with both conditions and an embedding of the cell states. How many
cells became more or less abundant is printed, and the change of each group if --groups are given.

\b
Example:
  kompot da cells.h5ad -o result.h5ad -t cells.csv --groupby condition \\
    --condition1 control --condition2 treated --groups cell_type

\b
Values are written so:
  --covariates sex,batch            a list
  --cell-filter '{{"phase": "S"}}'    a dictionary, as JSON
  --n-landmarks none                None
  --paired, --no-paired             True, False; the default without either
"""


@click.command(
    "da",
    cls=SectionedCommand,
    params=[*_OWN_OPTIONS, *DENSITY_OPTIONS],
    sections=_SECTIONS,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@gpu_option
@accepted_options("--store-arrays-on-disk", "--disk-storage-dir", "--max-memory-ratio")
@analysis_options("the cells with their changes, in the order of the data")
@dry_run_options
def command(
    input: Path,
    output: Path | None,
    table_output: Path | None,
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
        refuse_no_output(output, table_output)
    parameters["progress"] &= not is_quiet()
    for option in DENSITY_OPTIONS:  # the run records which of them were chosen
        if parameters[str(option.name)] == option.default:
            del parameters[str(option.name)]
    choose_device(parameters, use_gpu=use_gpu)
    log.info("reading %s", input)
    data = open_data(input)
    if dry_run:
        from kompot.resource_estimation import dry_run_differential_abundance

        with thread_limits.limited(threads):
            plan = dry_run_differential_abundance(data.adata, verbose=False, **parameters)
        show_plan(plan, as_json=as_json)
        return
    with thread_limits.limited(threads):
        found = compute_differential_abundance(
            data.adata, inplace=output is not None, return_full_results=True, **parameters
        )
    result = cast("dict[str, Any]", found)
    write_outputs(data, output, (result["table"], table_output), rows="cell")
    if not is_quiet():
        names = (parameters["condition1"], parameters["condition2"])
        click.echo(abundance_summary(result["table"], result["groups"], *names))
