"""Parameters that are refused: where they have no meaning, and unknown ones."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from kompot.settings import ExpressionSettings
from kompot.settings.checks import SEPARATE

__all__ = ["refuse_own_noise", "refuse_unknown"]


def refuse_own_noise(settings: ExpressionSettings) -> None:
    """Refuse `use_empirical_variance` where there is no place or no fit for it.

    Raises
    ------
    ValueError
        If layers are to be factored, or functions are given or fitted apart.
    """
    if not settings.gp.use_empirical_variance:
        return
    if settings.storage.layers == "factored":
        msg = (
            "use_empirical_variance=True makes standard deviations that layers='factored' cannot "
            "hold; use layers='dense' or 'none'."
        )
        raise ValueError(msg)
    if settings.model.names or settings.gp.param_scheme == SEPARATE:
        msg = (
            "use_empirical_variance=True estimates noise from a fit of both conditions together: "
            "with functions that are given or fitted apart, give `obs_variance_predictor1` and "
            "`obs_variance_predictor2` instead."
        )
        raise ValueError(msg)


def refuse_unknown(unknown: Mapping[str, Any], function: Callable[..., Any]) -> None:
    """Refuse keyword arguments that a function does not know.

    Raises
    ------
    TypeError
        Naming them and listing the known ones.
    """
    if unknown:
        known = [name for name in inspect.signature(function).parameters if "kwargs" not in name]
        msg = f"Unknown arguments: {sorted(unknown)}. Known arguments: {known}"
        raise TypeError(msg)
