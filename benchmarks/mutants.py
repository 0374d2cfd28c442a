"""Mutation testing: tries whether tests notice when a line of the numerics is wrong.

    python benchmarks/mutants.py --count 150 --seed 0

Draws small changes ("mutants") of ``gp`` and ``stats`` in ``src/kompot`` at random, applies each
to a private copy of ``src`` and runs the tests that reach it, until one fails. A mutant that no
test notices has survived. Prints the score and the survivors as Markdown.
Needs the environment of the tests and ``coverage``, which says which tests reach which line.
"""

import argparse
import compileall
import contextlib
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import tomllib
import traceback
from collections import defaultdict
from pathlib import Path

from mutations import Mutant, mutants_of

ROOT = Path(__file__).parents[1]
PACKAGES = ("gp", "stats")
TESTS = ("tests/gp", "tests/stats", "tests/models", "tests/anndata", "tests/test_enrichment.py")
EQUIVALENT = ROOT / "benchmarks" / "mutants_equivalent.toml"
OPTIONS = (
    "-q",
    "-o",
    "addopts=--import-mode=importlib",
    "-p",
    "no:cacheprovider",
    "--assert=plain",
)
QUIET = ("-W", "ignore::pytest.PytestAssertRewriteWarning")  # of what is imported already
BROKEN = 99  # exit code of a fork in which this program failed, not a test


def main() -> int:
    """Print the score and the survivors. 0: at least 80 % were noticed; 1: fewer."""
    options = read_options()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "src")
        shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__"))
        compileall.compile_dir(source, quiet=1)  # a changed file is newer than what was compiled
        preload()
        reach = learn_reach(source, options.reach)
        if in_fork(source, lambda: run(list(TESTS[:2])), limit=1800) != 0:
            say("Tests fail without a mutant: mend them first.")
            return 2
        everything = [
            one for name in PACKAGES for one in mutants_of(ROOT / "src" / "kompot" / name)
        ]
        sample = random.Random(options.seed).sample(everything, min(options.count, len(everything)))
        outcomes, end = [], time.monotonic() + 60 * options.minutes
        for number, mutant in enumerate(sample, 1):  # in random order: the first ones are a sample
            outcome = try_mutant(mutant, source, reach, options.budget)
            outcomes.append((mutant, outcome))
            say(f"{number}/{len(sample)} {outcome}: {mutant}")
            if time.monotonic() > end:
                break
    return report(outcomes, len(everything), options)


def read_options() -> argparse.Namespace:
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n")[0])
    parser.add_argument("--count", type=int, default=150, help="size of the sample")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=600, help="stop after these")
    parser.add_argument("--budget", type=float, default=60, help="seconds of tests for each")
    parser.add_argument("--reach", type=Path, help="file that keeps which test reaches which line")
    return parser.parse_args()


def say(text: str) -> None:
    """Tell of the progress, beside the report."""
    print(text, file=sys.stderr, flush=True)


def preload() -> None:
    """Import what the tests import of others: each mutant is tried in a fork of this process."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    sys.dont_write_bytecode = True  # else a mutant could be read from the file of another one
    others = "anndata hypothesis pytest scipy.stats scipy.spatial sklearn.cluster sklearn.neighbors"
    for name in others.split():
        importlib.import_module(name)


class Reach:
    """Tests by the lines that they run, and their durations.

    Parameters
    ----------
    lines
        ``{"gp/rank.py": {"12": [tests]}}``, where a test is a pytest node.
    seconds
        Of each test.
    """

    def __init__(self, lines: dict[str, dict[str, list[str]]], seconds: dict[str, float]):
        self.lines, self.seconds = lines, seconds

    def stages(self, mutant: Mutant, budget: float) -> list[list[str]]:
        """The module's own tests, then others that run the lines of a mutant, quick ones first."""
        lines = self.lines.get(mutant.file, {})
        chosen_lines = lines if mutant.at_import else map(str, mutant.lines)
        found = {test for line in chosen_lines for test in lines.get(line, ())}
        package, name = mutant.file.removesuffix(".py").split("/")
        own = [
            str(p.relative_to(ROOT)) for p in (ROOT / "tests" / package).glob(f"test_*{name}*.py")
        ]
        total, stages = 0.0, [sorted(own)]
        for place in (f"tests/{package}/", ""):
            stage = []
            for test in sorted(found, key=self.seconds.__getitem__):
                if test.startswith(place) and not test.startswith(tuple(own)) and total < budget:
                    total += self.seconds[test]
                    stage.append(test)
            found -= set(stage)
            stages.append(stage)
        return [stage for stage in stages if stage]


class Recorder:
    """Plugin of pytest: names the running test for coverage, and keeps durations."""

    def __init__(self, coverage) -> None:
        self.coverage, self.seconds = coverage, defaultdict(float)
        self.unfit: set[str] = set()

    def pytest_runtest_logstart(self, nodeid):
        """Lines run from now on are reached by this test."""
        self.coverage.switch_context(nodeid)

    def pytest_runtest_logreport(self, report):
        """Add up set-up, call and tear-down; note what fails without a mutant."""
        self.seconds[report.nodeid] += report.duration
        if report.outcome != "passed":
            self.unfit.add(report.nodeid)


def learn_reach(source: Path, kept: Path | None) -> Reach:
    """Run all tests once with coverage of each, or read what such a run found."""
    if kept is None or not kept.exists():
        target = kept or source.parent / "reach.json"
        say("which test reaches which line?")
        in_fork(source, lambda: record(source, target), limit=3600)
        kept = target
    return Reach(**json.loads(kept.read_text()))


def record(source: Path, target: Path) -> int:
    """Run the tests and write which lines each has reached."""
    import coverage
    import pytest

    packages = [str(source / "kompot" / name) for name in PACKAGES]
    measured = coverage.Coverage(data_file=None, include=[f"{p}/*" for p in packages])
    recorder = Recorder(measured)
    measured.start()
    pytest.main([*OPTIONS, *QUIET, *TESTS], plugins=[recorder])
    measured.stop()
    data = measured.get_data()
    lines = {
        str(Path(file).relative_to(source / "kompot")): {
            str(line): [test for test in tests if test and test not in recorder.unfit]
            for line, tests in data.contexts_by_lineno(file).items()
        }
        for file in data.measured_files()
    }
    target.write_text(json.dumps({"lines": lines, "seconds": recorder.seconds}))
    return 0


def in_fork(source: Path, work, limit: float) -> int | None:
    """Run in a fork that imports the package from a source tree; exit code, None if too long."""
    child = os.fork()
    if child == 0:
        os.setsid()
        os.chdir(ROOT)
        said, quiet = os.dup(2), os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(quiet, stream)
        sys.path.insert(0, str(source))
        os.environ["PYTHONPATH"] = str(source)
        code = BROKEN
        try:
            code = int(work())
        except Exception:  # noqa: BLE001 shown, as this process has no other way to tell
            os.write(said, traceback.format_exc().encode())
        finally:
            os._exit(code)
    end = time.monotonic() + limit
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            if code == BROKEN:
                msg = "the tests could not be run; the reason is above."
                raise RuntimeError(msg)
            return code
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def try_mutant(mutant: Mutant, source: Path, reach: Reach, budget: float) -> str:
    """Return ``noticed``, ``too long`` (which is noticed too), ``survived`` or ``no test``."""
    stages = reach.stages(mutant, budget)
    path = source / "kompot" / mutant.file
    original = path.read_text()
    path.write_text(mutant.apply(original))
    try:
        for tests in stages:
            limit = 60 + 4 * sum(reach.seconds.get(test, 0.0) for test in tests)
            code = in_fork(source, lambda tests=tests: run(tests), limit)
            if code != 0:
                return "too long" if code is None else "noticed"
    finally:
        path.write_text(original)
    return "survived" if stages else "no test"


def run(tests: list[str]) -> int:
    """Run tests until one fails."""
    import pytest

    return int(pytest.main([*OPTIONS, *QUIET, "-x", *tests]))


def report(outcomes, n_mutants: int, options: argparse.Namespace) -> int:
    """Print score and survivors as Markdown."""
    known = tomllib.loads(EQUIVALENT.read_text()) if EQUIVALENT.exists() else {}
    alive = [(m, how) for m, how in outcomes if how in ("survived", "no test")]
    same = [(m, known[m.key]) for m, _ in alive if m.key in known]
    open_ = [(m, how) for m, how in alive if m.key not in known]
    noticed = len(outcomes) - len(alive)
    score = noticed / max(len(outcomes) - len(same), 1)
    print(f"* command: `python benchmarks/mutants.py {' '.join(sys.argv[1:])}`")
    print(
        f"* sample: {len(outcomes)} of {n_mutants:,} mutants of gp and stats, seed {options.seed}"
    )
    print(f"* noticed: {noticed} ({noticed / max(len(outcomes), 1):.1%} of all)")
    print(f"* survived and equivalent: {len(same)}; survived: {len(open_)}")
    print(f"* score: {score:.1%} of those that are not equivalent\n")
    print("| place | change | |\n| --- | --- | --- |")
    for mutant, how in sorted(open_):
        print(f"| {mutant.place} | {mutant.change} | {how} |")
    for mutant, reason in sorted(same):
        print(f"| {mutant.place} | {mutant.change} | equivalent: {reason} |")
    return 0 if score >= 0.8 else 1


if __name__ == "__main__":
    sys.exit(main())
