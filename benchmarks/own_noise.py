"""Calibration and ranking of genes with noise of their own (``use_empirical_variance``).

Simulated cells of one donor per condition without donor effects, so that cell-level significance is
what it says, with and without planted changes. Prints Markdown. About two minutes.
"""

import argparse
import os
import sys
from collections.abc import Sequence

os.environ.setdefault("OMP_NUM_THREADS", "1")


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate, compare and print the mean over data sets."""
    options = build_parser().parse_args(arguments)
    import pandas as pd

    rows = []
    for seed in range(options.sets):
        for size in options.cells:
            rows += [
                {"cells": size, "own noise": own} | scores
                for own in (False, True)
                for scores in [compare(seed, size, options.genes, own)]
            ]
    table = pd.DataFrame(rows).groupby(["cells", "own noise"]).mean()
    print(f"Mean over {options.sets} data sets of {options.genes} genes.\n")
    print("| " + " | ".join(["cells", "own noise", *table.columns]) + " |")
    print("|" + " --- |" * (2 + len(table.columns)))
    for names, row in table.iterrows():
        texts = [str(names[0]), "yes" if names[1] else "no", *(f"{value:.3f}" for value in row)]
        print("| " + " | ".join(texts) + " |")
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Options of the command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=5, help="data sets of each kind")
    parser.add_argument("--genes", type=int, default=600)
    parser.add_argument("--cells", type=int, nargs="+", default=[800, 3000])
    return parser


def compare(seed: int, n_cells: int, n_genes: int, own: bool) -> dict[str, float]:
    """What one data set with planted genes and one without say."""
    import numpy as np
    from sklearn.metrics import average_precision_score, roc_auc_score

    import kompot

    def analysed(**changes: float) -> tuple[object, "np.ndarray", float]:
        adata = kompot.datasets.simulate(
            n_cells=n_cells, n_genes=n_genes, n_donors=1, donor_sd=0.0, donor_tilt=0.0,
            donor_composition=None, random_state=seed, **changes,
        )  # fmt: skip
        record: dict = kompot.compute_differential_expression(
            *(adata, "condition", "control", "treated"),
            null_genes=1000,
            random_state=0,
            use_empirical_variance=own,
            layers="none",
            return_full_results=True,
            progress=False,
        )
        history = kompot.RunInfo(adata, -1, "de").run_info["numerics"]
        return record["table"], adata.var["effect"].astype(str).to_numpy(), history["seconds"]

    null = analysed(fraction_global=0.0, fraction_local=0.0)[0]
    table, effect, seconds = analysed()
    planted = effect != "none"
    called = table["is_de"].to_numpy()
    return {
        "null: p < 0.05": float((null["pvalue"] < 0.05).mean()),
        "null: p < 0.005": float((null["pvalue"] < 0.005).mean()),
        "null: ptp < 0.05": float((null["ptp"] < 0.05).mean()),
        "null: called": float(null["is_de"].mean()),
        "AUC": float(roc_auc_score(planted, table["mahalanobis"])),
        "average precision": float(average_precision_score(planted, table["mahalanobis"])),
        "AP by ptp": float(average_precision_score(planted, -np.log(table["ptp"] + 1e-300))),
        "false among called": float((called & ~planted).sum() / max(called.sum(), 1)),
        "planted called": float((called & planted).sum() / planted.sum()),
        "seconds": seconds,
    }


if __name__ == "__main__":
    sys.exit(main())
