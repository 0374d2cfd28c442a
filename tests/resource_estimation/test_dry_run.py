import json
from types import SimpleNamespace

import pandas as pd
import pytest

import kompot
from kompot import compute_differential_abundance, compute_differential_expression
from kompot.memory import availability
from kompot.resource_estimation import (
    ResourcePlan,
    dry_run_differential_abundance,
    dry_run_differential_expression,
)

CALL = {"groupby": "condition", "condition1": "A", "condition2": "B"}
QUIET = {"verbose": False}


def test_both_are_at_the_top_and_in_their_module():
    assert kompot.dry_run_differential_expression is dry_run_differential_expression
    assert kompot.dry_run_differential_abundance is dry_run_differential_abundance
    assert kompot.ResourcePlan is ResourcePlan


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"use_sample_variance": True}, "`use_sample_variance` is True but .* give `sample_col`"),
        ({"sample_col": "donor", "sample_column": "donor_id"}, "give one of them"),
        ({"sample_col": "nothing"}, "Column 'nothing' not found"),
        ({"null_genes": -1}, "null_genes. must"),
        ({"obsm_key": "X"}, "Key 'X' not found in adata.obsm"),
    ],
)
def test_what_the_run_refuses_is_refused(cells, options, match):
    with pytest.raises(ValueError, match=match):
        dry_run_differential_expression(cells, **CALL, **options)


@pytest.mark.parametrize(
    "dry_run", [dry_run_differential_expression, dry_run_differential_abundance]
)
def test_unknown_arguments_and_conditions_are_refused(cells, dry_run):
    with pytest.raises(TypeError, match=r"Unknown arguments: \['nothing'\]"):
        dry_run(cells, **CALL, nothing=1)
    with pytest.raises(ValueError, match="Condition 'C' not found"):
        dry_run(cells, "condition", "A", "C")


RUNS = {
    "de": (dry_run_differential_expression, compute_differential_expression, {"null_genes": 20}),
    "da": (dry_run_differential_abundance, compute_differential_abundance, {}),
}


@pytest.mark.parametrize("analysis", RUNS)
@pytest.mark.parametrize("options", [{}, {"sample_col": "donor"}, {"groups": "group"}])
def test_the_plan_names_what_the_run_writes_and_changes_nothing(cells, analysis, options):
    dry_run, run, own = RUNS[analysis]
    options = {**CALL, **options, **(own if "sample_col" not in options else {})}
    before = cells.copy()
    plan = dry_run(cells, **options, **QUIET)
    pd.testing.assert_frame_equal(cells.obs, before.obs)
    pd.testing.assert_frame_equal(cells.var, before.var)
    places = ("obs", "var", "layers", "obsm", "varm", "obsp", "uns")
    assert all(set(getattr(cells, place)) == set(getattr(before, place)) for place in places)
    run(cells, **options, progress=False)
    for place in places:
        new = set(getattr(cells, place)) - set(getattr(before, place))
        new -= {"kompot_de", "kompot_da"}  # records
        assert set(plan.output_fields.get(f"adata.{place}", [])) == new
    assert not plan.overwritten


@pytest.mark.parametrize("analysis", RUNS)
def test_fields_of_earlier_runs_are_marked_with_the_last_that_wrote_them(cells, analysis):
    dry_run, run, own = RUNS[analysis]
    for _ in range(2):
        run(cells, **CALL, **own, overwrite=True, progress=False)
    plan = dry_run(cells, **CALL, **own, **QUIET)
    listed = [(place, name) for place, names in plan.output_fields.items() for name in names]
    assert {plan.overwritten[one] for one in listed if one[0] != "adata.uns"} == {1}
    report = plan.format_report()
    assert report.count("[OVERWRITES run_id=1]") >= len(listed) - 2
    (warning,) = [one for one in plan.warnings if "already exist" in one]
    assert f"result_key='kompot_{analysis}' already exist (run_id=1). Previous run: 2" in warning
    assert "comparing A to B" in warning
    assert plan.status == "warnings"
    assert plan.is_feasible
    assert "STATUS: FEASIBLE WITH WARNINGS" in report


def test_overwriting_that_is_forbidden_is_not_feasible(cells):
    compute_differential_expression(cells, **CALL, null_genes=0, progress=False)
    plan = dry_run_differential_expression(cells, **CALL, overwrite=False, **QUIET)
    assert not plan.is_feasible
    assert "Set overwrite=True to overwrite or use a different result_key." in plan.errors[0]
    options = {"overwrite": True, "null_genes": 0}
    allowed = dry_run_differential_expression(cells, **CALL, **options, **QUIET)
    assert allowed.status == "feasible"
    layers = [name for place, name in allowed.overwritten if place == "adata.layers"]
    assert len(layers) == 3
    marked = [one for one in allowed.requirements if "layers" in str(one.field_name)]
    assert all(one.overwrite for one in marked)


OTHERS = {"groupby": "age", "condition1": "Old", "condition2": "Young"}


def test_what_other_conditions_share_is_refused_by_the_plan_as_by_the_run(cells):
    quiet = {"progress": False, "overwrite": False}
    compute_differential_abundance(cells, **CALL, progress=False)
    plan = dry_run_differential_abundance(cells, **OTHERS, overwrite=False, **QUIET)
    assert plan.status == "feasible"  # colours of both are the same
    compute_differential_abundance(cells, **OTHERS, groups="group", **quiet)
    turned = {"groupby": "age", "condition1": "Young", "condition2": "Old"}
    plan = dry_run_differential_abundance(cells, **turned, overwrite=False, **QUIET)
    (error,) = plan.errors
    table = "uns['kompot_da']['groups']"
    assert "(run_id=1). Previous run: 2" in error
    assert "comparing Old to Young" in error
    assert table in error
    with pytest.raises(ValueError, match="already exist") as refused:
        compute_differential_abundance(cells, **turned, **quiet)
    assert table in str(refused.value)
    (warning,) = dry_run_differential_abundance(cells, **turned, **QUIET).warnings
    assert table in warning


def test_fields_that_no_run_recorded_are_marked_without_a_number(cells):
    cells.var["kompot_de_A_to_B_mean_lfc"] = 0.0
    plan = dry_run_differential_expression(cells, **CALL, **QUIET)
    assert "kompot_de_A_to_B_mean_lfc [OVERWRITES]\n" in plan.format_report()
    assert any("no recorded run wrote" in one for one in plan.warnings)


def test_null_genes_samples_and_covariance_take_more(cells):
    def total(**options):
        plan = dry_run_differential_expression(cells, **CALL, random_state=0, **options, **QUIET)
        return plan.total_memory_required

    least = total(null_genes=0)
    assert total(null_genes=2000) > least
    assert total(sample_col="donor") > least
    assert total(null_genes=0, groups="group") >= least
    assert total(null_genes=0, store_posterior_covariance=True) > least
    assert total(null_genes=0, copy=True, inplace=False) >= least
    assert total(null_genes=0, layers="none") <= least
    assert total(null_genes=0, inplace=False, return_full_results=True) == total(
        null_genes=0, layers="none"
    )


def test_too_little_memory_makes_a_run_infeasible_and_the_run_says_the_same(cells):
    options = {**CALL, "max_memory_ratio": 1e-6}
    plan = dry_run_differential_expression(cells, **options, **QUIET)
    assert not plan.is_feasible
    assert plan.status == "infeasible"
    (error,) = plan.errors
    assert error.startswith("Insufficient memory: the arrays of this run (most of it ")
    assert "Alternatives:" in plan.format_report()
    assert "STATUS: NOT FEASIBLE" in plan.format_report()
    with pytest.raises(MemoryError) as refused:
        compute_differential_expression(cells, **options, progress=False)
    assert same_but_numbers(str(refused.value)) == same_but_numbers(error)
    assert set(cells.var) == set()


def test_abundance_that_does_not_fit_is_refused_as_well(cells, monkeypatch):
    machine = SimpleNamespace(total=2**34, available=2**20)
    monkeypatch.setattr(availability.psutil, "virtual_memory", lambda: machine)
    plan = dry_run_differential_abundance(cells, **CALL, **QUIET)
    assert plan.errors[0].startswith("Insufficient memory: the arrays of this run")
    with pytest.raises(MemoryError, match=r"Insufficient memory: .* more than max_memory_ratio="):
        compute_differential_abundance(cells, **CALL, progress=False)
    assert "kompot_da" not in cells.uns


def same_but_numbers(text):
    return "".join(one for one in text if not (one.isdigit() or one == "."))


def test_the_plan_is_plain_data(cells):
    plan = dry_run_differential_expression(cells, **CALL, groups="group", **QUIET)
    found = json.loads(json.dumps(plan.to_dict()))
    assert found["feasible"] is True
    assert found["memory"]["total_bytes"] == plan.total_memory_required
    assert found["memory"]["ratio"] == pytest.approx(plan.memory_ratio)
    assert sum(one["bytes"] for one in found["memory"]["allocations"]) == plan.total_memory_required
    assert found["output_fields"] == plan.output_fields
    assert 0 < found["seconds"]["low"] < found["seconds"]["estimate"] < found["seconds"]["high"]
    assert found["disk"]["total_bytes"] == 0
    assert "<pre>" in plan._repr_html_()


def test_the_rank_of_few_cells_is_that_of_the_run(cells):
    plan = dry_run_differential_expression(cells, **CALL, random_state=3, **QUIET)
    full = compute_differential_expression(
        cells, **CALL, random_state=3, progress=False, return_full_results=True
    )
    assert f"Rank of the features: {full['model'].features_.rank}." in plan.info


def test_a_plan_can_be_made_by_hand():
    plan = ResourcePlan()
    plan.add_requirement("a matrix", 8_000_000, "memory", (1000, 1000))
    plan.add_requirement("a file", 500, "disk", field_name="adata.layers['x']", overwrite=True)
    assert (plan.total_memory_required, plan.total_disk_required) == (8_000_000, 500)
    assert plan.memory_ratio == plan.disk_ratio == 0.0  # nothing is known of the machine
    plan.check_availability()
    assert plan.is_feasible
    plan.availability = kompot.resource_estimation.SystemAvailability(
        10**8, 9 * 10**6, "/data", 10**6, 600
    )
    assert plan.memory_ratio == pytest.approx(8 / 9)
    plan.check_availability(memory_threshold=0.9, disk_threshold=0.9)
    assert plan.is_feasible
    plan.check_availability()
    plan.check_availability(disk_threshold=0.5)
    assert [one.split(":")[0] for one in plan.errors] == [
        "Insufficient memory",
        "Insufficient disk space",
    ]
    assert "a matrix (1000, 1000): 8 MB" in plan.format_report()
