"""Two processes on one machine, each with one thread, that compute together."""

import multiprocessing
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from taskscape import runs
from taskscape.run_folder import Result, RunFolder
from taskscape.runs import Experiment

LAUNCHER = (
    *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
    *("--nproc-per-node", "2", "--log-dir", os.devnull),
)
"""Command that starts a program as two processes, without a log folder, which torch would leave behind."""

multiprocessing.set_forkserver_preload(
    ["lightning_fabric", "torchmetrics", "torch._dynamo", "torch.utils.tensorboard", "taskscape.runs"]
)
"""Processes are forked from one that has imported these, which takes longer than what tests compute."""


def of_both(compute: Callable[[int], Any], folder: Path) -> list[Any]:
    """Return the results of a module's function in each of two processes, called with the rank."""
    mp.start_processes(_save, (compute, folder), nprocs=2, start_method="forkserver")
    return [torch.load(folder / f"{rank}.pt") for rank in range(2)]


def _save(rank: int, compute: Callable[[int], Any], folder: Path) -> None:
    torch.set_num_threads(1)
    os.environ |= {"RANK": f"{rank}", "LOCAL_RANK": f"{rank}", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"}
    dist.init_process_group("gloo", init_method=f"file://{folder / 'rendezvous'}", rank=rank, world_size=2)
    torch.save(compute(rank), folder / f"{rank}.pt")
    dist.destroy_process_group()


def train_on_both(experiment: Experiment, run: Path) -> None:
    """Train an experiment into a folder in two processes."""
    run.parent.mkdir(parents=True, exist_ok=True)
    of_both(partial(_train, experiment, run), run.parent)
    assert Result.load(RunFolder(run).result()).environment["processes"] == "2"


def _train(experiment: Experiment, run: Path, rank: int) -> None:
    runs.train(experiment, run, quiet=True)
