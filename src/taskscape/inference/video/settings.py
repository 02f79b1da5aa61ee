"""Settings of output videos."""

from dataclasses import dataclass

from taskscape.serialization.ranges import RangedSettings


@dataclass(frozen=True)
class VideoSettings(RangedSettings):
    """Settings of output videos."""

    videos: tuple[str, ...] = ()
    """Videos to write: names of tasks, ``TASK.confidence``, ``side-by-side``; all by default."""
    smooth: float = 0.0
    """Weight of previous frames in the prediction for a frame, from 0 (no smoothing) to below 1; see ``Smoother``."""
    height: int | None = None
    """Height of the videos and of the maps; by default that of the input video, at most 1080 lines."""
    maps: bool = False
    """Also write the maps of each frame for programs, to the folder ``NAME.frames``."""

    def __post_init__(self) -> None:
        """Check the settings. Raises ``ValueError``."""
        super().__post_init__()
        if not 0 <= self.smooth < 1:
            raise ValueError(f"smooth is {self.smooth:g}: it must be at least 0, which does not smooth, and below 1")
        if self.height is not None and self.height < 16:
            raise ValueError(f"video height is {self.height}: it must be at least 16")
