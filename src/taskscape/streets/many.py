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
    indices = list(indices)
    for index in indices[:1] or [0]:
        check_arguments(seed, split, index, size, samples, style)
    if indices:  # render one in this process first, so functions are compiled once and not by all processes at once
        yield _render_scene(seed, split, indices[0], size, samples, style)
    jobs = ((seed, split, index, size, samples, style) for index in indices[1:])
    for result in parallel.parallel_map(_render_scene, jobs, len(indices) - 1, parallel.workers(processes)):
        assert isinstance(result, tuple)
        yield result
