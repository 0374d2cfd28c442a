"""Run a script beside this one again and again, in one process.

What a first call compiles, half of the time of a small data set, serves the later ones. A line of
the input is the file of a task; a line of the answer says that it is done.
"""

import os
import sys
from importlib import import_module
from pathlib import Path


def main(script: str) -> None:
    """Do the tasks of `script` as their names come in; what it prints goes to the errors."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    answer = os.fdopen(os.dup(1), "w")  # which processes of a task do not inherit
    os.dup2(2, 1)
    run = import_module(script).main
    for line in sys.stdin:
        run(line.strip())
        print("done", file=answer, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
