"""Train a run in processes that die at chosen moments, until one reaches the end.

``python dying.py STORE FOLDER WEIGHTING SEED KILLS EPOCHS`` trains ``whole``, which is not killed, and ``killed`` in a
folder. It imports everything once and forks a process for each attempt.
A process kills itself with SIGKILL at its n-th access to a file of the run, where n is random: after opening, after
writing but before renaming, after renaming, removing or truncating. The last process is not killed.
"""

import os
import random
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import cattrs  # noqa: F401  # imported here, once, what every process would import
import torch
import torch._dynamo
import torch.utils.tensorboard

from taskscape import runs, weighting
from taskscape.runs import Experiment
from tiny import dropping

TOUCHES = {"open", "os.rename", "os.remove", "os.truncate", "os.mkdir", "os.rmdir"}
"""Audit events that Python raises before it accesses a file."""


def experiment(store: Path, method: str = "fixed", epochs: int = 4) -> Experiment:
    """Return an experiment with dropout and augmentation, so that random state matters, and frequent checkpoints."""
    start = dropping(store)
    augmentation = replace(start.augmentation, flip=True, scale_choices=(1.0, 1.2))
    return replace(
        start, weighting=weighting.CONFIGS[method](), augmentation=augmentation, epochs=epochs, checkpoint_minutes=0.0
    )


def die_at(touch: int, run: Path) -> None:
    """Kill this process at its ``touch``-th access to a file of the run."""
    left = touch

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in TOUCHES and str(arguments[0]).startswith(str(run)):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


def in_a_process(work: Callable[[], object]) -> int:
    """Run a function in a forked process; return its exit status, negative for the signal that killed it."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def train(store: Path, run: Path, method: str, epochs: int, touch: int | None = None) -> None:
    if touch is not None:
        die_at(touch, run)
    runs.train(experiment(store, method, epochs), run, resume=True, quiet=True)


def train_dying(store: Path, run: Path, method: str, seed: int, kills: int, epochs: int) -> int:
    """Train a run to its end with ``kills`` attempts to kill it; return how many processes died."""
    torch.set_num_threads(1)  # a process with several threads cannot be forked
    moments = random.Random(seed)
    done = 0
    for _ in range(kills):
        touch = moments.randint(1, 40)  # a start accesses about ten files, a step five
        status = in_a_process(partial(train, store, run, method, epochs, touch))
        assert status in (0, -signal.SIGKILL), f"an attempt ended with {status}"
        done += status != 0
    status = in_a_process(lambda: train(store, run, method, epochs))
    assert status == 0, f"the last attempt ended with {status}"
    return done


if __name__ == "__main__":
    data, folder, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    first, count, length = map(int, sys.argv[4:7])
    train_dying(data, folder / "whole", name, first, 0, length)
    print(train_dying(data, folder / "killed", name, first, count, length), "kills")
