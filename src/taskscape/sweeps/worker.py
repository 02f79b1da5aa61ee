"""Trains the run in a folder. ``python -m taskscape.sweeps.worker RUN THREADS PARENT`` does so in a process."""

import sys
from pathlib import Path

from taskscape.errors import Interrupted, TrainingError
from taskscape.parallel import end_with, use_threads


def train(path: Path, threads: int) -> None:
    """Begin or resume the run in a folder with its own settings, evaluate it and write its report.

    Raises as ``taskscape.runs.train``.
    """
    use_threads(threads)
    from taskscape import runs
    from taskscape.report import write_report

    runs.train(runs.read_experiment(path), path, resume=True, quiet=True)
    write_report(path)


def main() -> None:
    """Train one run, and end with the process that asked for it, however that ends."""
    path, threads, parent = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    end_with(parent)
    try:
        train(path, threads)
    except Interrupted as interrupt:
        sys.exit(128 + interrupt.signum)
    except (ValueError, OSError, TrainingError) as error:
        print(" ".join(str(error).split()), file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
