import numpy as np
import pytest
from matplotlib.figure import Figure

from kompot.plot import called_sets, overlap, upset

KEY = "kompot_de_control_to_treated"
SETS = {"a": {"x", "y", "z"}, "b": {"y", "z"}, "c": {"w"}}


def test_intersections_count_genes_in_these_sets_and_no_others():
    found = upset(SETS)
    assert found.intersections == {("a", "b"): ("y", "z"), ("a",): ("x",), ("c",): ("w",)}
    assert [bar.get_height() for bar in found.sizes.patches] == [2, 1, 1]
    assert [bar.get_width() for bar in found.totals.patches] == [3, 2, 1]
    inside = found.matrix.collections[-1]
    np.testing.assert_allclose(inside.get_offsets(), [[0, 0], [0, 1], [1, 2], [2, 0]])
    assert sum(len(genes) for genes in found.intersections.values()) == 4


def test_few_and_large_intersections_only():
    assert list(upset(SETS, n_intersections=1).intersections) == [("a", "b")]
    assert list(upset(SETS, min_size=2).intersections) == [("a", "b")]


def test_called_genes_of_groups(compared):
    sets = called_sets(compared)
    called = compared.varm[f"{KEY}_is_de_groups"]
    assert list(sets) == list(called.columns)
    assert sets["root"] == set(called.index[called["root"]])
    up, down = (called_sets(compared, direction=one) for one in ("up", "down"))
    assert up["root"] | down["root"] == sets["root"]
    assert not up["root"] & down["root"]
    strict = called_sets(compared, threshold=1e-9)
    rate = compared.varm[f"{KEY}_mahalanobis_local_fdr_groups"]
    assert strict["root"] == set(rate.index[rate["root"] < 1e-9])
    found = upset(compared, figure=Figure(layout="constrained"))
    assert sum(map(len, found.intersections.values())) == len(set().union(*sets.values()))


def test_direction_is_that_of_the_change_between_donors(compared):
    stem = "kompot_de_control_to_treated"
    compared.varm[f"{stem}_donor_lfc_groups"] = -compared.varm[f"{stem}_mean_lfc_groups"]
    up = called_sets(compared, direction="up")
    del compared.varm[f"{stem}_donor_lfc_groups"]
    assert up == called_sets(compared, direction="down")
    assert any(up.values())


def test_overlap_is_the_jaccard_index(ax):
    assert overlap(SETS, ax=ax) is ax
    index = ax.images[0].get_array()
    np.testing.assert_allclose(index, [[1, 2 / 3, 0], [2 / 3, 1, 0], [0, 0, 1]])
    assert [text.get_text() for text in ax.texts] == list("320220001")


def test_nothing_called_is_explained(ax):
    found = upset({"a": set(), "b": set()})
    found.figure.canvas.draw()
    assert found.sizes.texts[0].get_text() == "no gene is in any set"
    overlap({"a": set(), "b": set()}, ax=ax)
    np.testing.assert_array_equal(ax.images[0].get_array(), 0)
    empty = Figure().subplots()
    overlap({}, ax=empty)
    assert empty.texts[0].get_text() == "there are no sets"


def test_fifty_sets_with_long_names_fit():
    rng = np.random.default_rng(0)
    sets = {
        f"a kind of cell with quite a long name, number {number}": set(
            rng.choice([f"gene_{k}" for k in range(100)], 10).tolist()
        )
        for number in range(50)
    }
    ax = overlap(sets)
    ax.figure.canvas.draw()
    assert ax.get_tightbbox().x0 >= -1
    assert len(ax.texts) == 0
    found = upset(sets)
    found.figure.canvas.draw()
    assert len(found.sizes.patches) == 20


def test_run_without_groups_says_so(analysed):
    with pytest.raises(ValueError, match="with `groups`"):
        upset(analysed)
    with pytest.raises(ValueError, match="direction"):
        called_sets(analysed, direction="left")
