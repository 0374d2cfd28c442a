"""Log density ratio of two conditions whose densities are known, with one of the packages."""

import json
import sys
import time
from pathlib import Path

import numpy as np

from kompot import DifferentialAbundance


class _Mixture:
    """Six normal clusters in both conditions, in other shares; or one that moves."""

    def __init__(self, n_dims, rng, *, moves=False):
        n_clusters = 1 if moves else 6
        self.centers = np.stack([3 * rng.normal(size=(n_clusters, n_dims))] * 2)
        if moves:
            self.centers[1] += 0.5 / np.sqrt(n_dims)
        self.spread = np.geomspace(1, 0.4, n_dims)
        even = np.full(n_clusters, 1 / n_clusters)
        self.shares = np.stack([even, rng.dirichlet(np.full(n_clusters, 3.0))])

    def draw(self, condition, n_cells, rng):
        cluster = rng.choice(len(self.shares[condition]), n_cells, p=self.shares[condition])
        noise = rng.normal(size=(n_cells, len(self.spread))) * self.spread
        return self.centers[condition][cluster] + noise

    def log_density(self, condition, states):
        squares = [
            (((states - center) / self.spread) ** 2).sum(axis=1)
            for center in self.centers[condition]
        ]
        return _log_sum(np.log(self.shares[condition])[:, None] - 0.5 * np.array(squares))


class _Trajectory:
    """A curve with noise; cells gather further along it in condition 2."""

    N_PLACES = 2000

    def __init__(self, n_dims, rng):
        self.directions = rng.normal(size=(4, n_dims)) / np.sqrt(n_dims)
        self.noise = 0.3
        self.places = (np.arange(self.N_PLACES) + 0.5) / self.N_PLACES
        self.weights = np.stack([np.ones(self.N_PLACES), 1 + 0.8 * np.sin(6 * self.places)])
        self.weights /= self.weights.sum(axis=1, keepdims=True)

    def path(self, place):
        curve = [6 * place, 2 * np.sin(4 * place), 2 * np.cos(7 * place), 2 * place**2]
        return np.stack(curve, axis=1) @ self.directions * 3

    def draw(self, condition, n_cells, rng):
        place = rng.choice(self.places, n_cells, p=self.weights[condition])
        states = self.path(place)
        return states + self.noise * rng.normal(size=states.shape)

    def log_density(self, condition, states):
        path = self.path(self.places)
        squares = ((states[:, None] - path) ** 2).sum(axis=2) / self.noise**2
        return _log_sum(np.log(self.weights[condition])[:, None] - 0.5 * squares.T)


def _log_sum(terms):
    """Log of the sum of exponentials over the first axis."""
    top = terms.max(axis=0)
    return top + np.log(np.exp(terms - top).sum(axis=0))


def _make(kind, n_dims, rng):
    if kind == "trajectory":
        return _Trajectory(n_dims, rng)
    return _Mixture(n_dims, rng, moves=kind == "shift")


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    found = []
    for seed in task["seeds"]:
        rng = np.random.default_rng(seed)
        scene = _make(task["kind"], task["n_dims"], rng)
        first, second = (scene.draw(c, n, rng) for c, n in enumerate(task["n_cells"]))
        states = np.vstack([first, second])
        truth = scene.log_density(1, states) - scene.log_density(0, states)
        started = time.perf_counter()
        model = DifferentialAbundance(**task["model"]).fit(first, second, **task["options"])
        lfc = np.asarray(model.predict(states, progress=False)["log_fold_change"])
        found.append(
            {
                "seconds": time.perf_counter() - started,
                "correlation": float(np.corrcoef(lfc, truth)[0, 1]),
                "error": float(np.sqrt(np.mean((lfc - truth) ** 2))),
                "truth": float(truth.std()),
            }
        )
    Path(task["report"]).write_text(json.dumps({"seeds": found}))


if __name__ == "__main__":
    main(sys.argv[1])
