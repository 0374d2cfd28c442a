"""The tables, from the lines of finished runs."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from calibration.promises import promises
from calibration.scenarios import (
    COMPLETE_NULLS,
    EFFECTS,
    PAIRED,
    REGION_ROWS,
    REGIONS,
    SENSITIVITY,
    SHIFTED,
    Scenario,
)
from calibration.summary import Summary, pick, summarise
from report import table

Record = dict[str, Any]

NAMES = {
    "donor": "**kompot, donor level**",
    "voom clusters": "limma-voom, 12 clusters",
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
EFFECT_HEADER = ("data", "method", "sets", *TYPE_1, "FDP", "SD", "power global", "power local")


def report(records: Sequence[Record]) -> str:
    """All tables as Markdown."""
    titles = {
        "Complete nulls": (COMPLETE_NULLS, NULL_HEADER, null_cells),
        "With effects": (EFFECTS, EFFECT_HEADER, effect_cells),
        "The same donors in both conditions": (PAIRED, EFFECT_HEADER, effect_cells),
        "Embeddings shifted by condition": (SHIFTED, EFFECT_HEADER, effect_cells),
        "Other donor effects (4v4 unless stated, donor sd 0.2 unless stated)": (
            SENSITIVITY,
            EFFECT_HEADER,
            effect_cells,
        ),
    }
    parts = ["### What is promised, and what was found", "", promises(records)]
    for title, (scenarios, header, cells) in titles.items():
        lines = list(_lines(records, scenarios, cells))
        parts += [f"### {title}", "", table(header, lines)]
    parts += ["### Numbers of regions, same data sets", "", _regions(records)]
    return "\n".join(parts)


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
        f"{found.false_share.sd:.3f}",
        f"{found.power_global:.2f}",
        f"{found.power_local:.2f}",
    ]


def _lines(records: Sequence[Record], scenarios: Sequence[Scenario], cells: Any) -> Iterator[list]:
    for scenario in scenarios:
        for method, name in NAMES.items():
            found = pick(records, scenario.number, method, scenario.regions)
            if found:
                summary = summarise(found)
                yield [scenario.name, name, summary.n_sets, *cells(summary)]


def _regions(records: Sequence[Record]) -> str:
    """The donor-level test with other numbers of regions, on data sets that all have seen."""
    header = ("data", "regions", "sets", *TYPE_1, "any hit", "FDP", "power global", "power local")
    lines = []
    for scenario in REGION_ROWS:
        runs = {
            name: pick(records, scenario.number, "donor", regions)
            for name, regions in REGIONS.items()
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
                        *cells[4:],
                    ]
                )
    return table(header, lines)


def versions(records: Sequence[Record]) -> str:
    """Versions of this project that the runs come from, with their numbers of runs."""
    names, counts = np.unique([r["source"] for r in records], return_counts=True)
    return ", ".join(f"{name} ({count})" for name, count in zip(names, counts, strict=True))
