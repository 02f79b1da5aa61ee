"""Rendering of many scenes in several processes."""

from collections.abc import Iterable, Iterator

from taskscape import parallel
from taskscape.streets.scene import Scene, check_arguments, render


def _render_scene(
    seed: int, split: str, index: int, size: tuple[int, int], samples: int, style: str
) -> tuple[int, Scene]:
    return index, render(seed, split, index, size, samples, style)


def render_many(
    seed: int,
    split: str,
    indices: Iterable[int],
    size: tuple[int, int] = (128, 256),
    samples: int = 4,
    processes: int | None = None,
    style: str = "classic",
) -> Iterator[tuple[int, Scene]]:
    """Yield (index, scene) for all ``indices`` in order; see ``render``.

    ``processes`` is the number of processes, by default one per core.
    """
    jobs = [(seed, split, index, size, samples, style) for index in indices]
    for job in jobs:
        check_arguments(*job)
    workers = parallel.workers(processes)
    # Render one in this process first, so functions are compiled once and not by all processes at once.
    yield from (_render_scene(*job) for job in jobs[:1])
    for result in parallel.parallel_map(_render_scene, jobs[1:], len(jobs) - 1, workers):
        assert isinstance(result, tuple)
        yield result
