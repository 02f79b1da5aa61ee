"""Read frames of videos, upright and with square pixels."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import dropwhile, islice
from pathlib import Path
from typing import Any, NamedTuple

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
"""Maximum shorter and longer side of frames, to which larger ones are scaled down unless a height is given."""
_HD = 720
"""Videos with at least this many lines are assumed to use BT.709 if they state no color space, as players do."""
_LOCAL = {"protocol_whitelist": "file,crypto,data"}
"""FFmpeg options for files, which prevent a playlist in disguise from accessing other machines."""
_UNSPECIFIED = 2
"""FFmpeg's value for an unspecified color space."""


class Frame(NamedTuple):
    """A frame of a video."""

    rgb: RgbArray
    """(H, W, 3), upright, with square pixels."""
    time: int
    """Time since the first frame, in units of the video's ``time_base``."""


@dataclass
class Video:
    """A video or camera whose frames can be read. Frames keep their times, including variable frame rates.

    Raises ``ValueError`` naming the file if it is damaged, has no frames, or needs a decoder that is missing.
    """

    source: str | Path
    height: int | None = None
    """Height of the returned frames, in pixels; by default their own, within ``LARGEST``."""
    format: str | None = None
    """FFmpeg input format of a source that is not a file, such as v4l2."""
    options: dict[str, str] = field(default_factory=dict)
    """FFmpeg options for opening the source."""
    lost: int = field(default=0, init=False)
    """Number of packets that could not be decoded, in the last call of ``frames``."""
    stretched: int = field(default=0, init=False)
    """Number of frames in it with a different aspect ratio from the first, which were resized to its size."""

    def __post_init__(self) -> None:
        """Decode the first frame, which determines the size and the rotation of all."""
        with self._opened() as (container, stream):
            self.time_base: Fraction = stream.time_base or Fraction(1, 90000)
            """Unit of time, in seconds."""
            self.rate: Fraction = stream.average_rate or stream.guessed_rate or Fraction(25)
            """Average number of frames per second."""
            self.sounds: tuple[str, ...] = tuple(audio.codec_context.name for audio in container.streams.audio)
            """Codecs of the audio streams."""
            length = stream.duration and stream.duration * self.time_base
            length = length or (container.duration and Fraction(container.duration, av.time_base)) or 0
            self.count: int = stream.frames or round(length * self.rate)
            """Number of frames, as stated in the file or computed from its duration; 0 if unknown."""
            self.states_count: bool = stream.frames > 0
            """Whether the file states the number of frames."""
            stretch = stream.sample_aspect_ratio or 1
            first = next(self._decoded(container, stream), None)
        if first is None:
            raise ValueError(f"{self.source}: none of its frames can be decoded: replace the file or leave it out")
        self._coded_size = first.height, first.width
        self.turns: int = round(first.rotation / 90) % 4
        """Counterclockwise quarter turns that bring frames upright, after mirroring."""
        self.mirrored: bool = _is_mirrored(first)
        """Whether frames are first turned upside down like a mirror image."""
        self.start: Fraction = (first.pts or 0) * self.time_base
        """Time of the first frame in the file, in seconds."""
        square = (first.height, max(round(first.width * stretch), 1))
        self.native: tuple[int, int] = square[::-1] if self.turns % 2 else square
        """(H, W) of the frames in the file, upright and with square pixels."""
        self.size: tuple[int, int] = _fitted_size(self.native, self.height)
        """(H, W) of the returned frames."""

    @property
    def usual(self) -> int:
        """Average duration of a frame, in units of ``time_base``."""
        return max(round(1 / (self.rate * self.time_base)), 1)

    def frames(self, skip: int = 0) -> Iterator[Frame]:
        """Yield the frames after the first ``skip``, which are decoded too, so that the others do not change."""
        self.lost = self.stretched = 0
        reformatter, number, last = VideoReformatter(), 0, -self.usual
        with self._opened() as (container, stream):
            for frame in self._decoded(container, stream):
                time = frame.pts - round(self.start / self.time_base) if frame.pts is not None else last + self.usual
                last = max(time, last + 1, 0)  # times in a damaged file may decrease
                number += 1
                self.stretched += frame.width * self._coded_size[0] != frame.height * self._coded_size[1]
                if number > skip:
                    yield Frame(self._upright(frame, reformatter), last)

    def spread(self, count: int) -> list[RgbArray]:
        """Return up to ``count`` frames spread over the video, or its first ones if it is short or of unknown length.

        If seeking fails, return only the first frame.
        """
        reformatter = VideoReformatter()

        def first(length: int, start: Fraction | None = None) -> list[RgbArray]:
            """Return the first frames, or those from a time in seconds on; none if they cannot be decoded."""
            with suppress(FFmpegError), self._opened() as (container, stream):
                frames = self._decoded(container, stream)
                if start is not None:
                    container.seek(int(start / self.time_base), stream=stream)  # to the key frame before it
                    frames = dropwhile(
                        lambda frame: frame.pts is not None and frame.pts * self.time_base < start, frames
                    )
                return [self._upright(frame, reformatter) for frame in islice(frames, length)]
            return []

        if self.count <= count:
            frames = first(count)
        else:
            times = [self.start + number * self.count / self.rate / count for number in range(count)]
            frames = [frame for time in times for frame in first(1, time)]
        return frames or [next(self.frames()).rgb]

    @contextmanager
    def _opened(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        """Open the container and its video stream."""
        source = self.source
        url, restrictions = (address(source), _LOCAL) if isinstance(source, Path) else (source, {})
        try:
            container = av.open(url, "r", format=self.format, options={**restrictions, **self.options})
        except FFmpegError as error:
            raise ValueError(f"{source} cannot be opened as a video ({_message(error)}): {_remedy(source)}") from error
        with container:
            yield container, _video_stream(container, source)

    def _decoded(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        """Yield all frames that can be decoded, and count the packets that cannot."""
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except FFmpegError:  # the file is truncated
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
        color_space = Colorspace.ITU709 if frame.colorspace == _UNSPECIFIED and min(self.native) >= _HD else None
        color_range = ColorRange.JPEG if frame.color_range == ColorRange.JPEG else None
        rgb = (
            reformatter.reformat(
                frame,
                width,
                height,
                "rgb24",
                src_colorspace=color_space,
                src_color_range=color_range,
                interpolation=Interpolation.AREA,
            )
            .to_ndarray()
            .astype(np.uint8, copy=False)
        )
        return np.ascontiguousarray(np.rot90(rgb[::-1] if self.mirrored else rgb, self.turns))


def _video_stream(container: InputContainer, source: str | Path) -> VideoStream:
    moving = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not moving:
        kinds = ", ".join(sorted({str(stream.type) for stream in container.streams})) or "nothing"
        raise ValueError(f"{source} has no video stream, only {kinds}: choose another file")
    stream = moving[0]
    if stream.codec_context is None:
        raise ValueError(f"{source}: this PyAV has no decoder for its video: convert the file to H.264")
    stream.thread_type = "AUTO"
    return stream


def _is_mirrored(frame: VideoFrame) -> bool:
    """Return whether the display matrix of a frame also mirrors it: ``VideoFrame.rotation`` is only where x points."""
    matrix: Any = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return False
    a, b, _, c, d = np.frombuffer(matrix, np.int32)[:5].tolist()
    return bool(a * d < b * c)


def _fitted_size(size: tuple[int, int], height: int | None) -> tuple[int, int]:
    factor = min(1.0, *(limit / side for limit, side in zip(LARGEST, sorted(size), strict=True)))
    factor = factor if height is None else height / size[0]
    return max(round(size[0] * factor), 1), max(round(size[1] * factor), 1)


def _message(error: FFmpegError) -> str:
    return error.strerror or str(error)


def _remedy(source: str | Path) -> str:
    return "replace the file or leave it out" if Path(source).exists() else "check that it is connected and not in use"
