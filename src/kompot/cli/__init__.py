"""The command ``kompot``."""

from kompot.cli.application import main

__all__ = ["main"]
