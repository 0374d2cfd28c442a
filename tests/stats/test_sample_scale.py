"""Factors of whole samples: found whatever a sample is made of, whichever genes change."""

import numpy as np
import pytest

from kompot.stats.compressed_counts import compressed
from kompot.stats.region_sums import RegionIndex, RegionSums
from kompot.stats.regions import Level
from kompot.stats.sample_scale import log_sample_scales

FACTORS = np.array([1.0, 1.3, 0.8, 1.0])


def summed(rng, factors, *, n_genes=800, level=2.0, share=0.5, changed=0.0, n_cells=150):
    """Sums of four samples in two regions that express unlike genes."""
    rate = level * rng.lognormal(0, 0.5, (2, n_genes))
    change = np.ones((len(factors), n_genes))
    change[2:, : int(changed * n_genes)] = 4.0
    share = np.broadcast_to(share, len(factors))
    regions = [(rng.random(n_cells) < one).astype(np.intp) for one in share]
    index = RegionIndex.of([Level("k2", np.concatenate(regions), ("a", "b"))])
    sums = RegionSums.zeros(len(factors), 2, 1, n_genes)
    for s, region in enumerate(regions):
        counts = rng.poisson(factors[s] * rate[region] * change[s]).astype(float)
        cells = np.arange(n_cells) + s * n_cells
        part = RegionSums.of(index.indicator(cells), np.ones((n_cells, 1)), compressed(counts))
        sums.add(s, part)
    return sums


@pytest.mark.parametrize("level", [0.2, 2.0, 60.0])
@pytest.mark.parametrize("share", [0.5, [0.3, 0.7, 0.4, 0.6], [0.2, 0.8, 0.2, 0.3]])
@pytest.mark.parametrize("changed", [0.0, 0.3])
def test_factors_are_found_whatever_is_expressed(rng, level, share, changed):
    found = log_sample_scales(summed(rng, FACTORS, level=level, share=share, changed=changed))
    wanted = np.log(FACTORS)
    atol = 0.1 if level < 1 and changed else 0.04  # ratios of 30 counts: the changed ones are near
    np.testing.assert_allclose(found - found.mean(), wanted - wanted.mean(), atol=atol)


def test_genes_that_rise_do_not_decide(rng):
    """A third of the genes rise fourfold in half of the samples."""
    sums = summed(rng, np.ones(4), changed=0.33)
    plain = np.log(sums.values[2:].sum() / sums.values[:2].sum())
    found = log_sample_scales(sums)
    assert plain > 0.2
    assert abs(found[2:].mean() - found[:2].mean()) < 0.02


def test_few_genes_or_counts_say_nothing(rng):
    np.testing.assert_array_equal(log_sample_scales(summed(rng, FACTORS, n_genes=149)), 0.0)
    rare = summed(rng, FACTORS, level=0.01, n_cells=40)
    np.testing.assert_array_equal(log_sample_scales(rare), 0.0)


def test_a_sample_without_cells_has_no_factor(rng):
    sums = summed(rng, FACTORS)
    empty = RegionSums.zeros(5, 2, 1, 800)
    for name in ("n_cells", "weight", "phi", "values"):
        getattr(empty, name)[:4] = getattr(sums, name)
    empty.squares += sums.squares
    found = log_sample_scales(empty)
    np.testing.assert_allclose(found[:4], log_sample_scales(sums))
    assert found[4] == 0.0
