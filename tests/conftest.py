import os
from pathlib import Path

# One thread in the linear algebra of each process: processes of pytest-xdist that share the cores
# waited for each other's threads five times as long as they computed. Read when NumPy is loaded.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("JAX_ENABLE_X64", "1")

import numpy as np  # noqa: E402
import pytest  # noqa: E402
from anndata import AnnData, read_h5ad  # noqa: E402
from hypothesis import settings  # noqa: E402

from kompot.datasets import simulate  # noqa: E402

# The same examples in each run, and no limits of the wall clock; new ones with KOMPOT_FUZZ.
settings.register_profile(
    "suite", derandomize="KOMPOT_FUZZ" not in os.environ, deadline=None, database=None
)
settings.load_profile("suite")

collect_ignore_glob = ["gp/palantir/*.py", "records/data/*.py"]
"""Scripts that made reference numbers, with packages that tests do not need."""

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def _simulated() -> AnnData:
    return simulate(n_cells=600, n_genes=60, n_donors=2, random_state=1)


@pytest.fixture
def adata(_simulated: AnnData) -> AnnData:
    """600 cells x 60 genes of two conditions, ``control`` and ``treated``."""
    return _simulated.copy()


@pytest.fixture(scope="session")
def _kang() -> AnnData:
    path = SHARED_DATA / "kang_ifnb.h5ad"
    if not path.exists():
        pytest.skip("the data set kang_ifnb.h5ad is not here")
    return read_h5ad(path)


@pytest.fixture
def kang(_kang: AnnData) -> AnnData:
    """Real PBMCs, ``ctrl`` and ``stim``."""
    return _kang.copy()


@pytest.fixture
def shell(capsys):
    """Run a command line in this process; give exit code, stdout and stderr."""
    from kompot.cli import main

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main([str(one) for one in arguments])
        out, err = capsys.readouterr()
        return ended.value.code, out, err

    return run
