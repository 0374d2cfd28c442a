"""Every name under which a differential-expression run is stored."""

from collections.abc import Iterator
from dataclasses import dataclass

from kompot.records.fields import Field, Names
from kompot.settings import ExpressionSettings

__all__ = ["ExpressionFields"]

_GENE_FIELDS = (
    *("mean_lfc", "mahalanobis", "ptp", "pvalue", "local_fdr", "tail_fdr", "is_de"),
    *("weighted_mean_lfc", "composition_change", "expression_change"),
)
_DONOR_FIELDS = ("donor_pvalue", "donor_fdr", "donor_lfc")
_CELL_FIELDS = ("imputed1", "imputed2", "fold_change", "zscores", "std1", "std2", "covariance")
_FACTORS = ("basis", "weights1", "weights2")
_SAMPLE_FACTORS = ("deviations1", "deviations2", "posterior_std1", "posterior_std2")


@dataclass(frozen=True)
class ExpressionFields(Names):
    """Where a differential-expression run is written.

    Parameters
    ----------
    donor_level
        Whether significance speaks of new donors, and not of these cells only.
    with_noise
        Whether every gene has noise of its own, and so standard deviations.
    """

    donor_level: bool = False
    with_noise: bool = False

    @property
    def mean_lfc(self) -> Field:
        """Mean fold change of each gene."""
        text = "Mean log fold change over the cells of both conditions (natural log)"
        return self._var("mean_lfc", "mean_log_fold_change", "mean_lfc_key", text)

    @property
    def mahalanobis(self) -> Field:
        """Distance of each gene."""
        text = "Mahalanobis distance of the fold change, in units of its uncertainty"
        return self._varied("mahalanobis", "mahalanobis", "mahalanobis_key", text)

    @property
    def ptp(self) -> Field:
        """Tail probability of each gene's distance."""
        text = "Posterior tail probability of the distance under equal functions (cell level)"
        return self._varied("ptp", "ptp", "ptp_key", text)

    @property
    def pvalue(self) -> Field:
        """Empirical p-value of each gene."""
        name = "mahalanobis_pvalue"
        text = "P-value from the distances of shuffled genes (cell level)"
        if self.donor_level:
            text = "P-value of a change in new donors (donor level)"
        return self._varied(name, name, f"{name}_key", text)

    @property
    def local_fdr(self) -> Field:
        """Local false discovery rate of each gene."""
        name = "mahalanobis_local_fdr"
        text = "Local false discovery rate from the distances of shuffled genes (cell level)"
        if self.donor_level:
            text = "Local false discovery rate of a change in new donors (donor level)"
        return self._varied(name, name, f"{name}_key", text)

    @property
    def tail_fdr(self) -> Field:
        """Benjamini-Hochberg adjusted p-value of each gene."""
        name = "mahalanobis_tail_fdr"
        text = f"Benjamini-Hochberg adjusted p-value ({self._level} level)"
        return self._varied(name, name, f"{name}_key", text)

    @property
    def is_de(self) -> Field:
        """Whether each gene is called."""
        rate = "False discovery rate" if self.donor_level else "Local false discovery rate"
        text = f"{rate} below the threshold ({self._level} level)"
        return self._varied("is_de", "is_de", "is_de_key", text)

    @property
    def donor_pvalue(self) -> Field:
        """P-value of a change in new donors."""
        name = "donor_pvalue"
        text = "P-value of a change in new donors, all regions combined (donor level)"
        return self._var(name, name, f"{name}_key", text)

    @property
    def donor_fdr(self) -> Field:
        """False discovery rate of a change in new donors."""
        name = "donor_fdr"
        text = "Benjamini-Hochberg false discovery rate of a change in new donors (donor level)"
        return self._var(name, name, f"{name}_key", text)

    @property
    def donor_region(self) -> Field:
        """Where the evidence is strongest."""
        name = "donor_region"
        text = "Region of cell states with the strongest evidence (donor level)"
        return self._var(name, name, f"{name}_key", text)

    @property
    def donor_lfc(self) -> Field:
        """Change where the evidence is strongest."""
        name = "donor_lfc"
        text = "Change there between samples, natural log (of counts: beyond that of most genes)"
        return self._var(name, name, f"{name}_key", text)

    @property
    def weighted_mean_lfc(self) -> Field:
        """Mean fold change weighted by changes of abundance."""
        text = "Mean log fold change; cells of changed abundance count more (natural log)"
        kind, role = "weighted_mean_log_fold_change", "weighted_mean_lfc_key"
        return self._var("weighted_mean_lfc", kind, role, text)

    @property
    def composition_change(self) -> Field:
        """Part of the change of mean expression that moving cells explain."""
        name = "composition_change"
        text = "Change of mean smoothed expression because cells moved between states (natural log)"
        return self._var(name, name, f"{name}_key", text)

    @property
    def expression_change(self) -> Field:
        """Part of the change of mean expression that changed states explain."""
        name = "expression_change"
        text = "Change of mean smoothed expression because states express differently (natural log)"
        return self._var(name, name, f"{name}_key", text)

    @staticmethod
    def of_groups(field: Field) -> Field:
        """What a column of ``var`` is for each group of cells: a table in ``varm``."""
        return Field(
            f"{field.name}_groups",
            "varm",
            field.type.removeprefix("mahalanobis_"),
            f"{field.role.removesuffix('_key')}_groups_key",
            f"{field.description}; a column for each group of cells",
        )

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
        return Field(self.between(name), "layers", name, f"{name}_key", text)

    @property
    def zscores(self) -> Field:
        """Standard score of each cell and gene."""
        name = "fold_change_zscores"
        text = "Log fold change in units of its posterior standard deviation"
        return Field(self.between(name) + self.suffix, "layers", name, f"{name}_key", text)

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
        return Field(self.between(name), "obsp", "covariance", f"{name}_key", text)

    @property
    def basis(self) -> Field:
        """Features of the cells, of which factored layers are made."""
        text = "Features of the cells; a factored layer is these times the weights of its genes"
        return Field(f"{self.key}_basis", "obsm", "basis", "basis_key", text)

    @property
    def weights1(self) -> Field:
        """Weights of the genes in condition 1."""
        return self._weights(self.condition1, 1)

    @property
    def weights2(self) -> Field:
        """Weights of the genes in condition 2."""
        return self._weights(self.condition2, 2)

    @property
    def deviations1(self) -> Field:
        """Weights by which the samples of condition 1 differ."""
        return self._deviations(self.condition1, 1)

    @property
    def deviations2(self) -> Field:
        """Weights by which the samples of condition 2 differ."""
        return self._deviations(self.condition2, 2)

    @property
    def posterior_std1(self) -> Field:
        """Standard deviation of condition 1 without that between samples."""
        return self._posterior_std(self.condition1, 1)

    @property
    def posterior_std2(self) -> Field:
        """Standard deviation of condition 2 without that between samples."""
        return self._posterior_std(self.condition2, 2)

    def __iter__(self) -> Iterator[Field]:
        """All fields that a run can have."""
        names = (*_GENE_FIELDS, *_DONOR_FIELDS) if self.donor_level else _GENE_FIELDS
        genes = [getattr(self, name) for name in names]
        yield from genes
        if self.donor_level:
            yield self.donor_region
        yield from map(self.of_groups, genes)
        for name in (*_CELL_FIELDS, *_FACTORS, *(_SAMPLE_FACTORS if self.with_samples else ())):
            yield getattr(self, name)

    def written(
        self, settings: ExpressionSettings, *, has_fdr: bool, has_groups: bool
    ) -> list[Field]:
        """The fields that a run with these options writes.

        Groups have no local rates at donor level, and samples no covariance between cells.
        """
        output, storage = settings.output, settings.storage
        donor_level, samples = self.donor_level, self.with_samples
        extra = storage.store_additional_stats
        distances = output.compute_mahalanobis
        dense, factored = storage.layers == "dense", storage.layers == "factored"
        genes = [
            (self.mean_lfc, True),
            (self.mahalanobis, distances),
            (self.local_fdr, has_fdr),
            (self.is_de, has_fdr),
            (self.pvalue, has_fdr and extra),
            (self.tail_fdr, has_fdr and extra),
            (self.ptp, distances and extra),
            (self.weighted_mean_lfc, settings.comparison.differential_abundance_key is not None),
            (self.composition_change, output.attribution),
            (self.expression_change, output.attribution),
        ]
        by_donors = [
            (self.donor_pvalue, donor_level),
            (self.donor_fdr, donor_level),
            (self.donor_lfc, donor_level),
        ]
        cells = [
            (self.imputed1, dense),
            (self.imputed2, dense),
            (self.fold_change, dense),
            (self.zscores, dense and extra),
            (self.std1, dense or self.std1.location == "obs"),
            (self.std2, dense or self.std2.location == "obs"),
            (self.basis, factored),
            (self.weights1, factored),
            (self.weights2, factored),
            (self.deviations1, factored and samples),
            (self.deviations2, factored and samples),
            (self.posterior_std1, factored and samples),
            (self.posterior_std2, factored and samples),
            (self.covariance, storage.store_posterior_covariance and not samples),
        ]
        by_group = [
            (self.of_groups(field), has_groups and is_written)
            for field, is_written in [*genes, *by_donors]
            if not (donor_level and field == self.local_fdr)
        ]
        everywhere = [*genes, *by_donors, (self.donor_region, donor_level)]
        return [field for field, is_written in [*everywhere, *by_group, *cells] if is_written]

    @property
    def _level(self) -> str:
        return "donor" if self.donor_level else "cell"

    def _var(self, part: str, kind: str, role: str, text: str) -> Field:
        return Field(self.between(part), "var", kind, role, text)

    def _varied(self, part: str, kind: str, role: str, text: str) -> Field:
        return Field(self.between(part) + self.suffix, "var", kind, role, text)

    def _imputed(self, condition: str, number: int) -> Field:
        text = f"Smoothed expression of {condition}"
        name = self.within(condition, "imputed")
        return Field(name, "layers", "imputed", f"imputed_key_{number}", text)

    def _std(self, condition: str, number: int) -> Field:
        name, role = self.within(condition, "std"), f"std_key_{number}"
        if self.with_samples:
            text = f"Standard deviation of the expression of {condition}, between its samples too"
            return Field(name, "layers", "std_with_sample_var", role, text)
        if self.with_noise:
            text = f"Standard deviation of the expression of {condition} with each gene's noise"
            return Field(name, "layers", "std", role, text)
        text = f"Posterior standard deviation of the expression of {condition}, for every gene"
        return Field(name, "obs", "std", role, text)

    def _weights(self, condition: str, number: int) -> Field:
        text = f"Weights of the features in the smoothed expression of {condition}"
        name = self.within(condition, "weights")
        return Field(name, "varm", "weights", f"weights_key_{number}", text)

    def _deviations(self, condition: str, number: int) -> Field:
        text = f"Weights of the features by which the samples of {condition} differ, side by side"
        name = self.within(condition, "deviations")
        return Field(name, "varm", "deviations", f"deviations_key_{number}", text)

    def _posterior_std(self, condition: str, number: int) -> Field:
        text = f"Posterior standard deviation of the expression of {condition}, samples left out"
        name = self.within(condition, "posterior_std")
        return Field(name, "obs", "posterior_std", f"posterior_std_key_{number}", text)
