"""The options of a recorded run as objects, for the short forms."""

from collections.abc import Mapping
from typing import Any

from kompot.records.parameters import OUTCOME, by_kind

__all__ = ["refuse_injected", "settings_of_run"]


def settings_of_run(flat: Mapping[str, Any], analysis_type: str) -> dict[str, Any]:
    """Settings objects of a run by the name that :func:`kompot.de` and :func:`kompot.da` give them.

    Where results went (``overwrite``, ``copy``, ...) is left at its default, and what was compared
    is no option.

    Parameters
    ----------
    flat
        Parameters by dotted name.
    analysis_type
        ``"de"`` or ``"da"``.
    """
    kept = {
        dotted: value
        for dotted, value in flat.items()
        if "." in dotted and dotted.rpartition(".")[2] not in OUTCOME
    }
    return by_kind(kept, analysis_type)


def refuse_injected(flat: dict[str, Any], changes: Mapping[str, Any]) -> None:
    """Refuse to repeat a run whose models are not in its record, unless they are given.

    Raises
    ------
    ValueError
        If there were any and ``model`` is not among the changes.
    """
    injected = {name for name in flat if name.startswith("model.") or name == "model"}
    names = [name.removeprefix("model.") for name in sorted(injected)]
    if isinstance(flat.get("model"), Mapping):
        names = sorted(flat["model"])
    for name in injected:
        del flat[name]
    if names and "model" not in changes:
        msg = (
            f"The run used models that are not in its record ({', '.join(names)}). Give the same "
            "ones to the short form: kompot.de(adata, ..., model=ModelSettings(...), "
            "**run.to_settings())."
        )
        raise ValueError(msg)
