"""DeepLabV3+ whose tasks predict twice: the second time with what the other tasks' features tell them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from taskscape.models.layers.blocks import ASPP, Messages, SkipDecoder, cut, resize_like
from taskscape.models.layers.encoder import AtrousConfig, Encoder
from taskscape.models.base import Network, Outputs


@dataclass(frozen=True)
class DeeplabDistillConfig(AtrousConfig):
    """A branch per task, and behind it a second decoder that also reads the attended features of all other tasks.

    A task that is alone has nobody to learn from: its first prediction is the final one.
    """

    name: ClassVar[str] = "deeplab-distill"
    paper: ClassVar[str] = "Xu et al., CVPR 2018 (PAD-Net), on DeepLabV3+"

    def build(self, outputs: Mapping[str, int]) -> Network:
        """Build the network."""
        return DeeplabDistill(outputs, self)


class DeeplabDistill(Network):
    """Encoder → for each task: ASPP → decoder → first prediction; features of the others → decoder → final one."""

    def __init__(self, outputs: Mapping[str, int], options: DeeplabDistillConfig) -> None:
        super().__init__(outputs)
        self.encoder = Encoder(options.encoder, options.output_stride, options.pretrained)
        self.skip_level = self.encoder.level(4)
        deep, skip = self.encoder.channels[-1], self.encoder.channels[self.skip_level]
        self.aspps = nn.ModuleDict({task: ASPP(deep, rates=options.rates) for task in outputs})
        self.first_decoders = nn.ModuleDict({task: SkipDecoder(256, skip) for task in outputs})
        self.first_heads = nn.ModuleDict({task: nn.Conv2d(256, outputs[task], 1) for task in outputs})
        if len(outputs) > 1:
            self.messages = nn.ModuleDict({task: Messages(256, [o for o in outputs if o != task]) for task in outputs})
            self.decoders = nn.ModuleDict({task: SkipDecoder(256, skip) for task in outputs})
            self.heads = nn.ModuleDict({task: nn.Conv2d(256, outputs[task], 1) for task in outputs})

    def shared_modules(self) -> tuple[nn.Module, ...]:
        """All that every final prediction reads: the encoder, and all tasks' ASPPs and first decoders."""
        return self.encoder, self.aspps, self.first_decoders

    def forward(self, image: Tensor) -> Outputs:
        """Predict every task twice."""
        tasks = list(self.outputs)
        pyramid = self.encoder(image)
        bottleneck, skip = pyramid[-1], pyramid[self.skip_level]
        first = [self.first_decoders[task](self.aspps[task](bottleneck), skip) for task in tasks]
        skip, *first = cut(skip, *first)
        features = dict(zip(tasks, first, strict=True))
        initial = {task: resize_like(self.first_heads[task](features[task]), image) for task in tasks}
        if len(tasks) == 1:
            return Outputs(initial, {}, tuple(first))

        final = {}
        for task in tasks:
            learnt = features[task] + self.messages[task](features)
            final[task] = resize_like(self.heads[task](self.decoders[task](learnt, skip)), image)
        return Outputs(final, {"initial": initial}, (skip, *first))
