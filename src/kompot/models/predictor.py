"""What can be used as a function of cell state."""

from typing import Any, Protocol, runtime_checkable

from numpy.typing import ArrayLike

__all__ = ["Predictor"]


@runtime_checkable
class Predictor(Protocol):
    """Anything with a method ``predict`` of cell states, as every fitted model has.

    ``isinstance(model, Predictor)`` asks for the method. Where predictors are injected
    (:class:`kompot.ModelSettings`), callables without it will do as well.
    """

    def predict(self, X: ArrayLike, /) -> Any:
        """Values at cell states ``(n_cells, n_dims)``, one row for each."""
        ...
