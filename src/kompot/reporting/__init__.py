"""A page about recorded results that people can read, search and send."""

from kompot.reporting.document import report

__all__ = ["report"]
