"""Where fold changes rise and fall: their gradients by cell state."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kompot.gp.features import FeatureMap
from kompot.gp.gradients import function_gradient
from kompot.models.arrays import as_states
from kompot.settings.checks import choice

__all__ = ["FoldChangeGradient"]

Array = NDArray[np.float64]


class FoldChangeGradient(ABC):
    """Gradients of a comparison of two functions in shared features."""

    features_: FeatureMap

    def gradient(self, X: ArrayLike, of: str = "fold_change") -> Array:
        """Gradient by cell state of the log fold change, or of one condition's function.

        Exact for every kernel (:func:`kompot.gp.gradients.function_gradient`).

        Parameters
        ----------
        X
            Cell states, ``(n_cells, n_dims)``.
        of
            ``"fold_change"`` (condition 2 minus condition 1), ``"condition1"`` or
            ``"condition2"``.

        Returns
        -------
        Natural log per unit of the embedding: ``(n_cells, n_dims, n_genes)`` of expression,
        ``(n_cells, n_dims)`` of densities.

        Raises
        ------
        ValueError
            If the model is not fitted or an argument cannot be used.
        """
        first, second = self._function_weights()
        functions = {"fold_change": second - first, "condition1": first, "condition2": second}
        choice("of", of, tuple(functions))
        states = as_states(X, "X", self.features_.landmarks.shape[1])
        return function_gradient(self.features_, functions[of], states)

    @abstractmethod
    def _function_weights(self) -> tuple[Array, Array]:
        """Weights of the function of each condition."""
