"""``kompot dm``: diffusion components from file to file."""

import logging
from pathlib import Path
from typing import Any

import click

from kompot import threads as thread_limits
from kompot.anndata import diffusion_maps
from kompot.cli.analysis import input_output_options, write_outputs
from kompot.cli.console import is_quiet
from kompot.cli.files import open_data
from kompot.cli.numpydoc import summary
from kompot.cli.options import SectionedCommand, signature_options

__all__ = ["command"]

log = logging.getLogger(__name__)

_SECTIONS = {
    "Files": ("output", "config"),
    "Diffusion map": ("pca_key", "n_components", "knn", "alpha", "seed", "multiscale"),
    "Stored results": ("eigvec_key", "eigval_key", "kernel_key", "sim_key", "overwrite"),
}

_HELP = f"""{summary(diffusion_maps)}

INPUT is an .h5ad or .zarr file with principal components. The stored default, DM_EigenVectors, is
where 'kompot de' and 'kompot da' look.

\b
Example:
  kompot dm cells.h5ad -o cells_dm.h5ad

Write None as none (--kernel-key none).
"""


@click.command(
    "dm",
    cls=SectionedCommand,
    params=signature_options(diffusion_maps, left_out=("adata", "copy")),
    sections=_SECTIONS,
    help=_HELP,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@input_output_options(is_required=True)
def command(input: Path, output: Path, threads: int | None, **parameters: Any) -> None:
    """Read, run, write, summarise."""
    log.info("reading %s", input)
    data = open_data(input)
    adata = data.adata
    with thread_limits.limited(threads):
        diffusion_maps(adata, **parameters)
    write_outputs(data, output)
    if not is_quiet():
        found = ", ".join(f"{value:.4f}" for value in adata.uns[parameters["eigval_key"]])
        shape = " x ".join(map(str, adata.obsm[parameters["eigvec_key"]].shape))
        click.echo(f"obsm[{parameters['eigvec_key']!r}]: {shape}; eigenvalues {found}")
