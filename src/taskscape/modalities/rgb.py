"""Color images."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from typing_extensions import override

from taskscape.batch import Target
from taskscape.modalities.base import Array, Modality

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Rgb(Modality):
    """A color image, (H, W, 3) RGB: 0..255 in samples and stores, 0..1 in batches."""

    name: ClassVar[str] = "rgb"
    dtype: ClassVar[str] = "uint8"
    shape: ClassVar[tuple[int, ...]] = (3,)
    sentinel: ClassVar[int | None] = None

    @property
    @override
    def unit(self) -> str:
        return "RGB in 0..255"

    @override
    def check(self, values: Array) -> None:
        if values.dtype != self.dtype:
            raise ValueError(f"{values.dtype} instead of {self.dtype}: convert it to 8 bits a channel, 0..255")

    @override
    def unpack(self, stored: "Tensor") -> Target:
        """Return (B, 3, H, W) float32 RGB in 0..1, channels last in memory; every pixel is valid."""
        import torch

        valid = torch.ones((), dtype=torch.bool, device=stored.device).expand(stored.shape[:-1])
        return Target(stored.permute(0, 3, 1, 2) / 255, valid)

    @override
    def to_array(self, values: "Tensor") -> Array:
        """Return (B, H, W, 3) uint8 RGB of (B, 3, H, W) in 0..1."""
        import torch

        return super().to_array((values * 255).round().to(torch.uint8))
