"""``--dry-run``: what an analysis would take, on stdout, instead of running it."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from kompot.resource_estimation import ResourcePlan

__all__ = ["dry_run_options", "refuse_json_alone", "show_plan"]

_Command = TypeVar("_Command", bound=Callable[..., object])


def dry_run_options(command: _Command) -> _Command:
    """Give a command ``--dry-run`` and ``--json``."""
    json_option = click.option(
        "--json",
        "as_json",
        is_flag=True,
        help="With --dry-run: print the plan as JSON.",
    )
    return click.option(
        "--dry-run",
        is_flag=True,
        help="Only print what the run would take and write; exit 1 if it would be refused.",
    )(json_option(command))


def refuse_json_alone(*, dry_run: bool, as_json: bool) -> None:
    """Refuse ``--json`` where there is no plan to print.

    Raises
    ------
    click.UsageError
        If it comes without ``--dry-run``.
    """
    if as_json and not dry_run:
        msg = "--json prints the plan of a --dry-run: give both."
        raise click.UsageError(msg)


def show_plan(plan: "ResourcePlan", *, as_json: bool) -> None:
    """Print a plan, and end with 1 if the run would be refused."""
    click.echo(json.dumps(plan.to_dict(), indent=2) if as_json else plan.format_report())
    if not plan.is_feasible:
        click.get_current_context().exit(1)
