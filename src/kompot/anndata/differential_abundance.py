"""Differential abundance of two conditions, from AnnData to AnnData."""

from collections.abc import Sequence
from typing import Any

from anndata import AnnData
from numpy.typing import ArrayLike

from kompot.anndata.abundance_run import density_parameters, run_abundance
from kompot.gp.backend import jit_compiled
from kompot.settings import (
    ABUNDANCE_KEY,
    AbundanceSettings,
    Comparison,
    DAThresholdSettings,
    DensitySettings,
    DonorAbundanceOptions,
    FilterSettings,
    OutputSettings,
    SampleSettings,
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
    result_key: str = ABUNDANCE_KEY,
    batch_size: int | None = DensitySettings.batch_size,
    overwrite: bool | None = StorageSettings.overwrite,
    store_landmarks: bool = StorageSettings.store_landmarks,
    return_full_results: bool = OutputSettings.return_full_results,
    allow_single_condition_variance: bool = OutputSettings.allow_single_condition_variance,
    *,
    donor_col: str | None = SampleSettings.donor_col,
    paired: bool | None = SampleSettings.paired,
    covariates: Sequence[str] | None = SampleSettings.covariates,
    significance: str = SampleSettings.significance,
    fdr_threshold: float = DonorAbundanceOptions.fdr_threshold,
    donor_lfc_threshold: float = DonorAbundanceOptions.donor_lfc_threshold,
    reference: str | Sequence[str] | None = DonorAbundanceOptions.reference,
    groups: Any = FilterSettings.groups,
    cell_filter: Any = FilterSettings.cell_filter,
    sync_parameters: bool = DensitySettings.sync_parameters,
    param_scheme: str = DensitySettings.param_scheme,
    ratio: str = DensitySettings.ratio,
    store_additional_stats: bool = StorageSettings.store_additional_stats,
    progress: bool = OutputSettings.progress,
    **density_kwargs: Any,
) -> dict[str, Any] | AnnData | tuple[dict[str, Any], AnnData] | None:
    r"""Find where in the space of cell states one condition has more cells than the other.

    Each condition's log density is a Gaussian process fitted to the nearest-neighbour distances
    among its own cells. Their difference at a cell is the log fold change of its state's
    abundance, as a share of all cells of the condition, with its posterior uncertainty.
    It describes *these cells*, not other donors.

    With ``sample_col`` samples are the replicates. The variance between the samples' own densities
    is added to the uncertainty (``_sample_var``; a description, no controlled test), and the
    donor-level test says which states have another share of cells in *new donors*: log fractions
    of every sample's cells in regions and neighbourhoods, in a linear model with moderated
    variances (:func:`kompot.models.donor_abundance.donor_abundance`). No cell is called unless
    the global rotation test rejects, and of the cells called at most ``fdr_threshold`` are
    expected to be false. Shares add up to one: where one type expands, the others' fall. Four or
    more samples per condition are advisable; with 2 degrees of freedom (2 against 2, three pairs)
    results are exploratory, with fewer there is no test.

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
        Column of ``adata.obs`` with the biological samples, at least 2 in each condition. A label
        in both conditions means a sample in each.
    log_fold_change_threshold
        Smallest absolute log fold change (natural log) of a direction other than neutral.
    ptp_threshold
        Largest tail probability of a direction other than neutral.
    ls_factor
        Multiple of the length scale estimated from the spacing of the cells.
    jit_compile
        Compute features, products and predictions through JAX, on a GPU if it finds one; needs
        the extra ``kompot[jax]``. Results agree with NumPy's to 1e-9.
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
        Results of the same names, and the tables of this `result_key`: None replaces them with a
        warning, True silently, False raises.
    store_landmarks
        Keep the landmarks in ``adata.uns[result_key]["landmarks"]``, for reuse.
    return_full_results
        Return the dictionary described below.
    allow_single_condition_variance
        Accept a condition with one sample: only the other then has a variance between samples, and
        nothing is tested at donor level.
    donor_col
        Column with the donor of each sample, if samples are not donors: samples of one donor in
        one condition are put together.
    paired
        Compare donors that are in both conditions with themselves. None does if at least two
        donors, and at least half of all, are in both; those in one only then do not count.
    covariates
        Columns that are constant within samples and may explain differences between them: numbers
        as they are, anything else as levels. Two degrees of freedom must be left.
    significance
        ``"donor"`` for the donor-level test, ``"cell"`` to leave it out.
    fdr_threshold
        False discovery rate of the cells, regions and groups called at donor level, and size of
        the global test.
    donor_lfc_threshold
        Smallest absolute change called at donor level, natural log; a filter beside the FDR.
    reference
        What is taken to be unchanged at donor level, instead of the share of all cells: names of
        ``groups``, to whose cells those of every region are then compared sample by sample, or
        ``"median"`` for the median cell's region.
    groups
        Groups of cells for which the mean change is wanted: a column of ``adata.obs`` or any form
        of :func:`kompot.anndata.groups.parse_groups`. At donor level they are tested as regions.
    cell_filter
        Cells to leave out (:func:`kompot.anndata.groups.parse_cell_filter`); their results are
        missing.
    sync_parameters
        Whether dimension, length scale and prior mean come from both conditions and not from the
        first: another name of ``param_scheme="symmetric"``.
    param_scheme
        From which cells they come: ``"condition1"``, ``"condition2"``, ``"pooled"`` (all), or
        ``"symmetric"`` (the mean of both conditions by their numbers of cells, geometric for the
        scale); exchanging the conditions then only changes signs.
    ratio
        ``"densities"`` or ``"labels"``: where the log fold change comes from. The first is the
        difference of the two log densities, as documented. The second is a Gaussian process for
        the log odds that a cell is of condition 2, with a length scale and a variance of its own,
        chosen by marginal likelihood: several times more exact where densities are known, and the
        choice for changes of small regions.
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
      ``neg_log10_ptp``, ``direction`` (up, neutral, down), ``lfsr``, ``svalue``, and at donor
      level ``donor_lfc``, ``donor_lfc_se``, ``donor_pvalue``, ``donor_fdr``, ``donor_direction``
      and ``donor_region``;
    * ``groups``: with ``groups``, one row for each with its numbers of cells, ``mean_lfc``,
      ``std``, ``zscore``, ``neg_log10_ptp`` and ``probability_changed``, the posterior
      probability that the mean change exceeds ``log_fold_change_threshold``; at donor level also
      with the columns above, their FDR among the groups;
    * ``regions``: at donor level one row for each region and group
      (:func:`kompot.anndata.donor_results.donor_regions`), else None;
    * ``donor_test``: at donor level a
      :class:`kompot.models.donor_abundance_result.DonorAbundance`, else None;
    * ``model``: the fitted :class:`kompot.DifferentialAbundance`;
    * ``landmarks``: ``(rank, n_dims)``;
    * ``field_names``: names of the stored fields by role.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be used, before anything is computed: among others if a condition
        has one sample or samples leave fewer than 2 degrees of freedom.
    ImportError
        If ``jit_compile`` is given and JAX is not installed, before anything is computed.

    Notes
    -----
    Stored, with ``R`` the result key and ``A``, ``B`` the conditions (space, ``-``, ``.`` and
    ``/`` become ``_``): ``obs`` R_A_to_B_lfc, R_A_to_B_lfc_zscore, R_A_to_B_neg_log10_lfc_ptp,
    R_A_to_B_lfc_direction, R_A_log_density, R_B_log_density; ``uns``
    R_A_to_B_lfc_direction_colors, R_lfc_direction_colors and the record of the run in
    ``uns["kompot_da"]``; with ``groups`` the table in ``uns[R]["groups"]``; with
    ``store_additional_stats`` ``obs`` R_A_to_B_lfc_lfsr and R_A_to_B_lfc_svalue. With
    ``sample_col`` the z-score, tail probability, direction, lfsr and s-value have the suffix
    ``_sample_var``; and of the donor-level test there are ``obs`` R_A_to_B_donor_lfc,
    R_A_to_B_donor_lfc_se, R_A_to_B_donor_pvalue, R_A_to_B_donor_fdr, R_A_to_B_donor_direction and
    R_A_to_B_donor_region, missing for cells of other conditions, the table of regions in
    ``uns[R]["donor_regions"]`` and the global test (``p_gate``), degrees of freedom and
    overdispersion in the record. Nothing is written before all is computed.
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
            param_scheme=param_scheme,
            ratio=ratio,
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
        SampleSettings(donor_col, paired, covariates, significance),
        DonorAbundanceOptions(fdr_threshold, donor_lfc_threshold, reference),
    )
    with jit_compiled(settings.gp.jit_compile):
        return run_abundance(adata, settings)
