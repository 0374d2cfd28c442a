"""Factors of layers, ready to be written: features of the cells, weights of the genes."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot.records.factored import same_basis
from kompot.records.fields import Field

__all__ = ["basis_digest", "factor_values", "stacked_deviations"]

Array = NDArray[np.float64]

log = logging.getLogger(__name__)


def basis_digest(basis: NDArray[np.float32]) -> str:
    """A number by which features are known again, 40 hexadecimal digits."""
    found = hashlib.sha1(f"{basis.dtype.str}{basis.shape}".encode(), usedforsecurity=False)
    contiguous: Any = np.ascontiguousarray(basis)
    found.update(memoryview(contiguous).cast("B") if basis.size else b"")
    return found.hexdigest()


def factor_values(
    adata: AnnData,
    key: str,
    basis: tuple[Field, NDArray[np.float32]],
    weights: Mapping[Field, NDArray[Any]],
    genes: NDArray[np.intp] | None,
) -> dict[Field, NDArray[Any]]:
    """The fields that hold layers as factors.

    The features are stored in single precision: rounding them changes a function by about as much
    as rounding its values would, relatively, and a difference of two functions by as much as
    rounding the difference. Weights in single precision would do harm to small differences of
    large functions.

    Parameters
    ----------
    adata
        The data; with ``genes``, weights of other genes that it holds are kept if they belong to
        the same features.
    key
        Key of ``uns`` with the history of the analysis.
    basis
        Field and values of the features, ``(n_obs, rank)``; NaN for cells without values.
    weights
        Field and values of weights, ``(n_genes, k * rank)``.
    genes
        Positions of the genes; None for all of ``adata``.
    """
    field, features = basis
    values: dict[Field, NDArray[Any]] = {field: features}
    if genes is None:
        return values | dict(weights)
    digest, lost = basis_digest(features), []
    for place, rows in weights.items():
        spread = np.full((adata.n_vars, rows.shape[1]), np.nan, dtype=rows.dtype)
        if same_basis(adata, key, place.location, place.name, digest):
            earlier: Any = adata.varm[place.name]
            if earlier.shape == spread.shape:
                spread[:] = earlier
        elif place.name in adata.varm:
            lost.append(place.name)
        spread[genes] = rows
        values[place] = spread
    if lost:
        log.warning(
            "%s: the values of genes that were not tested now belonged to other features and are "
            "gone; the same `random_state` and `landmarks` as before keep them",
            ", ".join(lost),
        )
    return values


def stacked_deviations(deviations: Sequence[Array], n_genes: int) -> NDArray[np.float32]:
    """Differences between samples ``(rank, n_genes)`` side by side, ``(n_genes, k * rank)``."""
    if not deviations:
        return np.empty((n_genes, 0), dtype=np.float32)
    return np.concatenate([one.T for one in deviations], axis=1, dtype=np.float32)
