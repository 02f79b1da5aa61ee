"""A command in parts: ranges of scenes or of files, which an executor works on like the runs of a sweep."""

import json
import shutil
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Literal

from taskscape.errors import TrainingError
from taskscape.files import atomic_write, locked, writing
from taskscape.parallel import Portion
from taskscape.progress import progress_bar
from taskscape.sweeps.executor import Executor
from taskscape.sweeps.local import LocalExecutor
from taskscape.sweeps.worker import COMMAND

Where = Literal["local", "ray"]

PER_WORKER = 4
"""Parts for each worker, so that a slow one does not keep the others waiting long."""


def executor(on: Where, workers: int | None, address: str | None) -> Executor:
    """Return what works on parts, without GPUs. Raises ``ValueError`` as ``RayExecutor``."""
    if on == "ray":
        from taskscape.sweeps.on_ray import RayExecutor

        return RayExecutor(workers, address, gpus_per_run=0.0)
    return LocalExecutor(workers)


def run_parts(command: Sequence[str], out: Path, executor: Executor) -> None:
    """Work on a command in parts; ``--part I/N`` is added to its words for each, and ``--processes``.

    The command must be one that resumes, since a part whose process is lost is started again. A part that fails does
    not end the others; at the end ``TrainingError`` is raised with the first failure.
    """
    folder = out.with_name(f".{out.name}.parts")
    count = PER_WORKER * executor.workers
    with closing(executor):
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with locked(folder, folder / "parts.lock"):
            parts = [folder / f"{number:05d}" for number in range(1, count + 1)]
            for number, path in enumerate(parts, 1):
                with writing(path):
                    path.mkdir(exist_ok=True)
                atomic_write(path / COMMAND, json.dumps([*command, "--part", str(Portion(number, count))]) + "\n")
            failed = _work_on(parts, executor)
            shutil.rmtree(folder, ignore_errors=True)
    if failed:
        raise TrainingError(f"{len(failed)} of {count} parts failed; the same command tries again. {failed[0]}")


def _work_on(parts: Sequence[Path], executor: Executor) -> list[str]:
    """Work on all parts, and say of each that failed why."""
    waiting = list(parts)
    failed: list[str] = []
    running = 0
    with progress_bar() as progress:
        bar = progress.add_task("parts", total=len(parts))
        while waiting or running:
            while waiting and running < executor.workers:
                executor.start(waiting.pop(0))
                running += 1
            for path, error in executor.ended():
                running -= 1
                progress.advance(bar)
                failed += [f"part {int(path.name)} of {len(parts)}: {error}"] if error else []
    return failed
