"""What a comparison of expression does with functions that were fitted elsewhere."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kompot.models.arrays import as_states, require_fitted
from kompot.models.given_expression import GivenExpression, given_expression
from kompot.models.parameters import Parameters
from kompot.settings import ModelSettings
from kompot.stats.fdr import significance

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["InjectedExpression"]

_INJECTED = (
    *("model1", "model2", "function_predictor1", "function_predictor2"),
    *("obs_variance_predictor1", "obs_variance_predictor2"),
    *("variance_predictor1", "variance_predictor2"),
)


class InjectedExpression(Parameters):
    """A comparison whose functions may be given to its constructor."""

    eps: float
    batch_size: int | None

    def injected(self) -> GivenExpression | None:
        """The comparison of the functions that were given; None if there are none."""
        given = {name: getattr(self, name) for name in _INJECTED}
        models = ModelSettings(**{name: one for name, one in given.items() if one is not None})
        return given_expression(models, eps=self.eps, batch_size=self.batch_size)

    def compute_fdr(
        self,
        null_mahalanobis: ArrayLike,
        threshold: float = 0.05,
        gene_names: ArrayLike | None = None,
    ) -> "pd.DataFrame":
        """Judge the distances of the last prediction by distances where nothing differs.

        Parameters
        ----------
        null_mahalanobis
            Distances where nothing differs, ``(n_null,)``.
        threshold
            Local false discovery rate below which genes are called, in (0, 1].
        gene_names
            Rows of the table, ``(n_genes,)``; their numbers if None.

        Returns
        -------
        ``mahalanobis``, ``pvalue``, ``local_fdr``, ``tail_fdr`` and ``is_de`` of each gene.

        Raises
        ------
        ValueError
            If nothing was predicted with ``compute_mahalanobis=True``.
        """
        import pandas as pd  # only this table needs it

        if not hasattr(self, "mahalanobis_distances_"):
            msg = "There are no distances yet: call predict(X, compute_mahalanobis=True) first."
            raise ValueError(msg)
        distance: NDArray[np.float64] = self.mahalanobis_distances_
        found = significance(distance, np.asarray(null_mahalanobis, np.float64), threshold)
        columns: dict[str, Any] = {
            "mahalanobis": distance,
            "pvalue": found.p_value,
            "local_fdr": found.local_fdr,
            "tail_fdr": found.tail_fdr,
            "is_de": found.is_de,
        }
        names = None if gene_names is None else pd.Index(np.asarray(gene_names))
        return pd.DataFrame(columns, index=names)

    def compute_mahalanobis_distances(
        self, X: ArrayLike, progress: bool = True
    ) -> NDArray[np.float64]:
        """Distance of each gene's fold change, ``(n_genes,)``, as :meth:`predict` gives it.

        Fitted functions are measured in all their features, whatever the cells; given ones at
        their landmarks, or else at the cells.

        Parameters
        ----------
        X
            Cell states, ``(n_cells, n_dims)``.
        progress
            Show a progress bar.
        """
        del progress  # one product of matrices
        given = self.injected()
        if given is not None:
            return given.distances(as_states(X, "X"))[0]
        require_fitted(self, "delta_")
        as_states(X, "X", self.features_.landmarks.shape[1])  # type: ignore[attr-defined]
        distance: NDArray[np.float64] = self.score().mahalanobis  # type: ignore[attr-defined]
        return distance
