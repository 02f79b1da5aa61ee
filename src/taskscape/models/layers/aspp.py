"""Rethinking Atrous Convolution for Semantic Image Segmentation (Chen et al., https://arxiv.org/abs/1706.05587)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from taskscape.models.layers.conv import conv_norm_relu
from taskscape.models.layers.dilated import quick_dilations


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: a 1×1 convolution, dilated 3×3 convolutions and the image mean in parallel.

    With ``lite``, the last layer is a plain convolution with a bias, without norm and ReLU.
    """

    def __init__(self, inputs: int, outputs: int = 256, rates: Sequence[int] = (3, 6, 9), lite: bool = False) -> None:
        super().__init__()
        concatenated = outputs * (len(rates) + 2)
        self.branches = nn.ModuleList(
            [conv_norm_relu(inputs, outputs, 1), *(conv_norm_relu(inputs, outputs, 3, rate) for rate in rates)]
        )
        quick_dilations(self.branches)
        self.image_branch = conv_norm_relu(inputs, outputs, 1)
        self.project = nn.Conv2d(concatenated, outputs, 1) if lite else conv_norm_relu(concatenated, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, h, w) for (B, inputs, h, w)."""
        image = self.image_branch(x.mean(dim=(2, 3), keepdim=True))
        maps = [branch(x) for branch in self.branches]
        image = image.expand_as(maps[0])
        if not torch.compiler.is_exporting():
            image = torch.empty_like(maps[0]).copy_(image)  # in the memory format of the others, for ``cat``
        context: Tensor = self.project(torch.cat([*maps, image], 1))
        return context
