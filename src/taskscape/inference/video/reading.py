"""Frames of videos, upright and with square pixels."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from taskscape.inference.video.library import address
from taskscape.views import RgbArray

LARGEST = (1080, 4096)
"""Of the shorter and the longer side of frames, unless another height is asked for: larger ones are scaled down."""
_HD = 720
"""Lines from which a video that does not say its colors has those of BT.709; players take it so."""
_LOCAL = {"protocol_whitelist": "file,crypto,data"}
"""For files: one that is a playlist in disguise leads to no other machine."""
_UNSPECIFIED = 2
"""The color space of such a video, in FFmpeg."""


class Frame(NamedTuple):
    """A frame of a video."""

    rgb: RgbArray
    """(H, W, 3), upright, with square pixels."""
    time: int
    """When it is shown, counted from the first frame, in steps of the video's ``time_base``."""


@dataclass
class Video:
    """A video, opened. Frames of varying length keep their times.

    Raises ``ValueError`` that names the file, where it is damaged, has no frames, or needs a decoder that is missing.
    """

    source: str | Path
    height: int | None = None
    """Of the frames that are returned, in pixels; by default their own within ``LARGEST``."""
    format: str | None = None
    """Of a source that is no file, such as v4l2."""
    options: dict[str, str] = field(default_factory=dict)
    """For the source that is opened."""
    lost: int = field(default=0, init=False)
    """Packets that could not be decoded, until now."""
    stretched: int = field(default=0, init=False)
    """Frames of another aspect ratio than the first, which were brought to its size, until now."""

    def __post_init__(self) -> None:
        """Decode the first frame, which says what the others are like."""
        with self._opened() as (container, stream):
            self.time_base: Fraction = stream.time_base or Fraction(1, 90000)
            """Seconds of a step of time."""
            self.rate: Fraction = stream.average_rate or stream.guessed_rate or Fraction(25)
            """Frames per second, on average."""
            self.sounds: tuple[str, ...] = tuple(audio.codec_context.name for audio in container.streams.audio)
            """The codecs of its audio."""
            length = stream.duration and stream.duration * self.time_base
            length = length or (container.duration and Fraction(container.duration, av.time_base)) or 0
            self.count: int = stream.frames or round(length * self.rate)
            """Frames, as the file says or as follows from its length; 0 where that is not known."""
            stretch = stream.sample_aspect_ratio or 1
            first = next(self._decoded(container, stream), None)
        if first is None:
            raise ValueError(f"{self.source}: none of its frames can be decoded: replace the file or leave it out")
        self._coded = first.height, first.width
        self.turns: int = round(first.rotation / 90) % 4
        """Quarter turns, counterclockwise, that bring frames upright."""
        self.start: Fraction = (first.pts or 0) * self.time_base
        """Seconds in the file at which the first frame is shown."""
        square = (first.height, max(round(first.width * stretch), 1))
        self.native: tuple[int, int] = square[::-1] if self.turns % 2 else square
        """(H, W) of the frames in the file, upright and with square pixels."""
        self.size: tuple[int, int] = _fitting(self.native, self.height)
        """(H, W) of the frames that are returned."""

    @property
    def usual(self) -> int:
        """For how long a frame is shown, on average, in steps of ``time_base``."""
        return max(round(1 / (self.rate * self.time_base)), 1)

    def frames(self, skip: int = 0) -> Iterator[Frame]:
        """Return the frames, without the first ``skip``: these are decoded, so that the others are the same."""
        reformatter, number, last = VideoReformatter(), 0, -self.usual
        with self._opened() as (container, stream):
            for frame in self._decoded(container, stream):
                time = frame.pts - round(self.start / self.time_base) if frame.pts is not None else last + self.usual
                last = max(time, last + 1, 0)  # a damaged file may go back
                number += 1
                self.stretched += frame.width * self._coded[0] != frame.height * self._coded[1]
                if number > skip:
                    yield Frame(self._upright(frame, reformatter), last)

    def some(self, count: int) -> list[RgbArray]:
        """Return up to so many frames, spread over the whole, or the first ones where the file cannot be searched."""
        reformatter, found = VideoReformatter(), []
        for number in range(count):
            with suppress(FFmpegError), self._opened() as (container, stream):
                if self.count > count:
                    at = self.start + number * self.count / self.rate / count
                    container.seek(int(at / self.time_base), stream=stream)
                    for frame in self._decoded(container, stream):
                        found.append(self._upright(frame, reformatter))
                        break
                else:
                    for frame in self._decoded(container, stream):
                        found.append(self._upright(frame, reformatter))
                        if len(found) == count:
                            break
                    return found
        return found or [next(self.frames()).rgb]

    def _opened(self) -> "_Opened":
        return _Opened(self.source, self.format, self.options)

    def _decoded(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        """Return all frames that can be decoded; count the packets that cannot."""
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError:  # the file ends in the middle
                self.lost += 1
                return
            if packet is None:
                return
            try:
                yield from packet.decode()
            except FFmpegError:
                self.lost += 1

    def _upright(self, frame: VideoFrame, reformatter: VideoReformatter) -> RgbArray:
        height, width = self.size[::-1] if self.turns % 2 else self.size
        colors = Colorspace.ITU709 if frame.colorspace == _UNSPECIFIED and min(self.native) >= _HD else None
        full = ColorRange.JPEG if frame.color_range == ColorRange.JPEG else None
        rgb = (
            reformatter.reformat(
                frame,
                width,
                height,
                "rgb24",
                src_colorspace=colors,
                src_color_range=full,
                interpolation=Interpolation.AREA,
            )
            .to_ndarray()
            .astype(np.uint8, copy=False)
        )
        return np.ascontiguousarray(np.rot90(rgb, self.turns)) if self.turns else rgb


class _Opened:
    """A container and its video stream, while they are open."""

    def __init__(self, source: str | Path, form: str | None, options: dict[str, str]) -> None:
        where, limits = (address(source), _LOCAL) if isinstance(source, Path) else (source, {})
        try:
            self.container = av.open(where, "r", format=form, options={**limits, **options})
        except FFmpegError as error:
            raise ValueError(f"{source} cannot be opened as a video ({_words(error)}): {_remedy(source)}") from error
        try:
            self.stream = _video_stream(self.container, source)
        except BaseException:
            self.container.close()
            raise

    def __enter__(self) -> tuple[InputContainer, VideoStream]:
        return self.container, self.stream

    def __exit__(self, *_: object) -> None:
        self.container.close()


def _video_stream(container: InputContainer, source: str | Path) -> VideoStream:
    moving = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not moving:
        kinds = ", ".join(sorted({str(stream.type) for stream in container.streams})) or "nothing"
        raise ValueError(f"{source} has no video stream, it holds {kinds}: name another file")
    stream = moving[0]
    if stream.codec_context is None:
        raise ValueError(f"{source}: this PyAV has no decoder for its video: convert the file to H.264")
    stream.thread_type = "AUTO"
    return stream


def _fitting(size: tuple[int, int], height: int | None) -> tuple[int, int]:
    factor = min(1.0, *(most / side for most, side in zip(LARGEST, sorted(size), strict=True)))
    factor = factor if height is None else height / size[0]
    return max(round(size[0] * factor), 1), max(round(size[1] * factor), 1)


def _words(error: FFmpegError) -> str:
    return error.strerror or str(error)


def _remedy(source: str | Path) -> str:
    return "replace the file or leave it out" if Path(source).exists() else "is it connected, and free?"
