"""Tables of groups and regions in ``uns``: of which run they are, and what replaces them."""

import numpy as np
import pandas as pd
import pytest

from kompot.anndata import compute_differential_abundance
from kompot.datasets import simulate
from kompot.plot.stored_abundance import read_abundance_run
from kompot.reporting.abundance_section import group_shares


@pytest.fixture(scope="module")
def _analysed():
    cells = simulate(n_cells=900, n_genes=3, n_donors=4, random_state=3)
    cells.obs["other"] = cells.obs["condition"].map({"control": "x", "treated": "y"})
    run(cells, sample_col="sample", groups="branch")
    return cells


@pytest.fixture
def cells(_analysed):
    return _analysed.copy()


def run(cells, groupby="condition", labels=("control", "treated"), **options):
    return compute_differential_abundance(cells, groupby, *labels, progress=False, **options)


def test_tables_of_an_earlier_run_are_not_those_of_a_later(cells):
    assert read_abundance_run(cells).groups(cells) is not None
    run(cells, overwrite=True, significance="cell", sample_col="sample")
    own = cells.uns["kompot_da"]
    assert "groups" not in own
    assert "donor_regions" not in own
    assert read_abundance_run(cells).groups(cells) is None


def test_table_that_a_later_run_replaced_is_not_that_of_the_earlier(cells):
    run(cells, "other", ("x", "y"), overwrite=True, sample_col="sample", groups="branch")
    with pytest.warns(UserWarning, match="overwritten by run 1"):
        earlier = read_abundance_run(cells, 0)
    assert earlier.groups(cells) is None
    stored = read_abundance_run(cells, 1).groups(cells)
    pd.testing.assert_frame_equal(stored, cells.uns["kompot_da"]["groups"])


def test_tables_are_not_replaced_unless_that_is_wanted(cells):
    before = cells.uns["kompot_da"]["groups"]
    with pytest.raises(ValueError, match=r"already exist.*'donor_regions'\]") as refused:
        run(cells, "other", ("x", "y"), overwrite=False, sample_col="sample")
    assert "uns['kompot_da']['groups']" in str(refused.value)
    with pytest.warns(UserWarning, match=r"already exist.*\['groups'\]"):
        run(cells, "other", ("x", "y"), sample_col="sample", groups="branch")
    assert cells.uns["kompot_da"]["groups"] is not before


def test_another_key_keeps_both(cells):
    run(cells, "other", ("x", "y"), overwrite=False, sample_col="sample", result_key="second")
    assert set(cells.uns["kompot_da"]) >= {"groups", "donor_regions"}
    assert read_abundance_run(cells, 0).groups(cells) is not None


def test_report_takes_the_table_of_the_same_groups_only(cells):
    read, labels = read_abundance_run(cells), cells.obs["branch"]
    renamed = pd.Series(labels.to_numpy(), index=labels.index, name="clusters", dtype="category")
    conditions = {"control": np.ones(cells.n_obs, dtype=bool)}
    assert "donor FDR" in group_shares(cells, read, labels, conditions)
    assert "donor FDR" not in group_shares(cells, read, renamed, conditions)
