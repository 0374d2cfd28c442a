"""The second question of the demo: where cells became more or less abundant."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from kompot.cli.summary import HEADINGS, listed

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.figure import Figure

__all__ = ["DemoAbundance", "compare_abundance", "draw_abundance", "found_abundance"]

_TRUTH = "true_log_abundance_ratio"


@dataclass(frozen=True)
class DemoAbundance:
    """What was found about abundance.

    Attributes
    ----------
    table
        Cells with their changes, and what was planted as ``true_lfc``.
    groups
        Branches with their mean change and, as ``true_lfc``, the one that was planted.
    """

    table: "pd.DataFrame"
    groups: "pd.DataFrame"


def compare_abundance(adata: "AnnData", seed: int, *, progress: bool) -> DemoAbundance:
    """Compare abundance in simulated data, in which the results are stored."""
    from kompot.anndata import compute_differential_abundance

    found = compute_differential_abundance(
        adata,
        "condition",
        "control",
        "treated",
        sample_col="donor",
        ls="evidence",
        groups="branch",
        random_state=seed,
        progress=progress,
        return_full_results=True,
    )
    result = cast("dict[str, Any]", found)
    truth = adata.obs[_TRUTH]
    return DemoAbundance(
        result["table"].assign(true_lfc=truth),
        result["groups"].assign(true_lfc=truth.groupby(adata.obs["branch"], observed=True).mean()),
    )


def found_abundance(found: DemoAbundance) -> tuple[str, str]:
    """Table of the branches; and how the cells compare with what was planted, in items."""
    columns = ["n_cells1", "n_cells2", "donor_lfc", "donor_fdr", "donor_direction", "true_lfc"]
    branches = listed(found.groups[columns].rename(columns=HEADINGS), rows="branch")
    table = found.table
    both = float(np.corrcoef(table["lfc"], table["true_lfc"])[0, 1])
    counts = table["donor_direction"].value_counts()
    called = table[table["donor_direction"].isin(["up", "down"])]
    right = int((np.sign(called["donor_lfc"]) == np.sign(called["true_lfc"])).sum())
    items = [
        f"- The log fold change of the {len(table)} cells correlates {both:.2f} with the planted "
        "one, at the length scale of largest evidence (ls='evidence'; the default is smoother).",
        f"- {counts.get('up', 0)} cells are in states called up for new donors, "
        f"{counts.get('down', 0)} in states called down (FDR < 0.05)"
        + (f"; {right} of these {len(called)} have the planted sign." if len(called) else "."),
        "- cells 1, cells 2: cells in control and in treated. donor lfc: log fold change of the "
        "share of cells, estimated from the shares in each donor. donor FDR: false discovery rate "
        "if other donors were taken. for donors: what is called, at a rate below 0.05.",
    ]
    return branches, "\n".join(items)


def draw_abundance(adata: "AnnData", found: DemoAbundance, figure: "Figure") -> None:
    """Draw the log fold change of every cell beside the planted one, in the same colours."""
    from kompot.plot import embedding

    (lfc,) = (name for name in map(str, adata.obs) if name.endswith("_to_treated_lfc"))
    limit = float(np.abs(np.asarray(found.table[["lfc", "true_lfc"]])).max())
    panels = zip(figure.subplots(1, 2), (lfc, _TRUTH), ("found", "planted"), strict=True)
    for axes, column, word in panels:
        title = f"{word}: log fold change of abundance"
        embedding(
            adata, "X_tree", color=column, vmin=-limit, vmax=limit, cmap="RdBu_r", title=title,
            ax=axes,
        )  # fmt: skip
