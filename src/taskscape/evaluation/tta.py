"""Test-time augmentation: merges predictions for an image at several scales and for its mirror image."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from taskscape.serialization import nearest
from taskscape.serialization.ranges import Range, RangedSettings

if TYPE_CHECKING:
    from torch import Tensor

    from taskscape.models import Outputs
    from taskscape.tasks import Task


@dataclass(frozen=True)
class TestTimeAugmentation(RangedSettings):
    """The versions of an image to predict, and how to merge their predictions (``Task.merge``).

    Raw outputs for a scaled image are resized to the original size; those for a mirror image are flipped back
    (``Task.hflip``). As in the original publications, depth is not corrected for the scale, although a network sees an
    enlarged image as a nearer scene.
    """

    __test__: ClassVar[bool] = False  # keeps pytest from collecting the class by its name

    scales: tuple[Annotated[float, Range(above=0, most=8)], ...] = (1.0,)
    """Factors by which the image is scaled."""
    mirror: bool = True
    """Whether to predict the mirror image at each scale too."""
    reduce: Literal["mean", "max"] = "mean"
    """Merge by the mean or the maximum at each pixel and channel."""

    def __post_init__(self) -> None:
        """Check the settings. Raises ``ValueError``."""
        super().__post_init__()
        if not self.scales:
            raise ValueError("scales is empty: test-time augmentation needs at least one")

    @property
    def word(self) -> str:
        """The name in commands and file names: the key in ``TTA``, or a text such as ``0.75-1-mirror-max``."""
        for name, other in TTA.items():
            if other == self:
                return name
        parts = [f"{Decimal(repr(float(scale))):f}".removesuffix(".0") for scale in self.scales]
        return "-".join([*parts, *["mirror"] * self.mirror, *["max"] * (self.reduce == "max")])

    @property
    def cost(self) -> float:
        """The cost of a prediction in images of the original size."""
        return (1 + self.mirror) * sum(scale**2 for scale in self.scales)

    def __call__(
        self, forward: "Callable[[Tensor], Outputs]", tasks: "Mapping[str, Task]", image: "Tensor"
    ) -> "dict[str, Tensor]":
        """Return the raw output of each task for (B, 3, H, W) images."""
        from taskscape.losses.base import at_least_float32

        size = image.shape[-2], image.shape[-1]
        raws: dict[str, list[Tensor]] = {name: [] for name in tasks}
        for scale in self.scales:
            scaled = _resized(image, (max(round(scale * size[0]), 1), max(round(scale * size[1]), 1)))
            for mirrored in (False, True)[: 1 + self.mirror]:
                final = forward(scaled.flip(-1) if mirrored else scaled).final
                for name, task in tasks.items():
                    raw = at_least_float32(final[name])
                    raws[name].append(_resized(task.hflip(raw) if mirrored else raw, size))
        return {name: task.merge(raws[name], self.reduce) for name, task in tasks.items()}


TTA: dict[str, TestTimeAugmentation] = {
    "mirror": TestTimeAugmentation(),
    "scales-3": TestTimeAugmentation((0.75, 1.0, 1.25), mirror=False),
    "scales-3-max": TestTimeAugmentation((0.75, 1.0, 1.25), mirror=False, reduce="max"),
    "scales-5": TestTimeAugmentation((0.5, 0.75, 1.0, 1.25, 1.5), mirror=False),
    "scales-5-max": TestTimeAugmentation((0.5, 0.75, 1.0, 1.25, 1.5), mirror=False, reduce="max"),
}
"""By name: the image with its mirror image, and the scales used for the networks with adaptive depth."""


def find_tta(given: TestTimeAugmentation | str | bool | None) -> TestTimeAugmentation | None:
    """Return the augmentation for a name in ``TTA`` or a text such as ``0.75-1-1.25-mirror-max``; True is ``mirror``.

    Raises ``ValueError`` for any other text.
    """
    if given is True:
        return TTA["mirror"]
    if not isinstance(given, str):
        return given or None
    if given in TTA:
        return TTA[given]
    match = re.fullmatch(r"((?:\d+(?:\.\d+)?-)*\d+(?:\.\d+)?)(-mirror)?(-max)?", given)
    if match is None:
        raise ValueError(
            f"there is no test-time augmentation {given!r}; use a known name, or a text such as 0.75-1-1.25-mirror-max"
            f"{nearest(given, TTA)}"
        )
    scales = tuple(float(scale) for scale in match[1].split("-"))
    try:
        return TestTimeAugmentation(scales, mirror=bool(match[2]), reduce="max" if match[3] else "mean")
    except ValueError as error:
        raise ValueError(f"test-time augmentation {given!r}: {error}") from None


def _resized(x: "Tensor", size: tuple[int, int]) -> "Tensor":
    import torch.nn.functional as F

    if x.shape[-2:] == size:
        return x
    return F.interpolate(x, size, mode="bilinear", antialias=x.shape[-2] > size[0])
