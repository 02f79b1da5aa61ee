"""Base class of the tasks: a modality that a network predicts, with its channels, loss and metrics."""

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
    """A quantity to predict at every pixel. A frozen dataclass of plain values.

    An experiment's tasks are a mapping from names to instances of this class. The name is the key in outputs, targets,
    losses and metrics, and also the store's field with the labels, unless ``source`` names another field.
    """

    name: ClassVar[str]
    """The name of this kind of task on the command line and in saved experiments."""
    loss: Loss
    """The loss between prediction and target."""
    source: str | None = None
    """The store's field from which the labels are computed; None for the field with the task's name."""

    @property
    @abstractmethod
    def modality(self) -> Modality:
        """The modality of the decoded prediction. Raises ``ValueError`` if it depends on data that is not known yet.

        ``for_data`` fills it in.
        """

    @property
    @abstractmethod
    def channels(self) -> int:
        """Number of channels of the raw output."""

    @property
    def predicts_classes(self) -> bool:
        """Whether the raw output consists of class scores, one channel per class."""
        return False

    @property
    def raw_is_value(self) -> bool:
        """Whether the raw output is the modality's value itself, such as meters, rather than a normalized form."""
        return False

    @property
    def range(self) -> tuple[float, float] | None:
        """The smallest and the largest value that is predicted; None if unknown."""
        return None

    @property
    def zero_is_clamped(self) -> bool:
        """Whether raw output near zero, where most networks start, passes no gradient to the loss.

        Such a task needs a network whose raw output starts in the range of its values
        (``NetworkConfig.starts_at_values``).
        """
        return False

    def start_value(self, usual: float) -> float:
        """Return the initial value for a network whose raw output is the value.

        It is ``usual`` if the task can learn from there.
        """
        return usual

    @property
    def distribution(self) -> Distribution | None:
        """The predictive distribution of the raw output; None if there is none, as without a predicted width."""
        return None

    @property
    def measures_confidence(self) -> bool:
        """Whether runs calibrate and evaluate the ``distribution`` by default."""
        return self.loss.scale_channels > 0 and self.distribution is not None

    def confidence_of(self, raw: Tensor, spread: float = 1.0) -> Tensor | None:
        """Return the confidence at every pixel, (B, H, W) float32 in 0..1; None without a ``distribution``.

        It is the probability that the prediction is right, as defined by ``distribution.right_when``, unless the task's
        settings choose another measure. ``spread`` comes from a run's calibration
        (``taskscape.run_folder.Calibration``); 1 uses the network's output uncalibrated.
        """
        return None if self.distribution is None else self.distribution.estimate(raw, spread).confidence

    def source_for(self, name: str) -> str:
        """Return the store's field that this task reads if this is its name in an experiment."""
        return self.source or name

    def for_data(self, field: str, modality: Modality) -> Self:
        """Return this task completed from the store's field that it reads.

        By default the task depends on nothing in the data and reads its own modality. Raises ``ValueError`` naming the
        field if the task cannot learn from such labels.
        """
        read_as(field, modality, type(self.modality))
        return self

    def measured_on(
        self, field: str, modality: Modality, classes: str = ""
    ) -> tuple[Self, Callable[[Tensor], Tensor] | None]:
        """Return the task to evaluate on data other than the training data, and a function that converts raw output.

        ``field`` and ``modality`` are those of the other data; ``classes`` maps the classes of a task to those of the
        data (``taskscape.modalities.class_maps.class_table``). The function converts this task's raw output,
        (B, channels, H, W), to that of the returned task; None if no conversion is needed. Raises ``ValueError`` like
        ``for_data``.
        """
        return self.for_data(field, modality), None

    def for_values(self, sample: Callable[[], Array]) -> tuple[Self, list[str]]:
        """Return this task with settings computed from the values of its labels, and messages for the user about them.

        ``sample`` reads some images of the training split and returns values of valid pixels, (pixels,) + the
        ``shape`` of the field's modality; it is not called if no setting depends on the values. The messages report the
        chosen settings, and the task's settings that do not fit the values.
        """
        return self, []

    def for_labels(self, targets: Callable[[], Iterable[Target]]) -> tuple[Self, list[str]]:
        """Return this task with loss settings computed from the training labels, and messages for the user about them.

        ``targets`` iterates over the task's targets of all training images, one batch at a time.
        """
        loss, messages = self.loss.for_labels(targets, self.channel_names)
        dataclass: Any = self  # as every task is
        return replace(dataclass, loss=loss) if messages else self, messages

    @property
    def channel_names(self) -> Sequence[str]:
        """The name of each channel of the raw output in messages: its number, unless overridden."""
        return [str(channel) for channel in range(self.channels)]

    @property
    def zoom_power(self) -> int:
        """The power of an augmented image's zoom that multiplies its label after ``Modality.warp``; 0 for no factor."""
        return 0

    def image_factors(self, description: Any, split: str) -> Array | None:
        """Return the factor of each image's label in a split, (images,); None for no factors.

        ``description`` is the entry of the field in the manifest's source, such as the camera of each image.
        """
        return None

    def target(self, target: Target, modality: Modality) -> Target:
        """Return the task's target, computed from the augmented target of the store's field; unchanged by default.

        ``modality`` is that of the field: a task may map its classes or derive other labels from them.
        """
        return target

    def compute_loss(self, raw: Tensor, target: Target) -> LossTerm:
        """Compare raw output, (B, channels, H, W), with the target."""
        return self.loss.term(raw, target)

    @abstractmethod
    def decode(self, raw: Tensor) -> Tensor:
        """Convert raw output, (B, channels, H, W), to the modality's values, in the shape and unit of ``Target.value``.

        Raises ``ValueError`` for another number of channels.
        """

    def check_channels(self, raw: Tensor, *counts: int) -> None:
        """Raise ``ValueError`` unless raw output is (B, C, H, W), where C is one of ``counts``."""
        if raw.ndim != 4 or raw.shape[1] not in counts:
            raise ValueError(
                f"the raw output is {tuple(raw.shape)}: {type(self).__name__} decodes "
                f"{' or '.join(f'(B, {count}, H, W)' for count in counts)}"
            )

    def compute_consistency(self, raw: Tensor, reference: Tensor, valid: Tensor) -> LossTerm:
        """Compare raw output with other raw output, ``reference``, as the ground truth where ``valid``.

        A task that decodes with rounding or clamping compares without these if its loss allows it.
        """
        return self.compute_loss(raw, Target(self.decode(reference), valid))

    @abstractmethod
    def metrics(self) -> TaskMetric:
        """Return new metrics for decoded predictions."""

    def hflip(self, raw: Tensor) -> Tensor:
        """Flip raw output left to right, as if it had been predicted for the flipped image."""
        return raw.flip(-1)

    def merge(self, raws: Sequence[Tensor], reduce: Literal["mean", "max"]) -> Tensor:
        """Merge several raw outputs for the same image: by mean or maximum, unless overridden."""
        stacked = torch.stack(list(raws))
        return stacked.mean(0) if reduce == "mean" else stacked.amax(0)

    @property
    def depends_on_size(self) -> bool:
        """Whether values depend on apparent size, as depth does; ``match_scale`` then corrects them."""
        return False

    def match_scale(self, raw: Tensor, whole: Tensor) -> Tensor:
        """Rescale the raw output for enlarged parts of an image, (B, channels, H, W), to match that of the whole image.

        ``whole`` is the raw output at the same place for the whole image, at the size of the training images. Returns
        ``raw`` unchanged unless overridden.
        """
        return raw

    def blend(self, past: Tensor, raw: Tensor, share: Tensor) -> Tensor:
        """Blend past raw output into ``raw``, (B, channels, H, W), with weights ``share``, (B, 1, H, W) in 0..1.

        Used to smooth videos. Scores and normalized values are averaged directly, unless overridden.
        """
        return torch.lerp(raw, past, share)


def read_as(field: str, modality: Modality, *kinds: type[M]) -> M:
    """Return the modality of a store's field if it is one of ``kinds``, those that a task learns from.

    Otherwise raises ``ValueError`` with a remedy.
    """
    if isinstance(modality, kinds):
        return modality
    raise ValueError(
        f"field {field!r} holds {modality.name}, not {' or '.join(kind.name for kind in kinds)}: set the task's source "
        "to a field that does, or leave the task out"
    )
