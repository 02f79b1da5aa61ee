"""Task distillation in which each task attends to the features of all tasks at once, then to their channels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from taskscape.models.layers.blocks import ASPP, GatedConvolution, SqueezeExcitation, cut, resize_like
from taskscape.models.layers.encoder import AtrousConfig, Encoder
from taskscape.models.base import Network, Outputs
from taskscape.models.layers.up_projection import Phases, UpDecoder


@dataclass(frozen=True)
class DeeplabDistillSEConfig(AtrousConfig):
    """Task distillation with up-projections, attention over all tasks and a squeeze-and-excitation residual.

    A task that is alone has nobody to learn from: its first prediction is the final one.
    """

    name: ClassVar[str] = "deeplab-distill-se"
    paper: ClassVar[str] = "Zhang et al., CVPR 2019 (PAP), gates over all tasks, on DeepLabV3+ with up-projections"

    encoder: str = "resnet34"
    """Any timm backbone that gives a pyramid of features from stride 2."""
    narrow_tasks: tuple[str, ...] = ("depth",)
    """Tasks whose second decoder has 64 instead of 128 features at stride 2."""
    phases: Phases = "interleaved"
    """How an up-projection fills the doubled grid: ``shuffled`` mixes phases and channels, as was published."""

    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build the network."""
        return DeeplabDistillSE(outputs, self)


class Attention(nn.Module):
    """x + SE(x) of what a task takes from the features of all tasks."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.message = GatedConvolution(inputs, outputs)
        self.excitation = SqueezeExcitation(outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, outputs, h, w) for (B, inputs, h, w)."""
        message = self.message(features)
        heard: Tensor = message + self.excitation(message)
        return heard


class DeeplabDistillSE(Network):
    """Encoder → for each task: ASPP → decoder → first prediction; features of all → decoder → final one."""

    def __init__(self, outputs: Mapping[str, int], options: DeeplabDistillSEConfig) -> None:
        super().__init__(outputs)
        self.encoder = Encoder(options.encoder, options.output_stride, options.pretrained)
        self.skip_levels = [self.encoder.level(stride) for stride in (4, 2)]
        deep, skips = self.encoder.channels[-1], [self.encoder.channels[level] for level in self.skip_levels]
        widths = {task: 64 if task in options.narrow_tasks else 128 for task in outputs}
        doublings = (options.output_stride // 4).bit_length() - 1
        phases = options.phases
        self.aspps = nn.ModuleDict({task: ASPP(deep, rates=options.rates) for task in outputs})
        self.first_decoders = nn.ModuleDict({t: UpDecoder(256, skips, 128, doublings, phases) for t in outputs})
        self.first_heads = nn.ModuleDict({task: nn.Conv2d(128, outputs[task], 1) for task in outputs})
        if len(outputs) > 1:
            self.attentions = nn.ModuleDict({task: Attention(128 * len(outputs), 128) for task in outputs})
            self.decoders = nn.ModuleDict({t: UpDecoder(128, skips, widths[t], phases=phases) for t in outputs})
            self.heads = nn.ModuleDict({task: nn.Conv2d(widths[task], outputs[task], 1) for task in outputs})

    def shared_modules(self) -> tuple[nn.Module, ...]:
        """All that every final prediction reads: the encoder, and all tasks' ASPPs and first decoders."""
        return self.encoder, self.aspps, self.first_decoders

    def forward(self, image: Tensor) -> Outputs:
        """Predict every task twice."""
        tasks = list(self.outputs)
        pyramid = self.encoder(image)
        skips = tuple(pyramid[level] for level in self.skip_levels)
        first = [self.first_decoders[task](self.aspps[task](pyramid[-1]), skips) for task in tasks]
        shared = cut(*skips, *first)
        skips, features = shared[: len(skips)], dict(zip(tasks, shared[len(skips) :], strict=True))
        initial = {task: resize_like(self.first_heads[task](features[task]), image) for task in tasks}
        if len(tasks) == 1:
            return Outputs(initial, {}, tuple(features.values()))

        features = {task: F.max_pool2d(x, 3, stride=2, padding=1) for task, x in features.items()}
        everything = torch.cat(list(features.values()), 1)
        final = {}
        for task in tasks:
            learnt = F.relu(features[task] + self.attentions[task](everything))
            final[task] = resize_like(self.heads[task](self.decoders[task](learnt, skips)), image)
        return Outputs(final, {"initial": initial}, shared)
