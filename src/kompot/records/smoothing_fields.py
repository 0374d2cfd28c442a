"""Every name under which smoothed expression is stored."""

from collections.abc import Iterator
from dataclasses import dataclass

from kompot.records.fields import Field, clean_name

__all__ = ["ALL_CELLS", "SmoothingFields"]

ALL_CELLS = "all"
"""In names, in place of a condition."""


@dataclass(frozen=True)
class SmoothingFields:
    """Where smoothed expression is written.

    Parameters
    ----------
    key
        The run's ``result_key``.
    condition
        Label of the condition whose cells were fitted; None for all cells.
    """

    key: str
    condition: str | None

    @property
    def smoothed(self) -> Field:
        """Smoothed expression."""
        return self._layer("smoothed", "smoothed", f"Smoothed expression of {self._whose}")

    @property
    def std(self) -> Field:
        """Total standard deviation."""
        text = f"Standard deviation of the expression of {self._whose}, all variances together"
        return self._layer("std", "std", text)

    @property
    def obs_variance(self) -> Field:
        """Variance of single cells."""
        text = f"Variance of single cells of {self._whose} around their smoothed expression"
        return self._layer("obs_variance", "obs_variance", text)

    @property
    def sample_variance(self) -> Field:
        """Variance between samples."""
        text = f"Variance of the smoothed expression of {self._whose} between samples"
        return self._layer("sample_variance", "sample_variance", text)

    @property
    def basis(self) -> Field:
        """Features of the cells, of which factored layers are made."""
        text = "Features of the cells; a factored layer is these times the weights of its genes"
        return self._factor("basis", "obsm", text)

    @property
    def weights(self) -> Field:
        """Weights of the genes."""
        text = f"Weights of the features in the smoothed expression of {self._whose}"
        return self._factor("weights", "varm", text)

    @property
    def deviations(self) -> Field:
        """Weights by which samples differ."""
        text = f"Weights of the features by which the samples of {self._whose} differ, side by side"
        return self._factor("deviations", "varm", text)

    @property
    def posterior_std(self) -> Field:
        """Standard deviation without that between samples."""
        text = f"Posterior standard deviation of the expression of {self._whose}, samples left out"
        return self._factor("posterior_std", "obs", text)

    def __iter__(self) -> Iterator[Field]:
        """All fields that a run can have."""
        yield self.smoothed
        yield self.std
        yield self.obs_variance
        yield self.sample_variance
        yield from (self.basis, self.weights, self.deviations, self.posterior_std)

    @property
    def _whose(self) -> str:
        return "all cells" if self.condition is None else str(self.condition)

    def _layer(self, part: str, kind: str, text: str) -> Field:
        return Field(self._name(part), "layers", kind, f"{part}_key", text)

    def _factor(self, part: str, location: str, text: str) -> Field:
        return Field(self._name(part), location, part, f"{part}_key", text)

    def _name(self, part: str) -> str:
        label = ALL_CELLS if self.condition is None else clean_name(self.condition)
        return f"{self.key}_{label}_{part}"
