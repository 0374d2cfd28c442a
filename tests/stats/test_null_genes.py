import numpy as np
import pytest
from scipy import sparse, stats

from kompot.stats.null_genes import choose_null_genes, shuffle_columns, shuffle_in_place


@pytest.mark.parametrize(
    "kind", [np.asarray, sparse.csr_array, sparse.csc_array, sparse.csr_matrix]
)
def test_every_column_keeps_its_values(kind, rng):
    values = rng.poisson(0.7, size=(200, 12)).astype(np.float32)
    shuffled = shuffle_columns(kind(values), rng)
    dense = shuffled.toarray() if sparse.issparse(shuffled) else shuffled
    assert sparse.issparse(shuffled) == (kind is not np.asarray)
    assert dense.dtype == np.float32
    np.testing.assert_array_equal(np.sort(dense, axis=0), np.sort(values, axis=0))
    assert (dense != values).any(axis=0).all()


def test_shuffling_in_place_is_the_same(rng):
    values = rng.random((100, 70), dtype=np.float32)
    expected = shuffle_columns(values, np.random.default_rng(1))
    shuffle_in_place(values, np.random.default_rng(1))
    np.testing.assert_array_equal(values, expected)


def test_columns_move_apart_and_every_place_is_equally_likely(rng):
    """Copies of one sparse column are shuffled on their own, uniformly over the cells."""
    column = np.zeros((40, 1))
    column[:8, 0] = np.arange(1, 9)
    shuffled = shuffle_columns(sparse.csr_array(np.tile(column, 3000)), rng).toarray()
    filled = (shuffled > 0).sum(axis=1)
    assert stats.chisquare(filled).pvalue > 1e-3
    largest = np.argmax(shuffled == 8, axis=0)
    assert stats.chisquare(np.bincount(largest, minlength=40)).pvalue > 1e-3
    assert len(np.unique(shuffled, axis=1).T) > 2990


def test_shuffling_removes_a_difference_between_conditions(rng):
    values = np.repeat([0.0, 1.0], 500)[:, None] * np.ones((1, 300))
    shuffled = shuffle_columns(sparse.csr_array(values), rng).toarray()
    difference = shuffled[500:].mean(axis=0) - shuffled[:500].mean(axis=0)
    assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(300)
    assert difference.std() == pytest.approx(2 * 0.5 / np.sqrt(1000), rel=0.15)


def test_input_is_not_modified(rng):
    values = sparse.csc_array(rng.poisson(0.7, size=(50, 4)).astype(float))
    before = values.toarray()
    shuffle_columns(values, rng)
    np.testing.assert_array_equal(values.toarray(), before)


def test_choice_is_without_replacement_until_genes_run_out(rng):
    few = choose_null_genes(30, 40, rng)
    assert len(np.unique(few)) == 30
    many = choose_null_genes(100, 40, rng)
    assert len(many) == 100
    assert many.max() < 40
    np.testing.assert_array_equal(choose_null_genes([5, 5, 1], 40, rng), [5, 5, 1])
