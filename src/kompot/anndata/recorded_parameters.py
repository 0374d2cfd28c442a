"""The parameters of a run as its record keeps them."""

from dataclasses import asdict, replace
from typing import Any

from kompot.settings import AbundanceSettings, ExpressionSettings

__all__ = ["recorded_parameters"]

_LONG = 1000
"""Lists of more items are recorded by their length only."""


def recorded_parameters(settings: AbundanceSettings | ExpressionSettings) -> dict[str, Any]:
    """Parameters by kind, those of the comparison at the top; of arrays only that they were given.

    Parameters
    ----------
    settings
        All options of a run.
    """
    choice = settings.filter
    described = replace(
        choice, groups=_described(choice.groups), cell_filter=_described(choice.cell_filter)
    )
    parameters = {
        "gp": asdict(replace(settings.gp, landmarks=None)),
        "filter": asdict(described),
        "storage": asdict(settings.storage),
        "output": asdict(settings.output),
        "samples": asdict(replace(settings.samples, regions=_described(settings.samples.regions))),
    }
    parameters["gp"]["landmarks"] = settings.gp.landmarks is not None
    if isinstance(settings, ExpressionSettings):
        parameters["fdr"] = asdict(settings.fdr)
    else:
        parameters["threshold"] = asdict(settings.threshold)
    return asdict(settings.comparison) | parameters


def _described(choice: Any) -> Any:
    """A choice of cells that JSON can hold, or the name of its type."""
    if choice is None or isinstance(choice, str | bool | int | float):
        return choice
    if isinstance(choice, dict):
        return {str(key): _described(value) for key, value in choice.items()}
    if isinstance(choice, list | tuple):
        if len(choice) > _LONG:
            return f"<{type(choice).__name__} of {len(choice)}>"
        return [_described(value) for value in choice]
    return f"<{type(choice).__name__}>"
