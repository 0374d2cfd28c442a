"""Options that belong together, checked when they are made; every default is stated once."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kompot.settings.checks import choice, flags, number

__all__ = [
    "DAThresholdSettings",
    "DensitySettings",
    "DonorAbundanceOptions",
    "FDRSettings",
    "FilterSettings",
    "GPSettings",
    "OutputSettings",
    "SampleSettings",
    "StorageSettings",
]


@dataclass(frozen=True)
class GPSettings:
    r"""The Gaussian process.

    Parameters
    ----------
    sigma
        Noise standard deviation, positive.
    ls
        Length scale in units of the embedding; None estimates it, ``"evidence"`` by marginal
        likelihood.
    ls_factor
        Multiple of the estimate, positive.
    n_landmarks
        Largest rank of the features; None for the number of cells.
    landmarks
        Landmarks to use instead, ``(n_landmarks, n_dims)``.
    batch_size
        Cells predicted at a time; None or 0 for all.
    eps
        Jitter of the fold change's covariance at the landmarks, not negative.
    jit_compile
        Run through JAX.
    random_state
        Seed of the landmarks.
    kernel
        Name of the covariance function.
    tol
        Prior variance that the features may leave on average, in [0, 1).
    param_scheme
        From which cells the length scale is estimated.
    """

    sigma: float = 1.0
    ls: float | str | None = None
    ls_factor: float = 10.0
    n_landmarks: int | None = 5000
    landmarks: Any = None
    batch_size: int | None = 100
    eps: float = 1e-8
    jit_compile: bool = False
    random_state: int | None = None
    kernel: str = "matern52"
    tol: float = 1e-6
    param_scheme: str = "condition1"

    def __post_init__(self) -> None:
        number("sigma", self.sigma, above=0)
        if self.ls != "evidence":
            number("ls", self.ls, above=0, optional=True)
        number("ls_factor", self.ls_factor, above=0)
        number("n_landmarks", self.n_landmarks, least=1, whole=True, optional=True)
        number("batch_size", self.batch_size, least=0, whole=True, optional=True)
        number("eps", self.eps, least=0)
        number("random_state", self.random_state, least=0, whole=True, optional=True)
        number("tol", self.tol, least=0, below=1)
        choice(
            "kernel",
            self.kernel,
            ("matern52", "matern32", "exponential", "squared_exponential", "rational_quadratic"),
        )
        choice(
            "param_scheme", self.param_scheme, ("condition1", "condition2", "symmetric", "pooled")
        )
        flags(jit_compile=self.jit_compile)


@dataclass(frozen=True)
class FDRSettings:
    """False discovery rates.

    Parameters
    ----------
    null_genes
        Genes to shuffle: how many, which columns, or None for no rates.
    null_seed
        Seed of their choice and shuffling.
    threshold
        Genes with a lower rate are called, in (0, 1].
    null_mahalanobis
        Distances to judge genes against instead, ``(n_null,)``.
    null_expression
        Expression of genes that do not differ, to be fitted instead: two matrices, of the cells of
        condition 1 and 2, ``(n_cells, n_null)``.
    combine_with_internal
        Whether shuffled genes count as well.
    """

    null_genes: int | Sequence[int] | None = 2000
    null_seed: int | None = 42
    threshold: float = 0.05
    null_mahalanobis: Any = None
    null_expression: Any = None
    combine_with_internal: bool = False

    def __post_init__(self) -> None:
        number("null_seed", self.null_seed, least=0, whole=True, optional=True)
        number("fdr_threshold", self.threshold, above=0, most=1)
        flags(combine_with_internal=self.combine_with_internal)
        given = [one for one in (self.null_mahalanobis, self.null_expression) if one is not None]
        if len(given) == 2:
            msg = "'null_mahalanobis' and 'null_expression' cannot both be given; give one."
            raise ValueError(msg)
        if self.combine_with_internal and not given:
            msg = (
                "'combine_with_internal' is True but neither 'null_mahalanobis' nor "
                "'null_expression' is given, so that there is nothing to combine."
            )
            raise ValueError(msg)


@dataclass(frozen=True)
class FilterSettings:
    """Which cells take part and in which groups genes are scored.

    Parameters
    ----------
    cell_filter
        Cells to leave out.
    groups
        Groups of cells.
    min_cells
        Least number of cells of each condition in a group, not negative.
    min_percentage
        Least share of each condition in the cells of a group, in percent; None for no such check.
    check_representation
        True leaves out groups below these minima, None warns, False checks nothing.
    group_variance
        Share of the posterior variance over a group that its distance counts, in (0, 1].
    """

    cell_filter: Any = None
    groups: Any = None
    min_cells: int = 2
    min_percentage: float | None = None
    check_representation: bool | None = None
    group_variance: float = 0.8

    def __post_init__(self) -> None:
        number("min_cells", self.min_cells, least=0)
        number("min_percentage", self.min_percentage, least=0, most=100, optional=True)
        number("group_variance", self.group_variance, above=0, most=1)
        if self.check_representation is not None:
            flags(check_representation=self.check_representation)
        if self.check_representation and self.groups is None:
            msg = "'check_representation' is True but there are no `groups` to check; give some."
            raise ValueError(msg)


@dataclass(frozen=True)
class StorageSettings:
    """Where and how results are stored.

    Parameters
    ----------
    result_key
        Beginning of every field's name.
    overwrite
        True replaces earlier results silently, None with a warning, False refuses.
    store_landmarks, store_posterior_covariance, store_additional_stats
        Also store these.
    store_arrays_on_disk
        Whether large arrays are in files; None for whether there is a directory for them, or they
        would take more than their share of memory.
    disk_storage_dir
        Directory of the files; None for the system's place for temporary files.
    max_memory_ratio
        Share of the available memory that large arrays may take, in (0, 1].
    layers
        ``"dense"``, ``"factored"`` or ``"none"``.
    """

    result_key: str = "kompot_de"
    overwrite: bool | None = None
    store_landmarks: bool = False
    store_posterior_covariance: bool = False
    store_additional_stats: bool = False
    store_arrays_on_disk: bool | None = None
    disk_storage_dir: str | None = None
    max_memory_ratio: float = 0.8
    layers: str = "dense"

    def __post_init__(self) -> None:
        if not isinstance(self.result_key, str) or not self.result_key or "/" in self.result_key:
            msg = (
                f"'result_key' must be a text without '/' (files cannot hold such names), "
                f"got {self.result_key!r}."
            )
            raise ValueError(msg)
        if self.overwrite not in (None, True, False):
            msg = f"'overwrite' must be None, True or False, got {self.overwrite!r}."
            raise ValueError(msg)
        number("max_memory_ratio", self.max_memory_ratio, above=0, most=1)
        choice("layers", self.layers, ("dense", "factored", "none"))
        if self.store_arrays_on_disk is not None:
            flags(store_arrays_on_disk=self.store_arrays_on_disk)
        if not isinstance(self.disk_storage_dir, str | os.PathLike | None):
            msg = (
                "'disk_storage_dir' must be the path of a directory or None, "
                f"got {self.disk_storage_dir!r}."
            )
            raise TypeError(msg)
        flags(
            store_landmarks=self.store_landmarks,
            store_posterior_covariance=self.store_posterior_covariance,
            store_additional_stats=self.store_additional_stats,
        )


@dataclass(frozen=True)
class OutputSettings:
    """What is returned and shown."""

    copy: bool = False
    inplace: bool = True
    return_full_results: bool = False
    compute_mahalanobis: bool = True
    allow_single_condition_variance: bool = False
    progress: bool = True
    attribution: bool = False

    def __post_init__(self) -> None:
        flags(
            copy=self.copy,
            inplace=self.inplace,
            return_full_results=self.return_full_results,
            compute_mahalanobis=self.compute_mahalanobis,
            progress=self.progress,
            attribution=self.attribution,
        )
        if not (self.copy or self.inplace or self.return_full_results):
            msg = (
                "'inplace' is False but neither copy=True nor return_full_results=True was given; "
                "nothing would be left of the results."
            )
            raise ValueError(msg)


@dataclass(frozen=True)
class DensitySettings:
    """The densities of a differential-abundance run.

    Parameters
    ----------
    n_landmarks
        Largest rank of the features; None for the number of cells.
    landmarks
        Landmarks to use instead, ``(n_landmarks, n_dims)``.
    ls_factor
        Multiple of the estimated length scale, positive.
    jit_compile
        Run through JAX.
    random_state
        Seed of the landmarks.
    batch_size
        Cells predicted at a time; None or 0 for all that fit.
    sync_parameters
        Whether shared parameters come from both conditions and not from the first.
    estimator
        Further parameters of :class:`kompot.DensityEstimator`.
    """

    n_landmarks: int | None = None
    landmarks: Any = None
    ls_factor: float = 10.0
    jit_compile: bool = False
    random_state: int | None = None
    batch_size: int | None = None
    sync_parameters: bool = False
    estimator: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        number("n_landmarks", self.n_landmarks, least=1, whole=True, optional=True)
        number("ls_factor", self.ls_factor, above=0)
        number("random_state", self.random_state, least=0, whole=True, optional=True)
        number("batch_size", self.batch_size, least=0, whole=True, optional=True)
        flags(jit_compile=self.jit_compile, sync_parameters=self.sync_parameters)


@dataclass(frozen=True)
class DAThresholdSettings:
    """When a cell's abundance counts as changed.

    Parameters
    ----------
    lfc_threshold
        Smallest absolute log fold change, natural log, not negative.
    ptp_threshold
        Largest tail probability, in (0, 1].
    """

    lfc_threshold: float = 1.0
    ptp_threshold: float = 0.05

    def __post_init__(self) -> None:
        number("log_fold_change_threshold", self.lfc_threshold, least=0)
        number("ptp_threshold", self.ptp_threshold, above=0, most=1)


@dataclass(frozen=True)
class SampleSettings:
    """How samples are compared, if there are any.

    Parameters
    ----------
    donor_col
        Column of ``obs`` with the donor of each sample, if samples are not donors.
    paired
        Whether donors in both conditions are compared with themselves; None for whether most are.
    covariates
        Columns of ``obs`` with what else differs between samples.
    significance
        ``"donor"`` or ``"cell"``: of whom p-values speak.
    regions
        Further groups of cells (cell types) in which expression is compared; only for expression.
    """

    donor_col: str | None = None
    paired: bool | None = None
    covariates: Sequence[str] | None = None
    significance: str = "donor"
    regions: Any = None

    def __post_init__(self) -> None:
        choice("significance", self.significance, ("donor", "cell"))
        if isinstance(self.covariates, str):
            msg = (
                f"`covariates` must be a list of columns, got the text {self.covariates!r}; write "
                f"[{self.covariates!r}]."
            )
            raise TypeError(msg)


@dataclass(frozen=True)
class DonorAbundanceOptions:
    """The donor-level test of abundance.

    Parameters
    ----------
    fdr_threshold
        False discovery rate of cells, regions and groups that are called, and size of the global
        test without which none is, in (0, 1).
    donor_lfc_threshold
        Smallest absolute change that is called, natural log, not negative.
    reference
        ``"median"`` or names of groups that are taken to be unchanged.
    """

    fdr_threshold: float = 0.05
    donor_lfc_threshold: float = 0.0
    reference: str | Sequence[str] | None = None

    def __post_init__(self) -> None:
        number("fdr_threshold", self.fdr_threshold, above=0, below=1)
        number("donor_lfc_threshold", self.donor_lfc_threshold, least=0)
