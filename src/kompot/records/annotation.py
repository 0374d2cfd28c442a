"""The data that a user gives: that they are AnnData, and columns of ``obs`` by name."""

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from anndata import AnnData

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["obs_column", "require_anndata"]


def require_anndata(adata: object) -> None:
    """Refuse what is no AnnData object, with a TypeError."""
    if not isinstance(adata, AnnData):
        msg = f"`adata` must be an AnnData object, got {type(adata).__name__}."
        raise TypeError(msg)


def obs_column(obs: Any, column: Any, argument: str) -> "pd.Series[Any]":
    """A column of ``obs`` that an argument names.

    Raises
    ------
    ValueError, TypeError
        If there is none or several of the name, or it is no name.
    """
    if not isinstance(column, Hashable):
        msg = f"`{argument}` must be the name of a column of adata.obs, got {column!r}."
        raise TypeError(msg)
    if column not in obs:
        available = f"Available columns: {list(obs.columns)}"
        msg = f"`{argument}`: Column {column!r} not found in adata.obs. {available}"
        raise ValueError(msg)
    found: pd.Series[Any] = obs[column]
    if found.ndim > 1:
        msg = (
            f"`{argument}`: adata.obs has {found.shape[1]} columns of the name {column!r}; rename "
            "all but one."
        )
        raise ValueError(msg)
    return found
