"""The outcome of an evaluation, as a JSON file."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taskscape.files import atomic_write
from taskscape.metrics.spec import MetricSpec
from taskscape.modalities import Modality
from taskscape.run_folder.names import RunFolder
from taskscape.serialization import agreeing, show_size, structure, unstructure
from taskscape.serialization.plain import read_json

FORMAT = 2


@dataclass(frozen=True)
class Progress:
    """How far a network was trained when it was evaluated."""

    epochs: int
    """Epochs that were trained."""
    planned: int
    """Epochs that the experiment asks for."""
    finished: bool
    """Whether training came to its end: all epochs, or an early stop that the experiment asks for."""


@dataclass(frozen=True)
class EpochMean:
    """Means of the validation metrics of a run's last epochs: the protocol of most tables after MTAN."""

    epochs: int
    """How many epochs they are the means of: those of the last ones that ended with a validation."""
    metrics: Mapping[str, float]
    """By ``task/metric``."""


@dataclass(frozen=True, repr=False)
class Result:
    """The metrics of one trained network on one split.

    Raises ``ValueError`` for a metric without a spec, and for a size or a number of images that cannot be.
    """

    split: str
    images: int
    size: tuple[int, int]
    """Height and width of the images in pixels."""
    tasks: Mapping[str, Modality]
    """What each task predicts, by the task's name."""
    metrics: Mapping[str, float]
    """By ``task/metric``; percentages where the field reports percentages."""
    specs: Mapping[str, MetricSpec]
    """What each metric is, by the same key, in the order of display. A metric that has a spec may be missing: a class
    that does not occur has no IoU."""
    plots: Mapping[str, Any] = field(default_factory=dict)
    """By ``task/plot``, plain lists. A report draws ``confusion`` (rows ground truth, columns prediction, in pixels),
    ``histogram`` and ``error_by_distance`` (see ``taskscape.metrics.DepthMetrics``)."""
    cost: Mapping[str, float] = field(default_factory=dict)
    """``parameters``, ``flops`` of one image, ``seconds_per_image`` of the forward pass in batches, ``latency``
    of one image alone in seconds, ``seconds`` of training."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Versions, device, threads, processes."""
    tta: bool | str = False
    """Test-time augmentation: whether predictions were averaged with those for the flipped images; text is another
    one, by its word (``taskscape.evaluation.TestTimeAugmentation``)."""
    data: str = ""
    """The fingerprint of the data (``taskscape.data.Manifest``); results of earlier versions have none."""
    progress: Progress | None = None
    """How far the network was trained; results of earlier versions have none."""
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """The same metrics of predictors that ignore the image, by the predictor's name: ``constant`` and ``by position``
    (``taskscape.evaluation.baseline``)."""
    last_epochs: EpochMean | None = None
    """Means of the last epochs (``Experiment.average_last``); the metrics are those of the best epoch."""
    parameters: Mapping[str, int] = field(default_factory=dict)
    """The number of parameters of each part of the network, by the part's name."""

    def __post_init__(self) -> None:
        if min(self.size) < 1 or self.images < 0:
            raise ValueError(f"there are no {self.images} images of {show_size(self.size)}")
        if unknown := [name for name in self.metrics if name not in self.specs]:
            raise ValueError(f"metrics without a spec: {', '.join(unknown)}; declare them in the `specs` of the metric")
        if odd := [name for name, spec in self.specs.items() if spec.per_class and name.count("/") < 2]:
            raise ValueError(f"{odd[0]!r} is a metric of a class, and its name is not TASK/METRIC/CLASS")

    def __repr__(self) -> str:
        """Return where it is from, and the metrics that stand for their tasks."""
        leading = [name for name in self.metrics if self.specs[name].leads] or list(self.metrics)[:3]
        numbers = [f"{name} {self.specs[name].show(self.metrics[name])}" for name in leading]
        images = f"{self.images} {agreeing(self.images, 'image', 'images')}"
        about = f"{self.split}{self.tta_words}, {images} of {show_size(self.size)}"
        return f"Result({'; '.join([about, *numbers])})"

    @property
    def tta_words(self) -> str:
        """Words about test-time augmentation that may follow others; nothing without."""
        named = f" ({self.tta})" if isinstance(self.tta, str) else ""
        return f" with test-time augmentation{named}" if self.tta else ""

    def save(self, path: str | Path) -> None:
        """Write the result; a reader sees the old file or the new one, never half of one."""
        content = {"format": FORMAT, **unstructure(self)}
        atomic_write(Path(path), json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> "Result":
        """Read a result: ``Result.load("runs/joint/result.json")``.

        Raises ``FileNotFoundError`` when there is none, ``ValueError`` when the file is not one of this version; both
        name the file and the remedy.
        """
        path = Path(path)
        command = RunFolder(path.parent).evaluate_command()
        remedy = f"evaluate the run again with `{command}`"
        if not path.is_file():
            raise FileNotFoundError(f"there is no result {path}; make it with `{command}`")
        try:
            content = read_json(path)
        except ValueError as error:
            raise ValueError(f"{error}; {remedy}") from error
        if not isinstance(content, dict) or "format" not in content:
            raise ValueError(f"{path} is not a result of taskscape; {remedy}")
        number = content.pop("format")
        if number != FORMAT:
            raise ValueError(f"{path} has format {number}, this version reads {FORMAT}; {remedy}")
        try:
            return structure(content, str(path), cls)
        except ValueError as error:
            raise ValueError(f"{error}; {remedy}") from error
