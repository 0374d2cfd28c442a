"""Power of the donor-level test beside pseudobulk: ratios, and rows in which they are low."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from calibration.promises import label
from calibration.report import NAMES
from calibration.scenarios import (
    APART,
    BLOOD,
    DEPTHS,
    EFFECTS,
    FEW_GENES,
    NORMALIZED,
    PAIRED,
    PROGRAM_EFFECTS,
    SAMPLES_APART,
    SENSITIVITY,
    SHIFTED,
    UNLIKE_STATES,
    Scenario,
)
from calibration.summary import Mean, pick, power_of
from report import table

Record = dict[str, Any]
Ratios = tuple[Mean, Mean]

PROMISED = {"global": 1.3, "local": 1.0}
RIVALS = (
    *("voom clusters", "voom strict", "voom branches", "voom samples"),
    *("deseq clusters", "deseq branches"),
)


def groups() -> dict[str, list[Scenario]]:
    """Rows with effects whose power is averaged."""
    unlike = [s for s in EFFECTS if UNLIKE_STATES.items() <= s.options.items()]
    found = {
        "with effects, pairs": [s for s in EFFECTS + PAIRED if s not in unlike],
        "states as in blood": BLOOD,
        "unlike states": unlike,
        "gene programmes": PROGRAM_EFFECTS,
        "normalised to 1,000 counts": NORMALIZED,
        "depths that differ": DEPTHS,
        "few genes": FEW_GENES,
        "other donor effects": SENSITIVITY,
        "conditions or samples apart": SHIFTED + APART + SAMPLES_APART,
    }
    return {name: [s for s in rows if not s.is_null] for name, rows in found.items()}


def power(records: Sequence[Record]) -> str:
    """Table of ratios of power: kinds of effects and data by methods."""
    lines = []
    for kind in PROMISED:
        for name, rows in groups().items():
            found = [ratios(records, rows, rival, kind) for rival in RIVALS]
            if any(np.isfinite(ratio.value) for ratio, _ in found):
                lines.append([kind, name, *(_cell(pair, kind) for pair in found)])
    return table(("effects", "data", *(NAMES[rival] for rival in RIVALS)), lines)


def below(records: Sequence[Record]) -> str:
    """Table of the single rows in which a ratio is lower than promised."""
    lines = []
    for kind in PROMISED:
        for row in _every_row():
            found = [(rival, ratios(records, [row], rival, kind)) for rival in RIVALS]
            low = [f"{NAMES[rival]}: {_text(pair)}" for rival, pair in found if _low(pair, kind)]
            if low:
                lines.append([kind, label(row), "; ".join(low)])
    return table(("effects", "data", "method: as called; at equal FDP"), lines)


def ratios(records: Sequence[Record], rows: Sequence[Scenario], rival: str, kind: str) -> Ratios:
    """Mean power over another method's, as called and at equal FDP; NaN if none ran."""
    called, equal = (_ratio(records, rows, rival, kind, equal=equal) for equal in (False, True))
    return called, equal


def _every_row() -> Iterator[Scenario]:
    for rows in groups().values():
        yield from rows


def _ratio(
    records: Sequence[Record], rows: Sequence[Scenario], rival: str, kind: str, *, equal: bool
) -> Mean:
    """Ratio of mean power on the data sets that both methods saw.

    Its standard error is that of a ratio of means, from the spread of data sets within rows.
    """
    shares = []
    for row in rows:
        ours, theirs = (
            {
                r["replicate"]: power_of(r, kind, equal=equal)
                for r in pick(records, row.number, m, row.regions)
            }
            for m in ("donor", rival)
        )
        both = np.array([[ours[k], theirs[k]] for k in ours.keys() & theirs.keys()]).reshape(-1, 2)
        shares.append(both[np.isfinite(both).all(axis=1)])
    n = sum(map(len, shares))
    mean = sum(row.sum(axis=0) for row in shares) / max(n, 1)
    if not n or not mean[1]:
        return Mean(np.nan, np.nan, 0)
    ratio = float(mean[0] / mean[1])
    excess = [row @ [1.0, -ratio] for row in shares if len(row)]
    variance = sum(len(row) * row.var(ddof=min(1, len(row) - 1)) for row in excess) / n
    return Mean(ratio, float(np.sqrt(variance) / mean[1]), n)


def _low(found: Ratios, kind: str) -> bool:
    """Whether either ratio is below what is promised by more than two errors."""
    return any(ratio.value + 2 * ratio.error < PROMISED[kind] for ratio in found)


def _text(found: Ratios) -> str:
    called, equal = found
    return f"{called:.2f}; {equal:.2f}"


def _cell(found: Ratios, kind: str) -> str:
    if not np.isfinite(found[0].value):
        return ""
    return f"**{_text(found)}**" if _low(found, kind) else _text(found)
