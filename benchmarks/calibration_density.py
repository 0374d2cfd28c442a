"""Standard scores of differential abundance where nothing changed.

    python benchmarks/calibration_density.py --repeats 20 --seed 900000

Both conditions are drawn from one density; each repetition fits both and scores the same 400
states. For every density, size and choice of length scale one row of a Markdown table:

* ``sd``: root mean square of z over states and repetitions; 1 is right, the aim 0.8 to 1.1;
* ``beyond``: share of |z| > 1.96; 5 % is right, the aim 1 to 7 %;
* ``within``: mean over repetitions of the standard deviation of z over the states of one;
* ``bias``: part of the log fold change that all repetitions share, as a share of its root mean
  square; 1 / sqrt(repeats) by chance;
* ``laplace``: ``sd`` with the Laplace posterior in place of the variance over draws of the cells;
* ``s < .05``: share of cells with an s-value below 0.05 (adaptive shrinkage of the cells fitted,
  the false sign rate stored with ``store_additional_stats``), and of repetitions with any.

Few degrees of freedom are left where the length scale is long, so that one repetition gives few
independent scores: with 20 repetitions ``sd`` itself varies by 5 to 10 %.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kompot import DifferentialAbundance
from kompot.gp.features import residual_variance
from kompot.stats.abundance import adaptive_shrinkage

Array = NDArray[np.float64]

STATES = 400
LIMIT = 1.96


def gaussian(n: int, d: int, rng: np.random.Generator) -> Array:
    return rng.normal(size=(n, d))


def heavy(n: int, d: int, rng: np.random.Generator) -> Array:
    """Student's t with 4 degrees of freedom: outlying cells at every scale."""
    scale = np.sqrt(rng.chisquare(4, size=(n, 1)) / 4)
    return rng.normal(size=(n, d)) / scale * np.geomspace(1, 0.3, d)


def cube(n: int, d: int, rng: np.random.Generator) -> Array:
    return rng.random((n, d))


def skewed(n: int, d: int, rng: np.random.Generator) -> Array:
    return rng.gamma(1.5, size=(n, d)) * np.geomspace(1, 0.3, d)


def roll(n: int, d: int, rng: np.random.Generator) -> Array:
    """A rolled sheet in ``d`` dimensions, with noise."""
    t = 1.5 * np.pi * (1 + 2 * rng.random(n))
    sheet = np.c_[t * np.cos(t), 21 * rng.random(n), t * np.sin(t)]
    return sheet @ np.random.default_rng(3).normal(size=(3, d)) + 0.3 * rng.normal(size=(n, d))


def tree(n: int, d: int, rng: np.random.Generator) -> Array:
    """A trajectory that divides, in ``d`` dimensions, with noise."""
    t, branch = 3 * rng.beta(1.5, 1, n), rng.choice([-1, 1], n)
    path = np.c_[t, branch * np.maximum(t - 1, 0), np.sin(2 * t)]
    return path @ np.random.default_rng(5).normal(size=(3, d)) + 0.15 * rng.normal(size=(n, d))


def types(n: int, d: int, rng: np.random.Generator) -> Array:
    """Ten cell types of unequal size and spread."""
    made = np.random.default_rng(42)
    centers, spreads = 4 * made.normal(size=(10, d)), made.uniform(0.3, 1.5, 10)
    kind = rng.choice(10, n, p=made.dirichlet(np.full(10, 2.0)))
    return centers[kind] + spreads[kind, None] * rng.normal(size=(n, d))


@dataclass(frozen=True)
class Case:
    """Two samples of one density."""

    draw: Callable[[int, int, np.random.Generator], Array]
    n_dims: int
    n1: int
    n2: int
    options: dict[str, Any] = field(default_factory=dict)


EVIDENCE = {"ls": "evidence"}
CASES = (
    *(Case(gaussian, d, 1000, 1000) for d in (2, 5, 10)),
    *(Case(types, d, 1000, 1000) for d in (2, 5, 10)),
    *(Case(draw, 5, 1000, 1000) for draw in (heavy, cube, skewed)),
    *(Case(draw, 10, 1000, 1000) for draw in (roll, tree)),
    *(Case(draw, 5, 1000, 1000, EVIDENCE) for draw in (gaussian, types, cube, skewed)),
    *(Case(draw, 10, 1000, 1000, EVIDENCE) for draw in (roll, tree)),
    *(Case(types, 5, n1, n2) for n1, n2 in ((500, 2000), (4000, 1000), (100, 5000))),
    *(Case(draw, 10, 500, 2000) for draw in (gaussian, tree)),
    *(Case(draw, 5, 500, 2000, EVIDENCE) for draw in (types, skewed)),
    *(Case(types, 5, n, n) for n in (500, 2500, 10_000, 25_000)),
    *(Case(tree, 10, n, n) for n in (500, 2500, 10_000, 25_000)),
    *(Case(types, 5, n, n, EVIDENCE) for n in (2500, 10_000)),
)
HEADER = (
    "density", "dimensions", "cells", "ls", "rank", "sd", "beyond", "within", "bias", "laplace",
    "s < .05: cells, runs", "seconds",
)  # fmt: skip


def main() -> int:
    """Print the table, row by row."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--seed", type=int, default=900_000, help="of the first repetition")
    parser.add_argument("--largest", type=int, default=50_000, help="cells of both conditions")
    parser.add_argument("--smallest", type=int, default=0, help="cells of both conditions")
    parser.add_argument("--only", help="name of one density")
    options = parser.parse_args()
    print("| " + " | ".join(HEADER) + " |")
    print("|" + " --- |" * len(HEADER))
    for number, case in enumerate(CASES):
        if not options.smallest <= case.n1 + case.n2 <= options.largest:
            continue
        if options.only not in (None, case.draw.__name__):
            continue
        started = time.perf_counter()
        results = list(repetitions(case, options.repeats, options.seed + 10_000 * number))
        seconds = (time.perf_counter() - started) / options.repeats
        print("| " + " | ".join([*row(case, results), f"{seconds:.1f}"]) + " |", flush=True)
    return 0


def repetitions(case: Case, repeats: int, seed: int) -> Iterator[dict[str, Any]]:
    """Fit fresh samples and score the same states each time."""
    states = case.draw(STATES, case.n_dims, np.random.default_rng(seed))
    for repeat in range(1, repeats + 1):
        rng = np.random.default_rng(seed + repeat)
        first = case.draw(case.n1, case.n_dims, rng)
        second = case.draw(case.n2, case.n_dims, rng)
        model = DifferentialAbundance().fit(first, second, **case.options)
        found = model.predict(states, progress=False)
        at_cells = model.predict(np.vstack([first, second]), progress=False)
        shrunk = adaptive_shrinkage(
            at_cells["log_fold_change"], np.sqrt(at_cells["log_fold_change_uncertainty"])
        )
        yield {
            "lfc": found["log_fold_change"],
            "z": found["log_fold_change_zscore"],
            "laplace": found["log_fold_change"] / np.sqrt(laplace_variance(model, states)),
            "rank": model.features_.rank,
            "called": (shrunk.svalue < 0.05).mean(),
        }


def laplace_variance(model: DifferentialAbundance, states: Array) -> Array:
    """Variance of the log fold change by the Laplace posteriors, ``(n_cells,)``."""
    phi = model.features_(states)
    centered = phi - model._spread.center
    posteriors = (model.density1_.posterior_, model.density2_.posterior_)
    return sum(p.variance(centered) for p in posteriors) + 2.0 * residual_variance(phi)


def row(case: Case, results: list[dict[str, Any]]) -> list[str]:
    """One row of the table."""
    z, lfc, laplace = (np.array([r[key] for r in results]) for key in ("z", "lfc", "laplace"))
    called = np.array([r["called"] for r in results])
    bias = np.sqrt((lfc.mean(axis=0) ** 2).mean() / (lfc**2).mean())
    return [
        case.draw.__name__,
        str(case.n_dims),
        f"{case.n1:,} + {case.n2:,}",
        str(case.options.get("ls", "default")),
        f"{np.mean([r['rank'] for r in results]):.0f}",
        f"{np.sqrt((z**2).mean()):.2f}",
        f"{(np.abs(z) > LIMIT).mean():.3f}",
        f"{z.std(axis=1).mean():.2f}",
        f"{bias:.2f}",
        f"{np.sqrt((laplace**2).mean()):.2f}",
        f"{called.mean():.3f}, {(called > 0).mean():.2f}",
    ]


if __name__ == "__main__":
    sys.exit(main())
