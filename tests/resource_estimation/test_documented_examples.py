"""Every example of the document's section on resources, as it is written there.

Only the data are others: conditions ``Young`` and ``Old`` in ``age``, ``treated`` and ``control``
in ``state``, which the document calls ``condition``. Examples that put the column last, unlike the
signature, run with a warning.
"""

import pytest

import kompot as kp
from kompot.resource_estimation import ResourcePlan, dry_run_differential_expression

LAST = pytest.mark.filterwarnings("ignore:.*read as .'groupby'.*:UserWarning")


@pytest.fixture
def adata(cells):
    """The cells with the columns of the examples."""
    cells.obs["condition"] = cells.obs["state"]
    cells.obs["label"] = cells.obs["state"].map({"treated": "A", "control": "B"})
    return cells


def test_a_dry_run_before_the_computation(adata, capsys):
    plan = kp.dry_run_differential_expression(
        adata,
        condition1="Young",
        condition2="Old",
        groupby="age",
        use_sample_variance=True,
        sample_column="donor_id",
        verbose=True,
    )
    report = plan.format_report(verbose=True)
    assert capsys.readouterr().out == report + "\n"
    titles = ["RESOURCE USAGE PLAN", "System Resources", "Total Requirements"]
    titles += ["Memory Allocations", "Output Fields", "STATUS: FEASIBLE"]
    places = [report.index(title) for title in titles]
    assert places == sorted(places)
    assert "Memory Allocations" not in plan.format_report(verbose=False)


@LAST
def test_compare_different_configurations(adata, tmp_path, capsys):
    # Option 1: In-memory sample variance (highest memory)
    plan1 = dry_run_differential_expression(
        adata, "treated", "control", "condition", use_sample_variance=True, sample_column="donor_id"
    )
    # Option 2: Disk-backed sample variance (lower memory, needs disk space)
    plan2 = dry_run_differential_expression(
        adata,
        "treated",
        "control",
        "condition",
        use_sample_variance=True,
        sample_column="donor_id",
        disk_storage_dir=str(tmp_path / "de_analysis"),
    )
    # Option 3: No sample variance (lowest resources)
    plan3 = dry_run_differential_expression(
        adata, "treated", "control", "condition", use_sample_variance=False
    )
    for plan in (plan1, plan2, plan3):
        assert isinstance(plan, ResourcePlan)
        assert plan.requirements[0].size_human.endswith(("MB", "kB"))
        assert plan.is_feasible
    assert plan1.total_memory_required >= plan2.total_memory_required
    assert plan1.total_memory_required > plan3.total_memory_required
    assert plan1.total_disk_required == plan3.total_disk_required == 0
    assert plan2.total_disk_required > 0
    assert not (tmp_path / "de_analysis").exists()
    assert capsys.readouterr().out.count("STATUS") == 3


@LAST
def test_check_field_overwrites(adata, capsys):
    kp.compute_differential_expression(
        adata, "age", "Young", "Old", result_key="kompot_de", progress=False
    )
    plan = dry_run_differential_expression(adata, "Young", "Old", "age", result_key="kompot_de")
    report = capsys.readouterr().out
    assert "kompot_de_Young_imputed [OVERWRITES run_id=0]" in report
    assert "kompot_de_Old_imputed [OVERWRITES run_id=0]" in report
    assert "kompot_de_Young_to_Old_mean_lfc [OVERWRITES run_id=0]" in report
    assert "Results with result_key='kompot_de' already exist (run_id=0)" in report
    assert "comparing Young to Old" in report
    assert "null_genes=2000" in report
    assert plan.status == "warnings"


@LAST
@pytest.mark.parametrize("n_landmarks", [50, 100, 200])  # the document has more cells
def test_use_with_landmarks(adata, n_landmarks):
    adata.obs["condition"] = adata.obs["label"]
    landmarks = adata.obsm["X_pca"][:: adata.n_obs // n_landmarks][:n_landmarks]
    plan = dry_run_differential_expression(
        adata,
        "A",
        "B",
        "condition",
        landmarks=landmarks,
        use_sample_variance=True,
        sample_column="donor",
        verbose=False,
    )
    assert f"Rank of the features: {n_landmarks}." in plan.info
    assert f"{plan.total_memory_required / 1024**3:.2f} GB" < "1.00 GB"


def test_the_order_of_the_examples_is_read_with_a_warning(adata):
    with pytest.warns(UserWarning, match="read as .'groupby': 'age', 'condition1': 'Young'"):
        last = dry_run_differential_expression(adata, "Young", "Old", "age", verbose=False)
    first = dry_run_differential_expression(adata, "age", "Young", "Old", verbose=False)
    assert last.output_fields == first.output_fields
    with pytest.raises(ValueError, match="Column 'Young' not found"):
        dry_run_differential_expression(adata, "Young", "Old", "nothing", verbose=False)
