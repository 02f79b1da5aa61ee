"""Task distillation with attention over the features of all tasks jointly, then over their channels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.deeplab.distillation import Distillation
from taskscape.models.layers.encoder import AtrousConfig
from taskscape.models.layers.message_passing import GatedConvolution
from taskscape.models.layers.squeeze_excite import SqueezeExcitation
from taskscape.models.layers.up_decoder import UpDecoder
from taskscape.models.layers.up_projection import Phases
from taskscape.models.tasks import known_tasks

if TYPE_CHECKING:
    from taskscape.tasks import Task


@dataclass(frozen=True)
class DeeplabDistillSEConfig(AtrousConfig):
    """Task distillation with up-projections, attention over all tasks and a squeeze-and-excitation residual.

    A single task predicts once. 41,965,304 parameters for 19 classes and depth.
    """

    name: ClassVar[str] = "deeplab-distill-se"
    paper: ClassVar[str] = "Zhang et al., CVPR 2019 (PAP), gates over all tasks, on DeepLabV3+ with up-projections"
    link: ClassVar[str] = "https://arxiv.org/abs/1906.03525"

    narrow_tasks: tuple[str, ...] | None = None
    """Tasks whose second decoder has 64 instead of 128 channels at stride 2; by default those with one output
    channel."""
    phases: Phases = "interleaved"
    """How an up-projection fills the doubled grid. ``shuffled`` mixes phases and channels, as in the published
    network."""

    @override
    def check(self, tasks: Mapping[str, "Task"]) -> None:
        super().check(tasks)
        known_tasks("narrow_tasks", self.narrow_tasks or (), tasks)


class CrossTaskAttention(nn.Module):
    """Computes x + SE(x), where x is a gated convolution of the features of all tasks."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.message = GatedConvolution(inputs, outputs)
        self.excitation = SqueezeExcitation(outputs)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, outputs, h, w) for (B, inputs, h, w)."""
        message = self.message(features)
        attended: Tensor = message + self.excitation(message)
        return attended


class DeeplabDistillSE(Distillation, config=DeeplabDistillSEConfig):
    """Encoder → for each task: ASPP → decoder → first prediction; attention over all → decoder → prediction."""

    def __init__(
        self, out_channels: Mapping[str, int], config: DeeplabDistillSEConfig | None = None, **options: Any
    ) -> None:
        config = DeeplabDistillSEConfig.of(config, options)
        phases = config.phases
        doublings = (config.output_stride // 4).bit_length() - 1
        super().__init__(out_channels, config, (4, 2), 128, lambda skips: UpDecoder(256, skips, 128, doublings, phases))
        if config.narrow_tasks is None:
            narrow = tuple(task for task, channels in out_channels.items() if channels == 1)
        else:
            narrow = known_tasks("narrow_tasks", config.narrow_tasks, out_channels)
        widths = {task: 64 if task in narrow else 128 for task in out_channels}
        if len(out_channels) > 1:
            inputs = 128 * len(out_channels)
            self.attentions = nn.ModuleDict({task: CrossTaskAttention(inputs, 128) for task in out_channels})
            self.add_decoders(widths, lambda skips, width: UpDecoder(128, skips, width, phases=phases))

    @property
    @override
    def exchanges(self) -> nn.ModuleDict:
        return self.attentions

    @override
    def exchange(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Exchange features at stride 4, half the resolution of the first predictions."""
        halved = {task: F.max_pool2d(x, 3, stride=2, padding=1) for task, x in features.items()}
        all_features = torch.cat(list(halved.values()), 1)
        return {task: F.relu(halved[task] + attention(all_features)) for task, attention in self.attentions.items()}
