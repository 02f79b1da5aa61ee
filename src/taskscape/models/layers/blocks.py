"""Building blocks that several networks share."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv_norm_relu(inputs: int, outputs: int, kernel: int = 3, dilation: int = 1, bias: bool = False) -> nn.Sequential:
    """Return conv + batch norm + ReLU that keeps the size of the map."""
    padding = dilation * (kernel - 1) // 2
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=dilation, bias=bias),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def resize_like(x: Tensor, reference: Tensor) -> Tensor:
    """Resize a map bilinearly to the height and width of another."""
    return F.interpolate(x, size=reference.shape[-2:], mode="bilinear", align_corners=False)


def cut(*features: Tensor) -> tuple[Tensor, ...]:
    """Return the features at the cut between what tasks share and what is their own.

    They are views, because a bottleneck is computed from a skip: a gradient asked for at the cut must be that of the
    tasks' own part alone, not of the skip's way through the encoder as well.
    """
    return tuple(x.view_as(x) for x in features)


class PerTask(nn.ModuleDict):
    """One module for each task, side by side."""

    def forward(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what each task's module makes of the task's input."""
        return {task: module(inputs[task]) for task, module in self.items()}


class SqueezeExcitation(nn.Module):
    """Scale each channel by a gate computed from the mean of all channels (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int, ratio: int = 16) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, channels // ratio, 1)
        self.excite = nn.Conv2d(channels // ratio, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return x · σ(excite(relu(squeeze(mean(x)))))."""
        gate: Tensor = self.excite(F.relu(self.squeeze(x.mean(dim=(2, 3), keepdim=True))))
        return x * gate.sigmoid()


class ASPP(nn.Module):
    """Atrous spatial pyramid pooling: one 1×1, dilated 3×3 and a global branch side by side (DeepLabV3).

    ``lite`` ends in a plain convolution with a bias.
    """

    def __init__(self, inputs: int, outputs: int = 256, rates: Sequence[int] = (3, 6, 9), lite: bool = False) -> None:
        super().__init__()
        joined = outputs * (len(rates) + 2)
        self.branches = nn.ModuleList(
            [conv_norm_relu(inputs, outputs, 1), *(conv_norm_relu(inputs, outputs, 3, rate) for rate in rates)]
        )
        self.image_branch = conv_norm_relu(inputs, outputs, 1)
        self.project = nn.Conv2d(joined, outputs, 1) if lite else conv_norm_relu(joined, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, h, w) for (B, inputs, h, w)."""
        image = self.image_branch(x.mean(dim=(2, 3), keepdim=True))
        context: Tensor = self.project(
            torch.cat([*(branch(x) for branch in self.branches), image.expand(-1, -1, *x.shape[2:])], 1)
        )
        return context


class SkipDecoder(nn.Module):
    """The decoder of DeepLabV3+: the context resized to a fine skip, joined with it, and 3×3 convolutions.

    ``lite`` gives the convolutions biases and takes norm and ReLU from the skip's.
    """

    def __init__(
        self, inputs: int, skip: int, width: int = 256, skip_width: int = 48, convolutions: int = 2, lite: bool = False
    ) -> None:
        super().__init__()
        self.reduce_skip = nn.Conv2d(skip, skip_width, 1) if lite else conv_norm_relu(skip, skip_width, 1)
        widths = [skip_width + inputs, *[width] * convolutions]
        self.fuse = nn.Sequential(*(conv_norm_relu(i, o, bias=lite) for i, o in pairwise(widths)))

    def forward(self, context: Tensor, skip: Tensor) -> Tensor:
        """Return (B, width, h, w) features at the size of the skip."""
        features: Tensor = self.fuse(torch.cat([self.reduce_skip(skip), resize_like(context, skip)], 1))
        return features


class GatedConvolution(nn.Module):
    """conv3×3(x) · σ(conv3×3(x)): what one task's features have to say to another, and where."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.message = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.gate = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        nn.init.zeros_(self.gate.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, outputs, h, w) for (B, inputs, h, w)."""
        message: Tensor = self.message(x) * self.gate(x).sigmoid()
        return message


class Messages(nn.Module):
    """What one task hears from others: the sum of their gated features, as in PAD-Net (Xu et al., CVPR 2018)."""

    def __init__(self, channels: int, senders: Sequence[str]) -> None:
        super().__init__()
        self.senders = nn.ModuleDict({task: GatedConvolution(channels, channels) for task in senders})

    def forward(self, features: Mapping[str, Tensor]) -> Tensor:
        """Return (B, channels, h, w) for the (B, channels, h, w) features of each task."""
        return torch.stack([gated(features[task]) for task, gated in self.senders.items()]).sum(0)


class LiteBranch(nn.Module):
    """One task: ASPP → decoder with a skip at stride 4 → 1×1 convolution, the lite ones."""

    def __init__(
        self,
        deep: int,
        skip: int,
        channels: int,
        rates: Sequence[int] = (3, 6, 9),
        skip_width: int = 48,
        convolutions: int = 2,
    ) -> None:
        super().__init__()
        self.aspp = ASPP(deep, rates=rates, lite=True)
        self.decoder = SkipDecoder(256, skip, skip_width=skip_width, convolutions=convolutions, lite=True)
        self.head = nn.Conv2d(256, channels, 1)

    def forward(self, bottleneck: Tensor, skip: Tensor) -> Tensor:
        """Return the task's raw map at the size of the skip."""
        raw: Tensor = self.head(self.decoder(self.aspp(bottleneck), skip))
        return raw
