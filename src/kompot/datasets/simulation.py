"""A simulated data set with donors, two conditions and known truth."""

from collections.abc import Sequence

from anndata import AnnData

from kompot.datasets.design import (
    Design,
    read_conditions,
    read_donors,
    read_paired,
    read_unequal_cells,
)
from kompot.datasets.donors import DonorVariation
from kompot.datasets.effects import Effects
from kompot.datasets.embedding import Embedding
from kompot.datasets.experiment import Experiment
from kompot.datasets.expression import Counts
from kompot.datasets.states import Abundance, read_segment
from kompot.datasets.trajectory import Trajectory


def simulate(
    *,
    n_cells: int = 4000,
    n_genes: int = 1000,
    conditions: Sequence[str] = ("control", "treated"),
    n_donors: int | Sequence[int] = 4,
    paired: bool = False,
    cells_ratio: float = 1.0,
    unequal_cells: bool | float = 0.3,
    n_branches: int = 2,
    branch_point: float = 0.35,
    n_dims: int = 10,
    embedding_noise: float = 0.01,
    embedding_shift: float = 0.0,
    fraction_global: float = 0.05,
    fraction_branch: float = 0.0,
    fraction_local: float = 0.05,
    lfc_global: float = 0.5,
    lfc_branch: float = 0.7,
    lfc_local: float = 1.5,
    lfc_spread: float = 0.2,
    fraction_up: float = 0.5,
    local_width: float = 0.3,
    donor_sd: float = 0.15,
    donor_sd_dispersion: float = 1.0,
    donor_state_fraction: float = 0.5,
    donor_frequency: float = 1.0,
    donor_trend: float = 0.0,
    donor_correlation: float = 0.7,
    donor_programs: int = 0,
    donor_program_share: float = 0.8,
    donor_composition: float | None = 8.0,
    donor_tilt: float = 0.5,
    abundance_log_odds: float = 1.0,
    abundance_branch: str = "branch_1",
    abundance_segment: Sequence[float] | None = None,
    mean_count: float = 0.7,
    mean_count_sd: float = 1.2,
    state_sd: float = 0.5,
    state_sd_spread: float = 0.0,
    dispersion: float = 0.2,
    depth_sd: float = 0.3,
    dtype: str = "float32",
    random_state: int = 0,
) -> AnnData:
    r"""Simulate single-cell counts of two conditions, with donors and known truth.

    Cells lie on a tree, a root that splits into branches. The count of gene :math:`g` in cell
    :math:`i` of sample :math:`s`, at state :math:`x_i`, is negative binomial with

    .. math::

        \log \mu_{ig} = d_i + m_g + f_g(x_i) + u_{sg}(x_i) + [i \text{ in condition 2}]\,
        \delta_g(x_i), \qquad \mathrm{var} = \mu_{ig} + \alpha_g \mu_{ig}^2,

    with sequencing depth :math:`d_i`, a smooth random function :math:`f_g` on the tree, donor
    effect :math:`u_{sg}` and planted log fold change :math:`\delta_g`. All logarithms are natural.
    The result depends on the arguments only.

    Parameters
    ----------
    n_cells
        Number of cells, all samples together.
    n_genes
        Number of genes.
    conditions
        Names of condition 1 and condition 2.
    n_donors
        Donors in each condition: one number, or a pair.
    paired
        Whether both conditions have the same donors. A sample is a donor in a condition.
    cells_ratio
        Cells of condition 2 per cell of condition 1.
    unequal_cells
        Standard deviation of the log number of cells of a sample. True: 0.5. False: 0.
    n_branches
        Number of branches, 1 to 20.
    branch_point
        Pseudotime at which the root ends and the branches begin, 0.05 to 0.95. Branches end at 1.
    n_dims
        Number of embedding components, 1 to 50: eigenfunctions of the Laplacian on the tree times
        :math:`\sqrt{\lambda_1/\lambda_j}`, so that the first has standard deviation 1.
    embedding_noise
        Standard deviation of normal noise on each component.
    embedding_shift
        Length of the shift of condition 2 in a random direction, as after failed integration.
    fraction_global, fraction_branch, fraction_local
        Shares of genes that differ between conditions everywhere, in one branch, or in a part of
        one branch (:math:`\cos^2` bump). Half of each go up.
    lfc_global, lfc_branch, lfc_local
        Median absolute log fold change of each kind, where it is largest.
    lfc_spread
        Standard deviation of the log of the absolute log fold change over genes.
    fraction_up
        Share of the differences that are increases.
    local_width
        Half width of the bump, as a share of the branch, above 0 up to 0.5.
    donor_sd
        Root mean square over genes of the standard deviation :math:`\sigma_g` of log expression
        between donors.
    donor_sd_dispersion
        Coefficient of variation of :math:`\sigma_g^2`: scaled inverse chi-square with
        :math:`4 + 2/cv^2` degrees of freedom, 6 by default. 0: all equal.
    donor_state_fraction
        Share of :math:`\sigma_g^2` that varies smoothly over states; the rest is constant.
    donor_frequency
        How much faster that part changes along the tree than :math:`f_g`, above 0 up to 20.
    donor_trend
        Increase of :math:`\log\sigma_g` from pseudotime 0 to 1; `donor_sd` is at 0.5.
    donor_correlation
        Correlation between the two samples of a donor, in expression and composition, if `paired`.
    donor_programs
        Number of gene programmes, of which every gene follows one at random, with a sign of its
        own. 0: donor effects of different genes are independent.
    donor_program_share
        Share of :math:`\sigma_g^2` that is the programme's, if there are any.
    donor_composition
        Concentration :math:`a` of the shares of root and branches in a donor,
        :math:`\mathrm{Dirichlet}(a, \dots, a)`. None: equal shares.
    donor_tilt
        Standard deviation over samples of the slope of log density along a segment, from its start
        to its end.
    abundance_log_odds
        Increase in condition 2 of the log odds of being in the changed part of the tree.
    abundance_branch
        Segment that changes in abundance: "root", "branch_1", ...
    abundance_segment
        Pseudotimes between which it changes, within that segment. None: the whole segment.
    mean_count
        Mean count per gene and cell in condition 1; `mean_count` times `n_genes` is the mean depth.
    mean_count_sd
        Standard deviation of log mean counts over genes.
    state_sd
        Standard deviation of :math:`f_g` over states, root mean square over genes.
    state_sd_spread
        Standard deviation of its log over genes (log-normal). 0: all equal.
    dispersion
        Median of :math:`\alpha_g`, which is log-normal with spread 0.5. 0: Poisson.
    depth_sd
        Standard deviation of the log sequencing depth over cells.
    dtype
        "float32" or "float64", of `X` and the counts.
    random_state
        Seed, at least 0.

    Returns
    -------
    Annotated data with cells in random order and

    - `X`: log1p of counts normalised to 10,000 per cell, CSR; `layers["counts"]`: counts, CSR;
    - `obs`: `condition`, `donor`, `sample`, `branch` ("root", "branch_1", ...), `pseudotime`,
      `true_log_abundance_ratio` (log density of condition 2 over condition 1, both normalised, for
      a donor of average composition);
    - `var`: `effect` ("none", "global", "branch", "local"), `effect_branch`, `is_de`, `true_lfc`
      (signed, where it is largest), `effect_center` and `effect_width` of local effects;
    - `obsm`: `DM_EigenVectors`, and `X_tree`, a picture in two dimensions;
    - `uns["simulation"]`: the arguments; `simulate(**adata.uns["simulation"])` is the same data.

    `true_fold_change` gives :math:`\delta_g(x_i)`. It holds for expected counts at equal depth:
    normalising to 10,000 moves all genes by the log ratio of the expected totals, a few per cent
    at most when few genes differ.

    Raises
    ------
    TypeError
        If an argument is of the wrong type.
    ValueError
        If an argument is outside of its range, or does not agree with another.

    Examples
    --------
    >>> from kompot.datasets import simulate
    >>> adata = simulate(n_cells=200, n_genes=50, n_donors=2, random_state=1)
    >>> adata.shape
    (200, 50)
    >>> list(adata.obs["donor"].cat.categories)
    ['donor_1', 'donor_2', 'donor_3', 'donor_4']
    """
    experiment = Experiment(
        n_genes=n_genes,
        random_state=random_state,
        design=Design(
            n_cells=n_cells,
            conditions=read_conditions(conditions),
            n_donors=read_donors(n_donors),
            paired=read_paired(paired),
            cells_ratio=cells_ratio,
            unequal_cells=read_unequal_cells(unequal_cells),
        ),
        tree=Trajectory(n_branches=n_branches, branch_point=branch_point),
        abundance=Abundance(
            donor_composition=donor_composition,
            donor_tilt=donor_tilt,
            abundance_log_odds=abundance_log_odds,
            abundance_branch=abundance_branch,
            abundance_segment=read_segment(abundance_segment),
        ),
        embedding=Embedding(
            n_dims=n_dims,
            embedding_noise=embedding_noise,
            embedding_shift=embedding_shift,
        ),
        effects=Effects(
            fraction_global=fraction_global,
            fraction_branch=fraction_branch,
            fraction_local=fraction_local,
            lfc_global=lfc_global,
            lfc_branch=lfc_branch,
            lfc_local=lfc_local,
            lfc_spread=lfc_spread,
            fraction_up=fraction_up,
            local_width=local_width,
        ),
        donors=DonorVariation(
            donor_sd=donor_sd,
            donor_sd_dispersion=donor_sd_dispersion,
            donor_state_fraction=donor_state_fraction,
            donor_frequency=donor_frequency,
            donor_trend=donor_trend,
            donor_correlation=donor_correlation,
            donor_programs=donor_programs,
            donor_program_share=donor_program_share,
        ),
        counts=Counts(
            mean_count=mean_count,
            mean_count_sd=mean_count_sd,
            state_sd=state_sd,
            state_sd_spread=state_sd_spread,
            dispersion=dispersion,
            depth_sd=depth_sd,
            dtype=dtype,
        ),
    )
    return experiment.draw()
