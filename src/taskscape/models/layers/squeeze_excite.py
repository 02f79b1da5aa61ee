"""Squeeze-and-Excitation Networks (Hu et al., CVPR 2018, https://arxiv.org/abs/1709.01507)."""

import torch.nn.functional as F
from torch import Tensor, nn


class SqueezeExcitation(nn.Module):
    """Scale each channel by a gate computed from the mean of all channels, with the paper's reduction ratio of 16."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // 16, 1)
        self.excite = nn.Conv2d(channels // 16, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return x · σ(excite(relu(squeeze(mean(x))))), shaped as x, (B, channels, h, w)."""
        gate: Tensor = self.excite(F.relu(self.squeeze(x.mean(dim=(2, 3), keepdim=True))))
        return x * gate.sigmoid()
