"""How much time of a CPU step is spent on memory returned to the system? Compare steps with and without keeping it.

    python benchmarks/freed_memory.py

*Usual* is the most that the GNU C library keeps by itself: it returns blocks from 32 MiB on, and the free end of the
heap from 64 MiB on. Measures the processor time of one thread and the pages that the system filled with zeros: the
minimum over interleaved steps.
"""

import argparse
import resource
import time
from contextlib import nullcontext

import torch

from growth import WAY, experiment_of
from random_data import random_batch
from taskscape.batch import Batch
from taskscape.runs.fastest import in_format_of, trial_step
from taskscape.training.freed_memory import freed_memory_kept
from taskscape.training.step import TrainingStep

CPU = torch.device("cpu")
CASES = {
    "joint": (("semseg", "depth"), 16, (64, 128)),
    "segnet-mtan": (("semseg", "depth", "normals"), 2, (128, 256)),
}
"""Networks with their tasks, batch sizes and image sizes."""


def cost_of_step(step: TrainingStep, batch: Batch) -> tuple[float, int]:
    """Return the processor seconds of a step, and the number of pages that were filled for it."""
    pages, seconds = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, time.process_time()
    step(batch, 0)
    return time.process_time() - seconds, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - pages


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    torch.set_num_threads(1)
    for name, (tasks, images, size) in CASES.items():
        batch = random_batch(images, size, tasks)
        step, formatted_batch = trial_step(experiment_of(name, tasks), WAY, batch), in_format_of(WAY, batch)
        measurements: dict[str, list[tuple[float, int]]] = {"usual": [], "kept": []}
        for _ in range(2):
            for way, context in (("usual", nullcontext()), ("kept", freed_memory_kept(CPU))):
                with context:
                    step(formatted_batch, 0)
                    measurements[way] += [cost_of_step(step, formatted_batch) for _ in range(2)]
        for way, steps in measurements.items():
            seconds, pages = min(steps)
            print(f"{name}, {way}: {seconds:.3f} s, {pages:,} pages", flush=True)


if __name__ == "__main__":
    main()
