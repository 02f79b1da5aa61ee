"""Overlap of predicted and true classes."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from typing_extensions import override

from taskscape.metrics.base import TaskMetric, check_shapes
from taskscape.metrics.spec import MetricSpec
from taskscape.modalities import IGNORE_INDEX

SPECS = {
    "miou": MetricSpec(
        "mIoU",
        "%",
        "Mean over classes of the overlap of predicted and true area divided by their union.",
        higher_is_better=True,
        leads=True,
        in_delta_m=True,
    ),
    "pixel_accuracy": MetricSpec(
        "Pixel accuracy",
        "%",
        "Share of pixels with the right class.",
        higher_is_better=True,
        in_delta_m=True,
    ),
    "pixel_accuracy_per_image": MetricSpec(
        "Pixel accuracy per image",
        "%",
        "Share of each image's pixels with the right class, then the mean over images.",
        higher_is_better=True,
        optional=True,
    ),
    "miou_per_image": MetricSpec(
        "mIoU per image",
        "%",
        "mIoU of each image over the classes in it, then the mean over images.",
        higher_is_better=True,
    ),
}
"""All metrics except the IoU of each class."""


class SegmentationMetrics(TaskMetric):
    """Intersection over union and accuracy of class ids, in percent.

    - ``miou``: the mean of ``iou/CLASS`` over the classes that occur in the prediction or the ground truth of the
      split, from one confusion matrix over the whole split (Everingham et al., IJCV 2015,
      https://doi.org/10.1007/s11263-014-0733-5).
    - ``miou_per_image``: an image's mIoU over the classes that occur in its prediction or ground truth, averaged over
      the images with a valid pixel, as in xtask_mt (Nakano et al., https://arxiv.org/abs/2111.14122). It is not
      comparable with ``miou``.
    - ``pixel_accuracy``: the share of valid pixels with the right class; ``pixel_accuracy_per_image``: its mean over
      images.

    ``plots``: ``confusion``, rows ground truth, columns prediction, in pixels.

    Class ids cannot be NaN, so NaN scores are not detected here, only in the loss.

    A batch costs one ``bincount``: 0.9 ms for 8 x 128 x 256 pixels and 19 classes on a CPU; on a GPU it is a
    synchronization point, since the largest index is read back.

    >>> metric = SegmentationMetrics(("road", "sky"))
    >>> metric.update(torch.tensor([[[0, 0, 1, 1]]]), torch.tensor([[[0, 0, 0, 255]]]))  # 255 has no label
    >>> {name: round(value, 1) for name, value in metric.compute().items() if name in ("pixel_accuracy", "iou/road")}
    {'pixel_accuracy': 66.7, 'iou/road': 66.7}
    """

    confusion: Tensor
    """Number of pixels, rows ground truth, columns prediction, (C, C) int64."""
    image_miou: Tensor
    """Sum over images of their mIoU, 0 … 1, float64."""
    image_accuracy: Tensor
    """Sum over images of their pixel accuracy, 0 … 1, float64."""
    images: Tensor
    """Number of images with a valid pixel, int64."""

    def __init__(self, classes: Sequence[str]) -> None:
        """Initialize the metric; ``classes`` are the names of ids 0, 1, … Raises ``ValueError`` for anything else."""
        super().__init__()
        if isinstance(classes, str) or not isinstance(classes, Sequence):
            raise ValueError(f"classes is {classes!r}: give the names of the classes, such as ('road', 'sky')")
        if len(set(classes)) < len(classes):
            raise ValueError(
                f"classes is {classes!r}: each class needs a name of its own, since IoUs are listed by name"
            )
        self.classes = tuple(classes)
        self.add_state("confusion", torch.zeros(len(classes), len(classes), dtype=torch.int64))
        self.add_state("image_miou", torch.zeros((), dtype=torch.float64))
        self.add_state("image_accuracy", torch.zeros((), dtype=torch.float64))
        self.add_state("images", torch.zeros((), dtype=torch.int64))

    @property
    @override
    def specs(self) -> dict[str, MetricSpec]:
        return SPECS | {f"iou/{name}": _class_spec(name) for name in self.classes}

    @override
    def update(self, prediction: Tensor, value: Tensor, valid: Tensor | None = None) -> None:
        """Update with (B, H, W) class ids; without ``valid``, pixels with id 255 have no label.

        Raises ``ValueError`` for ids at valid pixels that are not classes, and for other shapes.
        """
        mask = check_shapes(prediction, value, valid, None)
        if valid is None and len(self.classes) > IGNORE_INDEX:
            raise ValueError(
                f"class {IGNORE_INDEX} of {len(self.classes)} would be ignored: pass valid, the mask of pixels with a "
                "label"
            )
        valid = value != IGNORE_INDEX if valid is None else mask
        prediction, value = (self._ids(name, x, valid) for name, x in (("prediction", prediction), ("value", value)))
        b, c = len(value), len(self.classes)
        image = torch.arange(b, device=value.device)[:, None, None]
        cell = (image * c + value) * c + prediction
        # Invalid pixels go to an extra cell, which is faster than selecting the valid pixels.
        counts = cell.masked_fill(~valid, b * c * c).flatten().bincount(minlength=b * c * c + 1)
        confusion_bcc = counts[:-1].view(b, c, c)
        miou_b = _iou(confusion_bcc).nanmean(-1)  # NaN where an image has no valid pixel
        self.confusion += confusion_bcc.sum(0)
        self.image_miou += miou_b.nansum()
        right_b, pixels_b = confusion_bcc.diagonal(dim1=1, dim2=2).sum(1), confusion_bcc.sum((1, 2))
        self.image_accuracy += (right_b.double() / pixels_b.clamp(min=1)).sum()
        self.images += (~miou_b.isnan()).sum()

    def _ids(self, name: str, ids: Tensor, valid: Tensor) -> Tensor:
        """Return ids within the classes; ids outside at pixels without a label become 0."""
        if ids.is_floating_point() or ids.dtype == torch.bool:
            raise ValueError(f"{name} is {ids.dtype}: class ids are integers, such as scores.argmax(1)")
        ids, classes = ids.long(), len(self.classes)  # int64, as cell indices exceed narrower types
        if ids.numel() == 0 or _all_in_range(ids, classes):
            return ids
        ids = ids.masked_fill(~valid, 0)
        if not _all_in_range(ids, classes):
            outside = ids[(ids < 0) | (ids >= classes)].unique()[:5].tolist()
            raise ValueError(
                f"{name} has ids {outside} at valid pixels, but the classes are 0 … {classes - 1}: mark pixels without "
                "a class as not valid"
            )
        return ids

    @override
    def compute(self) -> dict[str, float]:
        iou_c = _iou(self.confusion)
        metrics = {
            "miou": iou_c.nanmean(),
            "pixel_accuracy": self.confusion.diagonal().sum().double() / self.confusion.sum(),
            "pixel_accuracy_per_image": self.image_accuracy / self.images,
            "miou_per_image": self.image_miou / self.images,
            **{f"iou/{name}": iou for name, iou in zip(self.classes, iou_c, strict=True)},
        }
        return {name: 100 * x.item() for name, x in metrics.items() if not x.isnan()}

    @override
    def plots(self) -> dict[str, Any]:
        with self.sync_context():
            return {"confusion": self.confusion.tolist()}


def _all_in_range(ids: Tensor, classes: int) -> bool:
    lowest, highest = ids.aminmax()
    return bool(lowest >= 0) and bool(highest < classes)


def _class_spec(name: str) -> MetricSpec:
    return MetricSpec(
        f"IoU {name}",
        "%",
        "Overlap of predicted and true area of one class divided by their union.",
        higher_is_better=True,
        per_class=True,
    )


def _iou(confusion: Tensor) -> Tensor:
    """Return the IoU of each class, (…, C) float64, from (…, C, C) counts; NaN for classes without pixels."""
    intersection = confusion.diagonal(dim1=-2, dim2=-1)
    union = confusion.sum(-1) + confusion.sum(-2) - intersection
    return intersection.double() / union
