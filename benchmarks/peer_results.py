"""What the runs of a method on a problem say together."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean, median, stdev
from typing import Any

from peer_methods import PROBLEMS, Method, Problem, methods_of

Record = dict[str, Any]
LEVEL = 0.05
RANKING = {"expression": "precision", "abundance": "auc"}
RANKED_BY = {"expression": "average precision", "abundance": "area under ROC"}
"""What rankings of genes and of cells are compared by."""
RATE = {"expression": "fdp", "abundance": "fdp_shares"}
"""What is to be at most 5 %: of cells, calls that are true of no change of share."""


@dataclass(frozen=True)
class Summary:
    """Runs of a method on a problem.

    Attributes
    ----------
    method, problem
        Which.
    timed
        Runs whose time counts: those on an idle machine if there are any.
    judged
        One run of each data set.
    failure
        Why there are none or no more; empty if there is no reason.
    """

    method: Method
    problem: Problem
    timed: tuple[Record, ...]
    judged: tuple[Record, ...]
    failure: str

    @property
    def idle(self) -> bool:
        """Whether times are those of an idle machine."""
        return all(run["idle"] for run in self.timed)

    @property
    def seconds(self) -> float:
        """Median wall time of whole processes."""
        return median(run["seconds"] for run in self.timed)

    @property
    def peak(self) -> float:
        """Median of the largest resident memory, bytes."""
        return median(run["peak_bytes"] for run in self.timed)

    def mean(self, name: str) -> float | None:
        """Mean over data sets; None if the method does not give it."""
        values = [run[name] for run in self.judged if run.get(name) is not None]
        return mean(values) if values else None

    def error(self, name: str) -> float:
        """Standard error of that mean; 0 of a single data set."""
        values = [run[name] for run in self.judged if run.get(name) is not None]
        return stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0

    @property
    def excess(self) -> float | None:
        """Mean false discovery proportion over 5 %, in standard errors; None without calls.

        Of a single data set, the binomial error of its calls; infinite where there is no error.
        """
        rate = RATE[self.problem.kind]
        found = self.mean(rate)
        if found is None:
            return None
        error = self.error(rate)
        if len(self.judged) == 1:
            error = (found * (1 - found) / max(self.judged[0]["called"], 1)) ** 0.5
        over = found - LEVEL
        return over / error if error > 0 else math.copysign(math.inf, over)


def summaries(records: Sequence[Record], problem: Problem) -> list[Summary]:
    """Every method on a problem, whether it was run or not."""
    return [summarise(records, problem, method) for method in methods_of(problem.kind)]


def summarise(records: Sequence[Record], problem: Problem, method: Method) -> Summary:
    """Runs of a method on a problem."""
    own = [run for run in records if run["method"] == method.key]
    here = [run for run in own if run["problem"] == problem.key]
    done = [run for run in here if "failed" not in run]
    idle = [run for run in done if run["idle"]]
    judged = {run["seed"]: run for run in done}
    failure = next((run["failed"] for run in here if "failed" in run), "")
    if not here:
        failure = earlier_failure(own, problem) or "not run"
    return Summary(method, problem, tuple(idle or done), tuple(judged.values()), failure)


def earlier_failure(own: Sequence[Record], problem: Problem) -> str:
    """Why a method was not run on more cells."""
    for run in own:
        other = PROBLEMS[run["problem"]]
        if "failed" in run and other.kind == problem.kind and 0 < other.n_cells < problem.n_cells:
            return f"not run: {run['failed']} at {other.title}"
    return ""


def ranks(found: Sequence[Summary], name: str) -> list[tuple[float, Summary]]:
    """Mean and summary of the methods that give a number, largest first."""
    given = [(value, one) for one in found if (value := one.mean(name)) is not None]
    return sorted(given, key=lambda pair: -pair[0])


def conclusions(found: Sequence[Summary], ours: str) -> str:
    """Who is first, and who is before us, in sentences."""
    problem = found[0].problem
    judged = [one for one in found if one.judged]
    own = next((one for one in judged if one.method.key == ours), None)
    if own is None:
        return ""
    parts = [f"{len(own.judged)} data {'set' if len(own.judged) == 1 else 'sets'}."]
    name = RANKING[problem.kind]
    ranked = ranks(judged, name)
    parts.append(_places(f"Highest {RANKED_BY[problem.kind]}", ranked, own, name))
    judged = [one for one in judged if one.excess is not None]
    held = [one for one in judged if (one.excess or 0) <= 0]
    of_what = "" if problem.kind == "expression" else " of shares"
    title = f"Power where the mean false discovery proportion{of_what} is at most 5 %"
    parts.append(_places(title, ranks(held, "power"), own, "power"))
    unclear = [one for one in judged if 0 < (one.excess or 0) <= 2]
    above = [one for one in judged if (one.excess or 0) > 2]
    parts.append(_beyond("Above 5 % by at most two standard errors", unclear))
    parts.append(_beyond("Above 5 % by more", above))
    parts.append(_speed([one for one in found if one.timed], own))
    return " ".join(part for part in parts if part)


def _places(title: str, ranked: list[tuple[float, Summary]], own: Summary, name: str) -> str:
    """The first three, and what separates us from the first."""
    if not ranked:
        return f"{title}: none."
    shown = ", ".join(f"{one.method.title} {value:.3f}" for value, one in ranked[:3])
    ours = own.mean(name)
    if all(one is not own for _, one in ranked) or ours is None:
        return f"{title}: {shown}; {own.method.title} is not among them."
    ahead = [(value, one) for value, one in ranked if round(value, 3) > round(ours, 3)]
    if not ahead:
        return f"{title}: {shown}."
    before = ", ".join(one.method.title for _, one in ahead)
    return f"{title}: {shown}. **{own.method.title} ({ours:.3f}) is behind {before}.**"


def _beyond(title: str, found: list[Summary]) -> str:
    """Methods with too many false discoveries."""
    listed = [
        f"{one.method.title} (proportion {one.mean(RATE[one.problem.kind]):.3f}, "
        f"power {one.mean('power'):.3f})"
        for one in found
    ]
    return f"{title}: {', '.join(listed)}." if listed else ""


def _speed(timed: list[Summary], own: Summary) -> str:
    """Times beside ours."""
    if own not in timed:
        return ""
    ordered = sorted(timed, key=lambda one: one.seconds)
    faster = [one for one in ordered if one.seconds < own.seconds and one is not own]
    slower = [one for one in ordered if one.seconds > own.seconds]
    text = f"{own.method.title} took {own.seconds:.1f} s"
    if faster:
        listed = ", ".join(f"{one.method.title} ({one.seconds:.1f} s)" for one in faster)
        text += f"; faster: {listed}"
    if slower:
        listed = ", ".join(
            f"{one.method.title} ({one.seconds / own.seconds:.1f} x)" for one in slower
        )
        text += f"; slower: {listed}"
    return text + "."
