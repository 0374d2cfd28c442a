import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kompot.stats.attribution import decompose_change


@pytest.fixture
def parts(rng):
    """Features of the cells of both conditions, and the weights of 4 genes."""
    phi = [rng.normal(size=(n, 6)) for n in (30, 50)]
    return phi, [rng.normal(size=(6, 4)) for _ in phi]


def test_parts_add_up_to_the_change_of_mean_smoothed_expression(parts):
    phi, weights = parts
    composition, expression = decompose_change(*(part.mean(axis=0) for part in phi), *weights)
    own = [
        (part @ own_weights).mean(axis=0) for part, own_weights in zip(phi, weights, strict=True)
    ]
    np.testing.assert_allclose(composition + expression, own[1] - own[0], rtol=1e-12)


def test_parts_are_the_averages_over_both_baselines(parts):
    """Move the cells at the expression of either condition, change it at the cells of either."""
    phi, weights = parts
    composition, expression = decompose_change(*(part.mean(axis=0) for part in phi), *weights)
    means = np.array([[(part @ w).mean(axis=0) for w in weights] for part in phi])
    np.testing.assert_allclose(composition, (means[1] - means[0]).mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(expression, (means[:, 1] - means[:, 0]).mean(axis=0), rtol=1e-12)


def test_only_what_happens_is_blamed(parts):
    phi, weights = parts
    first, second = (part.mean(axis=0) for part in phi)
    np.testing.assert_array_equal(decompose_change(first, second, *weights[:1] * 2)[1], 0.0)
    np.testing.assert_array_equal(decompose_change(first, first, *weights)[0], 0.0)


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_exchanging_conditions_changes_signs(seed, rank):
    rng = np.random.default_rng(seed)
    first, second = rng.normal(size=(2, rank))
    weights1, weights2 = rng.normal(size=(2, rank, 3))
    forth = decompose_change(first, second, weights1, weights2)
    back = decompose_change(second, first, weights2, weights1)
    np.testing.assert_allclose(forth, np.negative(back), rtol=1e-12, atol=1e-14)
