"""Monocular depth."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor
from typing_extensions import override

from taskscape import modalities
from taskscape.batch import Target
from taskscape.losses import L1, DepthLoss, Laplace, LossTerm
from taskscape.metrics.depth import DepthMetrics
from taskscape.modalities import Modality
from taskscape.modalities.base import Array
from taskscape.modalities.depth import METRES_AT_DISPARITY_1
from taskscape.serialization.ranges import Positive, Range
from taskscape.tasks.base import Task, read_as
from taskscape.tasks.depth_encoding import DepthEncoding, Representation
from taskscape.tasks.depth_scale import fraction_outside, is_like, normalization_of, range_of, rounded
from taskscape.tasks.distributions.depth import DepthLaplace

ScaleRule = Literal["physical", "divide", "keep"]
"""What augmentation by a zoom of s does to depth: metres / s, the value that is learned / s, or nothing."""
Metres = Annotated[float, Range(least=1e-30, most=1e30)]
"""What float32 holds, with its inverse."""
Quantity = Literal["mtan-cityscapes"]
"""A published quantity with all that belongs to it."""

# Of the depth of Miniscapes, on which the networks with normalized depth were published.
_NORMALIZATION: dict[Representation, tuple[float, float]] = {
    "metres": (27.0727, 29.1264),
    "log": (2.8936, 0.8661),
    "inverse": (0.0, 1.0),
}
"""Mean and standard deviation of f(metres), for data whose depth is about that of streets."""
_RANGE = (0.5, 300.0)
"""Range of such data in metres."""
_QUANTITIES: dict[Quantity, dict[str, Any]] = {
    "mtan-cityscapes": {
        "representation": "inverse",
        "mean": 0.0,
        "std": 1 / METRES_AT_DISPARITY_1,
        "min_depth": METRES_AT_DISPARITY_1 / 0.4922,
        "max_depth": METRES_AT_DISPARITY_1 * 65536,  # p = 2
        "inverse_unit": METRES_AT_DISPARITY_1,
        "scale_rule": "divide",
        "metrics_per_batch": True,
    }
}
"""The settings that each fixes."""
_START = 0.1
"""Size of the raw outputs of a network that was not trained yet."""


@dataclass(frozen=True)
class Depth(Task):
    """How far every pixel is away, in metres along the optical axis.

    The network's output is a normalized representation of the metres: (f(metres) - mean) / std. Targets outside
    ``min_depth`` … ``max_depth`` become the nearer of the two, as predictions do: a perfect prediction has no error.

    ``quantity="mtan-cityscapes"`` is that of MTAN (Liu et al., CVPR 2019) and of the papers after it on Cityscapes:
    q = (p - 1) / 65536 of the 16-bit disparity image p, 0 < q <= 0.4922. The raw output is q; metres are 1.8499 / q,
    those of the usual camera. Where a store knows the camera of each image its metres are brought to that one, so that
    q is the file's. Zoomed images have q divided by the zoom, as in the original; the metrics of inverse depth lead and
    make Δm, and those averaged over batches are there too.

    >>> import torch
    >>> task = Depth(min_depth=1.0, max_depth=50.0)
    >>> metres = task.decode(torch.full((1, 1, 2, 2), 100.0))
    >>> round(metres.max().item(), 3)
    50.0
    """

    name: ClassVar[str] = "depth"

    representation: Representation = "log"
    """f: metres, their natural logarithm, or their inverse."""
    mean: float | None = None
    """Mean of f(metres); by default that of streets, 27.0727 (metres), 2.8936 (log), 0 (inverse), or that of the data
    where its geometric mean is not within a factor of 4 of streets' 18 m, or its spread not within one of 2."""
    std: Positive | None = None
    """Standard deviation of f(metres); by default that of streets, 29.1264 (metres), 0.8661 (log), 1 (inverse), or that
    of the data, as ``mean``."""
    min_depth: Metres | None = None
    """Nearest depth in metres: predictions and what they are compared with are clamped to it. By default 0.5, or half
    the nearest depth of the data where more than 1 % of its pixels lie outside 0.5 … 300."""
    max_depth: Metres | None = None
    """Farthest depth in metres, likewise. By default 300, or twice the farthest depth of the data."""
    metric: bool | None = None
    """Whether the depth of the data is in metres. Relative depth is proportional to metres within an image only, and
    the metrics that need a scale are left out. By default as the data says."""
    inverse_unit: Positive | None = None
    """The depth in metres whose inverse the metrics inverse_abs_err and inverse_abs_rel call 1: 1.8499 for MTAN's
    Cityscapes, by default 1. Reports show the two metrics only where it is set."""
    scale_rule: ScaleRule = "physical"
    """What becomes of depth where augmentation zooms an image by s: physical divides metres by s, as a camera would;
    divide divides what is learned, metres or (representation inverse) inverse depth; keep leaves it alone."""
    metrics_per_batch: bool = False
    """Also report the mean over batches of each batch's errors, as MTAN does (metrics that end in _per_batch)."""
    quantity: Quantity | None = None
    """A published quantity, which fixes representation, mean, std, range, inverse_unit, scale_rule and metrics."""
    loss: DepthLoss = field(default_factory=L1)
    """How the prediction is compared with the target. With laplace the network predicts how wide the errors are
    spread in one more channel, so that the task can say how sure it is."""
    source: str | None = None
    """The store's field of depth; none for the one with the task's own name."""

    def __post_init__(self) -> None:
        """Fill in what the quantity fixes, and check the settings. Raises ``ValueError``."""
        for name, fixed in _QUANTITIES[self.quantity].items() if self.quantity in _QUANTITIES else ():
            if getattr(self, name) not in (fixed, type(self).__dataclass_fields__[name].default):
                raise ValueError(
                    f"{name} is {getattr(self, name)}, which the quantity {self.quantity} fixes: leave it out"
                )
            object.__setattr__(self, name, fixed)
        super().__post_init__()
        nearest, farthest = self.range
        if not nearest < farthest:
            raise ValueError(f"min_depth is {nearest}, max_depth is {farthest}: it must be 0 < min_depth < max_depth")

    @property
    @override
    def modality(self) -> modalities.Depth:
        """Metric depth, unless the data says otherwise."""
        return modalities.Depth(metric=self.metric is not False)

    @property
    @override
    def channels(self) -> int:
        """One, and one for a predicted width of the errors."""
        return 1 + self.loss.scale_channels

    @property
    @override
    def distribution(self) -> DepthLaplace | None:
        return DepthLaplace(self.encoding, self.loss, self.modality.metric) if isinstance(self.loss, Laplace) else None

    @property
    def normalization(self) -> tuple[float, float]:
        """The effective mean and standard deviation."""
        mean, std = _NORMALIZATION[self.representation]
        return (mean if self.mean is None else self.mean, std if self.std is None else self.std)

    @property
    def encoding(self) -> DepthEncoding:
        """How metres are learned."""
        return DepthEncoding(self.representation, *self.normalization, self.range)

    @property
    @override
    def range(self) -> tuple[float, float]:
        """The effective nearest and farthest depth; a usual one that lies beyond one that is set makes way for it."""
        nearest, farthest = _RANGE
        if self.min_depth is not None and self.max_depth is not None:
            return self.min_depth, self.max_depth
        if self.min_depth is not None:
            return self.min_depth, farthest if self.min_depth < farthest else self.min_depth * farthest / nearest
        if self.max_depth is not None:
            return nearest if nearest < self.max_depth else self.max_depth * nearest / farthest, self.max_depth
        return _RANGE

    @property
    @override
    def zoom_power(self) -> int:
        if self.scale_rule == "keep":
            return 1
        return 2 if self.scale_rule == "divide" and self.representation == "inverse" else 0

    @override
    def image_factors(self, description: Any, split: str) -> Array | None:
        """Return what brings metres of each image's own camera to those of the quantity's."""
        if self.quantity is None or not isinstance(description, Mapping) or "metres_times_pixels" not in description:
            return None
        products = description["metres_times_pixels"]
        products = products[split] if isinstance(products, Mapping) else [products]
        factors = 256 * METRES_AT_DISPARITY_1 / np.asarray(products, np.float64)
        return None if np.all(factors == 1) else factors

    @override
    def target(self, target: Target, modality: Modality) -> Target:
        """Bring depth beyond the range to its ends, as predictions are."""
        return Target(self.encoding.clamp(target.value), target.valid)

    @property
    @override
    def raw_is_value(self) -> bool:
        return self.representation == "metres" and self.normalization == (0.0, 1.0)

    @property
    @override
    def zero_is_clamped(self) -> bool:
        """Whether a raw output of about zero decodes to less than ``min_depth`` or more than ``max_depth``."""
        low, high = sorted(self.encode(torch.tensor(self.range)).tolist())
        return self.loss.space == "value" and not low - _START <= 0 <= high + _START

    @override
    def for_data(self, field: str, modality: Modality) -> Self:
        """Take from the data whether its depth is metric, unless that is set."""
        metric = read_as(field, modality, modalities.Depth).metric
        return self if self.metric is not None else replace(self, metric=metric)

    @override
    def measured_on(
        self, field: str, modality: Modality, classes: str = ""
    ) -> tuple[Self, Callable[[Tensor], Tensor] | None]:
        """Leave out the metrics that need a scale where the network's depth or that of the data has none."""
        theirs = read_as(field, modality, modalities.Depth).metric
        return replace(self, metric=self.modality.metric and theirs), None

    @override
    def for_values(self, sample: Callable[[], Array]) -> tuple[Self, list[str]]:
        """Choose range and normalization from the data where they are not set and those of streets do not suit it."""
        depth = np.asarray(sample(), np.float64)
        if not depth.size:
            return self, []
        nearest, farthest = self.range
        if fraction_outside(depth, self.range) > 0.01:
            chosen = range_of(depth)
            nearest = chosen[0] if self.min_depth is None else nearest
            farthest = chosen[1] if self.max_depth is None else farthest
        fitted = replace(self, min_depth=nearest, max_depth=farthest)
        within = depth.clip(nearest, farthest)
        mean, std = self.normalization
        if not is_like(within, *_NORMALIZATION["log"]):
            chosen = normalization_of(fitted.encoding.represent(torch.from_numpy(within)).numpy())
            mean = chosen[0] if self.mean is None else mean
            std = chosen[1] if self.std is None else std
        fitted = replace(fitted, mean=mean, std=std)
        return fitted, self._what_to_know(depth, fitted)

    def _what_to_know(self, depth: Array, fitted: Self) -> list[str]:
        unit = "m" if self.modality.metric else "times the median of its image"
        share, effective = fraction_outside(depth, fitted.range), "{:g} … {:g}".format(*fitted.range)
        sentences = []
        if (fitted.range, fitted.normalization) != (self.range, self.normalization):
            mean, std = fitted.normalization
            near, far = np.quantile(depth, (0.001, 0.999))
            sentences.append(
                f"the depth of the training images is {near:.2g} … {far:.2g} {unit}, unlike that of streets: range "
                f"{effective}, mean {mean:g} and std {std:g} were chosen from it; {share:.1%} of it lies outside"
            )
        if share > 0.05:
            sentences.append(
                f"warning: {share:.0%} of the depth of the training images lies outside min_depth … max_depth, "
                f"{effective} {unit}, where all of it becomes one value; leave both out to choose them from the data"
            )
        return sentences

    @override
    def start_value(self, usual: float) -> float:
        """Return ``usual``, or the middle of the range in logarithms where it is not inside by a factor of 2."""
        nearest, farthest = self.range
        return usual if 2 * nearest <= usual <= farthest / 2 else rounded(math.sqrt(nearest * farthest))

    def encode(self, metres: Tensor) -> Tensor:
        """Turn metres into what the network learns to put out."""
        return self.encoding.encode(metres)

    @override
    def decode(self, raw: Tensor) -> Tensor:
        """Turn raw output into metres from ``min_depth`` to ``max_depth``, (B, 1, H, W)."""
        return self.encoding.decode(self._center(raw))

    @property
    @override
    def depends_on_size(self) -> bool:
        return True

    @override
    def anchored(self, raw: Tensor, whole: Tensor) -> Tensor:
        """Multiply the depth of each part by one factor, after which half of it is nearer than that of ``whole``."""
        metres = self.decode(raw)
        ratios = self.decode(whole).log() - metres.log()
        factor = ratios.flatten(1).median(1).values.exp().view(-1, 1, 1, 1)
        return torch.cat([self.encoding.normalize(metres * factor), raw[:, 1:]], 1)

    @override
    def compute_loss(self, raw: Tensor, target: Target) -> LossTerm:
        """Compare metres or their representation, whichever is the ``space`` of the loss."""
        if self.loss.space == "value":
            return self.loss.term(self.decode(raw), target._replace(value=self.encoding.clamp(target.value)))
        raw = raw if self.loss.scale_channels else self._center(raw)
        return self.loss.term(raw, target._replace(value=self.encode(target.value)))

    @override
    def compute_consistency(self, raw: Tensor, reference: Tensor, valid: Tensor) -> LossTerm:
        """Compare representations as they are, without the way over metres that rounds and clamps."""
        if self.loss.space == "value":
            return super().compute_consistency(raw, reference, valid)
        raw = raw if self.loss.scale_channels else self._center(raw)
        return self.loss.term(raw, Target(self._center(reference), valid))

    @override
    def metrics(self) -> DepthMetrics:
        return DepthMetrics(
            self.inverse_unit,
            metric=self.modality.metric,
            inverse_leads=self.quantity is not None,
            per_batch=self.metrics_per_batch,
        )

    def _center(self, raw: Tensor) -> Tensor:
        """Return the output without a predicted width, which another loss than the task's own may find there."""
        return raw[:, :1] if raw.ndim == 4 else raw
