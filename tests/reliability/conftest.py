"""Odd data sets for every public function, and what a call must leave alone."""

import hashlib
import os
import pickle
import warnings
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from scipy import sparse

FUZZ = int(os.environ.get("KOMPOT_FUZZ", "0"))
"""Data sets tried with each function; 0 for the few of continuous integration."""

settings.register_profile(
    "reliability",
    derandomize=not FUZZ,
    max_examples=FUZZ or 5,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    print_blob=False,
)


N_CELLS = 72  # of which as many as neighbourhoods of donors need are left by each change


@pytest.fixture
def tally(request):
    """What a test tries, by kind; added up at the end of a run of these tests."""
    counts = Counter()
    yield counts
    request.node.user_properties.extend(counts.items())


def pytest_terminal_summary(terminalreporter):
    reports = [report for kind in terminalreporter.stats.values() for report in kind]
    total = Counter()
    for report in reports:
        if getattr(report, "when", None) == "teardown":
            for kind, count in report.user_properties:
                total[kind] += count
    for kind, count in sorted(total.items()):
        terminalreporter.write_line(f"{kind}: {count:,}")


@pytest.fixture(scope="session")
def profile():
    return settings.get_profile("reliability")


@pytest.fixture
def options():
    """Options of commands that run on the small data of these tests."""
    pair = ("--groupby", "condition", "--condition1", "a", "--condition2", "b")
    return {
        "de": (*pair, "--null-genes", "4", "-q", "--overwrite"),
        "dm": ("--knn", "5", "--n-components", "2", "-q", "--overwrite"),
        "cleanup": (),
    }


def digest(value, *, loose=False):
    """All that can be seen of a value, down to the bytes; loosely without its layout."""
    if loose and sparse.issparse(value):
        value = value.toarray()
    if isinstance(value, np.ndarray) and value.dtype != object:
        flags = (value.flags.writeable, value.flags.f_contiguous)
        kind = value.dtype.str, value.shape, () if loose else flags
        return kind, hashlib.sha1(np.ascontiguousarray(value).tobytes()).hexdigest()
    if sparse.issparse(value):
        parts = (value.data, value.indices, value.indptr)
        return (type(value).__name__, value.shape, *map(digest, parts))
    if isinstance(value, pd.DataFrame):
        columns = tuple(digest(value.iloc[:, k]) for k in range(value.shape[1]))
        return tuple(map(repr, value.columns)), digest(value.index.to_series()), columns
    if isinstance(value, pd.Series):
        return str(value.dtype), pickle.dumps(value.to_numpy(object).tolist()), repr(value.name)
    if isinstance(value, dict):
        return {str(key): digest(item) for key, item in value.items()}
    return type(value).__name__, pickle.dumps(value)


def everything(adata, *, loose=False):
    """Digests of all parts of the data, by place and name."""
    found = {("X", ""): digest(adata.X, loose=loose), ("view", ""): adata.is_view}
    for place in ("obs", "var"):
        frame = getattr(adata, place)
        found[place, "names"] = digest(frame.index.to_series())
        for k, column in enumerate(frame.columns):
            found[place, str(column)] = digest(frame.iloc[:, k])
    for place in ("layers", "obsm", "varm", "obsp", "varp", "uns"):
        held = getattr(adata, place)
        found |= {
            (place, str(key)): digest(held[key], loose=loose) for key in held if key is not None
        }
    return found


@pytest.fixture(scope="session")
def snapshot():
    return everything


def sound(n_cells=28, n_genes=5, seed=0):
    """Data with which every analysis works: two conditions of two donors each, in X counts."""
    rng = np.random.default_rng(seed)
    condition = np.arange(n_cells) % 2
    obs = pd.DataFrame(
        {
            "condition": pd.Categorical(np.where(condition, "b", "a")),
            "donor": pd.Categorical([f"d{k}" for k in np.arange(n_cells) % 4]),
            "type": pd.Categorical(np.where(np.arange(n_cells) % 3, "T", "B")),
        },
        index=[f"cell{k}" for k in range(n_cells)],
    )
    var = pd.DataFrame(index=[f"gene{k}" for k in range(n_genes)])
    states = rng.normal(size=(n_cells, 2))
    rate = np.exp(0.5 * states[:, :1] + 0.8 * condition[:, None])
    adata = AnnData(np.log1p(rng.poisson(rate, (n_cells, n_genes))), obs=obs, var=var)
    adata.obsm["DM_EigenVectors"] = states
    adata.obsm["X_pca"] = rng.normal(size=(n_cells, 4))
    adata.uns["mine"] = {"kept": np.arange(3)}
    return adata


def plain(adata):
    """The same data as simply as can be: dense float64, text, unique names."""
    matrix = adata.X.toarray() if sparse.issparse(adata.X) else np.array(adata.X)
    obs = pd.DataFrame(
        {
            name: pd.Categorical(adata.obs[name].astype(object).map(str, na_action="ignore"))
            for name in ("condition", "donor", "type")
        },
        index=[f"cell{k}" for k in range(adata.n_obs)],
    )
    var = pd.DataFrame(index=[f"gene{k}" for k in range(adata.n_vars)])
    same = AnnData(matrix.astype(np.float64), obs=obs, var=var)
    for key in ("DM_EigenVectors", "X_pca"):
        same.obsm[key] = np.array(np.asarray(adata.obsm[key]), dtype=np.float64)
    return same


@pytest.fixture
def sound_data():
    return sound


@pytest.fixture
def plain_data():
    return plain


def as_type(dtype):
    def change(adata, _):
        values = adata.X.toarray() if sparse.issparse(adata.X) else adata.X
        limit = 1 if dtype == "bool" else 100
        adata.X = np.minimum(values, limit).astype(dtype)

    return change


def as_sparse(kind, *, odd=""):
    def change(adata, _):
        values = adata.X if not sparse.issparse(adata.X) else adata.X.toarray()
        matrix = kind(values)
        if odd == "explicit zeros" and matrix.nnz:
            matrix = matrix.tocoo()
            where = np.nonzero(values == 0)
            row = np.concatenate([matrix.row, where[0]])
            column = np.concatenate([matrix.col, where[1]])
            data = np.concatenate([matrix.data, np.zeros(len(where[0]), matrix.dtype)])
            matrix = kind((data, (row, column)), shape=values.shape)
        if odd == "unsorted" and matrix.nnz:
            for k in range(len(matrix.indptr) - 1):
                row = slice(matrix.indptr[k], matrix.indptr[k + 1])
                matrix.indices[row] = matrix.indices[row][::-1].copy()
                matrix.data[row] = matrix.data[row][::-1].copy()
            matrix.has_sorted_indices = False
        if odd == "duplicates" and matrix.nnz and matrix.dtype.kind == "f":
            twice = np.repeat(matrix.data / 2, 2)
            matrix = kind((twice, np.repeat(matrix.indices, 2), 2 * matrix.indptr), values.shape)
        adata.X = matrix

    return change


def fill(number, share=0.1):
    def change(adata, rng):
        matrix = adata.X.toarray() if sparse.issparse(adata.X) else np.array(adata.X)
        matrix = matrix.astype(np.float64)
        matrix[rng.random(matrix.shape) < share] = number
        adata.X = matrix

    return change


def embed(make):
    def change(adata, rng):
        for key in ("DM_EigenVectors", "X_pca"):
            adata.obsm[key] = make(np.array(np.asarray(adata.obsm[key])), rng)

    return change


def state_at(number):
    def make(states, _):
        states = states.astype(np.float64)
        states[:1] = number
        return states

    return make


def label(column, make):
    def change(adata, rng):
        adata.obs[column] = make(adata.obs[column].astype(object).to_numpy(), rng)

    return change


def recode(table, dtype=None):
    def make(values, _):
        return pd.array([table.get(v, v) for v in values], dtype=dtype)

    return make


def unused(values, _):
    return pd.Categorical(values, categories=["never", *sorted(set(values)), "neither"])


def missing(values, rng):
    values = values.copy()
    values[rng.random(len(values)) < 0.2] = np.nan
    return values


def read_only(adata, _):
    if not sparse.issparse(adata.X):
        adata.X.flags.writeable = False
    np.asarray(adata.obsm["DM_EigenVectors"]).flags.writeable = False


def duplicate_names(adata, _):
    adata.obs_names = ["cell"] * adata.n_obs
    adata.var_names = ["gene"] * adata.n_vars


def number_names(adata, _):
    adata.obs.index = pd.Index(np.arange(adata.n_obs))
    adata.var.index = pd.Index(np.arange(adata.n_vars))


def text_type(adata, _):
    adata.obs["condition"] = pd.array(adata.obs["condition"].astype(str), dtype="string")
    adata.obs["donor"] = pd.array(adata.obs["donor"].astype(str), dtype="string")


def duplicate_cells(adata, _):
    half = adata.n_obs // 2
    adata.X[half : 2 * half] = adata.X[:half]
    states = np.array(adata.obsm["DM_EigenVectors"])
    states[half : 2 * half] = states[:half]
    adata.obsm["DM_EigenVectors"] = states


def constant_genes(adata, _):
    adata.X = np.full(adata.shape, 2.0)


def fortran(adata, _):
    adata.X = np.asfortranarray(adata.X.toarray() if sparse.issparse(adata.X) else adata.X)


def mapped(adata, _):
    import tempfile

    values = np.ascontiguousarray(adata.X.toarray() if sparse.issparse(adata.X) else adata.X)
    if values.dtype == object:
        return  # a file would hold addresses of objects, which do not outlive them
    with tempfile.TemporaryFile() as stream:
        stream.write(values.tobytes())
        stream.flush()
        adata.X = np.memmap(stream, dtype=values.dtype, mode="r", shape=values.shape)


def view(rows):
    def change(adata, _):
        return adata[rows(adata.n_obs)]

    return change


def first(n_cells):
    return lambda adata, _: adata[:n_cells].copy()


def one_condition(adata, _):
    return adata[adata.obs["condition"].astype(str) == "a"].copy()


SAME_RESULT = {
    **{name: as_type(name) for name in ("float32", "float64", "int64", "int32", "int8", "uint8")},
    "uint16": as_type("uint16"),
    "bool": as_type("bool"),
    "csr": as_sparse(sparse.csr_matrix),
    "csc": as_sparse(sparse.csc_matrix),
    "csr_array": as_sparse(sparse.csr_array),
    "csr with explicit zeros": as_sparse(sparse.csr_matrix, odd="explicit zeros"),
    "unsorted csr": as_sparse(sparse.csr_matrix, odd="unsorted"),
    "unsorted csc": as_sparse(sparse.csc_matrix, odd="unsorted"),
    "csr with duplicates": as_sparse(sparse.csr_matrix, odd="duplicates"),
    "csc with duplicates": as_sparse(sparse.csc_matrix, odd="duplicates"),
    "Fortran order": fortran,
    "memory map": mapped,
    "read only": read_only,
    "float32 states": embed(lambda states, _: np.float32(states)),
    "Fortran states": embed(lambda states, _: np.asfortranarray(states)),
    "text labels": label("condition", lambda values, _: values.astype(str)),
    "pandas string labels": text_type,
    "unused categories": label("condition", unused),
    "unused samples": label("donor", unused),
    "missing labels": label("condition", missing),
    "numeric samples": label("donor", recode({f"d{k}": k for k in range(4)}, "int64")),
    "nullable samples": label("donor", recode({f"d{k}": k for k in range(4)}, "Int64")),
    "duplicate names": duplicate_names,
    "numbers as names": number_names,
    "view": view(lambda n: slice(0, n - 2)),
    "view by mask": view(lambda n: np.arange(n) % 7 != 3),
}
"""Changes of the data that do not matter for results."""

ANYTHING = {
    "NaN": fill(np.nan),
    "infinite": fill(np.inf),
    "minus infinite": fill(-np.inf),
    "huge": fill(1e300),
    "quite huge": fill(1e100),
    "float32 overflow": fill(1e39),
    "tiny": fill(1e-300, 0.9),
    "subnormal": fill(5e-324, 1.0),
    "negative": fill(-3.0),
    "largest integer": lambda adata, _: setattr(adata, "X", np.full(adata.shape, 2**62)),
    "overflowing int8": lambda adata, _: setattr(adata, "X", np.full(adata.shape, 127, np.int8)),
    "zeros": fill(0.0, 1.0),
    "constant genes": constant_genes,
    "duplicate cells": duplicate_cells,
    "text in X": lambda adata, _: setattr(adata, "X", adata.X.astype(str)),
    "objects in X": lambda adata, _: setattr(adata, "X", adata.X.astype(object)),
    "complex X": lambda adata, _: setattr(adata, "X", adata.X.astype(complex)),
    "no X": lambda adata, _: delattr(adata, "X"),
    "states of one dimension": embed(lambda states, _: states[:, :1]),
    "no state dimensions": embed(lambda states, _: states[:, :0]),
    "equal states": embed(lambda states, _: np.zeros_like(states)),
    "far states": embed(lambda states, _: states * 1e140),
    "close states": embed(lambda states, _: states * 1e-140),
    "offset states": embed(lambda states, _: states + 1e12),
    "one constant dimension": embed(
        lambda states, _: states * [1.0, *[0.0] * (states.shape[1] - 1)]
    ),
    "integer states": embed(lambda states, _: np.round(3 * states).astype(np.int64)),
    "frame of states": embed(lambda states, _: states),
    "NaN state": embed(state_at(np.nan)),
    "infinite state": embed(state_at(np.inf)),
    "huge state": embed(state_at(1e200)),
    "boolean states": embed(lambda states, _: states > 0),
    "complex states": embed(lambda states, _: states.astype(complex)),
    "boolean labels": label("condition", recode({"a": False, "b": True}, bool)),
    "numeric labels": label("condition", recode({"a": 0.5, "b": 1.5}, float)),
    "all labels missing": label("condition", lambda values, _: np.full(len(values), np.nan)),
    "missing samples": label("donor", missing),
    "one sample": label("donor", lambda values, _: np.full(len(values), "d0")),
    "every cell a sample": label("donor", lambda values, _: np.arange(len(values)).astype(str)),
    "missing types": label("type", missing),
    "float types": label("type", recode({"T": 1.5, "B": np.nan}, float)),
    "one condition": one_condition,
    "no cells": first(0),
    "one cell": first(1),
    "two cells": first(2),
    "three cells": first(3),
    "five cells": first(5),
    "no genes": lambda adata, _: adata[:, :0].copy(),
    "one gene": lambda adata, _: adata[:, :1].copy(),
}
"""Changes after which a function may refuse the data."""


def changed(names, seed=0):
    """Sound data with these changes, one after the other, and the data that a view is of."""
    adata, rng = sound(N_CELLS, seed=seed), np.random.default_rng(seed)
    parents = []
    for name in sorted(names, key=lambda name: name.startswith("view")):
        change = SAME_RESULT.get(name) or ANYTHING[name]
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                given = change(adata, rng)
        except (TypeError, ValueError, IndexError, AttributeError):
            continue  # anndata itself has no such data, or an earlier change left nothing to change
        if given is not None:
            parents.append(adata)
            adata = given
    return adata, parents


@pytest.fixture(scope="session")
def make_changed():
    return changed


def changes(names):
    return st.lists(st.sampled_from(sorted(names)), min_size=1, max_size=3, unique=True)


@pytest.fixture(scope="session")
def harmless():
    """Names of changes that do not matter for results."""
    return changes(SAME_RESULT)


@pytest.fixture(scope="session")
def harmful():
    """Names of changes, at least one of which may be refused."""
    return st.tuples(changes(SAME_RESULT | ANYTHING), st.sampled_from(sorted(ANYTHING))).map(
        lambda pair: [*dict.fromkeys([*pair[0], pair[1]])]
    )
