"""Histories on their way between people: files, copies, subsets, concatenation, names."""

import json
import warnings

import anndata as ad
import numpy as np
import pytest

import kompot

KEYS = ("kompot_de", "kompot_da")


def texts(adata):
    """What is recorded, without arrays."""
    return {
        key: {name: text for name, text in adata.uns[key].items() if isinstance(text, str)}
        for key in KEYS
    }


def stored(adata, path, kind):
    """The data as they come back from a file."""
    place = path / f"runs.{kind}"
    if kind == "h5ad":
        adata.write_h5ad(place)
        return ad.read_h5ad(place)
    adata.write_zarr(place)
    return ad.read_zarr(place)


def states(adata):
    return kompot.runs(adata)[["present", "missing", "overwritten"]].to_numpy().tolist()


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
def test_files(with_runs, tmp_path, kind):
    back = stored(with_runs, tmp_path, kind)
    assert texts(back) == texts(with_runs)
    assert kompot.runs(back).equals(kompot.runs(with_runs))
    for number, analysis in [(0, "de"), (1, "da")]:
        first, second = (kompot.RunInfo(a, number, analysis) for a in (with_runs, back))
        assert second.get_raw_data() == first.get_raw_data()
        assert second.overwritten_fields == first.overwritten_fields
        assert second.call_args() == first.call_args()
    if kind == "h5ad":
        kompot.cleanup(back)
        assert states(stored(back, tmp_path, kind)) == states(back)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.copy(),
        lambda a: a[::2],
        lambda a: a[:, :4],
        lambda a: a[10:50, 3:].copy(),
        lambda a: a[a.obs["branch"] == a.obs["branch"].iloc[0]],
    ],
    ids=["copy", "view of cells", "view of genes", "subset", "view of a branch"],
)
def test_copies_views_and_subsets(with_runs, change):
    changed = change(with_runs)
    assert texts(changed) == texts(with_runs)
    assert states(changed) == states(with_runs)
    run = kompot.RunInfo(changed, 0, "de")
    values = run.get_data()["field_data"]
    assert values["layers"]["kompot_de_control_imputed"].shape == changed.shape
    assert run._repr_html_() == kompot.RunInfo(with_runs, 0, "de")._repr_html_()
    is_view = changed.is_view
    kompot.runs(changed)
    assert changed.is_view == is_view


@pytest.mark.parametrize("merge", ["same", "unique", "first", "only", None])
def test_concatenation(with_runs, merge):
    first, second = with_runs[:60].copy(), with_runs[60:].copy()
    joined = ad.concat([first, second], uns_merge=merge, merge="same")
    if merge in (None, "only"):
        assert kompot.runs(joined).empty
        with pytest.raises(ValueError, match="Could not detect analysis type"):
            kompot.RunInfo(joined)
        return
    assert texts(joined) == texts(with_runs)
    table = kompot.runs(joined)
    # what is stored between cells is lost in concatenation
    assert table["missing"].tolist() == [1, 0, 0, 0, 0]


@pytest.mark.parametrize("merge", ["same", "unique", "first", "only"])
def test_concatenation_of_different_histories_leaves_a_readable_one(with_runs, small, de, merge):
    de(small, result_key="other")
    de(small, result_key="third")
    joined = ad.concat([with_runs, small], uns_merge=merge, index_unique="-", merge="same")
    n_before = len(kompot.runs(joined, "de"))
    assert n_before == (3 if merge == "first" else 0)
    joined.obsm["DM_EigenVectors"][len(with_runs) :] += 1e-6  # no two cells at the same place
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        de(joined, result_key="new")
    run = kompot.RunInfo(joined, -1, "de")
    assert run.adjusted_run_id == n_before
    assert run.missing_fields == run.overwritten_fields == []
    owners = json.loads(joined.uns["kompot_de"]["anndata_fields"])
    assert {n for fields in owners.values() for n in fields.values()} <= set(range(n_before + 1))


NAMES = [
    ("day 0", "day-7.5"),
    ("a/b", "c\\d"),
    ("α-Συν", "日本"),
    ("it's", 'the "other"'),
    ("<b>bold</b>", "&amp; {x} %s"),
    ("new\nline", "tab\tulator"),
    ("A_to_B", "A"),
    ("'; DROP TABLE", "../../etc"),
    (" ", "[0]"),
    ("🧬", "null"),
]


@pytest.mark.parametrize(
    ("first", "second", "kind"),
    [(*names, "h5ad") for names in NAMES] + [(*NAMES[number], "zarr") for number in (1, 4)],
)
def test_names_of_conditions(small, de, da, tmp_path, first, second, kind):
    new = {"control": first, "treated": second}
    small.obs["condition"] = small.obs["condition"].cat.rename_categories(new)
    de(small, "condition", first, second, groups=None)
    da(small, "condition", first, second)
    back = stored(small, tmp_path, kind)
    assert kompot.runs(back)["conditions"].tolist() == [f"{first} to {second}"] * 2
    for analysis in ("de", "da"):
        run = kompot.RunInfo(back, analysis_type=analysis)
        assert run.missing_fields == []
        assert (run.params["condition1"], run.params["condition2"]) == (first, second)
        assert "<b>" not in run._repr_html_()
    kompot.compute_differential_expression(
        back, progress=False, **kompot.RunInfo(back, -1, "de").call_args(result_key="again")
    )
    np.testing.assert_array_equal(
        back.var.filter(like="again").to_numpy(), back.var.filter(like="kompot_de").to_numpy()
    )
    kompot.cleanup(back, analysis_type="da", keep_obs_fields=False)
    assert kompot.runs(back, "da")["present"].tolist() == [0]


@pytest.mark.parametrize(("first", "second"), [("A-1", "A.1"), ("a b", "a/b"), ("x_", "x ")])
@pytest.mark.parametrize("analysis", ["de", "da"])
def test_names_that_would_be_stored_alike_are_refused(small, de, da, first, second, analysis):
    new = {"control": first, "treated": second}
    small.obs["condition"] = small.obs["condition"].cat.rename_categories(new)
    before = small.copy()
    with pytest.raises(ValueError, match="would be stored under the same name") as error:
        {"de": de, "da": da}[analysis](small, "condition", first, second)
    assert repr(first) in str(error.value)
    assert repr(second) in str(error.value)
    assert set(small.uns) == set(before.uns)
    assert list(small.var) == list(before.var)
