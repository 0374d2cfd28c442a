"""Whether expression follows where states are."""

from dataclasses import replace

import numpy as np
import pytest

from kompot.stats.ancova import adjusted_means
from kompot.stats.design import two_group_design
from kompot.stats.region_sums import RegionIndex, RegionSums
from kompot.stats.regions import Level
from kompot.stats.state_agreement import state_agreement

GROUPS = np.array([0, 1] * 4)


def means_of(rng, *, other_states, moved, n_genes=600, n_cells=150, changed=0, together=0.0):
    """Means of 8 samples; condition 2 holds other states, or is only moved among them.

    Donors differ in the programmes of the states, by `together`.
    """
    rank, sample = 4, np.repeat(np.arange(8), n_cells)
    phi = rng.normal(size=(len(sample), rank))
    for side in (0, 1):  # so that chance does not make other states
        phi[GROUPS[sample] == side] -= phi[GROUPS[sample] == side].mean(axis=0)
    phi += other_states * GROUPS[sample, None]
    slopes = rng.normal(0.0, 0.5, (rank, n_genes))
    expression = phi @ slopes + together * (rng.normal(size=(8, rank)) @ slopes)[sample]
    expression += 0.1 * rng.normal(size=(8, n_genes))[sample]
    expression += rng.normal(size=(len(sample), n_genes))
    expression[:, :changed] += 1.5 * GROUPS[sample, None]
    phi = phi + moved * GROUPS[sample, None]
    index = RegionIndex.of([Level("k1", np.zeros(len(sample), np.intp), ("all",), fixed=True)])
    sums = RegionSums.zeros(8, 1, rank, n_genes)
    for s in range(8):
        cells = np.flatnonzero(sample == s)
        sums.add(s, RegionSums.of(index.indicator(cells), phi[cells], expression[cells]))
    squares = np.square(expression).sum(axis=0)
    return adjusted_means(phi.T @ phi, phi.T @ expression, squares, sums, n_regions=1, ridge=0.01)


@pytest.mark.parametrize("changed", [0, 120])
@pytest.mark.parametrize(
    ("other_states", "moved", "expected"), [(0.5, 0.0, 1.0), (0.0, 0.5, 0.0), (0.5, 0.5, 0.5)]
)
def test_genes_show_what_is_not_only_moved(rng, other_states, moved, expected, changed):
    means = means_of(rng, other_states=other_states, moved=moved, changed=changed)
    slope, error = state_agreement(means, 0, two_group_design(GROUPS))
    assert slope == pytest.approx(expected, abs=0.06 if not changed else 0.15)
    assert slope == pytest.approx(expected, abs=4 * error)
    assert 0.0 < error < 0.1


@pytest.mark.parametrize(("together", "least"), [(0.0, 0.75), (0.1, 0.6)])
def test_the_error_is_that_of_repetitions(together, least):
    options = {"other_states": 0.0, "moved": 0.2, "n_genes": 200, "together": together}
    found = np.array(
        [
            state_agreement(
                means_of(np.random.default_rng(seed), **options), 0, two_group_design(GROUPS)
            )
            for seed in range(60)
        ]
    )
    # Weights have seen how donors differ: along that, the error is a little small.
    assert least < found[:, 1].mean() / found[:, 0].std() < 1.35


def test_samples_of_few_cells_are_not_asked(rng):
    means = means_of(rng, other_states=0.5, moved=0.0)
    asked = np.arange(8) != 3
    kept = replace(means, raw=means.raw[asked], adjusted=means.adjusted[asked])
    expected = state_agreement(kept, 0, two_group_design(GROUPS[asked]))
    assert state_agreement(means, 0, two_group_design(GROUPS), asked) == pytest.approx(expected)


def test_few_genes_or_the_same_states_say_nothing(rng):
    design = two_group_design(GROUPS)
    few = means_of(rng, other_states=0.5, moved=0.0, n_genes=149)
    assert np.isnan(state_agreement(few, 0, design)).all()
