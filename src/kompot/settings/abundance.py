"""Options of differential abundance, checked when they are made; every default is stated once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kompot.settings.checks import PARAM_SCHEMES, RATIOS, choice, flags, number
from kompot.settings.given import Options

__all__ = ["DAThresholdSettings", "DensitySettings", "DonorAbundanceOptions"]


@dataclass(frozen=True)
class DensitySettings(Options):
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
        Cells predicted at a time; None or 0 for 4096.
    sync_parameters
        Whether shared parameters come from both conditions: another name of
        ``param_scheme="symmetric"``.
    param_scheme
        From which cells shared parameters come.
    ratio
        Where the log fold change comes from: ``"densities"`` or ``"labels"``.
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
    param_scheme: str = "condition1"
    ratio: str = "densities"
    estimator: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        number("n_landmarks", self.n_landmarks, least=1, whole=True, optional=True)
        number("ls_factor", self.ls_factor, above=0)
        number("random_state", self.random_state, least=0, whole=True, optional=True)
        number("batch_size", self.batch_size, least=0, whole=True, optional=True)
        choice("param_scheme", self.param_scheme, PARAM_SCHEMES)
        choice("ratio", self.ratio, RATIOS)
        if self.sync_parameters and self.param_scheme not in ("condition1", "symmetric"):
            msg = (
                "'sync_parameters' is True, which is param_scheme='symmetric', but 'param_scheme' "
                f"is {self.param_scheme!r}; give one of them."
            )
            raise ValueError(msg)
        flags(jit_compile=self.jit_compile, sync_parameters=self.sync_parameters)


@dataclass(frozen=True)
class DAThresholdSettings(Options):
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
        number("lfc_threshold", self.lfc_threshold, "log_fold_change_threshold", least=0)
        number("ptp_threshold", self.ptp_threshold, above=0, most=1)


@dataclass(frozen=True)
class DonorAbundanceOptions(Options):
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
