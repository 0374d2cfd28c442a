"""Test genes between control and treated with one of the packages, and judge what it finds.

Each method returns a score of each gene, larger for those that more likely differ, and which genes
it calls at a false discovery rate of 5 %, None if it has no rule.
"""

import json
import os
import sys
import time
import warnings
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import pandas as pd
from peer_judge import called_by_p_values, judge_genes

MIN_CELLS, MIN_GENES = 10, 20
"""Least cells of a sample in a cluster, and genes to be tested there."""
QUESTION = {"groupby": "condition", "condition1": "control", "condition2": "treated"}
CAPTURE_RATE = 0.07


class CannotRun(Exception):
    """The method says of itself that it cannot; the message has the reason."""


def column(table, ending):
    """The one column with an ending."""
    (name,) = [name for name in table if str(name).endswith(ending)]
    return table[name].to_numpy()


def samples_differ(adata):
    """Column of replicates: donors if both conditions have them, else samples."""
    return "donor" if paired(adata) else "sample"


def paired(adata):
    conditions = adata.obs.groupby("donor", observed=True)["condition"].nunique()
    return bool((conditions > 1).all())


def kompot_donor(adata):
    """Kompot with donors as replicates."""
    import kompot

    kompot.compute_differential_expression(
        adata, **QUESTION, sample_col=samples_differ(adata), random_state=0, progress=False
    )
    return -column(adata.var, "_donor_pvalue"), column(adata.var, "_is_de_sample_var").astype(bool)


def cell_level(adata):
    """Kompot or the original without samples."""
    import kompot

    kompot.compute_differential_expression(adata, **QUESTION, random_state=0, progress=False)
    return column(adata.var, "_mahalanobis"), column(adata.var, "_is_de").astype(bool)


def original_samples(adata):
    """The original with samples at its defaults, if its own plan says that it fits."""
    import kompot

    plan = kompot.de(adata, **QUESTION, sample_col="sample", dry_run=True)
    needed, present = plan.total_memory_required, plan.availability.memory_total
    if needed > present:
        msg = f"its own dry run asks for {needed / 1e9:.0f} GB; {present / 1e9:.0f} are there"
        raise CannotRun(msg)
    return with_samples(adata, {})


def original_limited(adata):
    """The original with samples and few landmarks."""
    return with_samples(adata, {"n_landmarks": 300, "null_genes": 2000})


def with_samples(adata, options):
    import kompot

    kompot.compute_differential_expression(
        adata, **QUESTION, sample_col="sample", random_state=0, progress=False, **options
    )
    called = [name for name in adata.var if "_is_de" in name]
    if not called:
        return column(adata.var, "_mahalanobis_sample_var"), None
    return column(adata.var, "_mahalanobis_sample_var"), adata.var[called[0]].to_numpy(bool)


def bulks(adata, clusters):
    """Counts of samples in each cluster, their labels, and the genes that have enough."""
    from calibration.voom import any_counts
    from scipy import sparse

    code, names = pd.factorize(adata.obs["sample"].astype(str), sort=True)
    first = adata.obs.iloc[np.unique(code, return_index=True)[1]]
    labels = pd.DataFrame({"condition": first["condition"].astype(str).to_numpy()})
    labels["donor"] = first["donor"].astype(str).to_numpy()
    counts = adata.layers["counts"]
    for cluster in np.unique(clusters):
        cells = np.flatnonzero(clusters == cluster)
        number = np.bincount(code[cells], minlength=len(names))
        used = labels[number >= MIN_CELLS]
        if paired(adata):
            used = used[used["donor"].duplicated(keep=False)]
        size = used["condition"].value_counts().reindex(["control", "treated"], fill_value=0).min()
        if size < 2:
            continue
        where = (np.ones(len(cells)), (code[cells], cells))
        sums = (sparse.csr_matrix(where, (len(names), adata.n_obs)) @ counts).toarray()[used.index]
        genes = np.flatnonzero(any_counts(sums.astype(float), int(size)))
        if len(genes) >= MIN_GENES:
            yield sums[:, genes].astype(float), used.reset_index(drop=True), genes


def tested(adata, clusters, test):
    """P-values of each gene in clusters, combined by Simes, and the genes called."""
    from calibration.simes import combine

    parts = [(genes, test(counts, labels)) for counts, labels, genes in bulks(adata, clusters)]
    p = combine(parts, adata.n_vars)
    return -p, called_by_p_values(p)


def deseq_test(counts, labels):
    from deseq import p_values

    treated = labels["condition"] == "treated"
    return p_values(counts, labels.assign(condition=np.where(treated, "b", "a")))


def voom_test(counts, labels):
    from calibration.voom import voom_p_values

    treated = (labels["condition"] == "treated").to_numpy(float)
    columns = [np.ones(len(labels)), treated]
    if labels["donor"].duplicated().any():
        donors = pd.get_dummies(labels["donor"], drop_first=True)
        columns += list(donors.to_numpy(float).T)
    design = np.column_stack(columns)
    return voom_p_values(counts, design, np.eye(design.shape[1])[1])


def whole(adata):
    return np.zeros(adata.n_obs, dtype=int)


def clusters(adata):
    return pd.factorize(adata.obs["cluster"], sort=True)[0]


def lemur(adata):
    """LEMUR: absolute mean over cells of the predicted difference of each gene; has no test."""
    import pylemur

    np.random.seed(0)  # noqa: NPY002 (its alignment draws from the global state)
    adata.X = adata.X.toarray()
    model = pylemur.tl.LEMUR(adata, design="~ condition", n_embedding=15, copy=False)
    model.fit(verbose=False)
    model.align_with_harmony(verbose=False)
    treated, control = (
        np.asarray(model.predict(new_condition=model.cond(condition=name)))
        for name in ("treated", "control")
    )
    return np.abs((treated - control).mean(axis=0)), None


def memento(adata):
    """Memento: test of the mean; genes that it leaves out rank last."""
    import memento as tool

    adata.X = adata.layers["counts"].copy()
    adata.obs["treatment"] = (adata.obs["condition"] == "treated").astype(int)
    replicates = ["donor"] if paired(adata) else []
    table = tool.binary_test_1d(
        adata, CAPTURE_RATE, "treatment", num_cpus=os.cpu_count(), verbose=0, replicates=replicates
    )
    p = table.set_index("gene")["de_pval"].reindex(adata.var_names).to_numpy(float)
    return -p, called_by_p_values(p)


METHODS = {
    "kompot-donor": kompot_donor,
    "kompot-cell": cell_level,
    "original-cell": cell_level,
    "original-samples": original_samples,
    "original-limited": original_limited,
    "deseq-samples": lambda adata: tested(adata, whole(adata), deseq_test),
    "deseq-clusters": lambda adata: tested(adata, clusters(adata), deseq_test),
    "voom-samples": lambda adata: tested(adata, whole(adata), voom_test),
    "voom-clusters": lambda adata: tested(adata, clusters(adata), voom_test),
    "lemur": lemur,
    "memento": memento,
}


def main(task_file: str) -> None:
    task = json.loads(Path(task_file).read_text())
    warnings.simplefilter("ignore")
    import anndata

    adata = anndata.read_h5ad(task["input"])
    known = adata.var["known"].to_numpy(bool)
    started = time.perf_counter()
    try:
        score, called = METHODS[task["method"]](adata)
    except CannotRun as reason:
        report = {"failed": str(reason)}
    else:
        report = {"compute_seconds": time.perf_counter() - started}
        report |= judge_genes(known, score, called, complete="effect" in adata.var)
    Path(task["report"]).write_text(json.dumps(report))


if __name__ == "__main__":
    main(sys.argv[1])
