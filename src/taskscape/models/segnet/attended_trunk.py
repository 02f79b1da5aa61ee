"""End-to-End Multi-Task Learning with Attention (Liu et al., CVPR 2019, https://arxiv.org/abs/1803.10704)."""

from collections.abc import Iterable, Sequence
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from taskscape.models.layers.conv import conv_norm_relu
from taskscape.models.layers.per_task import PerTask
from taskscape.models.segnet.pooling import pool, unpool
from taskscape.models.segnet.stages import decoder_channels, encoder_channels, stages


class AttendedTrunk(nn.Module):
    """A SegNet trunk for all tasks, with soft masks per task that select among its features."""

    def __init__(self, tasks: Iterable[str], widths: Sequence[int]) -> None:
        super().__init__()
        self.tasks = tuple(tasks)
        down, up = encoder_channels(widths), decoder_channels(widths)
        # The features that a task passes to the next stage are as wide as the first unit they are concatenated with.
        carried = [*widths[1:], widths[-1]]
        self.encoder_first = stages([channels[:2] for channels in down])
        self.encoder_further = stages([channels[1:] for channels in down])
        self.encoder_shared = nn.ModuleList(
            conv_norm_relu(width, carried_width, bias=True)
            for width, carried_width in zip(widths, carried, strict=True)
        )
        self.encoder_masks = nn.ModuleList(
            PerTask({task: attention(width if i == 0 else 2 * width, width) for task in self.tasks})
            for i, width in enumerate(widths)
        )
        self.decoder = stages(up)
        self.decoder_shared = nn.ModuleList(conv_norm_relu(stage[0], stage[-1], bias=True) for stage in up)
        self.decoder_masks = nn.ModuleList(
            PerTask({task: attention(stage[0] + stage[-1], stage[-1]) for task in self.tasks}) for stage in up
        )

    def shared_modules(self) -> tuple[nn.Module, ...]:
        """Return all modules except the masks, in the order of computation."""
        encoder = zip(self.encoder_first, self.encoder_further, self.encoder_shared, strict=True)
        decoder = zip(self.decoder_shared, self.decoder, strict=True)
        return tuple(chain.from_iterable((*encoder, *decoder)))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Return each task's (B, widths[0], H, W) features for (B, 3, H, W) images."""
        x, pools = image, []
        attended: dict[str, Tensor] = {}
        for first_unit, further_units, shared, masks in zip(
            self.encoder_first, self.encoder_further, self.encoder_shared, self.encoder_masks, strict=True
        ):
            first = first_unit(x)
            last = further_units(first)
            inputs = {task: torch.cat([first, carried], 1) for task, carried in attended.items()}
            weights = masks(inputs or dict.fromkeys(self.tasks, first))
            attended = {task: F.max_pool2d(shared(w * last), 2, ceil_mode=True) for task, w in weights.items()}
            pools.append(pool(last))
            x = pools[-1].features
        for stage, shared, masks, pooled in zip(
            self.decoder, self.decoder_shared, self.decoder_masks, reversed(pools), strict=True
        ):
            unpooled = unpool(x, pooled)
            x = stage(unpooled)
            enlarged = {
                task: F.interpolate(carried, unpooled.shape[-2:], mode="bilinear", align_corners=True)
                for task, carried in attended.items()
            }
            weights = masks({task: torch.cat([unpooled, shared(carried)], 1) for task, carried in enlarged.items()})
            attended = {task: w * x for task, w in weights.items()}
        return attended


def attention(inputs: int, outputs: int) -> nn.Sequential:
    """Return the layers that compute a soft mask: (B, inputs, h, w) to (B, outputs, h, w) in 0..1."""
    return nn.Sequential(
        *conv_norm_relu(inputs, outputs, 1, bias=True),
        nn.Conv2d(outputs, outputs, 1),
        nn.BatchNorm2d(outputs),
        nn.Sigmoid(),
    )
