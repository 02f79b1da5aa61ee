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
from taskscape.devices import is_quick_to_read
from taskscape.losses import L1, DepthLoss, Laplace, LossTerm
from taskscape.metrics.depth import DepthMetrics
from taskscape.modalities import Modality
from taskscape.modalities.base import Array
from taskscape.modalities.depth import METERS_AT_DISPARITY_1
from taskscape.serialization.ranges import Positive, Range
from taskscape.tasks.base import Task, read_as
from taskscape.tasks.depth_encoding import DepthEncoding, Representation
from taskscape.tasks.depth_scale import fraction_outside, is_like, normalization_of, range_of, rounded
from taskscape.tasks.distributions.depth import DepthLaplace

ScaleRule = Literal["physical", "divide", "keep"]
"""The effect of augmentation by a zoom of s on depth: meters / s, the learned value / s, or none."""
Meters = Annotated[float, Range(least=1e-30, most=1e30)]
"""A depth that float32 can represent, along with its inverse."""
Quantity = Literal["mtan-cityscapes"]
"""A published depth quantity, with all settings that it implies."""

# From the depth of Miniscapes, the data set of the published networks with normalized depth.
_NORMALIZATION: dict[Representation, tuple[float, float]] = {
    "meters": (27.0727, 29.1264),
    "log": (2.8936, 0.8661),
    "inverse": (0.0, 1.0),
}
"""Mean and standard deviation of f(meters) for data with depths like those of streets."""
_OF_DEPTH: dict[Representation, str] = {"meters": "", "log": " of its logarithm", "inverse": " of its inverse"}
"""What mean and standard deviation are of, for messages."""
_RANGE = (0.5, 300.0)
"""Range of such data in meters."""
_QUANTITIES: dict[Quantity, dict[str, Any]] = {
    "mtan-cityscapes": {
        "representation": "inverse",
        "mean": 0.0,
        "std": 1 / METERS_AT_DISPARITY_1,
        "min_depth": METERS_AT_DISPARITY_1 / 0.4922,
        "max_depth": METERS_AT_DISPARITY_1 * 65536,  # p = 2
        "inverse_unit": METERS_AT_DISPARITY_1,
        "scale_rule": "divide",
        "metrics_per_batch": True,
    }
}
"""The settings that each quantity fixes."""
_START_MAGNITUDE = 0.1
"""Typical magnitude of an untrained network's raw outputs."""


_PRODUCT = "meters_times_pixels", "metres_times_pixels"
"""Key of a store's depth for focal length times baseline, by image; the second in stores of earlier versions."""


@dataclass(frozen=True)
class Depth(Task):
    """The distance of every pixel in meters, along the optical axis.

    The network's output is a normalized representation of the meters: (f(meters) - mean) / std. Targets and predictions
    are clamped to ``min_depth`` … ``max_depth``, so a perfect prediction has no error.

    ``quantity="mtan-cityscapes"`` is the quantity of MTAN (Liu et al., CVPR 2019) and later papers on Cityscapes:
    q = (p - 1) / 65536 with the 16-bit disparity image p, 0 < q <= 0.4922. The raw output is q; meters are 1.8499 / q,
    for the standard camera. If a store has the camera of each image, its meters are converted to the standard camera,
    so that q equals that of the file. In zoomed images, q is divided by the zoom, as in the original. The metrics of
    inverse depth lead and determine Δm, and the metrics averaged over batches are also computed.

    >>> import torch
    >>> task = Depth(min_depth=1.0, max_depth=50.0)
    >>> meters = task.decode(torch.full((1, 1, 2, 2), 100.0))
    >>> round(meters.max().item(), 3)
    50.0
    """

    name: ClassVar[str] = "depth"

    representation: Representation = "log"
    """f: meters, their natural logarithm, or their inverse."""
    mean: float | None = None
    """Mean of f(meters). By default that of streets, 27.0727 (meters), 2.8936 (log) or 0 (inverse); or that of the data
    if its geometric mean differs from that of streets, 18 m, by more than a factor of 4, or its spread by more than a
    factor of 2."""
    std: Positive | None = None
    """Standard deviation of f(meters). By default that of streets, 29.1264 (meters), 0.8661 (log) or 1 (inverse); or
    that of the data, in the same cases as ``mean``."""
    min_depth: Meters | None = None
    """Nearest depth in meters, to which predictions and targets are clamped. By default 0.5, or half the nearest depth
    of the data if more than 1 % of its pixels are outside 0.5 … 300."""
    max_depth: Meters | None = None
    """Farthest depth in meters, like ``min_depth``. By default 300, or twice the farthest depth of the data."""
    metric: bool | None = None
    """Whether the depth of the data is in meters. Relative depth is proportional to meters only within an image, so
    metrics that need a scale are left out. By default as recorded in the data."""
    inverse_unit: Positive | None = None
    """The depth in meters whose inverse is 1 in the metrics inverse_abs_err and inverse_abs_rel: 1.8499 for MTAN's
    Cityscapes, by default 1. Reports show these two metrics only if it is set."""
    scale_rule: ScaleRule = "physical"
    """The effect on depth when augmentation zooms an image by s: physical divides meters by s, as a real camera would;
    divide divides the learned value, meters or (representation inverse) inverse depth; keep leaves depth unchanged."""
    metrics_per_batch: bool = False
    """Also report the mean over batches of each batch's errors, as MTAN does (metrics that end in _per_batch)."""
    quantity: Quantity | None = None
    """A published quantity, which fixes representation, mean, std, range, inverse_unit, scale_rule and metrics."""
    loss: DepthLoss = field(default_factory=L1)
    """The loss between prediction and target. With laplace, the network also predicts the width of its errors in an
    additional channel, which gives the task a confidence."""
    source: str | None = None
    """The store's field of depth; none for the field with the task's name."""

    def __post_init__(self) -> None:
        """Fill in the settings that the quantity fixes, and check all. Raises ``ValueError``."""
        for name, value in _QUANTITIES[self.quantity].items() if self.quantity in _QUANTITIES else ():
            if getattr(self, name) not in (value, type(self).__dataclass_fields__[name].default):
                raise ValueError(
                    f"{name} is {getattr(self, name)}, which the quantity {self.quantity} fixes: leave it out"
                )
            object.__setattr__(self, name, value)
        super().__post_init__()
        nearest, farthest = self.range
        if not nearest < farthest:
            raise ValueError(f"min_depth is {nearest}, max_depth is {farthest}: it must be 0 < min_depth < max_depth")

    @property
    @override
    def modality(self) -> modalities.Depth:
        """Metric depth, unless the data is relative depth."""
        return modalities.Depth(metric=self.metric is not False)

    @property
    @override
    def channels(self) -> int:
        """One, plus one if the loss predicts the width of the errors."""
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
        """The conversion between meters and raw output."""
        return DepthEncoding(self.representation, *self.normalization, self.range)

    @property
    @override
    def range(self) -> tuple[float, float]:
        """The effective nearest and farthest depth; a default limit moves if the other limit is set beyond it."""
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
        """Return the factors that convert meters of each image's camera to those of the quantity's camera."""
        if self.quantity is None or not isinstance(description, Mapping):
            return None
        products = next((description[key] for key in _PRODUCT if key in description), None)
        if products is None:
            return None
        products = products[split] if isinstance(products, Mapping) else [products]
        factors = 256 * METERS_AT_DISPARITY_1 / np.asarray(products, np.float64)
        return None if np.all(factors == 1) else factors

    @override
    def target(self, target: Target, modality: Modality) -> Target:
        """Clamp depth to the range, as for predictions."""
        return Target(self.encoding.clamp(target.value), target.valid)

    @property
    @override
    def raw_is_value(self) -> bool:
        return self.representation == "meters" and self.normalization == (0.0, 1.0)

    @property
    @override
    def zero_is_clamped(self) -> bool:
        """Whether a raw output of about zero decodes to a depth outside ``min_depth`` … ``max_depth``.

        Always false for a loss that compares representations.
        """
        low, high = sorted(self.encode(torch.tensor(self.range)).tolist())
        return self.loss.space == "value" and not low - _START_MAGNITUDE <= 0 <= high + _START_MAGNITUDE

    @override
    def for_data(self, field: str, modality: Modality) -> Self:
        """Set ``metric`` from the data, unless it is set already."""
        metric = read_as(field, modality, modalities.Depth).metric
        return self if self.metric is not None else replace(self, metric=metric)

    @override
    def measured_on(
        self, field: str, modality: Modality, classes: str = ""
    ) -> tuple[Self, Callable[[Tensor], Tensor] | None]:
        """Leave out the metrics that need a scale if the network's depth or that of the data is relative."""
        is_metric = read_as(field, modality, modalities.Depth).metric
        return replace(self, metric=self.modality.metric and is_metric), None

    @override
    def for_values(self, sample: Callable[[], Array]) -> tuple[Self, list[str]]:
        """Choose the range and normalization that are not set from the data, if those of streets do not fit it."""
        depth = np.asarray(sample(), np.float64)
        if not depth.size:
            return self, []
        nearest, farthest = self.range
        if fraction_outside(depth, self.range) > 0.01:
            chosen = range_of(depth)
            nearest = chosen[0] if self.min_depth is None else nearest
            farthest = chosen[1] if self.max_depth is None else farthest
        fitted = replace(self, min_depth=nearest, max_depth=farthest)
        clipped = depth.clip(nearest, farthest)
        mean, std = self.normalization
        if not is_like(clipped, *_NORMALIZATION["log"]):
            chosen = normalization_of(fitted.encoding.represent(torch.from_numpy(clipped)).numpy())
            mean = chosen[0] if self.mean is None else mean
            std = chosen[1] if self.std is None else std
        fitted = replace(fitted, mean=mean, std=std)
        return fitted, self._fit_messages(depth, fitted)

    def _fit_messages(self, depth: Array, fitted: Self) -> list[str]:
        unit = "m" if self.modality.metric else "times the median of its image"
        fraction, limits = fraction_outside(depth, fitted.range), "{:g} … {:g}".format(*fitted.range)
        messages = []
        if (fitted.range, fitted.normalization) != (self.range, self.normalization):
            mean, std = fitted.normalization
            near, far = np.quantile(depth, (0.001, 0.999))
            messages.append(
                f"the depth of the training images is {near:.2g} … {far:.2g} {unit}, unlike that of streets: range "
                f"{limits}, and mean {mean:g} and std {std:g}{_OF_DEPTH[self.representation]}, were chosen from it; "
                f"{100 * fraction:.1f} % of it lies outside"
            )
        if fraction > 0.05:
            messages.append(
                f"warning: {100 * fraction:.0f} % of the depth of the training images lies outside min_depth … "
                f"max_depth, {limits} {unit}, and is clamped to it; leave both out to choose them from the data"
            )
        return messages

    @override
    def start_value(self, usual: float) -> float:
        """Return ``usual`` if it is inside the range by a factor of 2, otherwise the range's geometric mean."""
        nearest, farthest = self.range
        return usual if 2 * nearest <= usual <= farthest / 2 else rounded(math.sqrt(nearest * farthest))

    def encode(self, meters: Tensor) -> Tensor:
        """Convert meters to the raw output that the network should predict."""
        return self.encoding.encode(meters)

    @override
    def decode(self, raw: Tensor) -> Tensor:
        """Convert raw output to meters from ``min_depth`` to ``max_depth``, (B, 1, H, W)."""
        if raw.ndim == 4:  # other shapes are values alone
            self.check_channels(raw, 1, 2)
        return self.encoding.decode(self._center(raw))

    @property
    @override
    def depends_on_size(self) -> bool:
        return True

    @override
    def match_scale(self, raw: Tensor, whole: Tensor) -> Tensor:
        """Multiply the depth of each part by one factor, so that half of its pixels are nearer than in ``whole``."""
        meters = self.decode(raw)
        ratios = self.decode(whole).log() - meters.log()
        factor = ratios.flatten(1).median(1).values.exp().view(-1, 1, 1, 1)
        return torch.cat([self.encoding.normalize(meters * factor), raw[:, 1:]], 1)

    @override
    def compute_loss(self, raw: Tensor, target: Target) -> LossTerm:
        """Compare meters or their representation, depending on the ``space`` of the loss.

        Raises ``ValueError`` for valid depths that are not above 0, which would be clamped; not on a GPU, since reading
        them would force a synchronization.
        """
        value, valid = target
        if is_quick_to_read(value) and ((value.squeeze(1) <= 0) & valid).any():
            raise ValueError(
                "a depth is not above 0 at a valid pixel: mask pixels without a depth, Target(meters, meters[:, 0] > 0)"
            )
        if self.loss.space == "value":
            return self.loss.term(self.decode(raw), target._replace(value=self.encoding.clamp(target.value)))
        raw = raw if self.loss.scale_channels else self._center(raw)
        return self.loss.term(raw, target._replace(value=self.encode(target.value)))

    @override
    def compute_consistency(self, raw: Tensor, reference: Tensor, valid: Tensor) -> LossTerm:
        """Compare representations directly, without a detour over meters, which would round and clamp them."""
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
        """Return the output without the channel of a predicted width, which losses without a width must not see."""
        return raw[:, :1] if raw.ndim == 4 else raw
