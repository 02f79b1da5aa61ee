"""Predict images from files to files, reading and writing in threads so that the network does not wait."""

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby, islice
from pathlib import Path

from taskscape.inference.images import as_rgb
from taskscape.inference.prediction import Prediction
from taskscape.inference.predictor import Predictor
from taskscape.parallel import cores
from taskscape.serialization import counted
from taskscape.views import RgbArray

PIXELS_WAITING = 1 << 25
"""Maximum number of pixels of predictions waiting to be written; one image of any size may always wait."""


class Stopwatch:
    """Seconds spent since its creation, in total and by activity, which run in parallel in threads."""

    def __init__(self) -> None:
        self._start, self._spent, self._lock = time.perf_counter(), defaultdict[str, float](float), threading.Lock()

    @contextmanager
    def measure(self, activity: str) -> Iterator[None]:
        """Add the time spent within the context to an activity: reading, network or writing."""
        start = time.perf_counter()
        try:
            yield
        finally:
            with self._lock:
                self._spent[activity] += time.perf_counter() - start

    def summary(self, count: int) -> str:
        """Return a sentence with the times so far and the images per second, given the number of images."""
        total = time.perf_counter() - self._start
        reading, network, writing = (f"{self._spent[activity]:.1f} s" for activity in ("reading", "network", "writing"))
        return (
            f"{counted(count, 'image', 'images')} in {total:.1f} s, {count / max(total, 1e-9):.2g} per second: the "
            f"network took {network}; in parallel, reading took {reading} and writing {writing}"
        )


@dataclass(frozen=True)
class Outcome:
    """Result of ``predict_all``."""

    written: list[Path]
    unreadable: list[str]
    """Error messages of images that were left out."""
    sizes: Mapping[str, tuple[int, int]]
    """(H, W) of the predicted images, by name."""
    time: str
    """A sentence about the time that it took."""


def predict_all(
    sources: Mapping[str, Path],
    predictor: Predictor,
    write: Callable[[Prediction], list[Path]],
    done: Callable[[], None] = lambda: None,
) -> Outcome:
    """Predict named images, up to ``predictor.batch`` of one size together, and write each in one of several threads.

    All predictions have the color scales of the first one. ``done`` is called in the calling thread for every image
    that was written or could not be read. Raises what ``write`` raises.
    """
    watch, batch = Stopwatch(), predictor.batch
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
        for named_images in _batches(_readable(_read_ahead(sources, read, batch), unreadable, done), batch):
            names, images = zip(*named_images, strict=True)
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
    return Outcome(written, unreadable, sizes, watch.summary(len(sizes)))


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


def _readable(
    images: Iterator[tuple[str, Future[RgbArray]]], unreadable: list[str], done: Callable[[], None]
) -> Iterator[tuple[str, RgbArray]]:
    """Yield the images that can be read, and collect the errors of the others."""
    for name, reading in images:
        try:
            rgb = reading.result()
        except (ValueError, PermissionError, FileNotFoundError) as error:
            unreadable.append(str(error))
            done()
        else:
            yield name, rgb


def _batches(images: Iterator[tuple[str, RgbArray]], most: int) -> Iterator[list[tuple[str, RgbArray]]]:
    """Yield batches of at most ``most`` consecutive images of one size."""
    for _, of_one_size in groupby(images, lambda image: image[1].shape):
        while batch := list(islice(of_one_size, most)):
            yield batch
