"""Sums over chunks are the same for threads, for a cluster, and in groups of any number."""

from dataclasses import dataclass

import numpy as np
import pytest

from kompot import cluster
from kompot.models import chunk_sums
from kompot.models.chunk_sums import grouped_sums


@dataclass
class Total:
    value: float

    def __iadd__(self, other):
        self.value += other.value
        return self


class Ahead:
    """A client that works in this process, all at once, and remembers what it was given."""

    asynchronous = False

    def __init__(self):
        self.results = []

    def submit(self, work, *given, **_options):
        self.results.append(work(*[getattr(one, "held", one) for one in given]))
        return Done(self.results[-1])

    def nthreads(self):
        return {"here": 2}

    def cancel(self, _futures):
        pass


@dataclass
class Done:
    held: object

    def result(self):
        return self.held


def totals(values, owners, client=False):
    """Sums of the values of each owner, and the parts that they came in."""
    counts = {int(owner): int((owners == owner).sum()) for owner in np.unique(owners)}
    chunks = [(int(owner), lambda v=v: v) for owner, v in zip(owners, values, strict=True)]
    found = {}
    with cluster.used(client):
        parts = list(grouped_sums(lambda c, v: Total(c * v), 1.1, chunks, counts, progress=False))
    for number, part, _ in parts:
        found[number] = part.value + found.get(number, 0.0)
    assert {n: sum(k for m, _, k in parts if m == n) for n in counts} == counts
    return found, len(parts)


@pytest.mark.parametrize("most", [1, 5, 64])
def test_sums_do_not_depend_on_who_makes_them(most, rng, monkeypatch):
    pytest.importorskip("dask")
    monkeypatch.setattr(chunk_sums, "_GROUPS", most)
    values, owners = rng.normal(size=100), rng.integers(3, size=100)
    here, n_parts = totals(values, owners)
    there, n_sent = totals(values, owners, Ahead())
    assert here == there  # to the last bit
    assert n_parts == n_sent <= most + 3
    for owner in range(3):
        assert here[owner] == pytest.approx(1.1 * values[owners == owner].sum(), rel=1e-12)


def test_few_chunks_are_added_one_after_the_other(rng):
    values = rng.normal(size=40)
    total = 0.0
    for value in values:
        total += 1.1 * value
    assert totals(values, np.zeros(40))[0] == {0: total}
