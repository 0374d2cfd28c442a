"""The tables, from the lines of finished runs."""

from collections.abc import Iterator, Sequence
from typing import Any

from calibration.scenarios import REGION_ROWS, REGIONS, Scenario
from calibration.summary import Summary, pick, summarise
from report import table

Record = dict[str, Any]

NAMES = {
    "donor": "**kompot, donor level**",
    "donor logs": "the same on log-normalised values",
    "voom clusters": "limma-voom, 12 clusters",
    "voom strict": "limma-voom, 12 clusters, edgeR's filter",
    "voom branches": "limma-voom, true branches",
    "voom samples": "limma-voom, whole samples",
    "deseq clusters": "PyDESeq2, 12 clusters",
    "deseq branches": "PyDESeq2, true branches",
    "cell": "kompot, cell level",
    "original": "original 0.8.0",
    "original with samples": "original 0.8.0, sample variance",
}
TYPE_1 = ("p < .05", "p < .01")
NULL_HEADER = ("data", "method", "sets", *TYPE_1, "any hit", "mean hits")
EFFECT_HEADER = (
    *("data", "method", "sets", *TYPE_1, "FDP", "SD", "power global", "power local"),
    *("global, at equal FDP", "local, at equal FDP"),
)


def section(records: Sequence[Record], scenarios: Sequence[Scenario]) -> str:
    """Table of some rows, all methods that ran on them; empty if none did."""
    null = all(scenario.is_null for scenario in scenarios)
    header, cells = (NULL_HEADER, null_cells) if null else (EFFECT_HEADER, effect_cells)
    lines = list(_lines(records, scenarios, cells))
    return table(header, lines) if lines else ""


def null_cells(found: Summary) -> list[str]:
    """Cells of a row in which no gene differs."""
    called = f"{found.n_called.value:.1f}" if found.n_sets else ""
    return [
        f"{found.below_05:.3f}",
        f"{found.below_01:.4f}",
        f"{round(found.any_hit.value * found.n_sets)} of {found.n_sets}",
        called,
    ]


def effect_cells(found: Summary) -> list[str]:
    """Cells of a row with effects."""
    return [
        f"{found.below_05:.3f}",
        f"{found.below_01:.4f}",
        f"{found.false_share:.3f}",
        f"{found.false_share.sd:.3f}" if found.false_share.n > 1 else "",
        f"{found.power_global:.2f}",
        f"{found.power_local:.2f}",
        f"{found.equal_global:.2f}",
        f"{found.equal_local:.2f}",
    ]


def _lines(records: Sequence[Record], scenarios: Sequence[Scenario], cells: Any) -> Iterator[list]:
    for scenario in scenarios:
        for method, name in NAMES.items():
            found = pick(records, scenario.number, method, scenario.regions)
            if found:
                summary = summarise(found)
                yield [scenario.name, name, summary.n_sets, *cells(summary)]


def regions(records: Sequence[Record]) -> str:
    """Table of other numbers of regions, on data sets that all have seen; empty if none."""
    header = ("data", "regions", "sets", *TYPE_1, "any hit", "FDP", "power global", "power local")
    lines = []
    for scenario in REGION_ROWS:
        runs = {
            name: pick(records, scenario.number, "donor", numbers)
            for name, numbers in REGIONS.items()
        }
        common = set.intersection(*({r["replicate"] for r in found} for found in runs.values()))
        for name, found in runs.items():
            summary = summarise([r for r in found if r["replicate"] in common])
            if summary.n_sets:
                cells = effect_cells(summary)
                any_hit = null_cells(summary)[2]
                kind = "complete null" if scenario.is_null else "with effects"
                false_share = "" if scenario.is_null else cells[2]
                lines.append(
                    [
                        f"{scenario.name}, {kind}",
                        name,
                        summary.n_sets,
                        *cells[:2],
                        any_hit,
                        false_share,
                        *cells[4:6],
                    ]
                )
    return table(header, lines) if lines else ""
