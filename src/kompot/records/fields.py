"""Every name under which a run is stored, made in one place."""

from collections.abc import Iterator
from dataclasses import dataclass

from kompot.settings import StorageSettings

__all__ = ["AbundanceFields", "Field", "Names", "clean_name"]


def clean_name(label: object) -> str:
    r"""A label as part of a field name: space, ``-``, ``.`` and ``/`` become ``_``.

    So does the backslash, which zarr takes for ``/``.

    >>> clean_name("Pre-treat A/2.x")
    'Pre_treat_A_2_x'
    """
    return str(label).translate(str.maketrans(" -./\\", "_____"))


@dataclass(frozen=True)
class Field:
    """A stored result.

    Attributes
    ----------
    name
        Key in its location.
    location
        Attribute of the AnnData object that holds it: ``obs``, ``var``, ``layers``, ``varm``,
        ``obsp`` or ``uns``.
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
class Names:
    """Names made of a run's key and conditions.

    Parameters
    ----------
    key
        The run's ``result_key``.
    condition1, condition2
        Labels of the conditions, as in the data.
    with_samples
        Whether the run has samples: what their variance changes has ``_sample_var`` in its name.
    """

    key: str
    condition1: str
    condition2: str
    with_samples: bool = False

    @property
    def suffix(self) -> str:
        """End of the names of what the variance between samples changes."""
        return "_sample_var" if self.with_samples else ""

    def between(self, part: str) -> str:
        """Name of something about both conditions."""
        first, second = clean_name(self.condition1), clean_name(self.condition2)
        return f"{self.key}_{first}_to_{second}_{part}"

    def within(self, condition: str, part: str) -> str:
        """Name of something about one condition."""
        return f"{self.key}_{clean_name(condition)}_{part}"


class AbundanceFields(Names):
    """Where a differential-abundance run is written."""

    @property
    def lfc(self) -> Field:
        """Log fold change of the density at each cell."""
        text = "Log fold change of the normalised density (natural log)"
        return self._obs("lfc", "log_fold_change", "lfc_key", text)

    @property
    def zscore(self) -> Field:
        """Standard score of each cell."""
        text = "Log fold change in units of its standard deviation"
        return self._varied("lfc_zscore", "log_fold_change_zscore", "zscore_key", text)

    @property
    def ptp(self) -> Field:
        """Tail probability of each cell."""
        text = "-log10 of the one-sided tail probability of the change"
        return self._varied("neg_log10_lfc_ptp", "ptp", "ptp_key", text)

    @property
    def direction(self) -> Field:
        """Up, neutral or down."""
        text = "Direction of change beyond both thresholds"
        return self._varied("lfc_direction", "direction", "direction_key", text)

    @property
    def lfsr(self) -> Field:
        """Local false sign rate of each cell."""
        text = "Local false sign rate by adaptive shrinkage over the cells (cell level)"
        return self._varied("lfc_lfsr", "lfsr", "lfsr_key", text)

    @property
    def svalue(self) -> Field:
        """Mean false sign rate of this cell and all surer ones."""
        text = "False sign rate among this cell and all surer ones (cell level)"
        return self._varied("lfc_svalue", "svalue", "svalue_key", text)

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

    @property
    def donor_lfc(self) -> Field:
        """Change of the share of cells around each cell."""
        text = "Log fold change of the share of cells in the neighbourhood (natural log)"
        return self._donor("lfc", "donor_log_fold_change", text)

    @property
    def donor_lfc_se(self) -> Field:
        """Standard error of that change."""
        text = "Standard error between samples of the neighbourhood's log fold change"
        return self._donor("lfc_se", "donor_standard_error", text)

    @property
    def donor_pvalue(self) -> Field:
        """P-value of each cell's neighbourhood."""
        text = "P-value of the neighbourhood's change, samples as replicates (donor level)"
        return self._donor("pvalue", "donor_pvalue", text)

    @property
    def donor_fdr(self) -> Field:
        """False discovery rate of each cell."""
        text = "Expected share of false ones among the cells called up to here (donor level)"
        return self._donor("fdr", "donor_fdr", text)

    @property
    def donor_direction(self) -> Field:
        """Up, neutral or down for new donors."""
        text = "Change of the share of cells, called if the global test and the FDR allow"
        return self._donor("direction", "donor_direction", text)

    @property
    def donor_region(self) -> Field:
        """Finest region of each cell."""
        text = "Finest k-means region of the donor-level test"
        return self._donor("region", "donor_region", text)

    @property
    def donor_colors(self) -> Field:
        """Colours of the donor-level directions, where scanpy looks for them."""
        name = f"{self.donor_direction.name}_colors"
        text = "Colours of the donor-level directions, in order"
        return Field(name, "uns", "colors", "donor_colors_key", text)

    @property
    def donor_level(self) -> tuple[Field, ...]:
        """What a run writes of the donor-level test only."""
        statistics = (self.donor_lfc, self.donor_lfc_se, self.donor_pvalue, self.donor_fdr)
        return (*statistics, self.donor_direction, self.donor_region, self.donor_colors)

    def written(self, storage: StorageSettings, *, donor_level: bool) -> list[Field]:
        """The fields that a run with these options writes."""
        left_out = [] if storage.store_additional_stats else [self.lfsr, self.svalue]
        if not donor_level:
            left_out += self.donor_level
        return [field for field in self if field not in left_out]

    def __iter__(self) -> Iterator[Field]:
        """All fields that a run can have."""
        yield from (self.lfc, self.zscore, self.ptp, self.direction, self.lfsr, self.svalue)
        yield from (self.density1, self.density2, self.colors, self.documented_colors)
        yield from self.donor_level

    def _obs(self, part: str, kind: str, role: str, text: str) -> Field:
        return Field(self.between(part), "obs", kind, role, text)

    def _varied(self, part: str, kind: str, role: str, text: str) -> Field:
        text += ", with the variance between samples" if self.with_samples else ""
        return self._obs(f"{part}{self.suffix}", kind, role, text)

    def _donor(self, part: str, kind: str, text: str) -> Field:
        return self._obs(f"donor_{part}", kind, f"donor_{part}_key", text)

    def _density(self, condition: str, number: int) -> Field:
        text = f"Log density of {condition}, normalised to one over its cells (natural log)"
        name = self.within(condition, "log_density")
        return Field(name, "obs", "density", f"density_key_{number}", text)
