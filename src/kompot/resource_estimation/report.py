"""The plan of a run as text and for notebooks."""

import html
from collections.abc import Iterable
from typing import TYPE_CHECKING

from kompot.memory import ResourceRequirement, human

if TYPE_CHECKING:
    from kompot.resource_estimation.plan import ResourcePlan

__all__ = ["html_report", "text_report"]

_LINE = "=" * 80
_STATUS = {
    "feasible": "FEASIBLE",
    "warnings": "FEASIBLE WITH WARNINGS",
    "infeasible": "NOT FEASIBLE",
}


def text_report(plan: "ResourcePlan", *, verbose: bool) -> str:
    """The plan under the titles of the documented report."""
    lines = [_LINE, "RESOURCE USAGE PLAN", _LINE, ""]
    found = plan.availability
    if found is not None:
        lines += _section(
            "System Resources",
            [
                f"Memory: {found.memory_available_human} available "
                f"(of {found.memory_total_human} in total)",
                f"Disk:   {found.disk_available_human} available at {found.disk_path}",
            ],
        )
    lines += _section("Total Requirements", _totals(plan))
    if verbose:
        for title, resource_type in (("Memory", "memory"), ("Disk", "disk")):
            of_type = [one for one in plan.requirements if one.resource_type == resource_type]
            lines += _section(f"{title} Allocations", map(_allocation, of_type), "• ")
        steps = [f"{name}: {human(size)}" for name, size in plan.steps.items()]
        lines += _section("Memory by Step", steps)
    lines += _section("Output Fields", _fields(plan))
    lines += _section("Info", plan.info, "ℹ ")
    lines += _section("Warnings", plan.warnings, "⚠ ")
    lines += _section("Errors", plan.errors, "✗ ")
    if not plan.is_feasible:
        now = plan.total_memory_required
        lines += _section("Alternatives", [one.in_words(now) for one in plan.alternatives], "→ ")
    lines += [_LINE, f"STATUS: {_STATUS[plan.status]}", _LINE]
    return "\n".join(lines)


def html_report(plan: "ResourcePlan") -> str:
    """The same for notebooks, allocations folded away."""
    short, full = (html.escape(text_report(plan, verbose=verbose)) for verbose in (False, True))
    return f"<pre>{short}</pre><details><summary>Allocations</summary><pre>{full}</pre></details>"


def _section(title: str, lines: Iterable[str], mark: str = "") -> list[str]:
    """A title with indented lines, and a blank one; nothing if there are no lines."""
    shown = [f"  {mark}{line}" for line in lines]
    return [f"{title}:", *shown, ""] if shown else []


def _totals(plan: "ResourcePlan") -> list[str]:
    def share(ratio: float) -> str:
        return "" if plan.availability is None else f" ({100 * ratio:.3g}% of available)"

    lines = [f"Memory: {human(plan.total_memory_required)}{share(plan.memory_ratio)}"]
    if plan.total_disk_required:
        lines.append(f"Disk:   {human(plan.total_disk_required)}{share(plan.disk_ratio)}")
    if plan.wall_time is not None:
        lines.append(f"Time:   {plan.wall_time.in_words()}")
    return lines


def _allocation(one: ResourceRequirement) -> str:
    shape = "" if one.shape is None else f" ({', '.join(map(str, one.shape))})"
    field = "" if one.field_name is None else f" → {one.field_name}"
    return f"{one.name}{shape}: {one.size_human}{field}"


def _fields(plan: "ResourcePlan") -> list[str]:
    lines = []
    for place, names in plan.output_fields.items():
        lines.append(f"{place}:")
        lines += [f"  - {name}{_mark(plan.overwritten.get((place, name)))}" for name in names]
    return lines


def _mark(run_id: int | None) -> str:
    if run_id is None:
        return ""
    return f" [OVERWRITES run_id={run_id}]" if run_id >= 0 else " [OVERWRITES]"
