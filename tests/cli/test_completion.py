import os
import subprocess
import sys

import pytest


def completions(line):
    """What the shell is told for the last word of a line."""
    words = line.split(" ")
    environment = os.environ | {
        "_KOMPOT_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    command = [sys.executable, "-m", "kompot.cli"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return {line.partition(",")[2] for line in done.stdout.splitlines()}


@pytest.mark.parametrize("name", ["zsh", "fish"])
def test_script_asks_kompot(shell, name):
    code, out, err = shell("completion", name)
    assert (code, err) == (0, "")
    assert "_KOMPOT_COMPLETE" in out


def test_commands_are_completed():
    assert completions("kompot d") == {"de", "da", "dm", "demo"}


def test_options_are_completed():
    assert completions("kompot de --cond") == {"--condition1", "--condition2"}


def test_unknown_shell_is_refused(shell):
    assert shell("completion", "tcsh")[0] == 2
