import pytest

from kompot.datasets import simulate

CONDITIONS = ["--groupby", "condition", "--condition1", "control", "--condition2", "treated"]


@pytest.fixture
def de(shell):
    """Run `kompot de` on the simulated conditions."""

    def run(*args):
        return shell("de", *args, *CONDITIONS, "--null-genes", "50", "--random-state", "0")

    return run


@pytest.fixture(scope="session")
def cells():
    return simulate(n_cells=150, n_genes=30, n_donors=2, mean_count=2.0, fraction_global=0.2)


@pytest.fixture
def cells_file(cells, tmp_path):
    path = tmp_path / "cells.h5ad"
    cells.copy().write_h5ad(path)
    return path
