"""What the documentation promises of the donor-level test, against what the runs show."""

from collections.abc import Iterator, Sequence
from typing import Any

from calibration.scenarios import (
    APART,
    BLOOD,
    COMPLETE_NULLS,
    DEPTHS,
    FEW_GENES,
    FURTHER_NULLS,
    NORMALIZED,
    PROGRAM_EFFECTS,
    PROGRAM_NULLS,
    SAMPLES_APART,
    SENSITIVITY,
    TABLE,
    Scenario,
)
from calibration.summary import Mean, Summary, pick, summarise
from report import table

Record = dict[str, Any]
Line = tuple[str, str, str, str]

EVERY = (
    *(TABLE + SENSITIVITY + NORMALIZED + DEPTHS + PROGRAM_NULLS + PROGRAM_EFFECTS + BLOOD),
    *(FEW_GENES + FURTHER_NULLS),
)
TYPE_1 = (0.03, 0.07)
FALSE_SHARE = 0.06
FALSE_SHARE_2V2 = 0.08
ANY_HIT = 0.10


def promises(records: Sequence[Record]) -> str:
    """Table of promises: what was found and whether it is kept."""
    found = {
        scenario: summarise(runs)
        for scenario in EVERY
        if (runs := pick(records, scenario.number, "donor", scenario.regions))
    }
    lines = [_type_1(found), *_false_shares(found), *_any_hit(found)]
    header = ("promised of the donor-level test", "found", "kept", "rows that break it")
    return table(header, [line for line in lines if line is not None])


def _type_1(found: dict[Scenario, Summary]) -> Line:
    low, high = TYPE_1
    values = {label(scenario): summary.below_05 for scenario, summary in found.items()}
    broken = {k: v for k, v in values.items() if not low <= v.value <= high}
    shares = [v.value for v in values.values()]
    seen = f"{min(shares):.3f} to {max(shares):.3f}" if shares else ""
    return (
        f"p < .05 of true nulls in {low:g} to {high:g}, every row of simulated data",
        seen,
        *_verdict(broken, TYPE_1),
    )


def _false_shares(found: dict[Scenario, Summary]) -> Iterator[Line]:
    effects = {k: v.false_share for k, v in found.items() if not k.is_null}
    two = {
        label(k): v
        for k, v in effects.items()
        if k.donors == (2, 2) and not k.options.get("paired")
    }
    more = {label(k): v for k, v in effects.items() if label(k) not in two}
    for title, limit, group in (
        ("mean FDP at most", FALSE_SHARE, more),
        ("mean FDP at most", FALSE_SHARE_2V2, two),
    ):
        if not group:
            continue
        largest = max(v.value for v in group.values())
        broken = {k: v for k, v in group.items() if v.value > limit}
        which = "2v2" if group is two else "all other rows"
        yield f"{title} {limit:g}, {which}", f"at most {largest:.3f}", *_verdict(broken, (0, limit))


def _any_hit(found: dict[Scenario, Summary]) -> Iterator[Line]:
    nulls = {k: v for k, v in found.items() if k.is_null and k.donors != (2, 2)}
    groups = {
        "": COMPLETE_NULLS,
        ", depths that differ": DEPTHS,
        ", conditions apart and a change of abundance": APART,
        ", samples apart": SAMPLES_APART,
        ", gene programmes": PROGRAM_NULLS,
        ", 60 or 100 genes": FEW_GENES,
        ", pairs, unequal cells or shifted": FURTHER_NULLS,
    }
    for where, scenarios in groups.items():
        rows = {label(k): v for k, v in nulls.items() if k in scenarios}
        if rows:
            yield _hits(rows, where)


def _hits(rows: dict[str, Summary], where: str) -> Line:
    runs = sum(v.n_sets for v in rows.values())
    hits = sum(round(v.any_hit.value * v.n_sets) for v in rows.values())
    broken = {k: v.any_hit for k, v in rows.items() if v.any_hit.value > ANY_HIT}
    kept = "yes" if hits <= ANY_HIT * runs else "**no**"
    title = f"any hit in at most {ANY_HIT:.0%} of complete nulls, 3v3 to 8v8{where}"
    return title, f"{hits} of {runs}", kept, _verdict(broken, (0, ANY_HIT))[1]


def label(scenario: Scenario) -> str:
    """Name of a row that no other has."""
    if scenario in SENSITIVITY:
        return f"other donors, {scenario.name}"
    if scenario in NORMALIZED:
        return f"normalised to 1,000 counts, {scenario.name}"
    if scenario in DEPTHS:
        return f"depths that differ, {scenario.name}"
    return f"null, {scenario.name}" if scenario.is_null else scenario.name


def _verdict(broken: dict[str, Mean], limits: tuple[float, float]) -> tuple[str, str]:
    """Whether a promise is kept, and where it is not, of rows outside of the limits."""
    if not broken:
        return "yes", ""
    low, high = limits
    clear = any(
        mean.value - 2 * mean.error > high or mean.value + 2 * mean.error < low
        for mean in broken.values()
    )
    rows = "; ".join(f"{name}: {mean:.3f}" for name, mean in broken.items())
    return "**no**" if clear else "within two errors", rows
