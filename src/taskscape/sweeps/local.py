"""An executor that trains trials in processes on this machine."""

import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from typing_extensions import override

from taskscape.parallel import default_threads
from taskscape.sweeps.executor import TRIES, Executor

_LOGGER = logging.getLogger(__name__)

_WAIT = 0.1
"""Seconds between two polls of the processes."""


class LocalExecutor(Executor):
    """Trains each run in its own process, which receives only the run folder.

    The processes share the threads of this process; with several GPUs, each run has one. By default there is one worker
    per GPU, or one without GPUs; ``gpus_per_run=0.5`` lets two runs share a GPU.
    """

    def __init__(self, workers: int | None = None, gpus: int = 0, gpus_per_run: float = 1.0) -> None:
        num_slots = int(gpus / gpus_per_run) if gpus_per_run else 0
        self.workers, self.gpus = workers or max(1, num_slots), gpus
        self.threads = max(1, default_threads() // self.workers)
        self._processes: dict[Path, tuple[subprocess.Popen[bytes], IO[bytes], int]] = {}
        """By run folder: the process, the file with its messages, and its worker slot."""
        self._tries: dict[Path, int] = {}
        self._stopped: set[Path] = set()

    @override
    def start(self, path: Path) -> None:
        slot = min(set(range(self.workers)) - {slot for _, _, slot in self._processes.values()})
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.threads)}
        if self.gpus > 1:
            devices = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(self.gpus)))).split(",")
            environment["CUDA_VISIBLE_DEVICES"] = devices[slot % self.gpus]
        messages = tempfile.TemporaryFile()  # noqa: SIM115 - closed when the process has ended
        command = [sys.executable, "-m", "taskscape.sweeps.worker", str(path), str(self.threads), str(os.getpid())]
        # A new session, so Ctrl-C reaches only this process, which then stops the others in order.
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=messages, start_new_session=True
        )
        self._processes[path] = process, messages, slot
        self._tries[path] = self._tries.get(path, 0) + 1

    @override
    def ended(self) -> Sequence[tuple[Path, str]]:
        results = []
        for path, (process, messages, _) in list(self._processes.items()):
            code = process.poll()
            if code is None:
                continue
            del self._processes[path]
            with messages:
                message = _last_line(messages)
            killed = code < 0 and path not in self._stopped
            if killed and self._tries[path] < TRIES:
                _LOGGER.warning("%s: its process was killed by %s; resuming it", path.name, _signal(-code))
                self.start(path)
            elif killed:
                results.append((path, f"its process was killed {TRIES} times, most recently by {_signal(-code)}"))
            else:
                results.append((path, "" if code == 0 else message or f"its process ended with {code}"))
                self._stopped.discard(path)
        if not results:
            time.sleep(_WAIT)
        return results

    @override
    def stop(self, path: Path) -> None:
        self._stopped.add(path)
        self._processes[path][0].terminate()

    @override
    def close(self) -> None:
        for process, _, _ in self._processes.values():
            process.terminate()
        try:
            for process, _, _ in self._processes.values():
                process.wait()
        finally:  # a second Ctrl-C
            for process, messages, _ in self._processes.values():
                process.kill()
                messages.close()
            self._processes.clear()


def _last_line(messages: IO[bytes]) -> str:
    messages.seek(0)
    lines = messages.read().decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else ""


def _signal(number: int) -> str:
    return signal.Signals(number).name
