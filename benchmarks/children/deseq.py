"""PyDESeq2 at its defaults on the pseudobulk counts of several clusters."""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from pydeseq2.dds import DeseqDataSet
from pydeseq2.ds import DeseqStats


def p_values(counts, samples):
    """Two-sided p-values of condition 2 against 1, NaN for outliers by Cook's distance."""
    names = [f"s{row}" for row in range(len(counts))]
    table = pd.DataFrame(counts.astype(int), index=names)
    table.columns = [f"g{column}" for column in range(counts.shape[1])]
    samples = samples.set_axis(names)
    paired = samples["donor"].duplicated().any()
    # Ratios to a geometric mean need a gene without zeros.
    size_factors = "ratio" if (counts > 0).all(axis=0).any() else "poscounts"
    data = DeseqDataSet(
        counts=table,
        metadata=samples,
        design="~donor + condition" if paired else "~condition",
        size_factors_fit_type=size_factors,
        n_cpus=1,
        quiet=True,
    )
    data.deseq2()
    result = DeseqStats(data, contrast=["condition", "b", "a"], n_cpus=1, quiet=True)
    result.summary()
    return result.results_df["pvalue"].to_numpy(dtype=float)


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    warnings.simplefilter("ignore")
    found = {}
    with np.load(task["input"]) as bulks:
        for number in range(task["n_clusters"]):
            samples = pd.DataFrame(
                {
                    "condition": np.where(bulks[f"condition_{number}"] == 1, "b", "a"),
                    "donor": [f"d{donor}" for donor in bulks[f"donor_{number}"]],
                }
            )
            found[f"p_{number}"] = p_values(bulks[f"counts_{number}"], samples)
    np.savez(task["output"], **found)


if __name__ == "__main__":
    main(sys.argv[1])
