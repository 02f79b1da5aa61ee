"""Cross-entropy plus the soft Jaccard index, for classes that are evaluated by mIoU."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor
from typing_extensions import override

from taskscape.batch import Target
from taskscape.losses.base import LossTerm, at_least_float32
from taskscape.losses.weighted_class_loss import WeightedClassLoss
from taskscape.serialization.ranges import Positive


@dataclass(frozen=True)
class CrossEntropyJaccard(WeightedClassLoss):
    """Cross-entropy + jaccard · (1 - the mean of the classes' soft IoU), which optimizes mIoU directly.

    The soft IoU of a class is Σ p·y / Σ (p + y - p·y) over the valid pixels of the global batch, where p is its
    predicted probability and y is 1 where it is the label (Rahman and Wang, ISVC 2016,
    https://doi.org/10.1007/978-3-319-50835-1_22). The mean is over the classes that occur as labels in the batch.

        >>> import torch
        >>> CrossEntropyJaccard()(torch.tensor([[[[20.0, 0.0]], [[0.0, 20.0]]]]), torch.tensor([[[0, 1]]])).round()
        tensor(0.)
        >>> CrossEntropyJaccard()(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]]))  # 0.693 + 1 - 1/3
        tensor(1.3598)
    """

    name: ClassVar[str] = "cross-entropy-jaccard"
    suits: ClassVar[tuple[str, ...]] = ("semseg",)

    jaccard: Positive = 1.0
    """Weight of the soft Jaccard loss, relative to 1 for cross-entropy."""

    @override
    def term(self, prediction: Tensor, target: Target) -> LossTerm:
        """Return the normalizer, and as one vector the summed cross-entropy and each class's Σ p·y, Σ p and Σ y."""
        classes = prediction.shape[1]
        value, valid = self.without_ignored(target, classes)
        ids = value.masked_fill(~valid, 0)
        like = at_least_float32(prediction[:0])
        weights, offsets = self._weights(like), self._score_offsets(like)
        if weights is None:
            weights = like.new_ones(classes)
        self.check_classes(classes)
        entropy, intersection, predicted, *_ = _Sums.apply(
            prediction, ids, valid, weights, offsets, self.label_smoothing
        )
        labels = _add_by_class(torch.zeros_like(predicted), ids, valid.to(predicted.dtype))
        normalizer = (weights[ids] * valid).sum()
        return LossTerm(torch.cat([entropy.unsqueeze(0), intersection, predicted, labels]), normalizer)

    @override
    def finish(self, mean: Tensor) -> Tensor:
        intersection, predicted, labels = mean[1:].chunk(3)
        occurs = labels > 0
        iou = intersection / torch.where(occurs, predicted + labels - intersection, 1.0)
        return mean[0] + self.jaccard * (1 - (iou * occurs).sum() / occurs.sum().clamp(min=1))


class _Sums(torch.autograd.Function):
    """Summed cross-entropy, and each class's Σ p·y and Σ p, from one softmax of scores + ``offsets``.

    A softmax takes a fifth of the time in channels-first format, and resizing a third in channels-last format, so the
    format changes between the two, in the forward and the backward pass. A CPU processes one image per thread at a
    time, which keeps intermediate results in its caches and takes half of the time.
    """

    generate_vmap_rule = True

    @staticmethod
    @override
    def forward(
        scores: Tensor, ids: Tensor, valid: Tensor, weights: Tensor, offsets: Tensor | None, smoothing: float
    ) -> tuple[Tensor, ...]:
        """Return the three sums, and each part's p, (b, C, H, W), for the gradient."""
        entropy, intersection, predicted = weights.new_zeros(()), torch.zeros_like(weights), torch.zeros_like(weights)
        probabilities = []
        for image_scores, labels, mask in _parts(scores, ids, valid):
            planes = at_least_float32(image_scores.contiguous())
            log_probability = (planes if offsets is None else planes + offsets).log_softmax(1)
            index, label_weights = labels.unsqueeze(1), (1 - smoothing) * weights[labels] * mask
            entropy = entropy - (label_weights * log_probability.gather(1, index).squeeze(1)).sum()
            if smoothing:
                entropy = entropy - smoothing / len(weights) * (weights * _per_class(log_probability, mask)).sum()
            probability = log_probability.exp()
            label_probability = probability.gather(1, index).squeeze(1) * mask
            intersection = _add_by_class(intersection, labels, label_probability)
            predicted = predicted + _per_class(probability, mask)
            probabilities.append(probability)
        return entropy, intersection, predicted, *probabilities

    @staticmethod
    @override
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        scores, ids, valid, weights, _, ctx.smoothing = inputs
        ctx.channels_last, ctx.dtype = scores.stride(1) == 1, scores.dtype
        ctx.mark_non_differentiable(*output[3:])
        ctx.save_for_backward(ids, valid, weights, *output[3:])

    @staticmethod
    @override
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        """Return p·(∂p - Σ p·∂p) for the sums of p, plus q·p - the label's share of q for cross-entropy."""
        entropy_gradient, intersection_gradient, predicted_gradient = gradients[:3]
        ids, valid, weights, *probabilities = ctx.saved_tensors
        parts = []
        for probability, (labels, is_valid) in zip(probabilities, _parts(ids, valid), strict=True):
            index, mask = labels.unsqueeze(1), is_valid.to(probability.dtype)
            label_weights = (1 - ctx.smoothing) * weights[labels] * mask * entropy_gradient
            label_gradient = probability.gather(1, index).squeeze(1) * mask * intersection_gradient[labels]
            mean = _over_classes(probability, predicted_gradient) * mask + label_gradient
            offset = ctx.smoothing * weights.mean() * mask * entropy_gradient + label_weights - mean
            gradient = (predicted_gradient[:, None, None] * mask.unsqueeze(1) + offset.unsqueeze(1)) * probability
            gradient.scatter_add_(1, index, (label_gradient - label_weights).unsqueeze(1))
            if ctx.smoothing:
                smoothing_gradient = ctx.smoothing / len(weights) * entropy_gradient * weights
                gradient -= smoothing_gradient[:, None, None] * mask.unsqueeze(1)
            gradient = gradient.to(ctx.dtype)
            parts.append(gradient.permute(0, 2, 3, 1).contiguous() if ctx.channels_last else gradient)
        whole = torch.cat(parts) if len(parts) > 1 else parts[0]
        return whole.permute(0, 3, 1, 2) if ctx.channels_last else whole, None, None, None, None, None


def _parts(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield the tensors in parts of as many images as there are threads on a CPU; elsewhere in one part."""
    images = len(tensors[0])
    count = min(torch.get_num_threads(), images) if tensors[0].device.type == "cpu" else images
    return zip(*(x.split(max(count, 1)) for x in tensors), strict=True)


def _per_class(maps: Tensor, valid: Tensor) -> Tensor:
    return (maps * valid.unsqueeze(1)).sum((0, 2, 3))


def _add_by_class(sums: Tensor, ids: Tensor, values: Tensor) -> Tensor:
    """Add the values, (B, H, W), of each class's pixels to its sum, (C,), and return the sums."""
    if values.device.type == "cpu":
        return sums.index_add(0, ids.flatten(), values.flatten())
    # On a GPU, index_add would add millions of pixels to a few numbers one by one, in an arbitrary order.
    classes = torch.arange(len(sums), device=ids.device)[:, None, None]
    return sums + torch.where(ids.unsqueeze(1) == classes, values.unsqueeze(1), 0.0).sum((0, 2, 3))


def _over_classes(maps: Tensor, weights: Tensor) -> Tensor:
    """Return Σ weight · map over the classes, (B, H, W)."""
    if maps.device.type == "cpu":
        return F.conv2d(maps, weights[None, :, None, None]).squeeze(1)
    return (maps * weights[:, None, None]).sum(1)  # on a GPU, a convolution would round to 10 bits (TF32)
