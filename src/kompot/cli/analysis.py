"""What the commands that analyse a file share: their files, their threads, their sections."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import click
import pandas as pd
from anndata import AnnData

from kompot.anndata.stored_data import StoredData
from kompot.cli.config import config_option
from kompot.cli.console import say, verbosity_options
from kompot.cli.files import data_path, replaced, table_path, write_data, write_table

__all__ = [
    "LEFT_OUT",
    "analysis_options",
    "input_output_options",
    "refuse_no_output",
    "sections",
    "write_outputs",
]

# What has no meaning in a shell: the data, an array, and in which Python object results arrive.
LEFT_OUT = ("adata", "landmarks", "copy", "inplace", "return_full_results")

_LFC = "log_fold_change"

_Command = TypeVar("_Command", bound=Callable[..., object])


def sections(titles: Mapping[str, Any]) -> dict[str, list[str]]:
    """Names of options by title; each title is given with the settings whose fields it lists."""
    return {"Files": ["output", "table_output", "group_table", "config"]} | {
        title: [
            name
            for field in fields(kind)
            for name in (field.name, f"fdr_{field.name}", field.name.replace("lfc", _LFC))
        ]
        for title, kind in titles.items()
    }


def input_output_options(
    *, is_required: bool, has_threads: bool = True
) -> Callable[[_Command], _Command]:
    """Give a command INPUT, ``-o``, ``-c``, ``--threads``, ``-v`` and ``-q``.

    Parameters
    ----------
    is_required
        Whether ``-o`` must be given.
    has_threads
        Whether it computes, and has ``--threads``.
    """
    threads = click.option(
        "--threads",
        type=click.IntRange(min=1),
        metavar="INTEGER",
        help="Threads of the numerics; all cores if not given.",
    )

    def decorate(command: _Command) -> _Command:
        for option in (
            verbosity_options,
            *([threads] if has_threads else []),
            config_option,
            click.option(
                "-o",
                "--output",
                type=click.Path(path_type=Path),
                metavar="FILE",
                callback=data_path,
                required=is_required,
                help="Write the data with the results, .h5ad or .zarr; may be INPUT itself.",
            ),
            click.argument(
                "input", type=click.Path(exists=True, path_type=Path), callback=data_path
            ),
        ):
            command = option(command)
        return command

    return decorate


def analysis_options(rows: str) -> Callable[[_Command], _Command]:
    """Give a command what :func:`input_output_options` does, and ``-t``.

    Parameters
    ----------
    rows
        What the table lists, and in which order.
    """

    def decorate(command: _Command) -> _Command:
        table = click.option(
            "-t",
            "--table-output",
            "--table",
            type=click.Path(path_type=Path),
            metavar="FILE",
            callback=table_path,
            help=f"Write {rows}, .csv or .tsv.",
        )
        return input_output_options(is_required=False)(table(command))

    return decorate


def refuse_no_output(*outputs: Path | None) -> None:
    """Refuse to compute what would not be kept.

    Raises
    ------
    click.UsageError
        If no output is given, or one file is given twice.
    """
    if not any(outputs):
        msg = "Nothing would be left of the results: give -o/--output, -t/--table-output or both."
        raise click.UsageError(msg)
    paths = [path.resolve() for path in outputs if path is not None]
    if len(set(paths)) < len(paths):
        msg = "Two outputs would be the same file: give each a name of its own."
        raise click.UsageError(msg)


def write_outputs(
    data: AnnData | StoredData,
    output: Path | None,
    *tables: tuple[pd.DataFrame | None, Path | None],
    rows: str = "gene",
) -> None:
    """Write data and tables to where that is wanted, and put all in place once all are written."""
    wanted = [(table, path) for table, path in tables if table is not None and path is not None]
    with ExitStack() as stack:
        if output is not None:
            write_data(data, stack.enter_context(replaced(output)), output.suffix)
        for table, path in wanted:
            write_table(table, stack.enter_context(replaced(path)), path.suffix, rows)
    for written in (output, *(path for _, path in wanted)):
        if written is not None:
            say(f"kompot: wrote {written}")
