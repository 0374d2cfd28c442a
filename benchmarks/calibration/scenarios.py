"""Which data sets are simulated: the rows of the tables, and why each is there."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from kompot.datasets.expression import TARGET_SUM

CELLS_PER_SAMPLE = 350
N_GENES = 1000
FIRST_SEED = 1_000_000
"""Seeds from here on are used by no test and no example."""

NO_EFFECT: dict[str, Any] = {"fraction_global": 0.0, "fraction_local": 0.0}
REALISTIC: dict[str, Any] = {
    "n_genes": N_GENES,
    "abundance_log_odds": 0.0,
    "donor_sd": 0.1,
    "donor_sd_dispersion": 1.0,
    "donor_state_fraction": 0.5,
    "donor_composition": 8.0,
    "unequal_cells": 0.3,
}
"""Inverse chi-square (6) donor variances, half of them depending on the state; Dirichlet
compositions; unequal numbers of cells; 5 % of the genes differ everywhere, 5 % in a part of one
branch, unless a row says otherwise."""
UNLIKE_STATES: dict[str, Any] = {"state_sd": 1.0}
"""Genes that vary over states as much as over the cell types of blood, root mean square."""
CELL_TYPES: dict[str, Any] = {"state_sd": 1.1, "state_sd_spread": 0.65}
"""The same, and some far more than most, as there (`calibration/likeness.py`)."""
SIMPLE: dict[str, Any] = {"donor_sd_dispersion": 0.0, "donor_state_fraction": 0.0}


@dataclass(frozen=True, eq=False)
class Scenario:
    """One row: data sets that differ in their seeds only.

    Attributes
    ----------
    number
        Of the row; seeds follow from it, so it never changes.
    name
        In the tables.
    donors
        Donors in each condition.
    n_sets
        How many data sets.
    options
        What differs from `REALISTIC`, for `kompot.datasets.simulate`.
    regions
        Numbers of regions of the donor-level test.
    target_sum
        Counts per cell to which expression is normalised.
    depth
        Share of their counts that cells of condition 2 keep, and the standard deviation of the log
        of the share that cells of a sample keep.
    samples_apart
        How far cells late in pseudotime are moved in the embedding, each sample's its own way:
        standard deviation, in those of the components.
    """

    number: int
    name: str
    donors: tuple[int, int]
    n_sets: int = 20
    options: dict[str, Any] = field(default_factory=dict)
    regions: tuple[int, ...] = (1, 4, 12)
    target_sum: float = TARGET_SUM
    depth: tuple[float, float] = (1.0, 0.0)
    samples_apart: float = 0.0

    @property
    def is_null(self) -> bool:
        """Whether no gene differs."""
        options = self.options
        return options.get("fraction_global", 0.05) + options.get("fraction_local", 0.05) == 0

    def arguments(self, replicate: int) -> dict[str, Any]:
        """Arguments of `kompot.datasets.simulate` for one data set."""
        return {
            **REALISTIC,
            "n_donors": list(self.donors),
            "n_cells": CELLS_PER_SAMPLE * sum(self.donors),
            **self.options,
            "random_state": FIRST_SEED + 1000 * self.number + replicate,
        }


def rows(
    start: int, names: dict[str, tuple[tuple[int, int], dict[str, Any]]], n_sets: int = 20
) -> tuple[Scenario, ...]:
    """Rows numbered from `start`, of name to donors and options."""
    return tuple(
        Scenario(start + offset, name, donors, n_sets, options)
        for offset, (name, (donors, options)) in enumerate(names.items())
    )


COMPLETE_NULLS = rows(
    0,
    {
        "2v2": ((2, 2), NO_EFFECT),
        "3v3": ((3, 3), NO_EFFECT),
        "4v4": ((4, 4), NO_EFFECT),
        "8v8": ((8, 8), NO_EFFECT),
        "3v3, donor sd 0": ((3, 3), NO_EFFECT | {"donor_sd": 0.0}),
        "3v3, donor sd 0.3": ((3, 3), NO_EFFECT | {"donor_sd": 0.3}),
        "4v4, donor sd 0.3, same at all states": (
            (4, 4),
            NO_EFFECT | SIMPLE | {"donor_sd": 0.3},
        ),
        "4v4, one branch more abundant": ((4, 4), NO_EFFECT | {"abundance_log_odds": 1.0}),
        "4v4, the same and 4x fewer cells": (
            (4, 4),
            NO_EFFECT | {"abundance_log_odds": 1.0, "cells_ratio": 0.25},
        ),
        "4v4, unlike states": ((4, 4), NO_EFFECT | UNLIKE_STATES),
        "4v4, unlike states, one branch more abundant": (
            (4, 4),
            NO_EFFECT | UNLIKE_STATES | {"abundance_log_odds": 1.0},
        ),
    },
    n_sets=100,
)
"""No gene differs: one false hit is one too many. The numbers of donors; donor effects of no, usual
and large size, and without any dependence on the state; what a change of abundance and unequal
numbers of cells can feign."""

_LARGER: dict[str, Any] = {"lfc_global": 0.75, "lfc_local": 2.25}
EFFECTS = rows(
    20,
    {
        "2v2, effects x 1.5": ((2, 2), _LARGER),
        "3v3": ((3, 3), {}),
        "3v3, donor sd 0": ((3, 3), {"donor_sd": 0.0}),
        "3v3, donor sd 0.3": ((3, 3), {"donor_sd": 0.3}),
        "3v3, same at all states": ((3, 3), SIMPLE),
        "4v4": ((4, 4), {}),
        "4v4, 10 % local": ((4, 4), {"fraction_global": 0.0, "fraction_local": 0.1}),
        "4v4, 10 % global": ((4, 4), {"fraction_global": 0.1, "fraction_local": 0.0}),
        "4v4, 50 %": ((4, 4), {"fraction_global": 0.25, "fraction_local": 0.25}),
        "4v4, 4x fewer cells": ((4, 4), {"cells_ratio": 0.25}),
        "8v8, donor sd 0.3": ((8, 8), {"donor_sd": 0.3}),
        "3v3, unlike states": ((3, 3), UNLIKE_STATES),
        "4v4, unlike states": ((4, 4), UNLIKE_STATES),
        "8v8, unlike states, donor sd 0.3": ((8, 8), UNLIKE_STATES | {"donor_sd": 0.3}),
        "4v4, 20 % global, all increase": ((4, 4), {"fraction_global": 0.2, "fraction_up": 1.0}),
        "4v4, 30 % global, all increase": ((4, 4), {"fraction_global": 0.3, "fraction_up": 1.0}),
    },
)
"""10 % of the genes differ, half everywhere and half locally, or as stated."""

PAIRED = rows(
    40,
    {
        f"{n} pairs, donor sd 0.3, effects x 1.5": (
            (n, n),
            _LARGER | {"paired": True, "donor_sd": 0.3},
        )
        for n in (2, 3, 4)
    },
)
"""The same donors in both conditions, which share 70 % of the donor variance."""

SHIFTED = rows(
    50,
    {
        f"4v4, shift {shift:g}": ((4, 4), {"embedding_shift": shift})
        for shift in (0.25, 0.5, 1.5, 4.0)
    },
)
"""Embeddings that were not integrated: condition 2 moved, in units of the first component."""

_ABUNDANT: dict[str, Any] = {"embedding_shift": 1.5, "abundance_log_odds": 1.0}
_UNLIKE: dict[str, Any] = UNLIKE_STATES | {"embedding_shift": 0.25, "abundance_log_odds": 1.5}
SAMPLES_APART = tuple(
    replace(row, samples_apart=2.0)
    for row in rows(
        70,
        {
            "6v6, no effects, each sample apart": ((6, 6), NO_EFFECT),
            "6v6, each sample apart": ((6, 6), {}),
        },
        n_sets=40,
    )
)
"""An embedding in which every sample has states of its own, as before integration or of tumours."""
APART = rows(
    60,
    {
        "4v4, no effects, shift 1.5, one branch more abundant": ((4, 4), NO_EFFECT | _ABUNDANT),
        "8v8, no effects, unlike states, shift 0.25, one branch 4.5 x": (
            (8, 8),
            NO_EFFECT | _UNLIKE,
        ),
        "4v4, shift 1.5, one branch more abundant": ((4, 4), _ABUNDANT),
        "8v8, unlike states, shift 0.25, one branch 4.5 x": ((8, 8), _UNLIKE),
    },
    n_sets=40,
)
"""Conditions apart, and what raw means of all cells cannot tell from a change of expression."""

TABLE = COMPLETE_NULLS + EFFECTS + PAIRED + SHIFTED + APART + SAMPLES_APART

_BASE: dict[str, Any] = {"donor_sd": 0.2}
SENSITIVITY = rows(
    100,
    {
        "donor sd 0.05": ((4, 4), {"donor_sd": 0.05}),
        "donor sd 0.2": ((4, 4), _BASE),
        "donor sd 0.5": ((4, 4), {"donor_sd": 0.5}),
        "constant over states": ((4, 4), _BASE | {"donor_state_fraction": 0.0}),
        "all of it varies with the state": ((4, 4), _BASE | {"donor_state_fraction": 1.0}),
        "all of it, 0.4 x the frequency": (
            (4, 4),
            _BASE | {"donor_state_fraction": 1.0, "donor_frequency": 0.4},
        ),
        "all of it, 4 x the frequency": (
            (4, 4),
            _BASE | {"donor_state_fraction": 1.0, "donor_frequency": 4.0},
        ),
        "sd rises 4-fold along pseudotime": ((4, 4), _BASE | {"donor_trend": 1.4}),
        "sd falls 4-fold along pseudotime": ((4, 4), _BASE | {"donor_trend": -1.4}),
        "equal variances of all genes": ((4, 4), _BASE | {"donor_sd_dispersion": 0.0}),
        "very unequal variances": ((4, 4), _BASE | {"donor_sd_dispersion": 3.0}),
        "compositions as good as equal": ((4, 4), _BASE | {"donor_composition": 100.0}),
        "3v9, the 3 with 3 x the cells each": ((3, 9), _BASE),
        "unlike states": ((4, 4), _BASE | UNLIKE_STATES),
        "unlike states, compositions twice as variable": (
            (4, 4),
            _BASE | UNLIKE_STATES | {"donor_composition": 2.0},
        ),
        "3v9, as many cells each": ((3, 9), _BASE | {"cells_ratio": 3.0}),
        "3v9, the 3 with a third of the cells each": ((3, 9), _BASE | {"cells_ratio": 9.0}),
        "2v3, as many cells each": ((2, 3), _BASE | _LARGER | {"cells_ratio": 1.5}),
        "2v3, the 2 with half of the cells each": (
            (2, 3),
            _BASE | _LARGER | {"cells_ratio": 3.0},
        ),
        "very unequal numbers of cells": ((4, 4), _BASE | {"unequal_cells": 1.0}),
    },
)
"""What if donors differ otherwise than assumed above? 4v4, 10 % of the genes differ."""

NORMALIZED_TO = 1000.0
NORMALIZED = tuple(
    replace(row, target_sum=NORMALIZED_TO)
    for row in rows(
        120,
        {
            "4v4, no effects": ((4, 4), NO_EFFECT),
            "3v3": ((3, 3), {}),
            "4v4": ((4, 4), {}),
            "4v4, unlike states": ((4, 4), UNLIKE_STATES),
            "8v8, donor sd 0.3": ((8, 8), {"donor_sd": 0.3}),
        },
        n_sets=40,
    )
)
"""As many counts as cells have, 700 on average, or nearly so, as at the defaults of scanpy."""

HALF, UNEQUAL = (0.5, 0.0), (1.0, 0.35)
DEPTHS = tuple(
    replace(row, depth=depth)
    for row, depth in zip(
        rows(
            130,
            {
                "4v4, no effects, half the depth": ((4, 4), NO_EFFECT),
                "8v8, no effects, half the depth": ((8, 8), NO_EFFECT),
                "4v4, no effects, half the depth and 4x fewer cells": (
                    (4, 4),
                    NO_EFFECT | {"cells_ratio": 0.25},
                ),
                "8v8, no effects, depths of samples differ": ((8, 8), NO_EFFECT),
                "4v4, half the depth": ((4, 4), {}),
                "4v4, unlike states, half the depth": ((4, 4), UNLIKE_STATES),
                "4v4, depths of samples differ": ((4, 4), {}),
                "8v8, donor sd 0.3, depths of samples differ": ((8, 8), {"donor_sd": 0.3}),
            },
            n_sets=40,
        ),
        (HALF, HALF, HALF, UNEQUAL, HALF, HALF, UNEQUAL, UNEQUAL),
        strict=True,
    )
)
"""Samples sequenced to different depths, all of condition 2 to half, or each to its own."""

_PROGRAMS: dict[str, Any] = {"donor_sd": 0.3, "donor_programs": 5, "donor_program_share": 0.8}
PROGRAM_NULLS = rows(
    140,
    {f"{n}v{n}, programmes": ((n, n), NO_EFFECT | _PROGRAMS) for n in (3, 4, 8)},
    n_sets=200,
)
PROGRAM_EFFECTS = rows(
    145,
    {
        f"{n}v{n}, programmes": ((n, n), _PROGRAMS | {"lfc_global": 1.0, "lfc_local": 3.0})
        for n in (3, 4, 8)
    },
    n_sets=100,
)
"""Donors that differ by five programmes, one of which every gene follows: genes say much the same,
so that a difference by chance is one of hundreds of genes, and rates hold only on average."""

BLOOD = rows(
    150,
    {
        "3v3, states as in blood": ((3, 3), CELL_TYPES),
        "4v4, states as in blood": ((4, 4), CELL_TYPES),
        "8v8, states as in blood, donor sd 0.3": ((8, 8), CELL_TYPES | {"donor_sd": 0.3}),
    },
    n_sets=40,
)
"""Genes that vary over states as over the cell types of blood, which was measured before anything
was compared."""

FEW_GENES = rows(
    160,
    {
        "2v2, no effects, 60 genes": ((2, 2), NO_EFFECT | {"n_genes": 60}),
        "3v3, no effects, 60 genes": ((3, 3), NO_EFFECT | {"n_genes": 60}),
        "8v8, no effects, 60 genes": ((8, 8), NO_EFFECT | {"n_genes": 60}),
        "4v4, no effects, 100 genes": ((4, 4), NO_EFFECT | {"n_genes": 100}),
        "3v3, 60 genes": ((3, 3), {"n_genes": 60}),
        "4v4, 200 genes": ((4, 4), {"n_genes": 200}),
    },
    n_sets=100,
)
"""Panels of genes, from which the distribution of variances is hardly known."""

_PAIRS: dict[str, Any] = {"paired": True, "donor_sd": 0.3}
FURTHER_NULLS = rows(
    170,
    {
        **{f"{n} pairs, donor sd 0.3, no effects": ((n, n), NO_EFFECT | _PAIRS) for n in (2, 3, 4)},
        "3v3, no effects, 4x fewer cells": ((3, 3), NO_EFFECT | {"cells_ratio": 0.25}),
        "3v3, no effects, shift 0.25": ((3, 3), NO_EFFECT | {"embedding_shift": 0.25}),
        "3v3, no effects, shift 1.5": ((3, 3), NO_EFFECT | {"embedding_shift": 1.5}),
    },
    n_sets=100,
)
"""Nulls of what other rows show with effects."""

REGIONS: dict[str, tuple[int, ...]] = {
    "1": (1,),
    "12": (12,),
    "1, 4": (1, 4),
    "1, 4, 12": (1, 4, 12),
    "1, 6, 20": (1, 6, 20),
    "1, 4, 12, 40": (1, 4, 12, 40),
}
"""Numbers of regions, on the same data sets."""
REGION_ROWS = (COMPLETE_NULLS[2], EFFECTS[5], EFFECTS[10])


def all_scenarios() -> Iterator[Scenario]:
    """Every row."""
    yield from TABLE
    yield from SENSITIVITY
    yield from NORMALIZED
    yield from DEPTHS
    yield from PROGRAM_NULLS
    yield from PROGRAM_EFFECTS
    yield from BLOOD
    yield from FEW_GENES
    yield from FURTHER_NULLS


def with_regions() -> tuple[Scenario, ...]:
    """Rows of which only the numbers of regions change, those of the table left out."""
    return tuple(
        replace(scenario, n_sets=20, regions=regions)
        for scenario in REGION_ROWS
        for regions in REGIONS.values()
        if regions != scenario.regions
    )
