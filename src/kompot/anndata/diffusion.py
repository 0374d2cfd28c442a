"""Cell states for the analyses: diffusion components from principal components."""

import json

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from kompot.anndata.states import as_matrix, refuse_bad_states
from kompot.anndata.writing import existing_fields, write_fields
from kompot.gp.diffusion import diffusion_map
from kompot.records.annotation import require_anndata
from kompot.records.encoding import simplified
from kompot.records.fields import Field
from kompot.records.history import environment
from kompot.settings.checks import number
from kompot.user_warnings import warn_user

__all__ = ["diffusion_maps"]

_RECORD = "kompot_dm"


def diffusion_maps(  # noqa: PLR0917 the documented order of arguments
    adata: AnnData,
    pca_key: str = "X_pca",
    n_components: int = 10,
    knn: int = 30,
    alpha: float = 0.0,
    seed: int = 0,
    kernel_key: str | None = "DM_Kernel",
    sim_key: str | None = "DM_Similarity",
    eigval_key: str = "DM_EigenValues",
    eigvec_key: str = "DM_EigenVectors",
    *,
    multiscale: bool = True,
    overwrite: bool | None = None,
    copy: bool = False,
) -> AnnData | None:
    """Compute diffusion components, the cell states that the analyses look for.

    Cells are joined to their nearest neighbours in principal components; a random walk over this
    graph is slow along the trajectories and between the types that cells form. Its leading
    eigenvectors place the cells so that such large structures are far apart and noise is
    small (Coifman & Lafon 2006; the adaptive kernel and the scaling are those of Palantir, Setty
    et al. 2019).

    Parameters
    ----------
    adata
        Cells with principal components. If batches or donors were integrated, use the integrated
        components.
    pca_key
        Key of ``adata.obsm`` with the principal components, ``(n_cells, n_dims)``.
    n_components
        Number of diffusion components, the constant one not counted.
    knn
        Neighbours of each cell, itself among them.
    alpha
        How far the density of the cells is divided out, from 0 (not at all) to 1.
    seed
        Seed of the start of the eigensolver.
    kernel_key, sim_key
        Keys of ``adata.obsp`` for the affinities and for the probabilities of a step; None stores
        neither.
    eigval_key
        Key of ``adata.uns`` for the eigenvalues.
    eigvec_key
        Key of ``adata.obsm`` for the diffusion components, ``(n_cells, n_components)``.
    multiscale
        Multiply each eigenvector by eigenvalue / (1 - eigenvalue), so that large structures count
        more. False stores eigenvectors of length 1.
    overwrite
        Results of the same names: None replaces them with a warning, True silently, False raises.
    copy
        Return a copy of the data with the results and leave ``adata`` as it is.

    Returns
    -------
    None, or the changed copy.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be used, before anything is computed; or if the neighbour graph falls
        into parts.

    Notes
    -----
    The constant eigenvector is left out and stored eigenvalues are without its 1. Neighbours are
    found exactly, at a cost that grows with the square of the number of cells. The parameters and
    versions are kept as JSON text in ``adata.uns["kompot_dm"]``.
    """
    given = {name: value for name, value in locals().items() if name not in ("adata", "copy")}
    states = _read(adata, pca_key)
    n_cells, where = len(states), f"with {len(states)} cells"
    number("n_components", n_components, least=1, most=n_cells - 2, whole=True, where=where)
    number("knn", knn, least=4, most=n_cells, whole=True, where=where)
    number("seed", seed, least=0, most=2**32, whole=True)
    number("alpha", alpha, least=0, most=1)
    fields = _fields(kernel_key, sim_key, eigval_key, eigvec_key)
    _check_keys(fields)
    _refuse_existing(adata, list(fields.values()), overwrite)

    found = diffusion_map(states, n_components, knn=knn, alpha=alpha, seed=seed)
    results = {
        "vectors": found.multiscale if multiscale else found.coordinates,
        "values": found.eigenvalues[1:],
        "kernel": found.kernel,
        "steps": found.transition if "steps" in fields else None,
    }
    changed = adata.copy() if copy else adata
    record = {"params": given, "environment": environment()}
    values = {field: results[role] for role, field in fields.items()}
    write_fields(changed, values, {_RECORD: {"last_run_info": json.dumps(simplified(record))}})
    return changed if copy else None


def _read(adata: AnnData, key: str) -> NDArray[np.float64]:
    """Principal components as finite float64."""
    require_anndata(adata)
    if key not in adata.obsm:
        msg = (
            f"PCA coordinates not found: adata.obsm has no {key!r}. Available keys: "
            f"{list(adata.obsm)}; name one as `pca_key`, or compute them, with scanpy "
            "`sc.pp.pca(adata)`."
        )
        raise ValueError(msg)
    states = as_matrix(adata, key, "fiu")
    refuse_bad_states(adata, key, states, np.arange(len(states)), "cells")
    return states


def _check_keys(fields: dict[str, Field]) -> None:
    """Refuse names that files cannot hold, or one name for two results."""
    names = [field.name for field in fields.values()]
    for name in names:
        if not isinstance(name, str) or not name or "/" in name:
            msg = f"Keys must be texts without '/' (files cannot hold such names), got {name!r}."
            raise ValueError(msg)
    if len(set(names)) < len(names):
        msg = f"Each result needs a key of its own, got {names}."
        raise ValueError(msg)


def _refuse_existing(adata: AnnData, fields: list[Field], overwrite: bool | None) -> None:
    """Apply the rule for results that exist: refuse (False), warn (None) or say nothing (True)."""
    if overwrite not in (None, True, False):
        msg = f"`overwrite` must be None, True or False, got {overwrite!r}."
        raise ValueError(msg)
    names = [field.name for field in existing_fields(adata, fields)]
    if not names or overwrite:
        return
    found = f"Diffusion components already exist and will be overwritten: {', '.join(names)}."
    if overwrite is False:
        msg = f"{found} Set overwrite=True to overwrite, or choose other keys, as `eigvec_key`."
        raise ValueError(msg)
    warn_user(found)


def _fields(
    kernel_key: str | None, sim_key: str | None, eigval_key: str, eigvec_key: str
) -> dict[str, Field]:
    """What is stored where, by role."""
    places = {
        "vectors": (eigvec_key, "obsm", "diffusion components"),
        "values": (eigval_key, "uns", "eigenvalues of the diffusion components"),
        "kernel": (kernel_key, "obsp", "affinities of neighbours"),
        "steps": (sim_key, "obsp", "probabilities of a step of the random walk"),
    }
    return {
        role: Field(name, location, role, role, description)
        for role, (name, location, description) in places.items()
        if name is not None
    }
