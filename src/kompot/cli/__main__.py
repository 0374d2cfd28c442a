"""``python -m kompot.cli``."""

from kompot.cli import main

if __name__ == "__main__":
    main()
