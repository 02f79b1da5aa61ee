"""Commands split into parts, ranges of scenes or files, which an executor processes like the runs of a sweep."""

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
"""Parts per worker; small parts keep a slow worker from delaying the end."""


def executor(on: Where, workers: int | None, address: str | None) -> Executor:
    """Return an executor for parts, without GPUs. Raises ``ValueError`` as ``RayExecutor`` does."""
    if on == "ray":
        from taskscape.sweeps.on_ray import RayExecutor

        return RayExecutor(workers, address, gpus_per_run=0.0)
    return LocalExecutor(workers)


def run_parts(command: Sequence[str], out: Path, executor: Executor) -> None:
    """Run a command in parts, each with ``--part I/N`` and ``--processes`` appended to its arguments.

    The command must be able to resume, since a part whose process is lost is started again. A part that fails does not
    stop the others; at the end ``TrainingError`` is raised with the first failure.
    """
    out = out.resolve()  # which has a name, unlike "."
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
    """Run all parts, and return the errors of those that failed."""
    waiting = list(parts)
    failures: list[str] = []
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
                failures += [f"part {int(path.name)} of {len(parts)}: {error}"] if error else []
    return failures
