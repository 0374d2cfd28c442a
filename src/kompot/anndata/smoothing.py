"""Smooth expression over cell states, from AnnData to AnnData."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from anndata import AnnData
from numpy.typing import ArrayLike

from kompot import threads
from kompot.anndata.refusals import refuse_unknown
from kompot.anndata.smoothing_run import run_smoothing
from kompot.gp.backend import jit_compiled
from kompot.models.expression_model import ExpressionModel
from kompot.settings import (
    GPSettings,
    OutputSettings,
    Smoothing,
    SmoothingSettings,
    StorageSettings,
)

__all__ = ["compute_smoothed_expression", "smooth_expression"]

Returned = dict[str, Any] | AnnData | tuple[dict[str, Any], AnnData] | None


def smooth_expression(  # noqa: PLR0917 the documented order of arguments
    adata: AnnData,
    groupby: str | None = None,
    condition: str | None = None,
    obsm_key: str = "DM_EigenVectors",
    layer: str | None = None,
    genes: Sequence[str] | None = None,
    sample_col: str | None = None,
    gp: GPSettings | None = None,
    storage: StorageSettings | None = None,
    output: OutputSettings | None = None,
    model: Any = None,
    **function_kwargs: Any,
) -> Returned:
    """Smooth expression over cell states, with options as objects.

    The same as :func:`compute_smoothed_expression`, which documents what is computed, stored and
    returned.

    Parameters
    ----------
    adata, groupby, condition, obsm_key, layer, genes, sample_col
        As there.
    gp
        Options of the Gaussian process; None for the defaults, with cells predicted 500 at a time.
        ``param_scheme`` has no effect.
    storage
        Where results are stored; a ``result_key`` that is not set is ``"kompot_smooth"``.
    output
        What is returned and shown.
    model
        A fitted :class:`kompot.ExpressionModel` to evaluate instead of fitting one, or an object
        that has one as ``model1``.
    **function_kwargs
        Single options of ``gp`` by name, such as ``ls``; they replace those of ``gp``.

    Returns
    -------
    As :func:`compute_smoothed_expression`.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be used, before anything is computed.
    """
    kinds = {"gp": (gp, GPSettings), "storage": (storage, StorageSettings)}
    for name, (given, kind) in (kinds | {"output": (output, OutputSettings)}).items():
        if given is not None and not isinstance(given, kind):
            msg = f"'{name}' must be {kind.__name__} or None, got {type(given).__name__}."
            raise TypeError(msg)
    chosen = GPSettings(batch_size=SmoothingSettings.BATCH_SIZE) if gp is None else gp
    options = [option.name for option in fields(GPSettings)]
    unknown = {name: one for name, one in function_kwargs.items() if name not in options}
    refuse_unknown(unknown, smooth_expression, options)
    settings = SmoothingSettings(
        Smoothing(groupby, condition, obsm_key, layer, genes, sample_col),
        replace(chosen, **function_kwargs),
        StorageSettings() if storage is None else storage,
        OutputSettings() if output is None else output,
    )
    with threads.single_threaded_products(), jit_compiled(settings.gp.jit_compile):
        return run_smoothing(adata, settings, _fitted(model))


def compute_smoothed_expression(  # noqa: PLR0917 the order of arguments that users know
    adata: AnnData,
    groupby: str | None = None,
    condition: str | None = None,
    obsm_key: str = "DM_EigenVectors",
    layer: str | None = None,
    genes: list[str] | None = None,
    n_landmarks: int | None = GPSettings.n_landmarks,
    sample_col: str | None = None,
    sigma: float = GPSettings.sigma,
    ls: float | str | None = GPSettings.ls,
    ls_factor: float = GPSettings.ls_factor,
    use_empirical_variance: bool = GPSettings.use_empirical_variance,
    eps: float = GPSettings.eps,
    random_state: int | None = GPSettings.random_state,
    batch_size: int | None = SmoothingSettings.BATCH_SIZE,
    result_key: str = SmoothingSettings.KEY,
    return_full_results: bool = OutputSettings.return_full_results,
    overwrite: bool | None = StorageSettings.overwrite,
    progress: bool = OutputSettings.progress,
    *,
    copy: bool = OutputSettings.copy,
    inplace: bool = OutputSettings.inplace,
    layers: str = StorageSettings.layers,
    landmarks: ArrayLike | None = None,
    store_landmarks: bool = StorageSettings.store_landmarks,
    kernel: str = GPSettings.kernel,
    tol: float = GPSettings.tol,
    jit_compile: bool = GPSettings.jit_compile,
    store_arrays_on_disk: bool | None = StorageSettings.store_arrays_on_disk,
    disk_storage_dir: str | None = StorageSettings.disk_storage_dir,
    max_memory_ratio: float = StorageSettings.max_memory_ratio,
    model: Any = None,
    **function_kwargs: Any,
) -> Returned:
    """Smooth the expression of one condition, or of all cells, over cell states.

    Expression is a Gaussian process over cell states, fitted to the cells of a condition and
    evaluated at every cell of the data, with its standard deviation.

    Parameters
    ----------
    adata
        Cells with expression, as log1p of normalised counts or any other scale.
    groupby
        Column of ``adata.obs`` with the condition.
    condition
        Label of the cells to fit; None for all cells.
    obsm_key
        Key of ``adata.obsm`` with the cell states, ``(n_cells, n_dims)``.
    layer
        Layer with the expression; None for ``adata.X``.
    genes
        Names of the genes to smooth; None for all. The others are NaN, or keep earlier values.
    sample_col
        Column of ``adata.obs`` with samples (donors, mice): adds the variance between them.
    n_landmarks
        Largest rank of the features that represent the functions; fewer are used once ``tol`` is
        reached. None for no limit.
    landmarks
        Cell states to use as landmarks, ``(n_landmarks, n_dims)``; else those stored by an earlier
        run that smoothed; else they are drawn. ``"draw"`` ignores stored ones.
    sigma
        Noise standard deviation of the model, in units of the expression.
    ls
        Length scale in units of the embedding; None estimates it from the spacing of the cells,
        ``"evidence"`` by marginal likelihood at this ``sigma``.
    ls_factor
        Multiple of the estimate.
    use_empirical_variance
        Estimate the variance of single cells around the function, of each gene and state.
    eps
        Added to the total variance.
    jit_compile
        Compute features, products and predictions through JAX, on a GPU if it finds one; needs
        the extra ``kompot[jax]``. Results agree with NumPy's to 1e-9.
    random_state
        Seed of the landmarks. None draws them anew each time.
    batch_size
        Cells predicted at a time; None or 0 for all.
    store_arrays_on_disk, disk_storage_dir
        Whether and where dense layers and the samples' own fits are kept in files (that vanish with
        them); None for whether they would not fit into memory.
    max_memory_ratio
        Share of the available memory that the layers may take.
    copy
        Return a copy of the data with the results and leave ``adata`` as it is.
    inplace
        Write the results to ``adata``. False (without ``copy``) writes nothing.
    result_key
        Beginning of every field's name.
    overwrite
        Results of the same names: None replaces them with a warning, True silently, False raises.
    store_landmarks
        Keep the landmarks in ``adata.uns[result_key]["landmarks"]``, for reuse.
    return_full_results
        Return the dictionary described below.
    progress
        Show progress bars.
    layers
        ``"dense"`` stores layers (float32) of every cell; ``"factored"`` stores what
        :func:`kompot.get_layer` makes the first two of, which is far smaller; ``"none"`` stores
        none, for ``return_full_results``.
    kernel
        ``"matern52"``, ``"matern32"``, ``"exponential"``, ``"squared_exponential"`` or
        ``"rational_quadratic"``.
    tol
        Prior variance that the features may leave on average, of 1.
    model
        A fitted :class:`kompot.ExpressionModel` to evaluate instead of fitting one, with as many
        genes as are smoothed; parameters of the fit then have no effect.
    **function_kwargs
        None beyond the above; an unknown name is refused.

    Returns
    -------
    None, or the changed copy if ``copy``, or with ``return_full_results`` a dictionary (with
    ``copy`` both, in a tuple) of ``model``, the fitted :class:`kompot.ExpressionModel`; ``table``,
    a row for each gene smoothed with the means over all cells ``mean_smoothed`` and ``mean_std``;
    and ``field_names``, names of the layers by role.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be used, before anything is computed.
    MemoryError
        If the layers would not fit, before anything is computed.
    ImportError
        If ``jit_compile`` is given and JAX is not installed, before anything is computed.

    Notes
    -----
    Stored, with ``R`` the result key and ``C`` the condition (space, ``-``, ``.`` and ``/`` become
    ``_``; ``all`` without one): the layers R_C_smoothed and R_C_std; with
    ``use_empirical_variance`` R_C_obs_variance and with ``sample_col`` R_C_sample_variance; the
    record of the run in ``uns["kompot_smooth"]``. The standard deviation is the root of the
    posterior variance of the function plus the other two, as far as they are there: with
    them it is that of a single cell of a new sample. With ``layers="factored"`` ``obsm`` R_C_basis,
    ``varm`` R_C_weights (with samples R_C_deviations) and ``obs`` R_C_posterior_std. Nothing is
    written before all is computed.

    Examples
    --------
    >>> import kompot
    >>> adata = kompot.datasets.simulate(n_cells=60, n_genes=4, random_state=0)
    >>> kompot.compute_smoothed_expression(adata, "condition", "treated", progress=False)
    >>> sorted(name for name in adata.layers if name and "smooth" in name)
    ['kompot_smooth_treated_smoothed', 'kompot_smooth_treated_std']
    """
    refuse_unknown(function_kwargs, compute_smoothed_expression)
    settings = SmoothingSettings(
        Smoothing(groupby, condition, obsm_key, layer, genes, sample_col),
        GPSettings(
            sigma=sigma,
            ls=ls,
            ls_factor=ls_factor,
            n_landmarks=n_landmarks,
            landmarks=landmarks,
            batch_size=batch_size,
            eps=eps,
            jit_compile=jit_compile,
            random_state=random_state,
            kernel=kernel,
            tol=tol,
            use_empirical_variance=use_empirical_variance,
        ),
        StorageSettings(
            result_key=result_key,
            overwrite=overwrite,
            store_landmarks=store_landmarks,
            store_arrays_on_disk=store_arrays_on_disk,
            disk_storage_dir=disk_storage_dir,
            max_memory_ratio=max_memory_ratio,
            layers=layers,
        ),
        OutputSettings(
            copy=copy,
            inplace=inplace,
            return_full_results=return_full_results,
            progress=progress,
        ),
    )
    with threads.single_threaded_products(), jit_compiled(settings.gp.jit_compile):
        return run_smoothing(adata, settings, _fitted(model))


def _fitted(model: Any) -> ExpressionModel | None:
    """The model that was given, by itself or as ``model1`` of settings."""
    found = getattr(model, "model1", model)
    if found is not None and not isinstance(found, ExpressionModel):
        msg = f"`model` must be a fitted kompot.ExpressionModel, got {type(found).__name__}."
        raise TypeError(msg)
    return found
