import h5py
import numpy as np
import pandas as pd
import pytest
import zarr
from anndata.io import sparse_dataset, write_elem
from scipy import sparse

from kompot.memory import stored_bytes


def test_bytes_of_arrays_are_those_of_their_parts(rng):
    dense = rng.normal(size=(30, 4))
    assert stored_bytes(dense) == dense.nbytes
    for form in (sparse.csr_matrix, sparse.csc_array):
        matrix = form(dense * (dense > 0.5))
        parts = matrix.data.nbytes + matrix.indices.nbytes + matrix.indptr.nbytes
        assert stored_bytes(matrix) == parts
    matrix = sparse.coo_array(dense * (dense > 0.5))
    assert stored_bytes(matrix) == matrix.data.nbytes + matrix.row.nbytes + matrix.col.nbytes


def test_bytes_of_tables_and_of_other_things():
    table = pd.DataFrame({"a": np.arange(6.0), "b": pd.Categorical(list("xyxyxy"))}, list("uvwxyz"))
    assert stored_bytes(table) == table.memory_usage(index=False, deep=True).sum()
    with_index = table.memory_usage(index=True, deep=True).sum()
    assert stored_bytes(table, with_index=True) == with_index
    assert stored_bytes(table["a"]) == 48
    assert stored_bytes("text") == stored_bytes(None) == 0


@pytest.mark.parametrize("kind", ["h5ad", "zarr"])
@pytest.mark.filterwarnings("ignore:zarr v3 autosharding:UserWarning")
def test_bytes_in_files_are_those_in_memory(kind, rng, tmp_path):
    matrix = sparse.random_array((40, 7), density=0.3, format="csr", rng=rng)
    root = h5py.File(tmp_path / "a.h5", "w") if kind == "h5ad" else zarr.open_group(tmp_path / "a")
    write_elem(root, "sparse", matrix)
    write_elem(root, "dense", matrix.toarray())
    assert stored_bytes(root["dense"]) == matrix.toarray().nbytes
    assert stored_bytes(root["sparse"]) == stored_bytes(matrix)
    assert stored_bytes(sparse_dataset(root["sparse"])) == stored_bytes(matrix)
