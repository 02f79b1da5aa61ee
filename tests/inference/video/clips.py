"""Tiny videos."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

MILLISECONDS = Fraction(1, 1000)


def blocks(number: int, height: int = 36, width: int = 48) -> NDArray[np.uint8]:
    """Return a frame of colored blocks that move to the right; all frames differ."""
    scene = np.random.default_rng(7).integers(0, 256, (height // 6 + 1, width // 6 + 40, 3), np.uint8)
    large = scene.repeat(6, 0).repeat(6, 1)
    return np.ascontiguousarray(large[:height, 2 * number : 2 * number + width])


def write(
    path: Path,
    times: Sequence[int] = tuple(range(0, 400, 40)),
    *,
    size: tuple[int, int] = (36, 48),
    time_base: Fraction = MILLISECONDS,
    rotation: int = 0,
    sound: str | None = None,
    frames: Sequence[NDArray[np.uint8]] = (),
    **container: Any,
) -> Path:
    """Write a video of frames at these times, in steps of the time base, and return its path."""
    with av.open(str(path), "w", **container) as target:
        stream = target.add_stream("libx264", options={"crf": "10", "preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = *size, "yuv420p"
        stream.time_base = stream.codec_context.time_base = time_base
        if rotation:
            stream.set_display_rotation(rotation)
        audio = target.add_stream(sound, rate=8000, layout="mono") if sound else None
        for number, time in enumerate(times):
            rgb = frames[number] if len(frames) else blocks(number, *size)
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = time, time_base
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
        if audio is not None:
            for number in range(4):
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.float32), format="fltp", layout="mono")
                silence.sample_rate, silence.pts = 8000, 800 * number
                target.mux(audio.encode(silence))
            target.mux(audio.encode())
    return path


def times(path: Path) -> list[Fraction]:
    """Return the times of a video's frames in seconds, relative to the first one."""
    with av.open(str(path)) as container:
        found = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    return [time - found[0] for time in found]


def pixels(path: Path) -> list[NDArray[np.uint8]]:
    """Return the frames of a video."""
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
