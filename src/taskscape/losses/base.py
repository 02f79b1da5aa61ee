"""What every loss of this package is: a frozen dataclass that gives a sum and a count."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor
from typing_extensions import override

from taskscape.batch import Target
from taskscape.modalities import IGNORE_INDEX
from taskscape.serialization import named
from taskscape.serialization.ranges import RangedSettings

Space = Literal["value", "representation"]
"""What a loss compares: values (metres), or the representation of them that the network puts out (log, inverse, …)."""


@dataclass(frozen=True)
class LossTerm:
    """A loss before its division, so that parts of a batch add up: its mean is the sum of sums by the sum of counts."""

    sum: Tensor
    """This process's sum over what counts, with its gradient: a scalar, or a vector for a loss of several sums."""
    count: Tensor
    """This process's count (or sum of weights), a scalar without a gradient."""


class Loss(RangedSettings, ABC):
    """Compares a prediction with a target. A frozen dataclass of plain values, called like a function.

    ``loss(prediction, target)`` is the scalar loss of a batch, of plain tensors or of a ``Target``. With several
    processes the parts of ``loss.term(prediction, target)`` are summed first (``taskscape.objectives``): no loss knows
    of processes.
    """

    name: ClassVar[str]
    """The name on the command line and in saved experiments."""
    suits: ClassVar[tuple[str, ...]] = ()
    """The kinds of task whose choices on the command line it is among. In Python and in files any task takes any."""
    space: ClassVar[Space] = "representation"
    """In which of the two it compares, for tasks whose network puts out something else than values, such as depth."""
    scale_channels: ClassVar[int] = 0
    """Channels of the prediction behind those of the value, which say how wide its errors are spread: 1 for a
    ``Likelihood``."""

    def __call__(self, prediction: Tensor, target: Target | Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the scalar loss of a batch on one process; 0 where nothing counts.

        ``prediction`` is (B, C, H, W). ``target`` is a ``Target``, or the values alone, shaped as the prediction;
        ``valid``, (B, H, W) bool, then says where they hold, by default everywhere. Raises ``ValueError`` for other
        shapes.
        """
        if isinstance(target, Target):
            if valid is not None:
                raise ValueError("a Target has its own mask: leave out valid, or give the values alone")
            target, valid = target
        return self.mean(self.term(prediction, self.target_of(prediction, target, valid)))

    @abstractmethod
    def term(self, prediction: Tensor, target: Target) -> LossTerm:
        """Return the sum and the count of this batch.

        ``prediction`` is (B, C, H, W); ``target.value`` is what the loss compares it with, ``target.valid`` says
        where. Computed in float32 (or wider) whatever the precision of the prediction.
        """

    def target_of(self, prediction: Tensor, value: Tensor, valid: Tensor | None = None) -> Target:
        """Return plain values and their mask as a target. Raises ``ValueError`` where shapes do not fit."""
        return check_target(prediction, value, valid, prediction.shape)

    def for_labels(self, targets: Callable[[], Iterable[Target]], channels: Sequence[str]) -> tuple[Self, list[str]]:
        """Return this loss with what it left to the training labels filled in, and what the user should know of it.

        ``targets`` reads all training labels, a batch at a time; a loss that leaves nothing open does not call it.
        ``channels`` has what each channel of the prediction is called, such as the name of a class.
        """
        return self, []

    def finish(self, mean: Tensor) -> Tensor:
        """Return the scalar loss from sum / count; the identity but for losses such as a root of the mean."""
        return mean

    def mean(self, term: LossTerm) -> Tensor:
        """Return the scalar loss of a term that covers the whole batch. Where nothing counts the mean is 0."""
        return self.finish(term.sum / term.count.clamp(min=1e-12))


class PixelLoss(Loss):
    """A mean over the valid pixels."""

    @abstractmethod
    def per_pixel(self, prediction: Tensor, value: Tensor) -> Tensor:
        """Return the loss of every pixel, (B, H, W)."""

    def normalizer(self, prediction: Tensor, value: Tensor, valid: Tensor) -> Tensor:
        """Return what the mean is divided by: the number of valid pixels."""
        return valid.sum()

    @override
    def term(self, prediction: Tensor, target: Target) -> LossTerm:
        """Return Σ of the valid pixels' losses, and the ``normalizer``."""
        invalid = ~target.valid
        # Invalid pixels hold zeros before anything is computed: what overflows there would leave NaN in the gradient.
        value = target.value.masked_fill(invalid.unsqueeze(1) if target.value.ndim == 4 else invalid, 0)
        prediction = at_least_float32(prediction)
        errors = self.per_pixel(prediction, value)
        if errors.shape != invalid.shape:  # it would be broadcast
            raise ValueError(
                f"{named(type(self).per_pixel)} gives {tuple(errors.shape)} instead of {tuple(invalid.shape)}: "
                "return one number a pixel, (B, H, W), such as the mean over channels, .mean(1)"
            )
        return LossTerm(errors.masked_fill(invalid, 0.0).sum(), self.normalizer(prediction, value, target.valid))


@dataclass(frozen=True)
class ClassLoss(PixelLoss):
    """Compares class scores, (B, C, H, W), with class ids, (B, H, W)."""

    ignore_index: int = field(default=IGNORE_INDEX, kw_only=True)
    """The id of pixels that do not count: of those without a label, as files have it, or of a class."""

    @override
    def term(self, prediction: Tensor, target: Target) -> LossTerm:
        """Return Σ of the losses of the pixels that count, and the ``normalizer``."""
        if 0 <= self.ignore_index < prediction.shape[1]:  # a mask knows of all others
            target = target._replace(valid=target.valid & (target.value != self.ignore_index))
        # With channels last a softmax over classes takes five times as long, and gives the same bit for bit.
        return super().term(prediction.contiguous(), target)

    @override
    def target_of(self, prediction: Tensor, value: Tensor, valid: Tensor | None = None) -> Target:
        """Return ids and their mask as a target.

        Raises ``ValueError`` where shapes do not fit, and for ids that are neither classes nor ``ignore_index``.
        """
        if value.is_floating_point() or value.dtype == torch.bool:
            raise ValueError(f"the target is {value.dtype}: class ids are integers")
        target = check_target(prediction, value, valid, (len(prediction), *prediction.shape[2:]))
        valid = target.valid & (value != self.ignore_index)
        ids, classes = value.masked_fill(~valid, 0).long(), prediction.shape[1]
        if ids.numel() and not (ids.min() >= 0 and ids.max() < classes):
            outside = ids[(ids < 0) | (ids >= classes)].unique()[:5].tolist()
            raise ValueError(
                f"the target has ids {outside}, and the prediction scores for {classes} classes, 0 … {classes - 1}: "
                "pixels without a class have the id ignore_index, or are not valid"
            )
        return Target(ids, valid)


def check_target(prediction: Tensor, value: Tensor, valid: Tensor | None, shape: tuple[int, ...]) -> Target:
    """Return values of this shape and their mask, all true without one. Raises ``ValueError`` for another shape."""
    if prediction.ndim != 4:
        raise ValueError(f"the prediction is {tuple(prediction.shape)}: it must be (B, C, H, W)")
    if value.shape != shape:
        raise ValueError(
            f"the target is {tuple(value.shape)}: for a prediction of {tuple(prediction.shape)} it must be "
            f"{tuple(shape)}; unsqueeze(1) adds the axis of one channel, squeeze(1) removes it"
        )
    pixels = (len(prediction), *prediction.shape[2:])
    if valid is None:
        valid = torch.ones(pixels, dtype=torch.bool, device=value.device)
    elif valid.shape != pixels or valid.dtype != torch.bool:
        raise ValueError(f"valid is {valid.dtype} {tuple(valid.shape)}: it must be bool {pixels}")
    return Target(value, valid)


def at_least_float32(x: Tensor) -> Tensor:
    """Return ``x``, widened if it is narrower than float32."""
    return x if x.dtype.itemsize >= 4 else x.float()


def check_positive(field: str, value: float) -> None:
    """Raise ``ValueError`` that names the field unless the value is positive and finite."""
    if not 0 < value < math.inf:
        raise ValueError(f"{field} is {value}: it must be positive and finite")
