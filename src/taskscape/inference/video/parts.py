"""Files of an unfinished video on the disk: its segments, and the state from which to continue."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from taskscape.files import atomic_write, writing

STATE = "state.json"


@dataclass
class Parts:
    """The folder of an unfinished video.

    A segment counts once it is listed in ``state.json``, which is written after the segment and the smoothing state at
    its end. So the same frames follow whenever the process is killed.
    """

    folder: Path
    made_with: Mapping[str, Any]
    """Everything that determines the frames; a change of any value gives a different video."""
    views: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings of the views by task, which keep the color scales."""
    segments: list[int] = field(default_factory=list)
    """Number of frames in each segment."""
    starts: list[int] = field(default_factory=list)
    """Start of each segment, in units of the video's time base."""
    last: int = 1
    """Duration of the last frame, in units of the video's time base."""
    complete: bool = False
    """Whether the segments include the last frame of the video."""

    @classmethod
    def of(cls, folder: Path, made_with: Mapping[str, Any], last: int = 1) -> "Parts":
        """Load the parts in a folder, or return empty ones with ``last`` if there are none. Creates the folder.

        Raises ``ValueError`` if the parts were made with different settings, and ``OSError`` naming the folder.
        """
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        try:
            content = json.loads((folder / STATE).read_text("utf-8"))
            parts = cls(folder, **content)
        except (OSError, ValueError, TypeError):  # killed before its first segment
            return cls(folder, made_with, last=last)
        for key in {*parts.made_with, *made_with}:
            old, new = parts.made_with.get(key), made_with.get(key)
            if old != new:
                raise ValueError(
                    f"{folder} has {sum(parts.segments)} frames that were made with {key} {_text(old)}, but now it "
                    f"is {_text(new)}: finish with the old value, delete the folder, or choose another one with --out"
                )
        return parts

    @property
    def frames(self) -> int:
        """Total number of frames in the segments."""
        return sum(self.segments)

    def path(self, video: str, number: int) -> Path:
        """Return the file of a segment of a video."""
        return self.folder / f"{video}.{number:05}.mp4"

    def paths(self, video: str) -> list[Path]:
        """Return the files of all segments of a video."""
        return [self.path(video, number) for number in range(len(self.segments))]

    def add(self, frames: int, start: int, state: Mapping[str, Tensor]) -> None:
        """Add a segment whose files are written, with the smoothing state at its end."""
        number = len(self.segments)
        if state:
            tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
            atomic_write(self._state(number), save(tensors))
        self.segments.append(frames)
        self.starts.append(start)
        self.write()
        self._state(number - 1).unlink(missing_ok=True)

    def write(self) -> None:
        """Write ``state.json``."""
        content = {key: value for key, value in asdict(self).items() if key != "folder"}
        atomic_write(self.folder / STATE, json.dumps(content, indent=1))

    def state(self) -> dict[str, Tensor]:
        """Return the state at the end of the last segment, if any. Raises ``ValueError`` if its file is damaged."""
        path = self._state(len(self.segments) - 1)
        try:
            return load_file(path) if path.exists() else {}
        except SafetensorError as error:
            raise ValueError(f"{path} is damaged ({error}): delete the folder {self.folder}") from error

    def remove(self) -> None:
        """Remove the folder, after the video is finished."""
        with writing(self.folder):
            shutil.rmtree(self.folder)

    def _state(self, number: int) -> Path:
        return self.folder / f"after.{number:05}.safetensors"


def _text(value: Any) -> str:
    text = "not there" if value is None else str(value)
    return text if len(text) < 60 else f"{text[:57]}..."
