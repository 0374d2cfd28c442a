"""The virtual environments, made with nothing but ``venv`` and pip."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
VENVS = HERE / ".venvs"
PEERS = {
    "original": "kompot==0.8.0",
    "cna": "cna==0.2.6",
    "deseq": "pydeseq2==0.5.4",
    "lemur": "pylemur==0.3.1 harmonypy==0.0.10",
    "meld": "meld==1.0.2 anndata>=0.12",
    "mellon": "mellon==1.7.1 anndata>=0.12",
    "memento": "memento-de==0.1.3",
    "milo": "pertpy[de]==1.0.3 pydeseq2==0.5.4 filelock",
    "scanpy": "scanpy>=1.10",
}
"""Requirements of each environment. pylemur does not run with harmonypy 2."""


def python_with(package: str) -> Path:
    """Python of the environment with ``"kompot"`` (this project, editable) or one of the peers.

    ``"jax"`` is this project with its extra of that name.

    The environment is made if there is none, or if what was asked of it has changed since.
    """
    if package in PEERS:
        install, stamp = PEERS[package].split(), PEERS[package]
    else:
        extra = "[jax]" if package == "jax" else ""
        install, stamp = ["--editable", f"{ROOT}{extra}"], (ROOT / "pyproject.toml").read_text()
    folder = VENVS / package
    python, installed = folder / "bin" / "python", folder / "installed.txt"
    if installed.is_file() and installed.read_text() == stamp:
        return python
    print(f"making {folder}: pip install {' '.join(install)}", file=sys.stderr)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *install], check=True)
    installed.write_text(stamp)
    return python
