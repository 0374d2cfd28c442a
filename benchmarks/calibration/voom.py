r"""limma-voom on pseudobulk counts, written from its papers (a re-implementation, not the R code).

Counts of samples are scaled by trimmed means of M-values (Robinson & Oshlack 2010, *Genome Biology*
11, R25), turned to log counts per million with precision weights (Law et al. 2014, *Genome Biology*
15, R29), fitted gene by gene, and the residual variances moderated by empirical Bayes (Smyth 2004,
*Stat. Appl. Genet. Mol. Biol.* 3, 3). Genes
with hardly any counts are left out.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, polygamma
from scipy.stats import t as student

Array = NDArray[np.float64]


def any_counts(counts: Array, smallest_group: int) -> NDArray[np.bool_]:
    """Genes with 15 counts, and any in as many samples as the smallest group has.

    Parameters
    ----------
    counts
        ``(n_samples, n_genes)``.
    smallest_group
        Number of samples in the smaller condition.
    """
    enough: NDArray[np.bool_] = counts.sum(axis=0) >= 15
    return enough & ((counts > 0).sum(axis=0) >= smallest_group)


def many_counts(counts: Array, smallest_group: int) -> NDArray[np.bool_]:
    """Genes with 10 counts per median library in as many samples as the smallest group has.

    The rule `filterByExpr` of edgeR (Chen, Lun & Smyth 2016, *F1000Research* 5, 1438).

    Parameters
    ----------
    counts, smallest_group
        As for `any_counts`.
    """
    library = counts.sum(axis=1, keepdims=True)
    wanted = smallest_group if smallest_group <= 10 else 10 + (smallest_group - 10) * 0.7
    found = (counts / library >= 10.0 / np.median(library)).sum(axis=0)
    return any_counts(counts, 0) & (found >= wanted)


def trimmed_mean_factors(counts: Array) -> Array:
    """Factors of library sizes, ``(n_samples,)``, with geometric mean 1."""
    library = counts.sum(axis=1)
    upper = np.quantile(counts / library[:, None], 0.75, axis=1)
    reference = int(np.argmin(np.abs(upper - upper.mean())))
    logs = np.array(
        [
            _log_factor(row, counts[reference], n, library[reference])
            for row, n in zip(counts, library, strict=True)
        ]
    )
    return np.exp2(logs - logs.mean())


def _log_factor(observed: Array, reference: Array, n_observed: float, n_reference: float) -> float:
    """Weighted mean of log2 ratios without the outer 30 % of ratios and 5 % of levels."""
    both = (observed > 0) & (reference > 0)
    one, other = observed[both] / n_observed, reference[both] / n_reference
    ratio, level = np.log2(one / other), np.log2(one * other) / 2
    if len(ratio) == 0 or np.abs(ratio).max() < 1e-6:
        return 0.0
    precision = 1.0 / ((1 - one) / observed[both] + (1 - other) / reference[both])
    kept = _middle(ratio, 0.3) & _middle(level, 0.05)
    return float((precision * ratio)[kept].sum() / precision[kept].sum())


def _middle(values: Array, trimmed: float) -> NDArray[np.bool_]:
    """Which values are left if a share is cut off at each end."""
    rank = np.argsort(np.argsort(values, kind="stable")) + 1
    lowest = int(len(values) * trimmed) + 1
    return (rank >= lowest) & (rank <= len(values) + 1 - lowest)


def lowess(x: Array, y: Array, share: float = 0.5, n_points: int = 200) -> tuple[Array, Array]:
    """Robust local regression at some of the x, three rounds of bisquare weights.

    Returns
    -------
    Increasing places and the fit there, ``(n_points,)`` each; straight lines join them.
    """
    order = np.argsort(x)
    x, y = x[order], y[order]
    n_near = max(3, int(share * len(x)))
    places = np.unique(x[np.linspace(0, len(x) - 1, min(n_points, len(x))).astype(int)])
    distance = np.abs(x[None, :] - places[:, None])
    width = np.partition(distance, n_near - 1, axis=1)[:, n_near - 1 : n_near]
    near = np.clip(1 - (distance / np.maximum(width, 1e-12)) ** 3, 0, None) ** 3
    robust = np.ones(len(x))
    for _ in range(4):
        fit = _local_lines(places, x, y, near * robust)
        residual = y - np.interp(x, places, fit)
        scale = 6 * np.median(np.abs(residual))
        robust = np.clip(1 - (residual / max(scale, 1e-12)) ** 2, 0, None) ** 2
    return places, fit


def _local_lines(places: Array, x: Array, y: Array, weights: Array) -> Array:
    """Value of a weighted straight line at each place, ``(n_places,)``."""
    total = weights.sum(axis=1)
    middle = weights @ x / total
    level = weights @ y / total
    spread = weights @ (x * x) / total - middle**2
    slope = (weights @ (x * y) / total - middle * level) / np.maximum(spread, 1e-12)
    value: Array = level + slope * (places - middle)
    return value


def weighted_fit(values: Array, weights: Array, design: Array) -> tuple[Array, Array, Array]:
    r"""Weighted least squares of each gene.

    Parameters
    ----------
    values, weights
        ``(n_samples, n_genes)``.
    design
        ``(n_samples, n_columns)``, of full rank.

    Returns
    -------
    coefficients
        ``(n_genes, n_columns)``.
    inverse
        :math:`(X^\top W X)^{-1}`, ``(n_genes, n_columns, n_columns)``.
    variance
        Residual variance, ``(n_genes,)``.
    """
    normal = np.einsum("sp,sg,sq->gpq", design, weights, design)
    inverse = np.linalg.inv(normal)
    coefficients = np.einsum("gpq,sq,sg->gp", inverse, design, weights * values)
    residual = values - design @ coefficients.T
    freedom = design.shape[0] - design.shape[1]
    return coefficients, inverse, (weights * residual**2).sum(axis=0) / freedom


def precision_weights(counts: Array, design: Array) -> tuple[Array, Array]:
    """Log2 counts per million and their precision, both ``(n_samples, n_genes)``."""
    library = (counts.sum(axis=1) * trimmed_mean_factors(counts))[:, None]
    values = np.log2((counts + 0.5) / (library + 1) * 1e6)
    ones = np.ones_like(values)
    coefficients, _, variance = weighted_fit(values, ones, design)
    to_counts = np.log2(library + 1) - np.log2(1e6)
    places, trend = lowess(values.mean(axis=0) + to_counts.mean(), variance**0.25)
    expected = design @ coefficients.T + to_counts
    weights: Array = np.interp(expected, places, trend) ** -4
    return values, weights


def inverse_trigamma(value: float) -> float:
    """Where the trigamma function has a value, by Newton's method on its reciprocal."""
    x = 0.5 + 1.0 / value
    for _ in range(50):
        trigamma = polygamma(1, x)
        step = trigamma * (1 - trigamma / value) / polygamma(2, x)
        x += step
        if -step / x < 1e-8:
            break
    return float(x)


def moderated_variance(variance: Array, freedom: int) -> tuple[Array, float]:
    """Variances drawn towards their common prior, and the total degrees of freedom."""
    floored = np.maximum(variance, 1e-5 * np.median(variance))
    error = np.log(floored) - digamma(freedom / 2) + np.log(freedom / 2)
    excess = float(error.var(ddof=1) - polygamma(1, freedom / 2))
    pooled = float(freedom * len(variance))
    if excess <= 0:
        return np.full_like(variance, np.exp(error.mean())), pooled
    prior_freedom = 2 * inverse_trigamma(excess)
    prior = np.exp(error.mean() + digamma(prior_freedom / 2) - np.log(prior_freedom / 2))
    moderated = (prior_freedom * prior + freedom * variance) / (prior_freedom + freedom)
    return moderated, min(prior_freedom + freedom, pooled)


def voom_p_values(counts: Array, design: Array, contrast: Array) -> Array:
    """Two-sided p-values of a contrast, ``(n_genes,)``.

    Parameters
    ----------
    counts
        Sums over cells, ``(n_samples, n_genes)``, of genes with enough counts.
    design
        ``(n_samples, n_columns)``, of full rank, with degrees of freedom left.
    contrast
        ``(n_columns,)``.
    """
    values, weights = precision_weights(counts, design)
    coefficients, inverse, variance = weighted_fit(values, weights, design)
    moderated, freedom = moderated_variance(variance, design.shape[0] - design.shape[1])
    error = np.sqrt(np.einsum("p,gpq,q->g", contrast, inverse, contrast) * moderated)
    p: Array = 2 * student.sf(np.abs(coefficients @ contrast) / error, freedom)
    return p
