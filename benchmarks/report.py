"""The printed report: what was run where, and tables."""

import os
import platform
import shlex
import subprocess
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from statistics import median

from bench import HERE, Bench, Measurement

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "XLA_FLAGS")


def heading(bench: Bench, title: str) -> str:
    """Title, command, date, machine and versions."""
    lines = [
        f"## {title}",
        "",
        f"* command: `{shlex.join(['python', 'benchmarks/run.py', *bench.words])}`",
        f"* date: {datetime.now().astimezone().strftime('%Y-%m-%d %H:%M %Z')}",
        f"* source: {source_version()}",
        f"* machine: {machine()}",
    ]
    for package in bench.pythons:
        found = bench.child(package, "versions", f"versions {package}").report
        lines.append(f"* {package}: {', '.join(f'{k} {v}' for k, v in found.items())}")
    return "\n".join([*lines, ""])


def machine() -> str:
    """Processor, cores, memory, system, load and thread limits, in words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    limits = [f"{name}={os.environ[name]}" for name in THREADS if name in os.environ]
    return ", ".join(
        [
            processor(),
            f"{cores} cores",
            f"{memory:.0f} GB memory",
            f"{platform.system()} {platform.machine()}",
            f"load average before {os.getloadavg()[0]:.1f}",
            *limits,
        ]
    )


def processor() -> str:
    """Name of the processor."""
    info = Path("/proc/cpuinfo")
    names = [
        line.partition(":")[2].strip()
        for line in (info.read_text().splitlines() if info.is_file() else [])
        if line.startswith("model name")
    ]
    return names[0] if names else platform.processor() or platform.machine()


def source_version() -> str:
    """Commit of this project, and whether code has changed since."""
    commit = _git("describe", "--always")
    changed = _git("status", "--porcelain", "--", "../src/kompot", "*.py")
    return f"{commit or 'unknown'}{'-dirty' if changed else ''}"


def _git(*arguments: str) -> str:
    try:
        found = subprocess.run(
            ["git", *arguments], cwd=HERE, capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return found.stdout.strip()


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Markdown table."""
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in [header, *rows]]
    return "\n".join([lines[0], "|" + " --- |" * len(header), *lines[1:], ""])


def median_seconds(runs: Sequence[Measurement]) -> float:
    """Median wall time."""
    return median(run.seconds for run in runs)


def median_peak(runs: Sequence[Measurement]) -> float:
    """Median peak memory, bytes."""
    return median(run.peak_bytes for run in runs)


def seconds_with_range(runs: Sequence[Measurement]) -> str:
    """Median wall time and, of several runs, the shortest and longest."""
    times = sorted(run.seconds for run in runs)
    spread = f" ({times[0]:.2f} to {times[-1]:.2f})" if len(times) > 1 else ""
    return f"{median(times):.2f}{spread}"
