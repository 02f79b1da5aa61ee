"""Predict frames and write them to videos, segment by segment."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from itertools import chain, islice
from pathlib import Path

from taskscape.inference.prediction import Prediction
from taskscape.inference.predictor import Predictor
from taskscape.inference.video.parts import Parts
from taskscape.inference.video.pictures import drawing
from taskscape.inference.video.reading import Frame
from taskscape.inference.video.smoothing import Smoother
from taskscape.inference.video.writing import Segment, Sound, join
from taskscape.views import RgbArray

SEGMENT = 48
"""Frames per segment, which is at most how many are computed again after an interruption."""
AHEAD = 2
"""Maximum number of predictions waiting to be written."""


@dataclass
class Film:
    """The output videos of one film while they are written."""

    predictor: Predictor
    """The predictor, with the color scales of the whole film."""
    parts: Parts
    names: Sequence[str]
    """Names of the videos."""
    size: tuple[int, int]
    """(H, W) of the frames."""
    time_base: Fraction
    """Unit of time, in seconds."""
    smooth: float = 0.0
    maps: Path | None = None
    """Folder for the maps of each frame; None does not write them."""

    def __post_init__(self) -> None:
        self.smoother = Smoother(self.predictor.model.tasks, self.smooth)
        self.smoother.load_state_dict(self.parts.state(), self.predictor.model.device)
        self.draw = drawing(self.predictor, self.names, self.size)

    def predict(self, rgb: RgbArray) -> Prediction:
        """Predict the next frame, (H, W, 3)."""
        if self.predictor.tiles is not None:  # not smoothed
            return self.predictor.predict_together([rgb])[0]
        return self.predictor.decode(rgb, self.smoother(rgb, self.predictor.raw_outputs(rgb)))

    def add(self, frames: Iterable[Frame], done: Callable[[int], None], stop: Callable[[], bool]) -> bool:
        """Write the remaining frames, and return whether the end was reached; ``stop`` is called after each frame.

        ``done`` is called with the total number of frames so far. If ``stop`` returns True within a segment, that
        segment is discarded.
        """
        frames = iter(frames)
        while True:
            first = next(frames, None)
            if first is None:
                return True
            if not self._segment(first, chain([first], islice(frames, SEGMENT - 1)), done, stop):
                return False

    def join(self, out: Path, name: str, sound: Sound | None = None) -> tuple[list[Path], bool]:
        """Join the segments to ``NAME.VIDEO.mp4`` in a folder, and return the files and whether they have the audio.

        The parts remain until ``parts.remove`` is called.
        """
        paths, has_sound = [], True
        for video in self.names:
            path = out / f"{name}.{video}.mp4"
            joined = self.parts.folder / f"{video}.mp4"
            has_sound &= join(
                self.parts.paths(video), self.parts.starts, joined, self.time_base, self.parts.last, sound
            )
            joined.replace(path)
            paths.append(path)
        return paths, has_sound

    def _segment(
        self, first: Frame, frames: Iterable[Frame], done: Callable[[int], None], stop: Callable[[], bool]
    ) -> bool:
        """Write a segment, and return whether to continue."""
        number, count, previous_time, stopped = len(self.parts.segments), 0, first.time, False
        segments = {name: Segment(self.parts.path(name, number), self.time_base) for name in self.names}

        def write(prediction: Prediction, time: int, number: int) -> None:
            for name, picture in self.draw(prediction).items():
                segments[name].add(picture, time)
            if self.maps is not None:
                named = replace(prediction, name=f"{number:06}", views=self.predictor.views)
                named.save_images(self.maps, pictures=False)

        try:
            with _in_background() as submit:
                for frame in frames:
                    prediction = self.predict(frame.rgb)
                    submit(partial(write, prediction, frame.time - first.time, self.parts.frames + count))
                    if count:
                        self.parts.last = frame.time - previous_time
                    previous_time, count = frame.time, count + 1
                    done(self.parts.frames + count)
                    if stopped := stop():
                        break
            keep = count == SEGMENT or not stopped
            for segment in segments.values():
                segment.close() if keep else segment.discard()
        except BaseException:
            for segment in segments.values():
                segment.discard()
            raise
        if not keep:
            return False
        self.parts.add(count, first.time, self.smoother.state_dict())
        return not stopped


@contextmanager
def _in_background() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Yield a function that makes a call in a thread, so that the network does not wait for drawing and encoding.

    At most ``AHEAD`` calls wait. All are finished at the end; after an error, those that wait are dropped. Errors of
    calls are raised here.
    """
    waiting: deque[Future[None]] = deque()
    thread = ThreadPoolExecutor(1, "writing")

    def submit(call: Callable[[], None]) -> None:
        waiting.append(thread.submit(call))
        if len(waiting) > AHEAD:
            waiting.popleft().result()

    try:
        yield submit
        while waiting:
            waiting.popleft().result()
    except BaseException:
        thread.shutdown(cancel_futures=True)
        raise
    finally:
        thread.shutdown()


def check_smoothing(predictor: Predictor, smooth: float) -> None:
    """Raise ``ValueError`` if smoothing is combined with tiles."""
    if smooth and predictor.tiles is not None:
        raise ValueError("smoothing needs the output for the whole frame: leave out --smooth, or --tiles")
