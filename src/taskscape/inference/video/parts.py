"""What a video that is not finished yet keeps on the disk: segments, and where to go on."""

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
    """The folder of a video that is being made.

    A segment counts once ``state.json`` lists it, which is written after the segment and after the state behind it:
    whenever the process ends, the same frames follow.
    """

    folder: Path
    made_with: Mapping[str, Any]
    """All that decides over the frames: another value of one of these makes another video."""
    views: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Settings of the views, by task, so that the color scales stay."""
    segments: list[int] = field(default_factory=list)
    """How many frames each has."""
    starts: list[int] = field(default_factory=list)
    """When each begins, in steps of the video's time base."""
    last: int = 1
    """For how long the last frame is shown."""
    complete: bool = False
    """Whether the last frame of the video is in them."""

    @classmethod
    def of(cls, folder: Path, made_with: Mapping[str, Any], last: int = 1) -> "Parts":
        """Return those of a folder, empty ones with ``last`` where there are none. Makes the folder.

        Raises ``ValueError`` where they were made otherwise, ``OSError`` that names the folder.
        """
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        try:
            content = json.loads((folder / STATE).read_text("utf-8"))
            found = cls(folder, **content)
        except (OSError, ValueError, TypeError):  # killed before its first segment
            return cls(folder, made_with, last=last)
        for key in {*found.made_with, *made_with}:
            before, now = found.made_with.get(key), made_with.get(key)
            if before != now:
                raise ValueError(
                    f"{folder} holds {sum(found.segments)} frames that were made with {key} {_shown(before)}, now it "
                    f"is {_shown(now)}: finish it with that, or delete the folder, or choose another one with --out"
                )
        return found

    @property
    def frames(self) -> int:
        """How many frames the segments have."""
        return sum(self.segments)

    def path(self, video: str, number: int) -> Path:
        """Return the file of a segment of a video."""
        return self.folder / f"{video}.{number:05}.mp4"

    def paths(self, video: str) -> list[Path]:
        """Return the files of all segments of a video."""
        return [self.path(video, number) for number in range(len(self.segments))]

    def add(self, frames: int, start: int, state: Mapping[str, Tensor]) -> None:
        """List one more segment, whose files are written, with the state behind it."""
        number = len(self.segments)
        if state:
            tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
            atomic_write(self._state(number), save(tensors))
        self.segments.append(frames)
        self.starts.append(start)
        self.write()
        self._state(number - 1).unlink(missing_ok=True)

    def write(self) -> None:
        """Write what is known."""
        content = {key: value for key, value in asdict(self).items() if key != "folder"}
        atomic_write(self.folder / STATE, json.dumps(content, indent=1))

    def state(self) -> dict[str, Tensor]:
        """Return the state behind the last segment; empty without any. Raises ``ValueError`` where it is damaged."""
        path = self._state(len(self.segments) - 1)
        try:
            return load_file(path) if path.exists() else {}
        except SafetensorError as error:
            raise ValueError(f"{path} is damaged ({error}): delete the folder {self.folder}") from error

    def remove(self) -> None:
        """Remove the folder, when the video is finished."""
        with writing(self.folder):
            shutil.rmtree(self.folder)

    def _state(self, number: int) -> Path:
        return self.folder / f"after.{number:05}.safetensors"


def _shown(value: Any) -> str:
    text = "not there" if value is None else str(value)
    return text if len(text) < 60 else f"{text[:57]}..."
