"""What a task is: a modality that a network predicts, with its head, loss and metrics."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Literal, Self, TypeVar

import torch
from torch import Tensor

from taskscape.batch import Target
from taskscape.losses import Loss, LossTerm
from taskscape.metrics.base import TaskMetric
from taskscape.modalities import Modality
from taskscape.modalities.base import Array
from taskscape.serialization.ranges import RangedSettings
from taskscape.tasks.distributions.base import Distribution

M = TypeVar("M", bound=Modality)


class Task(RangedSettings, ABC):
    """One thing to predict at every pixel. A frozen dataclass of plain values.

    An experiment's tasks are a mapping from names to these: the name is the key in outputs, targets, losses and
    metrics, and the field of the store that holds the labels unless ``source`` names another.
    """

    name: ClassVar[str]
    """The word for this kind of task on the command line and in saved experiments."""
    loss: Loss
    """How the prediction is compared with the target."""
    source: str | None = None
    """The store's field that the labels are made from; None for the one with the task's own name."""

    @property
    @abstractmethod
    def modality(self) -> Modality:
        """What the decoded prediction means. Raises ``ValueError`` while it is left to the data (``for_data``)."""

    @property
    @abstractmethod
    def channels(self) -> int:
        """Number of channels of the raw output."""

    @property
    def predicts_classes(self) -> bool:
        """Whether the raw output is a score for each of several classes, one channel each."""
        return False

    @property
    def raw_is_value(self) -> bool:
        """Whether the raw output is the modality's value itself, such as metres, not a normalized form of it."""
        return False

    @property
    def range(self) -> tuple[float, float] | None:
        """The smallest and the largest value that is predicted; None where that is not known."""
        return None

    @property
    def zero_is_clamped(self) -> bool:
        """Whether raw output near zero, where most networks start, passes no gradient to the loss.

        Such a task needs a network that starts at values, ``NetworkConfig.starts_at_values``.
        """
        return False

    def start_value(self, usual: float) -> float:
        """Return where a network starts whose raw output is the value: ``usual``, if the task can learn from there."""
        return usual

    @property
    def distribution(self) -> Distribution | None:
        """What the raw output says about its own errors; None where it says nothing, as without a predicted width."""
        return None

    @property
    def measures_confidence(self) -> bool:
        """Whether runs calibrate the ``distribution``, and measure how well it fits, without being asked to."""
        return self.loss.scale_channels > 0 and self.distribution is not None

    def confidence_of(self, raw: Tensor, spread: float = 1.0) -> Tensor | None:
        """Return how sure the raw output is at every pixel, (B, H, W) float32 in 0..1; None where it does not say.

        It is the probability that the prediction is right, in the sense of ``distribution.right_when``, unless the
        task's settings choose another measure. ``spread`` is what the calibration of a run found
        (``taskscape.run_folder.Calibration``); 1 takes the network at its word.
        """
        return None if self.distribution is None else self.distribution.estimate(raw, spread).confidence

    def source_for(self, name: str) -> str:
        """Return the store's field that this task reads where it has this name in an experiment."""
        return self.source or name

    def for_data(self, field: str, modality: Modality) -> Self:
        """Return this task with what it left to the data filled in from the field of the store that it reads.

        Unless overridden, the task leaves nothing open and reads its own modality. Raises ``ValueError`` that names
        the field where it cannot learn from such labels.
        """
        read_as(field, modality, type(self.modality))
        return self

    def measured_on(
        self, field: str, modality: Modality, classes: str = ""
    ) -> tuple[Self, Callable[[Tensor], Tensor] | None]:
        """Return the task that is measured by the labels of other data than it was trained with.

        ``field`` and ``modality`` are those of the other data, ``classes`` says which class becomes which, for a task
        with classes (``taskscape.modalities.class_maps.class_table``). The function turns this task's raw output,
        (B, channels, H, W), into that of the other task; None where it stays. Raises ``ValueError`` as ``for_data``.
        """
        return self.for_data(field, modality), None

    def for_values(self, sample: Callable[[], Array]) -> tuple[Self, list[str]]:
        """Return this task with what it left to the values of its labels filled in, and what the user should know.

        ``sample`` reads some images of the training split and returns values of valid pixels, (pixels,) + the
        ``shape`` of the field's modality; a task that leaves nothing to the values does not call it. The sentences say
        what was chosen, and what in the task's settings does not suit the values.
        """
        return self, []

    def for_labels(self, targets: Callable[[], Iterable[Target]]) -> tuple[Self, list[str]]:
        """Return this task with what its loss left to the training labels filled in, and what the user should know.

        ``targets`` reads the task's targets of all training images, a batch at a time.
        """
        loss, sentences = self.loss.for_labels(targets, self.channel_names)
        dataclass: Any = self  # as every task is
        return replace(dataclass, loss=loss) if sentences else self, sentences

    @property
    def channel_names(self) -> Sequence[str]:
        """What each channel of the raw output is called in messages: its number, unless overridden."""
        return [str(channel) for channel in range(self.channels)]

    @property
    def zoom_power(self) -> int:
        """To which power the zoom of an augmented image multiplies its label after ``Modality.warp``; 0 leaves it."""
        return 0

    def image_factors(self, description: Any, split: str) -> Array | None:
        """Return what the label of each image of a split is multiplied by, (images,); None where by nothing.

        ``description`` is what the manifest's source says of the field, such as the camera of each image.
        """
        return None

    def target(self, target: Target, modality: Modality) -> Target:
        """Return the task's target from that of the store's field, after augmentation; the same by default.

        ``modality`` is that of the field: a task may map its classes, or derive something else from them.
        """
        return target

    def compute_loss(self, raw: Tensor, target: Target) -> LossTerm:
        """Compare raw output, (B, channels, H, W), with the target."""
        return self.loss.term(raw, target)

    @abstractmethod
    def decode(self, raw: Tensor) -> Tensor:
        """Turn raw output into the modality's values, shaped and scaled as ``Target.value``."""

    def compute_consistency(self, raw: Tensor, reference: Tensor, valid: Tensor) -> LossTerm:
        """Compare raw output with other raw output, ``reference``, that stands for the truth where ``valid``.

        A task that decodes with rounding or clamping compares without them where its loss allows.
        """
        return self.compute_loss(raw, Target(self.decode(reference), valid))

    @abstractmethod
    def metrics(self) -> TaskMetric:
        """Return fresh metrics for decoded predictions."""

    def hflip(self, raw: Tensor) -> Tensor:
        """Turn the raw output for an image into that for the image flipped left to right."""
        return raw.flip(-1)

    def merge(self, raws: Sequence[Tensor], reduce: Literal["mean", "max"]) -> Tensor:
        """Return one raw output for several of the same image: their mean or maximum, unless a task knows better."""
        stacked = torch.stack(list(raws))
        return stacked.mean(0) if reduce == "mean" else stacked.amax(0)

    @property
    def depends_on_size(self) -> bool:
        """Whether things that appear larger get other values, as nearer ones do; ``anchored`` then corrects them."""
        return False

    def anchored(self, raw: Tensor, whole: Tensor) -> Tensor:
        """Return raw output for enlarged parts of an image, (B, channels, H, W), with the values' size from ``whole``.

        ``whole`` is the raw output there for the whole image at the size that the network knows. The same, unless
        overridden.
        """
        return raw

    def blend(self, past: Tensor, raw: Tensor, share: Tensor) -> Tensor:
        """Return raw output, (B, channels, H, W), that is to a ``share`` (B, 1, H, W) in 0..1 that of the past.

        Videos are smoothed so. Scores and normalized values are averaged as they are, unless a task knows better.
        """
        return torch.lerp(raw, past, share)


def read_as(field: str, modality: Modality, *kinds: type[M]) -> M:
    """Return the modality of a store's field, of one of the kinds that a task learns from.

    Raises ``ValueError`` with the remedy for another one.
    """
    if isinstance(modality, kinds):
        return modality
    raise ValueError(
        f"field {field!r} holds {modality.name}, not {' or '.join(kind.name for kind in kinds)}: set the task's source "
        "to a field that does, or leave the task out"
    )
