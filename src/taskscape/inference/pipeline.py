"""Predict images from files to files, reading and writing in threads so that the network does not wait."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from taskscape.inference.images import as_rgb
from taskscape.inference.prediction import Prediction
from taskscape.inference.predictor import Predictor
from taskscape.parallel import cores
from taskscape.views import RgbArray

PIXELS_WAITING = 1 << 25
"""Maximum number of pixels of predictions waiting to be written; one image of any size may always wait."""


@dataclass
class Stopwatch:
    """Time spent, in seconds. Reading and writing run in threads in parallel with the network."""

    images: int = 0
    total: float = 0.0
    spent: dict[str, float] = field(default_factory=dict)
    """Seconds by activity: reading, network, writing."""
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @contextmanager
    def measure(self, activity: str) -> Iterator[None]:
        """Add the time spent within the context to an activity."""
        start = time.perf_counter()
        try:
            yield
        finally:
            with self.lock:
                self.spent[activity] = self.spent.get(activity, 0.0) + time.perf_counter() - start

    def __str__(self) -> str:
        """Return a one-sentence summary with images per second."""
        reading, network, writing = (
            f"{self.spent.get(activity, 0.0):.1f} s" for activity in ("reading", "network", "writing")
        )
        images = f"{self.images} image{'s' * (self.images != 1)}"
        return (
            f"{images} in {self.total:.1f} s, {self.images / max(self.total, 1e-9):.2g} per second: the network took "
            f"{network}; in parallel, reading took {reading} and writing {writing}"
        )


@dataclass(frozen=True)
class Outcome:
    """Result of ``predict_all``."""

    written: list[Path]
    unreadable: list[str]
    """Error messages of images that were left out."""
    sizes: Mapping[str, tuple[int, int]]
    """(H, W) of the predicted images, by name."""
    time: Stopwatch


def predict_all(
    sources: Mapping[str, Path],
    predictor: Predictor,
    write: Callable[[Prediction], list[Path]],
    *,
    batch: int = 1,
    done: Callable[[], None] = lambda: None,
) -> Outcome:
    """Predict named images, up to ``batch`` of one size together, and write each prediction in one of several threads.

    All predictions have the color scales of the first one. ``done`` is called in the calling thread for every image
    that was written or could not be read. Raises what ``write`` raises.
    """
    watch, start = Stopwatch(), time.perf_counter()
    written: list[Path] = []
    unreadable: list[str] = []
    sizes: dict[str, tuple[int, int]] = {}
    waiting: deque[tuple[int, Future[list[Path]]]] = deque()

    def collect(pixels: int) -> None:
        """Wait until at most this many pixels are waiting to be written."""
        while waiting and (waiting[0][1].done() or sum(size for size, _ in waiting) > pixels):
            written.extend(waiting.popleft()[1].result())
            done()

    def read(path: Path) -> RgbArray:
        with watch.measure("reading"):
            return as_rgb(path, predictor.image_range)

    def write_one(prediction: Prediction) -> list[Path]:
        with watch.measure("writing"):
            return write(prediction)

    writers = ThreadPoolExecutor(min(4, cores()), "writing")
    try:
        fitted = predictor
        for names, images in _batches(_read_ahead(sources, read, batch), batch, unreadable, done):
            with watch.measure("network"):
                predictions = fitted.predict_together(images)
            fitted = replace(fitted, views=predictions[0].views)
            for name, prediction in zip(names, predictions, strict=True):
                pixels = prediction.size[0] * prediction.size[1]
                collect(PIXELS_WAITING - pixels)
                named = replace(prediction, name=name, file=sources[name], number=len(sizes), views=fitted.views)
                waiting.append((pixels, writers.submit(write_one, named)))
                sizes[name] = prediction.size
        collect(-1)
    finally:
        writers.shutdown(cancel_futures=True)
    watch.images, watch.total = len(sizes), time.perf_counter() - start
    return Outcome(written, unreadable, sizes, watch)


def _read_ahead(
    sources: Mapping[str, Path], read: Callable[[Path], RgbArray], ahead: int
) -> Iterator[tuple[str, Future[RgbArray]]]:
    """Yield the images by name, in order, and read up to ``ahead`` more in the background."""
    reader = ThreadPoolExecutor(1, "reading")
    try:
        waiting: deque[tuple[str, Future[RgbArray]]] = deque()
        for name, path in sources.items():
            waiting.append((name, reader.submit(read, path)))
            if len(waiting) > ahead:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        reader.shutdown(cancel_futures=True)


def _batches(
    images: Iterator[tuple[str, Future[RgbArray]]], max_size: int, unreadable: list[str], done: Callable[[], None]
) -> Iterator[tuple[Sequence[str], Sequence[RgbArray]]]:
    """Yield batches of at most ``max_size`` consecutive images of one size; collect the errors of unreadable ones."""
    names: list[str] = []
    batch: list[RgbArray] = []
    for name, reading in images:
        try:
            rgb = reading.result()
        except (ValueError, PermissionError, FileNotFoundError) as error:
            unreadable.append(str(error))
            done()
            continue
        if batch and batch[0].shape != rgb.shape:
            yield names, batch
            names, batch = [], []
        names.append(name)
        batch.append(rgb)
        if len(batch) == max_size:
            yield names, batch
            names, batch = [], []
    if batch:
        yield names, batch
