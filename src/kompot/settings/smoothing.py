"""All options of smoothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from kompot.settings.options import GPSettings, OutputSettings, StorageSettings

__all__ = ["Smoothing", "SmoothingSettings"]


@dataclass(frozen=True)
class Smoothing:
    """What is smoothed: which cells, their states and their expression.

    Without a condition all cells are.
    """

    groupby: str | None = None
    condition: str | None = None
    obsm_key: str = "DM_EigenVectors"
    layer: str | None = None
    genes: Sequence[str] | None = None
    sample_col: str | None = None

    def __post_init__(self) -> None:
        if self.condition is not None and self.groupby is None:
            msg = (
                f"`condition` is {self.condition!r} but `groupby` is None: give the column of "
                "adata.obs that holds it."
            )
            raise ValueError(msg)


@dataclass(frozen=True)
class SmoothingSettings:
    """All options of a run that smooths; those that only concern comparisons have no effect.

    A ``result_key`` of None is replaced by what it stands for.
    """

    KEY = "kompot_smooth"
    """Key of ``uns`` with the history, and the default beginning of names."""
    BATCH_SIZE = 500
    """Default number of cells predicted at a time."""

    comparison: Smoothing
    gp: GPSettings = field(default_factory=lambda: GPSettings(batch_size=500))
    storage: StorageSettings = field(default_factory=StorageSettings)
    output: OutputSettings = field(default_factory=OutputSettings)

    def __post_init__(self) -> None:
        if self.storage.result_key is None:
            storage = replace(self.storage, result_key=self.KEY)
            object.__setattr__(self, "storage", storage)
