"""Whether expression looks like logarithms, on which a difference is a fold change."""

import numpy as np
from scipy import sparse

from kompot.anndata.chunks import ExpressionRows
from kompot.user_warnings import warn_user

__all__ = ["LOOKED_AT", "warn_of_scale"]

LOOKED_AT = 200
"""Cells, the first ones: one read, also of what is not in memory."""
_FEWEST_VALUES = 100
_LARGEST_LOG = 30.0
"""Natural logs of counts, normalised or not, are smaller."""


def warn_of_scale(expression: ExpressionRows, layer: str | None) -> None:
    """Warn of expression that looks like counts, or not like logs.

    Parameters
    ----------
    expression
        Expression of the cells compared.
    layer
        The layer that holds it; None for ``adata.X``.
    """
    block = expression[: min(LOOKED_AT, expression.shape[0])]
    values = block.data if sparse.issparse(block) else np.asarray(block)
    values = values[values != 0]
    if values.size < _FEWEST_VALUES:
        return
    largest = float(values.max())
    is_whole = largest >= 2 and bool((values == np.rint(values)).all())
    if not is_whole and largest <= _LARGEST_LOG:
        return
    where = "adata.X" if layer is None else f"adata.layers[{layer!r}]"
    what = "holds whole numbers, like counts" if is_whole else "is too large for logarithms"
    warn_user(
        f"{where} {what} (up to {largest:g}): fold changes are natural logs only of log1p of "
        "normalised counts. Give a `layer` that holds them, or make one: scanpy's "
        "pp.normalize_total and then pp.log1p."
    )
