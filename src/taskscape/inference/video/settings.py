"""Settings of output videos."""

from dataclasses import dataclass

from taskscape.inference.checks import VideoHeight
from taskscape.serialization.ranges import BelowOne, RangedSettings


@dataclass(frozen=True)
class VideoSettings(RangedSettings):
    """Settings of output videos."""

    videos: tuple[str, ...] = ()
    """Videos to write: names of tasks, ``TASK.confidence``, ``side-by-side``; all by default."""
    smooth: BelowOne = 0.0
    """Weight of previous frames in the prediction for a frame, from 0 (no smoothing) to below 1; see ``Smoother``."""
    height: VideoHeight | None = None
    """Height of the videos and of the maps; by default that of the input video, at most 1080 lines."""
    maps: bool = False
    """Also write the maps of each frame for programs, to the folder ``NAME.frames``."""
