"""Plans of runs that are not fitted together from rows of expression in memory."""

import anndata
import numpy as np
import pytest
from scipy import sparse

import kompot

CALL = ("condition", "A", "B")
QUIET = {"verbose": False, "random_state": 0}


def expression_plan(cells, **options):
    return kompot.dry_run_differential_expression(cells, *CALL, **QUIET, **options)


def abundance_plan(cells, **options):
    return kompot.dry_run_differential_abundance(cells, *CALL, **QUIET, **options)


def functions(cells):
    """The function of each condition, fitted to its own cells."""
    states, condition = cells.obsm["DM_EigenVectors"], cells.obs["condition"].to_numpy()
    rows = [np.flatnonzero(condition == name) for name in CALL[1:]]
    first, second = (kompot.FunctionEstimator().fit(states[own], cells.X[own]) for own in rows)
    return kompot.ModelSettings(function_predictor1=first, function_predictor2=second)


@pytest.fixture
def by_columns(cells):
    cells.X = sparse.csc_matrix(cells.X)
    return cells


def test_a_copy_by_rows_counts_and_is_not_made(by_columns):
    plan = expression_plan(by_columns, null_genes=0)
    assert "turning columns to rows" in plan.steps
    assert by_columns.X.format == "csc"
    by_columns.X = by_columns.X.tocsr()
    assert "turning columns to rows" not in expression_plan(by_columns, null_genes=0).steps


def test_backed_columns_are_turned_in_a_file_by_the_run_only(by_columns, tmp_path, monkeypatch):
    by_columns.write_h5ad(tmp_path / "cells.h5ad")
    backed = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    spool = "kompot.anndata.row_readers.rows_of_columns"
    turned = []
    monkeypatch.setattr(spool, lambda matrix: turned.append(matrix) or matrix[:].tocsr())
    plan = expression_plan(backed, null_genes=0)
    assert plan.total_disk_required == 8 * by_columns.X.nnz + 8 * by_columns.n_obs
    assert not turned
    monkeypatch.undo()
    kompot.compute_differential_expression(backed, *CALL, null_genes=0, progress=False)
    assert "kompot_de_A_to_B_mean_lfc" in backed.var
    backed.file.close()


def test_backed_rows_count_when_they_are_read(cells, tmp_path):
    cells.X = sparse.csr_matrix(cells.X)
    cells.write_h5ad(tmp_path / "cells.h5ad")
    backed = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    plan = expression_plan(backed)
    assert plan.total_disk_required == 0
    assert "checking values" not in plan.steps  # they are checked when they are read
    assert "reading null genes" in plan.steps
    backed.file.close()


@pytest.mark.parametrize("plan", [expression_plan, abundance_plan])
def test_lazily_read_data_are_planned_as_those_in_memory(cells, tmp_path, plan):
    pytest.importorskip("xarray")
    pytest.importorskip("dask")
    cells.write_h5ad(tmp_path / "cells.h5ad")
    lazy = anndata.experimental.read_lazy(tmp_path / "cells.h5ad")
    found, expected = plan(lazy), plan(cells)
    assert found.is_feasible
    assert found.output_fields == expected.output_fields


def test_given_functions_of_lazily_read_data_are_planned(cells, tmp_path):
    pytest.importorskip("xarray")
    pytest.importorskip("dask")
    cells.write_h5ad(tmp_path / "cells.h5ad")
    lazy = anndata.experimental.read_lazy(tmp_path / "cells.h5ad")
    assert expression_plan(lazy, param_scheme="separate", null_genes=0).is_feasible


@pytest.mark.parametrize("plan", [expression_plan, abundance_plan])
def test_copies_of_backed_data_are_refused_as_by_the_run(cells, tmp_path, plan):
    cells.write_h5ad(tmp_path / "cells.h5ad")
    backed = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    with pytest.raises(ValueError, match="`copy=True` cannot copy data whose matrices are on disk"):
        plan(backed, copy=True)
    assert plan(backed, copy=False).is_feasible
    backed.file.close()


def test_separate_scales_are_planned_condition_by_condition(cells):
    plan = expression_plan(cells, null_genes=20, param_scheme="separate")
    steps = list(plan.steps)
    assert steps.index("fitting condition 1") < steps.index("fitting condition 2")
    assert steps.index("fitting condition 2") < steps.index("distances")
    assert any("null genes are fitted" in one for one in plan.info)
    full = kompot.compute_differential_expression(
        *(cells, *CALL),
        null_genes=20,
        param_scheme="separate",
        random_state=0,
        progress=False,
        return_full_results=True,
    )
    ranks = [len(function.landmarks) for function in full["model"].functions]
    assert f"Rank of the features: {max(ranks)}." in plan.info
    assert set(plan.output_fields["adata.layers"]) == set(cells.layers)
    assert 0 < plan.wall_time.low < plan.wall_time.seconds < plan.wall_time.high


def test_separate_scales_are_refused_before_they_are_fitted(cells, monkeypatch):
    def unwanted(*_):
        raise AssertionError

    monkeypatch.setattr("kompot.anndata.given_expression_run.fit_separately", unwanted)
    with pytest.raises(MemoryError, match="Insufficient memory: the arrays of this run"):
        kompot.compute_differential_expression(
            cells, *CALL, param_scheme="separate", max_memory_ratio=1e-6, progress=False
        )
    assert "kompot_de" not in cells.uns


def test_given_functions_are_planned(cells, capsys):
    model = functions(cells)
    plan = kompot.de(cells, *CALL, model=model, null_genes=0, dry_run=True)
    assert capsys.readouterr().out == plan.format_report() + "\n"
    assert any("Functions are given" in one for one in plan.info)
    assert plan.is_feasible
    assert not any(name.startswith("fitting") for name in plan.steps)
    kompot.de(cells, *CALL, model=model, null_genes=0, progress=False)
    assert set(plan.output_fields["adata.layers"]) == set(cells.layers)
    assert set(plan.output_fields["adata.var"]) == set(cells.var)
    with pytest.raises(MemoryError, match="Insufficient memory"):
        kompot.de(
            *(cells, *CALL),
            model=model,
            null_genes=0,
            overwrite=True,
            storage=kompot.StorageSettings(max_memory_ratio=1e-6, overwrite=True),
        )


def test_the_scale_of_given_functions_is_recorded(cells):
    model = functions(cells)
    kompot.de(cells, *CALL, model=model, null_genes=0, progress=False)
    assert model.function_predictor1.ls is None
    assert kompot.RunInfo(cells).adjusted_run_id == 0


def test_given_densities_are_planned(cells, capsys):
    states, condition = cells.obsm["DM_EigenVectors"], cells.obs["condition"].to_numpy()
    first, second = (kompot.DensityEstimator().fit(states[condition == c]) for c in CALL[1:])
    model = kompot.ModelSettings(density_predictor1=first, density_predictor2=second)
    plan = kompot.da(cells, *CALL, model=model, dry_run=True)
    assert "STATUS: FEASIBLE" in capsys.readouterr().out
    assert "fitting" not in plan.steps
    assert plan.total_memory_required <= abundance_plan(cells).total_memory_required


def test_features_of_labels_count(cells):
    labels, densities = (abundance_plan(cells, ratio=one) for one in ("labels", "densities"))
    assert "fitting labels" in labels.steps
    assert "fitting labels" not in densities.steps
    assert any("log odds of the condition: about" in one for one in labels.info)


def test_the_rank_of_densities_is_that_of_the_run(cells):
    plan = abundance_plan(cells)
    full = kompot.compute_differential_abundance(
        cells, *CALL, random_state=0, progress=False, return_full_results=True
    )
    assert f"Rank of the features: {full['model'].features_.rank}." in plan.info
