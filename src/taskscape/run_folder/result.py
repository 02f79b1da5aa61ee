"""The result of an evaluation, as a JSON file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taskscape.files import atomic_write
from taskscape.metrics.spec import MetricSpec
from taskscape.modalities import Modality
from taskscape.run_folder.names import RunFolder
from taskscape.serialization import counted, show_size, structure, unstructure
from taskscape.serialization.plain import read_json

FORMAT = 2


@dataclass(frozen=True)
class Progress:
    """Training progress of a network when it was evaluated."""

    epochs: int
    """Epochs of training so far."""
    planned: int
    """Epochs of the experiment, or fewer after an early stop."""
    finished: bool
    """Whether training is finished: after all epochs, or after an early stop as set in the experiment."""


@dataclass(frozen=True)
class EpochMean:
    """Means of the validation metrics over a run's last epochs: the protocol of most tables after MTAN."""

    epochs: int
    """The number of epochs averaged: those of the last epochs that ended with a validation."""
    metrics: Mapping[str, float]
    """Means by ``task/metric``."""


@dataclass(frozen=True, repr=False)
class Result:
    """The metrics of one trained network on one split.

    Raises ``ValueError`` for a metric without a spec, and for an impossible size or number of images.
    """

    split: str
    images: int
    size: tuple[int, int]
    """Height and width of the images in pixels."""
    tasks: Mapping[str, Modality]
    """What each task predicts, by the task's name."""
    metrics: Mapping[str, float]
    """Metrics by ``task/metric``, in percent where papers report percentages."""
    specs: Mapping[str, MetricSpec]
    """The spec of each metric, by the same key, in the order of display. A metric with a spec may be missing: a class
    that does not occur has no IoU."""
    plots: Mapping[str, Any] = field(default_factory=dict)
    """Data of plots by ``task/plot``, as plain lists. A report draws ``confusion`` (rows ground truth, columns
    prediction, in pixels), ``histogram`` and ``error_by_distance`` (see ``taskscape.metrics.DepthMetrics``)."""
    cost: Mapping[str, float] = field(default_factory=dict)
    """``parameters``, ``flops`` for one image, ``seconds_per_image`` of the forward pass in batches, ``latency`` of a
    single image in seconds, ``seconds`` of training, which are those of all runs of a stack together."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Versions, device, threads, processes; ``runs at once`` of a stack."""
    tta: bool | str = False
    """Whether predictions were averaged over the images and their mirror images; a string names a different test-time
    augmentation (the ``word`` of a ``taskscape.evaluation.TestTimeAugmentation``)."""
    data: str = ""
    """The fingerprint of the data (``taskscape.data.Manifest``); results of earlier versions have none."""
    classes: str = ""
    """The map from the network's classes to those of the data, as given to ``taskscape.runs.evaluate``."""
    progress: Progress | None = None
    """Training progress of the network; results of earlier versions have none."""
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """The same metrics of predictors that ignore the image, by the predictor's name: ``constant`` and ``by position``
    (``taskscape.evaluation.baseline``)."""
    last_epochs: EpochMean | None = None
    """Means over the last epochs (``Experiment.average_last``), whereas ``metrics`` are those of the best epoch."""
    parameters: Mapping[str, int] = field(default_factory=dict)
    """The number of parameters of each part of the network, by the part's name."""

    def __post_init__(self) -> None:
        if min(self.size) < 1 or self.images < 0:
            raise ValueError(f"{self.images} images of {show_size(self.size)} are impossible")
        if unknown := [name for name in self.metrics if name not in self.specs]:
            raise ValueError(f"metrics without a spec: {', '.join(unknown)}; declare them in the `specs` of the metric")
        if misnamed := [name for name, spec in self.specs.items() if spec.per_class and name.count("/") < 2]:
            raise ValueError(f"{misnamed[0]!r} is a metric of a class: its name must be TASK/METRIC/CLASS")

    def __repr__(self) -> str:
        """Return the split and the images, and the leading metric of each task."""
        leading = [name for name in self.metrics if self.specs[name].leads] or list(self.metrics)[:3]
        numbers = [f"{name} {self.specs[name].show(self.metrics[name])}" for name in leading]
        images = counted(self.images, "image", "images")
        subject = f"{self.split}{self.tta_words}, {images} of {show_size(self.size)}"
        return f"Result({'; '.join([subject, *numbers])})"

    @property
    def blind(self) -> Mapping[str, float]:
        """The metrics of the stricter predictor that ignores the image, by position; empty if they are unknown."""
        return self.baselines.get("by position", {})

    @property
    def tta_words(self) -> str:
        """A phrase on test-time augmentation to append to a text; "" without test-time augmentation."""
        suffix = f" ({self.tta})" if isinstance(self.tta, str) else ""
        return f" with test-time augmentation{suffix}" if self.tta else ""

    def save(self, path: str | Path) -> None:
        """Write the result; a reader sees the old or the new file, never a part."""
        content = {"format": FORMAT, **unstructure(self)}
        atomic_write(Path(path), json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> "Result":
        """Read a result: ``Result.load("runs/joint/result.json")``.

        Raises ``FileNotFoundError`` if there is no file, and ``ValueError`` if it is not a result of this version; both
        name the file and the remedy.
        """
        path = Path(path)
        folder = RunFolder(path.parent)
        if not path.is_file():
            raise FileNotFoundError(f"there is no result {path}; make it with `{folder.command_for(path)}`")
        try:
            content = read_json(path)
            if not isinstance(content, dict) or "format" not in content:
                raise ValueError(f"{path} is not a result of taskscape")
            if (number := content.pop("format")) != FORMAT:
                raise ValueError(f"{path} has format {number}, this version reads {FORMAT}")
            return structure(content, str(path), cls)
        except ValueError as error:
            raise ValueError(f"{error}; evaluate the run again with `{folder.command_for(path)}`") from error
