import numpy as np
import pytest

from kompot.stats.commonest import commonest


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("spread", [0.05, 0.15])
def test_numbers_on_one_side_do_not_matter(rng, share, spread):
    values = rng.normal(0.2, spread, 2000)
    values[: int(share * 2000)] += 0.7
    found = commonest(values, np.full(2000, spread**2 / 2))
    assert found == pytest.approx(0.2, abs=0.2 * spread)
    assert commonest(-values, np.full(2000, spread**2 / 2)) == pytest.approx(-found)
    assert commonest(values + 3, np.full(2000, spread**2 / 2)) == pytest.approx(found + 3)


def test_it_is_the_mean_where_numbers_are_alike(rng):
    values = rng.normal(0.0, 1.0, 4000)
    assert commonest(values, np.zeros(4000)) == pytest.approx(values.mean(), abs=0.05)
    assert commonest(np.full(10, 0.4), np.zeros(10)) == pytest.approx(0.4)


def test_what_is_known_better_counts_more():
    values, variance = np.array([-0.1] * 50 + [0.1] * 50), np.repeat([0.001, 1.0], 50)
    assert commonest(values, variance) < commonest(values, variance[::-1])
