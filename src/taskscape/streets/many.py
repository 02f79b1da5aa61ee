"""Many scenes from several processes."""

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
    """Yield (index, scene) for all ``indices``, in their order; see ``render``.

    ``processes``: how many to use, one per core by default.
    """
    indices = list(indices)
    for index in indices[:1] or [0]:
        check_arguments(seed, split, index, size, samples, style)
    if indices:  # in this process, so that what is not compiled yet is compiled once and not by all of them at a time
        yield _render_scene(seed, split, indices[0], size, samples, style)
    jobs = ((seed, split, index, size, samples, style) for index in indices[1:])
    for result in parallel.parallel_map(_render_scene, jobs, len(indices) - 1, parallel.workers(processes)):
        assert isinstance(result, tuple)
        yield result
