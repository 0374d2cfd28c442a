"""Cell states in ``obsm``: matrices of finite numbers."""

from typing import Any

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot.gp.coordinates import FARTHEST, usable_states

__all__ = ["as_matrix", "read_states", "refuse_bad_states"]

Array = NDArray[np.float64]

_DIFFUSION_HINT = (
    " `kompot.diffusion_maps(adata)`, or `kompot dm` in a shell, makes the default one "
    "from principal components."
)


def read_states(adata: AnnData, obsm_key: str) -> Array:
    """An embedding as float64, ``(n_obs, n_dims)``.

    Raises
    ------
    ValueError
        If there is none of that name, or it is no matrix of numbers.
    """
    if obsm_key not in adata.obsm:
        hint = _DIFFUSION_HINT if obsm_key == "DM_EigenVectors" else ""
        msg = (
            f"Key {obsm_key!r} not found in adata.obsm. Available keys: {list(adata.obsm)}; "
            f"choose one as `obsm_key`.{hint}"
        )
        raise ValueError(msg)
    return as_matrix(adata, obsm_key, "fiub")


def as_matrix(adata: AnnData, key: str, kinds: str) -> Array:
    """An entry of ``obsm`` as float64, ``(n_obs, n_dims)``.

    Parameters
    ----------
    adata
        The data.
    key
        Name of the entry.
    kinds
        Kinds of numbers that it may hold, letters of :attr:`numpy.dtype.kind`.

    Raises
    ------
    ValueError
        If it is no matrix of such numbers.
    """
    stored: Any = adata.obsm[key]
    states = np.asarray(stored.toarray() if hasattr(stored, "toarray") else stored)
    if states.ndim != 2 or states.shape[1] == 0 or states.dtype.kind not in kinds:
        msg = (
            f"adata.obsm[{key!r}] must be a matrix of numbers (n_cells, n_dims), "
            f"got shape {states.shape} of type {states.dtype}."
        )
        raise ValueError(msg)
    return np.ascontiguousarray(states, dtype=np.float64)


def refuse_bad_states(
    adata: AnnData, key: str, states: Array, rows: NDArray[np.intp], whose: str
) -> None:
    """Refuse states that are not finite or so far apart that squares overflow.

    Parameters
    ----------
    adata
        The data.
    key
        Name of the states.
    states
        Of some cells, ``(n_cells, n_dims)``.
    rows
        Which cells, ``(n_cells,)``.
    whose
        What these cells are, in words.

    Raises
    ------
    ValueError
        If any is bad.
    """
    bad = ~usable_states(states)
    if bad.any():
        names = adata.obs_names[rows[bad][:5]].tolist()
        msg = (
            f"adata.obsm[{key!r}] holds NaN, infinite or huge (> {FARTHEST:g}) values in "
            f"{int(bad.sum())} of {len(rows)} {whose} (first: {names}); "
            "leave these cells out, adata[mask].copy(), or mend the embedding."
        )
        raise ValueError(msg)
