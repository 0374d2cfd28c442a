"""Every name under which a run is stored, made in one place."""

from collections.abc import Iterator
from dataclasses import dataclass

_ROLES = (
    *("mean_lfc", "mahalanobis", "ptp", "pvalue", "local_fdr", "tail_fdr", "is_de"),
    *("imputed1", "imputed2", "fold_change", "zscores", "std1", "std2", "covariance"),
)

__all__ = ["AbundanceFields", "ExpressionFields", "Field", "clean_name"]


def clean_name(label: object) -> str:
    """A label as part of a field name: space, ``-``, ``.`` and ``/`` become ``_``.

    >>> clean_name("Pre-treat A/2.x")
    'Pre_treat_A_2_x'
    """
    return str(label).translate(str.maketrans(" -./", "____"))


@dataclass(frozen=True)
class Field:
    """A stored result.

    Attributes
    ----------
    name
        Key in its location.
    location
        Attribute of the AnnData object that holds it: ``obs``, ``var``, ``layers``, ``obsp`` or
        ``uns``.
    type
        What it is, the same for all runs (``mahalanobis``, ``imputed``, ...).
    role
        Key in the ``field_names`` of a run.
    description
        One line for people.
    """

    name: str
    location: str
    type: str
    role: str
    description: str


@dataclass(frozen=True)
class _Names:
    """Names made of a run's key and conditions.

    Parameters
    ----------
    key
        The run's ``result_key``.
    condition1, condition2
        Labels of the conditions, as in the data.
    """

    key: str
    condition1: str
    condition2: str

    def _between(self, part: str) -> str:
        first, second = clean_name(self.condition1), clean_name(self.condition2)
        return f"{self.key}_{first}_to_{second}_{part}"

    def _within(self, condition: str, part: str) -> str:
        return f"{self.key}_{clean_name(condition)}_{part}"


class ExpressionFields(_Names):
    """Where a differential-expression run is written."""

    @property
    def mean_lfc(self) -> Field:
        """Mean fold change of each gene."""
        text = "Mean log fold change over the cells of both conditions (natural log)"
        return self._var("mean_lfc", "mean_log_fold_change", "mean_lfc_key", text)

    @property
    def mahalanobis(self) -> Field:
        """Distance of each gene."""
        text = "Mahalanobis distance of the fold change, in units of its uncertainty"
        return self._var("mahalanobis", "mahalanobis", "mahalanobis_key", text)

    @property
    def ptp(self) -> Field:
        """Tail probability of each gene's distance."""
        text = "Posterior tail probability of the distance under equal functions (cell level)"
        return self._var("ptp", "ptp", "ptp_key", text)

    @property
    def pvalue(self) -> Field:
        """Empirical p-value of each gene."""
        name = "mahalanobis_pvalue"
        text = "P-value from the distances of shuffled genes (cell level)"
        return self._var(name, name, f"{name}_key", text)

    @property
    def local_fdr(self) -> Field:
        """Local false discovery rate of each gene."""
        name = "mahalanobis_local_fdr"
        text = "Local false discovery rate from the distances of shuffled genes (cell level)"
        return self._var(name, name, f"{name}_key", text)

    @property
    def tail_fdr(self) -> Field:
        """Benjamini-Hochberg adjusted p-value of each gene."""
        name = "mahalanobis_tail_fdr"
        text = "Benjamini-Hochberg adjusted p-value (cell level)"
        return self._var(name, name, f"{name}_key", text)

    @property
    def is_de(self) -> Field:
        """Whether each gene is called."""
        text = "Local false discovery rate below the threshold (cell level)"
        return self._var("is_de", "is_de", "is_de_key", text)

    @property
    def imputed1(self) -> Field:
        """Smoothed expression of condition 1."""
        return self._imputed(self.condition1, 1)

    @property
    def imputed2(self) -> Field:
        """Smoothed expression of condition 2."""
        return self._imputed(self.condition2, 2)

    @property
    def fold_change(self) -> Field:
        """Fold change of each cell and gene."""
        text = f"Log fold change, {self.condition2} minus {self.condition1} (natural log)"
        name = "fold_change"
        return Field(self._between(name), "layers", name, f"{name}_key", text)

    @property
    def zscores(self) -> Field:
        """Standard score of each cell and gene."""
        name = "fold_change_zscores"
        text = "Log fold change in units of its posterior standard deviation"
        return Field(self._between(name), "layers", name, f"{name}_key", text)

    @property
    def std1(self) -> Field:
        """Standard deviation of condition 1."""
        return self._std(self.condition1, 1)

    @property
    def std2(self) -> Field:
        """Standard deviation of condition 2."""
        return self._std(self.condition2, 2)

    @property
    def covariance(self) -> Field:
        """Covariance of the fold change between cells."""
        name = "posterior_covariance"
        text = "Posterior covariance of the log fold change between cells"
        return Field(self._between(name), "obsp", "covariance", f"{name}_key", text)

    def __iter__(self) -> Iterator[Field]:
        """All fields that a run can have."""
        for name in _ROLES:
            yield getattr(self, name)

    def _var(self, part: str, kind: str, role: str, text: str) -> Field:
        return Field(self._between(part), "var", kind, role, text)

    def _imputed(self, condition: str, number: int) -> Field:
        text = f"Smoothed expression of {condition}"
        name = self._within(condition, "imputed")
        return Field(name, "layers", "imputed", f"imputed_key_{number}", text)

    def _std(self, condition: str, number: int) -> Field:
        text = f"Posterior standard deviation of the expression of {condition}, for every gene"
        return Field(self._within(condition, "std"), "obs", "std", f"std_key_{number}", text)


class AbundanceFields(_Names):
    """Where a differential-abundance run is written."""

    @property
    def lfc(self) -> Field:
        """Log fold change of the density at each cell."""
        text = "Log fold change of the normalised density (natural log)"
        return self._obs("lfc", "log_fold_change", "lfc_key", text)

    @property
    def zscore(self) -> Field:
        """Standard score of each cell."""
        text = "Log fold change in units of its standard deviation over draws of the cells"
        return self._obs("lfc_zscore", "log_fold_change_zscore", "zscore_key", text)

    @property
    def ptp(self) -> Field:
        """Tail probability of each cell."""
        text = "-log10 of the one-sided tail probability of the change"
        return self._obs("neg_log10_lfc_ptp", "ptp", "ptp_key", text)

    @property
    def direction(self) -> Field:
        """Up, neutral or down."""
        text = "Direction of change beyond both thresholds"
        return self._obs("lfc_direction", "direction", "direction_key", text)

    @property
    def lfsr(self) -> Field:
        """Local false sign rate of each cell."""
        text = "Local false sign rate by adaptive shrinkage over the cells (cell level)"
        return self._obs("lfc_lfsr", "lfsr", "lfsr_key", text)

    @property
    def svalue(self) -> Field:
        """Mean false sign rate of this cell and all surer ones."""
        text = "False sign rate among this cell and all surer ones (cell level)"
        return self._obs("lfc_svalue", "svalue", "svalue_key", text)

    @property
    def density1(self) -> Field:
        """Log density of condition 1."""
        return self._density(self.condition1, 1)

    @property
    def density2(self) -> Field:
        """Log density of condition 2."""
        return self._density(self.condition2, 2)

    @property
    def colors(self) -> Field:
        """Colours of the directions, where scanpy looks for them."""
        name = f"{self.direction.name}_colors"
        return Field(name, "uns", "colors", "colors_key", "Colours of the directions, in order")

    @property
    def documented_colors(self) -> Field:
        """The same colours under the documented name."""
        name = f"{self.key}_lfc_direction_colors"
        return Field(name, "uns", "colors", "documented_colors_key", "Colours of the directions")

    def __iter__(self) -> Iterator[Field]:
        """All fields that a run can have."""
        yield from (self.lfc, self.zscore, self.ptp, self.direction, self.lfsr, self.svalue)
        yield from (self.density1, self.density2, self.colors, self.documented_colors)

    def _obs(self, part: str, kind: str, role: str, text: str) -> Field:
        return Field(self._between(part), "obs", kind, role, text)

    def _density(self, condition: str, number: int) -> Field:
        text = f"Log density of {condition}, normalised to one over its cells (natural log)"
        name = self._within(condition, "log_density")
        return Field(name, "obs", "density", f"density_key_{number}", text)
