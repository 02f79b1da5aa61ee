"""Plain vision transformers, read at several depths.

Vision Transformers for Dense Prediction (Ranftl et al., ICCV 2021, https://arxiv.org/abs/2103.13413) reads a plain
transformer (Dosovitskiy et al., ICLR 2021, https://arxiv.org/abs/2010.11929) at four depths.
"""

from typing import Any

from torch import Tensor, nn

from taskscape.models.layers.traits import traits

DEPTHS = 4
"""The number of depths that are read: after a quarter, half, three quarters and all of the blocks."""


class PlainBackbone(nn.Module):
    """A plain vision transformer of timm, read at four depths. Its ``Traits`` tell which images it accepts."""

    def __init__(self, name: str, **options: Any) -> None:
        """Create it; ``options`` are those of ``timm.create_model``, whose errors are passed on."""
        super().__init__()
        import timm

        model_traits = traits(name)
        if model_traits.interpolates:
            options["dynamic_img_size"] = True
        model: Any = timm.create_model(name, num_classes=0, **options)
        num_blocks = len(model_traits.strides)
        self.depths: list[int] = model.prune_intermediate_layers(
            [num_blocks * (quarter + 1) // DEPTHS - 1 for quarter in range(DEPTHS)], prune_norm=False, prune_head=True
        )
        """The blocks after which features are read, counted from 0."""
        self.model, self.pretrained_cfg = model, model.pretrained_cfg

    def forward(self, image: Tensor) -> list[Tensor]:
        """Return the (B, C, H/patch, W/patch) features of each depth after the model's last norm, as DINOv2 does."""
        model: Any = self.model
        maps: list[Tensor] = model.forward_intermediates(
            image, indices=self.depths, norm=True, output_fmt="NCHW", intermediates_only=True
        )
        return maps
