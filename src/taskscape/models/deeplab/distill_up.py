"""Task distillation with decoders that learn their upsampling, up to half the size of the image."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from taskscape.models.layers.blocks import ASPP, Messages, cut, resize_like
from taskscape.models.layers.encoder import AtrousConfig, Encoder
from taskscape.models.base import Network, Outputs
from taskscape.models.layers.up_projection import Phases, UpDecoder


@dataclass(frozen=True)
class DeeplabDistillUpConfig(AtrousConfig):
    """Task distillation with up-projections in both decoders of every task.

    A task that is alone has nobody to learn from: its first prediction is the final one.
    """

    name: ClassVar[str] = "deeplab-distill-up"
    paper: ClassVar[str] = "Xu et al., CVPR 2018 (PAD-Net), with the up-projections of Laina et al., 3DV 2016"

    skip_2x: bool = True
    """A skip from the encoder's stride 2 as well, and 128 instead of 256 features at that stride."""
    phases: Phases = "interleaved"
    """How an up-projection fills the doubled grid: ``shuffled`` mixes phases and channels, as was published."""

    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build the network."""
        return DeeplabDistillUp(outputs, self)


class DeeplabDistillUp(Network):
    """Encoder → for each task: ASPP → decoder → first prediction; features of the others → decoder → final one."""

    def __init__(self, outputs: Mapping[str, int], options: DeeplabDistillUpConfig) -> None:
        super().__init__(outputs)
        self.encoder = Encoder(options.encoder, options.output_stride, options.pretrained)
        self.skip_levels = [self.encoder.level(stride) for stride in ((4, 2) if options.skip_2x else (4,))]
        deep, skips = self.encoder.channels[-1], [self.encoder.channels[level] for level in self.skip_levels]
        width = 128 if options.skip_2x else 256
        doublings = (options.output_stride // 4).bit_length() - 1
        phases = options.phases
        self.aspps = nn.ModuleDict({task: ASPP(deep, rates=options.rates) for task in outputs})
        self.first_decoders = nn.ModuleDict({t: UpDecoder(256, skips, width, doublings, phases) for t in outputs})
        self.first_heads = nn.ModuleDict({task: nn.Conv2d(width, outputs[task], 1) for task in outputs})
        if len(outputs) > 1:
            self.messages = nn.ModuleDict({t: Messages(width, [o for o in outputs if o != t]) for t in outputs})
            self.decoders = nn.ModuleDict({t: UpDecoder(width, skips, width, phases=phases) for t in outputs})
            self.heads = nn.ModuleDict({task: nn.Conv2d(width, outputs[task], 1) for task in outputs})

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
        final = {}
        for task in tasks:
            learnt = features[task] + self.messages[task](features)
            final[task] = resize_like(self.heads[task](self.decoders[task](learnt, skips)), image)
        return Outputs(final, {"initial": initial}, shared)
