"""``python -m kompot.cli``."""

from kompot.cli import main

main()
