"""Differential expression of two conditions, from AnnData to AnnData."""

from collections.abc import Sequence
from typing import Any

from anndata import AnnData
from numpy.typing import ArrayLike

from kompot.anndata.expression_start import start_expression
from kompot.anndata.refusals import refuse_unknown
from kompot.settings import (
    EXPRESSION_KEY,
    NULL_GENES,
    Comparison,
    ExpressionSettings,
    FDRSettings,
    FilterSettings,
    GPSettings,
    OutputSettings,
    SampleSettings,
    StorageSettings,
)

__all__ = ["compute_differential_expression"]


def compute_differential_expression(  # noqa: PLR0917 the documented order of arguments
    adata: AnnData,
    groupby: str,
    condition1: str,
    condition2: str,
    obsm_key: str = "DM_EigenVectors",
    layer: str | None = None,
    genes: list[str] | None = None,
    n_landmarks: int | None = GPSettings.n_landmarks,
    landmarks: ArrayLike | None = None,
    sample_col: str | None = None,
    sigma: float = GPSettings.sigma,
    ls: float | str | None = GPSettings.ls,
    ls_factor: float = GPSettings.ls_factor,
    compute_mahalanobis: bool = OutputSettings.compute_mahalanobis,
    jit_compile: bool = GPSettings.jit_compile,
    eps: float = GPSettings.eps,
    random_state: int | None = GPSettings.random_state,
    batch_size: int | None = GPSettings.batch_size,
    store_arrays_on_disk: bool | None = StorageSettings.store_arrays_on_disk,
    disk_storage_dir: str | None = StorageSettings.disk_storage_dir,
    max_memory_ratio: float = StorageSettings.max_memory_ratio,
    cell_filter: Any = FilterSettings.cell_filter,
    groups: Any = FilterSettings.groups,
    min_cells: int = FilterSettings.min_cells,
    min_percentage: float | None = FilterSettings.min_percentage,
    check_representation: bool | None = FilterSettings.check_representation,
    copy: bool = OutputSettings.copy,
    inplace: bool = OutputSettings.inplace,
    result_key: str = EXPRESSION_KEY,
    overwrite: bool | None = StorageSettings.overwrite,
    store_landmarks: bool = StorageSettings.store_landmarks,
    return_full_results: bool = OutputSettings.return_full_results,
    store_posterior_covariance: bool = StorageSettings.store_posterior_covariance,
    allow_single_condition_variance: bool = OutputSettings.allow_single_condition_variance,
    progress: bool = OutputSettings.progress,
    null_genes: int | Sequence[int] | None = NULL_GENES,
    null_seed: int | None = FDRSettings.null_seed,
    fdr_threshold: float = FDRSettings.threshold,
    store_additional_stats: bool = StorageSettings.store_additional_stats,
    *,
    donor_col: str | None = SampleSettings.donor_col,
    paired: bool | None = SampleSettings.paired,
    covariates: Sequence[str] | None = SampleSettings.covariates,
    significance: str = SampleSettings.significance,
    regions: Any = SampleSettings.regions,
    layers: str = StorageSettings.layers,
    kernel: str = GPSettings.kernel,
    tol: float = GPSettings.tol,
    param_scheme: str = GPSettings.param_scheme,
    group_variance: float = FilterSettings.group_variance,
    differential_abundance_key: str | None = Comparison.differential_abundance_key,
    attribution: bool = OutputSettings.attribution,
    null_mahalanobis: Any = FDRSettings.null_mahalanobis,
    null_expression: Any = FDRSettings.null_expression,
    combine_with_internal: bool = FDRSettings.combine_with_internal,
    use_empirical_variance: bool = GPSettings.use_empirical_variance,
    return_null_data: bool = OutputSettings.return_null_data,
    client: Any = None,
    **function_kwargs: Any,
) -> dict[str, Any] | AnnData | tuple[dict[str, Any], AnnData] | None:
    r"""Find the genes whose expression differs between two conditions as a function of cell state.

    Expression in each condition is a Gaussian process over cell states. The fold change of a gene
    is the difference of the two functions; its Mahalanobis distance measures the whole difference
    in units of its uncertainty, and shuffled genes tell which distances arise by chance.
    That significance is *cell-level*: it speaks of these cells, not of other donors.

    With ``sample_col`` samples are the replicates, and significance speaks of *new donors*: means
    of samples in regions of several scales, adjusted for cell state, are compared in a linear
    model whose error is the variance between samples
    (:func:`kompot.models.donor_expression.donor_expression`). Genes are called by their
    Benjamini-Hochberg rate. Three or more samples per condition (four pairs) are advisable; with
    2 degrees of freedom or 1 results are exploratory. Distances and standard deviations then allow
    for the variance between samples; they describe, genes are called without them.

    Parameters
    ----------
    adata
        Cells of both conditions, expression as log1p of normalised counts (or any scale on which a
        difference is a fold change).
    groupby
        Column of ``adata.obs`` with the conditions. Cells without a label, or of another
        condition, take no part; the functions are evaluated for them all the same.
    condition1, condition2
        Labels of the conditions; fold changes are condition 2 minus condition 1.
    obsm_key
        Key of ``adata.obsm`` with the cell states, ``(n_cells, n_dims)``.
    layer
        Layer with the expression; None for ``adata.X``.
    genes
        Names of the genes to test; None for all. Fields of the other genes keep earlier values.
        With samples up to 2,000 others go along, unreported, so that genes are judged as among all
        (what most genes do, how donors differ), if these too are counts that all samples have;
        rates are of the chosen ones.
    n_landmarks
        Largest rank of the features that represent the functions; fewer are used once ``tol`` is
        reached. None for no limit.
    landmarks
        Cell states to use as landmarks, ``(n_landmarks, n_dims)``; else those stored by an earlier
        run of this ``result_key``, of ``kompot_de`` or ``kompot_da``; else they are drawn.
        ``"draw"`` ignores stored ones.
    sample_col
        Column of ``adata.obs`` with the biological samples (donors, mice), the replicates.
    sigma
        Noise standard deviation of the model, natural log.
    ls
        Length scale in units of the embedding; None estimates it from the spacing of the cells,
        ``"evidence"`` by marginal likelihood at this ``sigma``.
    ls_factor
        Multiple of the estimate.
    compute_mahalanobis
        Score genes by distance (and, with null genes, by false discovery rate).
    jit_compile
        Compute features, products and predictions through JAX, on a GPU if it finds one; needs
        the extra ``kompot[jax]``. Results agree with NumPy's to 1e-9.
    eps
        Jitter of the fold change's covariance at the landmarks. Larger if its factorisation fails.
    random_state
        Seed of the landmarks. None draws them anew each time (but see ``overwrite``).
    batch_size
        Cells predicted at a time; None or 0 for all.
    store_arrays_on_disk
        Whether dense layers (and the fits of samples) are made in files of ``disk_storage_dir``
        and read from there where they are looked at, so that they take no memory. None does so if
        a directory is given, or if they would take more than their share of memory. The files have
        no names; they vanish with ``adata``. To keep the layers, write ``adata`` to a file.
    disk_storage_dir
        Directory of these files, made if it does not exist; None for the system's place for
        temporary files.
    max_memory_ratio
        Share of the available memory that the layers may take. A run that fits neither there nor
        on the disk is refused before computing.
    cell_filter
        Cells to leave out, one or a list of: ``{column: value or values, ...}`` for those that
        fulfil all, the name of one of the ``groups``, a boolean mask or positions; or what
        :func:`check_underrepresentation` returned. Cells that match any take no part in anything,
        and have no values (NaN) in layers and ``obs``. Groups left out by name are no groups.
    groups
        Groups of cells in which genes are scored as well, by the fit of all cells: a column of
        ``adata.obs``, ``{column: value or values, ...}``, ``{name: filter}``, a list of filters, a
        Series or array with one label or truth value per cell, a boolean matrix
        ``(n_groups, n_cells)``, or a list of them; may overlap. At donor level all are regions.
    min_cells
        Least number of cells of each condition in each group.
    min_percentage
        Least share of each condition in percent of all cells of the group; None for no such check.
    check_representation
        Groups with fewer cells of a condition: None warns, True leaves out their cells like
        ``cell_filter``, and the groups with them, False does not check.
    copy
        Return a copy of the data with the results and leave ``adata`` as it is.
    inplace
        Write the results to ``adata``. False (without ``copy``) writes nothing.
    result_key
        Beginning of every field's name.
    overwrite
        Results of the same names: None replaces them with a warning, True silently, False raises.
        A run that only adds ``sample_col`` to theirs takes their seed: mean fold changes and
        layers stay the same.
    store_landmarks
        Keep the landmarks in ``adata.uns[result_key]["landmarks"]``, for reuse.
    return_full_results
        Return the dictionary described below.
    store_posterior_covariance
        Keep the covariance of the fold change between all cells, ``(n_cells, n_cells)``; only
        without ``sample_col``.
    allow_single_condition_variance
        Accept a condition with one sample: only the other then has a variance between samples, and
        significance is of these cells only (with a warning).
    progress
        Show progress bars.
    null_genes
        Genes to shuffle over cells: how many, or their column numbers; None or 0 for no false
        discovery rates of these cells. Rates for new donors (``sample_col``) do without them.
    null_seed
        Seed of their choice and shuffling.
    fdr_threshold
        Genes with a lower rate are called (``is_de``): the local false discovery rate, or with
        samples their Benjamini-Hochberg rate ``donor_fdr``.
    store_additional_stats
        Also store p-values, tail FDR, tail probability and the layer of z-scores.
    donor_col
        Column with the donor of each sample, if ``sample_col`` does not name donors.
    paired
        Whether donors in both conditions are compared with themselves. None does if at least two
        donors, and at least half of all, are in both; those in one only then do not count.
        Donors are known by their labels in ``donor_col`` or ``sample_col``. True is refused with
        ``significance="cell"``, as are ``covariates``.
    covariates
        Columns with what else differs between samples, constant within each: numbers count as
        numbers, text as levels.
    significance
        With samples, ``"donor"`` as above, or ``"cell"``: from shuffled genes and about these
        cells only.
    regions
        Cell types or other groups, as ``groups``, in which samples are compared as well.
    layers
        ``"dense"`` stores imputed expression and fold change of every cell (float32).
        ``"factored"`` stores what they are made of, features of the cells and weights of the
        genes, which takes a small part of the space; :func:`get_layer` and all plots read them as
        if they were dense. ``"none"`` stores none of them.
    kernel
        ``"matern52"``, ``"matern32"``, ``"exponential"``, ``"squared_exponential"`` or
        ``"rational_quadratic"``.
    tol
        Prior variance that the features may leave on average, of 1.
    param_scheme
        From which cells the length scale is estimated: ``"condition1"``, ``"condition2"``,
        ``"pooled"`` or ``"symmetric"`` (exchanging the conditions then only changes signs).
        ``"separate"`` gives each condition a length scale of its own; distances are then measured
        at the landmarks of both, without ``ptp`` and without samples.
    group_variance
        Share of the posterior variance over a group's cells that its distance counts, in (0, 1].
        Less is more local; at 1 the distance of every group is the global one (without
        `use_empirical_variance`, which the distances of groups leave out).
    differential_abundance_key
        ``result_key`` of a run of :func:`compute_differential_abundance` with the same conditions:
        also give the mean fold change weighted by its densities,
        :func:`compute_weighted_mean_fold_change`.
    attribution
        Also split the change of each gene's mean smoothed expression, from the cells of
        condition 1 to those of condition 2, into ``composition_change`` (cells moved between
        states) and ``expression_change`` (states express differently), which add up to it.
    null_mahalanobis
        Distances to judge genes against instead of those of shuffled genes, ``(n_null,)``: of a
        comparison of controls for example (:func:`extract_null_distribution`).
    null_expression
        Expression of genes that do not differ, fitted and judged against instead of shuffled ones:
        a matrix of the cells of condition 1 and one of those of condition 2 (the cells that are
        compared, in their order), ``(n_cells, n_null)``.
    combine_with_internal
        Whether shuffled genes count as well as what was given.
    use_empirical_variance
        Whether every gene has noise of its own, as a function of cell state, estimated from its
        residuals (:mod:`kompot.gp.observation_noise`) in a second pass over the cells. Distances,
        their tail probabilities and rates, standard deviations and z-scores are then in units of
        that noise (:mod:`kompot.stats.own_noise`) and R_A_std, R_B_std are layers; fold changes,
        the distances of groups and the posterior covariance stay as they are.
    return_null_data
        Also return what distances were judged against (``null`` below).
    client
        A ``dask.distributed.Client`` on whose workers expression is summed over cells; None for
        the active one, if there is one; False for this process.
    **function_kwargs
        None beyond the above; an unknown name is refused.

    Returns
    -------
    None, or the changed copy if ``copy``, or with ``return_full_results`` a dictionary (with
    ``copy`` both, in a tuple) of

    * ``table``: one row for each gene with ``mean_lfc`` (natural log), ``pvalue``, ``local_fdr``,
      ``tail_fdr``, ``is_de``, ``mahalanobis``, ``ptp``, and what was asked for of
      ``weighted_mean_lfc``, ``composition_change`` and ``expression_change`` (natural log);
    * with ``groups``: ``group_names``, ``group_mean_log_fold_change`` and
      ``group_mahalanobis_distances``, ``(n_genes, n_groups)``; ``groups``, the tables of all
      groups one after the other as :func:`get_table` gives them;
    * ``underrepresentation``, the conditions with few cells by group (None if that was not
      checked), and ``fdr_summary``, how many genes were called (empty without rates);
    * with ``sample_col``: ``donor_region`` and ``donor_lfc`` in the tables, and ``donor_test``, the
      :class:`kompot.models.donor_expression.DonorExpression`;
    * ``model``: the fitted :class:`kompot.DifferentialExpression`;
    * ``landmarks``: ``(rank, n_dims)``;
    * with ``return_null_data`` also ``null``, of which a dictionary is returned in any case:
      ``mahalanobis``, the distances against which genes were judged, ``(n_null,)``;
      ``gene_indices`` and ``gene_names`` of the shuffled genes among them; ``seed``, ``n_null``
      and ``source`` (``"internal"``, ``"given"``, ``"both"`` or ``"none"``);
    * ``field_names``: names of the stored fields by role.

    Raises
    ------
    ValueError, TypeError
        If an argument cannot be used, before anything is computed.
    MemoryError, OSError
        If the layers would not fit, before anything is computed.
    ImportError
        If ``jit_compile`` is given and JAX is not installed, before anything is computed.

    Notes
    -----
    Stored, with ``R`` the result key and ``A``, ``B`` the conditions (space, ``-``, ``.`` and
    ``/`` become ``_``): ``var`` R_A_to_B_mean_lfc, R_A_to_B_mahalanobis,
    R_A_to_B_mahalanobis_local_fdr, R_A_to_B_is_de; ``layers`` R_A_imputed, R_B_imputed,
    R_A_to_B_fold_change; ``obs`` R_A_std, R_B_std (the same for every gene); the record of the run
    in ``uns["kompot_de"]``. With ``store_additional_stats`` also ``var`` R_A_to_B_ptp,
    R_A_to_B_mahalanobis_pvalue, R_A_to_B_mahalanobis_tail_fdr and the layer
    R_A_to_B_fold_change_zscores; with ``store_posterior_covariance``
    ``obsp`` R_A_to_B_posterior_covariance; with ``differential_abundance_key`` ``var``
    R_A_to_B_weighted_mean_lfc; with ``attribution`` ``var`` R_A_to_B_composition_change and
    R_A_to_B_expression_change. With ``groups``, for every field of ``var`` (with samples not the
    local rate and the region) also a table of genes by groups in ``varm``, of the same name
    followed by ``_groups``. Nothing is written before all is
    computed.

    With ``sample_col`` the names of what allows for samples end in ``_sample_var`` (mahalanobis,
    its significance, is_de, ptp, z-scores), R_A_std and R_B_std are layers, and ``var`` also holds
    R_A_to_B_donor_pvalue, R_A_to_B_donor_fdr, R_A_to_B_donor_region (where the evidence is
    strongest) and R_A_to_B_donor_lfc (the change there: the log ratio of the samples' mean counts,
    which log-normalised expression gives back, less what most genes do if at least 150 are tested
    there; counts far above 16 in a cell are damped. Of any other expression it is the difference of
    their means). A group is tested by its own means of samples, with
    Benjamini-Hochberg rates of its own.

    With ``layers="factored"`` there are instead of the layers ``obsm`` R_basis,
    ``(n_obs, rank)``, float32, and ``varm`` R_A_weights and R_B_weights, ``(n_vars, rank)``; with
    samples also ``varm`` R_A_deviations and R_B_deviations, by which the samples differ, and
    ``obs`` R_A_posterior_std and R_B_posterior_std.

    A group is scored over its cells of both conditions: mean fold changes are exact, and its
    distance measures the fold change in the directions that lead its posterior variance over these
    cells (:func:`kompot.stats.group_distance.group_directions`), allowing for samples as the global
    one does. At cell level shuffled genes are measured in the same directions, so that p-values and
    false discovery rates are each group's own. A group without such cells has NaN in every table,
    and False in ``is_de``.
    """
    refuse_unknown(function_kwargs, compute_differential_expression)
    settings = ExpressionSettings(
        Comparison(
            groupby,
            condition1,
            condition2,
            obsm_key,
            layer,
            genes,
            sample_col,
            differential_abundance_key,
        ),
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
            param_scheme=param_scheme,
            use_empirical_variance=use_empirical_variance,
        ),
        FDRSettings(
            *(null_genes, null_seed, fdr_threshold),
            *(null_mahalanobis, null_expression, combine_with_internal),
        ),
        FilterSettings(
            cell_filter, groups, min_cells, min_percentage, check_representation, group_variance
        ),
        StorageSettings(
            result_key=result_key,
            overwrite=overwrite,
            store_landmarks=store_landmarks,
            store_posterior_covariance=store_posterior_covariance,
            store_additional_stats=store_additional_stats,
            store_arrays_on_disk=store_arrays_on_disk,
            disk_storage_dir=disk_storage_dir,
            max_memory_ratio=max_memory_ratio,
            layers=layers,
        ),
        OutputSettings(
            copy=copy,
            inplace=inplace,
            return_full_results=return_full_results,
            compute_mahalanobis=compute_mahalanobis,
            allow_single_condition_variance=allow_single_condition_variance,
            progress=progress,
            attribution=attribution,
            return_null_data=return_null_data,
        ),
        SampleSettings(donor_col, paired, covariates, significance, regions),
    )
    return start_expression(adata, settings, client)
