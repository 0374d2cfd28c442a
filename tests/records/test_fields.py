import pytest

from kompot.records.expression_fields import ExpressionFields
from kompot.records.fields import AbundanceFields, clean_name


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Pre-treat A", "Pre_treat_A"),
        ("B/2.x", "B_2_x"),
        ("c\\d", "c_d"),
        ("α β", "α_β"),
        (3, "3"),
        (True, "True"),
        ("a_b", "a_b"),
        ("<b>&'\"", "<b>&'\""),
    ],
)
def test_labels_are_cleaned_as_documented(label, name):
    assert clean_name(label) == name


def test_expression_names_are_the_documented_ones():
    fields = ExpressionFields("R", "A 1", "B")
    assert {field.location: field.name for field in fields if field.type == "is_de"} == {
        "var": "R_A_1_to_B_is_de",
        "varm": "R_A_1_to_B_is_de_groups",
    }
    assert [(field.location, field.name, field.type) for field in fields] == [
        ("var", "R_A_1_to_B_mean_lfc", "mean_log_fold_change"),
        ("var", "R_A_1_to_B_mahalanobis", "mahalanobis"),
        ("var", "R_A_1_to_B_ptp", "ptp"),
        ("var", "R_A_1_to_B_mahalanobis_pvalue", "mahalanobis_pvalue"),
        ("var", "R_A_1_to_B_mahalanobis_local_fdr", "mahalanobis_local_fdr"),
        ("var", "R_A_1_to_B_mahalanobis_tail_fdr", "mahalanobis_tail_fdr"),
        ("var", "R_A_1_to_B_is_de", "is_de"),
        ("var", "R_A_1_to_B_weighted_mean_lfc", "weighted_mean_log_fold_change"),
        ("var", "R_A_1_to_B_composition_change", "composition_change"),
        ("var", "R_A_1_to_B_expression_change", "expression_change"),
        ("varm", "R_A_1_to_B_mean_lfc_groups", "mean_log_fold_change"),
        ("varm", "R_A_1_to_B_mahalanobis_groups", "mahalanobis"),
        ("varm", "R_A_1_to_B_ptp_groups", "ptp"),
        ("varm", "R_A_1_to_B_mahalanobis_pvalue_groups", "pvalue"),
        ("varm", "R_A_1_to_B_mahalanobis_local_fdr_groups", "local_fdr"),
        ("varm", "R_A_1_to_B_mahalanobis_tail_fdr_groups", "tail_fdr"),
        ("varm", "R_A_1_to_B_is_de_groups", "is_de"),
        ("varm", "R_A_1_to_B_weighted_mean_lfc_groups", "weighted_mean_log_fold_change"),
        ("varm", "R_A_1_to_B_composition_change_groups", "composition_change"),
        ("varm", "R_A_1_to_B_expression_change_groups", "expression_change"),
        ("layers", "R_A_1_imputed", "imputed"),
        ("layers", "R_B_imputed", "imputed"),
        ("layers", "R_A_1_to_B_fold_change", "fold_change"),
        ("layers", "R_A_1_to_B_fold_change_zscores", "fold_change_zscores"),
        ("obs", "R_A_1_std", "std"),
        ("obs", "R_B_std", "std"),
        ("obsp", "R_A_1_to_B_posterior_covariance", "covariance"),
        ("obsm", "R_basis", "basis"),
        ("varm", "R_A_1_weights", "weights"),
        ("varm", "R_B_weights", "weights"),
    ]
    of_samples = ExpressionFields("R", "A 1", "B", with_samples=True)
    assert [(field.location, field.name, field.type) for field in of_samples][-4:] == [
        ("varm", "R_A_1_deviations", "deviations"),
        ("varm", "R_B_deviations", "deviations"),
        ("obs", "R_A_1_posterior_std", "posterior_std"),
        ("obs", "R_B_posterior_std", "posterior_std"),
    ]


def test_samples_change_the_names_that_they_should():
    fields = ExpressionFields("R", "A", "B", with_samples=True, donor_level=True)
    found = {(field.location, field.name): field.type for field in fields}
    assert found["var", "R_A_to_B_mahalanobis_sample_var"] == "mahalanobis"
    assert found["var", "R_A_to_B_is_de_sample_var"] == "is_de"
    assert found["var", "R_A_to_B_mean_lfc"] == "mean_log_fold_change"
    assert found["varm", "R_A_to_B_mahalanobis_sample_var_groups"] == "mahalanobis"
    assert found["var", "R_A_to_B_donor_region"] == "donor_region"
    assert found["layers", "R_A_std"] == "std_with_sample_var"
    assert found["layers", "R_A_to_B_fold_change_zscores_sample_var"] == "fold_change_zscores"
    assert all("cell level" not in f.description for f in fields if f.type == "is_de")


def test_abundance_names_are_the_documented_ones():
    assert [
        (field.location, field.name, field.type) for field in AbundanceFields("R", "A", "B")
    ] == [
        ("obs", "R_A_to_B_lfc", "log_fold_change"),
        ("obs", "R_A_to_B_lfc_zscore", "log_fold_change_zscore"),
        ("obs", "R_A_to_B_neg_log10_lfc_ptp", "ptp"),
        ("obs", "R_A_to_B_lfc_direction", "direction"),
        ("obs", "R_A_to_B_lfc_lfsr", "lfsr"),
        ("obs", "R_A_to_B_lfc_svalue", "svalue"),
        ("obs", "R_A_log_density", "density"),
        ("obs", "R_B_log_density", "density"),
        ("uns", "R_A_to_B_lfc_direction_colors", "colors"),
        ("uns", "R_lfc_direction_colors", "colors"),
        ("obs", "R_A_to_B_donor_lfc", "donor_log_fold_change"),
        ("obs", "R_A_to_B_donor_lfc_se", "donor_standard_error"),
        ("obs", "R_A_to_B_donor_pvalue", "donor_pvalue"),
        ("obs", "R_A_to_B_donor_fdr", "donor_fdr"),
        ("obs", "R_A_to_B_donor_direction", "donor_direction"),
        ("obs", "R_A_to_B_donor_region", "donor_region"),
        ("uns", "R_A_to_B_donor_direction_colors", "colors"),
    ]


def test_what_samples_change_has_a_name_of_its_own():
    plain, varied = (AbundanceFields("R", "A", "B", with_samples=yes) for yes in (False, True))
    changed = {a.name: b.name for a, b in zip(plain, varied, strict=True) if a.name != b.name}
    assert changed == {
        f"R_A_to_B_{part}": f"R_A_to_B_{part}_sample_var"
        for part in ("lfc_zscore", "neg_log10_lfc_ptp", "lfc_direction", "lfc_lfsr", "lfc_svalue")
    } | {"R_A_to_B_lfc_direction_colors": "R_A_to_B_lfc_direction_sample_var_colors"}
    assert [a.role for a in plain] == [b.role for b in varied]


@pytest.mark.parametrize("kind", [ExpressionFields, AbundanceFields])
def test_every_field_of_a_run_has_its_own_name_and_role(kind):
    fields = list(kind("R", "A", "B"))
    assert len({(field.location, field.name) for field in fields}) == len(fields)
    assert len({field.role for field in fields}) == len(fields)
