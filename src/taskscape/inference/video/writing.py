"""Write H.264 videos in segments, which are joined at the end without encoding them again."""

import heapq
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from taskscape.files import writing
from taskscape.inference.video.library import ENCODER, address
from taskscape.views import RgbArray

OPTIONS = {"crf": "18", "preset": "veryfast", "bf": "0"}
"""Options of the encoder. Without B-frames, packets are in display order, so that segments can be joined."""

NARROW = 64
"""Minimum side for x264's macroblock tree, in pixels: for smaller frames it reads uninitialized memory (core 165)."""


class Segment:
    """A segment of a video while it is written. Times are relative to its first frame."""

    def __init__(self, path: Path, time_base: Fraction) -> None:
        self.path = path
        self.time_base = time_base
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None

    def add(self, rgb: RgbArray, time: int) -> None:
        """Write an (H, W, 3) frame with its time. Odd sides are padded to even ones, as H.264 requires."""
        rgb = np.pad(rgb, ((0, rgb.shape[0] % 2), (0, rgb.shape[1] % 2), (0, 0)), mode="edge")
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
        frame.pts, frame.time_base = time, self.time_base
        with _naming_errors(self.path):
            if self._stream is None:
                self._container = av.open(address(self.path), "w", format="mp4")
                self._stream = _video_stream(self._container, rgb.shape[:2], self.time_base)
            assert self._container is not None
            self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Finish the segment, so that it can be joined."""
        if self._container is not None and self._stream is not None:
            with _naming_errors(self.path):
                self._container.mux(self._stream.encode())
                self._container.close()
                _flush(self.path)
            self._container = None

    def discard(self) -> None:
        """Remove the segment, such as after a failure."""
        if self._container is not None:
            with suppress(FFmpegError, OSError):  # such as a full disk: the first error is the one to report
                self._container.close()
            self._container = None
        self.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Sound:
    """The audio of a file, which is copied to the video."""

    file: Path
    start: Fraction
    """Time of the first video frame in the file, in seconds."""


def join(
    segments: Sequence[Path], starts: Sequence[int], out: Path, time_base: Fraction, last: int, sound: Sound | None
) -> bool:
    """Join segments, which start at these times, to one video, and return whether it has the audio.

    ``last`` is the duration of the last frame. Audio that MP4 files do not support is left out. Raises ``OSError``
    naming the file.
    """
    with _naming_errors(out):
        try:
            _join(segments, starts, out, time_base, last, sound)
        except (FFmpegError, ValueError):
            if sound is None:
                raise
            _join(segments, starts, out, time_base, last, None)
            sound = None
        _flush(out)
    return sound is not None


def _flush(path: Path) -> None:
    """Flush a file to the disk, before other files refer to it."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _join(
    segments: Sequence[Path], starts: Sequence[int], out: Path, time_base: Fraction, last: int, sound: Sound | None
) -> None:
    with av.open(address(out), "w", format="mp4", options={"movflags": "+faststart"}) as target:
        with av.open(address(segments[0])) as first:
            stream = target.add_stream_from_template(first.streams.video[0])
            stream.time_base = time_base
        tracks: list[Iterator[Packet[Any]]] = [_pictures(segments, starts, time_base, last, stream)]
        if sound is None:
            _mux(target, tracks)
            return
        with av.open(address(sound.file)) as source:
            copies = {audio.index: target.add_stream_from_template(audio) for audio in source.streams.audio}
            _mux(target, [*tracks, _sounds(source.demux(*source.streams.audio), copies, sound.start)])


def _mux(target: OutputContainer, tracks: "Sequence[Iterator[Packet[Any]]]") -> None:
    """Write the packets of several streams in the order of their times."""
    for packet in heapq.merge(*tracks, key=lambda packet: (packet.dts or 0) * packet.time_base):
        target.mux(packet)


def _pictures(
    segments: Sequence[Path], starts: Sequence[int], time_base: Fraction, last: int, stream: VideoStream
) -> "Iterator[Packet[VideoStream]]":
    """Yield the packets of all segments, with the durations of their frames; the first one is at time 0.

    The first frame of a camera's segments is later, as the camera's frames before it were left out.
    """
    previous: Packet[VideoStream] | None = None
    for path, start in zip(segments, starts, strict=True):
        with av.open(address(path)) as container:
            for packet in container.demux(video=0):
                if packet.pts is None:  # the last one is empty
                    continue
                time = start - starts[0] + round(packet.pts * packet.time_base / time_base)
                packet.pts = packet.dts = time
                packet.time_base, packet.stream = time_base, stream
                if previous is not None:
                    assert previous.pts is not None
                    previous.duration = time - previous.pts
                    yield previous
                previous = packet
    if previous is not None:
        previous.duration = last
        yield previous


def _sounds(
    packets: "Iterator[Packet[Any]]", copies: dict[int, AudioStream], start: Fraction
) -> "Iterator[Packet[AudioStream]]":
    """Yield the audio packets, with times relative to the first frame of the video."""
    for packet in packets:
        if packet.dts is None or packet.pts is None:
            continue
        shift = round(start / packet.time_base)
        packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
        packet.stream = copies[packet.stream.index]
        yield packet


def _video_stream(container: OutputContainer, size: tuple[int, ...], time_base: Fraction) -> VideoStream:
    extra = {"x264-params": "mbtree=0"} if min(size) < NARROW else {}
    stream = container.add_stream(ENCODER, options=OPTIONS | extra)
    assert isinstance(stream, VideoStream)
    stream.height, stream.width = size
    stream.pix_fmt = "yuv420p"
    stream.time_base = stream.codec_context.time_base = time_base
    context = stream.codec_context
    context.colorspace = context.color_primaries = context.color_trc = 1  # BT.709
    context.color_range = ColorRange.MPEG
    return stream


@contextmanager
def _naming_errors(path: Path) -> Iterator[None]:
    """Convert errors of FFmpeg to ``OSError`` naming the file."""
    with writing(path):
        try:
            yield
        except FFmpegError as error:
            raise OSError(error.errno, error.strerror or str(error)) from error
