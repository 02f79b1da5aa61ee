"""The multi-task attention network: one SegNet, with attention masks by which each task selects features."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn
from typing_extensions import override

from taskscape.models.base import Network, Outputs
from taskscape.models.layers.per_task import PerTask
from taskscape.models.segnet.attended_trunk import AttendedTrunk
from taskscape.models.segnet.head import Head
from taskscape.models.segnet.stages import SegnetConfig, initialize


@dataclass(frozen=True)
class SegnetMtanConfig(SegnetConfig):
    """One trunk for all tasks, and attention masks per task.

    44,229,073 parameters for 13 classes, depth and normals. There are no shared features, since the shared convolutions
    after the masks read the tasks' attended features::

        >>> import torch
        >>> from taskscape.models import SegnetMtan
        >>> network = SegnetMtan({"semseg": 13, "depth": 1, "normals": 3}, widths=(16, 16, 32))
        >>> outputs = network(torch.rand(2, 3, 60, 90))
        >>> {task: tuple(raw.shape) for task, raw in outputs.final.items()}
        {'semseg': (2, 13, 60, 90), 'depth': (2, 1, 60, 90), 'normals': (2, 3, 60, 90)}
        >>> network.has_shared_features, outputs.shared
        (False, ())
    """

    name: ClassVar[str] = "segnet-mtan"
    paper: ClassVar[str] = "Liu et al., CVPR 2019 (MTAN)"
    link: ClassVar[str] = "https://arxiv.org/abs/1803.10704"


class SegnetMtan(Network, config=SegnetMtanConfig):
    """Trunk → for each task: attention over every stage → head."""

    has_shared_features = False

    def __init__(self, out_channels: Mapping[str, int], config: SegnetMtanConfig | None = None, **options: Any) -> None:
        super().__init__(out_channels)
        widths = SegnetMtanConfig.of(config, options).widths
        self.trunk = AttendedTrunk(out_channels, widths)
        self.heads = PerTask({task: Head(widths[0], channels) for task, channels in out_channels.items()})
        initialize(self, nn.init.xavier_normal_)

    @override
    def shared_modules(self) -> tuple[nn.Module, ...]:
        """Return the trunk and the convolutions that process all tasks' attended features."""
        return self.trunk.shared_modules()

    @override
    def layers_by_task(self) -> tuple[nn.ModuleDict, ...]:
        return *self.trunk.encoder_masks, *self.trunk.decoder_masks, self.heads

    @override
    def forward(self, image: Tensor) -> Outputs:
        return Outputs(self.heads(self.trunk(image)), {}, ())
