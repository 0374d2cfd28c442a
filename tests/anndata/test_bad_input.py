"""Every mistake is named before anything is computed, and the data stay as they were."""

import contextlib
import pickle

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from kompot.anndata import compute_differential_expression
from kompot.anndata import expression_run as module
from kompot.models import DifferentialExpression

DEFAULTS = {"groupby": "condition", "condition1": "control", "condition2": "treated"}


def fingerprint(adata):
    """All bytes of the data."""
    return pickle.dumps(
        [
            adata.X,
            *(dict(getattr(adata, name)) for name in ("layers", "obsm", "obsp", "uns")),
            {name: frame.to_dict() for name, frame in adata.varm.items()},
            *(frame.to_dict() for frame in (adata.obs, adata.var)),
            [list(adata.obs.columns), list(adata.var.columns), adata.obs.dtypes.astype(str)],
        ]
    )


def refused(adata, error, match, monkeypatch=None, **options):
    before = fingerprint(adata)
    with contextlib.ExitStack() as stack:
        if monkeypatch is not None:
            patch = stack.enter_context(monkeypatch.context())
            patch.setattr(
                DifferentialExpression, "fit_cells", lambda *_, **__: pytest.fail("computed")
            )
        stack.enter_context(pytest.raises(error, match=match))
        compute_differential_expression(adata, **(DEFAULTS | {"progress": False} | options))
    assert fingerprint(adata) == before


MISTAKES = [
    (
        {"groupby": "x"},
        ValueError,
        r"Column 'x' not found in adata.obs. Available columns: \['cond",
    ),
    (
        {"condition1": "A"},
        ValueError,
        r"Condition 'A' not found in column 'condition'\. Available val",
    ),
    ({"condition2": "B"}, ValueError, r"Condition 'B' not found.*\['control', 'treated'\]"),
    ({"condition2": "control"}, ValueError, "must be different, got 'control' twice"),
    ({"obsm_key": "x"}, ValueError, r"Key 'x' not found in adata.obsm. Available keys: \['DM_"),
    (
        {"layer": "x"},
        ValueError,
        r"Layer 'x' not found in adata.layers. Available layers: \['counts",
    ),
    ({"genes": []}, ValueError, "`genes` list is empty"),
    ({"genes": ["gene_0001", "a", "b"]}, ValueError, r"2 `genes` not found.*\['a', 'b'\]"),
    ({"genes": ["gene_0001"] * 2}, ValueError, r"more than once: \['gene_0001'\]"),
    ({"genes": "gene_0001"}, TypeError, r"`genes` must be a list of gene names.*\['gene_0001'\]"),
    ({"landmarks": np.zeros((4, 3))}, ValueError, "have 3 features but the embedding has 10"),
    ({"landmarks": np.zeros(4)}, ValueError, r"`landmarks` must be a matrix.*got shape \(4,\)"),
    ({"landmarks": np.full((4, 10), np.nan)}, ValueError, "`landmarks` hold NaN"),
    ({"n_landmarks": 0}, ValueError, "'n_landmarks' must be finite and at least 1, got 0"),
    ({"n_landmarks": 2.5}, TypeError, "'n_landmarks' must be a whole number or None, got 2.5"),
    ({"sigma": 0}, ValueError, "'sigma' must be finite and greater than 0, got 0"),
    ({"sigma": np.nan}, ValueError, "'sigma' must be finite"),
    ({"sigma": "1"}, TypeError, "'sigma' must be a number, got '1'"),
    ({"ls": -1.0}, ValueError, "'ls' must be finite and greater than 0"),
    ({"ls_factor": np.inf}, ValueError, "'ls_factor' must be finite"),
    ({"eps": -1e-9}, ValueError, "'eps' must be finite and at least 0"),
    ({"batch_size": -5}, ValueError, "'batch_size' must be finite and at least 0"),
    ({"random_state": "a"}, TypeError, "'random_state' must be a whole number or None"),
    ({"null_genes": -1}, ValueError, "'null_genes' must be finite and at least 0"),
    (
        {"null_genes": [0, 60]},
        ValueError,
        r"`null_genes` holds 1 column numbers outside 0 to 59: \[60",
    ),
    ({"null_genes": "all"}, ValueError, "'null_genes' must be a number of genes, a list"),
    (
        {"fdr_threshold": 0},
        ValueError,
        r"'fdr_threshold'\) must be finite and greater than 0 and at most",
    ),
    ({"fdr_threshold": 1.5}, ValueError, r"'fdr_threshold'\) must be"),
    ({"kernel": "rbf"}, ValueError, r"'kernel' must be one of \['matern52'"),
    ({"param_scheme": "both"}, ValueError, "'param_scheme' must be one of"),
    ({"tol": 1.0}, ValueError, "'tol' must be finite and at least 0 and less than 1"),
    ({"layers": "sparse"}, ValueError, r"'layers' must be one of \['dense', 'factored', 'none'\]"),
    ({"overwrite": "yes"}, ValueError, "'overwrite' must be None, True or False"),
    ({"result_key": "a/b"}, ValueError, "'result_key' must be a text without '/'"),
    ({"result_key": ".."}, ValueError, "'result_key' must be a text without '/'"),
    ({"result_key": "a\0b"}, ValueError, "'result_key' must be a text without '/'"),
    ({"max_memory_ratio": 2}, ValueError, "'max_memory_ratio' must be"),
    ({"copy": 1}, TypeError, "'copy' must be True or False, got 1"),
    (
        {"max_memory_ratio": 1e-9, "store_arrays_on_disk": False},
        MemoryError,
        "Insufficient memory: the arrays.*layers='none'",
    ),
    (
        {"store_posterior_covariance": True, "layers": "none", "max_memory_ratio": 1e-9},
        MemoryError,
        "Insufficient memory: the arrays.*null_genes=200 needs",
    ),
    (
        {"sgma": 1},
        TypeError,
        r"Unknown arguments: \['sgma'\]. Did you mean 'sigma'\? Known arguments: \['adata', 'gro",
    ),
    ({"groups": "x"}, ValueError, r"`groups`: Column 'x' not found.*\['condition'"),
    ({"groups": "pseudotime"}, ValueError, "column 'pseudotime'.*is numeric"),
    ({"groups": {"branch": "x"}}, ValueError, "no cell has the value 'x' in column 'branch'"),
    ({"groups": []}, ValueError, "`groups` is empty"),
    ({"groups": np.ones(7, bool)}, ValueError, "`groups` has 7 values for 600 cells"),
    ({"groups": 3.5}, TypeError, "`groups` cannot be float"),
    ({"cell_filter": {"x": 1}}, ValueError, "`cell_filter`: Column 'x' not found"),
    ({"cell_filter": "root"}, ValueError, "names the group 'root', but no `groups`"),
    (
        {"cell_filter": "x", "groups": "branch"},
        ValueError,
        "'x' is none of the groups.*'branch_1'",
    ),
    (
        {"cell_filter": {"condition": "treated"}},
        ValueError,
        r"'treated'.*has 0 cell\(s\) left after `cell_filter` or `check_representation`",
    ),
    (
        {"groups": "branch", "min_cells": 1000, "check_representation": True},
        ValueError,
        r"has 0 cell\(s\) left after",
    ),
    ({"check_representation": True}, ValueError, "'check_representation' is True but there are no"),
    (
        {"check_representation": "yes"},
        TypeError,
        "'check_representation' must be True, False or None",
    ),
    ({"min_cells": -1}, ValueError, "'min_cells' must be finite and at least 0"),
    ({"min_cells": "5"}, TypeError, "'min_cells' must be a number, got '5'"),
    ({"min_percentage": 101}, ValueError, "'min_percentage' must be.*at most 100"),
    ({"group_variance": 0}, ValueError, "'group_variance' must be finite and greater than 0"),
    ({"group_variance": 1.1}, ValueError, "'group_variance' must be"),
    ({"attribution": 1}, TypeError, "'attribution' must be True or False"),
    (
        {"differential_abundance_key": "kompot_da"},
        ValueError,
        r"\['kompot_da_control_log_density', 'kompot_da_treated_log_density'\] not found",
    ),
    ({"jit_compile": 1}, TypeError, "'jit_compile' must be True or False"),
    ({"disk_storage_dir": 3}, TypeError, "'disk_storage_dir' must be a path"),
    ({"store_arrays_on_disk": 1}, TypeError, "'store_arrays_on_disk' must be True, False or None"),
]


@pytest.mark.parametrize(("options", "error", "match"), MISTAKES)
def test_mistake_is_named(adata, monkeypatch, options, error, match):
    refused(adata, error, match, monkeypatch, **options)


def test_no_anndata_is_refused():
    with pytest.raises(TypeError, match="`adata` must be an AnnData object, got dict"):
        compute_differential_expression({}, "a", "b", "c")


def test_missing_default_embedding_says_how_to_make_it(adata, monkeypatch):
    del adata.obsm["DM_EigenVectors"]
    adata.obsm["X_pca"] = np.zeros((600, 2))
    match = r"Available keys: \['X_tree', 'X_pca'\]; choose one.*kompot.diffusion_maps"
    refused(adata, ValueError, match, monkeypatch)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e200])
def test_bad_embedding_names_cells(adata, monkeypatch, bad):
    adata.obsm["DM_EigenVectors"][[3, 7], 2] = bad
    names = adata.obs_names[[3, 7]].tolist()
    match = rf"2 of 600 cells.*\['{names[0]}', '{names[1]}'\]"
    refused(adata, ValueError, match, monkeypatch)


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_matrix, np.asarray])
def test_bad_expression_names_genes_and_cells(adata, monkeypatch, kind):
    dense = adata.X.toarray()
    dense[5, 9] = np.nan
    dense[6, 9] = np.inf
    adata.X = kind(dense)
    match = r"2 NaN, .* values in 1 genes \(first: \['gene_0010'\]\) and 2 cells"
    refused(adata, ValueError, match, monkeypatch)
    adata.layers["fine"] = np.nan_to_num(dense, posinf=0.0)
    compute_differential_expression(
        adata, **DEFAULTS, genes=["gene_0001", "gene_0002"], progress=False, null_genes=None
    )


def test_conditions_of_one_name_in_files_are_refused(adata, monkeypatch):
    adata.obs["condition"] = adata.obs["condition"].map({"control": "A-1", "treated": "A.1"})
    match = "'A-1' and 'A.1' would be stored under the same name 'A_1'"
    refused(adata, ValueError, match, monkeypatch, condition1="A-1", condition2="A.1")


def test_a_condition_of_one_cell_is_refused(adata, monkeypatch):
    labels = np.array(["control"] * 600, dtype=object)
    labels[0] = "treated"
    adata.obs["condition"] = labels
    refused(
        adata,
        ValueError,
        r"'treated' in column 'condition' has 1 cell\(s\); at least 2",
        monkeypatch,
    )


def test_one_state_for_all_cells_is_explained(adata):
    adata.obsm["DM_EigenVectors"][:] = 1.0
    refused(adata, ValueError, "all .* cells have the same state. Give `ls`", null_genes=0)
    compute_differential_expression(adata, **DEFAULTS, ls=1.0, progress=False, null_genes=0)
    assert adata.var["kompot_de_control_to_treated_mahalanobis"].notna().all()


@pytest.mark.parametrize("kind", ["boolean", "integer", "string"])
def test_labels_of_any_type(adata, kind):
    treated = (adata.obs["condition"] == "treated").to_numpy()
    labels = {
        "boolean": (treated, False, True),
        "integer": (treated.astype(int), 0, 1),
        "string": (pd.array(np.where(treated, "y", "x"), dtype="string"), "x", "y"),
    }
    column, first, second = labels[kind]
    adata.obs["label"] = column
    base = compute_differential_expression(
        adata, **DEFAULTS, null_genes=0, random_state=0, progress=False, copy=True
    )
    compute_differential_expression(
        adata, "label", first, second, null_genes=0, random_state=0, progress=False
    )
    np.testing.assert_array_equal(
        adata.var[f"kompot_de_{first}_to_{second}_mahalanobis"],
        base.var["kompot_de_control_to_treated_mahalanobis"],
    )


# Interrupted


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, ValueError])
@pytest.mark.parametrize("place", ["layers", "obsp", "varm", "var", "uns"])
def test_interrupted_writing_leaves_nothing(adata, monkeypatch, error, place):
    """Whatever fails while results are written, what was there before is put back."""
    compute_differential_expression(
        adata, **DEFAULTS, progress=False, null_genes=20, groups="branch"
    )
    before = fingerprint(adata)
    target = {
        "layers": "anndata._core.aligned_mapping.Layers.__setitem__",
        "obsp": "anndata._core.aligned_mapping.PairwiseArrays.__setitem__",
        "varm": "anndata._core.aligned_mapping.AxisArrays.__setitem__",
        "var": "pandas.DataFrame.assign",
        "uns": "anndata.AnnData.uns",
    }[place]
    count = {"calls": 0}

    def fail(*_, **__):
        count["calls"] += 1
        raise error

    options = {"store_posterior_covariance": True, "sigma": 2.0, "overwrite": True}
    options["groups"] = "branch"
    with monkeypatch.context() as patch:
        if place == "uns":
            patch.setattr(module, "uns_entries", fail)
        else:
            _fail_once(patch, target, fail)
        with pytest.raises(error):
            compute_differential_expression(
                adata, **DEFAULTS, progress=False, null_genes=20, **options
            )
    assert count["calls"] == 1
    assert fingerprint(adata) == before


def _fail_once(patch, target, fail):
    """Fail at the second call of a method, once; then let it do its work."""
    import importlib

    owner_path, _, name = target.rpartition(".")
    module_path, _, class_name = owner_path.rpartition(".")
    owner = getattr(importlib.import_module(module_path), class_name)
    original = getattr(owner, name)
    seen = {"calls": 0}

    def wrapper(*args, **kwargs):
        seen["calls"] += 1
        if seen["calls"] == (1 if "Pairwise" in target else 2):
            fail()
        return original(*args, **kwargs)

    patch.setattr(owner, name, wrapper)


# Any embedding

values = st.sampled_from([0.0, 1.0, -1.0, 1e-9, 1e9, 0.5, 3.0, 1e140, 1e-160])


@given(data=st.data(), n_cells=st.integers(4, 14), n_dims=st.integers(1, 3))
@settings(max_examples=80, deadline=None)
def test_any_embedding_works_or_is_refused(data, n_cells, n_dims):
    """Duplicates, constants, huge and tiny scales, two cells in a condition: never a NaN."""
    rows = st.lists(values, min_size=n_dims, max_size=n_dims)
    states = np.array(data.draw(st.lists(rows, min_size=n_cells, max_size=n_cells)))
    rng = np.random.default_rng(0)
    labels = np.where(np.arange(n_cells) % 2, "b", "a")
    adata = AnnData(
        rng.poisson(1.0, (n_cells, 5)).astype(np.float32),
        obs=pd.DataFrame({"label": labels}, index=[f"cell_{i}" for i in range(n_cells)]),
        obsm={"states": states},
    )
    before = fingerprint(adata)
    try:
        compute_differential_expression(
            adata, "label", "a", "b", obsm_key="states", null_genes=10, progress=False,
            random_state=0, store_additional_stats=True,
        )  # fmt: skip
    except ValueError as error:
        assert "have the same state" in str(error)  # noqa: PT017
        assert fingerprint(adata) == before
        return
    assert adata.var.notna().all(axis=None)
    assert adata.obs.notna().all(axis=None)
    for layer in adata.layers.values():
        assert np.isfinite(layer).all()
