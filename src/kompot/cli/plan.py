"""``kompot plan``: what an analysis would take; the same as its ``--dry-run``."""

from importlib import import_module

import click

__all__ = ["command"]

_ANALYSES = {
    "de": "kompot.cli.differential_expression",
    "da": "kompot.cli.differential_abundance",
}


_HELP = """Say what an analysis would take and replace, and run nothing.

INPUT and OPTIONS are those of the analysis (kompot de --help), with --json for the plan as JSON.
Ends with 1 if the run would be refused.

\b
Example:
  kompot plan de cells.h5ad --groupby condition --condition1 control \\
    --condition2 treated --sample-col donor
"""


@click.command(
    "plan",
    help=_HELP,
    options_metavar=None,
    context_settings={
        "ignore_unknown_options": True,
        "allow_interspersed_args": False,
        "help_option_names": ["-h", "--help"],
    },
)
@click.argument("analysis", type=click.Choice(list(_ANALYSES)))
@click.argument("options", nargs=-1, metavar="INPUT [OPTIONS]...", type=click.UNPROCESSED)
@click.pass_context
def command(ctx: click.Context, analysis: str, options: tuple[str, ...]) -> None:
    """Run the analysis's command with ``--dry-run``."""
    planned: click.Command = import_module(_ANALYSES[analysis]).command
    code = planned.main(
        [*options, "--dry-run"], prog_name=f"kompot plan {analysis}", standalone_mode=False
    )
    ctx.exit(code if isinstance(code, int) else 0)
