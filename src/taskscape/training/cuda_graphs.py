"""Capture work of the GPU as CUDA graphs, which repeat it without launching kernels one by one."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor


class Graphs(Protocol):
    """Interface of a capture backend; tests implement one for the CPU."""

    def warm_up(self, call: Callable[[], Tensor]) -> Tensor:
        """Return the result of a call on the capture stream. Raises ``RuntimeError`` if the host waits for it."""

    def capture(self, call: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """Return a function that repeats a call's work on the device; its result is overwritten by its next use."""


class CudaGraphs:
    """CUDA graphs on one device. All graphs share their memory, since only one runs at a time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def warm_up(self, call: Callable[[], Tensor]) -> Tensor:
        torch.cuda.empty_cache()  # memory cached for the other stream cannot be used on this one
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream), _no_waiting():
            result = call()
        current.wait_stream(self._stream)
        return result

    def capture(self, call: Callable[[], Tensor]) -> Callable[[], Tensor]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, self._pool, self._stream, capture_error_mode="thread_local"):
            result = call()

        def replay() -> Tensor:
            graph.replay()
            return result

        return replay


@contextmanager
def _no_waiting() -> Iterator[None]:
    """Let torch raise ``RuntimeError`` where the host would wait for the GPU, which a graph cannot contain."""
    previous = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns that this mode is new
        torch.cuda.set_sync_debug_mode("error")
        try:
            yield
        finally:
            torch.cuda.set_sync_debug_mode(previous)
