"""Planted differences of expression between the conditions."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from kompot.datasets.states import CellStates
from kompot.datasets.trajectory import Trajectory
from kompot.settings import checks

EFFECTS = ("none", "global", "branch", "local")
BRANCH_RISE = 0.2


@dataclass(frozen=True)
class Effects:
    """How many genes differ, where, and by how much.

    Parameters
    ----------
    fraction_global, fraction_branch, fraction_local
        Shares of genes with a difference everywhere, in one branch, in a part of one branch.
    lfc_global, lfc_branch, lfc_local
        Median absolute log fold change of each kind where it is largest, natural log.
    lfc_spread
        Standard deviation of the log of the absolute log fold change.
    fraction_up
        Share of the differences that are increases.
    local_width
        Half width of a local difference, as a share of the branch.
    """

    fraction_global: float
    fraction_branch: float
    fraction_local: float
    lfc_global: float
    lfc_branch: float
    lfc_local: float
    lfc_spread: float
    fraction_up: float
    local_width: float

    def __post_init__(self) -> None:
        """Check the parameters."""
        for kind in EFFECTS[1:]:
            checks.number(f"fraction_{kind}", getattr(self, f"fraction_{kind}"), least=0, most=1)
            checks.number(f"lfc_{kind}", getattr(self, f"lfc_{kind}"), least=0, most=10)
        total = self.fraction_global + self.fraction_branch + self.fraction_local
        if total > 1 + 1e-9:
            msg = (
                "`fraction_global` + `fraction_branch` + `fraction_local` must be at most 1; "
                f"found {total:g}."
            )
            raise ValueError(msg)
        checks.number("lfc_spread", self.lfc_spread, least=0, most=3)
        checks.number("fraction_up", self.fraction_up, least=0, most=1)
        checks.number("local_width", self.local_width, above=0, most=0.5)


def draw_effects(
    effects: Effects, tree: Trajectory, n_genes: int, rng: np.random.Generator
) -> pd.DataFrame:
    """Draw which genes differ, and how; the same share of each kind goes up.

    Returns
    -------
    One row per gene, with columns

    - `effect`: kind of difference, one of "none", "global", "branch", "local";
    - `effect_branch`: where, "none", "all" or the name of a branch;
    - `is_de`: whether there is any;
    - `true_lfc`: signed log fold change where it is largest, natural log;
    - `effect_center`, `effect_width`: position in the branch and half width of a local
      difference, as shares of the branch; NaN for all others.
    """
    fractions = [effects.fraction_global, effects.fraction_branch, effects.fraction_local]
    numbers = np.diff(np.round(np.cumsum([0, *fractions]) * n_genes).astype(int))
    kind = np.zeros(n_genes, dtype=np.intp)
    kind[: numbers.sum()] = np.repeat([1, 2, 3], numbers)
    n_up = np.ceil(effects.fraction_up * np.arange(n_genes + 1))
    sign = np.where(np.diff(n_up) > 0, 1.0, -1.0)
    order = rng.permutation(n_genes)
    kind, sign = kind[order], sign[order]

    size = np.array([0, effects.lfc_global, effects.lfc_branch, effects.lfc_local])[kind]
    lfc = sign * size * np.exp(effects.lfc_spread * rng.standard_normal(n_genes))
    places = np.array([*tree.branches, "none", "all"])
    place = rng.integers(tree.n_branches, size=n_genes)
    place = np.select([kind == 0, kind == 1], [tree.n_branches, tree.n_branches + 1], place)
    width = effects.local_width
    center = rng.uniform(width, 1 - width, size=n_genes)
    local = kind == EFFECTS.index("local")
    return pd.DataFrame(
        {
            "effect": pd.Categorical(np.array(EFFECTS)[kind], list(EFFECTS)),
            "effect_branch": pd.Categorical(places[place], ["none", "all", *tree.branches]),
            "is_de": lfc != 0,
            "true_lfc": np.where(lfc == 0, 0.0, lfc),
            "effect_center": np.where(local, center, np.nan),
            "effect_width": np.where(local, width, np.nan),
        }
    )


def fold_change(table: pd.DataFrame, tree: Trajectory, cells: CellStates) -> NDArray[np.float64]:
    r"""Planted log fold change of genes at the states of cells, natural log.

    With the signed size :math:`\delta_g` and the position :math:`u` of a cell in a branch,

    - global: :math:`\delta_g`;
    - branch: :math:`\delta_g\, s(u / 0.2)` in the branch, 0 elsewhere, where
      :math:`s(x) = 3x^2 - 2x^3` up to :math:`x = 1` and 1 from there;
    - local: :math:`\delta_g \cos^2\{\pi (u - c_g) / 2 w_g\}` in the branch where
      :math:`|u - c_g| < w_g`, 0 elsewhere.

    Parameters
    ----------
    table
        Genes, as from `draw_effects`.
    tree
        The tree of states.
    cells
        States of the cells.

    Returns
    -------
    Array of shape ``(n_cells, n_genes)``.
    """
    position = tree.position(cells.segment, cells.pseudotime)
    kind = table["effect"].to_numpy(dtype=str)
    place = table["effect_branch"].to_numpy(dtype=str)
    shape = np.zeros((len(position), len(table)))
    shape[:, kind == "global"] = 1
    for segment, branch in enumerate(tree.branches, start=1):
        members = np.flatnonzero(cells.segment == segment)
        along = position[members, np.newaxis]
        rise = np.clip(along / BRANCH_RISE, 0, 1)
        whole = np.flatnonzero((kind == "branch") & (place == branch))
        shape[np.ix_(members, whole)] = rise**2 * (3 - 2 * rise)
        part = np.flatnonzero((kind == "local") & (place == branch))
        center = table["effect_center"].to_numpy(dtype=float)[part]
        width = table["effect_width"].to_numpy(dtype=float)[part]
        distance = np.clip(np.abs(along - center) / width, 0, 1)
        shape[np.ix_(members, part)] = np.cos(np.pi * distance / 2) ** 2 * (distance < 1)
    shape *= table["true_lfc"].to_numpy(dtype=float)
    return shape
