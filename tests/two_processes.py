"""Two processes on one machine, each with one thread, that compute together."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

LAUNCHER = (
    *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
    *("--nproc-per-node", "2", "--log-dir", os.devnull),
)
"""Command that starts a program as two processes, without a log folder, which torch would leave behind."""


def run_to_end(command: Sequence[str | Path]) -> None:
    """Run a command, and fail with its messages if it fails."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]


def of_both(compute: Callable[[int], Any], folder: Path) -> list[Any]:
    """Return the results of a module's function in each of two processes, called with the rank."""
    mp.spawn(_save, (compute, folder), nprocs=2)
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


def _save(rank: int, compute: Callable[[int], Any], folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'rendezvous'}", rank=rank, world_size=2)
    torch.save(compute(rank), folder / f"{rank}.pt")
    dist.destroy_process_group()
