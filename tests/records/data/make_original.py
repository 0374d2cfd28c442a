"""Write original_<version>.h5ad with the original package, in an environment of its own.

``pip install kompot==0.6.3`` (and 0.8.0), then ``python make_original.py original_0.6.3.h5ad``.
Three expression runs (two seeds, then with samples, groups and landmarks) and two abundance runs
(then with samples) on the same fields; 0.8.0 also smooths. Host, user and process are removed.
"""

import json
import sys
import warnings

import anndata as ad
import numpy as np
import pandas as pd

import kompot  # the original

N_CELLS, N_GENES = 60, 8


def example() -> ad.AnnData:
    rng = np.random.default_rng(0)
    states = rng.normal(size=(N_CELLS, 3))
    old = np.arange(N_CELLS) % 2
    obs = pd.DataFrame(
        {
            "age": pd.Categorical(np.where(old, "Old", "Young adult")),
            "donor": pd.Categorical([f"d{(i % 2) * 3 + (i // 2) % 3}" for i in range(N_CELLS)]),
            "branch": pd.Categorical(np.where(states[:, 0] > 0, "B/1", "A & <b>")),
        },
        index=[f"cell{i}" for i in range(N_CELLS)],
    )
    expression = 0.3 * rng.normal(size=(N_CELLS, N_GENES)) + states[:, :1]
    expression += old[:, None] * (np.arange(N_GENES) < 2) * states[:, 1:2]
    var = pd.DataFrame(index=[f"gene{i}" for i in range(N_GENES)])
    return ad.AnnData(expression.astype("f4"), obs=obs, var=var, obsm={"DM_EigenVectors": states})


def without_names(value):
    """A record without host, user and process."""
    if isinstance(value, dict):
        names = ("hostname", "username", "pid", "platform")
        return {k: without_names(v) for k, v in value.items() if k not in names}
    return [without_names(v) for v in value] if isinstance(value, list) else value


def main(path: str) -> None:
    warnings.simplefilter("ignore")
    adata = example()
    who = (adata, "age", "Young adult", "Old")
    de = {"n_landmarks": 20, "null_genes": 20, "progress": False, "overwrite": True}
    kompot.compute_differential_expression(
        *who, **de, random_state=0, store_additional_stats=True, store_posterior_covariance=True
    )
    kompot.compute_differential_expression(*who, **de, random_state=1)
    kompot.compute_differential_expression(
        *who,
        **de,
        random_state=0,
        sample_col="donor",
        groups="branch",
        min_cells=1,
        store_landmarks=True,
    )
    kompot.compute_differential_abundance(*who, random_state=0, overwrite=True)
    kompot.compute_differential_abundance(*who, random_state=0, overwrite=True, sample_col="donor")
    if hasattr(kompot, "smooth_expression"):
        kompot.smooth_expression(
            adata, "age", "Old", output=kompot.OutputSettings(progress=False), genes=["gene1"]
        )
    for entry in adata.uns.values():
        if isinstance(entry, dict):
            for name in ("run_history", "last_run_info"):
                if name in entry:
                    entry[name] = json.dumps(without_names(json.loads(entry[name])))
    adata.write_h5ad(path)


if __name__ == "__main__":
    main(sys.argv[1])
