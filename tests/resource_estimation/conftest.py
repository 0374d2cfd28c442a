import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def cells(rng):
    """400 cells of two conditions and four donors, with the names of the documented examples."""
    import anndata

    donor = rng.integers(0, 4, 400)
    condition = np.where(donor % 2, "B", "A")
    obs = pd.DataFrame({"condition": condition, "donor": donor.astype(str)})
    obs["donor_id"], obs["age"] = "d" + obs["donor"], np.where(donor % 2, "Old", "Young")
    obs["group"] = rng.permuted(["u", "v"] * 200)
    obs["state"] = np.where(donor % 2, "control", "treated")
    obs.index = obs.index.astype(str)
    made = anndata.AnnData(rng.random((400, 30), dtype=np.float32), obs=obs)
    made.obsm["DM_EigenVectors"] = rng.standard_normal((400, 3))
    made.obsm["X_pca"] = made.obsm["DM_EigenVectors"].copy()
    return made
