"""Entry point of ``python -m taskscape``."""

from taskscape.cli import main

if __name__ == "__main__":
    main()
