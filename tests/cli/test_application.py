import re
import subprocess
import sys

import pytest

import kompot
from kompot.cli import application


def python(code, **kwargs):
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, **kwargs
    )


def test_version(shell):
    assert shell("--version") == (0, f"kompot {kompot.__version__}\n", "")


@pytest.mark.parametrize("args", [(), ("-h",), ("--help",)])
def test_help_lists_the_commands(shell, args):
    code, out, err = shell(*args)
    assert (code, err) == (0, "")
    assert re.search(r"^  de +Test genes", out, re.MULTILINE)
    assert re.search(r"^  demo +Simulate", out, re.MULTILINE)
    assert re.search(r"^  report +Write a page", out, re.MULTILINE)


@pytest.mark.parametrize("args", [["--help"], ["--version"], []])
def test_help_and_version_import_no_analysis(args):
    code = f"""
import sys
from kompot.cli import main
try:
    main({args})
finally:
    loaded = {{"anndata", "numpy", "pandas", "matplotlib"}} & set(sys.modules)
    assert not loaded, loaded
"""
    assert python(code).returncode == 0


def test_is_a_module_too():
    command = [sys.executable, "-m", "kompot.cli", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("kompot ")


def test_unknown_command_is_a_usage_error(shell):
    code, out, err = shell("dee")
    assert (code, out) == (2, "")
    assert "No such command 'dee'. Did you mean 'de'?" in err


def test_unknown_option_suggests_the_nearest(shell):
    code, out, err = shell("de", "--conditon1", "a")
    assert (code, out) == (2, "")
    assert "--condition1" in err


COMMANDS = ["dm", "de", "da", "report", "runs", "cleanup", "demo", "completion"]


@pytest.mark.parametrize("command", COMMANDS)
def test_wrong_options_of_any_command_are_usage_errors(shell, command):
    code, out, err = shell(command, "--hepl")
    assert (code, out) == (2, "")
    assert "Did you mean" in err or "Possible options" in err
    assert "--help" in err.splitlines()[-1]


@pytest.mark.parametrize("command", [*COMMANDS, "plan", "smooth"])
def test_help_fits_80_columns(shell, command):
    code, out, _ = shell(command, "-h")
    assert code == 0
    assert max(map(len, out.splitlines())) <= 80
    assert not any(line.endswith("[default:") for line in out.splitlines())
    assert "\N{NO-BREAK SPACE}" not in out
    assert re.search(r"Example.*:\n    kompot", out)


def fail_with(monkeypatch, error):
    def fail(*_args, **_kwargs):
        raise error

    monkeypatch.setattr("kompot.cli.demo.run_demo", fail)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("the reason"),
        TypeError("the reason"),
        KeyError("the reason"),
        OSError("the reason"),
        MemoryError("the reason"),
        NotImplementedError("the reason"),
    ],
)
def test_refusal_is_one_line(shell, monkeypatch, error):
    fail_with(monkeypatch, error)
    assert shell("-q", "demo") == (1, "", "kompot: error: the reason\n")


def test_error_without_words_says_its_kind_and_notes_follow(shell, monkeypatch):
    error = MemoryError()
    error.add_note("Use fewer cells.")
    fail_with(monkeypatch, error)
    assert shell("-q", "demo")[2] == "kompot: error: MemoryError\nUse fewer cells.\n"


@pytest.mark.parametrize("args", [("-q", "-v", "demo"), ("-q", "demo", "-v")])
def test_traceback_only_if_verbose(shell, monkeypatch, args):
    fail_with(monkeypatch, ValueError("the reason"))
    code, _, err = shell(*args)
    assert code == 1
    assert "Traceback" in err
    assert err.endswith("kompot: error: the reason\n")


def test_mistake_of_ours_is_not_hidden(monkeypatch):
    fail_with(monkeypatch, AttributeError("no such thing"))
    with pytest.raises(AttributeError):
        application.main(["demo"])


def test_warnings_are_one_line(shell, monkeypatch):
    def warn(**_parameters):
        import warnings

        warnings.simplefilter("always")
        warnings.warn("take care", UserWarning, stacklevel=1)
        raise ValueError("the reason")  # noqa: EM101

    monkeypatch.setattr("kompot.cli.demo.run_demo", warn)
    assert shell("-q", "demo")[2] == "kompot: warning: take care\nkompot: error: the reason\n"


def test_interruption_in_process(shell, monkeypatch):
    fail_with(monkeypatch, KeyboardInterrupt())
    code, out, err = shell("-q", "demo")
    assert (code, out) == (130, "")
    assert err.endswith("kompot: interrupted\n")


def test_ctrl_c_while_writing_leaves_the_output_as_it_was(tmp_path, cells_file, interrupted):
    # The writer is slow, says when it has begun, and is then interrupted from outside.
    code = """
import signal, sys, time
import anndata
from kompot.cli import main

def write(self, path, *args, **kwargs):
    with open(path, "w") as file:
        file.write("half")
    print("begun", flush=True)
    for _ in range(600):  # in pieces: a signal just before one sleep does not end it
        time.sleep(0.1)

anndata.AnnData.write_h5ad = write
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in jobs in the background
main(sys.argv[1:])
"""
    output = tmp_path / "out.h5ad"
    args = f"de {cells_file} -o {output} --groupby condition --condition1 control".split()
    args += ["--condition2", "treated", "--null-genes", "0", "-q"]
    interrupted(code, args, output)
