"""Base classes of the losses, frozen dataclasses that compute a sum and a count."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Self

import torch
from torch import Tensor
from typing_extensions import override

from taskscape.batch import Target, require_tensor
from taskscape.modalities import IGNORE_INDEX
from taskscape.serialization import named
from taskscape.serialization.ranges import RangedSettings

Space = Literal["value", "representation"]
"""The space in which a loss compares: values (meters), or their representation in the network's output (log, …)."""


@dataclass(frozen=True)
class LossTerm:
    """A loss before division, so that parts of a batch can be added: the mean is the sum of sums / sum of counts."""

    sum: Tensor
    """This process's sum, with its gradient: a scalar, or a vector for a loss with several sums."""
    count: Tensor
    """This process's count (or sum of weights), a scalar without a gradient."""


class Loss(RangedSettings, ABC):
    """Compares a prediction with a target. A frozen dataclass of plain values, called like a function.

    ``loss(prediction, target)`` is the scalar loss of a batch, for a plain tensor or a ``Target``. With several
    processes, the parts of ``loss.term(prediction, target)`` are summed first (``taskscape.objectives``), so losses
    themselves are independent of processes.
    """

    name: ClassVar[str]
    """The loss's name on the command line and in saved experiments."""
    suits: ClassVar[tuple[str, ...]] = ()
    """The kinds of task that offer this loss on the command line. In Python and in files, any task takes any loss."""
    space: ClassVar[Space] = "representation"
    """The space in which the loss compares, for tasks whose raw output is not the value itself, such as depth."""
    scale_channels: ClassVar[int] = 0
    """Number of channels after those of the value that predict the width of its errors: 1 for a ``Likelihood``."""

    def __call__(self, prediction: Tensor, target: Target | Tensor, valid: Tensor | None = None) -> Tensor:
        """Return the scalar loss of a batch on one process; 0 if no pixel counts.

        ``prediction`` is (B, C, H, W). ``target`` is a ``Target``, or only its values, in the shape of the prediction;
        ``valid``, (B, H, W) bool, is then their mask, by default true everywhere. Raises ``ValueError`` for other
        types and shapes, and for NaN and infinite values at valid pixels.
        """
        if isinstance(target, Target):
            if valid is not None:
                raise ValueError("a Target has its own mask: leave out valid, or give the values alone")
            target, valid = target
        for what, x in {"the prediction": prediction, "the target": target}.items():
            require_tensor(what, x)
        return self.mean(self.term(prediction, self.target_of(prediction, target, valid)))

    @abstractmethod
    def term(self, prediction: Tensor, target: Target) -> LossTerm:
        """Return the sum and the count of this batch.

        ``prediction`` is (B, C, H, W) and is compared with ``target.value`` where ``target.valid``. Computed in float32
        (or wider), regardless of the precision of the prediction.
        """

    def target_of(self, prediction: Tensor, value: Tensor, valid: Tensor | None = None) -> Target:
        """Return plain values and their mask as a target. Raises ``ValueError`` as ``check_target`` does."""
        return check_target(prediction, value if value.is_floating_point() else value.float(), valid, prediction.shape)

    def for_labels(self, targets: Callable[[], Iterable[Target]], channels: Sequence[str]) -> tuple[Self, list[str]]:
        """Return this loss with settings computed from the training labels, and messages for the user about them.

        ``targets`` iterates over all training labels, one batch at a time; it is not called if no setting is open.
        ``channels`` are the names of the prediction's channels, such as class names.
        """
        return self, []

    def finish(self, mean: Tensor) -> Tensor:
        """Return the scalar loss from sum / count: the identity, except for losses such as a root of the mean."""
        return mean

    def mean(self, term: LossTerm) -> Tensor:
        """Return the scalar loss of a term that covers the whole batch; 0 if the count is 0."""
        return self.finish(term.sum / term.count.clamp(min=1e-12)) * (term.count > 0)


class PixelLoss(Loss):
    """A mean over the valid pixels."""

    @abstractmethod
    def per_pixel(self, prediction: Tensor, value: Tensor) -> Tensor:
        """Return the loss of every pixel alone, (B, H, W).

        Pixels that are not valid have the value 0 and any prediction; their loss is not counted.
        """

    def normalizer(self, prediction: Tensor, value: Tensor, valid: Tensor) -> Tensor:
        """Return the divisor of the mean: the number of valid pixels."""
        return valid.sum()

    @override
    def term(self, prediction: Tensor, target: Target) -> LossTerm:
        """Return the sum of the valid pixels' losses, and the ``normalizer``."""
        invalid = ~target.valid
        # Invalid pixels are set to zero before any computation: an overflow there would put NaN into the gradient.
        value = target.value.masked_fill(invalid.unsqueeze(1) if target.value.ndim == 4 else invalid, 0)
        prediction = at_least_float32(prediction)
        errors = self.per_pixel(prediction, value)
        if errors.shape != invalid.shape:  # otherwise it would be broadcast
            raise ValueError(
                f"{named(type(self).per_pixel)} gives {tuple(errors.shape)} instead of {tuple(invalid.shape)}: "
                "return one number per pixel, (B, H, W), such as the mean over channels, .mean(1)"
            )
        return LossTerm(errors.masked_fill(invalid, 0.0).sum(), self.normalizer(prediction, value, target.valid))


@dataclass(frozen=True)
class ClassLoss(PixelLoss):
    """Compares class scores, (B, C, H, W), with class ids, (B, H, W)."""

    ignore_index: int = field(default=IGNORE_INDEX, kw_only=True)
    """The id of pixels that are ignored: the void label of label files, or a class."""

    @override
    def term(self, prediction: Tensor, target: Target) -> LossTerm:
        """Return the sum of the losses of all pixels that are not ignored, and the ``normalizer``."""
        # In channels-last format, a softmax over classes takes five times as long; results are bit-identical.
        return super().term(prediction.contiguous(), self.without_ignored(target, prediction.shape[1]))

    def without_ignored(self, target: Target, classes: int) -> Target:
        """Return the target without the pixels of ``ignore_index`` if it is a class; other ids are masked already."""
        if not 0 <= self.ignore_index < classes:
            return target
        return target._replace(valid=target.valid & (target.value != self.ignore_index))

    @override
    def target_of(self, prediction: Tensor, value: Tensor, valid: Tensor | None = None) -> Target:
        """Return ids and their mask as a target.

        Raises ``ValueError`` if shapes do not match, for a prediction with a single channel, and for ids that are
        neither classes nor ``ignore_index``.
        """
        if value.is_floating_point() or value.dtype == torch.bool:
            raise ValueError(f"the target is {value.dtype}: class ids are integers")
        target = check_target(prediction, value.long(), valid, (len(prediction), *prediction.shape[2:]))
        if (classes := prediction.shape[1]) < 2:
            raise ValueError(
                "the prediction has 1 channel, but class scores have a channel per class: 2 for two classes"
            )
        if classes > IGNORE_INDEX == self.ignore_index:
            raise ValueError(
                f"class {IGNORE_INDEX} of {classes} would be ignored: give another ignore_index, such as -1"
            )
        valid = target.valid & (target.value != self.ignore_index)
        ids = target.value.masked_fill(~valid, 0)
        if ids.numel() and not (ids.min() >= 0 and ids.max() < classes):
            outside = ids[(ids < 0) | (ids >= classes)].unique()[:5].tolist()
            raise ValueError(
                f"the target has ids {outside}, but the prediction has {classes} classes, 0 … {classes - 1}: "
                "give pixels without a class the id ignore_index, or mask them with valid"
            )
        return Target(ids, valid)


def check_target(prediction: Tensor, value: Tensor, valid: Tensor | None, shape: tuple[int, ...]) -> Target:
    """Return values of this shape and their mask, by default all true.

    Raises ``ValueError`` for another shape, and for NaN and infinite values at valid pixels.
    """
    if prediction.ndim != 4:
        raise ValueError(f"the prediction is {tuple(prediction.shape)}: it must be (B, C, H, W)")
    if value.shape != shape:
        remedy = (
            "" if value.ndim == len(shape) else "; unsqueeze(1) adds the axis of one channel, squeeze(1) removes it"
        )
        raise ValueError(
            f"the target is {tuple(value.shape)}: for a prediction of {tuple(prediction.shape)} it must be "
            f"{tuple(shape)}{remedy}"
        )
    pixels = (len(prediction), *prediction.shape[2:])
    if valid is None:
        valid = torch.ones(pixels, dtype=torch.bool, device=value.device)
    elif valid.shape != pixels or valid.dtype != torch.bool:
        raise ValueError(f"valid is {valid.dtype} {tuple(valid.shape)}: it must be bool {pixels}")
    if value.is_floating_point() and ((~value.isfinite()).any(1) & valid).any():
        raise ValueError(
            "the target has NaN or infinite values at valid pixels: mask pixels without a label, such as with "
            "valid=target.isfinite().all(1)"
        )
    return Target(value, valid)


def at_least_float32(x: Tensor) -> Tensor:
    """Return ``x``, widened if it is narrower than float32."""
    return x if x.dtype.itemsize >= 4 else x.float()
