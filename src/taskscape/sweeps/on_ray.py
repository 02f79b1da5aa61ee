"""Trials on a Ray cluster, whose nodes share the sweep's folder and have taskscape installed.

Ray places the runs, and starts one again, on another node if need be, when its process or its node is lost.
"""

import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from typing_extensions import override

from taskscape.files.lock import owner_of
from taskscape.parallel import chosen_threads
from taskscape.run_folder import RunFolder
from taskscape.sweeps.executor import TRIES, Executor, workers_of

_WAIT = 0.5
"""Seconds to wait for the end of a run."""


class RayExecutor(Executor):
    """A Ray task for each run, with GPUs where the cluster has some, and a CPU for each thread.

    ``address`` is that of a cluster; by default the one that Ray finds, or a new one of this machine. At most
    ``workers`` tasks are submitted at a time, by default as many as the cluster has room for; the number of threads
    that was chosen is that of each. ``gpus_per_run`` may be a part of a GPU, or 0. Raises ``ValueError`` where Ray is
    not installed, or there is no cluster there.
    """

    def __init__(self, workers: int | None, address: str | None = None, gpus_per_run: float = 1.0) -> None:
        try:
            import ray
        except ImportError:
            raise ValueError("--on ray needs Ray: pip install 'taskscape[ray]'") from None
        self._ray: Any = ray
        self._own = not ray.is_initialized()
        if self._own:
            try:
                ray.init(address=address, log_to_driver=False, logging_level="warning")
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise ValueError(
                    f"--address: there is no Ray cluster at {address or 'this machine'}: {error}"
                ) from error
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        gpus, cpus = (int(sum(node.get(kind, 0) for node in nodes)) for kind in ("GPU", "CPU"))
        per_run = chosen_threads()
        per_gpu = gpus_per_run if gpus else 0.0
        self.workers = workers_of(workers, int(gpus / per_gpu) if per_gpu else cpus // (per_run or 1))
        most = min(int(node["CPU"]) for node in nodes if node.get("CPU"))
        self.threads = per_run or max(1, min(most, cpus // self.workers))
        self._task: Any = ray.remote(
            num_cpus=self.threads,
            num_gpus=per_gpu,
            max_calls=1,  # a fresh process for each run
            max_retries=TRIES - 1,
        )(_train)
        self._running: dict[Any, Path] = {}

    @override
    def start(self, path: Path) -> None:
        self._running[self._task.remote(str(path.resolve()), self.threads, str(Path.cwd()))] = path

    @override
    def ended(self) -> Sequence[tuple[Path, str]]:
        ready, _ = self._ray.wait(list(self._running), timeout=_WAIT)
        found = []
        for task in ready:
            error = ""
            try:
                error = self._ray.get(task)
            except self._ray.exceptions.RayError as lost:  # by more than one retry
                error = " ".join(str(lost).split())
            found.append((self._running.pop(task), error))
        return found

    @override
    def stop(self, path: Path) -> None:
        for task, running in self._running.items():
            if running == path:
                self._ray.cancel(task, force=False)

    @override
    def close(self) -> None:
        for task in self._running:
            self._ray.cancel(task, force=False)
        while self._running:
            self.ended()
        if self._own:
            self._ray.shutdown()


def _train(path: str, threads: int, folder: str) -> str:
    """Train a run in a process of Ray, in the folder where the sweep was started. Return what went wrong, if anything.

    Only the loss of the process or the node is left to Ray's retries: the same mistake would be made again.
    """
    from taskscape.errors import TrainingError
    from taskscape.sweeps.worker import work

    os.chdir(folder)
    _take_over(RunFolder(Path(path)))
    try:
        work(Path(path), threads)
    except (ValueError, OSError, TrainingError) as error:
        return " ".join(str(error).split())
    except KeyboardInterrupt as interrupt:
        return str(interrupt) or "stopped"
    return ""


def _take_over(folder: RunFolder) -> None:
    """Remove the lock of a lost node: no other machine can see that its process is gone.

    Ray starts a task again only when it has lost the process before, and a sweep's runs belong to the sweep.
    """
    owner = owner_of(folder.lock)
    if owner is not None and owner.host != socket.gethostname():
        with suppress(OSError):
            folder.lock.unlink()
