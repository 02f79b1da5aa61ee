"""What an evaluation found, as a JSON file that a report reads back."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from taskscape.files import atomic_write

FORMAT = 1

_HIGHER = (
    "miou", "miou_per_image", "pixel_accuracy", "delta1", "delta2", "delta3", "scaled_delta1", "scaled_delta2",
    "scaled_delta3", "11.25", "22.5", "30", "grader",
)  # fmt: skip


def higher_is_better(metric: str) -> bool:
    """Return whether a metric, such as ``semseg/miou``, grows as predictions get better; errors do not."""
    return metric.startswith("semseg/iou/") or metric.rpartition("/")[2] in _HIGHER


def suffix(split: str = "val", tta: bool = False) -> str:
    """Return what the names of a run's ``result`` and ``samples`` end in: nothing for the usual one, that of val."""
    return ("" if split == "val" else f"-{split}") + ("-tta" if tta else "")


@dataclass(frozen=True)
class TaskInfo:
    """What a report must know to draw a task."""

    name: str
    kind: Literal["classes", "depth", "directions"]
    classes: list[str] = field(default_factory=list)
    palette: list[list[int]] = field(default_factory=list)
    """An RGB colour per class, 0..255."""
    scale_known: bool = True
    """Whether depth is in metres; if not, it is proportional to metres within an image only."""


@dataclass(frozen=True)
class Result:
    """The metrics of one trained network on one split."""

    split: str
    images: int
    size: tuple[int, int]
    """Height and width of the images in pixels."""
    metrics: dict[str, float]
    """By ``task/metric``; percentages where the field reports percentages."""
    figures: dict[str, Any] = field(default_factory=dict)
    """By ``task/figure``: ``semseg/confusion`` (rows: ground truth, columns: prediction, in pixels);
    ``depth/histogram`` (``edges`` in metres, ``predicted`` and ``true`` pixel counts)."""
    tasks: list[TaskInfo] = field(default_factory=list)
    cost: dict[str, float] = field(default_factory=dict)
    """``parameters``, ``flops`` of one image, ``seconds_per_image`` of the forward pass, ``seconds`` of training."""
    environment: dict[str, str] = field(default_factory=dict)
    """Versions, device, threads, processes."""
    format: int = FORMAT

    def save(self, path: Path) -> None:
        """Write the result; a reader sees the old file or the new one, never half of one."""
        atomic_write(path, json.dumps(asdict(self), indent=1, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Result":
        """Read a result. Raises ``ValueError`` that names the file when it is not one."""
        if not path.is_file():
            raise FileNotFoundError(f"there is no result {path}; make it with taskscape evaluate {path.parent}")
        try:
            content = json.loads(path.read_text())
            if content["format"] != FORMAT:
                raise ValueError(f"{path} has format {content['format']}, this version reads {FORMAT}; evaluate again")
            tasks = [TaskInfo(**task) for task in content["tasks"]]
            return cls(**{**content, "size": tuple(content["size"]), "tasks": tasks})
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is not a result of taskscape ({error!r}); evaluate the run again") from error
