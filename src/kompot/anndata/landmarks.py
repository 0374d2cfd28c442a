"""Landmarks that are given, or were stored by an earlier run."""

import logging
from collections.abc import Iterable
from typing import Any

import numpy as np
from anndata import AnnData
from numpy.typing import ArrayLike, NDArray

__all__ = ["EMBEDDING", "known_landmarks", "landmarks_info"]

Array = NDArray[np.float64]

log = logging.getLogger(__name__)

EMBEDDING = "landmarks_obsm_key"
"""Where the embedding of stored landmarks is named, beside them."""


def known_landmarks(
    adata: AnnData,
    landmarks: ArrayLike | str | None,
    keys: Iterable[str],
    n_dims: int,
    obsm_key: str,
) -> tuple[Array | None, str]:
    """Landmarks to use instead of drawing them, and where they come from.

    Parameters
    ----------
    adata
        The data, in whose ``uns`` earlier runs may have stored landmarks.
    landmarks
        Those given by the user; ``"draw"`` for none, not even stored ones.
    keys
        Entries of ``uns`` in which to look, first come first served; those of another number of
        dimensions, or of another embedding, are passed over.
    n_dims
        Number of dimensions of the embedding.
    obsm_key
        Its name.

    Raises
    ------
    ValueError
        If the given ones have another number of dimensions or are not finite.
    """
    if isinstance(landmarks, str):
        if landmarks != "draw":
            msg = f"`landmarks` must be a matrix, None or 'draw', got {landmarks!r}."
            raise ValueError(msg)
        return None, "computed"
    if landmarks is not None:
        return _read(landmarks, n_dims), "argument"
    for key in keys:
        stored = adata.uns.get(key)
        if not isinstance(stored, dict) or "landmarks" not in stored:
            continue
        if stored.get(EMBEDDING, obsm_key) != obsm_key:  # the original did not record it
            continue
        found = np.asarray(stored["landmarks"])
        if found.ndim == 2 and found.shape[1] == n_dims:
            log.info("%d landmarks stored in adata.uns[%r] are used again", len(found), key)
            return _read(found, n_dims), key
    return None, "computed"


def landmarks_info(landmarks: Array, source: str, timestamp: str) -> dict[str, Any]:
    """What is recorded of landmarks, whether or not they are stored."""
    return {
        "shape": list(landmarks.shape),
        "dtype": str(landmarks.dtype),
        "source": source,
        "n_landmarks": len(landmarks),
        "timestamp": timestamp,
    }


def _read(landmarks: ArrayLike, n_dims: int) -> Array:
    """Given landmarks as float64, ``(n_landmarks, n_dims)``.

    Raises
    ------
    ValueError
        If they have another number of dimensions than the embedding or are not finite.
    """
    array = np.asarray(landmarks)
    if array.ndim != 2 or len(array) == 0 or array.dtype.kind not in "fiub":
        msg = (
            "`landmarks` must be a matrix of numbers (n_landmarks, n_dims), "
            f"got shape {array.shape} of type {array.dtype}."
        )
        raise ValueError(msg)
    if array.shape[1] != n_dims:
        msg = f"`landmarks` have {array.shape[1]} features but the embedding has {n_dims}."
        raise ValueError(msg)
    array = np.asarray(array, dtype=np.float64)
    if not np.isfinite(array).all():
        msg = "`landmarks` hold NaN or infinite values."
        raise ValueError(msg)
    return array
