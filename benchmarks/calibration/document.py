"""The page around the tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from calibration.kang import divided, kang, mixed
from calibration.likeness import likeness
from calibration.power import below, power
from calibration.promises import promises
from calibration.report import NAMES, regions, section
from calibration.scenarios import (
    APART,
    BLOOD,
    COMPLETE_NULLS,
    DEPTHS,
    EFFECTS,
    FEW_GENES,
    FURTHER_NULLS,
    NORMALIZED,
    PAIRED,
    PROGRAM_EFFECTS,
    PROGRAM_NULLS,
    SAMPLES_APART,
    SENSITIVITY,
    SHIFTED,
)

Record = dict[str, Any]

INTRODUCTION = """# Calibration of the donor-level test of expression

Is a gene called at a false discovery rate of 5 % false 5 % of the time, for *new donors*? Simulated
data sets with known truth and donors that differ, the donor-level test and other methods on the
same data, and one real data set.

```bash
python benchmarks/calibration_expression.py --kang kang_ifnb.h5ad --peers deseq original \\
    --write benchmarks/CALIBRATION.md
```

makes this page; nothing in the tables is typed. Runs are kept, a line each, in
`benchmarks/results/calibration_expression.jsonl`, so that the command can be stopped and called
again, and goes on where it stopped; `--report-only` runs nothing. Seeds are fixed and used by no
test.
"""

OTHERS = """These are simulated data. Real cells of which samples held unlike shares of the types
have a section below; where conditions are far apart in composition, or moved in the embedding as
well, the promises do not hold there.
"""

POWER = """Power of the donor-level test over that of others, means over the data sets of all rows
with effects: *as called; at equal FDP* (see Methods). In brackets: standard errors. Promised are
1.3 of global and 1.0 of local effects, both ways, with ordinary donors in an embedding that the
conditions share; **bold** is what is below by more than two errors one way or the other.
"""

BELOW = """Single rows in which the power of the donor-level test over another method's is below 1.3
(global) or 1.0 (local effects) by more than two errors, as called or at equal FDP:
"""

DATA = """## Data

`kompot.datasets.simulate`: 1,000 genes, 350 cells per sample on average; negative binomial counts
on a tree of three segments; donors differ in composition (Dirichlet), in numbers of cells and in
the expression of every gene. Unless a row says otherwise, the standard deviation of log expression
between donors is 0.1 (root mean square), its square differs from gene to gene (inverse chi-square,
6 degrees of freedom), and half of it depends on the cell state; 5 % of the genes differ between the
conditions everywhere (median absolute log fold change 0.5) and 5 % in a part of one branch (1.5 at
the peak).

* *Unlike states*: every gene varies over states with a standard deviation of 1 on the log scale
  instead of 0.5.
* *States as in blood*: it differs from gene to gene (log-normal, root mean square 1.1, standard
  deviation of its log 0.65), so that a few genes vary far more than most, as in blood. States are
  the same tree as elsewhere, and which genes change together is not that of blood.
* *Programmes*: 80 % of the variance between donors, standard deviation 0.3, is that of five
  programmes, one of which every gene follows, up or down. Effects are twice as large as elsewhere.
* *Effects x 1.5* multiplies both kinds.
* *Pairs*: the two samples of a donor share 70 % of the donor's variance.
* *Shift*: condition 2 is moved in the embedding, in units of the standard deviation of the first
  component.
* *One branch more abundant*: its odds are e = 2.7 times as large in condition 2.
"""

LIKENESS = """How unlike states are: standard deviation of log mean expression over the five cell
types of the blood data below, or over five clusters of simulated states (quantiles over genes with
200 counts):
"""

METHODS = """## Methods

* **kompot, donor level**: `kompot.models.donor_expression`, regions 1, 4 and 12, tail false
  discovery rate below 0.05.
* **limma-voom** and **PyDESeq2**: sums of counts per sample in clusters, one test per cluster,
  Simes over clusters, Benjamini-Hochberg over genes. The *12 clusters* are the finest regions of
  the donor-level test; *whole samples* is one sum per sample. Samples with fewer than 10 cells in a
  cluster are left out there, and genes with fewer than 15 counts or no count in most samples. The
  filter usual for whole samples (`filterByExpr` of edgeR) is stricter: *edgeR's filter*. limma-voom
  is written from its papers (`calibration/voom.py`): trimmed means of M-values, precision weights,
  moderated t; PyDESeq2 0.5.4 at its defaults.
* **kompot, cell level** and **original 0.8.0**: no samples, shuffled null genes, local false
  discovery rate below 0.05, at the defaults of each. **Original, sample variance**: `sample_col`,
  with `null_genes=2000` because it switches its false discovery rate off otherwise, and
  `n_landmarks=300` because it needs 33 GB for 2,100 cells and 1,000 genes without.

Designs are the same for all: paired where donors are. PyDESeq2 and the original take longer and ran
on up to 20 data sets of a row; the tables say on how many (a null that one data set breaks says
something, a rate over one hardly).

*p < .05*, *p < .01*: share of the true nulls that were tested. *FDP*: mean over data sets of the
share of the called genes that are true nulls, 0 where nothing is called; *SD* over data sets.
*Power*: share of all genes with such an effect that are called. *At equal FDP*: share of them among
the first genes in rank of which at most 5 % truly are false, that is what would be called if every
method kept its promise exactly (nothing where p-values count shuffled genes: the smallest are
equal). In brackets: Monte-Carlo standard errors over data sets.
"""

SECTIONS = (
    (
        "Complete nulls",
        "No gene differs, so that every hit is false. Rows: numbers of donors; donor effects of "
        "no, usual and large size, and without dependence on the state; what a change of abundance "
        "and unequal numbers of cells can feign.",
        COMPLETE_NULLS,
    ),
    ("Complete nulls: pairs, unequal numbers of cells, shifted embeddings", "", FURTHER_NULLS),
    ("With effects", "Kinds and shares of effects, sizes of donor effects.", EFFECTS),
    (
        "Panels of few genes",
        "The distribution of variances between samples is learned from the genes, and few say "
        "little of how rare large ones are.",
        FEW_GENES,
    ),
    (
        "States as in blood",
        "Effects as above; genes vary over states by as much as over the cell types of blood.",
        BLOOD,
    ),
    (
        "Gene programmes: complete nulls",
        "Genes that go up and down together. What few programmes do by chance hundreds of genes "
        "show: hits are rare, but come in numbers.",
        PROGRAM_NULLS,
    ),
    ("Gene programmes: with effects", "", PROGRAM_EFFECTS),
    ("The same donors in both conditions", "", PAIRED),
    (
        "Embeddings shifted by condition",
        "As after integration that failed. Where the conditions hardly overlap, samples are "
        "compared with what mixtures of cell states would express, and some local power is lost. "
        "Clusters that hold one condition only cannot be tested, by pseudobulk either.",
        SHIFTED,
    ),
    (
        "Embeddings shifted by condition, and a change of abundance",
        "No region overlaps, and the mixture of states differs. "
        "The odds of one branch are 2.7 or 4.5 times as large in condition 2.",
        APART,
    ),
    (
        "Samples apart in the embedding",
        "Two thirds of each sample's cells, those late in pseudotime, are moved in the embedding, "
        "every sample its own way.",
        SAMPLES_APART,
    ),
    (
        "Other donor effects",
        "4v4, donor sd 0.2 and effects as above unless stated. Donor effects of other size, "
        "smoothness and trend over cell states than the method was developed on.",
        SENSITIVITY,
    ),
    (
        "Normalised to 1,000 counts",
        "Cells have 700 counts here. Above they are normalised to 10,000, so that one count is "
        "worth 2.7 on the log scale; normalised to 1,000, nearly the median that "
        "`scanpy.pp.normalize_total` takes at its defaults, it is worth 0.9. The donor-level test "
        "compares counts, so that this should not matter.",
        NORMALIZED,
    ),
    (
        "Samples sequenced to different depths",
        "Counts thinned at random, then normalised: to half in all cells of condition 2, or in "
        "each sample to a share of its own (standard deviation of its log 0.35). *The same on "
        "log-normalised values* is the donor-level test as it was before, on means of log1p of "
        "normalised counts as they are given: these depend on the depth.",
        DEPTHS,
    ),
)

DIVIDED = """Each donor's cells (2 pairs), or each sample's (4 pairs), at random in two: nothing
differs, and all variance is that of sampling real cells. *Half the depth*: one of the two halves
keeps half of its counts, thinned at random.
"""

MIXED = """Samples made of the same cells, those of one condition at a time (5 data sets of each).
Shares of the cell types differ between samples at random, and between conditions A and B by
factors: the odds of two of the types differ as stated, those of others less. Condition B is moved
in the embedding, in standard deviations of the first component. Nothing else differs: every call is
false.
"""

LIMITS = """## Not shown

The rows with unlike states, and those with unequal numbers of donors and cells, were added after
the results of the others had been seen; rules followed from them. That a comparison of raw
means does not count where finer regions can be adjusted (`RegionRules.max_covered`) followed from
*one branch more abundant*; that the error of an effect is matched to its own sampling noise
(`RegionRules.match_sampling`) from *3v9* and *2v3* and, for the adjustment for state, from *shift*.
That no error is below the sampling noise followed from the blood cells divided at random: 11 of 30
divisions of 2 pairs had hits without it. The rows' data sets are the same as before.

That samples are weighed by their cells, with the error that each gene then has
(`kompot.stats.sample_precision`), followed from local effects, of which limma-voom in 12 clusters,
which weighs samples too, had found more; that donors are never counted on to weigh less on an
effect than on its error, from *3v9, the 3 with a third of the cells each*. That the distribution of
variances keeps a share for large ones (`RegionRules.admixture`) followed from complete nulls, of
which *4v4, unlike states* had hits in 16 of 100. Its size was chosen among four on data sets of
seven of these rows that are shown here. On fresh ones, 3v3, 4v4 and 4v4 with unlike states, 100
each, 7 of 300 had hits.

That counts are compared (`kompot.models.normalized_counts`, `kompot.stats.log_means`) followed from
limma-voom's local effects, too, and from *samples sequenced to different depths*, which had not
been looked at before. Its constants: four prior counts, chosen among four values on data sets of
nine rows (numbers 700 on, not shown); the knee of 16 counts, from HBB in the blood cells divided at
random, of which a few red cells decide, and from nulls at half the depth. That state effects of
counts are undersmoothed followed from *shift 0.25*; that effects are centred on what most genes do
(`kompot.stats.commonest`) from a review of trimmed means of M-values, after which the rows *all
increase* were added. How far to undersmooth (10, not 3), from how many genes on to centre (150) and
that raw means do not count where 5 % of the cells can be adjusted were chosen on a few data sets
each, the last on real cells sampled with unlike shares of their types.

That regions without overlap are compared with what mixtures of cell states would express
(`kompot.stats.state_mixtures`) followed from a data set like *8v8, unlike states, shift 0.25, one
branch 4.5 x*, of whose calls 87 % were false by raw means; the rows with a shift and a change of
abundance were added for it. *Samples of real cells with other mixtures* are harder, and rows of
theirs, other seeds, decided what is standardised, and that no region is adjusted where most cells
are apart (`RegionRules.min_overlapping`). They have no differences between donors, so that the
smallest bias shows. That a cluster must be shared by several samples of a side to say what is
expressed there (`kompot.stats.state_mixtures.known_clusters`) followed from a review with samples
apart from each other; the rows of that name were added then. That no region is adjusted, either,
where genes show less than half of what states predict (`kompot.stats.state_agreement`) followed
from the same real cells moved by a twentieth of a standard deviation: half of them had false calls.
What no rule sees: a move along with a change of composition that genes do follow.

*Gene programmes* and *states as in blood* were added when all rules were fixed, and none followed
from them. That the share kept for large variances grows where genes are fewer than 300 followed
from a review with panels of 60 to 200 genes: without, 3 to 18 % of complete nulls of 60 had hits.
How was chosen among four ways on 700 such data sets, other seeds than those shown. The two numbers
of *states as in blood* were chosen to fit the blood cells, before any method had run; genes that
vary most do so less than in blood still. At a complete null with programmes more p-values are below
0.01 than should be (0.012 to 0.013), since the variances of genes that move together do not tell
how much they vary.

Donors are simulated as normal on the log scale and independent. A confounder aligned with the
conditions (batch, sex) is called by every method. Real donors without an effect are the better
judge: `kompot.null_check` repeats the analysis on splits of the donors within a condition.
"""


def document(records: Sequence[Record], kang_file: Path | None = None) -> str:
    """Return the page.

    Parameters
    ----------
    records
        Finished runs.
    kang_file
        Path of ``kang_ifnb.h5ad``, if it is to be included.
    """
    parts = [INTRODUCTION, _sources(records), "## What is promised, and what was found\n"]
    parts += [promises(records), OTHERS, "### Power beside pseudobulk\n", POWER, power(records)]
    parts.append(DATA)
    if kang_file is not None:
        parts += [LIKENESS, likeness(kang_file)]
    parts += [METHODS, "## Results\n"]
    for title, text, scenarios in SECTIONS:
        found = section(records, scenarios)
        if found:
            parts += [f"### {title}\n", f"{text}\n" if text else "", found]
    found = regions(records)
    if found:
        parts += ["### Numbers of regions\n\nOn the same data sets.\n", found]
    if kang_file is not None:
        parts += ["### Interferon-beta on blood cells\n", kang(kang_file)]
        parts += ["### The same cells divided at random\n", DIVIDED, divided(kang_file)]
        parts += ["### Samples of real cells with other mixtures\n", MIXED, mixed(kang_file)]
    parts += ["### Rows in which power is lower\n", BELOW, below(records)]
    return "\n".join([part for part in [*parts, LIMITS] if part])


def _sources(records: Sequence[Record]) -> str:
    """Versions of this project that the runs come from."""
    if not records:
        return "No runs yet.\n"
    donor = [r["source"] for r in records if r["method"] == "donor"]
    names, counts = np.unique(donor, return_counts=True)
    listed = ", ".join(f"{name} ({count})" for name, count in zip(names, counts, strict=True))
    used = ", ".join(name for name in NAMES if any(r["method"] == name for r in records))
    return f"{len(records)} runs ({used}). Source of those at donor level: {listed}.\n"
