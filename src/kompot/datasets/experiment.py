"""All parts of a simulation together, and one draw from them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from kompot.datasets.design import Design
from kompot.datasets.donors import DonorVariation
from kompot.datasets.effects import Effects, draw_effects
from kompot.datasets.embedding import Embedding, draw_picture, embed
from kompot.datasets.expression import (
    Counts,
    Genes,
    draw_counts,
    draw_depth,
    draw_genes,
    log_normalize,
)
from kompot.datasets.rates import LogRates
from kompot.datasets.states import Abundance, CellStates, draw_states
from kompot.datasets.trajectory import Trajectory
from kompot.settings import checks


@dataclass(frozen=True)
class Streams:
    """One independent source of randomness for each part, so that parts change one by one."""

    cells: np.random.Generator
    states: np.random.Generator
    embedding: np.random.Generator
    picture: np.random.Generator
    genes: np.random.Generator
    effects: np.random.Generator
    donors: np.random.Generator
    depth: np.random.Generator
    counts: np.random.Generator


def open_streams(random_state: int) -> Streams:
    """Derive the sources of randomness from one seed."""
    seeds = np.random.SeedSequence(random_state).spawn(len(fields(Streams)))
    return Streams(*map(np.random.default_rng, seeds))


@dataclass(frozen=True)
class Experiment:
    """Parameters of a simulation.

    Parameters
    ----------
    n_genes
        Number of genes.
    random_state
        Seed.
    design, tree, abundance, embedding, effects, donors, counts
        Parts of the simulation.
    """

    n_genes: int
    random_state: int
    design: Design
    tree: Trajectory
    abundance: Abundance
    embedding: Embedding
    effects: Effects
    donors: DonorVariation
    counts: Counts

    def __post_init__(self) -> None:
        """Check the parameters that the parts do not check."""
        checks.number("n_genes", self.n_genes, least=1, whole=True)
        checks.number("random_state", self.random_state, least=0, whole=True)
        self.abundance.check_tree(self.tree)

    def parameters(self) -> dict[str, Any]:
        """Arguments of `simulate`, of types that an h5ad or zarr file holds."""
        flat: dict[str, Any] = {"n_genes": self.n_genes, "random_state": self.random_state}
        for value in asdict(self).values():
            if isinstance(value, dict):
                flat |= value
        return {name: _storable(value) for name, value in flat.items()}

    def draw(self) -> AnnData:
        """Draw the data set that `simulate` describes."""
        streams = open_streams(int(self.random_state))
        sample = self.design.draw_cells(streams.cells)
        treated = self.design.sample_condition[sample] == 1
        cells = draw_states(
            self.tree,
            self.abundance,
            self.design,
            sample,
            shared=self.donors.donor_correlation if self.design.paired else 1.0,
            rng=streams.states,
        )
        effects = draw_effects(self.effects, self.tree, self.n_genes, streams.effects)
        effects.index = pd.Index(_names("gene", self.n_genes, 4))
        genes = draw_genes(self.counts, self.n_genes, self.tree.n_basis, streams.genes)
        rates = self._draw_rates(streams, cells, sample, genes, effects)
        counts = draw_counts(
            len(sample), rates, genes.dispersion, str(self.counts.dtype), streams.counts
        )

        adata = AnnData(
            X=log_normalize(counts),
            obs=self._describe_cells(cells, sample),
            var=effects,
            layers={"counts": counts},
            uns={"simulation": self.parameters()},
        )
        adata.obsm["DM_EigenVectors"] = embed(
            self.tree, self.embedding, cells, treated, streams.embedding
        )
        adata.obsm["X_tree"] = draw_picture(self.tree, cells, streams.picture)
        return adata

    def _draw_rates(
        self,
        streams: Streams,
        cells: CellStates,
        sample: NDArray[np.intp],
        genes: Genes,
        effects: pd.DataFrame,
    ) -> LogRates:
        """Draw donor effects and depths, which with the rest give the expected counts."""
        donor_sd = self.donors.draw_sd(self.n_genes, streams.donors)
        return LogRates(
            tree=self.tree,
            cells=cells,
            sample=sample,
            treated=self.design.sample_condition[sample] == 1,
            log_depth=draw_depth(self.counts, len(sample), streams.depth),
            genes=genes,
            donor_sd=donor_sd,
            donors=self.donors,
            donor_weights=self.donors.draw_weights(
                self.design, donor_sd, self.tree.n_basis, streams.donors
            ),
            effects=effects,
        )

    def _describe_cells(self, cells: CellStates, sample: NDArray[np.intp]) -> pd.DataFrame:
        """Collect what is known of each cell, one row per cell."""
        design = self.design
        condition, donor = design.sample_condition[sample], design.sample_donor[sample]
        return pd.DataFrame(
            {
                "condition": _labels(condition, design.conditions),
                "donor": _labels(donor, design.donors),
                "sample": _labels(sample, design.samples),
                "branch": _labels(cells.segment, self.tree.segments),
                "pseudotime": cells.pseudotime,
                "true_log_abundance_ratio": self.abundance.log_ratio(self.tree, cells),
            },
            index=pd.Index(_names("cell", len(sample), 6)),
        )


def _names(kind: str, number: int, digits: int) -> list[str]:
    """Names from 1 to `number`, of equal length and of at least `digits` digits."""
    digits = max(digits, len(str(number)))
    return [f"{kind}_{index:0{digits}d}" for index in range(1, number + 1)]


def _labels(codes: NDArray[np.intp], names: Sequence[str]) -> "pd.Categorical[str]":
    """Name the code of each cell; all names are categories, in their order."""
    return pd.Categorical.from_codes(codes.astype(np.int64), pd.Index(names))


def _storable(value: object) -> object:
    """Turn tuples into lists and numpy scalars into Python ones."""
    if isinstance(value, tuple):
        return [_storable(element) for element in value]
    return value.item() if isinstance(value, np.generic) else value
