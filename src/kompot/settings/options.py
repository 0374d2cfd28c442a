"""Options that belong together, checked when they are made; every default is stated once."""

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from typing import Any

from kompot.settings.checks import (
    PARAM_SCHEMES,
    SEPARATE,
    choice,
    flags,
    kind,
    null_genes,
    number,
)
from kompot.settings.given import Options

__all__ = [
    "NULL_GENES",
    "FDRSettings",
    "FilterSettings",
    "GPSettings",
    "OutputSettings",
    "SampleSettings",
    "StorageSettings",
]

NULL_GENES = 2000
"""How many genes are shuffled unless something else is asked for."""


@dataclass(frozen=True)
class GPSettings(Options):
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
    use_empirical_variance
        Whether each gene has noise of its own, as a function of cell state, estimated from
        residuals.
    batch_size
        Cells predicted at a time; None or 0 for all.
    eps
        Jitter of the fold change's covariance at the landmarks, not negative.
    jit_compile
        Run through JAX.
    random_state
        Seed of the landmarks.
    param_scheme
        From which cells the length scale is estimated.
    kernel
        Name of the covariance function.
    tol
        Prior variance that the features may leave on average, in [0, 1).
    """

    sigma: float = 1.0
    ls: float | str | None = None
    ls_factor: float = 10.0
    n_landmarks: int | None = 5000
    landmarks: Any = None
    use_empirical_variance: bool = False
    batch_size: int | None = 100
    eps: float = 1e-8
    jit_compile: bool = False
    random_state: int | None = None
    param_scheme: str = "condition1"
    kernel: str = "matern52"
    tol: float = 1e-6

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
        choice("param_scheme", self.param_scheme, (*PARAM_SCHEMES, SEPARATE))
        flags(jit_compile=self.jit_compile, use_empirical_variance=self.use_empirical_variance)


@dataclass(frozen=True)
class FDRSettings(Options):
    """False discovery rates.

    Parameters
    ----------
    null_genes
        Genes to shuffle: how many, which columns, or None for no rates. ``"auto"`` for
        ``NULL_GENES``, or none with injected models, whose genes are what they are.
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

    null_genes: Any = "auto"
    null_seed: int | None = 42
    threshold: float = 0.05
    null_mahalanobis: Any = None
    null_expression: Any = None
    combine_with_internal: bool = False

    def __post_init__(self) -> None:
        number("null_seed", self.null_seed, least=0, whole=True, optional=True)
        null_genes("null_genes", self.null_genes)
        number("threshold", self.threshold, "fdr_threshold", above=0, most=1)
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
class FilterSettings(Options):
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
        flags(check_representation=self.check_representation, optional=True)
        if self.check_representation and self.groups is None:
            msg = "'check_representation' is True but there are no `groups` to check; give some."
            raise ValueError(msg)


@dataclass(frozen=True)
class StorageSettings(Options):
    """Where and how results are stored.

    Parameters
    ----------
    result_key
        Beginning of every field's name; None for ``"kompot_de"``, ``"kompot_da"`` or
        ``"kompot_smooth"``.
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

    result_key: Any = None
    overwrite: bool | None = None
    store_landmarks: bool = False
    store_posterior_covariance: bool = False
    store_additional_stats: bool = False
    store_arrays_on_disk: bool | None = None
    disk_storage_dir: str | None = None
    max_memory_ratio: float = 0.8
    layers: str = "dense"

    def __post_init__(self) -> None:
        key = self.result_key
        is_text = isinstance(key, str) and key not in ("", ".", "..")
        if key is not None and not (is_text and "/" not in key and "\0" not in key):
            msg = (
                f"'result_key' must be a text without '/' and NUL, other than '.' and '..' (files "
                f"cannot hold such names), got {key!r}."
            )
            raise ValueError(msg)
        if self.overwrite not in (None, True, False):
            msg = f"'overwrite' must be None, True or False, got {self.overwrite!r}."
            raise ValueError(msg)
        number("max_memory_ratio", self.max_memory_ratio, above=0, most=1)
        flags(store_arrays_on_disk=self.store_arrays_on_disk, optional=True)
        kind("disk_storage_dir", self.disk_storage_dir, (str, PathLike), "a path")
        choice("layers", self.layers, ("dense", "factored", "none"))
        flags(
            store_landmarks=self.store_landmarks,
            store_posterior_covariance=self.store_posterior_covariance,
            store_additional_stats=self.store_additional_stats,
        )


@dataclass(frozen=True)
class OutputSettings(Options):
    """What is returned and shown.

    Parameters
    ----------
    copy
        Return a copy of the data with the results and leave the data as they are.
    inplace
        Write the results to the data.
    return_full_results
        Return the dictionary of all results.
    return_null_data
        Also return what distances were judged against, as ``"null"`` of the dictionary.
    compute_mahalanobis
        Compute distances of genes.
    allow_single_condition_variance
        Whether the samples of one condition are enough; the other has no variance between samples.
    progress
        Show progress bars.
    attribution
        Split changes of mean expression into their parts.
    """

    copy: bool = False
    inplace: bool = True
    return_full_results: bool = False
    return_null_data: bool = False
    compute_mahalanobis: bool = True
    allow_single_condition_variance: bool = False
    progress: bool = True
    attribution: bool = False

    def __post_init__(self) -> None:
        flags(
            copy=self.copy,
            inplace=self.inplace,
            return_full_results=self.return_full_results,
            return_null_data=self.return_null_data,
            compute_mahalanobis=self.compute_mahalanobis,
            allow_single_condition_variance=self.allow_single_condition_variance,
            progress=self.progress,
            attribution=self.attribution,
        )
        if not (self.is_written or self.returns):
            msg = (
                "'inplace' is False but neither copy=True nor return_full_results=True was given; "
                "nothing would be left of the results."
            )
            raise ValueError(msg)

    @property
    def is_written(self) -> bool:
        """Whether results are written, to the data or a copy."""
        return self.copy or self.inplace

    @property
    def returns(self) -> bool:
        """Whether a dictionary is returned."""
        return self.return_full_results or self.return_null_data


@dataclass(frozen=True)
class SampleSettings(Options):
    """How samples are compared, if there are any.

    Parameters
    ----------
    donor_col
        Column of ``obs`` with the donor of each sample, if samples are not donors.
    paired
        Whether donors in both conditions are compared with themselves; None for whether at least
        two of them, and at least half of all, are in both.
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
        if self.covariates is not None:  # also arrays, which have no truth value
            names = [str(name) if isinstance(name, str) else name for name in self.covariates]
            object.__setattr__(self, "covariates", names)
