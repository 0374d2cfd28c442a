"""About how long a run takes, from how fast this machine is at what the run does."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from scipy.linalg import solve_triangular

from kompot.gp.kernels import Kernel, make_kernel
from kompot.memory import DENSE_SHARE
from kompot.memory.abundance import AbundanceSizes
from kompot.memory.expression import ExpressionSizes
from kompot.memory.features import POOL
from kompot.memory.given import GivenSizes
from kompot.threads import single_threaded_products

__all__ = [
    "Speed",
    "WallTime",
    "abundance_seconds",
    "expression_seconds",
    "given_seconds",
    "measure_speed",
]

_CELLS, _RANK, _GENES = 1024, 128, 512
_SHARE = 0.1
_ROUNDS = 3
_EFFICIENCY = 0.27
"""Share of the speed of small pieces of work that a run reaches: its matrices are thin, and larger
than caches."""
_RANGE = 0.5, 2.2
"""Shortest and longest time, of the estimate: nine runs on two cores that did little else took 0.55
to 2 times as long."""
_NEWTON_STEPS = 10
_LABEL_FITS = 14
"""Fits of labels until scale and variance are chosen: seven variances at two scales or more."""
_DRAWS = 5
"""Contrasts of samples that are tested, those of random covariates included."""
_EVIDENCE = 7000
"""Operations for a contrast of a gene in a region."""
_CLUSTERING = 0.5
"""Seconds, mostly for loading what clusters cells."""
_TAIL_STEPS = 12
"""Passes over the eigenvalues until a tail probability is found."""


@dataclass(frozen=True)
class Speed:
    """Operations of this machine per second, on one thread.

    Attributes
    ----------
    products
        Multiplications with addition in products of matrices.
    solves
        The same in triangular systems.
    sparse_products
        The same in products with a sparse matrix.
    kernel
        Covariances evaluated.
    elements
        Numbers written by simple arithmetic.
    """

    products: float
    solves: float
    sparse_products: float
    kernel: float
    elements: float


@dataclass(frozen=True)
class WallTime:
    """Seconds that a run takes.

    Attributes
    ----------
    seconds
        The estimate.
    low, high
        Between which it lies on a machine that does little else.
    """

    seconds: float
    low: float
    high: float

    def in_words(self) -> str:
        """The estimate with its range."""
        return f"about {_words(self.seconds)} ({_words(self.low)} to {_words(self.high)})"

    def to_dict(self) -> dict[str, float]:
        """As plain numbers."""
        return {"estimate": self.seconds, "low": self.low, "high": self.high}


def _words(seconds: float) -> str:
    for unit, length in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.2g} {unit}"
    return f"{seconds:.2g} s"


@single_threaded_products()
def measure_speed(kernel: Kernel | None = None) -> Speed:
    """Time a few small pieces of work, about a tenth of a second in all.

    Parameters
    ----------
    kernel
        Covariance function to time.
    """
    kernel = make_kernel("matern52", 1.0) if kernel is None else kernel
    rng = np.random.default_rng(0)
    phi, states = rng.random((_CELLS, _RANK)), rng.random((_CELLS, 10))
    dense = rng.random((_CELLS, _GENES))
    values = sparse.random_array((_CELLS, _GENES), density=_SHARE, format="csr", rng=rng)
    factor = np.eye(_RANK) + np.tril(rng.random((_RANK, _RANK))) / _RANK
    n_values = values.nnz
    return Speed(
        _rate(_CELLS * _RANK * _GENES, lambda: dense.T @ phi),
        _rate(_CELLS * _RANK**2 / 2, lambda: solve_triangular(factor, phi.T, lower=True)),
        _rate(n_values * _RANK, lambda: values.T @ phi),
        _rate(_CELLS * _RANK, lambda: kernel(states, states[:_RANK])),
        _rate(_CELLS * _GENES, lambda: dense - 1.0),
    )


def _rate(amount: float, work: Callable[[], object]) -> float:
    """Operations per second in the fastest of some rounds."""
    best = np.inf
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - started)
    return amount / max(best, 1e-9)


def expression_seconds(s: ExpressionSizes, speed: Speed) -> WallTime:
    """Time of a differential-expression run.

    Parameters
    ----------
    s
        Its sizes.
    speed
        Of this machine.
    """
    r, genes, threads = s.rank, s.n_fitted, s.n_threads
    pool = min(s.n_cells, POOL)
    values = s.matrix.n_values(s.n_cells, genes)
    dense = not s.matrix.is_sparse or s.matrix.share >= DENSE_SHARE
    passes = 2 + (2 if s.n_regions else 0) + (1 if s.n_groups else 0)
    if (s.storage == "dense" and s.n_layers) or not s.n_samples:
        passes += 1
    features = s.n_cells * r / speed.kernel + s.n_cells * r**2 / 2 / speed.solves
    alone = pool * r / speed.kernel + pool * r**2 / speed.products
    shared = passes * features + s.n_cells * r**2 / 2 / speed.products
    per_value = r / (speed.products if dense else speed.sparse_products) + 6 / speed.elements
    shared += (s.n_cells * genes if dense else values) * per_value
    alone += 2 * values / speed.elements
    fits = 2 + s.n_samples
    alone += fits * (genes * r**2 / speed.products + r**3 / 3 / speed.products)
    alone += 4 * genes * r**2 / speed.products
    alone += s.has_distances * s.n_genes * r * _TAIL_STEPS * 6 / speed.elements
    if s.n_regions:
        compared = s.n_genes + s.n_beside
        alone += s.n_regions * compared * _DRAWS * _EVIDENCE / speed.elements
        if s.n_beside:  # in a pass of their own
            summed = s.n_cells * compared if dense else s.matrix.n_values(s.n_cells, compared)
            shared += features + summed * per_value
        alone += _CLUSTERING + s.n_cells * 17 * 60 / speed.elements
    if s.has_noise:
        shared += s.n_cells * genes * (2 * r / speed.products + 10 / speed.elements)
        alone += genes * (2 * r**3 + 128 * r**2 + 1e6) / speed.products
    if s.n_groups:
        shared += s.n_groups * (12 * r**3 + genes * r**2) / speed.products
        alone += s.n_groups * s.n_genes * r * _TAIL_STEPS * 6 / speed.elements
    if s.storage == "dense" and s.n_layers:
        cells = s.n_obs * s.n_genes
        shared += cells * r * (2 + s.n_samples) / speed.products
        shared += cells * (2 * s.n_layers + 1) / speed.elements
    if s.has_covariance:
        alone += s.n_cells**2 * (r / speed.products + 1 / speed.kernel + 4 / speed.elements)
    shared /= max(1, min(threads, s.n_cells / 2048 + 1))
    seconds = 0.1 + (alone + shared) / _EFFICIENCY
    low, high = (seconds * share for share in _RANGE)
    return WallTime(seconds, low, high)


def given_seconds(s: GivenSizes, speed: Speed) -> WallTime:
    """Time of a run with functions that are given (theirs is not counted) or fitted apart.

    Parameters
    ----------
    s
        Its sizes.
    speed
        Of this machine.
    """
    run, rank = s.run, max(s.ranks)
    passes = 1 + (run.n_obs / run.n_cells if run.n_layers else 0)
    cells = run.n_cells * passes
    seconds = 2 * cells * rank * (1 / speed.kernel + rank / 2 / speed.solves)
    seconds += 2 * cells * s.n_columns * (rank / speed.products + 3 / speed.elements)
    points = max(s.n_points, s.n_group_points)
    seconds += (points**3 + points**2 * s.n_columns) * (1 + run.n_groups) / speed.products
    plan = WallTime(seconds / _EFFICIENCY, 0.0, 0.0)
    if s.is_fitted:
        fit = replace(run, rank=rank, storage="none", n_layers=0, n_groups=0)
        plan = WallTime(plan.seconds + expression_seconds(fit, speed).seconds, 0.0, 0.0)
    low, high = (plan.seconds * share for share in _RANGE)
    return WallTime(plan.seconds, low, high)


def abundance_seconds(s: AbundanceSizes, speed: Speed) -> WallTime:
    """Time of a differential-abundance run.

    Parameters
    ----------
    s
        Its sizes.
    speed
        Of this machine.
    """
    n_cells, r = sum(s.n_cells), s.rank
    pool = min(n_cells, POOL)
    features = n_cells * r / speed.kernel + n_cells * r**2 / 2 / speed.solves
    alone = pool * r / speed.kernel + pool * r**2 / speed.products
    newton = _NEWTON_STEPS * n_cells * r**2 / 2 / speed.products
    shared = 2 * features + newton + n_cells * 100 * (r / speed.products + 40 / speed.elements)
    shared += s.n_obs / n_cells * features + s.n_obs * 100 * 2 * r / speed.products
    alone += n_cells * 9 * 100 / speed.elements
    alone += min(s.n_obs, 20_000) * 40 * 200 / speed.products + s.n_obs * 40 * 40 / speed.elements
    if s.n_samples:
        shared += newton + features
    if s.label_rank:  # evidence of some scales and variances among 5,000 cells, then a fit
        own = s.label_rank
        work = n_cells * own * (1 / speed.kernel + own / speed.products)
        shared += work * (2 + _NEWTON_STEPS / 2)
        shared += min(n_cells, 5000) * own**2 / 2 / speed.products * _LABEL_FITS * _NEWTON_STEPS
    if s.is_donor_level:
        alone += 2 * _CLUSTERING + n_cells * 200 * 30 * 30 / speed.products
    shared /= max(1, min(s.n_threads, n_cells / 4096 + 1))
    seconds = 0.2 + (alone + shared) / _EFFICIENCY
    low, high = (seconds * share for share in _RANGE)
    return WallTime(seconds, low, high)
