"""Work of a GPU as a CUDA graph, for measuring it without the host, which launches small kernels too slowly."""

from collections.abc import Callable

import torch


def in_graph(call: Callable[[], object], device: torch.device, repeats: int = 1) -> Callable[[], None]:
    """Return a function that replays the work of ``repeats`` calls as one CUDA graph; three calls warm up before."""
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        for _ in range(3):
            call()
    torch.cuda.current_stream(device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(repeats):
            call()
    return graph.replay
