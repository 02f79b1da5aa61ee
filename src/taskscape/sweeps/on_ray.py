"""An executor for Ray clusters. All nodes must share the sweep's folder and have taskscape installed.

Ray schedules the runs. If a process or a node is lost, Ray starts the run again, on another node if necessary.
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
from taskscape.sweeps.executor import TRIES, Executor
from taskscape.sweeps.extras import require_ray

_WAIT = 0.5
"""Seconds to wait for a run to end in each call of ``ended``."""


class RayExecutor(Executor):
    """Trains each run as a Ray task, with GPUs if the cluster has any, and one CPU per thread.

    ``address`` is the address of a cluster, by default the one that Ray finds, or a new one on this machine. At most
    ``workers`` tasks are submitted at a time, by default as many as the cluster has room for. If a number of threads
    was chosen, it applies to each run. ``gpus_per_run`` may be a fraction or 0. Raises ``ValueError`` if Ray is not
    installed, or if there is no cluster at the address.
    """

    def __init__(self, workers: int | None, address: str | None = None, gpus_per_run: float = 1.0) -> None:
        require_ray()
        import ray

        self._ray: Any = ray
        self._started_ray = not ray.is_initialized()
        if self._started_ray:
            try:
                ray.init(address=address, log_to_driver=False, logging_level="warning")
            except (ConnectionError, ValueError, RuntimeError) as error:
                raise ValueError(
                    f"--address: there is no Ray cluster at {address or 'this machine'}: {error}"
                ) from error
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        gpus, cpus = (int(sum(node.get(resource, 0) for node in nodes)) for resource in ("GPU", "CPU"))
        threads_per_run = chosen_threads()
        per_gpu = gpus_per_run if gpus else 0.0
        room = int(gpus / per_gpu) if per_gpu else cpus // (threads_per_run or 1)
        self.workers = workers or max(1, room)
        max_threads = min(int(node["CPU"]) for node in nodes if node.get("CPU"))
        self.threads = threads_per_run or max(1, min(max_threads, cpus // self.workers))
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
        results = []
        for task in ready:
            try:
                error = self._ray.get(task)
            except self._ray.exceptions.RayError as lost:  # the retries are used up
                error = " ".join(str(lost).split())
            results.append((self._running.pop(task), error))
        return results

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
        if self._started_ray:
            self._ray.shutdown()


def _train(path: str, threads: int, folder: str) -> str:
    """Train a run in a Ray process, in the folder where the sweep was started. Return its error or an empty string.

    Errors are returned, not raised: Ray should retry only after the loss of a process or node, since any other error
    would occur again.
    """
    from taskscape.errors import TrainingError, message_of
    from taskscape.sweeps.worker import work

    os.chdir(folder)
    _take_over(RunFolder(Path(path)))
    try:
        work(Path(path), threads)
    except (ValueError, OSError, TrainingError) as error:
        return " ".join(message_of(error).split())
    except KeyboardInterrupt as interrupt:
        return str(interrupt) or "stopped"
    return ""


def _take_over(folder: RunFolder) -> None:
    """Remove the lock of a lost node: other machines cannot detect that its process is gone.

    This is safe: Ray restarts a task only after it has lost its process, and no other program trains a sweep's runs.
    """
    owner = owner_of(folder.lock)
    if owner is not None and owner.host != socket.gethostname():
        with suppress(OSError):
            folder.lock.unlink()
