"""Cross-entropy and the soft Jaccard index, for classes that are measured by mIoU."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from typing_extensions import override

from taskscape.batch import Target
from taskscape.losses.base import LossTerm, at_least_float32, check_positive
from taskscape.losses.weighted_class_loss import WeightedClassLoss


@dataclass(frozen=True)
class CrossEntropyJaccard(WeightedClassLoss):
    """Cross-entropy + jaccard · (1 - the mean of the classes' soft IoU), which leads to mIoU directly.

    The soft IoU of a class is Σ p·y / Σ (p + y - p·y) over the valid pixels of the batch, of all processes, where p is
    its predicted probability and y is 1 where it is the label (Rahman and Wang, ISVC 2016,
    https://doi.org/10.1007/978-3-319-50835-1_22). The mean is that over the classes that are a label in the batch.

        >>> import torch
        >>> CrossEntropyJaccard()(torch.tensor([[[[20.0, 0.0]], [[0.0, 20.0]]]]), torch.tensor([[[0, 1]]])).round()
        tensor(0.)
        >>> CrossEntropyJaccard()(torch.zeros(1, 2, 1, 2), torch.tensor([[[0, 1]]]))  # 0.693 + 1 - 1/3
        tensor(1.3598)
    """

    name: ClassVar[str] = "cross-entropy-jaccard"
    suits: ClassVar[tuple[str, ...]] = ("semseg",)

    jaccard: float = 1.0
    """Weight of the soft Jaccard loss beside 1 of cross-entropy."""

    def __post_init__(self) -> None:
        """Check the settings. Raises ``ValueError``."""
        super().__post_init__()
        check_positive("jaccard", self.jaccard)

    @override
    def term(self, prediction: Tensor, target: Target) -> LossTerm:
        """Return Σ of cross-entropy's losses and each class's Σ p·y, Σ p and Σ y, as one vector; and the normalizer."""
        entropy = super().term(prediction, target)
        valid, classes = target.valid, prediction.shape[1]
        if 0 <= self.ignore_index < classes:
            valid = valid & (target.value != self.ignore_index)
        ids = target.value.masked_fill(~valid, 0)
        probability = at_least_float32(self.adjusted(prediction)).softmax(1)
        predicted = (probability * valid.unsqueeze(1)).sum((0, 2, 3))
        right = probability.gather(1, ids.unsqueeze(1)).squeeze(1) * valid
        both = torch.zeros_like(predicted).index_add(0, ids.flatten(), right.flatten())
        labels = torch.zeros_like(predicted).index_add(0, ids.flatten(), valid.flatten().to(predicted.dtype))
        return LossTerm(torch.cat([entropy.sum.unsqueeze(0), both, predicted, labels]), entropy.count)

    @override
    def finish(self, mean: Tensor) -> Tensor:
        both, predicted, labels = mean[1:].chunk(3)
        occurs = labels > 0
        iou = both / torch.where(occurs, predicted + labels - both, 1.0)
        return mean[0] + self.jaccard * (1 - (iou * occurs).sum() / occurs.sum().clamp(min=1)) * occurs.any()
