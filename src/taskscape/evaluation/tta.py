"""Test-time augmentation: predictions for an image at several scales, and for its mirror image, become one."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import torch.nn.functional as F
from torch import Tensor

from taskscape.losses.base import at_least_float32
from taskscape.models import Outputs
from taskscape.serialization import nearest
from taskscape.serialization.ranges import Range, RangedSettings
from taskscape.tasks import Task


@dataclass(frozen=True)
class TestTimeAugmentation(RangedSettings):
    """Which versions of an image are predicted, and how their predictions become one (``Task.merge``).

    Raw outputs for a scaled image are resized to the image, those for a mirror image are turned back (``Task.hflip``).
    Depth is not corrected for the scale, as in the originals: a network takes a larger image for a nearer scene.
    """

    __test__: ClassVar[bool] = False  # no test, whatever pytest makes of the name

    scales: tuple[Annotated[float, Range(above=0, most=8)], ...] = (1.0,)
    """By how much the image is scaled."""
    mirror: bool = True
    """Whether each is predicted mirrored too."""
    reduce: Literal["mean", "max"] = "mean"
    """The mean, or the maximum, at each pixel and in each channel."""

    def __post_init__(self) -> None:
        """Check the settings. Raises ``ValueError``."""
        super().__post_init__()
        if not self.scales or self.reduce not in ("mean", "max"):
            raise ValueError(
                f"test-time augmentation by {self.scales} and {self.reduce!r}: give scales, and mean or max"
            )

    @property
    def word(self) -> str:
        """What it is called in commands and file names: its name in ``TTA``, or ``0.75-1-mirror-max``."""
        for name, other in TTA.items():
            if other == self:
                return name
        parts = [f"{scale:g}" for scale in self.scales]
        return "-".join([*parts, *["mirror"] * self.mirror, *["max"] * (self.reduce == "max")])

    @property
    def cost(self) -> float:
        """How many images of the usual size it predicts."""
        return (1 + self.mirror) * sum(scale**2 for scale in self.scales)

    def __call__(
        self, forward: Callable[[Tensor], Outputs], tasks: Mapping[str, Task], image: Tensor
    ) -> dict[str, Tensor]:
        """Return the raw output of each task for (B, 3, H, W) images."""
        size = image.shape[-2:]
        raws: dict[str, list[Tensor]] = {name: [] for name in tasks}
        for scale in self.scales:
            scaled = _resized(image, [max(round(scale * length), 1) for length in size])
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
"""By name: the image and its mirror image, and the scales of the networks with adaptive depth."""


def find_tta(given: TestTimeAugmentation | str | bool | None) -> TestTimeAugmentation | None:
    """Return what is meant: True and ``mirror`` are the mirror image; a text is a name, or ``0.75-1-1.25-mirror-max``.

    Raises ``ValueError`` for a text that is neither.
    """
    if given is True:
        return TTA["mirror"]
    if not isinstance(given, str):
        return given or None
    if given in TTA:
        return TTA[given]
    found = re.fullmatch(r"((?:\d+(?:\.\d+)?-)*\d+(?:\.\d+)?)(-mirror)?(-max)?", given)
    if found is None:
        raise ValueError(
            f"there is no test-time augmentation {given!r}, and it is not spelled out as in 0.75-1-1.25-mirror-max"
            f"{nearest(given, TTA)}"
        )
    scales = tuple(float(scale) for scale in found[1].split("-"))
    try:
        return TestTimeAugmentation(scales, mirror=bool(found[2]), reduce="max" if found[3] else "mean")
    except ValueError as error:
        raise ValueError(f"test-time augmentation {given!r}: {error}") from None


def _resized(x: Tensor, size: "list[int] | tuple[int, ...]") -> Tensor:
    if tuple(x.shape[-2:]) == tuple(size):
        return x
    return F.interpolate(x, list(size), mode="bilinear", antialias=x.shape[-2] > size[0], align_corners=False)
