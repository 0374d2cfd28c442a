import json

import anndata as ad
import numpy as np
import pytest

import kompot
from kompot.datasets import simulate

COLUMN = "kompot_da_control_to_treated_lfc_direction"
LFC = "kompot_da_control_to_treated_lfc"
PTP = "kompot_da_control_to_treated_neg_log10_lfc_ptp"


def run(adata, **options):
    return kompot.compute_differential_abundance(
        adata, "condition", "control", "treated", **({"progress": False} | options)
    )


@pytest.fixture(scope="module")
def _analysed():
    adata = simulate(n_cells=900, n_genes=3, n_donors=2, abundance_log_odds=1.5, random_state=4)
    run(adata, log_fold_change_threshold=0.3, ptp_threshold=0.2)
    return adata


@pytest.fixture
def analysed(_analysed):
    return _analysed.copy()


@pytest.mark.parametrize(("lfc", "ptp"), [(0.0, 1.0), (0.5, 0.05), (0.2, 1e-4)])
def test_update_equals_a_run_with_these_thresholds(analysed, lfc, ptp):
    again = analysed.copy()
    run(again, log_fold_change_threshold=lfc, ptp_threshold=ptp, overwrite=True)
    assert kompot.update_direction_column(analysed, lfc, ptp) is None
    assert analysed.obs[COLUMN].equals(again.obs[COLUMN])
    assert list(analysed.uns[f"{COLUMN}_colors"]) == list(again.uns[f"{COLUMN}_colors"])


def test_thresholds_of_the_run_are_the_default(analysed):
    before = analysed.obs[COLUMN].copy()
    kompot.update_direction_column(analysed, lfc_threshold=1.0)
    assert not analysed.obs[COLUMN].equals(before)
    kompot.update_direction_column(analysed)
    assert analysed.obs[COLUMN].equals(before)


def test_directions_of_lazily_read_data_are_called_again(analysed, tmp_path):
    pytest.importorskip("xarray")
    pytest.importorskip("dask")
    analysed.write_h5ad(tmp_path / "cells.h5ad")
    lazy = ad.experimental.read_lazy(tmp_path / "cells.h5ad")
    for adata in (lazy, analysed):
        kompot.update_direction_column(adata, 0.5, 0.05)
    assert list(lazy.obs[COLUMN]) == list(analysed.obs[COLUMN])


def test_thresholds_of_a_column_are_kept(analysed, tmp_path):
    kompot.update_direction_column(analysed, 0.1, 0.01, direction_column="calls")
    kompot.update_direction_column(analysed, 0.7)
    kept = json.loads(analysed.uns["kompot_da"]["direction_thresholds"])
    assert kept == {
        "calls": {"lfc_threshold": 0.1, "ptp_threshold": 0.01},
        COLUMN: {"lfc_threshold": 0.7, "ptp_threshold": 0.2},
    }
    analysed.write_h5ad(tmp_path / "cells.h5ad")
    stored = ad.read_h5ad(tmp_path / "cells.h5ad")
    assert list(stored.obs["calls"].cat.categories) == ["up", "neutral", "down"]


def test_record_of_the_run_stays(analysed):
    before = analysed.uns["kompot_da"]["run_history"]
    kompot.update_direction_column(analysed, 0.1)
    assert analysed.uns["kompot_da"]["run_history"] == before


def test_columns_of_a_later_run_are_not_called_by_an_earlier_one(analysed):
    run(analysed, ls=3.0, log_fold_change_threshold=0.1, overwrite=True)
    before = analysed.obs[COLUMN].copy()
    with pytest.raises(ValueError, match=r"of run 0 was replaced by run 1; use run_id=1"):
        kompot.update_direction_column(analysed, run_id=0)
    assert analysed.obs[COLUMN].equals(before)
    kompot.update_direction_column(analysed, run_id=1)
    assert analysed.obs[COLUMN].equals(before)


def test_thresholds_are_drawn_with_their_directions(analysed):
    def lines(**options):
        axes = kompot.pl.volcano_da(analysed, **options)
        dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
        return sorted({abs(value) for line in dashed for value in line.get_xydata()[0]})

    kompot.update_direction_column(analysed, 0.7, 0.01, direction_column="calls")
    assert {0.3, -np.log10(0.2)} <= set(lines())
    assert {0.7, 2.0} <= set(lines(color="calls"))
    kompot.update_direction_column(analysed, 0.6, 0.1)
    assert {0.6, 1.0} <= set(lines())
    run(analysed, log_fold_change_threshold=0.3, ptp_threshold=0.2, overwrite=True)
    assert {0.3, -np.log10(0.2)} <= set(lines())
    assert list(json.loads(analysed.uns["kompot_da"]["direction_thresholds"])) == ["calls"]


def test_damaged_thresholds_are_none(analysed):
    analysed.uns["kompot_da"]["direction_thresholds"] = "{"
    assert kompot.pl.volcano_da(analysed) is not None
    kompot.update_direction_column(analysed, 0.7)
    assert COLUMN in analysed.uns["kompot_da"]["direction_thresholds"]


def test_copy_leaves_the_data(analysed):
    before = analysed.obs[COLUMN].copy()
    changed = kompot.update_direction_column(analysed, 5.0, inplace=False)
    assert (changed.obs[COLUMN] == "neutral").all()
    assert analysed.obs[COLUMN].equals(before)
    assert "direction_thresholds" not in analysed.uns["kompot_da"]


def test_cells_without_results_have_no_direction(analysed):
    analysed.obs.loc[analysed.obs_names[:7], LFC] = np.nan
    kompot.update_direction_column(analysed, 0.1)
    assert analysed.obs[COLUMN].isna().to_numpy().nonzero()[0].tolist() == list(range(7))


def test_named_columns_need_no_run(analysed):
    analysed.uns.clear()
    kompot.update_direction_column(
        analysed, 0.3, 0.2, direction_column="calls", lfc_key=LFC, ptp_key=PTP
    )
    assert analysed.obs["calls"].equals(analysed.obs[COLUMN])


def test_a_run_is_chosen_by_its_number(analysed):
    run(analysed, result_key="second", ls_factor=5.0)
    kompot.update_direction_column(analysed, 0.0, 1.0, run_id=0)
    expected = np.where(analysed.obs[LFC] > 0, "up", "down")
    assert (analysed.obs[COLUMN] == expected).all()
    assert (analysed.obs["second_control_to_treated_lfc_direction"] == "neutral").any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lfc_threshold": -1.0}, "'lfc_threshold'"),
        ({"lfc_threshold": np.nan}, "'lfc_threshold'"),
        ({"ptp_threshold": 0.0}, "'ptp_threshold'"),
        ({"ptp_threshold": 1.5}, "'ptp_threshold'"),
        ({"lfc_key": "nothing"}, "`lfc_key`: 'nothing' is no column"),
        ({"ptp_key": "condition"}, "`ptp_key`.*must hold numbers"),
        ({"direction_column": "a/b"}, "`direction_column`"),
        ({"run_id": 1}, "No DA run found with run_id=1"),
        ({"run_id": -2}, "No DA run found with run_id=-2"),
    ],
)
def test_mistakes_are_named_and_change_nothing(analysed, options, message):
    before = analysed.copy()
    with pytest.raises(ValueError, match=message):
        kompot.update_direction_column(analysed, **options)
    assert analysed.obs.equals(before.obs)
    assert analysed.uns["kompot_da"] == before.uns["kompot_da"]


def test_data_without_a_run_are_refused(adata):
    with pytest.raises(ValueError, match="No run of differential abundance is recorded"):
        kompot.update_direction_column(adata)
