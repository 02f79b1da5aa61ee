"""How long do training steps take beside other programs that use the cores?

    python benchmarks/busy.py --json benchmarks/results/busy.json       # on an otherwise idle machine, in five minutes

measures steps of ``joint`` in processes of their own: with one thread per core, where ``GOMP_SPINCOUNT`` of GNU OpenMP
is 300,000 (its default) and 3,000 (as the command ``taskscape`` sets it), and with one thread. Each is measured alone,
beside one process that only computes, and beside one per core. Times are wall-clock times.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from ratios import CPU, WAY, with_data
from speed_tables import busy
from taskscape import recipes
from taskscape.parallel import cores
from taskscape.runs import environment
from taskscape.runs.fastest import in_format_of, trial_step
from taskscape.training.freed_memory import freed_memory_kept

SPINS = (300_000, 3_000)
COMPETITOR = [sys.executable, "-c", "while True: pass"]


@freed_memory_kept(CPU)  # as in the training of a run
def step(threads: int, seconds: float) -> float:
    """Return the median time of a step, measured for some seconds, but at least five steps."""
    torch.set_num_threads(threads)
    experiment, batch = with_data(recipes.joint(), CPU, images=8)
    training_step, formatted_batch = trial_step(experiment, WAY, batch), in_format_of(WAY, batch)
    times: list[float] = []
    for _ in range(3):
        training_step(formatted_batch, 0)
    end = time.monotonic() + seconds
    while len(times) < 5 or time.monotonic() < end:
        start = time.monotonic()
        training_step(formatted_batch, 0)
        times.append(time.monotonic() - start)
    return statistics.median(times)


def in_new_process(threads: int, spins: int, seconds: float) -> float:
    """Return ``step`` of a new process, since OpenMP reads its settings when it starts."""
    settings = {"OMP_NUM_THREADS": str(threads), "GOMP_SPINCOUNT": str(spins)}
    worker = [sys.executable, __file__, "--worker", str(threads), "--seconds", str(seconds)]
    done = subprocess.run(worker, env=os.environ | settings, check=True, capture_output=True, text=True)
    return float(done.stdout)


def measure(seconds: float) -> list[dict[str, Any]]:
    """Return the time of a step in every situation."""
    rows = []
    for competitors in (0, 1, cores()):
        with ExitStack() as stack:
            for _ in range(competitors):
                process = stack.enter_context(subprocess.Popen(COMPETITOR, start_new_session=True))
                stack.callback(process.kill)  # before the wait at the end of its context
            for threads, spins in ((cores(), SPINS[0]), (cores(), SPINS[1]), (1, SPINS[1])):
                rows.append(
                    {
                        "competitors": competitors,
                        "threads": threads,
                        "spins": spins,
                        "seconds": in_new_process(threads, spins, seconds),
                    }
                )
                print(rows[-1], file=sys.stderr)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20, help="measure each for so long")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    if arguments.worker:
        print(step(arguments.worker, arguments.seconds))
        return
    machine, rows = environment(CPU), measure(arguments.seconds)
    if arguments.json:
        arguments.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=1) + "\n")
    print(busy(rows))


if __name__ == "__main__":
    main()
