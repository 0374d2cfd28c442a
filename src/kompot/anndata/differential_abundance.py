"""Differential abundance of two conditions, from AnnData to AnnData."""

from typing import Any

from anndata import AnnData
from numpy.typing import ArrayLike

from kompot.anndata.abundance_run import density_parameters, run_abundance
from kompot.settings import (
    AbundanceSettings,
    Comparison,
    DAThresholdSettings,
    DensitySettings,
    FilterSettings,
    OutputSettings,
    StorageSettings,
)

__all__ = ["compute_differential_abundance"]


def compute_differential_abundance(  # noqa: PLR0917 the documented order of arguments
    adata: AnnData,
    groupby: str,
    condition1: str,
    condition2: str,
    obsm_key: str = "DM_EigenVectors",
    n_landmarks: int | None = DensitySettings.n_landmarks,
    landmarks: ArrayLike | None = None,
    sample_col: str | None = None,
    log_fold_change_threshold: float = DAThresholdSettings.lfc_threshold,
    ptp_threshold: float = DAThresholdSettings.ptp_threshold,
    ls_factor: float = DensitySettings.ls_factor,
    jit_compile: bool = DensitySettings.jit_compile,
    random_state: int | None = DensitySettings.random_state,
    copy: bool = OutputSettings.copy,
    inplace: bool = OutputSettings.inplace,
    result_key: str = "kompot_da",
    batch_size: int | None = DensitySettings.batch_size,
    overwrite: bool | None = StorageSettings.overwrite,
    store_landmarks: bool = StorageSettings.store_landmarks,
    return_full_results: bool = OutputSettings.return_full_results,
    allow_single_condition_variance: bool = OutputSettings.allow_single_condition_variance,
    *,
    groups: Any = FilterSettings.groups,
    cell_filter: Any = FilterSettings.cell_filter,
    sync_parameters: bool = DensitySettings.sync_parameters,
    store_additional_stats: bool = StorageSettings.store_additional_stats,
    progress: bool = OutputSettings.progress,
    **density_kwargs: Any,
) -> dict[str, Any] | AnnData | tuple[dict[str, Any], AnnData] | None:
    r"""Find where in the space of cell states one condition has more cells than the other.

    Each condition's log density is a Gaussian process fitted to the nearest-neighbour distances
    among its own cells. Their difference at a cell is the log fold change of its state's
    abundance, as a share of all cells of the condition, with its posterior uncertainty.
    It describes *these cells*, not other donors.

    Parameters
    ----------
    adata
        Cells of both conditions.
    groupby
        Column of ``adata.obs`` with the conditions. Cells without a label, or of another
        condition, take no part; the densities are evaluated for them all the same.
    condition1, condition2
        Labels of the conditions; fold changes are condition 2 over condition 1.
    obsm_key
        Key of ``adata.obsm`` with the cell states, ``(n_cells, n_dims)``.
    n_landmarks
        Largest rank of the features that represent the densities; None for no limit.
    landmarks
        Cell states to use as landmarks, ``(n_landmarks, n_dims)``; else those stored by an earlier
        run of this ``result_key`` or of another ``kompot_...``; else they are drawn.
        ``"draw"`` ignores stored ones.
    sample_col
        Column of ``adata.obs`` with the biological samples. Not available yet.
    log_fold_change_threshold
        Smallest absolute log fold change (natural log) of a direction other than neutral.
    ptp_threshold
        Largest tail probability of a direction other than neutral.
    ls_factor
        Multiple of the length scale estimated from the spacing of the cells.
    jit_compile
        Run through JAX. Not available yet.
    random_state
        Seed of the landmarks; None is 0.
    copy
        Return a copy of the data with the results and leave ``adata`` as it is.
    inplace
        Write the results to ``adata``. False (without ``copy``) writes nothing.
    result_key
        Beginning of every field's name.
    batch_size
        Cells predicted at a time; None or 0 for 4096.
    overwrite
        Results of the same names: None replaces them with a warning, True silently, False raises.
    store_landmarks
        Keep the landmarks in ``adata.uns[result_key]["landmarks"]``, for reuse.
    return_full_results
        Return the dictionary described below.
    allow_single_condition_variance
        Not available yet.
    groups
        Groups of cells for which the mean change is wanted: a column of ``adata.obs`` or any form
        of :func:`kompot.anndata.groups.parse_groups`.
    cell_filter
        Cells to leave out (:func:`kompot.anndata.groups.parse_cell_filter`); their results are
        missing.
    sync_parameters
        Whether dimension, length scale and prior mean come from both conditions and not from the
        first; exchanging the conditions then only changes signs.
    store_additional_stats
        Also store the local false sign rate and s-value of each cell: the probability of the
        wrong sign under a prior learned from all cells (Stephens 2017, *Biostatistics* 18, 275).
    progress
        Show progress bars.
    **density_kwargs
        Further parameters of :class:`kompot.DensityEstimator`: ``ls`` (a number, or
        ``"evidence"`` for the scale of largest marginal likelihood), ``d``, ``d_method``, ``mu``,
        ``kernel``, ``tol``, ``optimizer``, ``n_iter``.

    Returns
    -------
    None, or the changed copy if ``copy``, or with ``return_full_results`` a dictionary (with
    ``copy`` both, in a tuple) of

    * ``table``: one row for each cell with ``lfc`` (natural log), ``lfc_zscore``,
      ``neg_log10_ptp``, ``direction`` (up, neutral, down), ``lfsr``, ``svalue``;
    * ``groups``: with ``groups``, one row for each with its numbers of cells, ``mean_lfc``,
      ``std``, ``zscore``, ``neg_log10_ptp`` and ``probability_changed``, the posterior
      probability that the mean change exceeds ``log_fold_change_threshold``;
    * ``model``: the fitted :class:`kompot.DifferentialAbundance`;
    * ``landmarks``: ``(rank, n_dims)``;
    * ``field_names``: names of the stored fields by role.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be used, before anything is computed.
    NotImplementedError
        If a parameter is given whose feature is not available yet.

    Notes
    -----
    Stored, with ``R`` the result key and ``A``, ``B`` the conditions (space, ``-``, ``.`` and
    ``/`` become ``_``): ``obs`` R_A_to_B_lfc, R_A_to_B_lfc_zscore, R_A_to_B_neg_log10_lfc_ptp,
    R_A_to_B_lfc_direction, R_A_log_density, R_B_log_density; ``uns``
    R_A_to_B_lfc_direction_colors, R_lfc_direction_colors and the record of the run in
    ``uns["kompot_da"]``; with ``groups`` the table in ``uns[R]["groups"]``; with
    ``store_additional_stats`` ``obs`` R_A_to_B_lfc_lfsr and R_A_to_B_lfc_svalue. Nothing is
    written before all is computed.
    """
    settings = AbundanceSettings(
        Comparison(groupby, condition1, condition2, obsm_key, sample_col=sample_col),
        DensitySettings(
            n_landmarks=n_landmarks,
            landmarks=landmarks,
            ls_factor=ls_factor,
            jit_compile=jit_compile,
            random_state=random_state,
            batch_size=batch_size,
            sync_parameters=sync_parameters,
            estimator=density_parameters(density_kwargs),
        ),
        DAThresholdSettings(log_fold_change_threshold, ptp_threshold),
        FilterSettings(cell_filter=cell_filter, groups=groups),
        StorageSettings(
            result_key=result_key,
            overwrite=overwrite,
            store_landmarks=store_landmarks,
            store_additional_stats=store_additional_stats,
        ),
        OutputSettings(
            copy=copy,
            inplace=inplace,
            return_full_results=return_full_results,
            allow_single_condition_variance=allow_single_condition_variance,
            progress=progress,
        ),
    )
    return run_abundance(adata, settings)
