import os
import signal
import subprocess
import sys

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


@pytest.fixture
def interrupted(tmp_path):
    """Run code that says ``begun``, interrupt it from outside, and look at what is left."""

    def run(code, args, output):
        output.write_text("precious")
        with subprocess.Popen(
            [sys.executable, "-c", code, *args],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                assert process.stdout.readline() == "begun\n"
                os.kill(process.pid, signal.SIGINT)
                _, err = process.communicate(timeout=30)
            finally:
                process.kill()
        assert process.returncode == 130, err
        assert output.read_text() == "precious"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.h5ad", "out.h5ad"]

    return run
