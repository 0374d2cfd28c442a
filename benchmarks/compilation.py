"""NumPy beside JAX: how long the same runs take, and how well they agree."""

from argparse import Namespace
from statistics import median
from typing import Any

import report
from bench import Bench
from sidebyside import simulated

CLOSEST = 1e-9
"""Largest difference of distances (relative) and fold changes between NumPy and JAX."""
KINDS = {
    "expression, sparse": {"layer": None},
    "expression, dense": {"layer": "dense"},
    "abundance": {},
}


def jax(bench: Bench, options: Namespace) -> bool:
    """NumPy against JAX on the CPU, and on a GPU if JAX finds one."""
    print(report.heading(bench, "NumPy and JAX (`jit_compile=True`)"))
    data = simulated(bench, options.cells, options.genes)
    rows, met = [], True
    engines = ["jax on a CPU", "jax"]
    for kind, given in KINDS.items():
        base, ours = _runs(bench, options, data, kind, given, engine="numpy")
        rows.append([kind, "NumPy", *_seconds(base), "", ""])
        cpu = ""
        for engine in tuple(engines):
            found, last = _runs(bench, options, data, kind, given, engine=engine)
            if engine == "jax" and last["device"] == cpu:
                engines.remove(engine)  # no GPU: the same again
                continue
            cpu = cpu or last["device"]
            difference = bench.child(
                "jax", "compiled_agreement", f"{kind} {engine} agreement",
                tables=[ours["output"], last["output"]],
            ).report["difference"]  # fmt: skip
            met &= difference <= CLOSEST
            times = base["second_seconds"] / found["second_seconds"]
            rows.append(
                [kind, last["device"], *_seconds(found), f"{times:.2f}", f"{difference:.1g}"]
            )
    header = (
        "run", "computed by", "first run in a process [s]", "second [s]", "times NumPy's speed",
        "largest difference",
    )  # fmt: skip
    print(report.table(header, rows))
    print(
        f"{options.cells:,} cells x {options.genes:,} genes, medians of {options.repeats} "
        "processes without imports and reading. The first run of a process also imports JAX and "
        "compiles; the second, of the same data, does not. No layers are stored."
    )
    if "jax" not in engines:
        print("\nJAX found no GPU on this machine: GPUs are not measured.")
    return met


def _runs(
    bench: Bench, options: Namespace, data: Any, kind: str, given: dict[str, Any], *, engine: str
) -> tuple[dict[str, float], dict[str, Any]]:
    """Median seconds of some processes, and what the last of them reports."""
    found: list[dict[str, Any]] = []
    for repeat in range(1 + options.repeats):
        label = f"{kind} {engine}"
        output = str(bench.path(f"{label.replace(' ', '_')}.npz"))
        run = bench.child(
            "jax", "compiled", f"{label} {repeat}", input=str(data.path), engine=engine,
            function=kind.split(",")[0], options={**data.call, **given}, output=output,
        )  # fmt: skip
        if repeat > 0:  # the first compiles modules to bytecode
            found.append(run.report | {"output": output})
    steps = ("first_seconds", "second_seconds")
    return {step: median(one[step] for one in found) for step in steps}, found[-1]


def _seconds(found: dict[str, float]) -> tuple[str, str]:
    return f"{found['first_seconds']:.2f}", f"{found['second_seconds']:.2f}"
