"""How palantir_reference.npz was made, in an environment with palantir 1.4.5.

    python palantir_reference.py

Cells on a tree of three branches in 8 dimensions, and what ``palantir.utils.run_diffusion_maps``
stores for them with 20 neighbours, for alpha 0 and 1, beside the first eigenvectors scaled by
``determine_multiscale_space``. Neighbours are exact, since there are fewer than 4,096 cells.
"""

from pathlib import Path

import anndata as ad
import numpy as np
import palantir


def tree(n_cells=240, n_dims=8, seed=0):
    rng = np.random.default_rng(seed)
    along, branch = rng.uniform(0, 4, n_cells), rng.integers(3, size=n_cells)
    cells = rng.normal(scale=0.2, size=(n_cells, n_dims))
    cells[np.arange(n_cells), branch] += along
    return cells


def main():
    states, stored = tree(), {}
    for alpha in (0, 1):
        adata = ad.AnnData(np.zeros((len(states), 1)), obsm={"X_pca": states})
        palantir.utils.run_diffusion_maps(adata, n_components=6, knn=20, alpha=alpha)
        palantir.utils.determine_multiscale_space(adata, n_eigs=6)
        stored[f"values{alpha}"] = adata.uns["DM_EigenValues"]
        stored[f"vectors{alpha}"] = adata.obsm["DM_EigenVectors"]
        stored[f"multiscaled{alpha}"] = adata.obsm["DM_EigenVectors_multiscaled"]
        stored[f"kernel_row{alpha}"] = adata.obsp["DM_Kernel"][0].toarray().ravel()
    np.savez_compressed(Path(__file__).with_suffix(".npz"), states=states, **stored)


if __name__ == "__main__":
    main()
